//! Invalidations that are to be appended later, and until when they wait.

use crate::invalidation::{Invalidation, Matcher, Mode, Room, fold};
use crate::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Bytes of what waits at most, about. A write in doubt waits for a minute: these are more than three thousand a second that all
/// have other URLs. Beyond it [fewer and wider](fold) ones take their place: too much rather than too little.
const MAX_WAITING: usize = 32 << 20;

/// When a write in doubt is purged for again, and how much longer it waits each time: after 2 s, after 12 s and at its bound. An origin
/// that commits late mostly does so soon after its client left, and what was read from it in between must not live for long.
const FIRST_DOUBT: Duration = Duration::from_secs(2);
const DOUBT_GROWTH: u32 = 5;

/// How often what waits is gone through at most. Whoever adds to it waits for that, and writes in doubt can be many at once.
const LOOK: Duration = Duration::from_millis(250);

/// Bytes that one takes beside its text: itself and its share of the table, with room to grow.
const OVERHEAD: usize = 128;

/// What is still to be appended, and when. Kept by the invalidation itself, so that the same one waits only once for
/// each kind of delay.
#[derive(Debug)]
pub(super) struct Repeats {
    pub(super) settle: Duration,
    /// The longest that a write may go on after Larder lost sight of it: one in doubt is purged at once, and again until this is
    /// over, because the origin may commit it late.
    pub(super) write_bound: Duration,
    waiting: Mutex<Waiting>,
    pub(super) added: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Why {
    /// Nobody can wait for it to be appended.
    Now,
    /// The origin may commit late.
    Doubt,
    /// The origin reads from replicas that lag.
    Settle,
}

impl Why {
    const EACH: [Self; 3] = [Self::Now, Self::Doubt, Self::Settle];
}

/// When it is appended next, and when for the last time. Between the two others asked for the same: an append serves those who
/// asked for it by then, and one that is put off whenever somebody asks would never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    next: Timestamp,
    last: Timestamp,
    /// From the next to the one after it; zero where that is the last.
    gap: Duration,
}

impl Due {
    /// Once.
    pub(super) fn at(due: Timestamp) -> Self {
        Self { next: due, last: due, gap: Duration::ZERO }
    }

    /// Soon, less and less often, and when `bound` is over.
    pub(super) fn doubted(now: Timestamp, bound: Duration) -> Self {
        let last = now.plus(bound);
        Self { next: last.min(now.plus(FIRST_DOUBT)), last, gap: FIRST_DOUBT * DOUBT_GROWTH }
    }

    fn and(self, other: Self) -> Self {
        let (next, last) = (self.next.min(other.next), self.last.max(other.last));
        Self { next, last, gap: self.gap.min(other.gap) }
    }

    /// What remains of it once it was appended, perhaps late; `None` where that was the last time.
    fn after(self, now: Timestamp) -> Option<Self> {
        let next = if self.gap.is_zero() { self.last } else { self.last.min(now.plus(self.gap)) };
        (next > now).then(|| Self { next, gap: self.gap.saturating_mul(DOUBT_GROWTH), ..self })
    }
}

#[derive(Debug)]
struct Waiting {
    /// What is due [now](Why::Now).
    at_once: HashMap<Invalidation, Due>,
    /// What waits for another reason.
    each: HashMap<(Invalidation, Why), Due>,
    /// When it was gone through.
    looked: Option<Timestamp>,
    /// Bytes of all, and how many they may be.
    bytes: usize,
    most: usize,
}

impl Repeats {
    pub(super) fn new(settle: Duration, write_bound: Duration) -> Self {
        Self { settle, write_bound, waiting: Mutex::new(Waiting::new(MAX_WAITING)), added: Notify::new() }
    }

    pub(super) fn len(&self) -> usize {
        let waiting = self.lock();
        waiting.at_once.len() + waiting.each.len()
    }

    pub(super) fn add(&self, batch: &[Invalidation], why: Why, due: Due) {
        self.lock().add(batch, why, due);
        self.added.notify_one();
    }

    /// Takes what is due; also tells when the next one is.
    pub(super) fn take_due(&self, now: Timestamp) -> (Vec<Invalidation>, Option<Timestamp>) {
        self.lock().take_due(now)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn new(most: usize) -> Self {
        let (at_once, each) = (HashMap::new(), HashMap::new());
        Self { at_once, each, looked: None, bytes: 0, most }
    }

    fn add(&mut self, batch: &[Invalidation], why: Why, due: Due) {
        for invalidation in batch {
            self.put(invalidation.clone(), why, due);
        }
        if self.bytes > self.most {
            self.fold();
        }
    }

    fn put(&mut self, invalidation: Invalidation, why: Why, due: Due) {
        let bytes = weight(&invalidation);
        let mut is_new = false;
        let first = || {
            is_new = true;
            due
        };
        let waits = match why {
            Why::Now => self.at_once.entry(invalidation).or_insert_with(first),
            Why::Doubt | Why::Settle => self.each.entry((invalidation, why)).or_insert_with(first),
        };
        *waits = waits.and(due);
        self.bytes += if is_new { bytes } else { 0 };
    }

    fn take_due(&mut self, now: Timestamp) -> (Vec<Invalidation>, Option<Timestamp>) {
        let mut taken: Vec<_> = self.at_once.drain().map(|(invalidation, _)| invalidation).collect();
        self.bytes -= taken.iter().map(weight).sum::<usize>();
        if let Some(looked) = self.looked
            && let look = looked.plus(LOOK)
            && (looked..look).contains(&now)
        {
            return (taken, (!self.each.is_empty()).then_some(look));
        }
        self.looked = Some(now);
        let mut next: Option<Timestamp> = None;
        self.each.retain(|(invalidation, _), due| {
            if due.next <= now {
                taken.push(invalidation.clone());
                let Some(left) = due.after(now) else {
                    self.bytes -= weight(invalidation);
                    return false;
                };
                *due = left;
            }
            next = Some(next.map_or(due.next, |next| next.min(due.next)));
            true
        });
        (taken, next)
    }

    /// Puts fewer in place of those that wait for one reason, for each reason that many wait for. What is wider waits for all that
    /// it stands for.
    fn fold(&mut self) {
        let at_once = std::mem::take(&mut self.at_once).into_iter();
        let mut each = std::mem::take(&mut self.each);
        each.extend(at_once.map(|(invalidation, due)| ((invalidation, Why::Now), due)));
        self.bytes = 0;
        for why in Why::EACH {
            let known: HashMap<_, _> = each
                .extract_if(|(_, of), _| *of == why)
                .map(|((invalidation, _), due)| (invalidation, due))
                .collect();
            let Some(all) = known.values().copied().reduce(Due::and) else { continue };
            let bytes: usize = known.keys().map(weight).sum();
            let room = Room { bytes: (bytes / 2).max(self.most / 8), each: OVERHEAD };
            for invalidation in fold(known.keys().cloned(), room) {
                let due = match &invalidation.matcher {
                    Matcher::Prefix { .. } | Matcher::All => all,
                    // It stands for itself, and for a soft one of the same.
                    matcher => {
                        let either = Mode::EACH.map(|mode| Invalidation { matcher: matcher.clone(), mode });
                        let own = either.iter().filter_map(|one| known.get(one)).copied();
                        own.reduce(Due::and).unwrap_or(all)
                    }
                };
                self.put(invalidation, why, due);
            }
        }
        tracing::error!(
            left = self.at_once.len() + self.each.len(),
            "too many writes are in doubt: fewer purges that reach as much and more take the place of theirs"
        );
    }
}

fn weight(invalidation: &Invalidation) -> usize {
    invalidation.matcher.text_len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn path(number: usize) -> Invalidation {
        Invalidation::hard(Matcher::path("shop", &format!("/carts/{number}")))
    }

    fn tag(number: usize) -> Invalidation {
        Invalidation::hard(Matcher::Tag(format!("product:{number}").into()))
    }

    #[test]
    fn the_same_waits_once_and_nobody_puts_it_off() {
        let mut waiting = Waiting::new(1 << 20);
        for seconds in [60, 90, 70] {
            waiting.add(&[path(1)], Why::Doubt, Due::at(at(seconds)));
        }
        waiting.add(&[path(1)], Why::Settle, Due::at(at(65)));
        assert_eq!(waiting.each.len(), 2);
        assert_eq!(waiting.take_due(at(59)), (vec![], Some(at(60))));
        assert_eq!(waiting.take_due(at(60)), (vec![path(1)], Some(at(65))));
        assert_eq!(waiting.take_due(at(65)), (vec![path(1)], Some(at(90))));
        waiting.add(&[path(1)], Why::Doubt, Due::at(at(140)));
        assert_eq!(waiting.take_due(at(90)), (vec![path(1)], Some(at(140))));
        assert_eq!(waiting.take_due(Timestamp::MAX), (vec![path(1)], None));
        assert_eq!((waiting.bytes, waiting.take_due(Timestamp::MAX)), (0, (vec![], None)));
    }

    #[test]
    fn a_doubt_is_purged_for_soon_and_until_its_end() {
        let mut waiting = Waiting::new(1 << 20);
        waiting.add(&[path(1)], Why::Doubt, Due::doubted(at(100), Duration::from_secs(60)));
        // Asked for by a second write: as soon as it needs, and until its end, too.
        assert_eq!(waiting.take_due(at(101)), (vec![], Some(at(102))));
        assert_eq!(waiting.take_due(at(102)), (vec![path(1)], Some(at(112))));
        waiting.add(&[path(1)], Why::Doubt, Due::doubted(at(103), Duration::from_secs(60)));
        assert_eq!(waiting.take_due(at(105)), (vec![path(1)], Some(at(115))));
        assert_eq!(waiting.take_due(at(115)), (vec![path(1)], Some(at(163))));
        assert_eq!(waiting.take_due(at(163)), (vec![path(1)], None));

        // Whoever comes late, because the process stood still, leaves none out that is still to come.
        waiting.add(&[path(1)], Why::Doubt, Due::doubted(at(300), Duration::from_secs(60)));
        assert_eq!(waiting.take_due(at(313)), (vec![path(1)], Some(at(323))));
        assert_eq!(waiting.take_due(at(359)), (vec![path(1)], Some(at(360))));
        assert_eq!(waiting.take_due(at(400)), (vec![path(1)], None));

        // What is due at once does not wait for a look at the rest.
        waiting.add(&[path(2)], Why::Doubt, Due::at(at(400)));
        waiting.add(&[path(1)], Why::Now, Due::at(at(400)));
        let look = at(400).plus(LOOK);
        assert_eq!(waiting.take_due(at(400)), (vec![path(1)], Some(look)));
        assert_eq!(waiting.take_due(look), (vec![path(2)], None));

        let bound = Duration::from_secs(1);
        waiting.add(&[path(1)], Why::Doubt, Due::doubted(at(200), bound));
        assert_eq!(waiting.take_due(at(201)), (vec![path(1)], None));
    }

    /// Adds what `of` gives for 0, 1, … to each of `whys`, a second apart, until all were too many.
    fn filled(whys: &[Why], of: impl Fn(usize) -> Invalidation) -> (Waiting, usize) {
        let mut waiting = Waiting::new(1 << 20);
        for number in 0.. {
            let before = waiting.each.len();
            for why in whys {
                waiting.add(&[of(number)], *why, Due::at(at(number as u64)));
            }
            assert!(waiting.bytes <= waiting.most, "it is bounded");
            if waiting.each.len() < before {
                return (waiting, number);
            }
        }
        unreachable!("the numbers do not end")
    }

    #[test]
    fn too_many_become_fewer_that_wait_for_all() {
        let carts = Invalidation::hard(Matcher::prefix("shop", "/carts"));
        let (mut waiting, last) = filled(&[Why::Doubt], path);
        assert!(last > 5_000);
        assert_eq!(waiting.take_due(at(0)), (vec![carts.clone()], Some(at(last as u64))));
        assert_eq!(waiting.take_due(at(last as u64)), (vec![carts], None));

        // What only everything is wider than.
        let (mut waiting, last) = filled(&[Why::Doubt], tag);
        let everything = Invalidation::hard(Matcher::All);
        assert_eq!(waiting.take_due(at(last as u64 - 1)).0, [everything]);
    }

    #[test]
    fn what_others_wait_for_stays_as_it_is() {
        let mut waiting = Waiting::new(1 << 20);
        waiting.add(&[tag(1), path(1)], Why::Settle, Due::at(at(7)));
        let mut number = 0;
        while !waiting.each.keys().any(|(purge, _)| matches!(purge.matcher, Matcher::Prefix { .. })) {
            number += 1;
            waiting.add(&[path(number)], Why::Doubt, Due::at(at(60)));
            waiting.add(&[path(number)], Why::Now, Due::at(at(1)));
        }
        let (mut now, _) = waiting.take_due(at(1));
        now.sort_by_key(|purge| purge.matcher.text_len());
        assert_eq!(now[0], Invalidation::hard(Matcher::prefix("shop", "/carts")));
        let (settled, _) = waiting.take_due(at(7));
        assert_eq!(settled.len(), 2);
        assert!(settled.contains(&tag(1)) && settled.contains(&path(1)));
    }
}
