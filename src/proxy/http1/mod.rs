//! HTTP/1 connections: one request after the other, each head read here before Pingora sees it.
//!
//! Reading it here puts the whole head under one deadline and one bound, refuses what is ambiguous with a reply that says
//! so, lets an idle connection be closed at any moment, and keeps pipelined requests apart.

mod chunks;
mod head;

pub(super) use chunks::Chunks;
pub(super) use head::Framing;

use super::connection::{CONNECTION, Connection};
use super::idle::{Idle, Waited};
use super::problem::Problem;
use super::server::Server;
use super::wire::Wire;
use bytes::BytesMut;
use head::{Scan, Scanner};
use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long the head of a request may take from its first byte to its last.
///
/// A head fits into a few packets; ten seconds survive several lost ones, and what trickles longer is an attack.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// How long a tunnel may go on once draining has begun. It has no end of its own, and clients of such protocols connect again.
const TUNNEL_GRACE: Duration = Duration::from_secs(5);

/// Why there is no further request.
enum End {
    /// The client left, or was idle for too long, or Larder is draining.
    Quiet,
    /// What it sent is refused.
    Refused(Problem),
}

/// Serves a connection until it ends.
pub(super) async fn serve(wire: Box<Wire>, server: &Server) {
    let connection = CONNECTION.get();
    serve_requests(wire, &connection, server).await;
    if let Some(transport) = connection.take_left() {
        transport.close().await;
    }
}

async fn serve_requests(mut wire: Box<Wire>, connection: &Connection, server: &Server) {
    let mut idle = Idle::new();
    loop {
        let head = match next_head(&mut wire, server, &mut idle).await {
            Ok(head) => head,
            Err(End::Quiet) => return,
            Err(End::Refused(problem)) => {
                server.refused(problem);
                return wire.send_last(&problem.to_http1()).await;
            }
        };
        let mut session = ServerSession::new_http1(wire);
        session.set_pipelined_prefix(head);
        let reused = tokio::select! {
            biased;
            reused = server.proxy().process_new_http(session, server.shutdown()) => reused,
            () = tunnel_is_over(connection, server) => None,
        };
        let Some(reused) = reused else { return };
        let (stream, _) = reused.consume();
        wire = stream.into_any().downcast().expect("a session gives back the stream it was made of");
        // Where this request ends is not known, so neither is where the next one starts.
        if !wire.body_is_read() {
            return;
        }
        wire.rest();
    }
}

/// The next head, taken off the front of what was received.
async fn next_head(wire: &mut Wire, server: &Server, idle: &mut Idle) -> Result<BytesMut, End> {
    if idle.first_bytes(wire, server).await == Waited::Over {
        return Err(End::Quiet);
    }
    let mut scanner = Scanner::default();
    let scan = match scanner.advance(wire.received()) {
        // Only what trickles needs a timer.
        Scan::Partial => {
            let whole = timeout(HEAD_DEADLINE, receive_head(wire, &mut scanner)).await;
            whole.unwrap_or(Err(End::Refused(Problem::Timeout)))?
        }
        scan => scan,
    };
    match scan {
        Scan::Complete(head) => {
            wire.begin(head.framing);
            Ok(head.split_off(wire.received()))
        }
        Scan::Refused(problem) => Err(End::Refused(problem)),
        Scan::Partial => Err(End::Quiet),
    }
}

/// Completes when draining has gone on for a while and the connection is a tunnel.
async fn tunnel_is_over(connection: &Connection, server: &Server) {
    server.draining().await;
    loop {
        sleep(TUNNEL_GRACE).await;
        if connection.is_tunnel() {
            return;
        }
    }
}

async fn receive_head(wire: &mut Wire, scanner: &mut Scanner) -> Result<Scan, End> {
    loop {
        match wire.receive().await {
            Ok(1..) => {}
            // It left in the middle of a head; nobody is there to be told.
            Ok(0) | Err(_) => return Err(End::Quiet),
        }
        match scanner.advance(wire.received()) {
            Scan::Partial => {}
            scan => return Ok(scan),
        }
    }
}
