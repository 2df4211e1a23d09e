//! The table behind the exact records: fixed size, however much is invalidated.

use super::MatcherHash;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Slots that a matcher raises. With few invalidations more of them would tell more apart, with many fewer would;
/// four are within a factor of two of the best from 100,000 to 500,000 live matchers in 2^20 slots.
const SLOTS_A_MATCHER: u64 = 4;

/// Slots allocated together: a page of memory, so that a quiet table stays small.
const CHUNK: usize = 512;

/// An array of positions. Recording raises four slots; "when was this last invalidated?" is the smallest of the four.
///
/// Others that share slots only make the answer later than the truth, so the table may invalidate too much and never
/// too little. Slots are ordered by whoever publishes the position: see [`super::Ledger`].
pub(super) struct Table {
    chunks: Box<[OnceLock<Box<[AtomicU64; CHUNK]>>]>,
    mask: u64,
}

impl Table {
    /// A table of `slots`, rounded up to a power of two and to one chunk.
    pub(super) fn new(slots: usize) -> Self {
        let slots = slots.max(CHUNK).next_power_of_two();
        let chunks = (0..slots / CHUNK).map(|_| OnceLock::new()).collect();
        Self { chunks, mask: slots as u64 - 1 }
    }

    /// Records that what `hash` stands for was invalidated at `position`.
    pub(super) fn raise(&self, hash: u64, position: u64) {
        for slot in slots_of(hash, self.mask) {
            self.raise_slot(slot, position);
        }
    }

    /// Raises one slot; one that this table does not have is left.
    pub(super) fn raise_slot(&self, slot: usize, position: u64) {
        if let Some(chunk) = self.chunks.get(slot / CHUNK) {
            chunk.get_or_init(new_chunk)[slot % CHUNK].fetch_max(position, Ordering::Relaxed);
        }
    }

    /// No earlier than the last invalidation of what `hash` stands for; 0 if it never was.
    pub(super) fn last(&self, hash: u64) -> u64 {
        let value = |slot: usize| match self.chunks[slot / CHUNK].get() {
            Some(chunk) => chunk[slot % CHUNK].load(Ordering::Relaxed),
            None => 0,
        };
        slots_of(hash, self.mask).map(value).min().unwrap_or(0)
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let chunks = self.chunks.iter().filter(|chunk| chunk.get().is_some()).count();
        size_of_val(&*self.chunks) + chunks * CHUNK * size_of::<AtomicU64>()
    }
}

/// The slots of `hash` in a table of `slots`, a power of two: what a server that keeps such a table raises.
pub fn table_slots(hash: MatcherHash, slots: usize) -> impl Iterator<Item = usize> {
    debug_assert!(slots.is_power_of_two());
    slots_of(hash.0, slots as u64 - 1)
}

/// Both halves of the hash, stepped: as good as four hashes, since the step is odd and the size a power of two.
fn slots_of(hash: u64, mask: u64) -> impl Iterator<Item = usize> {
    let (start, step) = (hash, hash >> 32 | 1);
    (0..SLOTS_A_MATCHER).map(move |n| (start.wrapping_add(n.wrapping_mul(step)) & mask) as usize)
}

fn new_chunk() -> Box<[AtomicU64; CHUNK]> {
    Box::new([const { AtomicU64::new(0) }; CHUNK])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        let digest = blake3::hash(&n.to_le_bytes());
        u64::from_le_bytes(digest.as_bytes()[..8].try_into().unwrap())
    }

    #[test]
    fn what_was_recorded_is_never_forgotten() {
        let table = Table::new(1024);
        for n in 1..=5000 {
            table.raise(hash(n), n);
            table.raise(hash(n), 1);
        }
        assert!((1..=5000).all(|n| table.last(hash(n)) >= n));
    }

    #[test]
    fn a_roomy_table_tells_matchers_apart() {
        let table = Table::new(1 << 16);
        (1..=4000).for_each(|n| table.raise(hash(n), n));
        let wrong = (5000..15_000).filter(|n| table.last(hash(*n)) != 0).count();
        assert!(wrong < 100, "{wrong} of 10,000 untouched matchers look invalidated");
    }

    #[test]
    fn memory_is_taken_where_something_is_written() {
        let table = Table::new(1 << 20);
        let empty = table.bytes();
        assert!(empty < 64 << 10);
        table.raise(hash(1), 1);
        assert!(table.bytes() <= empty + 4 * 4096);
        assert_eq!(Table::new(3).bytes(), Table::new(512).bytes());
    }
}
