//! Invalidations: appended in order, repeated where one is not enough.

use super::Engine;
use super::repeats::{Due, Why};
use crate::invalidation::{Appending, IntentId, Invalidation, LogError, Place, Places, Position, Verdict};
use crate::time::Timestamp;
use futures_util::FutureExt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often dead entries are looked for while there are any, and how many entries one look costs at most.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const SWEEP_BUDGET: usize = 10_000;

impl Engine {
    /// Invalidates `batch`: an operator's purge, a write that was not announced. What it reaches is not served any more by
    /// this node to requests that come after this returns, and by others when they have applied the position.
    ///
    /// Fails when the log does not take it in time. It is then appended later, in any case, and the caller may say so.
    pub async fn invalidate(&self, batch: Vec<Invalidation>) -> Result<Place, LogError> {
        self.invalidate_as(batch.into()).await.map(|places| places.last())
    }

    /// As [`Engine::invalidate`], with what else there is to say of it.
    pub async fn invalidate_as(&self, appending: Appending) -> Result<Places, LogError> {
        if !self.repeats.settle.is_zero() {
            let due = self.clock.now().plus(self.repeats.settle);
            self.repeats.add(&appending.batch, Why::Settle, Due::at(due));
            self.log.repeat(&appending.batch, self.repeats.settle).await;
        }
        self.append(appending).await
    }

    /// As [`Engine::invalidate_as`], for those who cannot wait: it is applied to this node when this returns, and appended in
    /// any case. What is returned ends when the log has answered, or did not in time; it may be dropped.
    pub fn invalidate_at_once(
        self: &Arc<Self>,
        appending: Appending,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let appending = Appending { at_once: true, ..appending };
        let settle = self.repeats.settle;
        let again = if settle.is_zero() { Vec::new() } else { appending.batch.clone() };
        if !settle.is_zero() {
            self.repeats.add(&again, Why::Settle, Due::at(self.clock.now().plus(settle)));
        }
        let engine = Arc::clone(self);
        let mut appended = Box::pin(async move {
            // What the log does not take in time it appends later by itself.
            let _later = engine.append(appending).await;
            if !again.is_empty() {
                engine.log.repeat(&again, settle).await;
            }
        });
        match (&mut appended).now_or_never() {
            Some(()) => Box::pin(std::future::ready(())),
            None => appended,
        }
    }

    /// Announces what a write will invalidate if it is done, where that outlives this process; waits for the log no longer
    /// than for an append. `None` where there is no such place, or it was not reached.
    pub async fn intend(&self, batch: &[Invalidation]) -> Option<IntentId> {
        self.log.intend(batch).await
    }

    /// Takes back what was announced: the write surely changed nothing.
    pub fn withdraw(&self, intent: IntentId) {
        self.log.withdraw(intent);
    }

    /// Waits, `within` at most, until every node has applied what stands at `place`; names those that have not.
    pub async fn spread(&self, place: Place, within: Duration) -> Vec<String> {
        self.log.spread(place, within).await
    }

    /// Invalidates `batch` although nobody can wait for it: a write whose outcome is unknown. It is purged at once, and
    /// again until the origin cannot commit it any longer. Needs no runtime, so a destructor may call it.
    pub fn in_doubt(&self, batch: &[Invalidation]) {
        let now = self.clock.now();
        self.repeats.add(batch, Why::Now, Due::at(now));
        self.repeats.add(batch, Why::Doubt, Due::doubted(now, self.repeats.write_bound));
        if !self.repeats.settle.is_zero() {
            self.repeats.add(batch, Why::Settle, Due::at(now.plus(self.repeats.settle)));
        }
    }

    /// Appends now what was to be repeated later: the process ends, and too early is better than never.
    pub async fn append_repeats(&self) {
        let (left, _) = self.repeats.take_due(Timestamp::MAX);
        if !left.is_empty() {
            // What the log does not take at once it has queued.
            let _later = self.append(left.into()).await;
        }
    }

    /// The position up to which this node has applied the log.
    pub fn position(&self) -> Position {
        self.ledger.applied()
    }

    /// What the engine does besides answering: repeats invalidations when they are due and takes dead entries out of
    /// memory. Runs until it is dropped; a process runs one.
    pub async fn upkeep(self: Arc<Self>) {
        let mut swept = self.ledger.applied();
        let mut next_sweep = Instant::now() + SWEEP_INTERVAL;
        loop {
            let now = self.clock.now();
            let (due, next) = self.repeats.take_due(now);
            if !due.is_empty() {
                // What the log does not take at once it appends later by itself.
                let _later = self.append(due.into()).await;
            }
            let wait = next.map_or(SWEEP_INTERVAL, |next| next.since(now).min(SWEEP_INTERVAL));
            tokio::select! {
            biased;
                () = tokio::time::sleep_until(next_sweep.min(Instant::now() + wait)) => {}
                () = self.repeats.added.notified() => {}
            }
            if Instant::now() >= next_sweep {
                self.sweep(&mut swept);
                next_sweep = Instant::now() + SWEEP_INTERVAL;
            }
        }
    }

    /// Takes dead entries out of memory, so that they do not push out live ones. `swept` is the position that the last
    /// round began with: what was invalidated while it went round is left to the next.
    fn sweep(&self, swept: &mut Position) {
        if !self.memory.is_sweeping() {
            let applied = self.ledger.applied();
            if *swept == applied {
                return;
            }
            *swept = applied;
        }
        self.memory.sweep(SWEEP_BUDGET, |entry| {
            self.ledger.judge_cached(entry.fence, &entry.bearings, entry.checked()) == Verdict::Dead
        });
    }

    async fn append(&self, appending: Appending) -> Result<Places, LogError> {
        for invalidation in &appending.batch {
            self.observer.invalidated(invalidation.matcher.kind());
        }
        self.log.append(appending).await
    }
}
