//! The region a client is in, for `vary: [region]`.

use http::{HeaderMap, HeaderName};
use std::collections::HashMap;

/// A header that names the client's country or region, and what its values mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionRule {
    /// The header to read.
    pub header: HeaderName,
    /// Value of the header (upper case) → region. Empty: the value itself is the region.
    pub map: HashMap<String, String>,
    /// The region of everybody else.
    pub default: String,
}

impl RegionRule {
    /// The region of a request.
    pub fn of<'a>(&'a self, headers: &'a HeaderMap) -> &'a str {
        let _ = headers;
        todo!()
    }
}
