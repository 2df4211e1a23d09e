//! What a purge costs, and what it costs to know whether an entry was purged.
#![expect(clippy::print_stdout, reason = "a share is no time, so criterion cannot report it")]

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderMap, StatusCode};
use larder::invalidation::{
    Bearings, Checked, Fence, Invalidation, Ledger, LedgerSettings, Matcher, Position, Verdict,
};
use larder::key::KeyHash;
use larder::semantics::{Freshness, LifetimeSource, Validators};
use larder::store::{Entry, EntryParts, Head, Memory, MemorySettings, Slot, gather};
use larder::time::Timestamp;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// The sizes that Larder has by default.
const SETTINGS: LedgerSettings = LedgerSettings { memory: 32 << 20, table_slots: 1 << 20 };

const HOUR: Duration = Duration::from_secs(3600);

/// A tag is purged, and the first entry that bore it is found dead: with one entry in memory, and with a million.
fn purging(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("purge of a tag");
    for count in [1, 1_000_000_u64] {
        let memory = Memory::new(&MemorySettings { max_size: 8 << 30, max_object: 1 << 20 });
        (0..count).for_each(|n| store(&memory, n));
        assert_eq!(memory.stats().entries, count);
        let ledger = Ledger::new(&SETTINGS, Position::START);
        let mut last = 0;
        group.bench_function(format!("on {count} entries"), |bencher| {
            bencher.iter(|| {
                last += 1;
                ledger.apply(Position::from_u64(last), &[Invalidation::hard(Matcher::Tag("catalog".into()))]);
                let key = key(0);
                let Some(Slot::Entry(entry)) = memory.get(&KeyHash::of(&key), &key) else {
                    panic!("the entry is still there, dead or not")
                };
                assert_eq!(ledger.judge(entry.fence, &entry.bearings), Verdict::Dead);
            });
        });
    }
    group.finish();
}

/// Judging an entry on a hit, by what happened since it was last judged.
fn judging(criterion: &mut Criterion) {
    let bearings = bearings(1);
    let purge = |ledger: &Ledger, position: u64, matcher: Matcher| {
        ledger.apply(Position::from_u64(position), &[Invalidation::hard(matcher)]);
    };
    let mut group = criterion.benchmark_group("judging an entry");
    let quiet = Ledger::new(&SETTINGS, Position::START);
    (1..1000).for_each(|n| purge(&quiet, n, Matcher::Tag(n.to_string().into())));
    let checked = Checked::default();
    group.bench_function("nothing invalidated since", |bencher| {
        bencher.iter(|| quiet.judge_cached(Fence::default(), black_box(&bearings), &checked));
    });
    for (name, matcher) in [
        ("another route invalidated since", Matcher::Route("other".into())),
        ("another tag invalidated since", Matcher::Tag("other".into())),
        ("another path invalidated since", Matcher::path("shop.example.com", "/other")),
    ] {
        let ledger = Ledger::new(&SETTINGS, Position::START);
        purge(&ledger, 1, matcher);
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                Checked::default,
                |checked| ledger.judge_cached(Fence::default(), black_box(&bearings), checked),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// Judging entries that nobody asked for, after an hour of a thousand purges a second of every kind.
fn busy(criterion: &mut Criterion) {
    let second = |n: u64| Position::from_u64((1_767_225_600_000 + n * 1000) << 20);
    let ledger = Ledger::new(&SETTINGS, Position::START);
    let mut group = criterion.benchmark_group("a thousand purges a second for an hour");
    for n in 0..3_600_000_u64 {
        let position = Position::from_u64(second(n / 1000).as_u64() + ((n % 1000) << 20));
        let matcher = match n % 3 {
            0 => Matcher::Tag(format!("tag:{n}").into()),
            1 => Matcher::path("shop.example.com", &format!("/purged/{n}")),
            _ => Matcher::prefix("shop.example.com", &format!("/purged/{n}")),
        };
        ledger.apply(position, &[Invalidation::hard(matcher)]);
    }
    let entries: Vec<_> = (0..10_000).map(bearings).collect();
    for age in [1, 60, 600, 3500] {
        let fence = Fence::at(second(3600 - age));
        let dead = entries.iter().filter(|entry| ledger.judge(fence, entry) != Verdict::Live).count();
        println!("{dead} of 10,000 entries {age} s old die for nothing; {:?}", ledger.stats());
        let mut turn = entries.iter().cycle();
        group.bench_function(format!("an entry {age} s old"), |bencher| {
            bencher.iter(|| ledger.judge(fence, turn.next().expect("it goes round")));
        });
    }
    let mut next = second(4000).as_u64();
    group.bench_function("one more purge", |bencher| {
        bencher.iter(|| {
            next += 1 << 20;
            let matcher = Matcher::Tag(next.to_string().into());
            ledger.apply(Position::from_u64(next), &[Invalidation::hard(matcher)]);
        });
    });
    group.finish();
}

fn key(n: u64) -> Vec<u8> {
    format!("http shop.example.com /api/v1/products/{n}").into_bytes()
}

fn bearings(n: u64) -> Bearings {
    let tags = [format!("product:{n}"), "catalog".to_owned()];
    let path = format!("/api/v1/products/{n}");
    Bearings::new("shop.example.com", &path, "product", tags.iter().map(String::as_str))
        .expect("two tags are not too many")
}

fn store(memory: &Memory, n: u64) {
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
    let key = key(n);
    let hash = KeyHash::of(&key);
    let entry = Entry::new(EntryParts {
        key: key.into(),
        head: Head::new(StatusCode::OK, &HeaderMap::new()),
        body: gather(&[Bytes::from_static(b"{}")]),
        freshness,
        validators: Validators::default(),
        validated_at: Timestamp::ZERO,
        fence: Fence::default(),
        bearings: bearings(n),
    });
    memory.put(hash, Arc::new(entry), HOUR);
}

criterion_group!(benches, purging, judging, busy);
criterion_main!(benches);
