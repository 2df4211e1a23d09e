//! `Vary` of a reply (RFC 9110, 12.5.5).

use http::{HeaderMap, HeaderName};

/// What a reply's `Vary` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vary {
    /// Nothing.
    None,
    /// Request fields: sorted, without repetition.
    Fields(Vec<HeaderName>),
    /// `*`, or a list that cannot be read: no other request may be given the reply.
    All,
}

/// Reads all `Vary` lines.
pub fn parse_vary(headers: &HeaderMap) -> Vary {
    let _ = headers;
    todo!()
}
