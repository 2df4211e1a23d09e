//! How long a stored reply may be used.

use super::directives::LONGEST;
use crate::time::Timestamp;
use std::time::Duration;

/// What a validator is worth at least: after its freshness a reply is kept this long, since a 304 costs the origin and
/// the line much less than the whole again.
const SHORTEST_REVALIDATION: Duration = Duration::from_secs(60);

/// And at most: whoever has not asked for an hour will hardly ask, and the memory serves others.
const LONGEST_REVALIDATION: Duration = Duration::from_secs(3600);

/// Who gave a lifetime. It decides whose requests a reply may answer, see [`may_share`](super::may_share).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifetimeSource {
    /// The origin said explicitly that a shared cache may use the reply for a while.
    Origin,
    /// The rule's `ttl` or `statuses`.
    Rule,
    /// Nobody: a heuristic (RFC 9111, 4.2.2); or the reply is kept to be revalidated (`no-cache`, `max-age=0`), and
    /// neither `public` nor `s-maxage` says that it is meant for everybody.
    Heuristic,
}

impl LifetimeSource {
    /// All of them, in the order of their numbers.
    pub const EACH: [Self; 3] = [Self::Origin, Self::Rule, Self::Heuristic];

    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Rule => "rule",
            Self::Heuristic => "heuristic",
        }
    }
}

/// Where the rule made Larder do other than the origin said; shown as `detail` in `Cache-Status`.
///
/// Of several the one that matters most to who reads it: a stored cookie, then the lifetime, then a stripped cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// `override: true` replaced the origin's lifetime.
    Override,
    /// `set_cookie: strip`.
    SetCookieStripped,
    /// `set_cookie: store`.
    SetCookieStored,
    /// `sliding: true` renewed the lifetime.
    Sliding,
}

impl Departure {
    /// All of them, in the order of their numbers.
    pub const EACH: [Self; 4] =
        [Self::Override, Self::SetCookieStripped, Self::SetCookieStored, Self::Sliding];

    /// The word for `Cache-Status` and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Override => "override",
            Self::SetCookieStripped => "set_cookie_stripped",
            Self::SetCookieStored => "set_cookie_stored",
            Self::Sliding => "sliding",
        }
    }
}

/// How long a stored reply may be used, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// When the origin generated it: the time it was received less its corrected initial age (RFC 9111, 4.2.3).
    pub born: Timestamp,
    /// How long from `born` it is fresh. Its last moment is no longer part of it (4.2).
    pub lifetime: Duration,
    /// Who said so.
    pub source: LifetimeSource,
    /// How long after that it may be served while it is revalidated (RFC 5861, 3); zero under `must-revalidate`.
    pub stale_while_revalidate: Duration,
    /// How long after that it may be served when the origin fails (RFC 5861, 4); zero under `must-revalidate`.
    pub stale_if_error: Duration,
    /// `must-revalidate`, `proxy-revalidate` or `s-maxage`: never served stale.
    pub must_revalidate: bool,
    /// `no-cache`: revalidated before every use.
    pub no_cache: bool,
    /// The origin allows sharing it with requests that have `Authorization` (RFC 9111, 3.5).
    pub authorized: bool,
    /// What the rule changed.
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

    /// How long ago its freshness ended; `None` while it lasts (RFC 9111, 4.2).
    pub fn stale_for(&self, now: Timestamp) -> Option<Duration> {
        self.age(now).checked_sub(self.lifetime)
    }

    /// Whole seconds of freshness left, rounded down; negative when it is stale. The `ttl` of `Cache-Status`
    /// (RFC 9211, 2.4).
    pub fn ttl(&self, now: Timestamp) -> i64 {
        let until = self.fresh_until().as_millis();
        // Both halves fit: they are at most u64::MAX / 1000.
        if until >= now.as_millis() {
            ((until - now.as_millis()) / 1000) as i64
        } else {
            -((now.as_millis() - until).div_ceil(1000) as i64)
        }
    }

    /// How long from `now` it is worth keeping: freshness, and the longest it may be served stale; with a validator as
    /// long as it was fresh again (one minute to one hour), because a revalidation is cheaper than a new body. At most
    /// 2^31 s.
    pub fn keep_for(&self, now: Timestamp, has_validator: bool) -> Duration {
        let stale = self.stale_while_revalidate.max(self.stale_if_error);
        let usable = self.fresh_until().plus(stale).since(now);
        let revalidated = if has_validator {
            self.lifetime.clamp(SHORTEST_REVALIDATION, LONGEST_REVALIDATION)
        } else {
            Duration::ZERO
        };
        usable.saturating_add(revalidated).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fresh, secs};
    use super::*;

    #[test]
    fn lifetime_ends_when_age_reaches_it() {
        let freshness = fresh(60);
        for (millis, stale_for, ttl) in [
            (0, None, 60),
            (1, None, 59),
            (59_000, None, 1),
            (59_999, None, 0),
            (60_000, Some(0), 0),
            (60_001, Some(1), -1),
            (61_000, Some(1000), -1),
            (61_001, Some(1001), -2),
        ] {
            let now = freshness.born.plus(Duration::from_millis(millis));
            assert_eq!(
                freshness.stale_for(now),
                stale_for.map(Duration::from_millis),
                "4.2 after {millis} ms"
            );
            assert_eq!(freshness.ttl(now), ttl, "9211 2.4 after {millis} ms");
        }
    }

    #[test]
    fn keeps_what_can_still_be_used() {
        fn check(why: &str, freshness: &Freshness, after: u64, has_validator: bool, expected: u64) {
            let now = freshness.born.plus(secs(after));
            assert_eq!(freshness.keep_for(now, has_validator), secs(expected), "{why}");
        }
        let plain = fresh(600);
        let with = |swr, sie| Freshness {
            stale_while_revalidate: secs(swr),
            stale_if_error: secs(sie),
            ..fresh(600)
        };
        check("fresh only", &plain, 0, false, 600);
        check("part of it is over", &plain, 100, false, 500);
        check("all of it is over", &plain, 700, false, 0);
        check("the longer of the two windows", &with(30, 90), 100, false, 590);
        check("the longer of the two windows", &with(90, 30), 100, false, 590);
        check("within the window", &with(90, 30), 650, false, 40);
        check("as long again", &plain, 0, true, 1200);
        check("as long again, when stale", &plain, 700, true, 600);
        check("at least a minute", &fresh(1), 0, true, 61);
        check("at least a minute, for no-cache", &fresh(0), 0, true, 60);
        check("at most an hour", &fresh(86_400), 0, true, 90_000);
        check("bounded", &Freshness { lifetime: Duration::MAX, ..fresh(0) }, 0, true, 1 << 31);
    }
}
