//! The log of a process on its own whose announcements and queues outlive it.

use super::journal::{Core, Shared, Spool};
use super::names::{bounded, read};
use super::outbox::SpoolOutbox;
use super::record::Record;
use crate::cdn::Outbox;
use crate::invalidation::{
    Appending, IntentId, Invalidation, Ledger, LocalLog, Log, LogError, Names, Place, Places, Position, Reach,
};
use crate::time::Timestamp;
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked whether an intent is due, at the least.
const LOOK: Duration = Duration::from_secs(1);

/// Intents that are purged for by one record.
const AT_ONCE: usize = 1_000;

/// A [`LocalLog`] with a [`Spool`] behind it.
///
/// What is on the disk before somebody is answered:
///
/// * an intent, before the write is forwarded: from then on the origin may do it, and this process may die;
/// * a purge that is queued for CDNs, before its position is told. But one that answers an intent which is on the disk and names as
///   much is not waited for: a record is lost only with all behind it, so either it is there, or the intent is still open
///   and is purged at the start. An announced write costs one sync, not two;
/// * nothing else. A purge for this process alone ends with its memory. A repetition stands before the record that closes the
///   intent. Jobs that were settled in vain are delivered twice, and an intent taken back in vain is purged for.
///
/// The disk is waited for no longer than [`PATIENCE`](super::PATIENCE), and not at all while it is known to be ill. A write goes
/// on unannounced then, which is counted.
///
/// [`SpooledLog::run`] purges what is due; without it nothing is purged again.
pub struct SpooledLog {
    spool: Arc<Spool>,
    local: LocalLog,
    ledger: Arc<Ledger>,
    write_bound: Duration,
}

impl SpooledLog {
    /// A log that applies to `ledger`, which has to begin behind [`Spool::last`]. What an earlier process announced and did not
    /// settle is purged.
    pub fn new(spool: Arc<Spool>, ledger: Arc<Ledger>, write_bound: Duration) -> Arc<Self> {
        let local = LocalLog::new(Arc::clone(&ledger), Arc::clone(&spool.shared.clock));
        let log = Self { spool, local, ledger, write_bound };
        log.purge_announced();
        Arc::new(log)
    }

    /// The queues of the CDNs.
    pub fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(SpoolOutbox::new(Arc::clone(&self.spool)))
    }

    /// What does not work as it should, a sentence each.
    pub fn degraded(&self) -> Vec<String> {
        self.spool.degraded()
    }

    /// Syncs what is left, in a bounded time.
    pub async fn finish(&self) {
        self.spool.finish().await;
    }

    /// Gives the folder back, in a bounded time, for which it blocks.
    pub fn close(&self) {
        self.spool.close();
    }

    /// Purges intents when their time is over. Runs until it is dropped; a process runs one.
    pub async fn run(self: Arc<Self>) {
        loop {
            let now = self.shared().clock.now();
            let next = self.purge_due(now);
            tokio::time::sleep(next.map_or(LOOK, |due| due.since(now).min(LOOK))).await;
        }
    }

    fn shared(&self) -> &Shared {
        &self.spool.shared
    }

    /// At the start: what was announced may have been done.
    fn purge_announced(&self) {
        let core = &mut *self.shared().lock();
        let intents = core.state.intents();
        if intents > 0 {
            tracing::info!(intents, "writes of an earlier process were not settled: they are purged for");
            self.shared().observer.event("recovered");
            let names = core.state.announced();
            self.purge(core, &names, Vec::new());
        }
    }

    /// Purges what is due; tells when the next is.
    pub(super) fn purge_due(&self, now: Timestamp) -> Option<Timestamp> {
        loop {
            // Let go between one record and the next, as writes wait for it.
            let core = &mut *self.shared().lock();
            let (ids, names) = core.state.due(now, AT_ONCE);
            if ids.is_empty() {
                return core.state.next_due();
            }
            self.shared().observer.event("due");
            self.purge(core, &names, ids);
        }
    }

    fn purge(&self, core: &mut Core, names: &Names, settles: Vec<u64>) {
        let position = self.local.append_now(&read(names));
        let queued = if core.state.cdns().is_empty() { Names::NONE } else { names.clone() };
        self.journal(core, position, queued, settles, false);
    }

    fn journal(
        &self,
        core: &mut Core,
        position: Position,
        names: Names,
        settles: Vec<u64>,
        sync: bool,
    ) -> u64 {
        let (id, at) = (core.state.next_job(position), self.shared().clock.now());
        self.shared().record(core, &Record::Append { id, position, at, names, settles }, sync)
    }
}

#[async_trait]
impl Log for SpooledLog {
    async fn append(&self, appending: Appending) -> Result<Places, LogError> {
        // It is applied before the first thing that is waited for.
        let Appending { batch, intent, in_doubt, urgent: _, at_once: _ } = appending;
        let intent = intent.and_then(|IntentId(id)| u64::try_from(id).ok());
        let settled = intent.filter(|_| !in_doubt);
        if batch.is_empty() {
            self.spool.take_back(Vec::from_iter(settled));
            return Ok(Place { epoch: None, position: self.ledger.applied() }.into());
        }
        let queued = !self.shared().lock().state.cdns().is_empty();
        let names = if queued { bounded(&batch) } else { Names::NONE };
        let (position, wait) = {
            let core = &mut *self.shared().lock();
            // Under one lock, so that jobs stand in the order of their positions.
            let position = self.local.append_now(&batch);
            let covered = intent.is_some_and(|intent| core.state.covers(intent, &names));
            let sync = queued && !covered;
            let count = (queued || settled.is_some())
                .then(|| self.journal(core, position, names, Vec::from_iter(settled), sync));
            (position, count.filter(|_| sync))
        };
        if let Some(count) = wait
            && !self.shared().kept(count).await
        {
            // It is applied and queued, and lost only with this process; `/readyz` says so.
            self.shared().observer.event("unsynced");
        }
        Ok(Place { epoch: None, position }.into())
    }

    async fn intend(&self, batch: &[Invalidation]) -> Option<IntentId> {
        self.spool.intend(batch, self.write_bound).await
    }

    async fn repeat(&self, batch: &[Invalidation], within: Duration) {
        if self.shared().durable() {
            self.spool.announce(batch, within, false);
        }
    }

    fn withdraw(&self, IntentId(intent): IntentId) {
        if let Ok(intent) = u64::try_from(intent) {
            self.spool.take_back(vec![intent]);
        }
    }

    async fn reach(&self, place: Place) -> Reach {
        self.local.reach(place).await
    }
}

impl fmt::Debug for SpooledLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpooledLog").field("spool", &self.spool).finish_non_exhaustive()
    }
}
