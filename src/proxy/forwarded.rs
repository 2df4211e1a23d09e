//! What the origin is told of the way a request took.

use super::connection::Connection;
use super::edge::Edge;
use crate::key::Scheme;
use http::header::{FORWARDED, HeaderName, HeaderValue, VIA};
use http::{HeaderMap, Version};
use std::net::IpAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// A hop, as seen from here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop<'a> {
    /// Who is at the other end of the socket.
    pub(super) peer: IpAddr,
    /// Whether it is a proxy whose word is passed on.
    pub(super) trusted: bool,
    /// Whether the socket has TLS.
    pub(super) scheme: Scheme,
    /// The host the client sent.
    pub(super) host: &'a str,
    /// What the client speaks.
    pub(super) version: Version,
}

/// A field that is set (`Some`) or removed.
pub(super) type Change = (HeaderName, Option<HeaderValue>);

impl<'a> Hop<'a> {
    /// The hop that a request over `connection` took last.
    pub(super) fn new(connection: &Connection, edge: &Edge, host: &'a str, version: Version) -> Self {
        let peer = connection.peer().ip().to_canonical();
        Self { peer, trusted: edge.trusts(peer), scheme: connection.scheme(), host, version }
    }

    /// What to change in the fields of a request before it is sent on. What a stranger claims of the way is replaced, what a
    /// trusted proxy says is kept or continued.
    pub(super) fn changes(&self, headers: &HeaderMap) -> Vec<Change> {
        let received = match self.version {
            Version::HTTP_2 => "2 larder",
            Version::HTTP_10 => "1.0 larder",
            _ => "1.1 larder",
        };
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let peer = self.peer.to_string();
        let mut changes = vec![(VIA, continued(headers, &VIA, received))];
        if self.trusted {
            changes.push((FORWARDED_FOR, continued(headers, &FORWARDED_FOR, &peer)));
        } else {
            changes.push((FORWARDED_FOR, HeaderValue::from_str(&peer).ok()));
            changes.push((FORWARDED, None));
        }
        if !self.trusted || !headers.contains_key(&FORWARDED_PROTO) {
            changes.push((FORWARDED_PROTO, Some(HeaderValue::from_static(scheme))));
        }
        if !self.trusted || !headers.contains_key(&FORWARDED_HOST) {
            let host = HeaderValue::from_str(self.host).ok().filter(|host| !host.is_empty());
            changes.push((FORWARDED_HOST, host));
        }
        changes
    }

    /// Makes the changes.
    pub(super) fn amend(&self, headers: &mut HeaderMap) {
        for (name, value) in self.changes(headers) {
            match value {
                Some(value) => drop(headers.insert(name, value)),
                None => drop(headers.remove(name)),
            }
        }
    }
}

/// The lines of a list field as one, with `last` behind them.
fn continued(headers: &HeaderMap, name: &HeaderName, last: &str) -> Option<HeaderValue> {
    let mut list = Vec::new();
    for value in headers.get_all(name) {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(last.as_bytes());
    HeaderValue::from_bytes(&list).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a request after a hop from 1.2.3.4, sorted.
    fn after(trusted: bool, version: Version, before: &[(&'static str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in before {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let peer = "1.2.3.4".parse().unwrap();
        Hop { peer, trusted, scheme: Scheme::Https, host: "shop", version }.amend(&mut headers);
        let line =
            |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        let mut lines: Vec<_> = headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn the_hop_is_named() {
        let wanted = [
            "via: 1.1 larder",
            "x-forwarded-for: 1.2.3.4",
            "x-forwarded-host: shop",
            "x-forwarded-proto: https",
        ];
        assert_eq!(after(false, Version::HTTP_11, &[]), wanted);
        assert_eq!(after(true, Version::HTTP_11, &[]), wanted);
    }

    #[test]
    fn what_a_stranger_claims_is_replaced() {
        let claims = [
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "evil"),
            ("forwarded", "for=9.9.9.9"),
            ("via", "1.0 fred"),
        ];
        let wanted = [
            "via: 1.0 fred, 2 larder",
            "x-forwarded-for: 1.2.3.4",
            "x-forwarded-host: shop",
            "x-forwarded-proto: https",
        ];
        assert_eq!(after(false, Version::HTTP_2, &claims), wanted);
    }

    #[test]
    fn what_a_trusted_proxy_says_is_continued() {
        let said = [
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-for", "8.8.8.8"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "www"),
            ("forwarded", "for=9.9.9.9"),
        ];
        let wanted = [
            "forwarded: for=9.9.9.9",
            "via: 1.0 larder",
            "x-forwarded-for: 9.9.9.9, 8.8.8.8, 1.2.3.4",
            "x-forwarded-host: www",
            "x-forwarded-proto: http",
        ];
        assert_eq!(after(true, Version::HTTP_10, &said), wanted);
    }
}
