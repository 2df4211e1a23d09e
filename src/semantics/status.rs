//! What a status means to a cache (RFC 9110, 15; RFC 9111, 3).

use super::NotStorable;
use http::StatusCode;

/// Why no reply with this status is ever stored, whatever the origin and the rule say.
///
/// Interim replies and 304 are no replies of their own. Of 206 only parts are there, and Larder does not combine them
/// (RFC 9111, 3.3 leaves that open). 407, 412, 416 and 417 answer a field of one request that is not part of any key.
pub(super) fn refusal(status: StatusCode) -> Option<NotStorable> {
    match status.as_u16() {
        206 => Some(NotStorable::Partial),
        200..=599 if !matches!(status.as_u16(), 304 | 407 | 412 | 416 | 417) => None,
        _ => Some(NotStorable::Status),
    }
}

/// Whether a reply may be given a lifetime that the origin did not give (RFC 9110, 15.1).
///
/// Of the statuses that the RFC names, 206 is refused before, and errors are left out: that a product is not there yet
/// must not be believed for as long as the product will be, unless the origin or `statuses` says so.
pub(super) fn heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308)
}

/// Whether Larder knows what the status asks of a cache (RFC 9111, 5.2.2.3): those that RFC 9110 defines.
pub(super) fn understood(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200..=205 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}

/// Whether the next request may well get another status: server errors, and refusals of one client or moment.
pub(super) fn transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Statuses from 100 to 999 for which `f` holds.
    fn those(f: impl Fn(StatusCode) -> bool) -> Vec<u16> {
        (100..1000).filter(|&code| StatusCode::from_u16(code).is_ok_and(&f)).collect()
    }

    #[test]
    fn every_status_is_judged() {
        let defined: Vec<u16> =
            [200..=205, 300..=303, 305..=305, 307..=308, 400..=417, 421..=422, 426..=426, 500..=505]
                .into_iter()
                .flatten()
                .collect();
        assert_eq!(those(understood), defined, "9111 5.2.2.3, 9110 15");
        let cacheable = [200, 203, 204, 300, 301, 308];
        assert_eq!(those(heuristically_cacheable), cacheable, "9110 15.1");
        let transient: Vec<u16> = [401, 403, 408, 425, 429].into_iter().chain(500..600).collect();
        assert_eq!(those(super::transient), transient);
        let refused: Vec<u16> = (100..200).chain([206, 304, 407, 412, 416, 417]).chain(600..1000).collect();
        assert_eq!(those(|status| refusal(status).is_some()), refused, "9111 3");
    }
}
