//! No value of any field makes this layer panic, whatever bytes HTTP lets through.

use super::testing::BORN;
use super::{
    CacheControl, Credentials, Exchange, FreshnessRule, MultipartPlan, RangePlan, RequestDirectives,
    SetCookie, Validators, assess, decide, may_share, merge_not_modified, parse_vary, plan_range,
    remove_hop_by_hop, tags_of_reply, usable_on_error,
};
use crate::time::Timestamp;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use proptest::prelude::*;
use std::time::Duration;

const NAMES: [&str; 26] = [
    "age",
    "cache-control",
    "cache-groups",
    "cache-tag",
    "connection",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "last-modified",
    "pragma",
    "range",
    "set-cookie",
    "surrogate-key",
    "te",
    "transfer-encoding",
    "vary",
    "x-a",
];

/// Pieces that bring the parsers past their first byte.
const PIECES: [&[u8]; 22] = [
    b"max-age=",
    b"s-maxage=\"",
    b"no-cache=\"",
    b"private",
    b"stale-if-error=",
    b"must-understand",
    b"public",
    b",",
    b";",
    b"=",
    b"\"",
    b"\\",
    b"W/\"",
    b"bytes=",
    b"-",
    b"0",
    b"18446744073709551615",
    b"*",
    b" ",
    b"\t",
    b"Sun, 06 Nov 1994 08:49:37 GMT",
    b"Sunday, 06-Nov-94 08:49:37 GMT",
];

fn value() -> impl Strategy<Value = HeaderValue> {
    let byte = any::<u8>().prop_map(|byte| vec![byte]);
    let piece = prop_oneof![4 => (0..PIECES.len()).prop_map(|at| PIECES[at].to_vec()), 1 => byte];
    proptest::collection::vec(piece, 0..12)
        .prop_filter_map("not a field value", |pieces| HeaderValue::from_bytes(&pieces.concat()).ok())
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    let field = (0..NAMES.len(), value()).prop_map(|(at, value)| (HeaderName::from_static(NAMES[at]), value));
    proptest::collection::vec(field, 0..10).prop_map(|fields| fields.into_iter().collect())
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        Just(BORN),
        Just(Timestamp::ZERO),
        Just(Timestamp::MAX),
        any::<u64>().prop_map(Timestamp::from_millis)
    ]
}

fn span() -> impl Strategy<Value = Option<Duration>> {
    proptest::option::of(prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        any::<u64>().prop_map(Duration::from_millis)
    ])
}

prop_compose! {
    fn rule()(
        ttl in span(),
        stale_while_revalidate in span(),
        stale_if_error in span(),
        override_origin in any::<bool>(),
    ) -> FreshnessRule {
        FreshnessRule {
            ttl,
            override_origin,
            stale_while_revalidate,
            stale_if_error,
            set_cookie: SetCookie::Store,
            ..FreshnessRule::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_panics(
        request in headers(),
        reply in headers(),
        rule in rule(),
        times in (time(), time(), time()),
        length in 0..50_usize,
    ) {
        let (requested_at, received_at, now) = times;
        let body = Bytes::from(vec![b'x'; length]);
        let validators = Validators::of_reply(&reply, received_at);
        let _ = validators.precondition(&Method::GET, &request);
        let _ = validators.confirmed_by(&request);
        let mut asked = request.clone();
        validators.make_conditional(&mut asked);
        remove_hop_by_hop(&mut asked);
        if let RangePlan::Multiple(ranges) = plan_range(&request, &validators, length as u64) {
            let _ = MultipartPlan::new(&body, reply.get("content-type").map(HeaderValue::as_bytes), &ranges, "cut");
        }
        let _ = (CacheControl::of_reply(&reply), parse_vary(&reply), tags_of_reply(&reply).count());
        let directives = RequestDirectives::of_request(&request);
        let merged = merge_not_modified(&reply, &request);
        for headers in [&reply, &merged] {
            let credentials = Credentials::default();
            let exchange = Exchange { credentials, status: StatusCode::OK, headers, requested_at, received_at };
            let Ok(freshness) = assess(&rule, &exchange) else { continue };
            let _ = decide(&freshness, false, Some(&directives), now);
            let _ = usable_on_error(&freshness, Some(&directives), now);
            let _ = may_share(&freshness, &rule, credentials);
            let _ = (freshness.age(now), freshness.ttl(now), freshness.stale_for(now), freshness.fresh_until());
            prop_assert!(freshness.keep_for(now, true) <= Duration::from_secs(1 << 31));
        }
    }
}
