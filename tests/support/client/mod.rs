//! Clients: exact bytes over a socket, a small typed client on top of them, and HTTP/2.

mod connection;
mod h2;
mod request;

pub(crate) use connection::Connection;
pub(crate) use h2::H2Client;
pub(crate) use request::{Request, request_at};

use super::wire::{Fields, Head};
use bytes::Bytes;
use std::net::SocketAddr;

/// A reply that came whole.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) fields: Fields,
    pub(crate) body: Bytes,
}

/// A reply that did not come whole, and what of it came.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) head: Option<Head>,
    pub(crate) body: Bytes,
    pub(crate) error: std::io::Error,
}

impl Response {
    /// The first value of a field; fails the test where there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no {name} in {:#?}", self.fields.0))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text body")
    }

    /// What Larder says it did: its own member of `Cache-Status`, which is the last.
    pub(crate) fn cache_status(&self) -> &str {
        let all =
            self.fields.all("cache-status").last().unwrap_or_else(|| panic!("no Cache-Status: {self:#?}"));
        all.rsplit(", ").next().unwrap_or_default()
    }

    /// Whether `Cache-Status` has this parameter, as `hit` or `fwd=stale`.
    pub(crate) fn says(&self, parameter: &str) -> bool {
        self.cache_status().split(';').any(|part| part.trim() == parameter)
    }

    /// Whether it was served from the cache.
    pub(crate) fn is_hit(&self) -> bool {
        self.says("hit")
    }

    /// Seconds of `Age`.
    pub(crate) fn age(&self) -> u64 {
        self.field("age").parse().expect("Age is a number")
    }

    /// Fails unless it is a problem report with this status.
    pub(crate) fn assert_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{self:#?}");
        assert_eq!(self.field("content-type"), "application/problem+json");
        let report: serde_json::Value = serde_json::from_slice(&self.body).expect("a JSON body");
        assert!(report["type"].is_string(), "no type in {report}");
        assert_eq!(report["status"], status, "{report}");
    }
}

/// Sends exactly `bytes` on a connection of its own and reads everything until it closes.
pub(crate) async fn exchange_raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Bytes {
    let mut connection = Connection::open(address).await;
    connection.write(bytes).await;
    connection.everything().await
}
