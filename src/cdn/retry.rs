//! When what failed is tried again.

use crate::time::Timestamp;
use std::time::Duration;

/// The most that the first pause may be: about what an API takes to answer.
const FIRST: Duration = Duration::from_millis(500);

/// The most that any pause may be: how long the return of a CDN may go unnoticed.
const LONGEST: Duration = Duration::from_secs(60);

/// The least that a pause is, whatever the dice say.
const LEAST: Duration = Duration::from_millis(50);

/// Pauses between attempts: anything up to a bound that doubles from half a second to a minute (full jitter: Brooker,
/// "Exponential Backoff And Jitter", AWS 2015), and no less than the other side asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Retry {
    failures: u32,
    /// When the last pause was decided on, and its end.
    held: Option<(Timestamp, Timestamp)>,
}

impl Retry {
    /// An attempt that began at `begun` failed. `after`: what the other side asked for; `chance`: between 0 and 1. Attempts that
    /// were under way side by side count once. Returns when to try again.
    pub(super) fn failed(
        &mut self,
        begun: Timestamp,
        now: Timestamp,
        after: Option<Duration>,
        chance: f64,
    ) -> Timestamp {
        let asked = now.plus(after.unwrap_or_default());
        if let Some((since, until)) = self.held.filter(|(since, _)| begun < *since) {
            let until = until.max(asked);
            self.held = Some((since, until));
            return until;
        }
        let bound = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let pause = bound.mul_f64(chance.clamp(0.0, 1.0)).max(LEAST);
        // What was asked for is the least; a little on top, so that not all who were asked the same come at once.
        let until = match after {
            Some(after) => now.plus(after + FIRST.mul_f64(chance.clamp(0.0, 1.0))).max(now.plus(pause)),
            None => now.plus(pause),
        };
        self.held = Some((now, until));
        until
    }

    /// An attempt succeeded.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Until when nothing is to be tried.
    pub(super) fn until(&self) -> Option<Timestamp> {
        self.held.map(|(_, until)| until)
    }

    /// Whether the last attempt failed.
    pub(super) fn is_failing(&self) -> bool {
        self.held.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_scatter() {
        let pauses = |chance: f64| -> Vec<u128> {
            let (mut retry, mut now) = (Retry::default(), at(0));
            (0..9)
                .map(|_| {
                    let until = retry.failed(now, now, None, chance);
                    let pause = until.since(now);
                    now = until;
                    pause.as_millis()
                })
                .collect()
        };
        assert_eq!(pauses(1.0), [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(pauses(0.5)[..3], [250, 500, 1000]);
        assert_eq!(pauses(0.0), [50; 9]);
    }

    #[test]
    fn what_was_asked_for_is_the_least() {
        let mut retry = Retry::default();
        let after = Some(Duration::from_secs(30));
        assert_eq!(retry.failed(at(0), at(0), after, 0.0), at(30_000));
        let mut retry = Retry::default();
        assert!(retry.failed(at(0), at(0), after, 0.9) > at(30_000));
        let mut retry = Retry { failures: 20, held: None };
        assert_eq!(retry.failed(at(0), at(0), Some(Duration::from_secs(1)), 1.0), at(60_000));
    }

    #[test]
    fn attempts_side_by_side_count_once() {
        let mut retry = Retry::default();
        let first = retry.failed(at(0), at(10), None, 1.0);
        assert_eq!(retry.failed(at(5), at(20), None, 1.0), first);
        let asked = Some(Duration::from_secs(9));
        assert_eq!(retry.failed(at(5), at(20), asked, 1.0), at(9020));
        assert_eq!(retry.failed(at(10), at(10_000), None, 1.0), at(11_000));
        assert!(retry.is_failing());
        retry.succeeded();
        assert!(!retry.is_failing() && retry.until().is_none());
        assert_eq!(retry.failed(at(0), at(0), None, 1.0), at(500));
    }
}
