//! A log that is shared, and what it does not take: kept until it does.

use super::claim::Claim;
use super::journal::{Spool, SpoolError, SpoolObserver, SpoolSettings};
use super::leftovers::{AT_ONCE, append, hand_over};
use super::names::{bounded, read, union};
use super::waiting::Waiting;
use crate::invalidation::{Appending, IntentId, Invalidation, Log, LogError, Place, Places, Reach};
use crate::time::Clock;
use async_trait::async_trait;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// How often it is looked whether an intent is due, or a purge still waits for the log.
const LOOK: Duration = Duration::from_secs(1);

/// A log that is shared, with a [`Spool`] behind it for what it does not take.
///
/// * A purge that the log has only queued, in the memory of this process, stands in the spool until the log has it.
/// * A write that cannot be announced in the log is announced in the spool.
/// * What stands there when a process ends is appended by the next one that has the folder, along with what a process without a shared
///   log left.
///
/// While the log takes what it is handed nothing is written to the disk. That it has what it once queued is known from the next
/// purge that it takes; where nobody purges, the last one is handed to it again. The disk is waited for as by a
/// [`SpooledLog`](super::SpooledLog). Everything may be purged twice.
///
/// [`BackedLog::run`] hands over what was left, and purges what is due; without it neither is done.
pub struct BackedLog {
    log: Arc<dyn Log>,
    claim: Arc<Claim>,
    write_bound: Duration,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn SpoolObserver>,
    waiting: Mutex<Waiting>,
    /// Nothing of an earlier process has still to be handed over.
    handed_over: AtomicBool,
}

impl BackedLog {
    /// A log that hands everything to `log`. A folder that another process still uses is taken when that has ended.
    pub fn new(
        log: Arc<dyn Log>,
        settings: SpoolSettings,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn SpoolObserver>,
    ) -> Result<Arc<Self>, SpoolError> {
        let write_bound = settings.write_bound;
        let claim = Claim::new(settings, Arc::clone(&clock), Arc::clone(&observer))?;
        let (waiting, handed_over) = (Mutex::default(), AtomicBool::new(false));
        Ok(Arc::new(Self { log, claim, write_bound, clock, observer, waiting, handed_over }))
    }

    /// Hands over what was left in the spool, and keeps it in order. Runs until it is dropped; a process runs one.
    pub async fn run(self: Arc<Self>) {
        let Some(spool) = self.claim.taken().await else { return };
        self.lock().keep(|names| spool.keep(names.clone(), None).0);
        hand_over(&spool, &*self.log).await;
        self.handed_over.store(true, Relaxed);
        loop {
            let (due, names) = spool.shared.lock().state.due(self.clock.now(), AT_ONCE);
            let last = self.lock().names().next_back().map(read).and_then(|mut batch| batch.pop());
            if !due.is_empty() {
                self.hand(read(&names)).await;
                spool.take_back(due);
            } else if let Some(last) = last {
                self.hand(vec![last]).await;
            } else {
                sleep(LOOK).await;
            }
        }
    }

    /// What does not work as it should, a sentence each.
    pub fn degraded(&self) -> Vec<String> {
        let Some(spool) = self.claim.spool() else { return Vec::from_iter(self.claim.trouble()) };
        let left = (!self.handed_over.load(Relaxed)).then(|| spool.shared.lock().state.left());
        let left = left.filter(|left| *left != (0, 0)).map(|(jobs, intents)| {
            format!(
                "an earlier Larder left {jobs} purges for CDNs and {intents} announced writes or purges in the spool; they are being handed over to Redis"
            )
        });
        left.into_iter().chain(spool.degraded()).collect()
    }

    /// Syncs what is left, in a bounded time, when `emptied` has come to its end; that tells whether the log has all that it was
    /// handed. Returns whether what it has not will be appended by the next process.
    pub async fn finish(&self, emptied: impl Future<Output = bool>) -> bool {
        let handed = self.lock().last();
        if emptied.await {
            self.taken(handed);
        }
        let Some(spool) = self.claim.spool() else { return false };
        spool.finish().await;
        spool.degraded().is_empty()
    }

    /// Gives the folder back, in a bounded time, for which it blocks.
    pub fn close(&self) {
        self.claim.close();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the log has `batch`, and with it all that was handed to it before.
    async fn hand(&self, batch: Vec<Invalidation>) {
        let before = self.lock().last();
        append(&*self.log, batch).await;
        self.taken(before);
    }

    /// The log has what it was handed up to a number.
    fn taken(&self, upto: u64) {
        let intents = self.lock().taken(upto);
        if let Some(spool) = self.claim.spool().filter(|_| !intents.is_empty()) {
            spool.take_back(intents);
        }
    }

    /// Notes that the log has a purge in its queue alone; returns what to wait for.
    fn keep(&self, batch: &[Invalidation], answers: Option<u64>) -> Option<(Arc<Spool>, u64)> {
        let names = bounded(batch);
        // Locked first: whoever has just taken the folder looks here for what stands in no spool.
        let waiting = &mut *self.lock();
        let spool = self.claim.spool();
        let (names, replaced) = if waiting.has_room(&names) {
            (names, Vec::new())
        } else {
            (union(waiting.names().chain([&names])), waiting.taken(u64::MAX))
        };
        let Some(spool) = spool else {
            waiting.push(names, None);
            return None;
        };
        let (intent, wait) = spool.keep(names.clone(), answers);
        waiting.push(names, Some(intent));
        spool.take_back(replaced);
        wait.map(|count| (spool, count))
    }
}

/// An intent in the spool, if it is one: the log names its own by 128 random bits. Should half of those be zero, an intent stays in
/// the log, and is purged when its time is over.
fn spooled(IntentId(id): IntentId) -> Option<u64> {
    u64::try_from(id).ok()
}

/// A purge that the log was handed, and of which it has not said yet that it has it. Whoever waits for that may go away.
struct Handed<'a> {
    log: &'a BackedLog,
    batch: Vec<Invalidation>,
    /// The intent in the spool that it settles.
    answers: Option<u64>,
}

impl Drop for Handed<'_> {
    fn drop(&mut self) {
        if !self.batch.is_empty() {
            let _unsynced = self.log.keep(&self.batch, self.answers);
        }
    }
}

#[async_trait]
impl Log for BackedLog {
    async fn append(&self, appending: Appending) -> Result<Places, LogError> {
        let announced = appending.intent.and_then(spooled);
        // In doubt it stays until its time is over.
        let answers = announced.filter(|_| !appending.in_doubt);
        let intent = appending.intent.filter(|_| announced.is_none());
        let before = self.lock().last();
        let mut handed = Handed { log: self, batch: appending.batch.clone(), answers };
        // It is handed over before anything is waited for.
        let answer = self.log.append(Appending { intent, ..appending }).await;
        let batch = std::mem::take(&mut handed.batch);
        if answer.is_ok() {
            // An empty one says nothing of those before.
            if !batch.is_empty() {
                self.taken(before);
            }
            if let Some((spool, intent)) = self.claim.spool().zip(answers) {
                spool.take_back(vec![intent]);
            }
        } else if let Some((spool, count)) = self.keep(&batch, answers)
            && !spool.shared.kept(count).await
        {
            // It is lost only with this process; `/readyz` says so.
            self.observer.event("unsynced");
        }
        answer
    }

    async fn intend(&self, batch: &[Invalidation]) -> Option<IntentId> {
        if let Some(intent) = self.log.intend(batch).await {
            return Some(intent);
        }
        self.claim.spool()?.intend(batch, self.write_bound).await
    }

    async fn repeat(&self, batch: &[Invalidation], within: Duration) {
        self.log.repeat(batch, within).await;
    }

    fn withdraw(&self, intent: IntentId) {
        match spooled(intent).zip(self.claim.spool()) {
            Some((intent, spool)) => spool.take_back(vec![intent]),
            None => self.log.withdraw(intent),
        }
    }

    async fn reach(&self, place: Place) -> Reach {
        self.log.reach(place).await
    }

    async fn spread(&self, place: Place, within: Duration) -> Vec<String> {
        self.log.spread(place, within).await
    }
}

impl fmt::Debug for BackedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackedLog").field("waiting", &self.lock().names().count()).finish_non_exhaustive()
    }
}
