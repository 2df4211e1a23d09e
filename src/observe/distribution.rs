//! How durations are spread, counted in buckets that never lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the buckets, in nanoseconds.
///
/// From 50 µs, which a hit in memory stays below, to 30 s, the longest an origin is waited for by default. Steps of 2 to 2.5,
/// so that a quantile read from them is off by at most that factor.
pub(super) const BOUNDS: [u64; 18] = [
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
pub(super) const BUCKETS: usize = BOUNDS.len() + 1;

/// Durations as they are recorded.
#[derive(Debug)]
pub(super) struct Distribution {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], nanos: AtomicU64::new(0) }
    }
}

impl Distribution {
    /// Counts one duration. Two relaxed additions.
    pub(super) fn record(&self, duration: Duration) {
        // 584 years fit; a longer duration is a fault of the caller's clock and is counted as those.
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(nanos)].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }

    /// Adds what was recorded so far to `totals`.
    pub(super) fn add_to(&self, totals: &mut Totals) {
        for (total, bucket) in totals.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.load(Relaxed);
        }
        totals.nanos = totals.nanos.wrapping_add(self.nanos.load(Relaxed));
    }

    /// What was recorded so far.
    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.add_to(&mut totals);
        totals
    }
}

/// The first bucket whose bound is not below `nanos`. Searched from the bottom, where hits are.
fn bucket_of(nanos: u64) -> usize {
    BOUNDS.iter().position(|bound| nanos <= *bound).unwrap_or(BOUNDS.len())
}

/// Durations added up at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    buckets: [u64; BUCKETS],
    nanos: u64,
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

    /// Adds those of `other`.
    pub fn add(&mut self, other: &Self) {
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
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            seen += bucket;
            if seen >= rank {
                return Some(Duration::from_nanos(*bound));
            }
        }
        None
    }

    /// Bounds in seconds, each with the number of durations up to it. What is slower than all of them is in the count alone.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        BOUNDS.iter().zip(&self.buckets).scan(0, |seen, (bound, bucket)| {
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
        for (index, bound) in BOUNDS.iter().enumerate() {
            assert_eq!(bucket_of(*bound), index);
            assert_eq!(bucket_of(bound + 1), index + 1);
        }
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn bounds_rise() {
        assert!(BOUNDS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn quantiles_are_the_bounds_above() {
        fn check(micros: &[u64], q: f64, want: Option<u64>) {
            let spread = Distribution::default();
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
        let spread = Distribution::default();
        spread.record(Duration::from_micros(40));
        spread.record(Duration::from_secs(40));
        let mut totals = spread.totals();
        totals.add(&spread.totals());
        assert_eq!(totals.count(), 4);
        assert!((totals.seconds() - 80.00008).abs() < 1e-9);
        assert_eq!(totals.cumulative().last(), Some((30.0, 2)), "what is slower is only in the count");
    }
}
