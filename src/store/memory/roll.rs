//! Who is in memory: a list that can be walked a few steps at a time.
//!
//! moka can be walked only from end to end, and looking at one of its entries counts as asking for it.

use super::slot::Address;
use crate::store::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Entries taken from the list in one go, so that those who store are not kept waiting.
const STEP: usize = 256;

#[derive(Default)]
pub(super) struct Roll(Mutex<Places>);

#[derive(Default)]
struct Places {
    places: Vec<(Address, Weak<Entry>)>,
    free: Vec<u32>,
    /// The next place to visit.
    next: usize,
    /// Places still to be visited until all were, without one that was dead.
    left: usize,
}

impl Roll {
    /// Enters an entry and returns its place.
    pub(super) fn enter(&self, address: Address, entry: &Arc<Entry>) -> u32 {
        let mut all = self.lock();
        let content = (address, Arc::downgrade(entry));
        if let Some(place) = all.free.pop() {
            all.places[place as usize] = content;
            return place;
        }
        all.places.push(content);
        u32::try_from(all.places.len() - 1).expect("four billion entries do not fit into memory")
    }

    /// Frees a place.
    pub(super) fn leave(&self, place: u32) {
        let mut all = self.lock();
        all.places[place as usize].1 = Weak::new();
        all.free.push(place);
    }

    /// Entries on the roll.
    pub(super) fn len(&self) -> usize {
        let all = self.lock();
        all.places.len() - all.free.len()
    }

    /// Shows `visitor` the next `budget` entries, round and round. It says which of them are dead.
    pub(super) fn visit(&self, budget: usize, mut visitor: impl FnMut(Address, &Arc<Entry>) -> bool) {
        let mut budget = budget;
        self.lock().begin();
        while budget > 0 {
            let step = self.lock().take(budget.min(STEP));
            if step.is_empty() {
                return;
            }
            budget -= step.len();
            let mut dead = false;
            for (address, entry) in step {
                dead |= entry.upgrade().is_some_and(|entry| visitor(address, &entry));
            }
            if dead {
                self.lock().begin_again();
            }
        }
    }

    /// Whether a visit is under way.
    pub(super) fn is_visiting(&self) -> bool {
        self.lock().left > 0
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn begin(&mut self) {
        if self.left == 0 {
            self.left = self.places.len();
        }
    }

    fn begin_again(&mut self) {
        self.left = self.places.len();
    }

    fn take(&mut self, count: usize) -> Vec<(Address, Weak<Entry>)> {
        let count = count.min(self.left);
        let taken = (0..count).map(|n| self.places[(self.next + n) % self.places.len()].clone()).collect();
        self.next = (self.next + count) % self.places.len().max(1);
        self.left -= count;
        taken
    }
}
