//! How an answer leaves the engine.

use crate::semantics::{CacheStatus, Forward};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use std::time::Duration;

/// What the engine has for a request.
pub enum Answer {
    /// A reply, whole or arriving.
    Reply(Reply),
    /// The request has to go to the origin by itself, as it is.
    Pass {
        /// Why, for `Cache-Status`.
        forward: Forward,
        /// More precisely.
        detail: Option<&'static str>,
    },
    /// Neither: the origin failed and nothing stale may be served.
    Failed(Failure),
}

/// Why there is no reply; the proxy words it for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 502: no reply, or none that can be understood.
    BadGateway,
    /// 504: none in time.
    GatewayTimeout,
    /// 503: too many are waiting.
    Busy { retry_after: Duration },
    /// 504: `only-if-cached`, and nothing is.
    NotCached,
}

/// How a request ended, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Hit,
    Stale,
    Revalidated,
    Miss,
    Collapsed,
    Pass,
    Error,
}

impl Outcome {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Revalidated => "revalidated",
            Self::Miss => "miss",
            Self::Collapsed => "collapsed",
            Self::Pass => "pass",
            Self::Error => "error",
        }
    }
}

/// The head of a reply, ready but for `Date` and the framing.
pub struct ReplyHead {
    pub status: StatusCode,
    /// End-to-end fields, in order. `Content-Length`, `Age`, `Date` and `Cache-Status` of Larder are not among them
    /// (a `Cache-Status` or `Date` of the origin is).
    pub fields: Vec<(HeaderName, HeaderValue)>,
    /// Seconds (RFC 9111, 5.1).
    pub age: u64,
    /// Length of the body to come; `None` when it is not known yet, and for 304.
    pub content_length: Option<u64>,
    pub cache_status: CacheStatus,
}

/// A reply on its way.
pub struct Reply {
    pub outcome: Outcome, /* private: head, body source */
}

/// Why a reply did not reach the client whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The client left, or stopped reading.
    ClientGone,
    /// The origin broke off: the connection must end without looking complete.
    Truncated,
}

/// Where a reply goes. Dropping it before `finish` means that the reply is cut: the connection must be closed.
#[async_trait]
pub trait Sink: Send {
    /// Writes the head. `bodiless`: nothing follows (HEAD, 304, 204).
    async fn head(&mut self, head: ReplyHead, bodiless: bool) -> Result<(), SendError>;
    /// Writes a piece of the body.
    async fn body(&mut self, piece: Bytes) -> Result<(), SendError>;
    /// Ends the reply.
    async fn finish(&mut self) -> Result<(), SendError>;
}

impl Reply {
    /// Sends the reply to `sink` as it arrives. Cancel safe in the sense that a cut reply never looks whole.
    pub async fn send(self, sink: &mut dyn Sink) -> Result<(), SendError> {
        let _ = sink;
        todo!()
    }
}
