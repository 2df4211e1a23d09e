//! What is said to the CDNs in front alone (RFC 9213).

use super::directives::{Member, members, parse_seconds, split_list};
use super::{CacheControl, Freshness, FreshnessRule, status};
use http::header::{CACHE_CONTROL, HeaderName, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::time::Duration;

/// The field that CDNs obey instead of `Cache-Control` (RFC 9213, 3.1).
const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// nginx reads it before all others; its value is the seconds alone.
const X_ACCEL_EXPIRES: &str = "x-accel-expires";

/// Whether a field is a word to caches in front alone: those that are named as RFC 9213, 2 recommends (`CDN-Cache-Control`,
/// `Cloudflare-CDN-Cache-Control`, …), and what came before it at Fastly, at Akamai and in nginx.
pub fn is_targeted(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.ends_with("-cache-control") || matches!(name, "surrogate-control" | "edge-control" | X_ACCEL_EXPIRES)
}

/// Whose word the targeted fields of a stored reply are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CdnWord {
    /// The origin's, or there are none.
    #[default]
    Origins,
    /// The rule's. The origin said nothing to CDNs.
    Rules,
    /// The rule's, in place of the origin's, by `override`. What that was is not known any more.
    Replaced,
}

impl CdnWord {
    /// All of them, in the order of their numbers.
    pub const EACH: [Self; 3] = [Self::Origins, Self::Rules, Self::Replaced];

    /// Its number in what nodes share.
    pub const fn number(self) -> u8 {
        match self {
            Self::Origins => 0,
            Self::Rules => 1,
            Self::Replaced => 2,
        }
    }
}

/// How long from its birth CDNs may keep a reply, by the rule's `cdn_ttl`; `None`: they go by what the origin says.
///
/// Only of what Larder itself may use without asking, and which `ttl` holds for: what has to be revalidated, an error, a status
/// with a lifetime of its own, and a reply that sets a cookie are not to be believed for longer elsewhere. What the origin
/// says to CDNs, in whatever targeted field, stays, unless `override` replaces it; `private` stays in any case.
pub fn cdn_lifetime(
    rule: &FreshnessRule,
    status: StatusCode,
    headers: &HeaderMap,
    freshness: &Freshness,
) -> Option<Duration> {
    let usable = !freshness.no_cache && !freshness.lifetime.is_zero();
    let alike = status::heuristically_cacheable(status) && !rule.statuses.contains_key(&status.as_u16());
    let said = match rule.override_origin {
        true => targeted(headers).iter().any(|name| says(headers, name, &["private"])),
        false => headers.keys().any(is_targeted),
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

/// Tells CDNs how long they may keep a reply, from its birth: they subtract its `Age` (RFC 9213, 2.3). Each targeted field of
/// the reply, `said`, says so, since each CDN has its own that it reads before `CDN-Cache-Control`.
pub fn tell_lifetime(headers: &mut HeaderMap, said: &[HeaderName], lifetime: Duration) -> CdnWord {
    for name in said.iter().chain(&[CDN_CACHE_CONTROL]) {
        headers.insert(name, for_seconds(name, lifetime.as_secs()));
    }
    if said.is_empty() { CdnWord::Rules } else { CdnWord::Replaced }
}

/// The targeted fields of a reply.
pub fn targeted(headers: &HeaderMap) -> Vec<HeaderName> {
    headers.keys().filter(|name| is_targeted(name)).cloned().collect()
}

/// Takes the targeted fields out of a reply.
pub fn remove_targeted(headers: &mut HeaderMap) {
    for name in targeted(headers) {
        headers.remove(name);
    }
}

fn for_seconds(name: &HeaderName, seconds: u64) -> HeaderValue {
    let value = if name == X_ACCEL_EXPIRES { seconds.to_string() } else { format!("max-age={seconds}") };
    HeaderValue::try_from(value).expect("digits make a value")
}

/// Asks CDNs to keep a reply for `most` from its birth, and for no longer than it says itself; for zero: not to reuse it.
///
/// Zero is for what is stale, or older than a purge that reached it on its way. It may be young, and a CDN that was purged at the
/// same time would take it for new and keep it where no purge comes again.
///
/// What CDNs may not store at all they still may not. Every targeted field says so, instead of going: a CDN that gets a 304
/// keeps what it knew of those that are missing. What was said to browsers stays (RFC 9111, 5.2); of two values of a
/// directive some take the first and some the last (4.2.1), so `s-maxage` is there once. Any but 0 would let a CDN store
/// the reply to a request with credentials (3.5), so only what may be shared anyway gets one.
pub fn keep_at_most(headers: &mut HeaderMap, most: Duration) {
    for name in targeted(headers) {
        let value = match name != X_ACCEL_EXPIRES && says(headers, &name, &["private", "no-store"]) {
            true => HeaderValue::from_static("no-store"),
            false => for_seconds(&name, lifetime_in(headers, &name).min(most).as_secs()),
        };
        headers.insert(&name, value);
    }
    let control = CacheControl::of_reply(headers);
    let shared = control.s_maxage.or(control.max_age.filter(|_| control.public)).unwrap_or_default();
    let said: Vec<HeaderValue> = headers.get_all(CACHE_CONTROL).iter().cloned().collect();
    let bound = format!("s-maxage={}", shared.min(most).as_secs());
    headers.insert(CACHE_CONTROL, HeaderValue::try_from(bound).expect("digits make a value"));
    for line in said.into_iter().filter_map(without_s_maxage) {
        headers.append(CACHE_CONTROL, line);
    }
}

/// The lifetime that a targeted field gives without more ado; zero, where it gives none.
fn lifetime_in(headers: &HeaderMap, name: &HeaderName) -> Duration {
    let lines = || headers.get_all(name).iter().map(HeaderValue::as_bytes);
    if name == X_ACCEL_EXPIRES {
        return lines().map(|line| parse_seconds(line).unwrap_or_default()).min().unwrap_or_default();
    }
    if says(headers, name, &["no-cache"]) {
        return Duration::ZERO;
    }
    let seconds = lines().flat_map(members).filter_map(|member| match member {
        Member::Directive(directive) if directive.is("max-age") => {
            Some(directive.seconds().unwrap_or_default())
        }
        _ => None,
    });
    seconds.min().unwrap_or_default()
}

/// A line of `Cache-Control` without what is called `s-maxage`, be it well-formed or not; `None` if nothing is left.
fn without_s_maxage(line: HeaderValue) -> Option<HeaderValue> {
    let is_meant = |member: &&[u8]| {
        let name = member.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"s-maxage")
    };
    if !split_list(line.as_bytes()).any(|member| is_meant(&member)) {
        return Some(line);
    }
    let kept: Vec<_> = split_list(line.as_bytes()).filter(|member| !is_meant(member)).collect();
    let kept = kept.join(&b", "[..]);
    (!kept.is_empty()).then(|| HeaderValue::from_bytes(&kept).expect("members of a value make a value"))
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
        for field in [
            "CDN-Cache-Control",
            "Cloudflare-CDN-Cache-Control",
            "Akamai-Cache-Control",
            "Surrogate-Control",
            "Edge-Control",
            "X-Accel-Expires",
        ] {
            let said = |value: &str| format!("200 {field}: {value}");
            check("the origin's word", |_, _| {}, &said("no-store"), false);
            check("overridden", |rule, _| rule.override_origin = true, &said("9"), true);
            check("private", |rule, _| rule.override_origin = true, &said("a, private"), false);
        }
        check("what is for all", |_, _| {}, "200 Cache-Control: max-age=60; X-Control: no-store", true);
        check("overridden", |rule, _| rule.override_origin = true, "200 CDN-Cache-Control: no-store", true);
        check("private", |rule, _| rule.override_origin = true, "200 CDN-Cache-Control: a, private", false);
        check("unreadable", |rule, _| rule.override_origin = true, "200 CDN-Cache-Control: a b", false);
    }

    #[test]
    fn the_lifetime_replaces_what_was_said() {
        let mut reply = headers(&[]);
        assert_eq!(tell_lifetime(&mut reply, &[], secs(86_400)), CdnWord::Rules);
        assert_eq!(reply, headers(&[("cdn-cache-control", "max-age=86400")]));
        let mut reply = headers(&[
            ("cdn-cache-control", "no-store"),
            ("cdn-cache-control", "a"),
            ("surrogate-control", "no-store"),
            ("x-accel-expires", "0"),
            ("cache-control", "max-age=1"),
        ]);
        let said = targeted(&reply);
        assert_eq!(tell_lifetime(&mut reply, &said, secs(86_400)), CdnWord::Replaced);
        let mut wanted = headers(&[
            ("cdn-cache-control", "max-age=86400"),
            ("surrogate-control", "max-age=86400"),
            ("x-accel-expires", "86400"),
            ("cache-control", "max-age=1"),
        ]);
        assert_eq!(reply, wanted);
        remove_targeted(&mut wanted);
        assert_eq!(wanted, headers(&[("cache-control", "max-age=1")]));
    }

    #[test]
    fn words_have_their_numbers() {
        for (number, word) in CdnWord::EACH.into_iter().enumerate() {
            assert_eq!(usize::from(word.number()), number);
        }
    }

    #[test]
    fn what_is_old_is_used_once() {
        #[track_caller]
        fn check(before: &[(&str, &str)], after: &[(&str, &str)]) {
            let mut reply = headers(before);
            keep_at_most(&mut reply, Duration::ZERO);
            assert_eq!(reply, headers(after), "{before:?}");
        }
        check(&[], &[("cache-control", "s-maxage=0")]);
        check(
            &[("cache-control", "public,max-age=60"), ("cache-control", "s-maxage=9"), ("etag", "\"a\"")],
            &[("cache-control", "s-maxage=0"), ("cache-control", "public,max-age=60"), ("etag", "\"a\"")],
        );
        check(
            &[("cache-control", "public, S-MaxAge = 9 , x=\"s-maxage=1, b\", s-maxage=\"9\"")],
            &[("cache-control", "s-maxage=0"), ("cache-control", "public, x=\"s-maxage=1, b\"")],
        );
        for field in
            ["cdn-cache-control", "cloudflare-cdn-cache-control", "surrogate-control", "edge-control"]
        {
            check(
                &[(field, "max-age=9"), (field, "public")],
                &[(field, "max-age=0"), ("cache-control", "s-maxage=0")],
            );
        }
        check(&[("x-accel-expires", "9")], &[("x-accel-expires", "0"), ("cache-control", "s-maxage=0")]);
        for forbidden in ["private", "max-age=9, no-store", "a b"] {
            check(
                &[("cdn-cache-control", forbidden), ("surrogate-control", forbidden)],
                &[
                    ("cdn-cache-control", "no-store"),
                    ("surrogate-control", "no-store"),
                    ("cache-control", "s-maxage=0"),
                ],
            );
        }
    }

    #[test]
    fn what_may_be_kept_is_kept_for_the_shorter_time() {
        #[track_caller]
        fn check(field: &str, value: &str, expected: &str) {
            let mut reply = headers(&[(field, value)]);
            keep_at_most(&mut reply, secs(5));
            let first = |name: &str| reply.get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(first(field).as_deref(), Some(expected), "{field}: {value}");
        }
        check("cache-control", "public, max-age=60", "s-maxage=5");
        check("cache-control", "public, max-age=3", "s-maxage=3");
        check("cache-control", "max-age=60, s-maxage=4", "s-maxage=4");
        check("cache-control", "max-age=60, s-maxage=40", "s-maxage=5");
        // Not to be shared with whoever asks without credentials, or not to be kept at all.
        check("cache-control", "max-age=60", "s-maxage=0");
        check("cache-control", "public", "s-maxage=0");
        check("cdn-cache-control", "max-age=60", "max-age=5");
        check("cdn-cache-control", "max-age=3, max-age=60", "max-age=3");
        check("cdn-cache-control", "no-cache, max-age=60", "max-age=0");
        check("cdn-cache-control", "max-age=x", "max-age=0");
        check("surrogate-control", "no-store, max-age=60", "no-store");
        check("x-accel-expires", "60", "5");
        check("x-accel-expires", "@60", "0");
    }
}
