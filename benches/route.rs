//! What it costs to find a request's route, by the number of routes.
//!
//! A figure is the time of 1,000 requests, so microseconds read as nanoseconds a request. `same traffic` asks for ten routes of the set,
//! however many there are: what the others cost by being there. `all over` asks for as many different ones as there are requests, in
//! an order that neither the processor nor a map can foresee: what is added then is that memory is no longer in the nearest cache.
//! `deep miss` asks all over for paths that no route matches, which shows only at their last segment.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use http::Method;
use larder::route::{HostPattern, PathPattern, RoutePattern, Router};
use std::hint::black_box;
use std::time::Duration;

const COUNTS: [usize; 3] = [10, 1_000, 10_000];
const REQUESTS: usize = 1_000;
const ASKED: usize = 10;
const HOST: &str = "shop.example.com";

/// Routes whose requests differ, each with a path that it and no other matches.
struct Set {
    name: &'static str,
    pattern: fn(usize) -> String,
    path: fn(usize) -> String,
    host: fn(usize) -> Option<String>,
    miss: fn(usize) -> String,
}

const SETS: [Set; 5] = [
    Set {
        name: "literals",
        pattern: |n| format!("/api/v1/resource-{n}/list"),
        path: |n| format!("/api/v1/resource-{n}/list"),
        host: |_| None,
        miss: |n| format!("/api/v1/resource-{n}/lisp"),
    },
    Set {
        name: "captures",
        pattern: |n| format!("/api/{{version}}/resource-{n}/{{id}}/items/{{item}}"),
        path: |n| format!("/api/v1/resource-{n}/4711/items/0815"),
        host: |_| None,
        miss: |n| format!("/api/v1/resource-{n}/4711/items/0815/more"),
    },
    Set {
        name: "overlapping captures",
        pattern: |n| match n % 4 {
            0 => format!("/{{tenant}}/r{}/{{id}}/edit", n / 4),
            1 => format!("/acme/r{}/{{id}}/view", n / 4),
            2 => format!("/{{tenant}}/r{}/new/view-{{x}}", n / 4),
            _ => format!("/acme/r{}/new/**", n / 4),
        },
        path: |n| match n % 4 {
            0 => format!("/acme/r{}/7/edit", n / 4),
            1 => format!("/acme/r{}/7/view", n / 4),
            2 => format!("/acne/r{}/new/view-1", n / 4),
            _ => format!("/acme/r{}/new/a/b", n / 4),
        },
        host: |_| None,
        miss: |n| format!("/acme/r{}/7/nothing", n / 4),
    },
    Set {
        name: "affixes",
        pattern: |n| format!("/feeds/{{id}}.v{n}/all"),
        path: |n| format!("/feeds/4711.v{n}/all"),
        host: |_| None,
        miss: |n| format!("/feeds/4711.v{n}/any"),
    },
    Set {
        name: "hosts",
        pattern: |_| "/products/{id}".to_owned(),
        path: |_| "/products/42".to_owned(),
        host: |n| {
            Some(if n % 2 == 0 { format!("shop-{n}.example.com") } else { format!("*.shop-{n}.example.com") })
        },
        miss: |_| "/products/42/reviews".to_owned(),
    },
];

fn find(criterion: &mut Criterion) {
    for set in &SETS {
        let mut group = criterion.benchmark_group(format!("find/{}", set.name));
        for count in COUNTS {
            let router = Router::new(&(0..count).map(|n| route(set, n)).collect::<Vec<_>>());
            let hit = |n| (authority(set, n), (set.path)(n), Some(n));
            let miss = |n| (authority(set, n), (set.miss)(n), None);
            let same: Vec<_> = scattered(ASKED).map(|n| hit(n * (count / ASKED))).collect();
            let all: Vec<_> = scattered(count).map(hit).collect();
            let misses: Vec<_> = scattered(count).map(miss).collect();
            for (name, requests) in [("same traffic", same), ("all over", all), ("deep miss", misses)] {
                check(&router, &requests);
                group.bench_with_input(BenchmarkId::new(name, count), &requests, |bencher, requests| {
                    bencher.iter(|| {
                        for (authority, path, _) in requests {
                            black_box(router.find(black_box(authority), black_box(path), &Method::GET));
                        }
                    });
                });
            }
        }
        group.finish();
    }
}

fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    let routes: Vec<_> = (0..10_000).map(|n| route(&SETS[1], n)).collect();
    group.bench_function("router of 10000", |bencher| bencher.iter(|| Router::new(black_box(&routes))));
    group
        .bench_function("shadowed of 10000", |bencher| bencher.iter(|| Router::shadowed(black_box(&routes))));
    group.finish();
}

fn ambiguity(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ambiguity");
    for path in
        ["/api/v1/products/42", "/caf%C3%A9/a-rather-long-name-of-a-product-as-shops-have-them/reviews/4711"]
    {
        group.throughput(Throughput::Bytes(path.len() as u64));
        group.bench_function(format!("{} bytes", path.len()), |bencher| {
            bencher.iter(|| larder::route::is_ambiguous_path(black_box(path)));
        });
    }
    group.finish();
}

fn route(set: &Set, n: usize) -> RoutePattern {
    RoutePattern {
        host: (set.host)(n).map(|host| HostPattern::parse(&host).expect("a host")),
        path: PathPattern::parse(&(set.pattern)(n)).expect("a pattern"),
        methods: Some(vec![Method::GET, Method::HEAD]),
    }
}

fn authority(set: &Set, n: usize) -> String {
    (set.host)(n).map_or(HOST.to_owned(), |host| host.replace('*', "www"))
}

/// Numbers below `count` without an order: the golden ratio's multiples, hashed by their high bits.
fn scattered(count: usize) -> impl Iterator<Item = usize> {
    (0..REQUESTS as u64).map(move |n| {
        let mixed = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((u128::from(mixed ^ mixed >> 29) * count as u128) >> 64) as usize
    })
}

fn check(router: &Router, requests: &[(String, String, Option<usize>)]) {
    for (authority, path, expected) in requests {
        assert_eq!(router.find(authority, path, &Method::GET), *expected, "{authority}{path}");
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = find, compile, ambiguity
}
criterion_main!(benches);
