//! What is set for an origin.

use std::path::PathBuf;
use std::time::Duration;

/// How requests are spread over servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    #[default]
    RoundRobin,
    ConsistentHash,
    LeastConnections,
}

/// What is spoken with a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /** HTTP/1.1; over TLS whatever ALPN agrees on. */
    #[default]
    Auto,
    Http1,
    H2,
    H2c,
}

/// One server, as written: `http://name:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    pub tls: bool,
    pub host: String,
    pub port: u16,
}

/// Active health checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheckSettings {
    pub path: String,
    pub interval: Duration,
    pub timeout: Duration,
}

/// An origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginSettings {
    pub name: String,
    pub servers: Vec<ServerAddress>,
    pub balance: Balance,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
    /// Idle connections kept open, at most.
    pub keepalive: usize,
    /// Further tries of an idempotent request whose body was not sent.
    pub retries: usize,
    pub protocol: Protocol,
    /// Requests under way at once; more wait in a bounded queue.
    pub max_in_flight: usize,
    pub health_check: Option<HealthCheckSettings>,
    /// A PEM file of authorities that replace the system's roots.
    pub ca: Option<PathBuf>,
}
