//! What a server's recent failures mean for the next request.

use crate::time::Timestamp;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How long a server is avoided after its first failure: long enough to spare most requests of a busy second the
/// futile attempt, short enough that a restart is hardly noticed.
const FIRST: Duration = Duration::from_millis(500);
/// The longest that a server is avoided: one request in this time finds out whether it is back.
const LONGEST: Duration = Duration::from_secs(30);
/// Connections that stood but brought no reply count from this many in a row on. A single one says little of the
/// server: the fault may be the request's.
const SILENT_IN_A_ROW: u32 = 3;

/// What a server failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offence {
    /// No connection to it could be made.
    Unreachable,
    /// It took the request and gave no whole head.
    Silent,
}

/// For how long to avoid a server that has now failed `in_a_row` times without a success between.
pub(super) fn avoid_for(offence: Offence, in_a_row: u32) -> Option<Duration> {
    let step = match offence {
        Offence::Unreachable => in_a_row.saturating_sub(1),
        Offence::Silent => in_a_row.checked_sub(SILENT_IN_A_ROW)?,
    };
    Some(FIRST.saturating_mul(1 << step.min(16)).min(LONGEST))
}

/// The memory of one server's failures. It advises; it never rules out the last server.
#[derive(Debug, Default)]
pub(super) struct Standing {
    in_a_row: AtomicU32,
    avoided_until: AtomicU64,
}

impl Standing {
    /// Whether other servers come first at `now`.
    pub(super) fn avoided(&self, now: Timestamp) -> bool {
        now.as_millis() < self.avoided_until.load(Relaxed)
    }

    /// Notes a reply.
    pub(super) fn succeeded(&self) {
        // Looked at before it is written: the line stays shared between cores while all is well.
        if self.in_a_row.load(Relaxed) != 0 {
            self.in_a_row.store(0, Relaxed);
            self.avoided_until.store(0, Relaxed);
        }
    }

    /// Notes a failure. One while the server is avoided says nothing new: all that were under way fail at once when a
    /// server goes, and that is one failure and not a hundred.
    pub(super) fn failed(&self, offence: Offence, now: Timestamp) {
        if self.avoided(now) {
            return;
        }
        let in_a_row = self.in_a_row.load(Relaxed).saturating_add(1);
        self.in_a_row.store(in_a_row, Relaxed);
        if let Some(span) = avoid_for(offence, in_a_row) {
            self.avoided_until.store(now.plus(span).as_millis(), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_doubles_and_is_bounded() {
        let check = |offence, in_a_row, millis: Option<u64>| {
            assert_eq!(
                avoid_for(offence, in_a_row),
                millis.map(Duration::from_millis),
                "{offence:?} {in_a_row}"
            );
        };
        check(Offence::Unreachable, 1, Some(500));
        check(Offence::Unreachable, 2, Some(1000));
        check(Offence::Unreachable, 6, Some(16_000));
        check(Offence::Unreachable, 7, Some(30_000));
        check(Offence::Unreachable, u32::MAX, Some(30_000));
        check(Offence::Silent, 1, None);
        check(Offence::Silent, 2, None);
        check(Offence::Silent, 3, Some(500));
        check(Offence::Silent, 4, Some(1000));
    }

    #[test]
    fn what_fails_at_once_fails_once() {
        let start = Timestamp::from_secs(100);
        let standing = Standing::default();
        for _ in 0..100 {
            standing.failed(Offence::Unreachable, start);
        }
        assert!(!standing.avoided(start.plus(FIRST)));
        standing.failed(Offence::Unreachable, start.plus(FIRST));
        assert!(standing.avoided(start.plus(FIRST * 3 - Duration::from_millis(1))));
        assert!(!standing.avoided(start.plus(FIRST * 3)));
    }

    #[test]
    fn a_success_clears_the_record() {
        let start = Timestamp::from_secs(100);
        let standing = Standing::default();
        standing.failed(Offence::Unreachable, start);
        assert!(standing.avoided(start));
        assert!(standing.avoided(start.plus(Duration::from_millis(499))));
        assert!(!standing.avoided(start.plus(Duration::from_millis(500))));

        standing.failed(Offence::Unreachable, start);
        standing.succeeded();
        assert!(!standing.avoided(start));
        standing.failed(Offence::Unreachable, start);
        assert!(!standing.avoided(start.plus(Duration::from_millis(500))), "counts from one again");
    }
}
