//! The memory tier: moka, weighed in bytes.

use super::Entry;
use crate::key::KeyHash;
use http::HeaderName;
use std::sync::Arc;
use std::time::Duration;

/// Sizes of the memory tier, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    pub max_size: u64,
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
    Stored,
    /** Larger than the tier takes. */
    TooLarge,
    /** An entry with a later fence stands there. */
    Older,
}

impl Put {
    /// The word for metrics and logs.
    pub fn as_str(self) -> &'static str {
        todo!()
    }
}

/// Figures of the tier.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStats {
    pub bytes: u64,
    pub entries: u64,
    pub evictions: u64,
}

/// Stored replies in memory.
#[derive(Debug)]
pub struct Memory {}

impl Memory {
    /// An empty tier.
    pub fn new(settings: &MemorySettings) -> Self {
        let _ = settings;
        todo!()
    }
    /// Whether a body of `length` bytes may be stored at all.
    pub fn takes(&self, length: u64) -> bool {
        let _ = length;
        todo!()
    }
    /// What is stored under a key; `key` is compared, so another reply is never returned.
    pub fn get(&self, hash: &KeyHash, key: &[u8]) -> Option<Slot> {
        let _ = (hash, key);
        todo!()
    }
    /// Stores an entry for `keep`.
    pub fn put(&self, hash: KeyHash, entry: Arc<Entry>, keep: Duration) -> Put {
        let _ = (hash, entry, keep);
        todo!()
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
        let _ = (hash, key, names, keep);
        todo!()
    }
    /// Removes an entry that is known to be dead, if it is still `entry` that stands there.
    pub fn remove(&self, hash: &KeyHash, entry: &Arc<Entry>) {
        let _ = (hash, entry);
        todo!()
    }
    /// Looks at up to `budget` further entries and removes those that are dead.
    pub fn sweep(&self, budget: usize, is_dead: impl Fn(&Entry) -> bool) {
        let _ = (budget, is_dead);
        todo!()
    }
    /// Whether a sweep has not yet come round.
    pub fn is_sweeping(&self) -> bool {
        todo!()
    }
    /// Figures for observation.
    pub fn stats(&self) -> MemoryStats {
        todo!()
    }
    /// Runs pending evictions, so that figures are exact. For tests and periodic maintenance.
    pub fn maintain(&self) {
        todo!()
    }
}
