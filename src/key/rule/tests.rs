use super::{KeyRule, VaryInput};
use crate::key::{NamePattern, QueryRule, RegionRule, RequestTarget, Scheme};
use http::header::{ACCEPT_LANGUAGE, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;

fn cookies(names: &[&str]) -> KeyRule {
    let inputs = names.iter().map(|name| VaryInput::Cookie((*name).to_owned())).collect();
    KeyRule::new(QueryRule::default(), inputs, None)
}

fn lines(lines: &[&str]) -> HeaderMap {
    lines.iter().map(|line| (COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
}

#[test]
fn cookies_are_keyed_by_name_or_all_at_once() {
    let named = cookies(&["currency", "lang"]);
    let all = KeyRule::new(QueryRule::default(), vec![VaryInput::Header(COOKIE)], None);
    let none = KeyRule::default();
    for (rule, sent, all_keyed, kept) in [
        (&named, &[][..], true, None),
        (&named, &["currency=EUR"], true, Some("currency=EUR")),
        (&named, &["lang = de ;; currency=EUR;"], true, Some("lang=de; currency=EUR")),
        (&named, &["session=1; currency=EUR", "lang=de"], false, Some("currency=EUR; lang=de")),
        (&named, &["currency=EUR; currency=USD"], true, Some("currency=EUR; currency=USD")),
        (&named, &["currency"], true, Some("currency=")),
        (&named, &["Currency=EUR"], false, None),
        (&named, &["=x"], false, None),
        (&named, &["a=\"x; currency=EUR\""], false, Some("currency=EUR\"")),
        (&named, &["lang=dä"], true, Some("lang=dä")),
        (&all, &[], true, None),
        (&all, &["session=1", "a"], true, Some("session=1; a")),
        (&none, &[], true, None),
        (&none, &[" ; "], true, None),
        (&none, &["session=1"], false, None),
    ] {
        let headers = lines(sent);
        assert_eq!(rule.keys_all_cookies(&headers), all_keyed, "{sent:?}");
        let found = rule.keyed_cookies(&headers);
        assert_eq!(found.as_ref().map(HeaderValue::as_bytes), kept.map(str::as_bytes), "{sent:?}");
    }
}

/// What is kept of the cookies has the same key as what came, or the reply would be stored under another one.
#[test]
fn kept_cookies_have_the_key_of_those_sent() {
    let rule = cookies(&["currency", "lang"]);
    for sent in ["lang = de; x=1; currency", "currency=a; currency=b", "x=1", "lang=\"d; e\""] {
        let headers = lines(&[sent]);
        let kept: HeaderMap = rule.keyed_cookies(&headers).map(|line| (COOKIE, line)).into_iter().collect();
        let parts = |headers| {
            let target =
                RequestTarget { scheme: Scheme::Http, authority: "a", path: "/", query: None, headers };
            rule.explain(&target)
        };
        assert_eq!(parts(&headers), parts(&kept), "{sent}");
    }
}

#[test]
fn a_key_is_explained_part_by_part() {
    let region = RegionRule {
        header: HeaderName::from_static("x-country"),
        map: [("DE".to_owned(), "eu".to_owned())].into(),
        default: "us".to_owned(),
    };
    let query = QueryRule { ignore: vec![NamePattern::StartsWith("utm_".into())], only: vec![], sort: true };
    let vary =
        vec![VaryInput::Region, VaryInput::Header(ACCEPT_LANGUAGE), VaryInput::Cookie("currency".into())];
    let rule = KeyRule::new(query, vary, Some(Arc::new(region)));
    let headers = [
        (HeaderName::from_static("x-country"), HeaderValue::from_static("de")),
        (ACCEPT_LANGUAGE, HeaderValue::from_static("de ,en")),
    ];
    let headers: HeaderMap = headers.into_iter().collect();
    let explain = |rule: &KeyRule, query| -> Vec<String> {
        let (authority, path) = ("shop.example.com", "/products");
        let target = RequestTarget { scheme: Scheme::Https, authority, path, query, headers: &headers };
        rule.explain(&target).into_iter().map(|part| format!("{}={}", part.name, part.value)).collect()
    };
    let parts = explain(&rule, Some("b=1&utm_x=2&a=3"));
    let (fingerprints, parts): (Vec<_>, Vec<_>) =
        parts.into_iter().partition(|part| part.starts_with("rule="));
    assert!(matches!(&fingerprints[..], [one] if one.len() == "rule=".len() + 16));
    let expected = [
        "scheme=https",
        "authority=shop.example.com",
        "path=/products",
        "query=a=3&b=1",
        "region=eu",
        "header:accept-language=de, en",
        "cookie:currency=(absent)",
    ];
    assert_eq!(parts, expected);
    let plain = ["scheme=https", "authority=shop.example.com", "path=/products", "query=(absent)"];
    assert_eq!(explain(&KeyRule::default(), None), plain);
}

#[test]
fn the_fingerprint_is_of_what_folds_requests_together() {
    let region = |map: &[(&str, &str)]| {
        let map = map.iter().map(|(value, region)| ((*value).into(), (*region).into())).collect();
        let header = HeaderName::from_static("x-country");
        Some(Arc::new(RegionRule { header, map, default: "us".to_owned() }))
    };
    let by_region =
        |map| KeyRule::new(QueryRule::default(), vec![VaryInput::Region], region(map)).fingerprint;
    let unused = KeyRule::new(QueryRule::default(), vec![], region(&[])).fingerprint;
    assert_eq!(unused, None);
    assert_eq!(by_region(&[("DE", "eu"), ("FR", "eu")]), by_region(&[("FR", "eu"), ("DE", "eu")]));
    assert_ne!(by_region(&[("DE", "eu")]), by_region(&[("DE", "de")]));
    let query = |ignore: &[&str], sort| {
        let ignore = ignore.iter().map(|name| NamePattern::Exact((*name).to_owned())).collect();
        KeyRule::new(QueryRule { ignore, only: vec![], sort }, vec![], None).fingerprint
    };
    assert_eq!(query(&[], false), None);
    let all = [query(&["a", "b"], false), query(&["ab"], false), query(&["a", "b"], true), query(&[], true)];
    for (place, one) in all.iter().enumerate() {
        assert!(one.is_some() && !all[..place].contains(one));
    }
}
