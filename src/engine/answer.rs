//! How an answer leaves the engine: what it says, and the sink it is written to.

use super::body::Body;
use crate::semantics::{CacheStatus, Forward};
use crate::store::Head;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::time::Duration;

/// What the engine has for a request.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "made once a request and taken apart at once; a box would cost an allocation"
)]
pub enum Answer {
    /// A reply, whole or arriving.
    Reply(Reply),
    /// The request has to go to the origin by itself, as it is.
    Pass {
        /// Why, for `Cache-Status`.
        forward: Forward,
        /// More precisely; one of a fixed set of words.
        detail: Option<&'static str>,
    },
    /// Neither: the origin failed and nothing stale may be served.
    Failed(Failure),
}

/// Why there is no reply; the proxy words it for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 502: no reply, or none that can be understood.
    BadGateway,
    /// 504: none in time.
    GatewayTimeout,
    /// 503: too many requests wait for the origin.
    Busy {
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// 504: the client wants nothing but a stored reply (`only-if-cached`), and there is none (RFC 9111, 5.2.1.7).
    NotCached,
}

/// How a request ended, for metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A fresh stored reply.
    Hit,
    /// A stale stored reply: under revalidation, or because the origin failed.
    Stale,
    /// A stored reply that the origin confirmed for this request.
    Revalidated,
    /// Fetched for this request.
    Miss,
    /// Fetched for another request that came at the same time.
    Collapsed,
    /// Sent to the origin by itself.
    Pass,
    /// Refused or failed.
    Error,
}

impl Outcome {
    /// The word in labels and logs.
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

/// The end-to-end fields of a reply, without `Content-Length`, `Age` and Larder's own `Cache-Status`.
#[derive(Clone, Debug)]
pub enum Fields {
    /// Those of a stored reply, shared with it.
    Stored(Head),
    /// Made for this reply: a 304, a part, a reply that is not stored.
    Made(HeaderMap),
}

impl Fields {
    /// The lines as HTTP/1 writes them, where they are kept that way.
    pub fn block(&self) -> Option<&Bytes> {
        match self {
            Self::Stored(head) => Some(head.block()),
            Self::Made(_) => None,
        }
    }

    /// Hands every field to `each`, in order. Values share the memory of the stored reply.
    pub fn for_each(&self, mut each: impl FnMut(HeaderName, HeaderValue)) {
        match self {
            Self::Stored(head) => head.fields().for_each(|(name, value)| each(name, value)),
            Self::Made(headers) => headers.iter().for_each(|(name, value)| each(name.clone(), value.clone())),
        }
    }
}

/// The head of a reply, complete but for what belongs to the connection: `Date` where it lacks, and the framing.
#[derive(Clone, Debug)]
pub struct ReplyHead {
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub fields: Fields,
    /// Seconds (RFC 9111, 5.1); `None` where the reply comes straight from the origin with no age to report.
    pub age: Option<u64>,
    /// Length of the body, were it sent; `None` when it is not known yet and for a 304.
    pub content_length: Option<u64>,
    /// Larder's own member of `Cache-Status`.
    pub cache_status: CacheStatus,
}

/// A reply on its way.
#[derive(Debug)]
pub struct Reply {
    outcome: Outcome,
    head: ReplyHead,
    body: Body,
}

/// Why a reply did not reach the client whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The client left, or stopped reading.
    #[error("the client left")]
    ClientGone,
    /// The origin broke off: the connection must end without looking complete.
    #[error("the origin broke off")]
    Truncated,
}

/// Where a reply goes. A sink dropped before `finish` holds a reply that was cut: its connection must be closed.
#[async_trait]
pub trait Sink: Send {
    /// Writes the head. `bodiless`: nothing follows (an answer to HEAD, 204, 304).
    async fn head(&mut self, head: ReplyHead, bodiless: bool) -> Result<(), SendError>;
    /// Writes a piece of the body, never an empty one.
    async fn body(&mut self, piece: Bytes) -> Result<(), SendError>;
    /// Ends the reply.
    async fn finish(&mut self) -> Result<(), SendError>;
}

impl Reply {
    pub(super) fn new(outcome: Outcome, head: ReplyHead, body: Body) -> Self {
        Self { outcome, head, body }
    }

    /// How the request ended.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Its head.
    pub fn head(&self) -> &ReplyHead {
        &self.head
    }

    /// Head and body of a reply that is whole in memory, for a front that writes both at once; otherwise the reply
    /// itself, to be [sent](Self::send).
    pub fn into_whole(self) -> Result<(ReplyHead, Bytes), Box<Self>> {
        match self.body {
            Body::Empty => Ok((self.head, Bytes::new())),
            Body::Whole(bytes) => Ok((self.head, bytes)),
            _ => Err(Box::new(self)),
        }
    }

    /// Sends the reply to `sink` as it arrives. When it fails or is cancelled, what was written is no whole reply.
    pub async fn send(self, sink: &mut dyn Sink) -> Result<(), SendError> {
        let Self { head, mut body, .. } = self;
        sink.head(head, matches!(body, Body::Empty)).await?;
        while let Some(piece) = body.next().await? {
            sink.body(piece).await?;
        }
        sink.finish().await
    }
}
