//! Purges that a log has in its queue alone, as far as is known.

use crate::invalidation::Names;
use std::collections::VecDeque;

/// Purges at most, half of the intents that a spool holds, and bytes of their names, some records full.
const MAX: usize = 1 << 15;
const MAX_BYTES: usize = 16 << 20;

/// Purges of which the log did not say that it has them, in the order in which it was handed them, or nearly: whoever saw a
/// [number](Waiting::last) before it handed the log another purge knows, when the log has that, that it has all up to this number.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    entries: VecDeque<Entry>,
    bytes: usize,
    last: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    names: Names,
    /// Where it stands in the spool.
    intent: Option<u64>,
}

impl Waiting {
    /// The last number given out.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Whether one more fits. Beyond that one has to take the place of all.
    pub(super) fn has_room(&self, names: &Names) -> bool {
        self.entries.len() < MAX && self.bytes + names.as_bytes().len() <= MAX_BYTES
    }

    pub(super) fn push(&mut self, names: Names, intent: Option<u64>) {
        self.last += 1;
        self.bytes += names.as_bytes().len();
        self.entries.push_back(Entry { number: self.last, names, intent });
    }

    /// The log has all up to a number: forgets them. Returns where they stand in the spool.
    pub(super) fn taken(&mut self, upto: u64) -> Vec<u64> {
        let count = self.entries.partition_point(|entry| entry.number <= upto);
        let taken: Vec<_> = self.entries.drain(..count).collect();
        self.bytes -= taken.iter().map(|entry| entry.names.as_bytes().len()).sum::<usize>();
        taken.iter().filter_map(|entry| entry.intent).collect()
    }

    /// Has those that stand in no spool put into one.
    pub(super) fn keep(&mut self, mut keep: impl FnMut(&Names) -> u64) {
        for entry in self.entries.iter_mut().filter(|entry| entry.intent.is_none()) {
            entry.intent = Some(keep(&entry.names));
        }
    }

    /// What they name, the oldest first.
    pub(super) fn names(&self) -> impl DoubleEndedIterator<Item = &Names> {
        self.entries.iter().map(|entry| &entry.names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(bytes: usize) -> Names {
        Names::from_bytes(&vec![b'x'; bytes])
    }

    #[test]
    fn what_was_handed_over_before_is_taken_and_nothing_else() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.taken(waiting.last()), [0; 0]);
        waiting.push(names(1), Some(7));
        waiting.push(names(2), None);
        let before = waiting.last();
        waiting.push(names(3), Some(9));
        assert_eq!(waiting.taken(before), [7]);
        assert_eq!(waiting.taken(before), [0; 0]);
        assert_eq!((waiting.names().count(), waiting.bytes), (1, 3));
        assert_eq!(waiting.taken(waiting.last()), [9]);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut waiting = Waiting::default();
        waiting.push(names(MAX_BYTES - 1), None);
        assert!(waiting.has_room(&names(1)) && !waiting.has_room(&names(2)));
        waiting.taken(u64::MAX);
        (0..MAX).for_each(|_| waiting.push(names(1), None));
        assert!(!waiting.has_room(&names(1)));
    }

    #[test]
    fn what_stands_in_no_spool_is_put_into_one_once() {
        let mut waiting = Waiting::default();
        waiting.push(names(1), None);
        waiting.push(names(2), Some(5));
        waiting.keep(|names| names.as_bytes().len() as u64);
        waiting.keep(|_| unreachable!("all stand in one"));
        assert_eq!(waiting.taken(waiting.last()), [1, 5]);
    }
}
