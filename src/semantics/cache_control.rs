//! `Cache-Control` of replies and of requests (RFC 9111, 5.2).

use super::directives::{Directive, Member, members};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, PRAGMA};
use std::time::Duration;

/// The directives of a reply's `Cache-Control` that a shared cache heeds (RFC 9111, 5.2.2; RFC 5861).
///
/// Unknown ones are ignored (5.2.3), and so is `Pragma` in a reply (5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheControl {
    /// Nothing may be stored (5.2.2.5).
    pub no_store: bool,
    /// Revalidated before every use (5.2.2.4); also in the form that lists fields.
    pub no_cache: bool,
    /// Not for shared caches (5.2.2.7); also in the form that lists fields.
    pub private: bool,
    /// For every cache (5.2.2.9).
    pub public: bool,
    /// Never served stale (5.2.2.2).
    pub must_revalidate: bool,
    /// The same, for shared caches (5.2.2.8).
    pub proxy_revalidate: bool,
    /// Stored only by caches that know the status, and then `no-store` is void (5.2.2.3).
    pub must_understand: bool,
    /// Lifetime (5.2.2.1).
    pub max_age: Option<Duration>,
    /// Lifetime in shared caches (5.2.2.10).
    pub s_maxage: Option<Duration>,
    /// How long it may be served stale while it is revalidated (RFC 5861, 3).
    pub stale_while_revalidate: Option<Duration>,
    /// How long it may be served stale when the origin fails (RFC 5861, 4).
    pub stale_if_error: Option<Duration>,
}

impl CacheControl {
    /// Reads all `Cache-Control` lines of a reply. What is in doubt is read so that less is stored, for less long:
    ///
    /// - of repeated directives the smallest time counts (4.2.1), and a time that is no row of digits is zero;
    /// - what restricts counts with any argument, so `private="x-user"` is `private` as a whole (5.2.2.7 allows it);
    ///   what permits, `public` and `must-understand`, counts only as it is defined, without one;
    /// - a member outside the grammar (`private; max-age=60`, a quote left open) could have meant anything: it counts
    ///   as `no-store`, and as `private` if it has that word in it, so that no rule can override that.
    pub fn of_reply(headers: &HeaderMap) -> Self {
        let mut all = Self::default();
        for line in headers.get_all(CACHE_CONTROL) {
            for member in members(line.as_bytes()) {
                match member {
                    Member::Directive(directive) => all.add(&directive),
                    Member::Malformed(text) => {
                        all.no_store = true;
                        all.private |= contains_word(text, b"private");
                    }
                }
            }
        }
        all
    }

    /// Whether it may not be served stale, whatever other directives say (4.2.4). `s-maxage` implies it (5.2.2.10).
    pub fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some()
    }

    fn add(&mut self, directive: &Directive<'_>) {
        match directive {
            d if d.is("no-store") => self.no_store = true,
            d if d.is("no-cache") => self.no_cache = true,
            d if d.is("private") => self.private = true,
            d if d.is("must-revalidate") => self.must_revalidate = true,
            d if d.is("proxy-revalidate") => self.proxy_revalidate = true,
            d if d.is("public") => self.public |= d.bare(),
            d if d.is("must-understand") => self.must_understand |= d.bare(),
            d if d.is("max-age") => shorten(&mut self.max_age, d),
            d if d.is("s-maxage") => shorten(&mut self.s_maxage, d),
            d if d.is("stale-while-revalidate") => shorten(&mut self.stale_while_revalidate, d),
            d if d.is("stale-if-error") => shorten(&mut self.stale_if_error, d),
            _ => {}
        }
    }
}

/// The directives of a request (RFC 9111, 5.2.1), read only where a rule says `client_directives: obey`.
///
/// `no_store` forbids to store the reply, not to answer from what is stored already, so [`decide`](super::decide) does
/// not look at it: whoever fills must.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// Neither the request nor its reply may be stored (5.2.1.5).
    pub no_store: bool,
    /// Not from the cache without asking the origin (5.2.1.4).
    pub no_cache: bool,
    /// From the cache or not at all (5.2.1.7).
    pub only_if_cached: bool,
    /// The age up to which a reply is welcome (5.2.1.1).
    pub max_age: Option<Duration>,
    /// How much longer it has to be fresh (5.2.1.3).
    pub min_fresh: Option<Duration>,
    /// How long ago its freshness may have ended (5.2.1.2); without a value, [`Duration::MAX`].
    pub max_stale: Option<Duration>,
    /// The same, when the origin fails (RFC 5861, 4).
    pub stale_if_error: Option<Duration>,
}

impl RequestDirectives {
    /// Reads `Cache-Control`, and `Pragma: no-cache` where there is none (RFC 9111, 5.4).
    ///
    /// Of repeated directives the stricter counts. A `max-age` that is no row of digits is zero; other times that
    /// are none, and members outside the grammar, are ignored: they are wishes, and nobody is harmed.
    pub fn of_request(headers: &HeaderMap) -> Self {
        let mut all = Self::default();
        if !headers.contains_key(CACHE_CONTROL) {
            all.no_cache = directives(headers, &PRAGMA).any(|directive| directive.is("no-cache"));
            return all;
        }
        directives(headers, &CACHE_CONTROL).for_each(|directive| all.add(&directive));
        all
    }

    fn add(&mut self, directive: &Directive<'_>) {
        match directive {
            d if d.is("no-store") => self.no_store = true,
            d if d.is("no-cache") => self.no_cache = true,
            d if d.is("only-if-cached") => self.only_if_cached = true,
            d if d.is("max-age") => shorten(&mut self.max_age, d),
            d if d.is("min-fresh") => self.min_fresh = self.min_fresh.max(d.seconds()),
            d if d.is("max-stale") => {
                lessen(&mut self.max_stale, if d.bare() { Some(Duration::MAX) } else { d.seconds() });
            }
            d if d.is("stale-if-error") => lessen(&mut self.stale_if_error, d.seconds()),
            _ => {}
        }
    }
}

/// Well-formed directives of all lines.
fn directives<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> impl Iterator<Item = Directive<'a>> {
    headers.get_all(name).into_iter().flat_map(|line| members(line.as_bytes())).filter_map(|member| {
        match member {
            Member::Directive(directive) => Some(directive),
            Member::Malformed(_) => None,
        }
    })
}

/// Keeps the smaller time; a value that is none is zero.
fn shorten(time: &mut Option<Duration>, directive: &Directive<'_>) {
    lessen(time, Some(directive.seconds().unwrap_or_default()));
}

/// Keeps the smaller time of those given.
fn lessen(time: &mut Option<Duration>, other: Option<Duration>) {
    *time = match (*time, other) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
}

fn contains_word(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::super::testing::headers;
    use super::*;
    use proptest::prelude::*;

    const fn secs(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn reads_replies() {
        fn check(clause: &str, lines: &[&str], expected: CacheControl) {
            let lines: Vec<_> = lines.iter().map(|line| ("cache-control", *line)).collect();
            assert_eq!(CacheControl::of_reply(&headers(&lines)), expected, "{clause}: {lines:?}");
        }
        let none = CacheControl::default;
        check("absent", &[], none());
        check("5.2.2.5", &["no-store"], CacheControl { no_store: true, ..none() });
        check("5.2.2.5 with an argument", &["no-store=1"], CacheControl { no_store: true, ..none() });
        check("5.2.2.4", &["no-cache"], CacheControl { no_cache: true, ..none() });
        check("5.2.2.4 fields", &["no-cache=\"set-cookie\""], CacheControl { no_cache: true, ..none() });
        check("5.2.2.7", &["private"], CacheControl { private: true, ..none() });
        check("5.2.2.7 fields", &["private=\"x, y\""], CacheControl { private: true, ..none() });
        check("5.2.2.9", &["public"], CacheControl { public: true, ..none() });
        check("5.2.2.9 with an argument", &["public=no"], none());
        check("5.2.2.9 once without", &["public, public=no"], CacheControl { public: true, ..none() });
        check("5.2.2.2", &["must-revalidate"], CacheControl { must_revalidate: true, ..none() });
        check("5.2.2.8", &["proxy-revalidate"], CacheControl { proxy_revalidate: true, ..none() });
        check("5.2.2.3", &["must-understand"], CacheControl { must_understand: true, ..none() });
        check("5.2.2.3 with an argument", &["must-understand=x"], none());
        let understand = CacheControl { must_understand: true, ..none() };
        check("5.2.2.3 once without", &["must-understand, must-understand=x"], understand);
        check("5.2.2.1", &["max-age=60"], CacheControl { max_age: secs(60), ..none() });
        check("5.2.2.1 quoted", &["max-age=\"60\""], CacheControl { max_age: secs(60), ..none() });
        check("5.2.2.1 single quotes", &["max-age='60'"], CacheControl { max_age: secs(0), ..none() });
        check("4.2.1 negative", &["max-age=-1"], CacheControl { max_age: secs(0), ..none() });
        check("4.2.1 no value", &["max-age"], CacheControl { max_age: secs(0), ..none() });
        check("4.2.1 a fraction", &["max-age=60.5"], CacheControl { max_age: secs(0), ..none() });
        check("4.2.1 twice", &["max-age=60, max-age=1"], CacheControl { max_age: secs(1), ..none() });
        check(
            "4.2.1 twice, in lines",
            &["max-age=1", "max-age=60"],
            CacheControl { max_age: secs(1), ..none() },
        );
        check("4.2.1 once garbage", &["max-age=60, max-age=x"], CacheControl { max_age: secs(0), ..none() });
        check("5.2.2.10", &["s-maxage=60"], CacheControl { s_maxage: secs(60), ..none() });
        check(
            "5861 3",
            &["stale-while-revalidate=9"],
            CacheControl { stale_while_revalidate: secs(9), ..none() },
        );
        check(
            "5861 3 garbage",
            &["stale-while-revalidate"],
            CacheControl { stale_while_revalidate: secs(0), ..none() },
        );
        check("5861 4", &["stale-if-error=9"], CacheControl { stale_if_error: secs(9), ..none() });
        check(
            "5.2 case",
            &["MaX-aGe=60, NO-CACHE"],
            CacheControl { max_age: secs(60), no_cache: true, ..none() },
        );
        check("5.2.3 unknown", &["x=\"no-store, max-age=9\", immutable"], none());
        check("blank before =", &["max-age =60"], CacheControl { no_store: true, ..none() });
        check("semicolon", &["public; max-age=60"], CacheControl { no_store: true, ..none() });
        check(
            "semicolon, private",
            &["Private; max-age=60"],
            CacheControl { no_store: true, private: true, ..none() },
        );
        check(
            "open quote",
            &["max-age=60, x=\"y, private"],
            CacheControl { max_age: secs(60), no_store: true, private: true, ..none() },
        );
    }

    #[test]
    fn s_maxage_and_its_kin_forbid_stale() {
        for (line, expected) in [
            ("must-revalidate", true),
            ("proxy-revalidate", true),
            ("s-maxage=60", true),
            ("max-age=60, public, no-cache", false),
        ] {
            assert_eq!(
                CacheControl::of_reply(&headers(&[("cache-control", line)])).forbids_stale(),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn reads_requests() {
        fn check(clause: &str, fields: &[(&str, &str)], expected: RequestDirectives) {
            assert_eq!(RequestDirectives::of_request(&headers(fields)), expected, "{clause}: {fields:?}");
        }
        let none = RequestDirectives::default;
        let cc = "cache-control";
        check("absent", &[], none());
        check("5.2.1.1", &[(cc, "max-age=5")], RequestDirectives { max_age: secs(5), ..none() });
        check("5.2.1.1 garbage", &[(cc, "max-age=x")], RequestDirectives { max_age: secs(0), ..none() });
        check("5.2.1.2", &[(cc, "max-stale=5")], RequestDirectives { max_stale: secs(5), ..none() });
        check(
            "5.2.1.2 any",
            &[(cc, "max-stale")],
            RequestDirectives { max_stale: Some(Duration::MAX), ..none() },
        );
        check(
            "5.2.1.2 twice",
            &[(cc, "max-stale, max-stale=5")],
            RequestDirectives { max_stale: secs(5), ..none() },
        );
        check("5.2.1.2 garbage", &[(cc, "max-stale=x")], none());
        check("5.2.1.3", &[(cc, "min-fresh=5")], RequestDirectives { min_fresh: secs(5), ..none() });
        check(
            "5.2.1.3 twice",
            &[(cc, "min-fresh=5"), (cc, "min-fresh=9")],
            RequestDirectives { min_fresh: secs(9), ..none() },
        );
        check("5.2.1.4", &[(cc, "no-cache")], RequestDirectives { no_cache: true, ..none() });
        check("5.2.1.5", &[(cc, "no-store")], RequestDirectives { no_store: true, ..none() });
        check("5.2.1.7", &[(cc, "only-if-cached")], RequestDirectives { only_if_cached: true, ..none() });
        check("5861 4", &[(cc, "stale-if-error=5")], RequestDirectives { stale_if_error: secs(5), ..none() });
        check("5.4", &[("pragma", "no-cache")], RequestDirectives { no_cache: true, ..none() });
        check(
            "5.4 among others",
            &[("pragma", "x=1, No-Cache")],
            RequestDirectives { no_cache: true, ..none() },
        );
        check(
            "5.4 behind Cache-Control",
            &[("pragma", "no-cache"), (cc, "max-age=5")],
            RequestDirectives { max_age: secs(5), ..none() },
        );
        check(
            "outside the grammar",
            &[(cc, "no-cache; x, max-stale")],
            RequestDirectives { max_stale: Some(Duration::MAX), ..none() },
        );
    }

    proptest! {
        #[test]
        fn never_panics(line in "[ -~\t]{0,60}") {
            let headers = headers(&[("cache-control", line.trim())]);
            let _ = CacheControl::of_reply(&headers);
            let _ = RequestDirectives::of_request(&headers);
        }

        #[test]
        fn another_line_never_lifts_a_restriction(line in "[a-z0-9=\", -]{0,40}", times in any::<(u16, u16)>()) {
            let strict = format!("private, no-store, no-cache, must-revalidate, max-age={}", times.0);
            let more = format!("max-age={}, {line}", times.1);
            let alone = CacheControl::of_reply(&headers(&[("cache-control", &strict)]));
            let both = CacheControl::of_reply(&headers(&[("cache-control", &strict), ("cache-control", &more)]));
            prop_assert!(both.private && both.no_store && both.no_cache && both.must_revalidate);
            prop_assert!(both.max_age <= alone.max_age);
        }
    }
}
