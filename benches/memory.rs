//! What a look-up in memory costs, and storing, with room left and without.

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use larder::invalidation::{Bearings, Fence};
use larder::key::KeyHash;
use larder::semantics::{Freshness, LifetimeSource, Validators};
use larder::store::{Entry, EntryParts, Head, Memory, MemorySettings, gather};
use larder::time::Timestamp;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HOUR: Duration = Duration::from_secs(3600);

fn looking_up(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("look-up");
    for count in [1, 100_000] {
        let memory = Memory::new(&MemorySettings { max_size: 1 << 30, max_object: 1 << 20 });
        let keys: Vec<_> = (0..count).map(|n| (hash(n), key(n))).collect();
        for n in 0..count {
            memory.put(hash(n), entry(n), HOUR);
        }
        let mut turn = keys.iter().cycle();
        group.bench_function(format!("a hit among {count}"), |bencher| {
            bencher.iter(|| {
                let (hash, key) = turn.next().expect("it goes round");
                black_box(memory.get(hash, key)).is_some()
            });
        });
        let absent = (hash(u64::MAX), key(u64::MAX));
        group.bench_function(format!("a miss among {count}"), |bencher| {
            bencher.iter(|| black_box(memory.get(&absent.0, &absent.1)).is_none());
        });
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    keys.iter().for_each(|(hash, key)| drop(black_box(memory.get(hash, key))));
                }
            });
            group.bench_function(
                format!("a hit among {count}, while another thread does the same"),
                |bencher| {
                    bencher.iter(|| {
                        let (hash, key) = turn.next().expect("it goes round");
                        black_box(memory.get(hash, key)).is_some()
                    });
                },
            );
            stop.store(true, Ordering::Relaxed);
        });
    }
    group.finish();
}

fn storing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("storing");
    for (name, max_size) in [("with room left", 64 << 30), ("in a full memory", 64 << 20)] {
        let memory = Memory::new(&MemorySettings { max_size, max_object: 1 << 20 });
        let mut next = 0;
        while max_size < 1 << 30 && memory.stats().evictions == 0 {
            next += 1;
            memory.put(hash(next), entry(next), HOUR);
        }
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    next += 1;
                    (hash(next), entry(next))
                },
                |(hash, entry)| memory.put(hash, entry, HOUR),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn heads(criterion: &mut Criterion) {
    let entry = entry(1);
    let mut group = criterion.benchmark_group("head");
    group.bench_function("its fields, one by one", |bencher| {
        bencher.iter(|| black_box(&entry.head).fields().for_each(|field| drop(black_box(field))));
    });
    group.bench_function("decoded", |bencher| {
        bencher.iter(|| black_box(&entry.head).to_headers());
    });
    let headers = entry.head.to_headers();
    group.bench_function("encoded", |bencher| {
        bencher.iter(|| Head::new(StatusCode::OK, black_box(&headers)));
    });
    group.finish();
}

fn key(n: u64) -> Vec<u8> {
    format!("http shop.example.com /api/v1/products/{n}").into_bytes()
}

fn hash(n: u64) -> KeyHash {
    KeyHash::of(&key(n))
}

/// A reply of 1 KiB with the fields of an API.
fn entry(n: u64) -> Arc<Entry> {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("cache-control", "public, max-age=300"),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("etag", "\"5d8c72a5edda8d6a\""),
        ("vary", "accept-encoding"),
        ("x-request-id", "4bf92f3577b34da6a3ce929d0e0e4736"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let freshness = Freshness {
        born: Timestamp::ZERO,
        lifetime: HOUR,
        source: LifetimeSource::Origin,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        must_revalidate: false,
        no_cache: false,
        authorized: false,
        departure: None,
    };
    Arc::new(Entry::new(EntryParts {
        key: key(n).into(),
        head: Head::new(StatusCode::OK, &headers),
        body: gather(&[Bytes::from(vec![b'x'; 1024])]),
        freshness,
        validators: Validators::of_reply(&headers, Timestamp::ZERO),
        validated_at: Timestamp::ZERO,
        fence: Fence::default(),
        bearings: Bearings::of_target("shop.example.com", &format!("/api/v1/products/{n}"), "product"),
    }))
}

criterion_group!(benches, looking_up, storing, heads);
criterion_main!(benches);
