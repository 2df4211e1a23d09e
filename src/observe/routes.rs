//! What is counted by route.

use super::distribution::{Distribution, Totals};
use super::families::{Family, Sheet};
use super::shards::Sharded;
use super::words::Words;
use crate::engine::Outcome;
use crate::semantics::Forward;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const OUTCOMES: [Outcome; 8] = [
    Outcome::Hit,
    Outcome::Stale,
    Outcome::Revalidated,
    Outcome::Miss,
    Outcome::Collapsed,
    Outcome::Pass,
    Outcome::Purge,
    Outcome::Error,
];

const FORWARDS: [Forward; 8] = [
    Forward::Bypass,
    Forward::Method,
    Forward::UriMiss,
    Forward::VaryMiss,
    Forward::Miss,
    Forward::Request,
    Forward::Stale,
    Forward::Partial,
];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What the engine gives as the reason for a stale reply (RFC 5861, 3 and 4).
const STALE_REASONS: [&str; 2] = ["revalidating", "error"];

/// Where a stored reply came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// The memory of this process.
    Memory,
    /// The tier that nodes share.
    Redis,
}

impl Tier {
    const ALL: [Self; 2] = [Self::Memory, Self::Redis];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
        }
    }
}

/// A request that has been answered.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// How.
    pub outcome: Outcome,
    /// The tier that had the reply; `None` when none had.
    pub tier: Option<Tier>,
    /// Why it went forward; `None` on a hit.
    pub forward: Option<Forward>,
    /// Status of the reply; 0 when the client left before there was one.
    pub status: u16,
    /// Bytes of the body that were sent.
    pub bytes: u64,
    /// From the end of the request's head to the end of the reply.
    pub elapsed: Duration,
}

/// The counters of one route, found once when rules are put in force.
#[derive(Debug)]
pub struct RouteMetrics {
    name: Arc<str>,
    cells: Sharded<Cells>,
    collapsed: AtomicU64,
    stale: Words,
    fills: Words,
}

/// What every request counts in; each thread has its own.
#[derive(Debug, Default)]
struct Cells {
    outcomes: [PerOutcome; OUTCOMES.len()],
    hits: [AtomicU64; Tier::ALL.len()],
    misses: [AtomicU64; FORWARDS.len()],
    classes: [AtomicU64; CLASSES.len()],
}

#[derive(Debug, Default)]
struct PerOutcome {
    seconds: Distribution,
    bytes: AtomicU64,
}

impl RouteMetrics {
    /// Counters at zero. `threads` is how many count at once.
    pub(super) fn new(name: Arc<str>, threads: usize) -> Self {
        Self {
            name,
            cells: Sharded::new(threads),
            collapsed: AtomicU64::new(0),
            stale: Words::known(&STALE_REASONS),
            fills: Words::default(),
        }
    }

    /// The route's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counts a request. Five relaxed additions in memory of the calling thread's own, 26 ns measured however many threads
    /// count; no lock, no allocation (but for the first request of a thread on the route).
    pub fn record(&self, finished: &Finished) {
        let Finished { outcome, tier, forward, status, bytes, elapsed } = *finished;
        let cells = self.cells.mine();
        let cell = &cells.outcomes[outcome as usize];
        cell.seconds.record(elapsed);
        cell.bytes.fetch_add(bytes, Relaxed);
        if let Some(class) = class_of(status) {
            cells.classes[class].fetch_add(1, Relaxed);
        }
        match lookup_of(outcome, tier, forward) {
            Lookup::Hit(tier) => _ = cells.hits[tier as usize].fetch_add(1, Relaxed),
            Lookup::Miss(forward) => _ = cells.misses[forward as usize].fetch_add(1, Relaxed),
            Lookup::None => {}
        }
    }

    /// Counts a fill that ended with `result`.
    pub(super) fn fill(&self, result: &'static str) {
        self.fills.add(result);
    }

    /// Counts a request answered by another's fill.
    pub(super) fn collapsed(&self) {
        self.collapsed.fetch_add(1, Relaxed);
    }

    /// Counts a stale reply served for `reason`.
    pub(super) fn stale(&self, reason: &'static str) {
        self.stale.add(reason);
    }

    /// The sums over all threads at this moment.
    pub fn totals(&self) -> RouteTotals {
        let mut totals = RouteTotals::default();
        for cells in self.cells.iter() {
            for (total, cell) in totals.outcomes.iter_mut().zip(&cells.outcomes) {
                cell.seconds.add_to(&mut total.0);
                total.1 += cell.bytes.load(Relaxed);
            }
            add_all(&mut totals.hits, &cells.hits);
            add_all(&mut totals.misses, &cells.misses);
            add_all(&mut totals.classes, &cells.classes);
        }
        totals
    }

    /// Writes the counters down. Those that ratios are made of are there from the start, the others as soon as the route was asked
    /// once: all of them, since a rate over a series that begins with its first event misses that event.
    pub(super) fn write(&self, sheet: &mut Sheet) {
        let totals = self.totals();
        let name = &*self.name;
        for outcome in OUTCOMES {
            sheet.counter(Family::Requests, &[name, outcome.as_str()], totals.requests(outcome));
        }
        for (tier, hits) in Tier::ALL.iter().zip(totals.hits) {
            sheet.counter(Family::Hits, &[name, tier.as_str()], hits);
        }
        sheet.counter(Family::Collapsed, &[name], self.collapsed.load(Relaxed));
        if totals.outcomes().next().is_some() {
            self.write_details(sheet, &totals);
        }
        // A fill can outlive all who asked for it, and be counted before any of them.
        for (result, count) in self.fills.counts() {
            sheet.counter(Family::Fills, &[name, result], count);
        }
    }

    fn write_details(&self, sheet: &mut Sheet, totals: &RouteTotals) {
        let name = &*self.name;
        for (outcome, (seconds, bytes)) in OUTCOMES.iter().zip(&totals.outcomes) {
            // Twenty lines each, so only of outcomes that there are.
            if seconds.count() > 0 {
                sheet.histogram(Family::RequestSeconds, &[name, outcome.as_str()], seconds);
                sheet.counter(Family::ResponseBytes, &[name, outcome.as_str()], *bytes);
            }
        }
        let misses = FORWARDS.into_iter().zip(totals.misses).filter(|(forward, _)| could_hit(*forward));
        for (forward, count) in misses {
            sheet.counter(Family::Misses, &[name, forward.as_str()], count);
        }
        for (class, count) in CLASSES.into_iter().zip(totals.classes) {
            sheet.counter(Family::Responses, &[name, class], count);
        }
        for (reason, count) in self.stale.counts() {
            sheet.counter(Family::StaleServed, &[name, reason], count);
        }
    }
}

/// What a request says of the cache's worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    /// A stored reply answered it.
    Hit(Tier),
    /// One might have.
    Miss(Forward),
    /// None could have: its route or method is never answered from the cache.
    None,
}

fn lookup_of(outcome: Outcome, tier: Option<Tier>, forward: Option<Forward>) -> Lookup {
    match (outcome, tier, forward) {
        (Outcome::Hit | Outcome::Stale, Some(tier), _) => Lookup::Hit(tier),
        (_, _, Some(forward)) if could_hit(forward) => Lookup::Miss(forward),
        _ => Lookup::None,
    }
}

/// Whether a request that went forward for this reason might have been answered from the cache.
fn could_hit(forward: Forward) -> bool {
    !matches!(forward, Forward::Bypass | Forward::Method)
}

/// The index of a status in [`CLASSES`]; `None` for what is no status.
fn class_of(status: u16) -> Option<usize> {
    (100..600).contains(&status).then(|| usize::from(status / 100 - 1))
}

fn add_all(totals: &mut [u64], counters: &[AtomicU64]) {
    for (total, counter) in totals.iter_mut().zip(counters) {
        *total += counter.load(Relaxed);
    }
}

/// The counters of a route at one moment.
#[derive(Clone, Debug, Default)]
pub struct RouteTotals {
    outcomes: [(Totals, u64); OUTCOMES.len()],
    hits: [u64; Tier::ALL.len()],
    misses: [u64; FORWARDS.len()],
    classes: [u64; CLASSES.len()],
}

impl RouteTotals {
    /// Requests that ended with `outcome`.
    pub fn requests(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize].0.count()
    }

    /// Outcomes that occurred, with their number.
    pub fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        OUTCOMES.into_iter().map(|outcome| (outcome, self.requests(outcome))).filter(|(_, count)| *count > 0)
    }

    /// Requests answered from a stored reply.
    pub fn hits(&self) -> u64 {
        self.hits.iter().sum()
    }

    /// Requests that a stored reply might have answered and did not.
    pub fn misses(&self) -> u64 {
        self.misses.iter().sum()
    }

    /// Hits among hits and misses, 0 to 1; `None` before the first of either.
    pub fn hit_ratio(&self) -> Option<f64> {
        let lookups = self.hits() + self.misses();
        (lookups > 0).then(|| self.hits() as f64 / lookups as f64)
    }

    /// Bytes of bodies sent.
    pub fn bytes(&self) -> u64 {
        self.outcomes.iter().map(|(_, bytes)| bytes).sum()
    }

    /// Durations of all requests.
    pub fn latency(&self) -> Totals {
        self.outcomes.iter().fold(Totals::default(), |mut sum, (seconds, _)| {
            sum.add(seconds);
            sum
        })
    }

    /// Adds those of another route.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.outcomes.iter_mut().zip(&other.outcomes) {
            mine.0.add(&theirs.0);
            mine.1 += theirs.1;
        }
        let pairs = self.hits.iter_mut().zip(&other.hits);
        let pairs = pairs.chain(self.misses.iter_mut().zip(&other.misses));
        pairs.chain(self.classes.iter_mut().zip(&other.classes)).for_each(|(mine, theirs)| *mine += theirs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_indexed_by_their_enums() {
        assert!(OUTCOMES.iter().enumerate().all(|(index, outcome)| *outcome as usize == index));
        assert!(FORWARDS.iter().enumerate().all(|(index, forward)| *forward as usize == index));
        assert!(Tier::ALL.iter().enumerate().all(|(index, tier)| *tier as usize == index));
    }

    #[test]
    fn only_what_could_have_been_a_hit_is_a_miss() {
        fn check(outcome: Outcome, tier: Option<Tier>, forward: Option<Forward>, want: Lookup) {
            assert_eq!(lookup_of(outcome, tier, forward), want, "{outcome:?} {tier:?} {forward:?}");
        }
        let memory = Some(Tier::Memory);
        check(Outcome::Hit, memory, None, Lookup::Hit(Tier::Memory));
        check(Outcome::Stale, memory, Some(Forward::Stale), Lookup::Hit(Tier::Memory));
        check(Outcome::Revalidated, memory, Some(Forward::Stale), Lookup::Miss(Forward::Stale));
        check(Outcome::Miss, None, Some(Forward::UriMiss), Lookup::Miss(Forward::UriMiss));
        check(Outcome::Collapsed, None, Some(Forward::UriMiss), Lookup::Miss(Forward::UriMiss));
        check(Outcome::Pass, None, Some(Forward::Request), Lookup::Miss(Forward::Request));
        check(Outcome::Pass, None, Some(Forward::Bypass), Lookup::None);
        check(Outcome::Pass, None, Some(Forward::Method), Lookup::None);
        check(Outcome::Error, None, None, Lookup::None);
    }

    #[test]
    fn classes_of_statuses() {
        for (status, want) in [
            (0, None),
            (99, None),
            (100, Some(0)),
            (204, Some(1)),
            (304, Some(2)),
            (404, Some(3)),
            (599, Some(4)),
            (600, None),
        ] {
            assert_eq!(class_of(status), want, "{status}");
        }
    }

    #[test]
    fn totals_sum_over_threads() {
        let route = RouteMetrics::new("r".into(), 4);
        let hit = Finished {
            outcome: Outcome::Hit,
            tier: Some(Tier::Memory),
            forward: None,
            status: 200,
            bytes: 10,
            elapsed: Duration::from_micros(20),
        };
        let miss = Finished { outcome: Outcome::Miss, tier: None, forward: Some(Forward::UriMiss), ..hit };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..3).for_each(|_| route.record(&hit));
                    route.record(&miss);
                });
            }
        });
        let mut totals = route.totals();
        totals.add(&route.totals());
        assert_eq!((totals.hits(), totals.misses(), totals.hit_ratio()), (24, 8, Some(0.75)));
        assert_eq!((totals.bytes(), totals.latency().count()), (320, 32));
        assert_eq!(totals.outcomes().collect::<Vec<_>>(), [(Outcome::Hit, 24), (Outcome::Miss, 8)]);
    }
}
