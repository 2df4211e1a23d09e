//! What holds for every rule and every reply.

use super::super::super::testing::{BORN, headers, secs};
use super::super::super::{
    CacheControl, Cookies, Credentials, Decision, FreshnessRule, SetCookie, decide, may_share,
};
use super::{CC, Row, ok};
use proptest::prelude::*;

fn some_control() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        Just("no-store".to_owned()),
        Just("no-cache".to_owned()),
        Just("private".to_owned()),
        Just("public".to_owned()),
        Just("must-revalidate".to_owned()),
        Just("must-understand".to_owned()),
        (0..100_u32).prop_map(|n| format!("max-age={n}")),
        (0..100_u32).prop_map(|n| format!("s-maxage={n}")),
        (0..100_u32).prop_map(|n| format!("stale-while-revalidate={n}")),
        (0..100_u32).prop_map(|n| format!("stale-if-error={n}")),
        "[ -~]{0,12}".prop_map(|junk| junk.trim().to_owned()),
    ];
    proptest::collection::vec(member, 0..5).prop_map(|members| members.join(", "))
}

fn some_rule() -> impl Strategy<Value = FreshnessRule> {
    let time = || proptest::option::of((0..100_u64).prop_map(secs));
    (time(), time(), time(), any::<(bool, bool)>(), 0..3_usize).prop_map(
        |(ttl, swr, sie, (over, ignore), set_cookie)| FreshnessRule {
            ttl,
            override_origin: over,
            stale_while_revalidate: swr,
            stale_if_error: sie,
            cookies: if ignore { Cookies::Ignore } else { Cookies::Bypass },
            set_cookie: [SetCookie::Bypass, SetCookie::Strip, SetCookie::Store][set_cookie],
            ..FreshnessRule::default()
        },
    )
}

fn some_fields() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let field = prop_oneof![
        Just(("etag", "\"a\"".to_owned())),
        Just(("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT".to_owned())),
        Just(("expires", "Sun, 06 Nov 1994 09:00:00 GMT".to_owned())),
        Just(("set-cookie", "a=b".to_owned())),
        Just(("vary", "accept".to_owned())),
        (
            prop_oneof![
                Just("age"),
                Just("date"),
                Just("expires"),
                Just("etag"),
                Just("vary"),
                Just("last-modified")
            ],
            "[ -~]{0,30}"
        )
            .prop_map(|(name, value)| (name, value.trim().to_owned())),
    ];
    proptest::collection::vec(field, 0..4)
}

prop_compose! {
    fn some_row()(
        rule in some_rule(),
        control in some_control(),
        fields in some_fields(),
        credentials in any::<(bool, bool)>(),
        status in prop_oneof![Just(200_u16), Just(404), Just(302), Just(503), 100..1000_u16],
    ) -> (FreshnessRule, Vec<(&'static str, String)>, Credentials, u16) {
        let mut all = fields;
        all.push((CC, control));
        (rule, all, Credentials { authorization: credentials.0, cookies: credentials.1 }, status)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_stored_keeps_the_promises((rule, fields, credentials, status) in some_row()) {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let row = Row { rule: rule.clone(), credentials, status, fields: &fields };
        let Ok(freshness) = row.assess() else { return Ok(()) };
        let control = CacheControl::of_reply(&headers(&fields));
        prop_assert!(!control.private, "private");
        prop_assert!(rule.override_origin || !control.no_store || control.must_understand, "no-store");
        prop_assert!(rule.set_cookie != SetCookie::Bypass || fields.iter().all(|(name, _)| *name != "set-cookie"));
        prop_assert!(status != 206 && status != 304 && (200..600).contains(&status));
        prop_assert!(may_share(&freshness, &rule, credentials), "stored for those it may be shared with");
        prop_assert!(freshness.lifetime <= secs(1 << 31));
        prop_assert!(freshness.born <= BORN);
        if freshness.must_revalidate || freshness.no_cache {
            prop_assert!(freshness.stale_while_revalidate.is_zero() && freshness.stale_if_error.is_zero());
        }
        prop_assert!(!freshness.keep_for(BORN, true).is_zero());
    }

    #[test]
    fn a_longer_max_age_is_never_a_shorter_lifetime(a in 0..5000_u64, b in 0..5000_u64, rule in some_rule()) {
        let lifetime = |seconds: u64| {
            let cc = format!("max-age={seconds}");
            Row { rule: rule.clone(), ..ok(&[(CC, &cc), ("etag", "\"a\"")]) }.assess().unwrap().lifetime
        };
        prop_assert!(lifetime(a.min(b)) <= lifetime(a.max(b)));
    }

    #[test]
    fn an_older_reply_is_never_fresher(age in 0..200_u64, more in 0..200_u64, after in 0..200_u64) {
        let fresh = |age: u64| {
            let age = age.to_string();
            let freshness = ok(&[(CC, "max-age=100"), ("age", &age), ("etag", "\"a\"")]).assess().unwrap();
            decide(&freshness, false, None, BORN.plus(secs(after))) == Decision::Fresh
        };
        prop_assert!(fresh(age) || !fresh(age + more));
    }
}
