//! Conditional requests, both ways (RFC 9110, 13; RFC 9111, 4.3).

use crate::time::Timestamp;
use http::{HeaderMap, Method};

/// The validators of a stored reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// The entity tag as written, `W/"x"` or `"x"`.
    pub etag: Option<Box<[u8]>>,
    pub last_modified: Option<Timestamp>,
    /// `Date` of the reply, or the time it was received.
    pub date: Timestamp,
}

/// How a client's preconditions come out against a stored reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Answer with the whole representation (or the ranges asked for).
    Proceed,
    /// Answer 304.
    NotModified,
    /// Only the origin can tell (`If-Match`, `If-Unmodified-Since`).
    AskOrigin,
}

impl Validators {
    /// Those of a reply.
    pub fn of_reply(headers: &HeaderMap, received_at: Timestamp) -> Self {
        let _ = (headers, received_at);
        todo!()
    }
    /// Whether there is one to revalidate with.
    pub fn any(&self) -> bool {
        todo!()
    }
    /// Whether a 304 may revive the body although a soft purge reached the entry: a strong entity tag, or a date at
    /// least 60 s before the reply (RFC 9110, 8.8.2.2).
    pub fn strong(&self) -> bool {
        todo!()
    }
    /// Puts `If-None-Match` and `If-Modified-Since` into a request to the origin.
    pub fn make_conditional(&self, request: &mut HeaderMap) {
        let _ = request;
        todo!()
    }
    /// Evaluates a client's preconditions in the order of RFC 9110, 13.2.2.
    pub fn precondition(&self, method: &Method, request: &HeaderMap) -> Precondition {
        let _ = (method, request);
        todo!()
    }
}
