//! One request and the head of its reply on one connection.

use super::fault::Fault;
use super::head::{self, malformed};
use super::{FetchError, FetchRequest, Framing};
use crate::semantics::remove_hop_by_hop;
use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::client::HttpSession;

/// The most interim replies before the final one. An origin sends one or two (103, 102); a storm of them is a way to
/// keep a connection busy for nothing. (Over HTTP/2 they are skipped unseen, and the time for the head bounds them.)
const MOST_INTERIM: usize = 8;

/// The head of a reply that can be relied on.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) framing: Framing,
    /// Whether another request may follow on the connection, as far as the head tells.
    pub(super) reusable: bool,
}

/// Sends `request` and reads up to the end of the final head. `reused`: the connection was in the pool.
pub(super) async fn exchange(
    session: &mut HttpSession,
    request: &FetchRequest,
    reused: bool,
) -> Result<Head, Fault> {
    let header = header(request)?;
    send(session, header).await.map_err(|error| Fault::exchanging(&error, reused))?;
    receive(session, reused).await?;
    let answer = session.response_header().expect("a head was just read");
    judge(request, answer, contradicts_itself(session)).map_err(Fault::malformed)
}

fn header(request: &FetchRequest) -> Result<Box<RequestHeader>, Fault> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = request.method.clone();
    parts.headers = request.headers.clone();
    let mut header = RequestHeader::from(parts);
    let unfit = |_| Fault::malformed(malformed("the request's target cannot be sent"));
    header.set_raw_path(request.target.as_bytes()).map_err(unfit)?;
    Ok(Box::new(header))
}

async fn send(session: &mut HttpSession, header: Box<RequestHeader>) -> pingora::Result<()> {
    match session {
        HttpSession::H2(stream) => stream.write_request_header(header, true),
        session => {
            session.write_request_header(header).await?;
            session.finish_request_body().await
        }
    }
}

/// Reads heads until one is final.
async fn receive(session: &mut HttpSession, reused: bool) -> Result<(), Fault> {
    for _ in 0..=MOST_INTERIM {
        session.read_response_header().await.map_err(|error| Fault::exchanging(&error, reused))?;
        match session.response_header().map(|head| head.status) {
            Some(StatusCode::SWITCHING_PROTOCOLS) => {
                return Err(Fault::malformed(malformed("it switches protocols unasked")));
            }
            Some(status) if status.is_informational() => {}
            _ => return Ok(()),
        }
    }
    Err(Fault::malformed(malformed("it has too many interim replies")))
}

fn judge(
    request: &FetchRequest,
    answer: &ResponseHeader,
    contradicts_itself: bool,
) -> Result<Head, FetchError> {
    let mut headers = answer.headers.clone();
    let framing = head::check(&request.method, answer.version, answer.status, &mut headers)?;
    remove_hop_by_hop(&mut headers);
    Ok(Head { status: answer.status, headers, framing, reusable: !contradicts_itself })
}

/// Whether an HTTP/1 head announces both a length and chunks. RFC 9112, 6.3 lets the chunks count; but whoever sends
/// that, or has it sent, may disagree on where the next reply begins. Pingora has removed the length already, so the
/// bytes are looked at.
fn contradicts_itself(session: &HttpSession) -> bool {
    let HttpSession::H1(session) = session else { return false };
    if session.get_header(TRANSFER_ENCODING).is_none() {
        return false;
    }
    const FIELD: &[u8] = b"\ncontent-length";
    session.get_headers_raw_bytes().windows(FIELD.len()).any(|window| window.eq_ignore_ascii_case(FIELD))
}
