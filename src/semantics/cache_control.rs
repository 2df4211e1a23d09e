//! `Cache-Control` of replies and of requests (RFC 9111, 5.2).

use http::HeaderMap;
use std::time::Duration;

/// The directives of a reply's `Cache-Control` that a shared cache heeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    pub no_store: bool,
    pub no_cache: bool,
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    pub max_age: Option<Duration>,
    pub s_maxage: Option<Duration>,
    pub stale_while_revalidate: Option<Duration>,
    pub stale_if_error: Option<Duration>,
}

impl CacheControl {
    /// Reads all `Cache-Control` lines of a reply; what is malformed errs towards not storing.
    pub fn of_reply(headers: &HeaderMap) -> Self {
        let _ = headers;
        todo!()
    }
}

/// The directives of a request (RFC 9111, 5.2.1), read only where a rule says `client_directives: obey`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    pub no_store: bool,
    pub no_cache: bool,
    pub only_if_cached: bool,
    pub max_age: Option<Duration>,
    pub min_fresh: Option<Duration>,
    /// `max-stale` without a value is `Some(Duration::MAX)`.
    pub max_stale: Option<Duration>,
    pub stale_if_error: Option<Duration>,
}

impl RequestDirectives {
    /// Reads `Cache-Control`, and `Pragma: no-cache` where there is none (RFC 9111, 5.4).
    pub fn of_request(headers: &HeaderMap) -> Self {
        let _ = headers;
        todo!()
    }
}
