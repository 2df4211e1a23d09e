//! When to try again.

use std::time::Duration;

/// The first pause: long enough that a server that restarts is not drowned, short enough that nobody notices.
const FIRST: Duration = Duration::from_millis(50);

/// The longest pause: what Redis' return may go unnoticed for. Together with what the followers of the log add to it, purges
/// that were made meanwhile are applied everywhere within a second.
const LONGEST: Duration = Duration::from_millis(500);

/// Pauses between attempts, doubling from 50 ms to half a second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The next pause: between the half and the whole of what it is due, by `chance` from 0 to 1, so that all the nodes that
    /// lost a server at one moment do not come back at one moment.
    pub(super) fn next(&mut self, chance: f64) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.attempts.min(16)).min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    /// The last attempt was a success that lasted.
    pub(super) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_scatter() {
        let mut backoff = Backoff::default();
        let whole: Vec<_> = (0..8).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(whole, [50, 100, 200, 400, 500, 500, 500, 500]);
        assert_eq!(backoff.next(0.0).as_millis(), 250);
        backoff.reset();
        assert_eq!(backoff.next(0.0).as_millis(), 25);
        assert_eq!(Backoff { attempts: u32::MAX }.next(1.0), LONGEST);
    }
}
