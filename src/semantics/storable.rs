//! Whether a reply may be stored, and for how long it is fresh (RFC 9111, 3 and 4.2).

use super::lifetime::initial_age;
use super::terms::{overriding_terms, stated_terms};
use super::{
    CacheControl, Cookies, Departure, Freshness, FreshnessRule, LifetimeSource, SetCookie, Validators, Vary,
    parse_vary, status,
};
use crate::time::Timestamp;
use http::header::SET_COOKIE;
use http::{HeaderMap, StatusCode};

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
///
/// After a 304: the stored status, and the merged fields with the times of the revalidation.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Those of the request as the origin saw it.
    pub credentials: Credentials,
    /// The status.
    pub status: StatusCode,
    /// The fields.
    pub headers: &'a HeaderMap,
    /// When the request was sent.
    pub requested_at: Timestamp,
    /// When the head of the reply had arrived.
    pub received_at: Timestamp,
}

/// Why a reply is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotStorable {
    /// `no-store`, or a `Cache-Control` that cannot be read.
    NoStore,
    /// `private`.
    Private,
    /// The request had `Authorization`, and the origin does not say that the reply is for others too (RFC 9111, 3.5).
    Authorization,
    /// The request had cookies, and only the rule or a heuristic gives a lifetime.
    Cookie,
    /// The reply has `Set-Cookie`.
    SetCookie,
    /// `Vary: *`, or a `Vary` that cannot be read.
    VaryAll,
    /// Nobody gives a lifetime, or it is over before it begins and there is nothing to revalidate with.
    NoLifetime,
    /// A status that is not stored, or not without a lifetime of its own.
    Status,
    /// 206.
    Partial,
    /// Larger than the store takes. This and what follows is never the result of [`assess`], which sees neither the
    /// body nor the rest of the rule.
    TooLarge,
    /// Its end cannot be told from a broken connection.
    Unframed,
    /// More tags than are kept.
    TooManyTags,
}

impl NotStorable {
    /// The word for logs, metrics and `Cache-Status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoStore => "no_store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::Cookie => "cookie",
            Self::SetCookie => "set_cookie",
            Self::VaryAll => "vary_all",
            Self::NoLifetime => "no_lifetime",
            Self::Status => "status",
            Self::Partial => "partial",
            Self::TooLarge => "too_large",
            Self::Unframed => "unframed",
            Self::TooManyTags => "too_many_tags",
        }
    }

    /// Whether the next request for the key is likely to meet the same, so that waiting for one another is no use.
    ///
    /// A failing status is not: it may be over in a moment. Nor are credentials: the next request may have none, and
    /// its reply may be stored; whoever remembers these must ask [`NotStorable::tied_to_credentials`] and apply them
    /// only to requests that have some.
    pub fn lasting(self) -> bool {
        !matches!(self, Self::Status) && !self.tied_to_credentials()
    }

    /// Whether the same reply to a request without credentials might be stored.
    pub fn tied_to_credentials(self) -> bool {
        matches!(self, Self::Authorization | Self::Cookie)
    }
}

/// Decides whether a reply may be stored under `rule`, and for how long.
///
/// The lifetime is the origin's, else that of `statuses`, else `ttl` (only of statuses that RFC 9110, 15.1 calls
/// heuristically cacheable, and never of server errors), else a heuristic by `Last-Modified`. `override` turns that
/// round for what limits the *time* of a reply (lifetimes, `no-cache`, `no-store`, `must-revalidate`), never for what
/// says *whose* it is: `private`, `Vary: *`, `Authorization`, and cookies both ways.
///
/// Fields that make a reply personal are refused unless the origin itself speaks of sharing, see [`may_share`].
pub fn assess(rule: &FreshnessRule, exchange: &Exchange<'_>) -> Result<Freshness, NotStorable> {
    if let Some(reason) = status::refusal(exchange.status) {
        return Err(reason);
    }
    // Error pages often say `no-store` or `private`. That must not be taken for a property of the resource.
    judge(rule, exchange)
        .map_err(|reason| if status::transient(exchange.status) { NotStorable::Status } else { reason })
}

/// Whether a stored reply may be shared with a request that has these credentials.
///
/// The same test decides at storing whether a reply to such a request may be kept, so both directions hold:
///
/// - `Authorization`: only if the origin says `public` or `s-maxage`, or `must-revalidate` with a lifetime of its own
///   (RFC 9111, 3.5). The RFC binds only replies *to* such requests. Here a reply to an anonymous one is not given to
///   a user who is logged in either: it might be the 401 that asked for the login.
/// - Cookies, under `cookies: bypass`: only if the origin gives the lifetime. An operator's `ttl` says how long
///   replies keep, not that this page is the same for everybody; a cookie is the likeliest sign that it is not.
pub fn may_share(freshness: &Freshness, rule: &FreshnessRule, credentials: Credentials) -> bool {
    personal(freshness, rule, credentials).is_none()
}

fn personal(freshness: &Freshness, rule: &FreshnessRule, credentials: Credentials) -> Option<NotStorable> {
    if credentials.authorization && !freshness.authorized {
        return Some(NotStorable::Authorization);
    }
    let unsaid = freshness.source != LifetimeSource::Origin;
    (credentials.cookies && unsaid && rule.cookies == Cookies::Bypass).then_some(NotStorable::Cookie)
}

fn judge(rule: &FreshnessRule, exchange: &Exchange<'_>) -> Result<Freshness, NotStorable> {
    let control = CacheControl::of_reply(exchange.headers);
    if control.must_understand && !status::understood(exchange.status) {
        return Err(NotStorable::Status);
    }
    if control.private {
        return Err(NotStorable::Private);
    }
    if parse_vary(exchange.headers) == Vary::All {
        return Err(NotStorable::VaryAll);
    }
    let stated = stated_terms(rule, exchange, &control);
    let (terms, overridden) = match overriding_terms(rule, exchange.status, &control) {
        Some(terms) => (terms, !stated.is_ok_and(|stated| stated.same_use(&terms))),
        None => (stated?, false),
    };
    let cookie_departure = set_cookie_departure(rule, exchange.headers)?;
    let departure = match cookie_departure {
        Some(Departure::SetCookieStored) => cookie_departure,
        _ if overridden => Some(Departure::Override),
        _ => cookie_departure,
    };
    let freshness = Freshness {
        born: exchange.received_at.minus(initial_age(exchange)),
        lifetime: terms.lifetime,
        source: terms.source,
        stale_while_revalidate: terms.stale_while_revalidate,
        stale_if_error: terms.stale_if_error,
        must_revalidate: terms.must_revalidate,
        no_cache: terms.no_cache,
        authorized: permits_authorization(&control, terms.source),
        departure,
    };
    if let Some(reason) = personal(&freshness, rule, exchange.credentials) {
        return Err(reason);
    }
    worth_storing(&freshness, exchange).then_some(freshness).ok_or(NotStorable::NoLifetime)
}

/// RFC 9111, 3.5. `must-revalidate` beside a lifetime that the origin did not give says little about sharing.
fn permits_authorization(control: &CacheControl, source: LifetimeSource) -> bool {
    let revalidated = control.must_revalidate && source == LifetimeSource::Origin;
    control.public || control.s_maxage.is_some() || revalidated
}

fn set_cookie_departure(rule: &FreshnessRule, headers: &HeaderMap) -> Result<Option<Departure>, NotStorable> {
    if !headers.contains_key(SET_COOKIE) {
        return Ok(None);
    }
    match rule.set_cookie {
        SetCookie::Bypass => Err(NotStorable::SetCookie),
        SetCookie::Strip => Ok(Some(Departure::SetCookieStripped)),
        SetCookie::Store => Ok(Some(Departure::SetCookieStored)),
    }
}

/// Whether the reply can be of use once more: as it is, stale, or revalidated.
fn worth_storing(freshness: &Freshness, exchange: &Exchange<'_>) -> bool {
    let now = exchange.received_at;
    let usable = !freshness.no_cache && !freshness.keep_for(now, false).is_zero();
    usable || Validators::of_reply(exchange.headers, now).any()
}

#[cfg(test)]
mod tests;
