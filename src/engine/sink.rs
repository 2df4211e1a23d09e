//! Where a reply goes: its head, and the sink that head and body are written to.

use crate::semantics::CacheStatus;
use crate::store::Head;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

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
