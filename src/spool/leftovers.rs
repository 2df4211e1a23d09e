//! What an earlier process left in a spool, for one that shares its log: handed over to that, and only then taken out.

use super::disk::has_journal;
use super::journal::{Shared, Spool, SpoolError, SpoolObserver, SpoolSettings};
use super::record::Record;
use super::state::read;
use crate::invalidation::{Invalidation, Log, Names, Position};
use crate::time::{Clock, Timestamp};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// Jobs, or intents, that are handed over by one append.
const AT_ONCE: usize = 100;

/// Between two attempts to hand something over: at first, and at most. Each leaves a purge with the log that cannot take it now.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Between two looks whether the process that has the folder has ended.
const LOOK: Duration = Duration::from_secs(1);

/// The spool of an earlier process that had a log of its own, beside a log that is shared.
///
/// Purges that wait for CDNs, and those that were given up, are appended to the shared log, which queues them anew: for all its
/// CDNs, as it knows no other way. Announced writes are purged for at once, and again when their time is over, as in a process that
/// goes on with the spool. Nothing is taken out before the log has it, so a process that ends in between leaves it to the
/// next, which hands some over twice.
///
/// What waits for a CDN that is not set up stays where it is.
pub struct Leftovers {
    settings: SpoolSettings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn SpoolObserver>,
    state: Mutex<State>,
}

enum State {
    /// Another process has the folder.
    Elsewhere,
    /// This one has it.
    Here(Arc<Spool>),
    /// It cannot be read.
    Unreadable(String),
    /// Nothing is left.
    Gone,
}

impl Leftovers {
    /// Takes the folder, if anything was ever kept there; nothing is made. One that another process still uses is taken when
    /// that has ended.
    pub fn find(
        settings: SpoolSettings,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn SpoolObserver>,
    ) -> Result<Arc<Self>, SpoolError> {
        let found = Self { settings, clock, observer, state: Mutex::new(State::Elsewhere) };
        match found.take() {
            Ok(()) | Err(SpoolError::Locked(_)) => Ok(Arc::new(found)),
            Err(error) => Err(error),
        }
    }

    /// Hands over to `log` what is left; ends when that is done.
    pub async fn run(self: Arc<Self>, log: Arc<dyn Log>) {
        while matches!(*self.lock(), State::Elsewhere) {
            sleep(LOOK).await;
            let waiting = Arc::clone(&self);
            // Files are read.
            let taken = tokio::task::spawn_blocking(move || waiting.take()).await;
            if let Ok(Err(error)) = taken
                && !matches!(error, SpoolError::Locked(_))
            {
                tracing::error!(%error, "what an earlier Larder left in the spool cannot be handed over to Redis");
                *self.lock() = State::Unreadable(error.to_string());
            }
        }
        let Some(spool) = self.spool() else { return };
        hand_over(&spool, &*log).await;
        tracing::info!("what an earlier Larder left in the spool stands in Redis now");
        self.observer.event("handed_over");
        *self.lock() = State::Gone;
        // It waits for the disk.
        let _closed = tokio::task::spawn_blocking(move || spool.close()).await;
    }

    /// What does not work as it should, a sentence each.
    pub fn degraded(&self) -> Vec<String> {
        match &*self.lock() {
            State::Elsewhere => vec![
                "another process uses the spool: what it leaves there is handed over to Redis when it has ended".to_owned(),
            ],
            State::Here(spool) => {
                let (jobs, intents) = spool.shared.lock().state.left();
                let left = format!(
                    "an earlier Larder left {jobs} purges for CDNs and {intents} announced writes in the spool; they are being handed over to Redis"
                );
                [left].into_iter().chain(spool.degraded()).collect()
            }
            State::Unreadable(error) => {
                vec![format!("what an earlier Larder left in the spool cannot be handed over to Redis: {error}")]
            }
            State::Gone => Vec::new(),
        }
    }

    /// Gives the folder back, in a bounded time, for which it blocks.
    pub fn close(&self) {
        if let Some(spool) = self.spool() {
            spool.close();
        }
    }

    /// The spool, once this process has it.
    fn spool(&self) -> Option<Arc<Spool>> {
        match &*self.lock() {
            State::Here(spool) => Some(Arc::clone(spool)),
            State::Elsewhere | State::Unreadable(_) | State::Gone => None,
        }
    }

    fn take(&self) -> Result<(), SpoolError> {
        let Self { settings, clock, observer, state: _ } = self;
        let spool = match &settings.folder {
            Some(folder) if has_journal(folder) => {
                Some(Spool::open(settings, Arc::clone(clock), Arc::clone(observer))?)
            }
            _ => None,
        };
        if spool.as_ref().is_none_or(|spool| spool.shared.lock().state.is_empty()) {
            tracing::info!("nothing is left in the spool: `invalidation.spool` can be left out");
        }
        let left = spool.filter(|spool| spool.shared.lock().state.left() != (0, 0));
        *self.lock() = left.map_or(State::Gone, State::Here);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn hand_over(spool: &Spool, log: &dyn Log) {
    let shared = &*spool.shared;
    let announced = {
        let core = &mut *shared.lock();
        let (jobs, intents) = core.state.left();
        tracing::info!(
            jobs,
            intents,
            "an earlier Larder left purges in the spool: they are handed over to Redis"
        );
        // Letters become jobs again, which have another try.
        for (cdn, at) in core.state.cdns().to_vec().into_iter().map(|cdn| (cdn, shared.clock.now())) {
            if core.state.dead(&cdn) > 0 {
                let first = core.state.next_job(Position::at(at));
                shared.record(core, &Record::Retry { cdn, first, at }, false);
            }
        }
        read(&core.state.announced())
    };
    append(log, announced).await;
    loop {
        let (jobs, names) = first_jobs(shared);
        if jobs.is_empty() {
            break;
        }
        append(log, read(&names)).await;
        settle(shared, &jobs);
    }
    while let Some(due) = next_due(shared) {
        let now = shared.clock.now();
        if now < due {
            sleep(due.since(now).min(LOOK)).await;
            continue;
        }
        let (intents, names) = shared.lock().state.due(now, AT_ONCE);
        append(log, read(&names)).await;
        shared.record(&mut shared.lock(), &Record::Withdraw(intents), false);
    }
}

fn next_due(shared: &Shared) -> Option<Timestamp> {
    shared.lock().state.next_due()
}

fn first_jobs(shared: &Shared) -> (Vec<u64>, Names) {
    shared.lock().state.first_jobs(AT_ONCE)
}

fn settle(shared: &Shared, jobs: &[u64]) {
    let core = &mut *shared.lock();
    for cdn in core.state.cdns().to_vec() {
        shared.record(core, &Record::Settle { cdn, jobs: jobs.to_vec() }, false);
    }
}

/// Returns when the log has `batch`. It takes what it is handed in its order, so one more purge that it takes says that it has
/// all before.
async fn append(log: &dyn Log, batch: Vec<Invalidation>) {
    let Some(last) = batch.last().cloned() else { return };
    let (mut next, mut pause) = (batch, FIRST_PAUSE);
    while log.append(next.into()).await.is_err() {
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        next = vec![last.clone()];
    }
}

impl fmt::Debug for Leftovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leftovers").field("settings", &self.settings).finish_non_exhaustive()
    }
}
