//! What the tests of this layer share.

use super::{Freshness, LifetimeSource};
use crate::time::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// A header map from pairs; lines of one name stay separate.
pub(super) fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    fields
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            )
        })
        .collect()
}

/// So many seconds.
pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The moment at which replies in tests are born: Sun, 06 Nov 1994 08:49:37 GMT.
pub(super) const BORN: Timestamp = Timestamp::from_secs(784_111_777);

/// A reply fresh for `lifetime` seconds by the origin's word, and nothing more.
pub(super) fn fresh(lifetime: u64) -> Freshness {
    Freshness {
        born: BORN,
        lifetime: secs(lifetime),
        source: LifetimeSource::Origin,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        must_revalidate: false,
        no_cache: false,
        authorized: false,
        departure: None,
    }
}
