//! What customers saw, counted.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Quantiles are of the newest so many requests: some ten seconds of the demo's customers.
const WINDOW: usize = 4096;

/// Counts requests from many customers.
#[derive(Debug, Default)]
pub(super) struct Scores {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: u64,
    hits: u64,
    failures: u64,
    changes: u64,
    stale: u64,
    cached: VecDeque<Duration>,
    direct: VecDeque<Duration>,
}

/// How a request through Larder went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Answered from the cache.
    Hit,
    /// Answered by the shop.
    Miss,
    /// Not answered, or with an error.
    Failure,
}

/// The figures of a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Summary {
    /// Requests through Larder.
    pub(super) requests: u64,
    /// Of those, answered from the cache.
    pub(super) hits: u64,
    /// Of those, not answered.
    pub(super) failures: u64,
    /// Prices changed through Larder.
    pub(super) changes: u64,
    /// Of those, not seen by the very next customer.
    pub(super) stale: u64,
    /// Half of the newest requests, and all but one in a hundred, took no longer.
    pub(super) cached: Option<(Duration, Duration)>,
    /// The same of those that went past Larder.
    pub(super) direct: Option<(Duration, Duration)>,
}

impl Scores {
    /// Counts a request through Larder.
    pub(super) fn add(&self, seen: Seen, took: Duration) {
        let mut counts = self.counts();
        counts.requests += 1;
        match seen {
            Seen::Hit => counts.hits += 1,
            Seen::Miss => {}
            Seen::Failure => counts.failures += 1,
        }
        push(&mut counts.cached, took);
    }

    /// Counts one that went past it.
    pub(super) fn add_direct(&self, took: Duration) {
        push(&mut self.counts().direct, took);
    }

    /// Counts a price that was changed; `seen`: the next customer saw the new one.
    pub(super) fn add_change(&self, seen: bool) {
        let mut counts = self.counts();
        counts.changes += 1;
        counts.stale += u64::from(!seen);
    }

    /// The figures of this moment.
    pub(super) fn summary(&self) -> Summary {
        let counts = self.counts();
        Summary {
            requests: counts.requests,
            hits: counts.hits,
            failures: counts.failures,
            changes: counts.changes,
            stale: counts.stale,
            cached: quantiles(&counts.cached),
            direct: quantiles(&counts.direct),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Numbers that a panic left behind are still numbers.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push(window: &mut VecDeque<Duration>, took: Duration) {
    if window.len() == WINDOW {
        window.pop_front();
    }
    window.push_back(took);
}

/// The median and the 99th percentile, by nearest rank.
fn quantiles(window: &VecDeque<Duration>) -> Option<(Duration, Duration)> {
    let mut sorted: Vec<_> = window.iter().copied().collect();
    sorted.sort_unstable();
    let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some((at(50)?, at(99)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_by_rank() {
        fn check(millis: impl IntoIterator<Item = u64>, want: Option<(u64, u64)>) {
            let window: VecDeque<_> = millis.into_iter().map(Duration::from_millis).collect();
            let want = want.map(|(p50, p99)| (Duration::from_millis(p50), Duration::from_millis(p99)));
            assert_eq!(quantiles(&window), want, "{window:?}");
        }
        check([], None);
        check([7], Some((7, 7)));
        check([2, 1], Some((1, 2)));
        check((1..=100).rev(), Some((50, 99)));
        check((1..=200).rev(), Some((100, 198)));
    }

    #[test]
    fn counts_and_forgets() {
        let scores = Scores::default();
        scores.add(Seen::Miss, Duration::from_secs(9));
        (0..WINDOW).for_each(|_| scores.add(Seen::Hit, Duration::from_millis(1)));
        scores.add(Seen::Failure, Duration::from_millis(1));
        scores.add_change(true);
        scores.add_change(false);
        let summary = scores.summary();
        assert_eq!((summary.requests, summary.hits, summary.failures), (WINDOW as u64 + 2, WINDOW as u64, 1));
        assert_eq!((summary.changes, summary.stale), (2, 1));
        assert_eq!(
            summary.cached,
            Some((Duration::from_millis(1), Duration::from_millis(1))),
            "the first is forgotten"
        );
    }
}
