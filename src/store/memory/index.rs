//! From addresses to what stands there.

use crate::store::Entry;
use crate::store::weight::{ARC, allocated};
use http::HeaderName;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Parts of the index with a lock each. A hit holds one, shared, for the time of a look-up; sixty-four keep even many
/// cores apart.
const SHARDS: usize = 64;

/// As often as an entry counts as asked for between two visits of the queues.
const MAX_ASKED: u8 = 3;

/// What stands under each address: the first 64 bits of a key's hash.
pub(super) struct Index {
    shards: Box<[Shard]>,
    hasher: Seeded,
}

type Map = HashMap<u64, Held, Seeded>;

/// On a cache line of its own, so that locks of other shards do not slow it down.
#[repr(align(128))]
struct Shard(RwLock<Map>);

/// What stands under an address.
pub(super) struct Held {
    pub(super) what: What,
    /// Its place in the queues.
    pub(super) place: u32,
    asked: AtomicU8,
}

pub(super) enum What {
    Entry(Arc<Entry>),
    Marker(Arc<Marker>),
}

/// Says that the origin varies at a key.
pub(super) struct Marker {
    pub(super) key: Box<[u8]>,
    /// Sorted, without repetition.
    pub(super) names: Arc<[HeaderName]>,
    /// When its time is over.
    pub(super) until: u64,
}

impl Index {
    pub(super) fn new() -> Self {
        let hasher = Seeded::new();
        let shard = |_| Shard(RwLock::new(HashMap::with_hasher(hasher)));
        Self { shards: (0..SHARDS).map(shard).collect(), hasher }
    }

    /// The part of the index where `address` belongs, to look something up.
    pub(super) fn read(&self, address: u64) -> RwLockReadGuard<'_, Map> {
        self.shard(address).0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `held` under `address` and returns what stood there.
    pub(super) fn insert(&self, address: u64, held: Held) -> Option<Held> {
        self.write(address).insert(address, held)
    }

    /// Takes away what stands under `address`.
    pub(super) fn remove(&self, address: u64) -> Option<Held> {
        self.write(address).remove(&address)
    }

    fn write(&self, address: u64) -> RwLockWriteGuard<'_, Map> {
        self.shard(address).0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// By bits of the hash that a map uses neither for its buckets nor for its tags.
    fn shard(&self, address: u64) -> &Shard {
        &self.shards[(self.hasher.hash_one(address) >> 40) as usize % SHARDS]
    }
}

impl Held {
    /// `asked`: what is known of the one that stood here before.
    pub(super) fn new(what: What, place: u32, asked: u8) -> Self {
        Self { what, place, asked: AtomicU8::new(asked) }
    }

    /// When its time is over, in milliseconds of the memory's clock.
    pub(super) fn until(&self) -> u64 {
        match &self.what {
            What::Entry(entry) => entry.until(),
            What::Marker(marker) => marker.until,
        }
    }

    /// How often it was asked for, as far as that was counted.
    pub(super) fn asked(&self) -> u8 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Notes that it was asked for. An entry in steady demand is not written to.
    pub(super) fn ask(&self) {
        let asked = self.asked();
        if asked < MAX_ASKED {
            self.asked.store(asked + 1, Ordering::Relaxed);
        }
    }

    /// Whether it was asked for, counted down by one. A hit in the same moment may be lost, which does not matter.
    pub(super) fn spend(&self) -> bool {
        let asked = self.asked();
        self.asked.store(asked.saturating_sub(1), Ordering::Relaxed);
        asked > 0
    }

    /// The full key.
    pub(super) fn key(&self) -> &[u8] {
        match &self.what {
            What::Entry(entry) => &entry.key,
            What::Marker(marker) => &marker.key,
        }
    }

    pub(super) fn entry(&self) -> Option<&Arc<Entry>> {
        match &self.what {
            What::Entry(entry) => Some(entry),
            What::Marker(_) => None,
        }
    }

    pub(super) fn marker(&self) -> Option<&Arc<Marker>> {
        match &self.what {
            What::Marker(marker) => Some(marker),
            What::Entry(_) => None,
        }
    }
}

impl Marker {
    /// A marker at `key` with `names`, in any order.
    pub(super) fn new(key: &[u8], mut names: Vec<HeaderName>, until: u64) -> Self {
        names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        Self { key: key.into(), names: names.into(), until }
    }

    /// Bytes it holds; names that HTTP does not register are on the heap.
    pub(super) fn weight(&self) -> u32 {
        let names = allocated(ARC + size_of_val(&*self.names));
        let texts: usize = self.names.iter().map(|name| allocated(name.as_str().len())).sum();
        let own = allocated(ARC + size_of::<Self>()) + allocated(self.key.len());
        u32::try_from(own + names + texts + super::SHARE).unwrap_or(u32::MAX)
    }
}

/// Spreads addresses over buckets. They are spread already, but by a hash that clients can compute: the seed keeps them
/// from filling one bucket on purpose.
#[derive(Clone, Copy)]
pub(super) struct Seeded {
    seeds: [u64; 2],
    state: u64,
}

impl Seeded {
    fn new() -> Self {
        let random = RandomState::new();
        Self { seeds: [random.hash_one(0), random.hash_one(1)], state: 0 }
    }
}

impl BuildHasher for Seeded {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Seeded {
    fn finish(&self) -> u64 {
        self.state
    }

    fn write_u64(&mut self, address: u64) {
        let [first, second] = self.seeds;
        self.state = folded(folded(address ^ first) ^ second);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.state ^ u64::from(*byte));
        }
    }
}

/// Both halves of a product: each bit of it depends on many of the value. One round leaves values that differ in their
/// highest bits alone close together, two do not.
fn folded(value: u64) -> u64 {
    /// Odd, and without a pattern in its bits: the golden ratio's.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let product = u128::from(value) * u128::from(FACTOR);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_spread_over_shards_and_buckets() {
        for (index, shift) in (0..50).flat_map(|_| [0, 32, 50].map(|shift| (Index::new(), shift))) {
            let mut shards = [0; SHARDS];
            let mut buckets = [0; 64];
            for n in 0..6400_u64 {
                let hash = index.hasher.hash_one(n << shift);
                shards[(hash >> 40) as usize % SHARDS] += 1;
                buckets[hash as usize % 64] += 1;
            }
            assert!(
                shards.iter().chain(&buckets).all(|count| (40..200).contains(count)),
                "{shards:?} {buckets:?}"
            );
        }
    }

    #[test]
    fn what_was_asked_is_counted_down() {
        let held = Held::new(What::Marker(Arc::new(Marker::new(b"", Vec::new(), 0))), 0, 0);
        assert!(!held.spend());
        (0..10).for_each(|_| held.ask());
        let spent = (0..10).take_while(|_| held.spend()).count();
        assert_eq!(spent, usize::from(MAX_ASKED));
    }

    #[test]
    fn names_of_a_marker_are_sorted_and_unique() {
        let names = ["x-b", "accept", "x-b", "cookie"].map(HeaderName::from_static);
        let marker = Marker::new(b"k", names.to_vec(), 0);
        assert_eq!(*marker.names, ["accept", "cookie", "x-b"].map(HeaderName::from_static));
    }
}
