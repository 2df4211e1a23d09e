//! Fields of single connections, and dates.

use crate::time::Timestamp;
use http::HeaderMap;

/// Removes the fields that speak of one connection only, and those that `Connection` lists (RFC 9110, 7.6.1; RFC 9111, 3.1).
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let _ = headers;
    todo!()
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(time: Timestamp) -> String {
    let _ = time;
    todo!()
}

/// Reads all three forms of RFC 9110, 5.6.7.
pub fn parse_http_date(value: &[u8]) -> Option<Timestamp> {
    let _ = value;
    todo!()
}
