//! What the engine has for a request.

use super::body::Body;
use super::sink::{ReplyHead, SendError, Sink};
use crate::semantics::Forward;
use bytes::Bytes;
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
    /// It purged something, and asked for nothing.
    Purge,
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
            Self::Purge => "purge",
            Self::Error => "error",
        }
    }
}

/// A reply on its way.
#[derive(Debug)]
pub struct Reply {
    outcome: Outcome,
    head: ReplyHead,
    body: Body,
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
