//! HTTP/2 connections: many requests at once, each a task of its own that the connection owns.

use super::connection::{CONNECTION, Connection};
use super::server::Server;
use super::wire::Wire;
use pingora::apps::HttpServerApp;
use pingora::protocols::Digest;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// What a client sends when it knows that HTTP/2 is spoken (RFC 9113, 3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long the exchange of settings may take: a round trip, and time for lost packets.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A connection without a request for this long is closed, as with HTTP/1.
const IDLE: Duration = Duration::from_secs(100);

/// How long an idle connection may take to end after it was told to (GOAWAY): a round trip, and time for lost packets.
const GOODBYE: Duration = Duration::from_secs(1);

/// How long requests may go on once their connection is gone: they notice at their next read or write.
const ORPHANED: Duration = Duration::from_secs(10);

/// Malformed requests that a connection may send. Pingora allows as many on connections that it runs itself.
const MAX_REJECTED: usize = 32;

/// Bytes that may be on their way to Larder, for one request and for a whole connection: 20 MB/s over 50 ms, four times.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * STREAM_WINDOW;

/// Serves a connection until it ends, its requests included.
pub(super) async fn serve(mut wire: Box<Wire>, connection: &Arc<Connection>, server: &Server) {
    wire.give_everything();
    // The codec below gathers frames by itself and flushes when they are to go out.
    connection.write_through(true);
    let mut requests = JoinSet::new();
    accept(wire, connection, server, &mut requests).await;
    // The connection is closed by now, so they cannot go on for long; but they are still to be logged, and what writes
    // among them may have changed is still to be purged.
    let _ = timeout(ORPHANED, async { while requests.join_next().await.is_some() {} }).await;
}

/// Starts a task for each request until the client, or a drain, ends the connection.
async fn accept(wire: Box<Wire>, connection: &Arc<Connection>, server: &Server, requests: &mut JoinSet<()>) {
    let Ok(Ok(mut session)) = timeout(HANDSHAKE, handshake(wire, Some(options()))).await else { return };
    let digest = Arc::new(Digest::default());
    let mut rejected = 0;
    let mut ending = false;
    let idle = sleep(IDLE);
    tokio::pin!(idle);
    loop {
        let end = tokio::select! {
            biased;
            () = server.draining(), if !ending => true,
            // Cancel safe, says Pingora. It also drives everything that is sent.
            accepted = HttpSession::from_h2_conn(&mut session, Arc::clone(&digest)) => match accepted {
                Ok(Some(H2Accept::Session(request))) => {
                    requests.spawn(handle(request, Arc::clone(connection), server.clone()));
                    false
                }
                Ok(Some(H2Accept::Rejected)) if rejected < MAX_REJECTED => {
                    rejected += 1;
                    false
                }
                _ => return,
            },
            Some(_) = requests.join_next(), if !requests.is_empty() => {
                if requests.is_empty() {
                    idle.as_mut().reset(Instant::now() + if ending { GOODBYE } else { IDLE });
                }
                false
            }
            () = idle.as_mut(), if requests.is_empty() => {
                if ending {
                    return;
                }
                true
            }
        };
        if end {
            ending = true;
            session.graceful_shutdown();
            idle.as_mut().reset(Instant::now() + GOODBYE);
        }
    }
}

fn options() -> H2Options {
    // Pingora's bounds stay: 100 requests at once, 64 KiB of head.
    let mut options = default_h2_options();
    options.initial_window_size(STREAM_WINDOW).initial_connection_window_size(CONNECTION_WINDOW);
    options
}

async fn handle(request: HttpSession, connection: Arc<Connection>, server: Server) {
    let session = ServerSession::new_http2(request);
    let processing = server.proxy().process_new_http(session, server.shutdown());
    CONNECTION.scope(connection, processing).await;
}
