//! The memory tier, weighed in bytes.

mod ghosts;
mod index;
mod queues;

use self::index::{Held, Index, Marker, What};
use self::queues::Queues;
use super::Entry;
use crate::key::KeyHash;
use crate::time::Stopwatch;
use http::HeaderName;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the tier itself takes for an entry: its place in the index and in the queues, and its ghost. Measured.
pub(super) const SHARE: usize = 110;

/// Fields that a resource may vary on. Each combination of values is an entry of its own, so beyond a few of them
/// nothing is ever found again.
pub(super) const MAX_VARIES_ON: usize = 16;

/// Entries looked at with every one that is stored, to take out those whose time is over. Two, so that these never
/// take more than half of the memory from others, and in practice far less.
const LOOKS: usize = 2;

/// Entries looked at in one go by a sweep, so that those who store are not kept waiting.
const STEP: usize = 256;

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
}

impl Put {
    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::TooLarge => "too_large",
            Self::Older => "older",
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
/// by whoever reads. So nothing that happens in here, an eviction or an expiry that comes late, can make a reply wrong.
///
/// A hit takes one lock, shared with all other hits. Whoever changes anything takes turns (`books`), and locks a part of
/// the index only for the moment of the change; what is taken out is dropped when no lock is held any more.
pub struct Memory {
    index: Index,
    books: Mutex<Books>,
    settings: MemorySettings,
    clock: Stopwatch,
}

struct Books {
    queues: Queues,
    entries: u64,
    evictions: u64,
    /// The place that is looked at next, to see whether its entry is over.
    look: usize,
    sweep: Sweep,
}

/// How far a sweep has come.
#[derive(Default)]
struct Sweep {
    next: usize,
    /// Places still to be looked at until all were, without a dead one among them.
    left: usize,
}

impl Memory {
    /// An empty tier.
    pub fn new(settings: &MemorySettings) -> Self {
        let books = Books {
            queues: Queues::new(settings.max_size),
            entries: 0,
            evictions: 0,
            look: 0,
            sweep: Sweep::default(),
        };
        let clock = Stopwatch::start();
        Self { index: Index::new(), books: Mutex::new(books), settings: settings.clone(), clock }
    }

    /// Whether a body of `length` bytes may be stored at all.
    pub fn takes(&self, length: u64) -> bool {
        length <= self.settings.max_object && length <= self.settings.max_size
    }

    /// What is stored under a key; `key` is compared, so another reply is never returned.
    pub fn get(&self, hash: &KeyHash, key: &[u8]) -> Option<Slot> {
        let address = hash.prefix();
        let shard = self.index.read(address);
        let held = shard.get(&address).filter(|held| held.key() == key)?;
        if held.until() <= self.now() {
            return None;
        }
        held.ask();
        Some(match &held.what {
            What::Entry(entry) => Slot::Entry(Arc::clone(entry)),
            What::Marker(marker) => Slot::Variants(Arc::clone(&marker.names)),
        })
    }

    /// Stores an entry for `keep`. It stands there when this returns; in a full tier others have made room for it.
    pub fn put(&self, hash: KeyHash, entry: Arc<Entry>, keep: Duration) -> Put {
        let weight = entry.weight();
        if !self.takes(entry.body.len() as u64) || u64::from(weight) > self.settings.max_size {
            return Put::TooLarge;
        }
        let mut books = self.books();
        let address = hash.prefix();
        let newer = |there: &Arc<Entry>| there.key == entry.key && there.is_newer_than(&entry);
        if self.index.read(address).get(&address).and_then(Held::entry).is_some_and(newer) {
            return Put::Older;
        }
        entry.keep_until(self.end_of(keep));
        let gone = self.insert(&mut books, address, What::Entry(entry), weight);
        drop(books);
        drop(gone);
        Put::Stored
    }

    /// Notes that the origin varies at a primary key, adding to what is known. `keep`: at least this long.
    /// Returns all fields it varies on; `None` when those are too many to be told apart, or none.
    pub fn put_variants(
        &self,
        hash: KeyHash,
        key: &[u8],
        names: &[HeaderName],
        keep: Duration,
    ) -> Option<Arc<[HeaderName]>> {
        let mut books = self.books();
        let address = hash.prefix();
        let mut all = names.to_vec();
        let mut until = self.end_of(keep);
        if let Some(there) = self.index.read(address).get(&address).filter(|held| held.key() == key)
            && let Some(known) = there.marker()
        {
            all.extend(known.names.iter().cloned());
            until = until.max(known.until);
        }
        let marker = Marker::new(key, all, until);
        if marker.names.is_empty() || marker.names.len() > MAX_VARIES_ON {
            return None;
        }
        let (names, weight) = (Arc::clone(&marker.names), marker.weight());
        let gone = self.insert(&mut books, address, What::Marker(Arc::new(marker)), weight);
        drop(books);
        drop(gone);
        Some(names)
    }

    /// Removes an entry that is known to be dead, if it is still `entry` that stands there.
    pub fn remove(&self, hash: &KeyHash, entry: &Arc<Entry>) {
        self.remove_at(hash.prefix(), entry);
    }

    /// Looks at up to `budget` further entries and removes those that are dead.
    ///
    /// The dead take room until they come to the end of their queue, and longer if they were popular. One turn over all
    /// entries may take many calls.
    pub fn sweep(&self, budget: usize, is_dead: impl Fn(&Entry) -> bool) {
        self.books().begin_sweep();
        let mut budget = budget;
        while budget > 0 {
            let step = budget.min(STEP);
            let Some(addresses) = self.books().sweep_on(step) else { return };
            budget -= step;
            let entry = |address: u64| self.index.read(address).get(&address).and_then(Held::entry).cloned();
            let entries = addresses.into_iter().filter_map(|address| Some((address, entry(address)?)));
            let dead: Vec<_> = entries.filter(|(_, entry)| is_dead(entry)).collect();
            if !dead.is_empty() {
                dead.iter().for_each(|(address, entry)| self.remove_at(*address, entry));
                self.books().begin_sweep_again();
            }
        }
    }

    /// Whether a sweep has not yet come round: there are entries that it did not look at since it last found a dead one.
    pub fn is_sweeping(&self) -> bool {
        self.books().sweep.left > 0
    }

    /// Figures for observation.
    pub fn stats(&self) -> MemoryStats {
        let books = self.books();
        MemoryStats { bytes: books.queues.bytes(), entries: books.entries, evictions: books.evictions }
    }

    /// Takes out everything whose time is over, so that figures are exact. For tests and periodic maintenance.
    pub fn maintain(&self) {
        let mut books = self.books();
        let places = books.queues.len();
        let gone = self.take_out_expired(&mut books, places);
        drop(books);
        drop(gone);
    }

    /// Puts `what` under `address`, makes room for it and returns what had to go.
    fn insert(&self, books: &mut Books, address: u64, what: What, weight: u32) -> Vec<Held> {
        let known = self.index.read(address).get(&address).map(|there| (there.place, there.asked()));
        let (place, asked) = known.unwrap_or_else(|| (books.queues.enter(address), 0));
        books.queues.weigh(place, weight);
        let held = Held::new(what, place, asked);
        books.entries += u64::from(held.entry().is_some());
        let before = self.index.insert(address, held);
        books.entries -= u64::from(before.as_ref().is_some_and(|before| before.entry().is_some()));
        let mut gone = self.take_out_expired(books, LOOKS);
        gone.extend(before);
        while books.queues.overfull() {
            let asked = |address| self.index.read(address).get(&address).is_some_and(Held::spend);
            let Some(victim) = books.queues.evict(place, asked) else { break };
            let held = self.index.remove(victim);
            books.count_eviction(held.as_ref());
            gone.extend(held);
        }
        gone
    }

    /// Looks at the next `count` places and takes out the entries whose time is over.
    fn take_out_expired(&self, books: &mut Books, count: usize) -> Vec<Held> {
        let now = self.now();
        let mut gone = Vec::new();
        for _ in 0..count.min(books.queues.len()) {
            let looked_at = books.queues.address(books.look);
            books.look = (books.look + 1) % books.queues.len();
            let Some(address) = looked_at else { continue };
            let over = |held: &Held| held.until() <= now;
            if self.index.read(address).get(&address).is_some_and(over) {
                let held = self.index.remove(address);
                held.iter().for_each(|held| books.queues.leave(held.place));
                books.count_eviction(held.as_ref());
                gone.extend(held);
            }
        }
        gone
    }

    fn remove_at(&self, address: u64, entry: &Arc<Entry>) {
        let mut books = self.books();
        let same = |held: &Held| held.entry().is_some_and(|there| Arc::ptr_eq(there, entry));
        if !self.index.read(address).get(&address).is_some_and(same) {
            return;
        }
        let held = self.index.remove(address);
        held.iter().for_each(|held| books.queues.leave(held.place));
        books.entries -= 1;
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds of the tier's own clock.
    fn now(&self) -> u64 {
        self.clock.elapsed().as_millis() as u64
    }

    fn end_of(&self, keep: Duration) -> u64 {
        self.now().saturating_add(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Books {
    fn count_eviction(&mut self, held: Option<&Held>) {
        let entries = u64::from(held.is_some_and(|held| held.entry().is_some()));
        self.entries -= entries;
        self.evictions += entries;
    }

    fn begin_sweep(&mut self) {
        if self.sweep.left == 0 {
            self.sweep.left = self.queues.len();
        }
    }

    fn begin_sweep_again(&mut self) {
        self.sweep.left = self.queues.len();
    }

    /// The addresses at the next places; `None` when the sweep came round.
    fn sweep_on(&mut self, step: usize) -> Option<Vec<u64>> {
        let places = self.queues.len();
        let Sweep { next, left } = self.sweep;
        let step = step.min(left);
        self.sweep = Sweep { next: (next + step) % places.max(1), left: left - step };
        (step > 0).then(|| (next..next + step).filter_map(|at| self.queues.address(at % places)).collect())
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("settings", &self.settings).field("stats", &self.stats()).finish()
    }
}

#[cfg(test)]
mod tests;
