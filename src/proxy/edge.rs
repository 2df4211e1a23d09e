//! What of the configuration the proxy goes by, swapped as one by a reload.

use crate::engine::{Route, Rules};
use crate::observe::{AccessLog, OriginMetrics, RouteMetrics};
use crate::origin::Origins;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// The rules in force, whom they trust, and where requests go. A request keeps the one it began with.
pub(crate) struct Edge {
    rules: Rules,
    trusted: Vec<IpNet>,
    means: Vec<RouteMeans>,
    origins: Arc<Origins>,
    access: AccessLog,
}

/// What an edge is made of.
pub(crate) struct EdgeParts {
    /// The rules.
    pub(crate) rules: Rules,
    /// Networks of proxies in front whose word about their clients is taken.
    pub(crate) trusted: Vec<IpNet>,
    /// The means of each route, in the order of the rules.
    pub(crate) means: Vec<RouteMeans>,
    /// Where requests go.
    pub(crate) origins: Arc<Origins>,
    /// Which requests are logged.
    pub(crate) access: AccessLog,
}

/// What requests of one route need besides its rule.
pub(crate) struct RouteMeans {
    /// Where they are counted.
    pub(crate) metrics: Arc<RouteMetrics>,
    /// Where those that pass through are counted, too.
    pub(crate) origin: Arc<OriginMetrics>,
    /// How often a request that reached no server is tried again.
    pub(crate) retries: usize,
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Edge {
    /// From its parts.
    pub(crate) fn new(parts: EdgeParts) -> Self {
        let EdgeParts { rules, trusted, means, origins, access } = parts;
        assert_eq!(rules.routes().len(), means.len(), "every route has its means");
        Self { rules, trusted, means, origins, access }
    }

    /// The rules.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The origins.
    pub(crate) fn origins(&self) -> &Arc<Origins> {
        &self.origins
    }

    /// Which requests are logged.
    pub(super) fn access(&self) -> &AccessLog {
        &self.access
    }

    /// The means of a route of these rules.
    pub(super) fn means(&self, route: &Route) -> &RouteMeans {
        &self.means[route.index]
    }

    /// Whether `address` is a proxy whose word about its clients is taken.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        // A listener on `::` sees IPv4 clients as mapped addresses; networks are written as IPv4.
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// The client's address: that of the socket, or, as far as trusted proxies say, the one they name.
    ///
    /// Read from the right, where the nearest proxy wrote: the first address that is not a trusted proxy is the last one
    /// that somebody trusted has seen. What stands left of it the client may have made up.
    /// Where such a proxy wrote what is no address, it is the proxy itself, for whom nothing but a log should take it: see
    /// [`Edge::known_client`].
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.client_or_proxy(peer, headers).unwrap_or_else(|proxy| proxy)
    }

    /// As [`Edge::client`], for whoever asks what the client may do; `None` where a trusted proxy wrote what is no address, so that
    /// everybody behind it would look like it.
    pub(super) fn known_client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        self.client_or_proxy(peer, headers).ok()
    }

    /// The client, or the last proxy that could be told.
    fn client_or_proxy(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, IpAddr> {
        let mut client = peer.to_canonical();
        // Proxies append to what a client sent: what is left of an address may be bytes that are no text.
        let named = headers.get_all(FORWARDED_FOR).iter().rev().map(HeaderValue::as_bytes);
        for name in named.flat_map(|value| value.rsplit(|byte| *byte == b',')) {
            if !self.trusts(client) {
                break;
            }
            let name = std::str::from_utf8(name).map_err(|_| client)?.trim();
            client = name.parse::<IpAddr>().map_err(|_| client)?.to_canonical();
        }
        Ok(client)
    }

    /// The last value of a header that the nearest proxy sets, if that is trusted.
    pub(super) fn told<'h>(
        &self,
        peer: IpAddr,
        headers: &'h HeaderMap,
        name: &HeaderName,
    ) -> Option<&'h str> {
        let last = headers.get_all(name).iter().next_back().map(HeaderValue::to_str)?;
        if !self.trusts(peer) {
            return None;
        }
        let last = last.ok()?.rsplit(',').next()?.trim();
        (!last.is_empty()).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fixture;

    #[test]
    fn trust_ends_at_the_first_stranger() {
        let edge = fixture::edge(&["10.0.0.0/8", "192.168.1.1/32"]);
        #[track_caller]
        fn check(edge: &Edge, peer: &str, forwarded: &[&str], wanted: &str) {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
            }
            let client = edge.client(peer.parse().unwrap(), &headers);
            assert_eq!(client, wanted.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
        check(&edge, "1.1.1.1", &[], "1.1.1.1");
        check(&edge, "1.1.1.1", &["6.6.6.6"], "1.1.1.1");
        check(&edge, "10.0.0.1", &[], "10.0.0.1");
        check(&edge, "10.0.0.1", &["2.2.2.2"], "2.2.2.2");
        check(&edge, "10.0.0.1", &["6.6.6.6, 2.2.2.2, 192.168.1.1"], "2.2.2.2");
        check(&edge, "10.0.0.1", &["6.6.6.6", "2.2.2.2,10.9.9.9"], "2.2.2.2");
        check(&edge, "10.0.0.1", &["10.0.0.2, 10.0.0.3"], "10.0.0.2");
        check(&edge, "10.0.0.1", &["2.2.2.2, unknown"], "10.0.0.1");
        check(&edge, "::ffff:10.0.0.1", &["2001:db8::1"], "2001:db8::1");
    }

    #[test]
    fn nobody_passes_for_the_proxy_in_between() {
        let edge = fixture::edge(&["10.0.0.0/8"]);
        #[track_caller]
        fn check(edge: &Edge, forwarded: &[&[u8]], known: Option<&str>, shown: &str) {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append(FORWARDED_FOR, HeaderValue::from_bytes(value).unwrap());
            }
            let peer = "10.0.0.1".parse().unwrap();
            assert_eq!(edge.known_client(peer, &headers), known.map(|text| text.parse().unwrap()));
            assert_eq!(edge.client(peer, &headers), shown.parse::<IpAddr>().unwrap());
        }
        check(&edge, &[], Some("10.0.0.1"), "10.0.0.1");
        check(&edge, &[b"\xff, 6.6.6.6"], Some("6.6.6.6"), "6.6.6.6");
        check(&edge, &[b"10.1.1.1", b"\xff, 6.6.6.6"], Some("6.6.6.6"), "6.6.6.6");
        check(&edge, &[b"10.1.1.1", b"\xff"], None, "10.0.0.1");
        check(&edge, &[b"6.6.6.6:4711"], None, "10.0.0.1");
        check(&edge, &[b"10.1.1.1, unknown, 10.0.0.7"], None, "10.0.0.7");
    }

    #[test]
    fn only_a_trusted_proxy_is_listened_to() {
        let edge = fixture::edge(&["10.0.0.0/8"]);
        let name = HeaderName::from_static("x-forwarded-proto");
        let mut headers = HeaderMap::new();
        headers.insert(&name, HeaderValue::from_static("http, https"));
        let told = |peer: &str| edge.told(peer.parse().unwrap(), &headers, &name);
        assert_eq!(told("10.0.0.1"), Some("https"));
        assert_eq!(told("1.1.1.1"), None);
    }
}
