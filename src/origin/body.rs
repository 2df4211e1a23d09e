//! The body of a reply as it arrives, and the connection under it.

use super::exchange::Head;
use super::fault::broken;
use super::gate::Permit;
use super::observer::OriginObserver;
use super::server::ServerHandle;
use super::{FetchError, Framing, ReplyBody};
use async_trait::async_trait;
use bytes::Bytes;
use pingora::connectors::http::Connector;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::Peer;
use std::sync::Arc;
use std::time::Duration;

/// A connection and the request on it. Dropping it closes the connection (or the stream of HTTP/2).
pub(super) struct Lease {
    pub(super) session: HttpSession,
    pub(super) connector: Arc<Connector>,
    pub(super) server: ServerHandle,
    /// Whether it was opened past the pool.
    pub(super) fresh: bool,
}

impl Lease {
    /// Gives the connection back for the next request, if the server lets it. Only after a whole reply.
    pub(super) async fn release(mut self) {
        let server = self.server.server();
        let peer = match &mut self.session {
            HttpSession::H1(session) => {
                session.respect_keepalive();
                if !session.will_keepalive() {
                    return;
                }
                &server.peer
            }
            // Pingora knows a shared connection by the key that it was opened under.
            _ if self.fresh => &server.fresh_peer,
            _ => &server.peer,
        };
        self.connector.release_http_session(self.session, peer, peer.idle_timeout()).await;
    }
}

/// Reads a body and counts it. Holds the request's place until the body has ended, failed or was dropped.
pub(super) struct Body {
    state: State,
    framing: Framing,
    received: u64,
    /// For each piece.
    read_timeout: Duration,
    origin: Arc<str>,
    observer: Arc<dyn OriginObserver>,
}

enum State {
    Open { lease: Box<Lease>, pooled: bool, _permit: Permit },
    Ended,
    Failed(FetchError),
}

impl Body {
    /// The body that follows `head` on `lease`; `pooled`: the connection may be kept afterwards.
    pub(super) async fn new(
        head: &Head,
        lease: Box<Lease>,
        pooled: bool,
        permit: Permit,
        (origin, observer, read_timeout): (Arc<str>, Arc<dyn OriginObserver>, Duration),
    ) -> Self {
        let pooled = pooled && head.reusable;
        let state = State::Open { lease, pooled, _permit: permit };
        let mut body = Self { state, framing: head.framing, received: 0, read_timeout, origin, observer };
        if matches!(head.framing, Framing::Empty | Framing::Length(0)) {
            body.end().await;
        }
        body
    }

    /// Whether `read` keeps to what was announced.
    fn account(&mut self, read: Option<Bytes>) -> Result<Option<Bytes>, FetchError> {
        self.received += read.as_ref().map_or(0, |piece| piece.len() as u64);
        match (self.framing, &read) {
            (Framing::Length(length), Some(_)) if self.received > length => {
                Err(FetchError::Malformed(format!("its body is longer than {length} bytes")))
            }
            (Framing::Length(length), None) if self.received < length => {
                Err(FetchError::Broken(format!("{} of {length} bytes arrived", self.received)))
            }
            _ => Ok(read),
        }
    }

    async fn end(&mut self) {
        // The state changes before anything is waited for: a body that has ended stays so if this is cancelled.
        if let State::Open { lease, pooled: true, .. } = std::mem::replace(&mut self.state, State::Ended) {
            lease.release().await;
        }
    }

    fn fail(&mut self, error: FetchError) -> FetchError {
        self.observer.error(&self.origin, error.as_str());
        self.state = State::Failed(error.clone());
        error
    }
}

#[async_trait]
impl ReplyBody for Body {
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let lease = match &mut self.state {
            State::Open { lease, .. } => lease,
            State::Ended => return Ok(None),
            State::Failed(error) => return Err(error.clone()),
        };
        let read = read(&mut lease.session, self.read_timeout).await;
        match read.and_then(|read| self.account(read)) {
            Ok(Some(piece)) => Ok(Some(piece)),
            Ok(None) => {
                self.end().await;
                Ok(None)
            }
            Err(error) => Err(self.fail(error)),
        }
    }
}

/// The next piece that is not empty; Pingora shows the heads of chunks as empty pieces.
async fn read(session: &mut HttpSession, within: Duration) -> Result<Option<Bytes>, FetchError> {
    loop {
        match tokio::time::timeout(within, session.read_response_body()).await {
            Ok(Ok(Some(piece))) if piece.is_empty() => {}
            Ok(Ok(read)) => return Ok(read),
            Ok(Err(error)) => return Err(broken(&error)),
            Err(_) => return Err(FetchError::Timeout),
        }
    }
}
