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
    check("4.2.1 twice, in lines", &["max-age=1", "max-age=60"], CacheControl { max_age: secs(1), ..none() });
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
    check("5.4 among others", &[("pragma", "x=1, No-Cache")], RequestDirectives { no_cache: true, ..none() });
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
