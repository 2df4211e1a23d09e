//! A reply's head, kept as the bytes that HTTP/1 writes.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Status and fields. The fields are one block of `name: value\r\n` lines, without those that change with every reply
/// (`Age`, `Date`'s replacement, `Cache-Status`, `Connection`, `Content-Length`).
#[derive(Clone, Debug)]
pub struct Head {
    pub(super) _status: StatusCode,
    pub(super) _block: Bytes,
}

impl Head {
    /// Encodes `headers`.
    pub fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let _ = headers;
        Self { _status: status, _block: Bytes::new() }
    }
    /// The status.
    pub fn status(&self) -> StatusCode {
        self._status
    }
    /// The block of lines, as HTTP/1 writes them.
    pub fn block(&self) -> &Bytes {
        &self._block
    }
    /// The fields in order; values share the block's memory.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + '_ {
        std::iter::empty()
    }
    /// Decoded again.
    pub fn to_headers(&self) -> HeaderMap {
        self.fields().collect()
    }
    /// The first value of a field.
    pub fn get(&self, name: &HeaderName) -> Option<&[u8]> {
        let _ = name;
        todo!()
    }
}
