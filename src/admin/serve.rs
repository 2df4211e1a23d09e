//! The admin service: lets requests in, reads their bodies, answers.

use super::Control;
use super::answer::Answer;
use super::gate::{Head, Resource, admit, check_content};
use super::handle::{Request, handle};
use super::listener::{self, Serve};
use super::problem::{Kind, Problem};
use super::token::Token;
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, Response};
use pingora::ErrorType;
use pingora::protocols::http::ServerSession;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Some 10,000 URLs in one purge. Who has more sends several, or purges by tag.
const MAX_BODY: usize = 1 << 20;

/// For a body to arrive whole: 1 MiB over a line of 300 kbit/s.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// The admin service.
pub struct Admin {
    control: Arc<dyn Control>,
    token: ArcSwapOption<Token>,
}

impl Admin {
    /// Serves `control`. With a token, everything but the probes wants it.
    pub fn new(control: Arc<dyn Control>, token: Option<&str>) -> Self {
        let admin = Self { control, token: ArcSwapOption::empty() };
        admin.set_token(token);
        admin
    }

    /// Replaces the token, for requests from now on.
    pub fn set_token(&self, token: Option<&str>) {
        self.token.store(token.map(|text| Arc::new(Token::new(text))));
    }

    /// Serves on `listener` until `stop` is cancelled and the replies under way are written.
    ///
    /// Belongs on a runtime with timers and sockets; whoever spawns it owns it. Dropping it cuts what is under way.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        listener::serve(self, listener, stop).await;
    }

    async fn respond(&self, session: &mut ServerSession, peer: IpAddr) -> Result<Answer, Problem> {
        let header = session.req_header();
        let head = Head { method: &header.method, path: header.uri.path(), headers: &header.headers };
        let token = self.token.load();
        let resource = admit(&head, token.as_deref()).inspect_err(|problem| {
            tracing::debug!(%peer, path = head.path, refused = problem.kind.as_str());
        })?;
        let query = header.uri.query().unwrap_or_default().to_owned();
        let body = match resource {
            Resource::Purge | Resource::Event => read_json(session, true).await?,
            Resource::Reload | Resource::CdnRetry => read_json(session, false).await?,
            Resource::Health | Resource::Readiness | Resource::Metrics | Resource::Stats => Bytes::new(),
        };
        let request = Request { resource, query: &query, body: &body, peer };
        Ok(handle(&self.control, &request).await)
    }
}

#[async_trait]
impl Serve for Admin {
    async fn answer(&self, session: &mut ServerSession, peer: IpAddr) -> Response<Bytes> {
        self.respond(session, peer).await.unwrap_or_else(Answer::from).into()
    }

    fn malformed(&self) -> Response<Bytes> {
        Answer::from(Problem::new(Kind::Malformed, "the bytes sent are no HTTP/1.1 request")).into()
    }
}

/// Reads a body of at most [`MAX_BODY`].
async fn read_json(session: &mut ServerSession, required: bool) -> Result<Bytes, Problem> {
    let headers = &session.req_header().headers;
    check_content(headers, required)?;
    if announced(headers).is_some_and(|length| length > MAX_BODY) {
        return Err(too_large());
    }
    let broken = |error: Box<pingora::Error>| match error.etype() {
        ErrorType::ReadTimedout => too_slow(),
        _ => Problem::new(Kind::Malformed, "the body broke off or its framing is wrong"),
    };
    let expects =
        headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects {
        session.write_continue_response().await.map_err(broken)?;
    }
    let whole = async {
        let mut body = BytesMut::new();
        while let Some(piece) = session.read_request_body().await.map_err(broken)? {
            if body.len() + piece.len() > MAX_BODY {
                return Err(too_large());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    };
    timeout(BODY_DEADLINE, whole).await.unwrap_or_else(|_| Err(too_slow()))
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

fn too_slow() -> Problem {
    Problem::new(Kind::Timeout, format!("the body has to arrive within {} s", BODY_DEADLINE.as_secs()))
}

fn too_large() -> Problem {
    Problem::new(
        Kind::TooLarge,
        format!("a body may have {MAX_BODY} bytes; send several, or purge by tag or prefix"),
    )
}

#[cfg(test)]
mod tests;
