//! How durations are spread, counted in buckets that never lock.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of buckets, in nanoseconds.
type Bounds = [u64; 18];

/// Which bounds a distribution has: fixed when it is compiled, as recording must not look for them.
pub(super) trait Scale {
    /// The bounds; they rise.
    const BOUNDS: &'static Bounds;
}

/// For what clients wait for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requests;

impl Scale for Requests {
    const BOUNDS: &'static Bounds = &BOUNDS;
}

/// For what goes on behind the requests, through hours of an outage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deliveries;

impl Scale for Deliveries {
    const BOUNDS: &'static Bounds = &{
        // 100 ms, since a purge is gathered with others for about as long, to a day, after which it is usually given up.
        let mut seconds: Bounds =
            [0, 0, 0, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200, 86_400];
        let mut at = 3;
        while at < seconds.len() {
            seconds[at] *= 1_000_000_000;
            at += 1;
        }
        seconds[0] = 100_000_000;
        seconds[1] = 250_000_000;
        seconds[2] = 500_000_000;
        seconds
    };
}

/// The bounds of [`Requests`].
///
/// From 50 µs, which a hit in memory stays below, to 30 s, the longest an origin is waited for by default. Steps of 2 to 2.5,
/// so that a quantile read from them is off by at most that factor.
const BOUNDS: Bounds = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
];

/// Buckets, that for everything slower included.
const BUCKETS: usize = BOUNDS.len() + 1;

/// Durations as they are recorded.
pub(super) struct Distribution<S = Requests> {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
    scale: PhantomData<S>,
}

impl<S> Default for Distribution<S> {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], nanos: AtomicU64::new(0), scale: PhantomData }
    }
}

impl<S: Scale> fmt::Debug for Distribution<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.totals().fmt(f)
    }
}

impl<S: Scale> Distribution<S> {
    /// Counts one duration. Two relaxed additions.
    pub(super) fn record(&self, duration: Duration) {
        // 584 years fit; a longer duration is a fault of the caller's clock and is counted as those.
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(S::BOUNDS, nanos)].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }

    /// Adds what was recorded so far to `totals`, which are of the same scale.
    pub(super) fn add_to(&self, totals: &mut Totals) {
        debug_assert_eq!(totals.bounds, S::BOUNDS);
        for (total, bucket) in totals.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Relaxed);
        }
        totals.nanos = totals.nanos.wrapping_add(self.nanos.load(Relaxed));
    }

    /// What was recorded so far.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals { bounds: S::BOUNDS, ..Totals::default() };
        self.add_to(&mut totals);
        totals
    }
}

/// The first bucket whose bound is not below `nanos`. Searched from the bottom, where hits are.
fn bucket_of(bounds: &Bounds, nanos: u64) -> usize {
    bounds.iter().position(|bound| nanos <= *bound).unwrap_or(bounds.len())
}

/// Durations added up at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    bounds: &'static Bounds,
    buckets: [u64; BUCKETS],
    nanos: u64,
}

impl Default for Totals {
    /// None, on the scale of requests.
    fn default() -> Self {
        Self { bounds: Requests::BOUNDS, buckets: [0; BUCKETS], nanos: 0 }
    }
}

impl Totals {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum, in seconds.
    pub fn seconds(&self) -> f64 {
        self.nanos as f64 / 1e9
    }

    /// Adds those of `other`, which are of the same scale.
    pub fn add(&mut self, other: &Self) {
        debug_assert_eq!(self.bounds, other.bounds);
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.nanos = self.nanos.wrapping_add(other.nanos);
    }

    /// A duration that the share `q` (0 to 1) of them did not exceed: the bound of the bucket it falls into, so at most
    /// 2.5 times too long. `None` when there were none, or when it lies beyond the last bound.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        // The smallest rank that covers the share; at least the first.
        let rank = ((count as f64 * q).ceil() as u64).max(1);
        let mut seen = 0;
        for (bound, bucket) in self.bounds.iter().zip(&self.buckets) {
            seen += bucket;
            if seen >= rank {
                return Some(Duration::from_nanos(*bound));
            }
        }
        None
    }

    /// Bounds in seconds, each with the number of durations up to it. What is slower than all of them is in the count alone.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.bounds.iter().zip(&self.buckets).scan(0, |seen, (bound, bucket)| {
            *seen += bucket;
            Some((*bound as f64 / 1e9, *seen))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        for bounds in [Requests::BOUNDS, Deliveries::BOUNDS] {
            for (index, bound) in bounds.iter().enumerate() {
                assert_eq!(bucket_of(bounds, *bound), index);
                assert_eq!(bucket_of(bounds, bound + 1), index + 1);
            }
            assert_eq!(bucket_of(bounds, 0), 0);
            assert_eq!(bucket_of(bounds, u64::MAX), BUCKETS - 1);
        }
    }

    #[test]
    fn bounds_rise() {
        for bounds in [Requests::BOUNDS, Deliveries::BOUNDS] {
            assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn quantiles_are_the_bounds_above() {
        fn check(micros: &[u64], q: f64, want: Option<u64>) {
            let spread = Distribution::<Requests>::default();
            micros.iter().for_each(|us| spread.record(Duration::from_micros(*us)));
            let got = spread.totals().quantile(q);
            assert_eq!(got, want.map(Duration::from_micros), "{micros:?} at {q}");
        }
        check(&[], 0.5, None);
        check(&[10], 0.0, Some(50));
        check(&[10], 1.0, Some(50));
        check(&[10, 10, 90, 90], 0.5, Some(50));
        check(&[10, 10, 90, 90], 0.51, Some(100));
        check(&[10, 10, 90, 400_000], 0.99, Some(500_000));
        check(&[60_000_000], 0.5, None);
    }

    #[test]
    fn totals_add_up() {
        let spread = Distribution::<Requests>::default();
        spread.record(Duration::from_micros(40));
        spread.record(Duration::from_secs(40));
        let mut totals = spread.totals();
        totals.add(&spread.totals());
        assert_eq!(totals.count(), 4);
        assert!((totals.seconds() - 80.00008).abs() < 1e-9);
        assert_eq!(totals.cumulative().last(), Some((30.0, 2)), "what is slower is only in the count");
    }
}
