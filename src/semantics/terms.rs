//! How the origin's word and the rule make up the terms on which a reply is used.

use super::lifetime::{explicit, heuristic};
use super::{CacheControl, Exchange, FreshnessRule, LifetimeSource, NotStorable, status};
use http::StatusCode;
use std::time::Duration;

/// What of a [`Freshness`] directives and rule decide.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) lifetime: Duration,
    pub(super) source: LifetimeSource,
    pub(super) stale_while_revalidate: Duration,
    pub(super) stale_if_error: Duration,
    pub(super) must_revalidate: bool,
    pub(super) no_cache: bool,
}

impl Terms {
    /// Whether a reply is used in the same way under both, whoever set them.
    pub(super) fn same_use(&self, other: &Self) -> bool {
        let Self { lifetime, source: _, stale_while_revalidate, stale_if_error, must_revalidate, no_cache } =
            *self;
        lifetime == other.lifetime
            && stale_while_revalidate == other.stale_while_revalidate
            && stale_if_error == other.stale_if_error
            && must_revalidate == other.must_revalidate
            && no_cache == other.no_cache
    }
}

/// The terms by the origin's word, filled up by the rule where it is silent.
pub(super) fn stated_terms(
    rule: &FreshnessRule,
    exchange: &Exchange<'_>,
    control: &CacheControl,
) -> Result<Terms, NotStorable> {
    // Whoever understands the status ignores `no-store` beside `must-understand` (RFC 9111, 5.2.2.3).
    if control.no_store && !control.must_understand {
        return Err(NotStorable::NoStore);
    }
    let (lifetime, source) = stated_lifetime(rule, exchange, control).ok_or(NotStorable::NoLifetime)?;
    let never_stale = control.forbids_stale() || control.no_cache;
    let window = |origin: Option<Duration>, rule: Option<Duration>| {
        if never_stale { Duration::ZERO } else { origin.or(rule).unwrap_or_default() }
    };
    Ok(Terms {
        lifetime,
        source,
        stale_while_revalidate: window(control.stale_while_revalidate, rule.stale_while_revalidate),
        stale_if_error: window(control.stale_if_error, rule.stale_if_error),
        must_revalidate: control.forbids_stale(),
        no_cache: control.no_cache,
    })
}

fn stated_lifetime(
    rule: &FreshnessRule,
    exchange: &Exchange<'_>,
    control: &CacheControl,
) -> Option<(Duration, LifetimeSource)> {
    if let Some(lifetime) = explicit(control, exchange) {
        // To be asked every time is no permission to share; such pages are often personal.
        let asks_back = lifetime.is_zero() || control.no_cache;
        let for_all = control.public || control.s_maxage.is_some();
        let source = if asks_back && !for_all { LifetimeSource::Heuristic } else { LifetimeSource::Origin };
        return Some((lifetime, source));
    }
    if let Some(lifetime) = rule_lifetime(rule, exchange.status) {
        return Some((lifetime, LifetimeSource::Rule));
    }
    if !status::heuristically_cacheable(exchange.status) {
        return None;
    }
    let guess = if control.no_cache { Some(Duration::ZERO) } else { heuristic(exchange) };
    Some((guess?, LifetimeSource::Heuristic))
}

/// The terms of `override: true`, where the rule has a lifetime for the status. Stale windows are the rule's, and where
/// it has none the origin's.
pub(super) fn overriding_terms(
    rule: &FreshnessRule,
    status: StatusCode,
    control: &CacheControl,
) -> Option<Terms> {
    if !rule.override_origin {
        return None;
    }
    Some(Terms {
        lifetime: rule_lifetime(rule, status)?,
        source: LifetimeSource::Rule,
        stale_while_revalidate: rule
            .stale_while_revalidate
            .or(control.stale_while_revalidate)
            .unwrap_or_default(),
        stale_if_error: rule.stale_if_error.or(control.stale_if_error).unwrap_or_default(),
        must_revalidate: false,
        no_cache: false,
    })
}

fn rule_lifetime(rule: &FreshnessRule, status: StatusCode) -> Option<Duration> {
    let general = || rule.ttl.filter(|_| status::heuristically_cacheable(status));
    rule.statuses.get(&status.as_u16()).copied().or_else(general)
}
