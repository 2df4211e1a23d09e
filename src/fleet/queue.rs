//! What a node still has to append, in its order.

use super::batch::Batch;
use super::{Left, MAX_NAMES, MAX_PURGES, MAX_SHOWN, Settle};
use crate::invalidation::{Place, Purge};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// Bytes of what waits at most, about. With names of fifty bytes these are a hundred thousand purges one by one, and three times as
/// many once they were put together, which a server takes within seconds. Beyond it [fewer and wider](Batch::fold) ones take
/// their place: too much rather than too little.
const MAX_QUEUED: usize = 32 << 20;

/// Bytes of an item beside its batch.
const OVERHEAD: usize = 192;

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

    /// Whether it is for an intent of another. Whoever sweeps one may be told that another was faster.
    fn sweeps(&self) -> bool {
        matches!(self.settle, Some(Settle::Sweep(_) | Settle::Last(_)))
    }

    fn weight(&self) -> usize {
        OVERHEAD + self.batch.weight()
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
#[derive(Debug)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    next: u64,
    /// Bytes of all items, and how many they may be.
    weight: usize,
    most: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self { items: VecDeque::new(), next: 0, weight: 0, most: MAX_QUEUED }
    }
}

impl Queue {
    /// Puts an item behind all others. Returns its number, and where all were too many what took their place, which the caller
    /// has to apply.
    pub(super) fn push(&mut self, item: Item) -> (u64, Option<Vec<Purge>>) {
        let number = self.put(item);
        let folded = (self.weight > self.most).then(|| self.fold());
        (number, folded)
    }

    fn put(&mut self, mut item: Item) -> u64 {
        self.next += 1;
        item.number = self.next;
        self.weight += item.weight();
        self.items.push_back(item);
        self.next
    }

    /// As many of the first items as go into one record; at least one, if there is any.
    pub(super) fn front(&self) -> impl Iterator<Item = &Item> {
        let (mut room, mut room_for_names) = (MAX_PURGES, MAX_NAMES);
        let (mut first, mut named) = (true, None);
        self.items.iter().take_while(move |item| {
            // Nothing else may hang on a sweep.
            let sweeps = item.sweeps();
            let (purges, names) = (item.batch.purges.len(), item.batch.names.as_bytes().len());
            let alone = sweeps || purges == 0;
            // What has no names would take them from all others.
            let alike = *named.get_or_insert(names > 0) == (names > 0);
            let fits = first || (!alone && alike && purges <= room && names <= room_for_names);
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
        // They stand in front, unless the queue was folded meanwhile.
        for number in numbers {
            if let Some(at) = self.items.iter().take(numbers.len()).position(|item| item.number == *number) {
                removed.extend(self.items.remove(at));
            }
        }
        self.weight -= removed.iter().map(Item::weight).sum::<usize>();
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

    /// What of it has to be purged.
    pub(super) fn left(&self) -> Left {
        let purging: Vec<_> =
            self.items.iter().map(|item| &item.batch).filter(|batch| !batch.purges.is_empty()).collect();
        let named = purging.iter().flat_map(|batch| batch.names.read().unwrap_or_default());
        Left { purges: purging.len(), first: named.take(MAX_SHOWN).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Puts fewer items in place of all. Those who wait hear that theirs is appended later; what they settle stays announced, and is
    /// purged once more when its time is over. Sweeps are left to the next heartbeat, which hands them out again.
    fn fold(&mut self) -> Vec<Purge> {
        let items = std::mem::take(&mut self.items);
        self.weight = 0;
        let urgent = items.iter().any(|item| item.urgent);
        let own = items.iter().filter(|item| !item.sweeps()).map(|item| &item.batch);
        // The other half is room for as many again: the next time is far off.
        let folded = Batch::fold(own, self.most / 2);
        let purges = folded.iter().flat_map(|batch| batch.purges.iter().copied()).collect();
        for batch in folded {
            self.put(Item { urgent, ..Item::new(batch).applied() });
        }
        purges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::{IntentId, Invalidation, Matcher, Names, Purge};

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

    /// Purges, as they are pushed one by one until so few or fewer took their place; and how many there were.
    fn filled(most: usize, matcher: impl Fn(usize) -> Matcher) -> (Queue, Vec<Purge>, usize) {
        let mut queue = Queue { most: 1 << 20, ..Queue::default() };
        for number in 0.. {
            let item = Item::new(Batch::of(&[Invalidation::hard(matcher(number))], true));
            if let (_, Some(folded)) = queue.push(item)
                && folded.len() <= most
            {
                return (queue, folded, number + 1);
            }
            assert!(queue.weight <= queue.most, "it is bounded");
        }
        unreachable!("the numbers do not end")
    }

    fn names(queue: &Queue) -> Vec<Invalidation> {
        queue.items.iter().flat_map(|item| item.batch.names.read().unwrap()).collect()
    }

    #[test]
    fn too_many_become_fewer_that_reach_as_much() {
        // The same again and again, for all of an outage.
        let (queue, _, pushed) =
            filled(1000, |number| Matcher::Tag(format!("product:{}", number % 1000).into()));
        assert_eq!((queue.len(), names(&queue).len()), (1000_usize.div_ceil(MAX_PURGES), 1000));
        assert!(pushed > 3_000);

        // Many of one folder.
        let (queue, folded, pushed) = filled(1, |number| Matcher::path("shop", &format!("/carts/{number}")));
        assert!(pushed > 6_000, "{pushed}");
        let carts = Invalidation::hard(Matcher::prefix("shop", "/carts"));
        assert_eq!((&folded, names(&queue)), (&vec![Purge::from(&carts)], vec![carts]));
        assert!(queue.items.iter().all(|item| item.here), "the caller applies them");

        // Nothing is wider than all of them but everything.
        let name = "t".repeat(300);
        let (queue, folded, _) = filled(1, |number| Matcher::Tag(format!("{number}{name}").into()));
        assert_eq!(
            (folded, names(&queue)),
            (vec![Purge::everything()], vec![Invalidation::hard(Matcher::All)])
        );

        // While there is room for them they are only put together.
        let (mut queue, folded, pushed) =
            filled(usize::MAX, |number| Matcher::Tag(number.to_string().into()));
        assert_eq!((folded.len(), names(&queue).len()), (pushed, pushed));
        assert!(queue.weight < queue.most / 2 && queue.len() < pushed / 100);
        let all: Vec<u64> = queue.items.iter().map(|item| item.number).collect();
        for record in all.chunks(100) {
            queue.remove(record);
        }
        assert_eq!((queue.len(), queue.weight), (0, 0));
    }

    #[test]
    fn what_has_no_names_is_folded_apart() {
        let mut queue = Queue::default();
        let purge = |number: usize| Purge::from(&Invalidation::hard(Matcher::Tag(number.to_string().into())));
        let nameless = |number| Batch { purges: [purge(number)].into(), names: Names::NONE };
        queue.push(Item { done: Some(oneshot::channel().0), ..Item::new(nameless(1)) });
        queue.push(Item::new(nameless(1)).settling(Settle::Done(IntentId(1))));
        queue.push(Item::new(Batch::nothing()).settling(Settle::Done(IntentId(2))));
        queue.push(Item::new(nameless(2)).settling(Settle::Sweep(IntentId(3))));
        queue.push(Item { urgent: true, ..named(100) });
        queue.push(Item::new(Batch::of(&[Invalidation::hard(Matcher::Tag("t".into()))], true)));
        let folded = queue.fold();
        let kept: Vec<_> = queue.items.iter().map(|item| (item.batch.clone(), item.settle)).collect();
        let everything = Batch::everything();
        assert_eq!(kept, [(everything, None), (nameless(1), None)], "what cannot be read may be anything");
        assert_eq!(folded, [Purge::everything(), purge(1)]);
        assert!(queue.items.iter().all(|item| item.urgent && item.here && item.done.is_none()));
        assert_eq!(queue.front().count(), 1, "it takes no names from others");
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
