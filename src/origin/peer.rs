//! A server in Pingora's terms.

use super::settings::{Protocol, ServerAddress};
use pingora::protocols::l4::ext::TcpKeepalive;
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::{ALPN, HttpPeer};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection may stay idle. Servers close theirs earlier or later than this; what it bounds is the life of
/// the connections of a configuration that was replaced.
const IDLE: Duration = Duration::from_secs(60);
/// Requests under way at once on one HTTP/2 connection; the value RFC 9113, 6.5.2 advises servers to allow.
const STREAMS: usize = 100;
/// What one HTTP/2 stream may send ahead of its reader: 256 MB/s at a millisecond's distance.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Enough for every stream's window, so that readers who stopped cannot starve the others on a connection.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS as u32;
/// HTTP/2 connections are shared: one that died without a word is noticed after this and Pingora's 5 s for the answer.
const PING: Duration = Duration::from_secs(10);

/// What connections to the servers of one origin have in common.
pub(super) struct Manner {
    /// For a connection to stand.
    pub(super) connect_timeout: Duration,
    /// For each read and write on it.
    pub(super) read_timeout: Duration,
    /// What is spoken.
    pub(super) protocol: Protocol,
    /// Who may have signed a server's certificate; there whenever a server is `https`.
    pub(super) authorities: Option<Arc<CaType>>,
}

impl Manner {
    /// The peer for `server` at `address`. Peers are given each other's connections only if all that was agreed on
    /// them, and who vouched for the server, is the same.
    pub(super) fn peer(&self, server: &ServerAddress, address: SocketAddr) -> HttpPeer {
        let mut peer = HttpPeer::new(address, server.tls, server.bare_host().to_owned());
        let options = &mut peer.options;
        options.connection_timeout = Some(self.connect_timeout);
        options.total_connection_timeout = Some(self.connect_timeout);
        options.read_timeout = Some(self.read_timeout);
        options.write_timeout = Some(self.read_timeout);
        options.idle_timeout = Some(IDLE);
        options.tcp_keepalive = Some(keepalive());
        options.alpn = alpn(self.protocol, server.tls);
        options.max_h2_streams = STREAMS;
        options.h2_stream_window_size = Some(STREAM_WINDOW);
        options.h2_connection_window_size = Some(CONNECTION_WINDOW);
        options.h2_ping_interval = Some(PING);
        if server.tls {
            options.ca.clone_from(&self.authorities);
        }
        peer.group_key = self.group();
        peer
    }

    /// Pingora's key of a pooled connection knows neither the authorities nor the protocol. It is the same after a
    /// reload that changed neither.
    fn group(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        std::mem::discriminant(&self.protocol).hash(&mut hasher);
        for authority in self.authorities.iter().flat_map(|authorities| authorities.iter()) {
            authority.borrow_raw_cert().hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// `peer` under a key that no pooled connection has, so that a new one is opened.
pub(super) fn never_pooled(peer: &HttpPeer) -> HttpPeer {
    let mut peer = peer.clone();
    peer.group_key = !peer.group_key;
    peer
}

/// `peer` for HTTP/1.1 only. It shares the connections of `peer` that speak that.
pub(super) fn without_http2(peer: &HttpPeer) -> HttpPeer {
    let mut peer = peer.clone();
    peer.options.alpn = ALPN::H1;
    peer
}

/// What to offer and accept. Without TLS nothing is negotiated, so there HTTP/2 has to be asked for by name.
fn alpn(protocol: Protocol, tls: bool) -> ALPN {
    match (protocol, tls) {
        (Protocol::Auto, true) => ALPN::H2H1,
        (Protocol::Auto, false) | (Protocol::Http1, _) => ALPN::H1,
        (Protocol::H2 | Protocol::H2c, _) => ALPN::H2,
    }
}

/// Keeps the state of firewalls on the way alive and notices a server that vanished: after 30 s and 3 more probes.
fn keepalive() -> TcpKeepalive {
    TcpKeepalive {
        idle: Duration::from_secs(30),
        interval: Duration::from_secs(5),
        count: 3,
        #[cfg(target_os = "linux")]
        user_timeout: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora::upstreams::peer::Peer;

    fn manner(protocol: Protocol) -> Manner {
        Manner {
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(2),
            protocol,
            authorities: None,
        }
    }

    #[test]
    fn what_is_offered_follows_protocol_and_scheme() {
        let check = |protocol, tls, expected| assert_eq!(alpn(protocol, tls), expected, "{protocol:?} {tls}");
        check(Protocol::Auto, true, ALPN::H2H1);
        check(Protocol::Auto, false, ALPN::H1);
        check(Protocol::Http1, true, ALPN::H1);
        check(Protocol::Http1, false, ALPN::H1);
        check(Protocol::H2, true, ALPN::H2);
        check(Protocol::H2c, false, ALPN::H2);
    }

    #[test]
    fn connections_are_shared_only_by_equals() {
        let server = ServerAddress { tls: true, host: "shop".to_owned(), port: 443 };
        let address = "127.0.0.1:443".parse().unwrap();
        let auto = manner(Protocol::Auto).peer(&server, address);
        assert_eq!(auto.reuse_hash(), manner(Protocol::Auto).peer(&server, address).reuse_hash());
        assert_ne!(auto.reuse_hash(), manner(Protocol::Http1).peer(&server, address).reuse_hash());
        assert_ne!(auto.reuse_hash(), never_pooled(&auto).reuse_hash());
        assert_eq!(auto.reuse_hash(), without_http2(&auto).reuse_hash());
    }

    #[test]
    fn the_name_to_verify_is_never_empty() {
        // Pingora verifies nothing at all when there is no name.
        for host in ["shop", "shop.", "127.0.0.1", "[::1]"] {
            let server = ServerAddress { tls: true, host: host.to_owned(), port: 443 };
            let peer = manner(Protocol::Auto).peer(&server, "127.0.0.1:443".parse().unwrap());
            assert!(!peer.sni.is_empty() && peer.verify_cert() && peer.verify_hostname(), "{host}");
        }
    }
}
