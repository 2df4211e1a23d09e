//! Byte ranges from a stored reply (RFC 9110, 14).

use super::Validators;
use bytes::Bytes;
use http::HeaderMap;

/// Bytes `start..end` of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    pub start: u64,
    pub end: u64,
}

/// How a request's `Range` is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangePlan {
    /// 200 with everything: no `Range`, one to be ignored, or `If-Range` that does not match.
    Full,
    /// 206 with one part.
    Single(ByteRange),
    /// 206 `multipart/byteranges`.
    Multiple(Vec<ByteRange>),
    /// 416.
    Unsatisfiable,
}

/// Decides by `Range` and `If-Range`. `length` is that of the whole body. Too many or overlapping ranges are answered
/// in full (RFC 9110, 14.2).
pub fn plan_range(request: &HeaderMap, validators: &Validators, length: u64) -> RangePlan {
    let _ = (request, validators, length);
    todo!()
}

/// A `multipart/byteranges` body over a stored one: its type, its length, and its pieces without copying the body.
#[derive(Clone, Debug)]
pub struct MultipartPlan {
    pub content_type: String,
    pub length: u64,
    pub pieces: Vec<Bytes>,
}

impl MultipartPlan {
    /// Lays out `ranges` of `body`. `content_type` is that of the stored reply; `boundary` must not occur in the body's
    /// text (64 random bits do).
    pub fn new(body: &Bytes, content_type: Option<&[u8]>, ranges: &[ByteRange], boundary: &str) -> Self {
        let _ = (body, content_type, ranges, boundary);
        todo!()
    }
}
