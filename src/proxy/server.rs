//! What one runtime serves connections with.

use super::connection::{CONNECTION, Connection};
use super::http1;
use super::http2::{self, PREFACE};
use super::idle::{Idle, Waited};
use super::listener::Listener;
use super::problem::Problem;
use super::service::{Service, Shared};
use super::wire::{Transport, Wire};
use crate::key::Scheme;
use crate::origin::NO_SYSTEM_ROOTS;
use pingora::protocols::l4::ext::{TcpKeepalive, set_tcp_keepalive};
use pingora::protocols::l4::stream::Stream as TlsSocket;
use pingora::protocols::{ALPN, Ssl};
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::ShutdownWatch;
use pingora::server::configuration::ServerConf;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a TLS handshake may take: two round trips, and time for lost packets.
const TLS_HANDSHAKE: Duration = Duration::from_secs(10);

/// How long the 24 bytes may take that tell HTTP/2 from HTTP/1, after the first: as long as a head.
const PREFACE_DEADLINE: Duration = Duration::from_secs(10);

/// Tries of a request that passes through, the first included. Which errors are tried again is decided where they occur;
/// this is only where Pingora's loop ends in any case.
const MAX_TRIES: usize = 16;

/// A runtime's means to serve: the pass-through proxy with its pool of connections to origins, and the word to stop.
#[derive(Clone)]
pub(crate) struct Server {
    proxy: Arc<HttpProxy<Service>>,
    shutdown: ShutdownWatch,
}

impl Server {
    /// Serves with `shared`, keeping `idle_origins` idle connections to origins, until `shutdown` turns true.
    pub(crate) fn new(shared: Arc<Shared>, idle_origins: usize, shutdown: ShutdownWatch) -> Self {
        let conf = ServerConf {
            upstream_keepalive_pool_size: idle_origins,
            max_retries: MAX_TRIES,
            ca_file: Some(NO_SYSTEM_ROOTS.to_owned()),
            ..ServerConf::default()
        };
        let proxy = http_proxy(&Arc::new(conf), Service::new(shared, shutdown.clone()));
        Self { proxy: Arc::new(proxy), shutdown }
    }

    /// Serves a connection from `peer` until it ends.
    pub(crate) async fn serve(&self, tcp: TcpStream, peer: SocketAddr, listener: &Listener) {
        prepare(&tcp);
        let local = tcp.local_addr().unwrap_or_else(|_| listener.local());
        let Some(acceptor) = listener.acceptor() else {
            let connection = Arc::new(Connection::new(peer, local, Scheme::Http));
            let wire = Box::new(Wire::new(Transport::Plain(tcp), Arc::clone(&connection)));
            return self.serve_plain(wire, connection, listener.h2c()).await;
        };
        // Boxed, like HTTP/2 below: what only some connections need should not make the state of all of them larger.
        let handshake = Box::pin(acceptor.tls_handshake(TlsSocket::from(tcp)));
        let Ok(Ok(tls)) = timeout(TLS_HANDSHAKE, handshake).await else { return };
        let http2 = matches!(tls.selected_alpn_proto(), Some(ALPN::H2));
        let connection = Arc::new(Connection::new(peer, local, Scheme::Https));
        let wire = Box::new(Wire::new(Transport::Tls(Box::new(tls)), Arc::clone(&connection)));
        if http2 {
            Box::pin(http2::serve(wire, &connection, self)).await;
        } else {
            CONNECTION.scope(connection, http1::serve(wire, self)).await;
        }
    }

    async fn serve_plain(&self, mut wire: Box<Wire>, connection: Arc<Connection>, h2c: bool) {
        if h2c {
            if Idle::new().first_bytes(&mut wire, self).await == Waited::Over {
                return;
            }
            match timeout(PREFACE_DEADLINE, begins_with_preface(&mut wire)).await {
                Ok(Some(true)) => return Box::pin(http2::serve(wire, &connection, self)).await,
                Ok(Some(false)) => {}
                Ok(None) | Err(_) => return,
            }
        }
        CONNECTION.scope(connection, http1::serve(wire, self)).await;
    }

    /// The pass-through proxy.
    pub(super) fn proxy(&self) -> &Arc<HttpProxy<Service>> {
        &self.proxy
    }

    /// The word to stop, as Pingora wants it.
    pub(super) fn shutdown(&self) -> &ShutdownWatch {
        &self.shutdown
    }

    /// Completes when Larder begins to drain.
    pub(super) async fn draining(&self) {
        let mut shutdown = self.shutdown.clone();
        // An error means that nobody is left who could say so, which comes to the same.
        let _ = shutdown.wait_for(|draining| *draining).await;
    }

    /// Notes a request that was refused before it had a route.
    pub(super) fn refused(&self, problem: Problem) {
        tracing::debug!(problem = problem.as_str(), "a request was refused");
    }
}

/// Sets the socket up. Failures are those of a connection that is gone already, and are noticed when it is read.
fn prepare(tcp: &TcpStream) {
    // Replies are gathered above; waiting for more in the kernel would only delay their last packet.
    let _ = tcp.set_nodelay(true);
    // Finds clients that vanished without a word, below tunnels and HTTP/2 connections that have no deadline of their own:
    // after a minute and three unanswered probes.
    let probes = TcpKeepalive {
        idle: Duration::from_secs(60),
        interval: Duration::from_secs(10),
        count: 3,
        #[cfg(target_os = "linux")]
        user_timeout: Duration::ZERO,
    };
    let _ = set_tcp_keepalive(tcp, &probes);
}

/// Whether a connection begins as HTTP/2 does; `None` when it ended before that was clear. What was read stays for whoever reads it.
async fn begins_with_preface(wire: &mut Wire) -> Option<bool> {
    loop {
        let received = wire.received();
        let common = received.len().min(PREFACE.len());
        if received[..common] != PREFACE[..common] {
            return Some(false);
        }
        if common == PREFACE.len() {
            return Some(true);
        }
        match wire.receive().await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return None,
        }
    }
}
