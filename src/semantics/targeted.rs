//! What is said to the CDNs in front alone (RFC 9213).

use super::directives::{Member, members};
use super::{Freshness, FreshnessRule, status};
use http::header::{CACHE_CONTROL, HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::time::Duration;

/// The field that CDNs obey instead of `Cache-Control` (RFC 9213, 3.1).
pub const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// The same for what came before it; Fastly and Akamai read it.
pub const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// How long from its birth CDNs may keep a reply, by the rule's `cdn_ttl`; `None`: they go by what the origin says.
///
/// Only of what Larder itself may use without asking, and which `ttl` holds for: what has to be revalidated, an error, a status
/// with a lifetime of its own, and a reply that sets a cookie are not to be believed for longer elsewhere. What the origin
/// says to CDNs stays, unless `override` replaces it; `private` stays in any case.
pub fn cdn_lifetime(
    rule: &FreshnessRule,
    status: StatusCode,
    headers: &HeaderMap,
    freshness: &Freshness,
) -> Option<Duration> {
    let usable = !freshness.no_cache && !freshness.lifetime.is_zero();
    let alike = status::heuristically_cacheable(status) && !rule.statuses.contains_key(&status.as_u16());
    let said = match rule.override_origin {
        true => says(headers, &CDN_CACHE_CONTROL, &["private"]),
        false => headers.contains_key(CDN_CACHE_CONTROL),
    };
    rule.cdn_ttl.filter(|_| usable && alike && !said && !headers.contains_key(SET_COOKIE))
}

/// Whether the field `name` says one of these, or what nobody can read.
fn says(headers: &HeaderMap, name: &HeaderName, directives: &[&str]) -> bool {
    let lines = headers.get_all(name).iter();
    lines.flat_map(|line| members(line.as_bytes())).any(|member| match member {
        Member::Directive(directive) => directives.iter().any(|name| directive.is(name)),
        Member::Malformed(_) => true,
    })
}

/// Tells CDNs how long they may keep a reply, from its birth: they subtract its `Age` (RFC 9213, 2.3).
pub fn tell_lifetime(headers: &mut HeaderMap, lifetime: Duration) {
    let value = HeaderValue::try_from(format!("max-age={}", lifetime.as_secs()));
    headers.insert(CDN_CACHE_CONTROL, value.expect("digits make a value"));
}

/// Asks CDNs not to reuse a reply that is stale, or older than a purge that reached it on its way.
///
/// It may be young, and a CDN that was purged at the same time would take it for new and keep it where no purge comes again.
/// What CDNs may not store at all they still may not. What was said to browsers stays (RFC 9111, 5.2); of two values of a
/// directive the first counts, or the reply is stale anyway (4.2.1).
pub fn for_one_use(headers: &mut HeaderMap) {
    let forbidden = |name: &HeaderName| says(headers, name, &["private", "no-store"]);
    let [of_cdns, of_surrogates] = [CDN_CACHE_CONTROL, SURROGATE_CONTROL].map(|name| forbidden(&name));
    if headers.remove(SURROGATE_CONTROL).is_some() && of_surrogates {
        headers.insert(SURROGATE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if headers.contains_key(CDN_CACHE_CONTROL) {
        let value = if of_cdns { "no-store" } else { "max-age=0" };
        headers.insert(CDN_CACHE_CONTROL, HeaderValue::from_static(value));
    }
    let said: Vec<HeaderValue> = headers.get_all(CACHE_CONTROL).iter().cloned().collect();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("s-maxage=0"));
    for line in said {
        headers.append(CACHE_CONTROL, line);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fresh, headers, secs};
    use super::*;

    #[test]
    fn lifetimes_for_cdns() {
        #[track_caller]
        fn check(why: &str, change: fn(&mut FreshnessRule, &mut Freshness), reply: &str, expected: bool) {
            let mut rule = FreshnessRule { cdn_ttl: Some(secs(86_400)), ..FreshnessRule::default() };
            let mut freshness = fresh(60);
            change(&mut rule, &mut freshness);
            let (status, fields) = reply.split_once(' ').unwrap_or((reply, ""));
            let fields: Vec<_> = fields.split("; ").filter_map(|field| field.split_once(": ")).collect();
            let lifetime = cdn_lifetime(&rule, status.parse().unwrap(), &headers(&fields), &freshness);
            assert_eq!(lifetime, expected.then_some(secs(86_400)), "{why}");
        }
        check("it is what `ttl` holds for", |_, _| {}, "200", true);
        check("a permanent redirection too", |_, _| {}, "301 Cache-Control: max-age=60", true);
        check("no rule", |rule, _| rule.cdn_ttl = None, "200", false);
        check("no-cache", |_, freshness| freshness.no_cache = true, "200", false);
        check("no lifetime", |_, freshness| freshness.lifetime = secs(0), "200", false);
        check("an error", |_, _| {}, "404 Cache-Control: max-age=60", false);
        check("a failure", |_, _| {}, "503 Cache-Control: max-age=60", false);
        check("a status with its own", |rule, _| rule.statuses.extend([(301, secs(5))]), "301", false);
        check("a cookie", |_, _| {}, "200 Set-Cookie: a=b", false);
        check("the origin's word", |_, _| {}, "200 CDN-Cache-Control: max-age=5", false);
        check("overridden", |rule, _| rule.override_origin = true, "200 CDN-Cache-Control: no-store", true);
        check("private", |rule, _| rule.override_origin = true, "200 CDN-Cache-Control: a, private", false);
        check("unreadable", |rule, _| rule.override_origin = true, "200 CDN-Cache-Control: a b", false);
    }

    #[test]
    fn the_lifetime_replaces_what_was_said() {
        let mut reply = headers(&[("cdn-cache-control", "no-store"), ("cdn-cache-control", "a")]);
        tell_lifetime(&mut reply, secs(86_400));
        assert_eq!(reply, headers(&[("cdn-cache-control", "max-age=86400")]));
    }

    #[test]
    fn what_is_old_is_used_once() {
        #[track_caller]
        fn check(before: &[(&str, &str)], after: &[(&str, &str)]) {
            let mut reply = headers(before);
            for_one_use(&mut reply);
            assert_eq!(reply, headers(after), "{before:?}");
        }
        check(&[], &[("cache-control", "s-maxage=0")]);
        check(
            &[("cache-control", "public, max-age=60"), ("cache-control", "s-maxage=9"), ("etag", "\"a\"")],
            &[
                ("cache-control", "s-maxage=0"),
                ("cache-control", "public, max-age=60"),
                ("cache-control", "s-maxage=9"),
                ("etag", "\"a\""),
            ],
        );
        check(
            &[("cdn-cache-control", "max-age=9"), ("surrogate-control", "max-age=9")],
            &[("cdn-cache-control", "max-age=0"), ("cache-control", "s-maxage=0")],
        );
        for forbidden in ["private", "max-age=9, no-store", "a b"] {
            check(
                &[("cdn-cache-control", forbidden), ("surrogate-control", forbidden)],
                &[
                    ("surrogate-control", "no-store"),
                    ("cdn-cache-control", "no-store"),
                    ("cache-control", "s-maxage=0"),
                ],
            );
        }
    }
}
