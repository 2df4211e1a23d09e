//! Invalidations: appended in order, repeated where one is not enough.

use super::Engine;
use crate::invalidation::{Invalidation, LogError, Matcher, Mode, Position, Verdict};
use crate::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The longest a write may go on at the origin after Larder lost sight of it: a write in doubt is purged at once, and
/// again when this is over, because the origin may commit it late.
const WRITE_BOUND: Duration = Duration::from_secs(60);

/// Invalidations waiting to be repeated. Beyond it one that reaches everything takes the place of all of them: too
/// much rather than too little.
const MAX_REPEATS: usize = 65_536;

/// How often dead entries are looked for while there are any, and how many entries one look costs at most.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const SWEEP_BUDGET: usize = 10_000;

/// How long an append that the log refused waits before it is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What is still to be appended, and when. Kept by the invalidation itself, so that the same one waits only once for
/// each kind of delay.
#[derive(Debug)]
pub(super) struct Repeats {
    settle: Duration,
    waiting: Mutex<HashMap<(Invalidation, Why), Timestamp>>,
    added: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Why {
    /// Nobody could wait for it to be appended.
    Now,
    /// The origin may commit late.
    Doubt,
    /// The origin reads from replicas that lag.
    Settle,
}

impl Repeats {
    pub(super) fn new(settle: Duration) -> Self {
        Self { settle, waiting: Mutex::default(), added: Notify::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn add(&self, batch: &[Invalidation], why: Why, due: Timestamp) {
        let mut waiting = self.lock();
        for invalidation in batch {
            waiting.insert((invalidation.clone(), why), due);
        }
        if waiting.len() > MAX_REPEATS {
            let last = waiting.values().copied().max().unwrap_or(due);
            waiting.clear();
            let all = Invalidation { matcher: Matcher::All, mode: Mode::Hard };
            waiting.insert((all.clone(), Why::Now), Timestamp::ZERO);
            waiting.insert((all, Why::Doubt), last);
        }
        drop(waiting);
        self.added.notify_one();
    }

    /// Takes what is due; also tells when the next one is.
    fn take_due(&self, now: Timestamp) -> (Vec<Invalidation>, Option<Timestamp>) {
        let mut waiting = self.lock();
        let due =
            waiting.extract_if(|_, due| *due <= now).map(|((invalidation, _), _)| invalidation).collect();
        (due, waiting.values().copied().min())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Invalidation, Why), Timestamp>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Invalidates `batch`: a write that succeeded, an operator's purge. What it reaches is not served any more to
    /// requests that come after this returns.
    ///
    /// Fails when the log does not take it. It is then appended later, in any case, and the caller may say so.
    pub async fn invalidate(&self, batch: Vec<Invalidation>) -> Result<Position, LogError> {
        let appended = self.append(&batch).await;
        let now = self.clock.now();
        if appended.is_err() {
            self.repeats.add(&batch, Why::Now, now);
        }
        if !self.repeats.settle.is_zero() {
            self.repeats.add(&batch, Why::Settle, now.plus(self.repeats.settle));
        }
        appended
    }

    /// Invalidates `batch` although nobody can wait for it: a write whose outcome is unknown. It is purged at once, and
    /// once more when the origin cannot commit it any longer. Needs no runtime, so a destructor may call it.
    pub fn in_doubt(&self, batch: &[Invalidation]) {
        let now = self.clock.now();
        self.repeats.add(batch, Why::Now, now);
        self.repeats.add(batch, Why::Doubt, now.plus(WRITE_BOUND));
        if !self.repeats.settle.is_zero() {
            self.repeats.add(batch, Why::Settle, now.plus(self.repeats.settle));
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
            if !due.is_empty() && self.append(&due).await.is_err() {
                self.repeats.add(&due, Why::Now, now.plus(RETRY));
                continue;
            }
            let wait = next.map_or(SWEEP_INTERVAL, |next| next.since(now).min(SWEEP_INTERVAL));
            tokio::select! {
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

    async fn append(&self, batch: &[Invalidation]) -> Result<Position, LogError> {
        let position = self.log.append(batch.to_vec().into()).await?;
        for invalidation in batch {
            self.observer.invalidated(invalidation.matcher.kind());
        }
        Ok(position)
    }
}
