//! A request as the engine sees it.

use super::rules::CacheRule;
use crate::key::RequestTarget;
use crate::origin::FetchRequest;
use crate::semantics::{ClientDirectives, Cookies, Credentials, RequestDirectives, remove_hop_by_hop};
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, PRAGMA, RANGE,
};
use http::{HeaderMap, HeaderValue, Method};
use std::sync::Arc;

/// A GET or HEAD without a body, on a route that caches.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// GET or HEAD.
    pub method: &'a Method,
    /// What its key is made of; `target.headers` are the client's.
    pub target: RequestTarget<'a>,
    /// Path and query as the client sent them: what the origin is asked for.
    pub path_and_query: &'a str,
    /// The authority as the client wrote it: the `Host` the origin sees.
    pub host: &'a str,
    /// Adds to the fields for the origin what the proxy adds (`Via`, `X-Forwarded-…`). Called on a fill only.
    pub amend: &'a (dyn Fn(&mut HeaderMap) + Send + Sync),
}

/// Fields that make a request ask for less than the whole reply, or under a condition.
const SELECTIVE: [HeaderName; 6] =
    [RANGE, IF_RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_MATCH, IF_UNMODIFIED_SINCE];

impl Request<'_> {
    /// Whether it is a HEAD.
    pub(super) fn is_head(&self) -> bool {
        *self.method == Method::HEAD
    }

    /// Whether the reply to an unconditional GET, just as it comes, answers it.
    pub(super) fn is_plain(&self) -> bool {
        !self.is_head() && !SELECTIVE.iter().any(|name| self.target.headers.contains_key(name))
    }

    /// What ties its reply to one user.
    pub(super) fn credentials(&self, rule: &CacheRule) -> Credentials {
        credentials(self.target.headers, rule)
    }

    /// The client's directives, where they count.
    pub(super) fn directives(&self, rule: &CacheRule) -> Option<RequestDirectives> {
        (rule.freshness.client_directives == ClientDirectives::Obey)
            .then(|| RequestDirectives::of_request(self.target.headers))
    }

    /// The unconditional GET that fills its key. Under `cookies: ignore` only cookies that are part of the key reach
    /// the origin, so that nothing of one user can come back in what others are given.
    pub(super) fn to_fetch(self, rule: &CacheRule, origin: &Arc<str>, affinity: u64) -> FetchRequest {
        let mut headers = self.target.headers.clone();
        remove_hop_by_hop(&mut headers);
        for name in SELECTIVE.iter().chain(&[EXPECT, CONTENT_LENGTH]) {
            headers.remove(name);
        }
        if rule.freshness.client_directives == ClientDirectives::Ignore {
            headers.remove(CACHE_CONTROL);
            headers.remove(PRAGMA);
        }
        if rule.freshness.cookies == Cookies::Ignore {
            match rule.key.keyed_cookies(&headers) {
                Some(value) => drop(headers.insert(COOKIE, value)),
                None => drop(headers.remove(COOKIE)),
            }
        }
        if let Ok(host) = HeaderValue::from_str(self.host) {
            headers.insert(HOST, host);
        }
        (self.amend)(&mut headers);
        FetchRequest {
            origin: Arc::clone(origin),
            method: Method::GET,
            target: self.path_and_query.to_owned(),
            headers,
            affinity,
        }
    }
}

/// What in the fields of a request ties its reply to one user.
pub(super) fn credentials(headers: &HeaderMap, rule: &CacheRule) -> Credentials {
    Credentials {
        authorization: headers.contains_key(AUTHORIZATION),
        cookies: rule.freshness.cookies == Cookies::Bypass
            && headers.contains_key(COOKIE)
            && !rule.key.keys_all_cookies(headers),
    }
}
