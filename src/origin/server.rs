//! One server: an address that requests are sent to, and what is known of it.

use super::peer::{Manner, never_pooled, without_http2};
use super::settings::ServerAddress;
use super::standing::Standing;
use pingora::upstreams::peer::HttpPeer;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// A server of an origin. It stays the same object for as long as its name resolves to its address.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) name: ServerAddress,
    peers: Peers,
    /// The same for HTTP/1.1, once the server has asked for that.
    http1: OnceLock<Peers>,
    pub(super) standing: Standing,
    in_flight: AtomicUsize,
}

/// How to connect to a server.
struct Peers {
    pooled: HttpPeer,
    fresh: HttpPeer,
}

impl Peers {
    fn new(pooled: HttpPeer) -> Self {
        Self { fresh: never_pooled(&pooled), pooled }
    }
}

impl Server {
    /// The server at `address`, to which `name` resolved.
    pub(super) fn new(name: &ServerAddress, address: SocketAddr, manner: &Manner) -> Self {
        Self {
            address,
            name: name.clone(),
            peers: Peers::new(manner.peer(name, address)),
            http1: OnceLock::new(),
            standing: Standing::default(),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// How to connect to it; `fresh`: not by a pooled connection.
    pub(super) fn peer(&self, fresh: bool) -> &HttpPeer {
        let peers = self.http1.get().unwrap_or(&self.peers);
        if fresh { &peers.fresh } else { &peers.pooled }
    }

    /// From now on connects to it without HTTP/2, and leaves alone the connections that speak it.
    pub(super) fn avoid_http2(&self) {
        self.http1.get_or_init(|| Peers::new(without_http2(&self.peers.pooled)));
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
