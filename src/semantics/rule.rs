//! What a route says about freshness.

use std::collections::BTreeMap;
use std::time::Duration;

/// What happens to a request with cookies, when only the rule gives the lifetime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cookies {
    /// Its reply is not stored, and it is given none that was stored on the strength of the rule.
    #[default]
    Bypass,
    /// Cookies do not matter.
    Ignore,
}

/// What happens to a reply with `Set-Cookie`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetCookie {
    /// It is not stored. RFC 9111, 7.3 would permit it where the origin gives a lifetime, but a session handed to
    /// everybody is a fault that no hit ratio makes good.
    #[default]
    Bypass,
    /// It is stored without the field.
    Strip,
    /// It is stored as it is, and everybody gets the cookie.
    Store,
}

/// Whether a client's `Cache-Control` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientDirectives {
    /// It does not: no client can make the origin work.
    #[default]
    Ignore,
    /// It does, as RFC 9111, 5.2.1 says.
    Obey,
}

/// The settings of this layer: one per route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreshnessRule {
    /// The lifetime when the origin gives none, of statuses that may be stored without one (RFC 9110, 15.1).
    pub ttl: Option<Duration>,
    /// Whether `ttl` and `statuses` replace what the origin says.
    pub override_origin: bool,
    /// Used when the origin does not say.
    pub stale_while_revalidate: Option<Duration>,
    /// Used when the origin does not say.
    pub stale_if_error: Option<Duration>,
    /// Lifetimes of single statuses, when the origin gives none.
    pub statuses: BTreeMap<u16, Duration>,
    /// What cookies in a request mean.
    pub cookies: Cookies,
    /// What cookies in a reply mean.
    pub set_cookie: SetCookie,
    /// How long CDNs in front may keep what they are given, whatever the origin says to all caches.
    pub cdn_ttl: Option<Duration>,
    /// Whether clients have a say.
    pub client_directives: ClientDirectives,
}
