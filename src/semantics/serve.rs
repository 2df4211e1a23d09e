//! Whether a stored reply may answer a request (RFC 9111, 4).

use super::{Freshness, RequestDirectives};
use crate::time::Timestamp;
use std::time::Duration;

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

impl Revalidate {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::NoCache => "no_cache",
            Self::Request => "request",
        }
    }
}

/// Decides how an entry answers. `soft_purged`: a soft purge reached it, so it is stale whatever its lifetime.
/// `directives` is `None` where clients' directives are ignored.
///
/// A soft-purged entry is served once more while it is revalidated, if its lifetime or its `stale-while-revalidate`
/// still lasts and nothing forbids to serve it stale.
pub fn decide(
    freshness: &Freshness,
    soft_purged: bool,
    directives: Option<&RequestDirectives>,
    now: Timestamp,
) -> Decision {
    let decision = if freshness.no_cache {
        Decision::Revalidate(Revalidate::NoCache)
    } else if directives.is_some_and(|directives| refused(directives, freshness, now)) {
        Decision::Revalidate(Revalidate::Request)
    } else {
        by_age(freshness, soft_purged, directives, now)
    };
    match decision {
        Decision::Revalidate(_) if directives.is_some_and(|directives| directives.only_if_cached) => {
            Decision::NotCached
        }
        decision => decision,
    }
}

/// Whether it may be served because the origin failed (RFC 5861, 4; RFC 9111, 4.2.4): while it is fresh (a soft purge or
/// the client had it revalidated) or within `stale-if-error`, never under `must-revalidate` or `no-cache`.
///
/// A client's `stale-if-error` extends the time; its `no-cache`, `max-age` and `min-fresh` hold in failure too.
pub fn usable_on_error(
    freshness: &Freshness,
    directives: Option<&RequestDirectives>,
    now: Timestamp,
) -> bool {
    if freshness.no_cache || freshness.must_revalidate {
        return false;
    }
    if directives.is_some_and(|directives| refused(directives, freshness, now)) {
        return false;
    }
    let window = match directives.and_then(|directives| directives.stale_if_error) {
        Some(wanted) => wanted.max(freshness.stale_if_error),
        None => tolerated(directives, freshness.stale_if_error),
    };
    freshness.stale_for(now).is_none_or(|stale_for| stale_for < window)
}

fn by_age(
    freshness: &Freshness,
    soft_purged: bool,
    directives: Option<&RequestDirectives>,
    now: Timestamp,
) -> Decision {
    let (stale_for, window) = match freshness.stale_for(now) {
        None if !soft_purged => return Decision::Fresh,
        // Purged softly before its time: the rest of its lifetime is the window, unless the client wants none.
        None => (Duration::ZERO, Duration::MAX),
        Some(stale_for) => (stale_for, freshness.stale_while_revalidate),
    };
    if !freshness.must_revalidate && stale_for < tolerated(directives, window) {
        Decision::StaleWhileRevalidate
    } else {
        Decision::Revalidate(Revalidate::Stale)
    }
}

/// Whether the request rules the entry out, fresh or not (RFC 9111, 5.2.1).
fn refused(directives: &RequestDirectives, freshness: &Freshness, now: Timestamp) -> bool {
    let age = freshness.age(now);
    let left = freshness.lifetime.saturating_sub(age);
    directives.no_cache
        || directives.max_age.is_some_and(|most| age > most)
        || directives.min_fresh.is_some_and(|least| left < least)
}

/// How stale a reply the client takes, where the cache would go as far as `window`. `max-stale` sets the limit either
/// way; whoever speaks of freshness without it wants nothing stale (RFC 9111, 5.2.1.1).
fn tolerated(directives: Option<&RequestDirectives>, window: Duration) -> Duration {
    match directives {
        Some(RequestDirectives { max_stale: Some(most), .. }) => *most,
        Some(RequestDirectives { max_age: Some(_), .. } | RequestDirectives { min_fresh: Some(_), .. }) => {
            Duration::ZERO
        }
        _ => window,
    }
}

#[cfg(test)]
mod tests;
