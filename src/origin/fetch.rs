//! The port through which a fill asks the origin.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use std::time::Duration;

/// A request to an origin. It never has a body.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// Name of the origin in the configuration.
    pub origin: std::sync::Arc<str>,
    /// A safe one; only `GET` and `HEAD` are ever filled.
    pub method: Method,
    /// Path and query, as the client sent them.
    pub target: String,
    /// End-to-end fields, `Host` among them.
    pub headers: HeaderMap,
    /// What consistent hashing goes by.
    pub affinity: u64,
}

/// A reply whose head has arrived. Interim (1xx) replies are skipped; hop-by-hop fields are removed.
pub struct Reply {
    /// A final one.
    pub status: StatusCode,
    /// End-to-end fields. `Content-Length`, if there is one, is a single number.
    pub headers: HeaderMap,
    /// How the end of the body is told.
    pub framing: Framing,
    /// What follows. Dropping it before its end closes the connection.
    pub body: Box<dyn ReplyBody>,
}

/// How the end of a reply's body is told (RFC 9112, 6.3; RFC 9113, 8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none: the reply to HEAD, 204 or 304.
    Empty,
    /// By its length, announced beforehand.
    Length(u64),
    /// By a mark of the protocol: the last chunk, or END_STREAM.
    Marked,
    /// By the end of the connection: a reply that was cut looks like a whole one.
    UntilClose,
}

impl Framing {
    /// Whether a body that ended without an error is certainly whole.
    pub fn tells_truncation(self) -> bool {
        self != Self::UntilClose
    }
}

/// The body of a reply as it arrives.
#[async_trait]
pub trait ReplyBody: Send {
    /// The next bytes; `None` at the end. An end before the length announced is an error, never `None`.
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError>;
}

/// Why an origin gave no reply, or not a whole one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// There is no server to ask: none passes its checks, or no name resolves.
    #[error("no server of the origin is healthy")]
    NoServer,
    /// No connection to any server that was tried, for this reason.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// No whole head, or no further piece of the body, in time.
    #[error("the origin took too long")]
    Timeout,
    /// The connection ended before the reply did.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// What came is not a reply that can be relied on.
    #[error("the reply is malformed: {0}")]
    Malformed(String),
    /// Too many requests are under way, and as many wait.
    #[error("too many requests are waiting for the origin")]
    Busy {
        /// When to come again.
        retry_after: Duration,
    },
}

impl FetchError {
    /// The word for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoServer => "no_server",
            Self::Connect(_) => "connect",
            Self::Timeout => "timeout",
            Self::Broken(_) => "broken",
            Self::Malformed(_) => "malformed",
            Self::Busy { .. } => "busy",
        }
    }
}

/// Asks origins.
#[async_trait]
pub trait Fetch: Send + Sync + 'static {
    /// Sends `request` and returns when the head of the reply has arrived. Cancelling it closes the connection.
    async fn fetch(&self, request: FetchRequest) -> Result<Reply, FetchError>;
}
