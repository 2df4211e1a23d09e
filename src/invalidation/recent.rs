//! The newest invalidations, each with its exact position.

use super::Mode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// When a matcher was last invalidated; 0 stands for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) hard: u64,
    pub(super) soft: u64,
}

impl Last {
    /// The later of each.
    pub(super) fn or_later(self, other: Self) -> Self {
        Self { hard: self.hard.max(other.hard), soft: self.soft.max(other.soft) }
    }
}

/// One record as it is handed on when the records are sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) hash: u64,
    pub(super) mode: Mode,
    pub(super) position: u64,
}

/// A hash table with one writer and any number of readers, none of whom waits.
///
/// Slots are filled and raised, never emptied: a fuller or an older table is replaced as a whole. A hash is published
/// after its position; that a *raised* position is seen is up to the publication of the log's position (see
/// [`super::Ledger`]).
pub(super) struct Recent {
    slots: Box<[Slot]>,
    used: AtomicUsize,
}

#[derive(Default)]
struct Slot {
    /// 0: free.
    hash: AtomicU64,
    hard: AtomicU64,
    soft: AtomicU64,
}

impl Recent {
    /// An empty table; `slots` is a power of two.
    pub(super) fn new(slots: usize) -> Self {
        debug_assert!(slots.is_power_of_two());
        Self { slots: (0..slots).map(|_| Slot::default()).collect(), used: AtomicUsize::new(0) }
    }

    /// The same records in twice the room.
    pub(super) fn grown(&self) -> Self {
        let larger = Self::new(self.slots.len() * 2);
        for record in self.records() {
            let raised = larger.raise(record.hash, record.mode, record.position);
            debug_assert!(raised, "three quarters of the half fit into the whole");
        }
        larger
    }

    /// Raises the position of `hash`; false, and nothing done, when there is no room for another hash.
    pub(super) fn raise(&self, hash: u64, mode: Mode, position: u64) -> bool {
        let hash = stored(hash);
        let slot = self.slot_of(hash);
        let known = slot.hash.load(Ordering::Relaxed) == hash;
        if !known && self.len() >= self.slots.len() / 4 * 3 {
            return false;
        }
        match mode {
            Mode::Hard => slot.hard.fetch_max(position, Ordering::Relaxed),
            Mode::Soft => slot.soft.fetch_max(position, Ordering::Relaxed),
        };
        if !known {
            self.used.fetch_add(1, Ordering::Relaxed);
            slot.hash.store(hash, Ordering::Release);
        }
        true
    }

    /// When `hash` was last invalidated, as far as the records here tell.
    pub(super) fn last(&self, hash: u64) -> Last {
        let hash = stored(hash);
        let slot = self.slot_of(hash);
        if slot.hash.load(Ordering::Acquire) != hash {
            return Last::default();
        }
        Last { hard: slot.hard.load(Ordering::Relaxed), soft: slot.soft.load(Ordering::Relaxed) }
    }

    /// All records, in no order.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.slots.iter().flat_map(|slot| {
            let hash = slot.hash.load(Ordering::Relaxed);
            let hard = (Mode::Hard, slot.hard.load(Ordering::Relaxed));
            let soft = (Mode::Soft, slot.soft.load(Ordering::Relaxed));
            let there = move |(_, position): &(Mode, u64)| hash != 0 && *position != 0;
            [hard, soft].into_iter().filter(there).map(move |(mode, position)| Record {
                hash,
                mode,
                position,
            })
        })
    }

    /// Slots, used or not.
    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Hashes recorded.
    pub(super) fn len(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }

    /// The slot that holds `hash`, else the free one where it belongs. A quarter of the slots is free, so there is one.
    fn slot_of(&self, hash: u64) -> &Slot {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let held = self.slots[at].hash.load(Ordering::Acquire);
            if held == hash || held == 0 {
                return &self.slots[at];
            }
            at = (at + 1) & mask;
        }
    }
}

/// 0 marks a free slot; a matcher that hashes to it shares the records of 1.
fn stored(hash: u64) -> u64 {
    hash.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_only_rise_and_modes_stay_apart() {
        let recent = Recent::new(8);
        assert_eq!(recent.last(7), Last::default());
        assert!(recent.raise(7, Mode::Hard, 5) && recent.raise(7, Mode::Hard, 3));
        assert_eq!(recent.last(7), Last { hard: 5, soft: 0 });
        assert!(recent.raise(7, Mode::Soft, 9));
        assert_eq!(recent.last(7), Last { hard: 5, soft: 9 });
        assert_eq!(recent.len(), 1);
        let records: Vec<_> = recent.records().collect();
        let record = |mode, position| Record { hash: 7, mode, position };
        assert_eq!(records, [record(Mode::Hard, 5), record(Mode::Soft, 9)]);
    }

    #[test]
    fn a_full_table_takes_what_it_knows_and_grows_for_the_rest() {
        let recent = Recent::new(8);
        // All belong into the same slot, so every step of the search is taken.
        let hashes: Vec<u64> = (0..6).map(|n| n * 8 + 3).collect();
        assert!(hashes.iter().all(|hash| recent.raise(*hash, Mode::Hard, *hash)));
        assert!(!recent.raise(99, Mode::Hard, 1));
        assert_eq!(recent.last(99), Last::default());
        assert!(recent.raise(11, Mode::Hard, 100));
        let grown = recent.grown();
        assert!(grown.raise(99, Mode::Hard, 1));
        assert_eq!((grown.len(), grown.capacity()), (7, 16));
        assert_eq!(grown.last(11).hard, 100);
        assert!(hashes.iter().all(|hash| grown.last(*hash).hard >= *hash));
    }

    #[test]
    fn the_hash_zero_is_kept_too() {
        let recent = Recent::new(8);
        assert!(recent.raise(0, Mode::Hard, 5));
        assert_eq!(recent.last(0).hard, 5);
        assert_eq!(recent.last(2), Last::default());
    }
}
