//! The port of the invalidation log, and the log of a single process.

use super::{Invalidation, Ledger, Position};
use crate::time::Clock;
use async_trait::async_trait;
use std::sync::{Arc, Mutex, PoisonError};

/// The log did not take an invalidation.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The log cannot be reached.
    #[error("the invalidation log is unavailable: {0}")]
    Unavailable(String),
}

/// Where invalidations get their order. An append has been applied to this node's ledger when it returns.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Appends `batch` at one position and returns it. An empty batch appends nothing and returns the position applied.
    async fn append(&self, batch: Vec<Invalidation>) -> Result<Position, LogError>;
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

    fn append_now(&self, batch: &[Invalidation]) -> Position {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Position::next(self.clock.now(), *last, self.ledger.applied());
        self.ledger.apply(*last, batch);
        *last
    }
}

#[async_trait]
impl Log for LocalLog {
    async fn append(&self, batch: Vec<Invalidation>) -> Result<Position, LogError> {
        Ok(if batch.is_empty() { self.ledger.applied() } else { self.append_now(&batch) })
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
        assert_eq!(log.append(Vec::new()).await.unwrap(), Position::START);
        let first = log.append(tag("t")).await.unwrap();
        assert_eq!(first, Position::at(Timestamp::from_millis(1000)));
        assert_eq!(ledger.applied(), first);
        assert_eq!(ledger.judge(Fence::at(Position::START), &bearings), Verdict::Dead);
        assert_eq!(ledger.judge(Fence::at(first), &bearings), Verdict::Live);
        clock.0.store(900, Ordering::Relaxed);
        let second = log.append(tag("t")).await.unwrap();
        assert_eq!(second.as_u64(), first.as_u64() + 1);
        assert_eq!(log.append(Vec::new()).await.unwrap(), second);
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
