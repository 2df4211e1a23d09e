//! One server: an address that requests are sent to, and what is known of it.

use super::peer::{Manner, never_pooled};
use super::settings::ServerAddress;
use super::standing::Standing;
use pingora::upstreams::peer::HttpPeer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A server of an origin. It stays the same object for as long as its name resolves to its address.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) name: ServerAddress,
    /// How to connect to it.
    pub(super) peer: HttpPeer,
    /// How to connect to it without a pooled connection.
    pub(super) fresh_peer: HttpPeer,
    pub(super) standing: Standing,
    in_flight: AtomicUsize,
}

impl Server {
    /// The server at `address`, to which `name` resolved.
    pub(super) fn new(name: &ServerAddress, address: SocketAddr, manner: &Manner) -> Self {
        let peer = manner.peer(name, address);
        let fresh_peer = never_pooled(&peer);
        Self {
            address,
            name: name.clone(),
            peer,
            fresh_peer,
            standing: Standing::default(),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Requests under way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }
}

/// A server that a request was given, counted as busy with it until this is dropped.
pub struct ServerHandle(Arc<Server>);

impl ServerHandle {
    /// Counts a request on `server`.
    pub(super) fn new(server: Arc<Server>) -> Self {
        server.in_flight.fetch_add(1, Relaxed);
        Self(server)
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    pub(super) fn server(&self) -> &Server {
        &self.0
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
