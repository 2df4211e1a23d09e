//! Whether a stored reply may answer a request (RFC 9111, 4).

use super::{Credentials, Freshness, FreshnessRule, RequestDirectives};
use crate::time::Timestamp;

/// What to do with a stored reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Serve it as it is.
    Fresh,
    /// Serve it, and revalidate it in the background.
    StaleWhileRevalidate,
    /// Ask the origin first.
    Revalidate(Revalidate),
    /// The client wants nothing but a stored reply (`only-if-cached`) and this one does not do: 504.
    NotCached,
}

/// Why the origin is asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revalidate {
    /// Its freshness is over.
    Stale,
    /// It says `no-cache`.
    NoCache,
    /// The request says so.
    Request,
}

/// Decides how an entry answers. `soft_purged`: a soft purge reached it, so it is stale whatever its lifetime.
/// `directives` is `None` where clients' directives are ignored.
pub fn decide(
    freshness: &Freshness,
    soft_purged: bool,
    directives: Option<&RequestDirectives>,
    now: Timestamp,
) -> Decision {
    let _ = (freshness, soft_purged, directives, now);
    todo!()
}

/// Whether a stored reply may be shared with a request that has these credentials.
pub fn may_share(freshness: &Freshness, rule: &FreshnessRule, credentials: Credentials) -> bool {
    let _ = (freshness, rule, credentials);
    todo!()
}

/// Whether it may be served because the origin failed (RFC 5861, 4; RFC 9111, 4.2.4).
pub fn usable_on_error(
    freshness: &Freshness,
    directives: Option<&RequestDirectives>,
    now: Timestamp,
) -> bool {
    let _ = (freshness, directives, now);
    todo!()
}
