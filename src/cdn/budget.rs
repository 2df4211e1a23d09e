//! How often an API may be called: a bucket of tokens that fills at a rate.

use super::Rate;
use crate::time::Timestamp;
use std::time::Duration;

/// The calls that may be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    rate: Rate,
    /// What is in the bucket …
    tokens: f64,
    /// … at this time.
    at: Timestamp,
}

impl Budget {
    /// A full bucket.
    pub(super) fn new(rate: Rate, now: Timestamp) -> Self {
        Self { rate, tokens: f64::from(rate.burst.max(1)), at: now }
    }

    /// Takes a call out; else says when there will be one.
    pub(super) fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let Rate { calls, per, burst } = self.rate;
        let pause = per.as_secs_f64() / f64::from(calls.max(1));
        if pause <= 0.0 {
            return Ok(());
        }
        let gained = now.since(self.at).as_secs_f64() / pause;
        self.tokens = (self.tokens + gained).min(f64::from(burst.max(1)));
        self.at = self.at.max(now);
        // A hair less is enough: what was gained in parts is not always the whole again.
        if self.tokens > 1.0 - 1e-6 {
            self.tokens = (self.tokens - 1.0).max(0.0);
            return Ok(());
        }
        let wait = Duration::from_secs_f64((1.0 - self.tokens) * pause);
        // Timestamps are whole milliseconds; a wait that is rounded down would be one too many.
        Err(self.at.plus(wait.max(Duration::from_millis(1)) + Duration::from_micros(999)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_keep_to_the_rate() {
        #[track_caller]
        fn check(calls: u32, per: Duration, burst: u32, expected: &[u64]) {
            let start = Timestamp::from_secs(1);
            let mut budget = Budget::new(Rate { calls, per, burst }, start);
            let mut now = start;
            let made: Vec<u64> = expected
                .iter()
                .map(|_| {
                    while let Err(then) = budget.take(now) {
                        assert!(then > now, "it says when");
                        now = then;
                    }
                    now.since(start).as_millis() as u64
                })
                .collect();
            assert_eq!(made, expected);
        }
        let second = Duration::from_secs(1);
        check(1, second, 3, &[0, 0, 0, 1000, 2000, 3000]);
        check(4, second, 1, &[0, 250, 500, 750]);
        check(3, second, 1, &[0, 334, 668, 1002, 1336]);
        check(2, Duration::from_secs(60), 0, &[0, 30_000, 60_000]);
        check(0, second, 1, &[0, 1000]);
        check(1, Duration::ZERO, 1, &[0, 0, 0]);
    }

    #[test]
    fn a_pause_earns_no_more_than_a_burst() {
        let mut now = Timestamp::from_secs(1);
        let mut budget = Budget::new(Rate { calls: 10, per: Duration::from_secs(1), burst: 2 }, now);
        now = now.plus(Duration::from_secs(3600));
        assert_eq!((0..5).filter(|_| budget.take(now).is_ok()).count(), 2);
        // A clock that went back neither earns nor costs anything.
        assert!(budget.take(now.minus(Duration::from_secs(60))).is_err());
        assert!(budget.take(now.plus(Duration::from_millis(100))).is_ok());
    }
}
