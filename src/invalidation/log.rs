//! The port of the invalidation log, and the log of a single process.

use super::{Invalidation, Ledger, Place, Places, Position, Standing};
use crate::time::Clock;
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The log did not take an invalidation.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The log cannot be reached.
    #[error("the invalidation log is unavailable: {0}")]
    Unavailable(String),
}

/// Names an intent: what will have to be invalidated, recorded where it outlives this process before it is known whether
/// it will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntentId(pub u128);

/// What is appended.
#[derive(Clone, Debug, Default)]
pub struct Appending {
    /// What is invalidated.
    pub batch: Vec<Invalidation>,
    /// The intent that it was announced by.
    pub intent: Option<IntentId>,
    /// It is only feared that it happened, or that it will happen again: the intent stays, to be invalidated once more when
    /// its time is over.
    pub in_doubt: bool,
    /// Somebody waits until every node has applied it.
    pub urgent: bool,
    /// It is applied to this node when the append is polled for the first time, not only when it returns: for those who cannot
    /// wait.
    pub at_once: bool,
}

impl From<Vec<Invalidation>> for Appending {
    fn from(batch: Vec<Invalidation>) -> Self {
        Self { batch, ..Self::default() }
    }
}

/// How far a node is, compared with a place in the log that a client brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It has applied it.
    Applied,
    /// No log has handed it out, so it says nothing.
    Unknown,
    /// It has not applied it, or cannot tell.
    Behind,
}

/// Where invalidations get their order. An append has been applied to this node's ledger when it returns, whatever it
/// returns.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Appends a batch at one position, or at several following ones, and returns them. An empty batch appends nothing
    /// and returns the position applied.
    ///
    /// On failure the log appends it later by itself, in the order of the calls; so it does when the caller goes away.
    async fn append(&self, appending: Appending) -> Result<Places, LogError>;

    /// Records what will be invalidated if a write succeeds. `None`: it could not be recorded in time, or is of no use.
    async fn intend(&self, _batch: &[Invalidation]) -> Option<IntentId> {
        None
    }

    /// Has a batch purged again after `within`, also if this process is gone by then. Where that cannot be recorded nothing
    /// happens; the caller repeats it by itself in any case.
    async fn repeat(&self, _batch: &[Invalidation], _within: Duration) {}

    /// Takes an intent back: the write surely did not happen.
    fn withdraw(&self, _intent: IntentId) {}

    /// Waits a moment for what stands at `place` to be applied.
    async fn reach(&self, place: Place) -> Reach;

    /// Waits, `within` at most, until every node has applied what stands at `place`; names those that have not.
    async fn spread(&self, _place: Place, _within: Duration) -> Vec<String> {
        Vec::new()
    }
}

/// The log of a process on its own: a counter.
///
/// Positions follow the clock, so those of a process that starts again are later than all it gave out before.
pub struct LocalLog {
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
    /// The last position given out. Held while it is applied, so that the ledger sees positions in their order.
    last: Mutex<Position>,
}

impl LocalLog {
    /// A log that applies to `ledger`.
    pub fn new(ledger: Arc<Ledger>, clock: Arc<dyn Clock>) -> Self {
        let last = Mutex::new(ledger.applied());
        Self { ledger, clock, last }
    }

    /// Applies a batch at the next position, which it returns.
    pub fn append_now(&self, batch: &[Invalidation]) -> Position {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Position::next(self.clock.now(), *last, self.ledger.applied());
        self.ledger.apply(*last, batch);
        *last
    }
}

#[async_trait]
impl Log for LocalLog {
    async fn append(&self, Appending { batch, .. }: Appending) -> Result<Places, LogError> {
        let position = if batch.is_empty() { self.ledger.applied() } else { self.append_now(&batch) };
        Ok(Place { epoch: None, position }.into())
    }

    async fn reach(&self, place: Place) -> Reach {
        match self.ledger.standing(place) {
            Standing::Applied => Reach::Applied,
            // Nobody else hands out positions.
            Standing::Ahead | Standing::Beyond | Standing::Unknown => Reach::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::{Bearings, Fence, LedgerSettings, Matcher, Verdict};
    use crate::time::Timestamp;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct SetClock(AtomicU64);

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    fn log_at(millis: u64) -> (Arc<Ledger>, Arc<SetClock>, Arc<LocalLog>) {
        let settings = LedgerSettings { memory: 1 << 20, table_slots: 1 << 10 };
        let ledger = Arc::new(Ledger::new(&settings, Position::START));
        let clock = Arc::new(SetClock(AtomicU64::new(millis)));
        let log = LocalLog::new(Arc::clone(&ledger), Arc::clone(&clock) as Arc<dyn Clock>);
        (ledger, clock, Arc::new(log))
    }

    fn tag(text: &str) -> Vec<Invalidation> {
        vec![Invalidation::hard(Matcher::Tag(text.into()))]
    }

    #[tokio::test]
    async fn an_append_is_applied_when_it_returns() {
        let (ledger, clock, log) = log_at(1000);
        let bearings = Bearings::new("h", "/", "r", ["t"]).unwrap();
        assert_eq!(log.append(Appending::default()).await.unwrap().last().position, Position::START);
        let first = log.append(tag("t").into()).await.unwrap().last().position;
        assert_eq!(first, Position::at(Timestamp::from_millis(1000)));
        assert_eq!(ledger.applied(), first);
        assert_eq!(ledger.judge(Fence::at(Position::START), &bearings), Verdict::Dead);
        assert_eq!(ledger.judge(Fence::at(first), &bearings), Verdict::Live);
        clock.0.store(900, Ordering::Relaxed);
        let second = log.append(tag("t").into()).await.unwrap().last().position;
        assert_eq!(second.as_u64(), first.as_u64() + 1);
        assert_eq!(log.append(Appending::default()).await.unwrap().last().position, second);
    }

    #[test]
    fn appends_of_many_threads_keep_their_order() {
        let (ledger, _, log) = log_at(1);
        let append = |thread: u64| {
            let mut positions = Vec::new();
            for n in 0..500 {
                positions.push(log.append_now(&tag(&format!("{thread}-{n}"))));
                assert!(ledger.applied() >= *positions.last().unwrap());
            }
            positions
        };
        let append = &append;
        let each: Vec<Vec<Position>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || append(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(each.iter().all(|positions| positions.is_sorted()));
        let mut all = each.concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 2000);
        assert_eq!(ledger.applied(), *all.last().unwrap());
        assert_eq!(ledger.stats().exact, 2000);
    }
}
