//! What is known of a client connection, shared by the bytes below and the request above.

use crate::key::Scheme;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

tokio::task_local! {
    /// The connection whose request the current task handles. Pingora has no way to hand something of ours to its callbacks
    /// that works for HTTP/1 and HTTP/2 alike.
    pub(super) static CONNECTION: Arc<Connection>;
}

/// A client connection. The flags are set and read by one task at a time; they are atomic because Pingora's types ask for it.
#[derive(Debug)]
pub(super) struct Connection {
    peer: SocketAddr,
    local: SocketAddr,
    scheme: Scheme,
    tunnel: AtomicBool,
    cut: AtomicBool,
    write_through: AtomicBool,
}

impl Connection {
    /// A new connection from `peer` to `local`.
    pub(super) fn new(peer: SocketAddr, local: SocketAddr, scheme: Scheme) -> Self {
        Self {
            peer,
            local,
            scheme,
            tunnel: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            write_through: AtomicBool::new(false),
        }
    }

    /// Who is at the other end of the socket: the client, or a proxy before it.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The address it came in at.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether TLS is spoken on it.
    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The connection stopped speaking HTTP (101): bytes pass as they are.
    pub(super) fn become_tunnel(&self) {
        self.tunnel.store(true, Relaxed);
    }

    /// Whether it is a tunnel.
    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel.load(Relaxed)
    }

    /// The reply under way was cut and must not look whole when the connection closes.
    pub(super) fn cut(&self) {
        self.cut.store(true, Relaxed);
    }

    /// Whether it was.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    /// Whether every write goes out at once, because the next may be long in coming, or is gathered with it.
    pub(super) fn write_through(&self, through: bool) {
        self.write_through.store(through, Relaxed);
    }

    /// Whether every write goes out at once.
    pub(super) fn writes_through(&self) -> bool {
        self.write_through.load(Relaxed)
    }
}
