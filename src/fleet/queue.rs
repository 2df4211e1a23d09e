//! What a node still has to append, in its order.

use super::batch::Batch;
use super::{MAX_NAMES, MAX_PURGES, Settle};
use crate::invalidation::Place;
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// Purges that wait at most. Beyond it one that reaches everything takes the place of all: too much rather than too little.
const MAX_QUEUED: usize = 1 << 16;

/// Bytes of their names at most: 256 for each of so many. Beyond it the same is done.
const MAX_QUEUED_NAMES: usize = MAX_QUEUED * 256;

/// One thing to be appended.
#[derive(Debug)]
pub(super) struct Item {
    /// To find it again.
    pub(super) number: u64,
    pub(super) batch: Batch,
    pub(super) settle: Option<Settle>,
    pub(super) urgent: bool,
    /// Applied on this node already, before its turn.
    pub(super) here: bool,
    /// Told the position.
    pub(super) done: Option<oneshot::Sender<Place>>,
}

impl Item {
    /// One that nobody waits for.
    pub(super) fn new(batch: Batch) -> Self {
        Self { number: 0, batch, settle: None, urgent: false, here: false, done: None }
    }

    /// It is applied on this node already.
    pub(super) fn applied(self) -> Self {
        Self { here: true, ..self }
    }

    /// It answers an intent.
    pub(super) fn settling(self, settle: Settle) -> Self {
        Self { settle: Some(settle), ..self }
    }
}

/// What a node still has to append.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    next: u64,
}

impl Queue {
    /// Puts an item behind all others; returns its number, and whether all were too many: then one that purges everything has
    /// taken their place, which the caller has to apply.
    pub(super) fn push(&mut self, mut item: Item) -> (u64, bool) {
        self.next += 1;
        item.number = self.next;
        self.items.push_back(item);
        let number = self.next;
        let purges: usize = self.items.iter().map(|item| item.batch.purges.len().max(1)).sum();
        let names: usize = self.items.iter().map(|item| item.batch.names.as_bytes().len()).sum();
        let widened = purges > MAX_QUEUED || names > MAX_QUEUED_NAMES;
        if widened {
            self.widen();
        }
        (number, widened)
    }

    /// As many of the first items as go into one record; at least one, if there is any.
    pub(super) fn front(&self) -> impl Iterator<Item = &Item> {
        let (mut room, mut room_for_names) = (MAX_PURGES, MAX_NAMES);
        let mut first = true;
        self.items.iter().take_while(move |item| {
            // Whoever sweeps an intent may be told that another was faster: then nothing else may hang on it.
            let sweeps = matches!(item.settle, Some(Settle::Sweep(_) | Settle::Last(_)));
            let (purges, names) = (item.batch.purges.len(), item.batch.names.as_bytes().len());
            let alone = sweeps || purges == 0;
            let fits = first || (!alone && purges <= room && names <= room_for_names);
            room = if alone { 0 } else { room.saturating_sub(purges) };
            room_for_names = room_for_names.saturating_sub(names);
            first = false;
            fits
        })
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.number == number)
    }

    /// Takes out what was appended.
    pub(super) fn remove(&mut self, numbers: &[u64]) -> Vec<Item> {
        let mut removed = Vec::with_capacity(numbers.len());
        // They stand in front, unless the queue was widened meanwhile.
        for number in numbers {
            if let Some(at) = self.items.iter().take(numbers.len()).position(|item| item.number == *number) {
                removed.extend(self.items.remove(at));
            }
        }
        removed
    }

    /// Whether an intent is being answered already.
    pub(super) fn settles(&self, settle: Settle) -> bool {
        self.items.iter().any(|item| item.settle == Some(settle))
    }

    /// Whether anything in it is applied here and not yet in the log.
    pub(super) fn any_here(&self) -> bool {
        self.items.iter().any(|item| item.here)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Replaces everything by a purge of everything. Those who wait hear that theirs is appended later.
    fn widen(&mut self) {
        let urgent = self.items.iter().any(|item| item.urgent);
        let named = self.items.iter().any(|item| !item.batch.names.is_empty());
        self.items.clear();
        self.next += 1;
        self.items.push_back(Item {
            number: self.next,
            batch: Batch::everything(named),
            settle: None,
            urgent,
            here: true,
            done: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::{IntentId, Names, Purge};

    fn item(purges: usize, settle: Option<Settle>) -> Item {
        let batch = Batch { purges: vec![Purge::everything(); purges].into(), names: Names::NONE };
        Item { settle, ..Item::new(batch) }
    }

    fn named(bytes: usize) -> Item {
        let mut item = item(1, None);
        item.batch.names = Names::from_bytes(&vec![b'x'; bytes]);
        item
    }

    #[test]
    fn items_share_a_record_as_far_as_they_fit() {
        let sweep = Some(Settle::Sweep(IntentId(1)));
        #[track_caller]
        fn check(items: &[(usize, Option<Settle>)], expected: usize) {
            let mut queue = Queue::default();
            for (purges, settle) in items {
                queue.push(item(*purges, *settle));
            }
            assert_eq!(queue.front().count(), expected, "{items:?}");
        }
        check(&[], 0);
        check(&[(2 * MAX_PURGES, None), (1, None)], 1);
        check(&[(5, None), (MAX_PURGES - 5, None), (1, None)], 2);
        check(&[(5, None), (MAX_PURGES - 4, None)], 1);
        check(&[(1, sweep), (1, None)], 1);
        check(&[(1, None), (1, sweep), (1, None)], 1);
        check(&[(1, Some(Settle::Done(IntentId(1)))), (1, None)], 2);
    }

    #[test]
    fn names_share_a_record_as_far_as_they_fit() {
        #[track_caller]
        fn check(bytes: &[usize], expected: usize) {
            let mut queue = Queue::default();
            for bytes in bytes {
                queue.push(named(*bytes));
            }
            assert_eq!(queue.front().count(), expected, "{bytes:?}");
        }
        check(&[MAX_NAMES - 5, 5, 1], 2);
        check(&[MAX_NAMES - 5, 6], 1);
        check(&[2 * MAX_NAMES, 1], 1);
        check(&[1, 2 * MAX_NAMES], 1);
    }

    #[test]
    fn too_many_become_everything() {
        let mut queue = Queue::default();
        assert!(!queue.push(item(MAX_QUEUED, None)).1);
        assert_eq!(queue.len(), 1);
        assert!(queue.push(item(1, None)).1);
        let all: Vec<_> = queue.front().map(|item| item.batch.clone()).collect();
        assert_eq!(all, [Batch::everything(false)]);

        let mut queue = Queue::default();
        assert!(!queue.push(named(MAX_QUEUED_NAMES)).1);
        assert!(queue.push(named(1)).1);
        let all: Vec<_> = queue.front().map(|item| item.batch.clone()).collect();
        assert_eq!(all, [Batch::everything(true)], "CDNs are told as much");
    }

    #[test]
    fn what_was_appended_goes_and_nothing_else() {
        let mut queue = Queue::default();
        let numbers: Vec<u64> = (0..4).map(|_| queue.push(item(1, None)).0).collect();
        assert_eq!(queue.remove(&numbers[..2]).len(), 2);
        assert_eq!(queue.front().map(|item| item.number).collect::<Vec<_>>(), numbers[2..]);
        assert_eq!(queue.remove(&numbers[..2]).len(), 0);
    }
}
