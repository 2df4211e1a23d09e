//! What is set for an origin.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How requests are spread over servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// The same server for the same key, and few keys move when servers come and go.
    ConsistentHash,
    /// The one with the fewest requests under way.
    LeastConnections,
}

/// What is spoken with a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1; over TLS whatever ALPN agrees on.
    #[default]
    Auto,
    /// HTTP/1.1, also where the server would speak HTTP/2.
    Http1,
    /// HTTP/2 over TLS; a server that does not agree to it counts as unreachable.
    H2,
    /// HTTP/2 without TLS, with prior knowledge (RFC 9113, 3.3).
    H2c,
}

/// One server, as written: `http://name:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// Whether it is `https`.
    pub tls: bool,
    /// A name or a literal address; IPv6 with or without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

impl ServerAddress {
    /// The host without the brackets of an IPv6 literal and without the dot that ends a rooted name.
    pub(super) fn bare_host(&self) -> &str {
        let host = self.host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&self.host);
        host.strip_suffix('.').unwrap_or(host)
    }

    /// `host:port` as it stands in a URL or in `Host`.
    pub(super) fn authority(&self) -> String {
        let host = self.bare_host();
        if host.contains(':') { format!("[{host}]:{}", self.port) } else { format!("{host}:{}", self.port) }
    }
}

/// Active health checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheckSettings {
    /// Path and query of the `GET`; a status of 2xx or 3xx is healthy.
    pub path: String,
    /// From one round of checks to the next.
    pub interval: Duration,
    /// For one whole check.
    pub timeout: Duration,
}

/// An origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginSettings {
    /// Its name; routes refer to it and metrics carry it.
    pub name: String,
    /// At least one. A name with several addresses counts as that many servers.
    pub servers: Vec<ServerAddress>,
    /// How requests are spread over them.
    pub balance: Balance,
    /// For a connection to stand, TLS included.
    pub connect_timeout: Duration,
    /// For the whole head of a reply, and for each further piece of it.
    pub read_timeout: Duration,
    /// Idle connections kept open, at most, by each runtime: a pooled socket cannot change its reactor. 0: none.
    pub keepalive: usize,
    /// Further tries of an idempotent request whose body was not sent, each on another server.
    pub retries: usize,
    /// What is spoken.
    pub protocol: Protocol,
    /// Requests under way at once; more wait in a bounded queue.
    pub max_in_flight: usize,
    /// Active checks; none: servers are judged by how requests fare alone.
    pub health_check: Option<HealthCheckSettings>,
    /// A PEM file of authorities that replace the system's roots.
    pub ca: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_shown_as_written() {
        let check = |tls, host: &str, port, shown: &str, bare: &str| {
            let server = ServerAddress { tls, host: host.to_owned(), port };
            assert_eq!(server.to_string(), shown);
            assert_eq!(server.bare_host(), bare);
        };
        check(false, "app", 3000, "http://app:3000", "app");
        check(true, "shop.example.", 443, "https://shop.example:443", "shop.example");
        check(false, "[::1]", 80, "http://[::1]:80", "::1");
        check(false, "::1", 80, "http://[::1]:80", "::1");
    }
}
