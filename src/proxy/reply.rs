//! Replies of Larder's own, written through Pingora's session: from the engine, and problems.

use super::connection::{Connection, Head};
use super::problem::{CONTENT_TYPE, Problem};
use crate::engine::{Fields, ReplyHead, SendError, Sink};
use crate::invalidation::Place;
use crate::semantics::CacheStatus;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{
    AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE as CONTENT_TYPE_FIELD, DATE, HeaderName,
    HeaderValue, RETRY_AFTER, TRANSFER_ENCODING,
};
use http::{Method, StatusCode, Version};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::date::get_cached_date;
use std::io::Write;

/// `Cache-Status` (RFC 9211).
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What is answered to a method that is not allowed (RFC 9110, 15.5.6 asks for the list).
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Fields added to those of a reply, at most: framing, age, cache status, and Pingora's date and connection.
const ADDED: usize = 8;

/// `status` as a field value.
pub(super) fn cache_status(status: &CacheStatus) -> HeaderValue {
    // A member with every parameter fits.
    let mut text = Vec::with_capacity(96);
    status.write(&mut text);
    HeaderValue::try_from(text).expect("a cache status is made of visible characters")
}

/// The session as a sink. A reply that is not finished has to be [cut](cut).
pub(super) struct SessionSink<'a> {
    session: &'a mut ServerSession,
    connection: &'a Connection,
}

impl<'a> SessionSink<'a> {
    /// Writes to `session`. `last`: the connection is closed after this reply.
    pub(super) fn new(session: &'a mut ServerSession, connection: &'a Connection, last: bool) -> Self {
        if last {
            session.set_keepalive(None);
        }
        Self { session, connection }
    }

    /// Writes a reply that is whole in memory.
    pub(super) async fn whole(&mut self, head: ReplyHead, body: Bytes) -> Result<()> {
        let bodiless = body.is_empty();
        self.write_head(&head, bodiless).await?;
        if !bodiless {
            self.session.write_response_body(body, true).await?;
        }
        Ok(())
    }

    async fn write_head(&mut self, head: &ReplyHead, bodiless: bool) -> Result<()> {
        let framing = self.framing(head, bodiless);
        if framing == Framing::Close {
            self.session.set_keepalive(None);
        }
        let mut response = ResponseHeader::build_no_case(head.status, Some(ADDED + 16))?;
        match framing {
            Framing::Length(length) => response.insert_header(CONTENT_LENGTH, HeaderValue::from(length))?,
            Framing::Chunks => {
                response.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
            }
            Framing::None | Framing::Close => {}
        }
        if self.session.is_http2() {
            complete(&mut response, head)?;
        } else {
            // Pingora goes by the status and the framing; what the client gets is written here.
            let bytes = http1_head(head, framing, self.persistence());
            self.connection.write_head_as(Some(Head::Bytes(bytes)));
        }
        write_head(self.session, response, bodiless).await
    }

    fn framing(&self, head: &ReplyHead, bodiless: bool) -> Framing {
        match (head.content_length, self.session.req_header().version) {
            (Some(length), _) => Framing::Length(length),
            (None, _) if bodiless => Framing::None,
            (None, Version::HTTP_2) => Framing::None,
            (None, Version::HTTP_11) => Framing::Chunks,
            // RFC 9112, 6.1: no transfer coding for a client that may not know it.
            (None, _) => Framing::Close,
        }
    }

    /// What the client is told of the connection (RFC 9112, 9.3): only what it does not expect anyway.
    fn persistence(&self) -> Option<&'static str> {
        let persistent = self.session.get_keepalive().is_some();
        match (self.session.req_header().version, persistent) {
            (Version::HTTP_11, true) => None,
            (_, true) => Some("keep-alive"),
            (_, false) => Some("close"),
        }
    }
}

/// How the end of a body is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// There is none, or HTTP/2 marks it.
    None,
    /// By its length.
    Length(u64),
    /// By the last chunk.
    Chunks,
    /// By the end of the connection.
    Close,
}

/// Adds everything but the framing.
fn complete(response: &mut ResponseHeader, head: &ReplyHead) -> Result<()> {
    let ReplyHead { status: _, fields, age, content_length: _, cache_status: ours } = head;
    let mut appended = Ok(true);
    fields.for_each(|name, value| {
        if appended.is_ok() {
            appended = response.append_header(name, value);
        }
    });
    appended?;
    if let Some(age) = age {
        response.insert_header(AGE, HeaderValue::from(*age))?;
    }
    response.append_header(CACHE_STATUS, cache_status(ours)).map(|_| ())
}

/// The head of a reply as HTTP/1 writes it. The fields of a stored reply are copied as they lie in memory.
fn http1_head(head: &ReplyHead, framing: Framing, connection: Option<&str>) -> Vec<u8> {
    let ReplyHead { status, fields, age, content_length: _, cache_status } = head;
    let mut bytes = Vec::with_capacity(fields.block().map_or(1024, |block| block.len() + 256));
    bytes.extend_from_slice(b"HTTP/1.1 ");
    bytes.extend_from_slice(status.as_str().as_bytes());
    bytes.push(b' ');
    bytes.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    bytes.extend_from_slice(b"\r\n");
    let mut dated = false;
    match fields {
        Fields::Stored(stored) => {
            dated = stored.get(&DATE).is_some();
            bytes.extend_from_slice(stored.block());
        }
        Fields::Made(headers) => {
            for (name, value) in headers {
                dated |= name == DATE;
                line(&mut bytes, name.as_str(), value.as_bytes());
            }
        }
    }
    if !dated {
        line(&mut bytes, "Date", get_cached_date().as_bytes());
    }
    if let Some(age) = age {
        number_line(&mut bytes, "Age", *age);
    }
    match framing {
        Framing::Length(length) => number_line(&mut bytes, "Content-Length", length),
        Framing::Chunks => line(&mut bytes, "Transfer-Encoding", b"chunked"),
        Framing::None | Framing::Close => {}
    }
    bytes.extend_from_slice(b"Cache-Status: ");
    cache_status.write(&mut bytes);
    bytes.extend_from_slice(b"\r\n");
    if let Some(connection) = connection {
        line(&mut bytes, "Connection", connection.as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

fn number_line(bytes: &mut Vec<u8>, name: &str, number: u64) {
    // Writing to a vector cannot fail.
    let _ = write!(bytes, "{name}: {number}\r\n");
}

fn line(bytes: &mut Vec<u8>, name: &str, value: &[u8]) {
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b": ");
    bytes.extend_from_slice(value);
    bytes.extend_from_slice(b"\r\n");
}

async fn write_head(session: &mut ServerSession, response: ResponseHeader, end: bool) -> Result<()> {
    match session {
        ServerSession::H2(stream) => stream.write_response_header(Box::new(response), end),
        session => session.write_response_header(Box::new(response)).await,
    }
}

#[async_trait]
impl Sink for SessionSink<'_> {
    async fn head(&mut self, head: ReplyHead, bodiless: bool) -> Result<(), SendError> {
        // The next piece may be long in coming; what is there is to reach the client now.
        self.connection.write_through(true);
        self.write_head(&head, bodiless).await.map_err(|_| SendError::ClientGone)
    }

    async fn body(&mut self, piece: Bytes) -> Result<(), SendError> {
        self.session.write_response_body(piece, false).await.map_err(|_| SendError::ClientGone)
    }

    async fn finish(&mut self) -> Result<(), SendError> {
        self.session.finish_body().await.map_err(|_| SendError::ClientGone)
    }
}

/// Tells the client what went wrong. `last`: the connection is closed after it.
pub(super) async fn write_problem(
    session: &mut ServerSession,
    problem: Problem,
    status: &CacheStatus,
    last: bool,
) -> Result<()> {
    if last {
        session.set_keepalive(None);
    }
    let body = problem.body();
    let mut response = ResponseHeader::build_no_case(problem.status(), Some(ADDED))?;
    response.insert_header(CONTENT_TYPE_FIELD, HeaderValue::from_static(CONTENT_TYPE))?;
    response.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    // Caches behind must not keep it, least of all a 405 that only this address gives.
    response.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-store"))?;
    response.insert_header(CACHE_STATUS, cache_status(status))?;
    if let Some(seconds) = problem.retry_after() {
        response.insert_header(RETRY_AFTER, HeaderValue::from(seconds))?;
    }
    if problem == Problem::Method {
        response.insert_header(ALLOW, HeaderValue::from_static(ALLOWED))?;
    }
    let bodiless = session.req_header().method == Method::HEAD;
    write_head(session, response, bodiless).await?;
    if !bodiless {
        session.write_response_body(body, true).await?;
    }
    session.finish_body().await
}

/// Tells the client that what it named is purged: on every node that hears of it at `place`, or on this one, and on the others
/// later. `last`: the connection is closed after it.
pub(super) async fn write_purged(
    session: &mut ServerSession,
    place: Option<Place>,
    last: bool,
) -> Result<()> {
    if last {
        session.set_keepalive(None);
    }
    let status = if place.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let position = place.map(|place| place.to_string());
    let body = serde_json::json!({ "position": position }).to_string();
    let mut response = ResponseHeader::build_no_case(status, Some(ADDED))?;
    response.insert_header(CONTENT_TYPE_FIELD, HeaderValue::from_static("application/json"))?;
    response.insert_header(CONTENT_LENGTH, HeaderValue::from(body.len()))?;
    response.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-store"))?;
    if let Some(position) = position {
        response.insert_header("Larder-Position", position)?;
    }
    write_head(session, response, false).await?;
    session.write_response_body(body.into(), true).await?;
    session.finish_body().await
}

/// Ends a reply that was begun so that it cannot be taken for a whole one.
pub(super) fn cut(session: &mut ServerSession, connection: &Connection) {
    if session.is_http2() {
        // Dropping a stream that was not ended resets it, behind what was written; resetting it here would drop that.
        return;
    }
    session.set_keepalive(None);
    // A length that is not reached or a last chunk that is missing tell the client by themselves.
    let by_close = session.response_written().is_some_and(|response| {
        !response.headers.contains_key(CONTENT_LENGTH) && !response.headers.contains_key(TRANSFER_ENCODING)
    });
    if by_close {
        connection.cut();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::semantics::Forward;
    use crate::store;
    use http::HeaderMap;

    const DATED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn fields() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append("date", HeaderValue::from_static(DATED));
        headers.append("x-twice", HeaderValue::from_static("1"));
        headers.append("x-twice", HeaderValue::from_static("2"));
        headers
    }

    fn head(fields: Fields, age: Option<u64>) -> ReplyHead {
        let cache_status =
            CacheStatus { fwd: Some(Forward::UriMiss), stored: true, ..CacheStatus::default() };
        ReplyHead { status: StatusCode::OK, fields, age, content_length: None, cache_status }
    }

    /// The head of a reply with [`fields`], split into lines.
    fn lines(head: &ReplyHead, framing: Framing, connection: Option<&str>) -> Vec<String> {
        let text = String::from_utf8(http1_head(head, framing, connection)).unwrap();
        let lines = text.strip_suffix("\r\n\r\n").expect("one empty line at the end");
        lines.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_head_is_what_was_stored_and_what_was_added() {
        let dated = format!("date: {DATED}");
        let ours = "Cache-Status: larder; fwd=uri-miss; stored";
        for fields in [Fields::Made(fields()), Fields::Stored(store::Head::new(StatusCode::OK, &fields()))] {
            let head = head(fields, Some(7));
            let begin = ["HTTP/1.1 200 OK", &dated, "x-twice: 1", "x-twice: 2", "Age: 7"];
            let length = [&begin[..], &["Content-Length: 5", ours]].concat();
            assert_eq!(lines(&head, Framing::Length(5), None), length);
            let chunks = [&begin[..], &["Transfer-Encoding: chunked", ours, "Connection: close"]].concat();
            assert_eq!(lines(&head, Framing::Chunks, Some("close")), chunks);
            assert_eq!(lines(&head, Framing::None, None), [&begin[..], &[ours]].concat());
        }
    }

    #[test]
    fn a_reply_without_a_date_gets_one() {
        let lines = lines(&head(Fields::Made(HeaderMap::new()), None), Framing::None, None);
        assert!(lines[1].starts_with("Date: ") && lines.len() == 3, "{lines:?}");
    }
}
