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
                server.peer(false)
            }
            // Pingora knows a shared connection by the key that it was opened under.
            _ => server.peer(self.fresh),
        };
        self.connector.release_http_session(self.session, peer, peer.idle_timeout()).await;
    }
}

/// Reads a body and counts it. Holds the request's place until the body has ended, failed or was dropped.
pub(super) struct Body {
    state: State,
    tally: Tally,
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
        let mut body = Self { state, tally: Tally::new(head.framing), read_timeout, origin, observer };
        if matches!(head.framing, Framing::Empty | Framing::Length(0)) {
            body.end().await;
        }
        body
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
        match read.and_then(|read| self.tally.add(read)) {
            Ok(Some(piece)) => Ok(Some(piece)),
            Ok(None) => {
                self.end().await;
                Ok(None)
            }
            Err(error) => Err(self.fail(error)),
        }
    }
}

/// What has arrived of a body, against what was announced. Pingora and h2 count too, each in its own way; this is what
/// no change of theirs can take away.
struct Tally {
    framing: Framing,
    received: u64,
}

impl Tally {
    fn new(framing: Framing) -> Self {
        Self { framing, received: 0 }
    }

    /// Passes on what was read, if it keeps to what was announced.
    fn add(&mut self, read: Option<Bytes>) -> Result<Option<Bytes>, FetchError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_as_long_as_announced() {
        let check = |framing, pieces: &[&'static str], expected: &str| {
            let mut tally = Tally::new(framing);
            let mut read = pieces.iter().map(|piece| Some(Bytes::from(*piece))).chain([None]);
            let failed = read.find_map(|read| tally.add(read).err());
            assert_eq!(failed.map_or("whole", |error| error.as_str()), expected, "{framing:?} {pieces:?}");
        };
        check(Framing::Length(5), &["hel", "lo"], "whole");
        check(Framing::Length(5), &["hel"], "broken");
        check(Framing::Length(5), &[], "broken");
        check(Framing::Length(5), &["hel", "lo", "!"], "malformed");
        check(Framing::Length(5), &["hello!"], "malformed");
        check(Framing::Marked, &["hel"], "whole");
        check(Framing::UntilClose, &[], "whole");
    }
}
