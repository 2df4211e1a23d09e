//! What the key of a request costs, its hash included.

use criterion::{Criterion, criterion_group, criterion_main};
use http::header::{ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, COOKIE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use larder::key::{
    HostAliases, KeyBuf, KeyRule, NamePattern, QueryRule, RegionRule, RequestTarget, Scheme, VaryInput,
    canonical_authority,
};
use std::hint::black_box;
use std::sync::Arc;

const COUNTRY: HeaderName = HeaderName::from_static("cloudfront-viewer-country");
const PLAIN: Option<&str> = Some("color=red&size=m");
const TRACKED: Option<&str> =
    Some("utm_source=newsletter&size=m&color=red&fbclid=IwAR0abcdefghijklmnopqrstuvwxyz&page=2");

fn keys(criterion: &mut Criterion) {
    let headers = browser();
    let query = QueryRule { ignore: ignored(), only: vec![], sort: true };
    let vary =
        vec![VaryInput::Region, VaryInput::Header(ACCEPT_LANGUAGE), VaryInput::Cookie("currency".to_owned())];
    let url = KeyRule::default();
    let sorting = KeyRule::new(query.clone(), vec![], None);
    let all = KeyRule::new(query, vary, Some(Arc::new(regions())));

    let mut group = criterion.benchmark_group("key");
    for (name, rule, query) in [
        ("path", &url, None),
        ("path and query", &url, PLAIN),
        ("query in order", &sorting, PLAIN),
        ("query filtered and sorted", &sorting, TRACKED),
        ("query filtered and sorted, region, header and cookie", &all, TRACKED),
    ] {
        let mut key = KeyBuf::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                key.set(black_box(rule), &target(query, &headers));
                black_box(key.hash())
            });
        });
    }
    let mut key = KeyBuf::default();
    group.bench_function("path, without its hash", |bencher| {
        bencher.iter(|| {
            key.set(black_box(&url), &target(None, &headers));
            black_box(key.as_bytes().len())
        });
    });
    group.bench_function("path, and a variant by encoding", |bencher| {
        bencher.iter(|| {
            key.set(black_box(&url), &target(None, &headers));
            black_box(key.hash());
            key.push_variant(&[ACCEPT_ENCODING], &headers);
            black_box(key.hash())
        });
    });
    group.finish();
}

fn authorities(criterion: &mut Criterion) {
    let none = HostAliases::default();
    let aliases = HostAliases::new([("catalog.svc".to_owned(), "shop.example.com".to_owned())]);
    let mut group = criterion.benchmark_group("authority");
    for (name, authority, aliases) in [
        ("canonical", "shop.example.com", &none),
        ("canonical, aliases elsewhere", "shop.example.com:8080", &aliases),
        ("alias", "catalog.svc:8080", &aliases),
        ("upper case", "Shop.Example.com", &none),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                black_box(canonical_authority(black_box(authority), Scheme::Http, aliases)).is_some()
            });
        });
    }
    group.finish();
}

fn target<'a>(query: Option<&'a str>, headers: &'a HeaderMap) -> RequestTarget<'a> {
    let (authority, path) = ("shop.example.com", "/api/v1/products/42");
    black_box(RequestTarget { scheme: Scheme::Https, authority, path, query, headers })
}

fn ignored() -> Vec<NamePattern> {
    let exact =
        ["fbclid", "gclid", "msclkid", "mc_cid", "mc_eid"].map(|name| NamePattern::Exact(name.to_owned()));
    [NamePattern::StartsWith("utm_".to_owned())].into_iter().chain(exact).collect()
}

fn regions() -> RegionRule {
    let map = [("DE", "eu"), ("FR", "eu"), ("NL", "eu"), ("US", "us"), ("CA", "us")];
    let map = map.map(|(country, region)| (country.to_owned(), region.to_owned())).into();
    RegionRule { header: COUNTRY, map, default: "us".to_owned() }
}

fn browser() -> HeaderMap {
    let lines = [
        (HOST, "shop.example.com"),
        (USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        (ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        (ACCEPT_LANGUAGE, "de,en-US;q=0.7,en;q=0.3"),
        (ACCEPT_ENCODING, "gzip, deflate, br, zstd"),
        (COOKIE, "session=0123456789abcdef0123456789abcdef; currency=EUR; consent=yes"),
        (COUNTRY, "DE"),
    ];
    lines.map(|(name, value)| (name, HeaderValue::from_static(value))).into_iter().collect()
}

criterion_group!(benches, keys, authorities);
criterion_main!(benches);
