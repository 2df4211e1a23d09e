//! Who has to go when memory is full.
//!
//! Two queues, first in, first out (S3-FIFO, SOSP 2023). What is new stands in the *young* one, a tenth of the memory. Who
//! comes to its front without having been asked for leaves, as most replies do that are asked for once; the others move
//! on to the *proven* queue, and whoever comes to the front of that one and was asked for meanwhile goes round once
//! more. One who left the young queue and comes back soon, its ghost still being known, is proven at once. Whoever takes
//! the room of many has to be asked for more often than once.
//!
//! So a walk through a million pages cannot push out what everybody asks for, a hit changes nothing but a counter of the
//! entry itself, and what was stored does stand there for the next request: a cold reply is not turned away for being
//! cold.

use super::ghosts::Ghosts;

/// The young queue's share of the memory: one part in this many.
const YOUNG: u64 = 10;

/// An entry of more than so many times the average weight has to be asked for so many times to stay. On mixed sizes that
/// is worth two hits in a hundred; other factors are worth less.
const HEAVY: u64 = 4;
const HEAVY_ASKED: usize = 3;

/// Entries that may go round while room is made for one. It bounds the work when everything was asked for.
const MAX_ROUNDS: usize = 64;

/// No place.
const NONE: u32 = u32::MAX;

/// Places of entries, in the order in which they leave.
pub(super) struct Queues {
    places: Vec<Place>,
    /// The first of the free places, linked by `next`.
    free: u32,
    young: Ends,
    proven: Ends,
    ghosts: Ghosts,
    entries: u64,
    max_bytes: u64,
}

struct Place {
    address: u64,
    weight: u32,
    next: u32,
    previous: u32,
    queue: Queue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Free,
    Young,
    Proven,
}

struct Ends {
    front: u32,
    back: u32,
    bytes: u64,
}

impl Queues {
    /// Empty queues, to hold `max_bytes` together.
    pub(super) fn new(max_bytes: u64) -> Self {
        let ends = || Ends { front: NONE, back: NONE, bytes: 0 };
        Self {
            places: Vec::new(),
            free: NONE,
            young: ends(),
            proven: ends(),
            ghosts: Ghosts::default(),
            entries: 0,
            max_bytes,
        }
    }

    /// Gives a newcomer a place. It weighs nothing yet.
    pub(super) fn enter(&mut self, address: u64) -> u32 {
        let at = self.free_place();
        let queue = if self.ghosts.take(address) { Queue::Proven } else { Queue::Young };
        self.places[at as usize] = Place { address, weight: 0, next: NONE, previous: NONE, queue };
        self.push_back(at);
        self.entries += 1;
        at
    }

    /// Says what an entry weighs from now on.
    pub(super) fn weigh(&mut self, at: u32, weight: u32) {
        let place = &mut self.places[at as usize];
        let before = std::mem::replace(&mut place.weight, weight);
        let ends = self.ends(at);
        ends.bytes = ends.bytes - u64::from(before) + u64::from(weight);
    }

    /// Frees a place.
    pub(super) fn leave(&mut self, at: u32) {
        self.unlink(at);
        self.entries -= 1;
        let place = &mut self.places[at as usize];
        place.queue = Queue::Free;
        place.next = std::mem::replace(&mut self.free, at);
    }

    /// Whether all entries together weigh more than they may.
    pub(super) fn overfull(&self) -> bool {
        self.bytes() > self.max_bytes
    }

    /// What all entries weigh together.
    pub(super) fn bytes(&self) -> u64 {
        self.young.bytes + self.proven.bytes
    }

    /// Takes the place of the entry that has to go next and returns its address; `None` when only `spared` is left.
    /// `asked` tells of an address whether it was asked for, and counts down what it tells.
    pub(super) fn evict(&mut self, spared: u32, mut asked: impl FnMut(u64) -> bool) -> Option<u64> {
        for round in 0.. {
            let at = self.next_to_leave(spared)?;
            let Place { address, weight, queue, .. } = self.places[at as usize];
            let heavy = u64::from(weight) > HEAVY * self.bytes() / self.entries;
            let enough = if heavy { HEAVY_ASKED } else { 1 };
            if round < MAX_ROUNDS && (0..enough).all(|_| asked(address)) {
                self.unlink(at);
                self.places[at as usize].queue = Queue::Proven;
                self.push_back(at);
                continue;
            }
            if queue == Queue::Young {
                self.ghosts.add(address, self.places.len());
            }
            self.leave(at);
            return Some(address);
        }
        None
    }

    /// Places there are, free ones too: the numbers below it are those to walk over.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The address of the entry at a place.
    pub(super) fn address(&self, at: usize) -> Option<u64> {
        self.places.get(at).filter(|place| place.queue != Queue::Free).map(|place| place.address)
    }

    /// The front of the young queue when that is too long, else of the proven one.
    fn next_to_leave(&self, spared: u32) -> Option<u32> {
        let front = |ends: &Ends| match ends.front {
            at if at == spared && at != NONE => self.places[at as usize].next,
            at => at,
        };
        let (young, proven) = (front(&self.young), front(&self.proven));
        let crowded = self.young.bytes > self.max_bytes / YOUNG;
        let (first, second) = if crowded { (young, proven) } else { (proven, young) };
        [first, second].into_iter().find(|at| *at != NONE)
    }

    fn free_place(&mut self) -> u32 {
        if self.free != NONE {
            let at = self.free;
            self.free = self.places[at as usize].next;
            return at;
        }
        let at = u32::try_from(self.places.len()).expect("four billion entries do not fit into memory");
        self.places.push(Place { address: 0, weight: 0, next: NONE, previous: NONE, queue: Queue::Free });
        at
    }

    fn push_back(&mut self, at: u32) {
        let weight = self.places[at as usize].weight;
        let ends = self.ends(at);
        ends.bytes += u64::from(weight);
        let before = std::mem::replace(&mut ends.back, at);
        if before == NONE {
            ends.front = at;
        } else {
            self.places[before as usize].next = at;
        }
        let place = &mut self.places[at as usize];
        (place.previous, place.next) = (before, NONE);
    }

    fn unlink(&mut self, at: u32) {
        let Place { weight, previous, next, .. } = self.places[at as usize];
        let ends = self.ends(at);
        ends.bytes -= u64::from(weight);
        if previous == NONE {
            ends.front = next;
        }
        if next == NONE {
            ends.back = previous;
        }
        if previous != NONE {
            self.places[previous as usize].next = next;
        }
        if next != NONE {
            self.places[next as usize].previous = previous;
        }
    }

    fn ends(&mut self, at: u32) -> &mut Ends {
        match self.places[at as usize].queue {
            Queue::Young => &mut self.young,
            Queue::Proven => &mut self.proven,
            Queue::Free => unreachable!("only entries that have a place are moved"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Queues for 100 bytes, and how often each entry was asked for.
    struct Model {
        queues: Queues,
        places: HashMap<u64, u32>,
        asked: HashMap<u64, u8>,
    }

    impl Model {
        fn new() -> Self {
            Self { queues: Queues::new(100), places: HashMap::new(), asked: HashMap::new() }
        }

        /// Puts an entry and returns who had to go for it.
        fn put(&mut self, address: u64, weight: u32) -> Vec<u64> {
            let Self { queues, places, asked } = self;
            let place = *places.entry(address).or_insert_with(|| queues.enter(address));
            queues.weigh(place, weight);
            let mut gone = Vec::new();
            while queues.overfull() {
                let count_down = |address| match asked.get_mut(&address) {
                    Some(count) if *count > 0 => {
                        *count -= 1;
                        true
                    }
                    _ => false,
                };
                let Some(victim) = queues.evict(place, count_down) else { break };
                places.remove(&victim);
                gone.push(victim);
            }
            gone
        }

        fn ask(&mut self, address: u64) {
            *self.asked.entry(address).or_default() += 1;
        }
    }

    #[test]
    fn whoever_was_not_asked_for_leaves_in_order() {
        let mut model = Model::new();
        for address in 1..=10 {
            assert!(model.put(address, 10).is_empty());
        }
        assert_eq!(model.put(11, 10), [1]);
        model.ask(2);
        model.ask(4);
        assert_eq!(model.put(12, 10), [3]);
        assert_eq!(model.put(13, 20), [5, 6]);
        // Those who were asked for are proven by now, and go only when the young are few.
        assert_eq!(model.put(14, 60), [7, 8, 9, 10, 11, 12]);
        assert_eq!(model.put(15, 10), [13]);
        assert_eq!(model.put(16, 90), [14, 15, 2]);
        assert_eq!(model.queues.bytes(), 100);
    }

    #[test]
    fn the_proven_go_round_once_for_each_time_they_were_asked_for() {
        let mut model = Model::new();
        for address in 1..=10 {
            model.ask(address);
            model.put(address, 10);
        }
        assert_eq!(model.put(11, 10), [1], "all moved on, and none was asked for again");
        (2..=9).for_each(|address| model.ask(address));
        model.ask(2);
        // 11 is all that is young, and no more than a tenth.
        assert_eq!(model.put(11, 20), [10]);
        assert_eq!(model.put(11, 30), [3]);
    }

    #[test]
    fn one_who_comes_back_soon_is_proven() {
        let mut model = Model::new();
        (1..=11).for_each(|address| drop(model.put(address, 10)));
        assert!(!model.places.contains_key(&1));
        assert_eq!(model.put(1, 10), [2]);
        for address in 20..40 {
            model.put(address, 10);
        }
        assert!(model.places.contains_key(&1));
        assert!(!model.places.contains_key(&11));
    }

    #[test]
    fn an_entry_makes_no_room_for_itself() {
        let mut model = Model::new();
        assert!(model.put(1, 100).is_empty());
        assert_eq!(model.put(2, 100), [1]);
        assert_eq!(model.put(2, 10), [] as [u64; 0]);
        assert_eq!(model.put(3, 90), [] as [u64; 0]);
        assert_eq!(model.put(2, 20), [3]);
        assert_eq!(model.queues.bytes(), 20);
    }

    #[test]
    fn the_heavy_have_to_be_asked_for_more_often() {
        for (asked, stays) in [(0, false), (1, false), (2, false), (3, true)] {
            let mut model = Model::new();
            model.put(1, 50);
            model.asked.insert(1, asked);
            (10..60).for_each(|address| drop(model.put(address, 1)));
            assert_eq!(model.put(60, 1).contains(&1), !stays, "{asked}");
        }
    }

    #[test]
    fn making_room_ends_although_everybody_was_asked_for() {
        let mut model = Model::new();
        for address in 0..100 {
            model.put(address, 1);
            model.asked.insert(address, 255);
        }
        assert_eq!(model.put(100, 1).len(), 1);
    }

    proptest! {
        #[test]
        fn the_books_are_right(steps in prop::collection::vec((0_u64..30, 1_u32..60, 0_u8..4), 0..300)) {
            let mut model = Model::new();
            let mut weights = HashMap::new();
            for (address, weight, action) in steps {
                match (action, model.places.get(&address).copied()) {
                    (0, Some(place)) => {
                        model.queues.leave(place);
                        model.places.remove(&address);
                        weights.remove(&address);
                    }
                    (1, _) => model.ask(address),
                    _ => {
                        weights.insert(address, u64::from(weight));
                        for gone in model.put(address, weight) {
                            prop_assert!(gone != address);
                            prop_assert!(weights.remove(&gone).is_some());
                        }
                    }
                }
                prop_assert_eq!(model.queues.bytes(), weights.values().sum::<u64>());
                prop_assert!(!model.queues.overfull());
                prop_assert_eq!(model.places.len(), weights.len());
                for (address, place) in &model.places {
                    prop_assert_eq!(model.queues.address(*place as usize), Some(*address));
                }
                let standing = (0..model.queues.len()).filter(|at| model.queues.address(*at).is_some()).count();
                prop_assert_eq!(standing, weights.len());
                prop_assert!(model.queues.len() <= 30);
            }
        }
    }
}
