//! Whether an entry weighs what the process really holds for it. A process of its own: nothing else may take memory
//! while it measures.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use larder::invalidation::{Bearings, Fence};
use larder::key::KeyHash;
use larder::semantics::{Freshness, LifetimeSource, Validators};
use larder::store::{Entry, EntryParts, Head, Memory, MemorySettings, gather};
use larder::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// The one that `larder` runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEEP: Duration = Duration::from_secs(3600);

/// What bodies are cut from, so that nothing but the entry's own copy of it is allocated.
static TEXT: [u8; 512 << 10] = [b'x'; 512 << 10];

/// Bytes that an entry may take over its body and its head: a third is the entry itself, the rest its key, its matchers,
/// its place in the tier and what the allocator rounds.
const MAX_OVERHEAD: u64 = 600;

/// Bytes of the process that are in memory.
fn resident() -> u64 {
    let sizes = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = sizes.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// A reply of a shop, with a body of `length` bytes.
fn entry(n: usize, length: usize) -> (KeyHash, Arc<Entry>) {
    let path = format!("/api/v1/products/{n}");
    let key = format!("http shop.example.com {path}").into_bytes();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8".to_owned()),
        ("cache-control", "public, max-age=300".to_owned()),
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT".to_owned()),
        ("etag", format!("\"{n:016x}\"")),
        ("surrogate-key", format!("product:{n} catalog")),
        ("x-request-id", format!("{n:032x}")),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
    }
    let tags = [format!("product:{n}"), "catalog".to_owned()];
    let freshness = Freshness {
        born: Timestamp::ZERO,
        lifetime: KEEP,
        source: LifetimeSource::Origin,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        must_revalidate: false,
        no_cache: false,
        authorized: false,
        departure: None,
    };
    let hash = KeyHash::of(&key);
    let entry = Entry::new(EntryParts {
        key: key.into(),
        head: Head::new(StatusCode::OK, &headers),
        body: gather(&[Bytes::from_static(&TEXT[..length])]),
        freshness,
        validators: Validators::of_reply(&headers, Timestamp::ZERO),
        validated_at: Timestamp::ZERO,
        fence: Fence::default(),
        bearings: Bearings::new("shop.example.com", &path, "product", tags.iter().map(String::as_str))
            .unwrap(),
    });
    (hash, Arc::new(entry))
}

/// Fills a memory with `count` replies and returns what it takes, by its own figures and by those of the system.
fn fill(count: usize, length: impl Fn(usize) -> usize) -> (Memory, u64, u64) {
    let before = resident();
    let memory = Memory::new(&MemorySettings { max_size: 4 << 30, max_object: 1 << 30 });
    for n in 0..count {
        let (hash, entry) = entry(n, length(n));
        memory.put(hash, entry, KEEP);
    }
    memory.maintain();
    let weighed = memory.stats().bytes;
    (memory, weighed, resident() - before)
}

/// Mostly small ones, as an API has, and some that take as much room together.
fn mixed(n: usize) -> usize {
    let most = match n % 200 {
        0 => 300_000,
        1..=20 => 30_000,
        _ => 4_000,
    };
    n.wrapping_mul(2_654_435_761) % most
}

#[test]
fn entries_weigh_what_they_take() {
    // Freed memory would be used again by the next one and not be counted, so each is kept to the end. The first only
    // touches what the allocator keeps for itself.
    let mut kept = vec![fill(1_000, mixed).0];
    for (name, count, length) in [
        ("empty", 100_000, (|_| 0) as fn(usize) -> usize),
        ("1 KiB", 100_000, |_| 1 << 10),
        ("mixed", 50_000, mixed),
    ] {
        let (memory, weighed, taken) = fill(count, length);
        let ratio = weighed as f64 / taken as f64;
        println!("{name}: {weighed} bytes weighed, {taken} taken, {ratio:.3}");
        assert!((0.9..=1.1).contains(&ratio), "{name}: {weighed} bytes weighed, {taken} taken");
        if name == "1 KiB" {
            let head = entry(count - 1, 0).1.head.block().len() as u64;
            let overhead = taken / count as u64 - (1 << 10) - head;
            println!("{overhead} bytes over body and head");
            assert!(overhead <= MAX_OVERHEAD, "{overhead} bytes over body and head");
        }
        kept.push(memory);
    }
}
