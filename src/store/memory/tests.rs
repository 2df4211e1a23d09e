use super::*;
use crate::invalidation::{Bearings, Fence, Position};
use crate::semantics::{Freshness, LifetimeSource, Validators};
use crate::store::{EntryParts, Head, gather};
use crate::time::Timestamp;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

const KEEP: Duration = Duration::from_secs(3600);

fn hash(key: &str) -> KeyHash {
    KeyHash::of(key.as_bytes())
}

fn entry(key: &str, fence: u64, length: usize) -> Arc<Entry> {
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
    Arc::new(Entry::new(EntryParts {
        key: key.as_bytes().into(),
        head: Head::new(StatusCode::OK, &HeaderMap::new()),
        body: gather(&[Bytes::from(vec![7; length])]),
        freshness,
        validators: Validators::default(),
        validated_at: Timestamp::ZERO,
        fence: Fence::at(Position::from_u64(fence)),
        bearings: Bearings::of_target("h", key, "r"),
    }))
}

fn memory(max_size: u64) -> Memory {
    Memory::new(&MemorySettings { max_size, max_object: max_size / 2 })
}

fn names(names: &[&'static str]) -> Vec<HeaderName> {
    names.iter().copied().map(HeaderName::from_static).collect()
}

/// The fence of the entry that stands under `key`.
fn fence_at(memory: &Memory, key: &str) -> Option<u64> {
    match memory.get(&hash(key), key.as_bytes())? {
        Slot::Entry(entry) => Some(entry.fence.stamp()),
        Slot::Variants(_) => None,
    }
}

#[test]
fn only_the_same_key_finds_an_entry() {
    let memory = memory(1 << 20);
    assert_eq!(memory.put(hash("a"), entry("a", 1, 10), KEEP), Put::Stored);
    assert_eq!(fence_at(&memory, "a"), Some(1));
    assert_eq!(fence_at(&memory, "b"), None);
    assert!(memory.get(&hash("a"), b"b").is_none(), "another key with the same hash");
    memory.put_variants(hash("v"), b"v", &names(&["accept"]), KEEP);
    assert!(memory.get(&hash("v"), b"w").is_none(), "another key with the same hash");
}

#[test]
fn an_older_fence_never_replaces_a_newer_one() {
    let memory = memory(1 << 20);
    for (fence, expected, stands) in [
        (5, Put::Stored, 5),
        (4, Put::Older, 5),
        (5, Put::Stored, 5),
        (6, Put::Stored, 6),
        (1, Put::Older, 6),
    ] {
        assert_eq!(memory.put(hash("a"), entry("a", fence, 10), KEEP), expected, "{fence}");
        assert_eq!(fence_at(&memory, "a"), Some(stands));
    }
    // Another key under the same hash has nothing to say about it.
    assert_eq!(memory.put(hash("a"), entry("b", 1, 10), KEEP), Put::Stored);
    assert_eq!(memory.stats().entries, 1);
}

#[test]
fn too_large_is_refused() {
    let memory = memory(1 << 20);
    for (length, expected) in [(1 << 19, Put::Stored), ((1 << 19) + 1, Put::TooLarge)] {
        assert_eq!(memory.takes(length as u64), expected == Put::Stored);
        assert_eq!(memory.put(hash("a"), entry("a", 1, length), KEEP), expected);
    }
    let tiny = Memory::new(&MemorySettings { max_size: 200, max_object: 1 << 20 });
    assert!(tiny.takes(200) && !tiny.takes(201));
    assert_eq!(tiny.put(hash("a"), entry("a", 1, 10), KEEP), Put::TooLarge);
}

#[test]
fn variants_add_up() {
    let memory = memory(1 << 20);
    let put = |new: &[&'static str]| {
        let all = memory.put_variants(hash("a"), b"a", &names(new), KEEP);
        all.map(|all| all.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(put(&[]), None);
    assert_eq!(put(&["cookie", "accept", "cookie"]).unwrap(), ["accept", "cookie"]);
    assert_eq!(put(&["accept"]).unwrap(), ["accept", "cookie"]);
    assert_eq!(put(&["x-b", "dnt"]).unwrap(), ["accept", "cookie", "dnt", "x-b"]);
    let Some(Slot::Variants(known)) = memory.get(&hash("a"), b"a") else { panic!("a marker stands there") };
    assert_eq!(known.len(), 4);
    let more: Vec<_> = (0..13).map(|n| HeaderName::try_from(format!("x-{n}")).unwrap()).collect();
    assert_eq!(memory.put_variants(hash("a"), b"a", &more[..12], KEEP).unwrap().len(), 16);
    assert!(memory.put_variants(hash("a"), b"a", &more, KEEP).is_none());
    let Some(Slot::Variants(known)) = memory.get(&hash("a"), b"a") else { panic!("it still stands there") };
    assert_eq!(known.len(), 16);
    assert_eq!(memory.stats().entries, 0);
}

#[test]
fn entry_and_marker_replace_each_other() {
    let memory = memory(1 << 20);
    memory.put(hash("a"), entry("a", 9, 10), KEEP);
    memory.put_variants(hash("a"), b"a", &names(&["accept"]), KEEP);
    assert!(matches!(memory.get(&hash("a"), b"a"), Some(Slot::Variants(_))));
    assert_eq!(memory.stats().entries, 0);
    memory.put(hash("a"), entry("a", 1, 10), KEEP);
    assert_eq!(fence_at(&memory, "a"), Some(1));
    assert_eq!(memory.stats().evictions, 0);
}

#[test]
fn only_the_entry_that_was_meant_is_removed() {
    let memory = memory(1 << 20);
    let (first, second) = (entry("a", 1, 10), entry("a", 2, 10));
    memory.put(hash("a"), Arc::clone(&first), KEEP);
    memory.put(hash("a"), Arc::clone(&second), KEEP);
    memory.remove(&hash("a"), &first);
    assert_eq!(fence_at(&memory, "a"), Some(2));
    memory.remove(&hash("a"), &second);
    assert_eq!(fence_at(&memory, "a"), None);
    memory.remove(&hash("a"), &second);
    let stats = memory.stats();
    assert_eq!((stats.bytes, stats.entries, stats.evictions), (0, 0, 0));
}

#[test]
fn figures_follow_at_once() {
    let memory = memory(1 << 20);
    let stored = entry("a", 1, 1000);
    memory.put(hash("a"), Arc::clone(&stored), KEEP);
    assert_eq!(memory.stats().bytes, u64::from(stored.weight()));
    let larger = entry("a", 1, 5000);
    memory.put(hash("a"), Arc::clone(&larger), KEEP);
    let stats = memory.stats();
    assert_eq!((stats.bytes, stats.entries, stats.evictions), (u64::from(larger.weight()), 1, 0));
}

#[test]
fn what_is_over_is_gone() {
    let memory = memory(1 << 20);
    memory.put(hash("a"), entry("a", 1, 10), Duration::ZERO);
    assert_eq!(fence_at(&memory, "a"), None);
    memory.put(hash("b"), entry("b", 1, 10), Duration::MAX);
    assert_eq!(fence_at(&memory, "b"), Some(1));
    // A new one under the same key starts anew.
    memory.put(hash("a"), entry("a", 1, 10), KEEP);
    assert_eq!(fence_at(&memory, "a"), Some(1));
}

#[test]
fn a_full_tier_keeps_its_bound_and_holds_what_it_was_given_last() {
    let memory = memory(1 << 20);
    for n in 0..2000 {
        let key = n.to_string();
        assert_eq!(memory.put(hash(&key), entry(&key, 1, 1000), KEEP), Put::Stored);
        assert_eq!(fence_at(&memory, &key), Some(1), "{n}");
        assert!(memory.stats().bytes <= 1 << 20);
    }
    let stats = memory.stats();
    assert!(stats.entries > 400, "{stats:?}");
    assert_eq!(stats.entries + stats.evictions, 2000);
}

#[test]
fn the_popular_stay() {
    let memory = memory(1 << 20);
    for round in 0..20 {
        for key in ["x", "y", "z"] {
            if fence_at(&memory, key).is_none() {
                assert!(round < 2, "{key} was pushed out in round {round}");
                memory.put(hash(key), entry(key, 1, 1000), KEEP);
            }
        }
        for n in 0..200 {
            let key = format!("{round}-{n}");
            memory.put(hash(&key), entry(&key, 1, 1000), KEEP);
        }
    }
}

#[test]
fn a_sweep_takes_out_the_dead_within_its_budget() {
    let memory = memory(4 << 20);
    for n in 0..1000 {
        let key = n.to_string();
        memory.put(hash(&key), entry(&key, n, 10), KEEP);
    }
    assert!(!memory.is_sweeping());
    let dead = |entry: &Entry| entry.fence.stamp().is_multiple_of(10);
    memory.sweep(500, dead);
    assert_eq!(memory.stats().entries, 950);
    assert!(memory.is_sweeping());
    let mut sweeps = 0;
    while memory.is_sweeping() {
        memory.sweep(500, dead);
        sweeps += 1;
    }
    assert!(sweeps < 10);
    let stats = memory.stats();
    assert_eq!((stats.entries, stats.evictions), (900, 0));
    for n in 0..1000 {
        assert_eq!(fence_at(&memory, &n.to_string()).is_some(), n % 10 != 0, "{n}");
    }
}

#[test]
fn places_are_used_again() {
    let memory = memory(1 << 20);
    for fence in 0..1000 {
        memory.put(hash("a"), entry("a", fence, 10), KEEP);
    }
    assert_eq!(memory.books().queues.len(), 1);
    for n in 0..1000 {
        let stored = entry(&n.to_string(), 1, 10);
        memory.put(hash(&n.to_string()), Arc::clone(&stored), KEEP);
        memory.remove(&hash(&n.to_string()), &stored);
    }
    assert_eq!(memory.books().queues.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_makes_room() {
    let memory = memory(1 << 20);
    for n in 0..100 {
        let keep = Duration::from_secs(if n % 2 == 0 { 10 } else { 1000 });
        memory.put(hash(&n.to_string()), entry(&n.to_string(), 1, 10), keep);
    }
    tokio::time::advance(Duration::from_millis(9_999)).await;
    assert!((0..100).all(|n| fence_at(&memory, &n.to_string()).is_some()));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!((0..100).all(|n| fence_at(&memory, &n.to_string()).is_some() == (n % 2 == 1)));
    assert_eq!(memory.stats().entries, 100);
    // Every entry that is stored looks at two others.
    for n in 100..150 {
        memory.put(hash(&n.to_string()), entry(&n.to_string(), 1, 10), KEEP);
    }
    let stats = memory.stats();
    assert_eq!((stats.entries, stats.evictions), (100, 50));
    tokio::time::advance(KEEP).await;
    memory.maintain();
    let stats = memory.stats();
    assert_eq!((stats.bytes, stats.entries, stats.evictions), (0, 0, 150));
}

#[test]
fn many_threads_leave_the_books_right() {
    let memory = memory(1 << 20);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let memory = &memory;
            scope.spawn(move || {
                for n in 0..3000 {
                    let key = ((n * 7 + thread * 13) % 700).to_string();
                    match n % 5 {
                        0 | 1 => {
                            memory.put(hash(&key), entry(&key, n, 100 * (n as usize % 30)), KEEP);
                        }
                        2 => {
                            memory.put_variants(hash(&key), key.as_bytes(), &names(&["accept"]), KEEP);
                        }
                        3 => memory.sweep(10, |entry| entry.fence.stamp().is_multiple_of(11)),
                        _ => {
                            if let Some(Slot::Entry(found)) = memory.get(&hash(&key), key.as_bytes()) {
                                assert_eq!(*found.key, *key.as_bytes());
                                memory.remove(&hash(&key), &found);
                            }
                        }
                    }
                }
            });
        }
    });
    let places = memory.books().queues.len();
    let addresses: Vec<_> = (0..places).filter_map(|at| memory.books().queues.address(at)).collect();
    let weigh = |address: &u64| {
        let shard = memory.index.read(*address);
        let held = shard.get(address).unwrap();
        u64::from(held.entry().map_or_else(|| held.marker().unwrap().weight(), |entry| entry.weight()))
    };
    let stats = memory.stats();
    assert_eq!(stats.bytes, addresses.iter().map(weigh).sum::<u64>());
    assert!(stats.bytes <= 1 << 20);
    let is_entry = |address: &&u64| memory.index.read(**address)[*address].entry().is_some();
    assert_eq!(stats.entries, addresses.iter().filter(is_entry).count() as u64);
}
