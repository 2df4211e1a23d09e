//! What is remembered of keys that were not stored, so that requests need not find out again one after the other.

use super::flights::FlightKey;
use crate::time::Timestamp;
use moka::sync::Cache;
use std::time::Duration;

/// Keys remembered at most: at about 100 bytes each, some MiB.
const CAPACITY: u64 = 65_536;

/// How long a key counts as uncacheable. Long enough that those who meet its end and wait for one another are few;
/// short enough that an origin that starts to allow storing is believed soon.
const UNCACHEABLE_FOR: Duration = Duration::from_secs(60);

/// How long after a failed fill a stale reply is served without asking again, so that an origin that times out costs
/// one request its time, not every one.
const FAILING_FOR: Duration = Duration::from_secs(2);

/// What is remembered of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memo {
    /// Its last reply could not be stored, for this reason: requests go through side by side.
    Uncacheable(&'static str),
    /// Its last fill failed.
    Failing,
}

/// The memory of keys that were not stored.
#[derive(Debug)]
pub(super) struct Memos {
    notes: Cache<FlightKey, (Memo, Timestamp)>,
}

impl Memos {
    pub(super) fn new() -> Self {
        Self { notes: Cache::new(CAPACITY) }
    }

    pub(super) fn note(&self, key: FlightKey, memo: Memo, now: Timestamp) {
        let span = match memo {
            Memo::Uncacheable(_) => UNCACHEABLE_FOR,
            Memo::Failing => FAILING_FOR,
        };
        self.notes.insert(key, (memo, now.plus(span)));
    }

    pub(super) fn of(&self, key: FlightKey, now: Timestamp) -> Option<Memo> {
        let (memo, until) = self.notes.get(&key)?;
        if now < until {
            return Some(memo);
        }
        self.notes.invalidate(&key);
        None
    }

    pub(super) fn forget(&self, key: FlightKey) {
        self.notes.invalidate(&key);
    }

    pub(super) fn forget_all(&self) {
        self.notes.invalidate_all();
    }
}
