//! Whether a reply may be stored, and for how long it is fresh (RFC 9111, 3 and 4.2).

use super::FreshnessRule;
use crate::time::Timestamp;
use http::{HeaderMap, StatusCode};
use std::time::Duration;

/// What of a request ties its reply to one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// It has `Authorization`.
    pub authorization: bool,
    /// It has cookies that are not part of the key.
    pub cookies: bool,
}

impl Credentials {
    /// Neither.
    pub fn none(self) -> bool {
        !self.authorization && !self.cookies
    }
}

/// A reply to a GET as the origin gave it, hop-by-hop fields removed.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    pub credentials: Credentials,
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    pub requested_at: Timestamp,
    pub received_at: Timestamp,
}

/// Who gave a lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifetimeSource {
    /// The origin said so, explicitly, for shared caches.
    Origin,
    /// The rule's `ttl` or `statuses`.
    Rule,
    /// A heuristic (RFC 9111, 4.2.2).
    Heuristic,
}

/// Where the rule made Larder do other than the origin said; shown as `detail` in `Cache-Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// `override: true` replaced the origin's lifetime.
    Override,
    /// `set_cookie: strip`.
    SetCookieStripped,
    /// `set_cookie: store`.
    SetCookieStored,
}

impl Departure {
    /// The word in `Cache-Status`.
    pub fn as_str(self) -> &'static str {
        todo!()
    }
}

/// How long a stored reply may be used, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// When the origin generated it: the time it was received less its corrected initial age (RFC 9111, 4.2.3).
    pub born: Timestamp,
    /// How long from `born` it is fresh.
    pub lifetime: Duration,
    pub source: LifetimeSource,
    /// How long after that it may be served while it is revalidated (RFC 5861, 3); zero under `must-revalidate`.
    pub stale_while_revalidate: Duration,
    /// How long after that it may be served when the origin fails (RFC 5861, 4); zero under `must-revalidate`.
    pub stale_if_error: Duration,
    /// `must-revalidate`, `proxy-revalidate` or `s-maxage`: never served stale.
    pub must_revalidate: bool,
    /// `no-cache`: revalidated before every use.
    pub no_cache: bool,
    /// The origin allowed sharing it although the request had `Authorization` (RFC 9111, 3.5).
    pub authorized: bool,
    pub departure: Option<Departure>,
}

impl Freshness {
    /// Its age (RFC 9111, 4.2.3).
    pub fn age(&self, now: Timestamp) -> Duration {
        now.since(self.born)
    }
    /// The end of its freshness.
    pub fn fresh_until(&self) -> Timestamp {
        self.born.plus(self.lifetime)
    }
    /// How long from `now` it is worth keeping: freshness, and the longest it may be served stale or revalidated.
    pub fn keep_for(&self, now: Timestamp, has_validator: bool) -> Duration {
        let _ = (now, has_validator);
        todo!()
    }
}

/// Why a reply is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotStorable {
    NoStore,
    Private,
    Authorization,
    Cookie,
    SetCookie,
    VaryAll,
    NoLifetime,
    Status,
    Partial,
    TooLarge,
    /** Its end cannot be told from a broken connection. */
    Unframed,
    /** More tags than are kept. */
    TooManyTags,
}

impl NotStorable {
    /// The word for logs, metrics and `Cache-Status`.
    pub fn as_str(self) -> &'static str {
        todo!()
    }
    /// Whether the next request for the key is likely to meet the same, so that waiting for one another is no use.
    /// A failing status is not: it may be over in a moment.
    pub fn lasting(self) -> bool {
        todo!()
    }
}

/// Decides whether a reply may be stored under `rule`, and for how long.
pub fn assess(rule: &FreshnessRule, exchange: &Exchange<'_>) -> Result<Freshness, NotStorable> {
    let _ = (rule, exchange);
    todo!()
}
