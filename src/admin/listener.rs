//! A small HTTP/1.1 server on a listener it is given: whole replies, few connections, a drain.
//!
//! Not for the traffic that Larder is for, which has runtimes of its own; here one runtime answers operators and probes.

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Response};
use pingora::ErrorType;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::stream::Stream;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Probes, a scraper and a few operators need a dozen; the rest is room for those that forget to close theirs.
const MAX_CONNECTIONS: usize = 256;

/// For a request's head to arrive whole, and so how long a connection may be idle. Longer than the usual 15 s between scrapes.
const HEAD_DEADLINE: Duration = Duration::from_secs(60);

/// For one piece of a body to arrive, and for one write to be taken.
const STEP_DEADLINE: Duration = Duration::from_secs(10);

/// How much of a body that nobody wants is still read before the connection is closed: closing at once would reset it, and the
/// client might never see why.
const MAX_DISCARDED: usize = 16 << 20;

/// How long replies under way may take once the listener was told to stop.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// After an accept that failed (out of file descriptors, mostly): until some may have been closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers requests.
#[async_trait]
pub(crate) trait Serve: Send + Sync + 'static {
    /// Answers a request whose head was read; the body is still to be read from the session.
    async fn answer(&self, session: &mut ServerSession, peer: IpAddr) -> Response<Bytes>;

    /// The answer to bytes that are no request.
    fn malformed(&self) -> Response<Bytes>;
}

/// Serves until `stop` is cancelled, and then until the replies under way are written.
pub(crate) async fn serve<S: Serve>(service: Arc<S>, listener: TcpListener, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let (service, stop) = (Arc::clone(&service), stop.clone());
                connections.spawn(async move {
                    converse(&*service, stream, peer.ip(), &stop).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = timeout(DRAIN_DEADLINE, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(cut = connections.len(), "replies were cut: they took too long to drain");
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(std::io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, slot))
}

/// Answers one request after another, until either side has enough.
async fn converse<S: Serve>(service: &S, stream: TcpStream, peer: IpAddr, stop: &CancellationToken) {
    // Replies are small and written in two pieces; Nagle would make the second wait for the peer.
    _ = stream.set_nodelay(true);
    let mut next = Some((Box::new(Stream::from(stream)) as pingora::protocols::Stream, None));
    while let Some((stream, prefix)) = next {
        let mut session = ServerSession::new_http1(stream);
        session.set_read_timeout(Some(STEP_DEADLINE));
        session.set_write_timeout(Some(STEP_DEADLINE));
        if let Some(prefix) = prefix {
            session.set_pipelined_prefix(prefix);
        }
        session.set_pipelining_enabled(true);
        let read = tokio::select! {
            () = stop.cancelled() => return,
            read = timeout(HEAD_DEADLINE, session.read_request()) => read,
        };
        let response = match read {
            Ok(Ok(true)) => service.answer(&mut session, peer).await,
            Ok(Err(error)) if error.etype() == &ErrorType::InvalidHTTPHeader => {
                _ = write(&mut session, service.malformed(), false).await;
                return;
            }
            Ok(Ok(false) | Err(_)) | Err(_) => return,
        };
        next = match respond(session, response, stop).await {
            Ok(next) => next,
            Err(error) => {
                tracing::debug!(%error, "a connection broke");
                return;
            }
        };
    }
}

type Reusable = (pingora::protocols::Stream, Option<bytes::BytesMut>);

/// Writes the reply; the connection comes back if it can be used again.
async fn respond(
    mut session: ServerSession,
    response: Response<Bytes>,
    stop: &CancellationToken,
) -> pingora::Result<Option<Reusable>> {
    let reusable = session.is_body_done() && !stop.is_cancelled();
    session.set_keepalive(reusable.then_some(HEAD_DEADLINE.as_secs()));
    let bodiless = session.req_header().method == Method::HEAD;
    write(&mut session, response, bodiless).await?;
    if !reusable {
        discard(&mut session).await;
    }
    Ok(session.finish().await?.map(|stream| stream.into_parts()))
}

async fn write(
    session: &mut ServerSession,
    response: Response<Bytes>,
    bodiless: bool,
) -> pingora::Result<()> {
    let (parts, body) = response.into_parts();
    let mut head = ResponseHeader::from(parts);
    head.insert_header(CONTENT_LENGTH, body.len())?;
    session.write_response_header(Box::new(head)).await?;
    if !bodiless && !body.is_empty() {
        session.write_response_body(body, true).await?;
    }
    Ok(())
}

async fn discard(session: &mut ServerSession) {
    let mut discarded = 0;
    while discarded < MAX_DISCARDED {
        match session.read_request_body().await {
            Ok(Some(piece)) => discarded += piece.len(),
            Ok(None) | Err(_) => return,
        }
    }
}
