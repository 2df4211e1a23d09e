//! The memory tier: moka, weighed in bytes.

mod roll;
mod slot;

use self::roll::Roll;
use self::slot::{Address, Held, KeepTime, Marker, PrefixHasher, What};
use super::Entry;
use crate::key::KeyHash;
use http::HeaderName;
use moka::notification::RemovalCause;
use moka::ops::compute::Op;
use moka::sync::Cache;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the tier itself takes for an entry: moka's nodes, counters and table, and the roll. Measured.
pub(super) const SHARE: usize = 400;

/// Fields that a resource may vary on. Each combination of values is an entry of its own, so beyond a few of them
/// nothing is ever found again.
const MAX_VARIES_ON: usize = 16;

/// The longest time that anything is kept. Whoever keeps a reply for longer than this will have restarted before.
const MAX_KEEP: Duration = Duration::from_secs(365 * 24 * 3600);

/// Sizes of the memory tier, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    /// All entries together, with all that keeping them takes.
    pub max_size: u64,
    /// The largest body.
    pub max_object: u64,
}

/// What a key leads to.
#[derive(Clone, Debug)]
pub enum Slot {
    /// A reply.
    Entry(Arc<Entry>),
    /// The origin varies: these request fields make the key of the variant.
    Variants(Arc<[HeaderName]>),
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It stands there.
    Stored,
    /// Larger than the tier takes.
    TooLarge,
    /// A newer entry stands there.
    Older,
    /// The tier is full of entries that are asked for more often.
    Unpopular,
}

impl Put {
    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::TooLarge => "too_large",
            Self::Older => "older",
            Self::Unpopular => "unpopular",
        }
    }
}

/// Figures of the tier.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStats {
    /// Bytes taken by what is stored.
    pub bytes: u64,
    /// Replies stored.
    pub entries: u64,
    /// Replies that had to go for others, or whose time was over.
    pub evictions: u64,
}

/// Stored replies in memory.
///
/// What stands under a key is only ever a candidate: the full key is compared here, and freshness and fence are judged
/// by whoever reads. Nothing that happens in here, an eviction or an expiry that comes late, can make a reply wrong.
pub struct Memory {
    cache: Cache<Address, Held, PrefixHasher>,
    settings: MemorySettings,
    counts: Arc<Counts>,
}

/// What is in the cache at this moment. moka's own figures follow with its maintenance.
#[derive(Default)]
struct Counts {
    bytes: AtomicU64,
    evictions: AtomicU64,
    roll: Roll,
}

impl Memory {
    /// An empty tier.
    pub fn new(settings: &MemorySettings) -> Self {
        let counts = Arc::new(Counts::default());
        let told = Arc::clone(&counts);
        let cache = Cache::builder()
            .max_capacity(settings.max_size)
            .weigher(|_, held: &Held| held.weight)
            .expire_after(KeepTime)
            .eviction_listener(move |_, held, cause| told.removed(&held, cause))
            .build_with_hasher(PrefixHasher);
        Self { cache, settings: settings.clone(), counts }
    }

    /// Whether a body of `length` bytes may be stored at all.
    pub fn takes(&self, length: u64) -> bool {
        length <= self.settings.max_object && length <= self.settings.max_size
    }

    /// What is stored under a key; `key` is compared, so another reply is never returned.
    pub fn get(&self, hash: &KeyHash, key: &[u8]) -> Option<Slot> {
        match self.cache.get(&Address::of(hash))?.what {
            What::Entry(entry) if *entry.key == *key => Some(Slot::Entry(entry)),
            What::Marker(marker) if *marker.key == *key => Some(Slot::Variants(Arc::clone(&marker.names))),
            What::Entry(_) | What::Marker(_) => None,
        }
    }

    /// Stores an entry for `keep`.
    ///
    /// In a full tier it has to be asked for more often than those that would make room for it (TinyLFU); whether it is,
    /// is settled before this returns, so [`Put::Stored`] is the truth of this moment.
    pub fn put(&self, hash: KeyHash, entry: Arc<Entry>, keep: Duration) -> Put {
        let weight = entry.weight();
        if !self.takes(entry.body.len() as u64) || u64::from(weight) > self.settings.max_size {
            return Put::TooLarge;
        }
        let address = Address::of(&hash);
        let mut outcome = Put::Stored;
        self.cache.entry(address).and_compute_with(|there| {
            let newer = there.is_some_and(|there| match &there.value().what {
                What::Entry(there) => there.key == entry.key && there.is_newer_than(&entry),
                What::Marker(_) => false,
            });
            if newer {
                outcome = Put::Older;
                return Op::Nop;
            }
            Op::Put(self.counts.added(address, What::Entry(entry), weight, keep))
        });
        if outcome == Put::Stored && !self.settled(&address) { Put::Unpopular } else { outcome }
    }

    /// Notes that the origin varies at a primary key, adding to what is known. `keep`: at least this long.
    /// Returns all fields it varies on; `None` when those are too many to be told apart.
    pub fn put_variants(
        &self,
        hash: KeyHash,
        key: &[u8],
        names: &[HeaderName],
        keep: Duration,
    ) -> Option<Arc<[HeaderName]>> {
        let address = Address::of(&hash);
        let mut all = None;
        self.cache.entry(address).and_compute_with(|there| {
            let there = there.map(moka::Entry::into_value);
            let known = there.as_ref().and_then(|held| match &held.what {
                What::Marker(marker) if *marker.key == *key => Some((marker, held.keep)),
                What::Marker(_) | What::Entry(_) => None,
            });
            let keep = known.map_or(keep, |(_, known)| known.max(keep));
            let marker = match Marker::adding(key, names, known.map(|(marker, _)| marker)) {
                Some(marker) if marker.names.len() <= MAX_VARIES_ON => marker,
                _ => return Op::Nop,
            };
            all = Some(Arc::clone(&marker.names));
            let weight = marker.weight();
            Op::Put(self.counts.added(address, What::Marker(Arc::new(marker)), weight, keep))
        });
        all
    }

    /// Removes an entry that is known to be dead, if it is still `entry` that stands there.
    pub fn remove(&self, hash: &KeyHash, entry: &Arc<Entry>) {
        self.remove_at(Address::of(hash), entry);
    }

    /// Looks at up to `budget` further entries and removes those that are dead.
    ///
    /// The dead may have been popular, and then push out live ones for a long time. One turn over all entries may take
    /// many calls; what dies behind it waits for the next turn.
    pub fn sweep(&self, budget: usize, is_dead: impl Fn(&Entry) -> bool) {
        self.counts.roll.visit(budget, |address, entry| {
            let dead = is_dead(entry);
            if dead {
                self.remove_at(address, entry);
            }
            dead
        });
    }

    /// Whether a sweep has not yet come round: there are entries that it did not look at since it last found a dead one.
    pub fn is_sweeping(&self) -> bool {
        self.counts.roll.is_visiting()
    }

    /// Figures for observation.
    pub fn stats(&self) -> MemoryStats {
        MemoryStats {
            bytes: self.counts.bytes.load(Ordering::Relaxed),
            entries: self.counts.roll.len() as u64,
            evictions: self.counts.evictions.load(Ordering::Relaxed),
        }
    }

    /// Runs pending evictions, so that figures are exact. For tests and periodic maintenance.
    pub fn maintain(&self) {
        self.cache.run_pending_tasks();
    }

    fn remove_at(&self, address: Address, entry: &Arc<Entry>) {
        self.cache.entry(address).and_compute_with(|there| match there {
            Some(there) if there.value().is(entry) => Op::Remove,
            _ => Op::Nop,
        });
    }

    /// Whether what was just put there stays. With room left it does; else moka has to choose first.
    fn settled(&self, address: &Address) -> bool {
        if self.counts.bytes.load(Ordering::Relaxed) <= self.settings.max_size {
            return true;
        }
        self.cache.run_pending_tasks();
        self.cache.contains_key(address)
    }
}

impl Counts {
    fn added(&self, address: Address, what: What, weight: u32, keep: Duration) -> Held {
        self.bytes.fetch_add(u64::from(weight), Ordering::Relaxed);
        let place = match &what {
            What::Entry(entry) => Some(self.roll.enter(address, entry)),
            What::Marker(_) => None,
        };
        Held { what, weight, place, keep: keep.min(MAX_KEEP) }
    }

    /// Told of everything that leaves the cache, replaced and removed entries too.
    fn removed(&self, held: &Held, cause: RemovalCause) {
        self.bytes.fetch_sub(u64::from(held.weight), Ordering::Relaxed);
        if let Some(place) = held.place {
            self.roll.leave(place);
            self.evictions.fetch_add(u64::from(cause.was_evicted()), Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("settings", &self.settings).field("stats", &self.stats()).finish()
    }
}

#[cfg(test)]
mod tests;
