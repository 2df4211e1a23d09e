//! What a route says about freshness.

use std::collections::BTreeMap;
use std::time::Duration;

/// What happens to a request with cookies, when only the rule gives the lifetime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cookies {
    #[default]
    Bypass,
    Ignore,
}

/// What happens to a reply with `Set-Cookie`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetCookie {
    #[default]
    Bypass,
    Strip,
    Store,
}

/// Whether a client's `Cache-Control` counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientDirectives {
    #[default]
    Ignore,
    Obey,
}

/// The settings of this layer: one per route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreshnessRule {
    /// The lifetime when the origin gives none.
    pub ttl: Option<Duration>,
    /// Whether `ttl` replaces what the origin says.
    pub override_origin: bool,
    /// Used when the origin does not say.
    pub stale_while_revalidate: Option<Duration>,
    /// Used when the origin does not say.
    pub stale_if_error: Option<Duration>,
    /// Lifetimes of single statuses, when the origin gives none.
    pub statuses: BTreeMap<u16, Duration>,
    pub cookies: Cookies,
    pub set_cookie: SetCookie,
    pub client_directives: ClientDirectives,
}
