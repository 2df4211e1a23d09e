//! What is read and not settled.

use crate::events::Wanted;
use crate::invalidation::Invalidation;
use std::collections::{HashSet, VecDeque};

/// Entries that wait for the log at most. More are left to be handed out again when the log is back.
const MAX_HELD: usize = 4096;

/// Purges appended at once, but for those of one event more: some dozen records of the log.
const FULL: usize = crate::events::MAX_PURGES;

/// Entries that are purged for together.
#[derive(Debug, Default)]
pub(super) struct Portion {
    pub(super) ids: Vec<String>,
    pub(super) batch: Vec<Invalidation>,
    pub(super) whole: usize,
    seen: HashSet<Invalidation>,
}

impl Portion {
    pub(super) fn add(&mut self, id: String, wanted: Wanted) {
        self.ids.push(id);
        self.whole += usize::from(wanted.whole);
        for invalidation in wanted.batch {
            if self.seen.insert(invalidation.clone()) {
                self.batch.push(invalidation);
            }
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.batch.len() >= FULL
    }
}

/// Entries whose purges this node has applied, and the log has yet to take. It takes them in their order, so when it has
/// the last of them it has all.
#[derive(Debug, Default)]
pub(super) struct Held {
    ids: VecDeque<String>,
    last: Option<Invalidation>,
}

impl Held {
    pub(super) fn add(&mut self, portion: Portion) {
        self.ids.extend(portion.ids);
        let forgotten = self.ids.len().saturating_sub(MAX_HELD);
        self.ids.drain(..forgotten);
        self.last = portion.batch.into_iter().next_back().or(self.last.take());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &String> {
        self.ids.iter()
    }

    /// What was handed to the log last.
    pub(super) fn last(&self) -> Option<&Invalidation> {
        self.last.as_ref()
    }

    /// The log has it all.
    pub(super) fn release(&mut self) -> impl Iterator<Item = String> + use<> {
        std::mem::take(self).ids.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::Matcher;

    fn tag(number: usize) -> Invalidation {
        Invalidation::hard(Matcher::Tag(number.to_string().into()))
    }

    fn portion(ids: std::ops::Range<usize>, purges: &[usize]) -> Portion {
        let mut portion = Portion::default();
        for id in ids {
            let batch = purges.iter().copied().map(tag).collect();
            portion.add(id.to_string(), Wanted { batch, whole: true });
        }
        portion
    }

    #[test]
    fn what_several_entries_ask_for_is_purged_once() {
        let portion = portion(0..3, &[1, 2]);
        assert_eq!((portion.ids.len(), portion.batch.len(), portion.whole), (3, 2, 3));
        assert!(!portion.is_full());
        let mut full = Portion::default();
        full.add("1".into(), Wanted { batch: (0..FULL).map(tag).collect(), whole: false });
        assert!(full.is_full() && full.whole == 0);
    }

    #[test]
    fn the_last_purge_speaks_for_all_before_it() {
        let mut held = Held::default();
        assert!(held.is_empty() && held.last().is_none());
        held.add(portion(0..2, &[1, 2]));
        held.add(portion(2..3, &[3]));
        assert_eq!(held.last(), Some(&tag(3)));
        assert_eq!(held.release().collect::<Vec<_>>(), ["0", "1", "2"]);
        assert!(held.is_empty() && held.last().is_none());
    }

    #[test]
    fn the_oldest_are_left_to_be_handed_out_again() {
        let mut held = Held::default();
        held.add(portion(0..MAX_HELD, &[1]));
        held.add(portion(MAX_HELD..MAX_HELD + 2, &[2]));
        assert_eq!(held.ids().next().map(String::as_str), Some("2"));
        assert_eq!(held.release().count(), MAX_HELD);
    }
}
