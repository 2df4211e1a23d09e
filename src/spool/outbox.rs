//! The queues of the CDNs, as those who deliver see them.

use super::journal::{Shared, Spool};
use super::queue::short;
use super::record::Record;
use super::state::State;
use crate::cdn::{Backlog, Job, JobId, Outbox, OutboxError, Wait};
use crate::invalidation::Position;
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The queues of a [`Spool`]. This process always has the lead, since nobody else may use the folder.
///
/// What is settled and buried is written when the disk comes to it: a job that was settled in vain is delivered twice. Dead letters
/// that are tried again are jobs on the disk when the caller is told, if it answers in time; else they are in memory, which
/// `/readyz` tells.
pub struct SpoolOutbox {
    spool: Arc<Spool>,
}

impl SpoolOutbox {
    pub(super) fn new(spool: Arc<Spool>) -> Self {
        Self { spool }
    }

    fn shared(&self) -> &Shared {
        &self.spool.shared
    }

    /// Asks the state, if it has a queue for `cdn`.
    fn ask<T>(&self, cdn: &str, ask: impl FnOnce(&mut State) -> T) -> Result<T, OutboxError> {
        let core = &mut *self.shared().lock();
        if core.state.knows(cdn) { Ok(ask(&mut core.state)) } else { Err(unknown(cdn)) }
    }

    fn record(&self, cdn: &str, record: &Record) -> Result<(), OutboxError> {
        let core = &mut *self.shared().lock();
        if !core.state.knows(cdn) {
            return Err(unknown(cdn));
        }
        self.shared().record(core, record, false);
        Ok(())
    }
}

fn unknown(cdn: &str) -> OutboxError {
    OutboxError(format!("there is none for `{cdn}`"))
}

fn numbers(jobs: &[JobId]) -> Vec<u64> {
    jobs.iter().map(|JobId(id)| *id).collect()
}

#[async_trait]
impl Outbox for SpoolOutbox {
    async fn lead(&self, _cdn: &str, _term: Duration) -> Result<bool, OutboxError> {
        Ok(true)
    }

    async fn resign(&self, _cdn: &str) -> Result<(), OutboxError> {
        Ok(())
    }

    async fn recover(&self, cdn: &str, after: Option<JobId>, limit: usize) -> Result<Vec<Job>, OutboxError> {
        self.ask(cdn, |state| state.handed_out(cdn, after, limit))
    }

    async fn next(&self, cdn: &str, limit: usize, block: Duration) -> Result<Vec<Job>, OutboxError> {
        let mut jobs = self.shared().jobs.subscribe();
        let wait = async {
            loop {
                jobs.mark_unchanged();
                let next = self.ask(cdn, |state| state.hand_out(cdn, limit))?;
                // Without a sender the spool is gone, and so is whoever would queue anything.
                if !next.is_empty() || jobs.changed().await.is_err() {
                    return Ok(next);
                }
            }
        };
        timeout(block, wait).await.unwrap_or_else(|_| Ok(Vec::new()))
    }

    async fn told(&self, cdn: &str, jobs: &[JobId]) -> Result<(), OutboxError> {
        self.ask(cdn, |state| state.told(cdn, jobs))
    }

    async fn settle(&self, cdn: &str, jobs: &[JobId]) -> Result<(), OutboxError> {
        self.told(cdn, jobs).await?;
        self.record(cdn, &Record::Settle { cdn: cdn.into(), jobs: numbers(jobs) })
    }

    async fn bury(&self, cdn: &str, jobs: &[JobId], reason: &str) -> Result<(), OutboxError> {
        let (at, reason) = (self.shared().clock.now(), short(reason));
        self.record(cdn, &Record::Bury { cdn: cdn.into(), jobs: numbers(jobs), at, reason })
    }

    async fn retry(&self, cdn: &str) -> Result<u64, OutboxError> {
        let (dead, count) = {
            let core = &mut *self.shared().lock();
            if !core.state.knows(cdn) {
                return Err(unknown(cdn));
            }
            let dead = core.state.dead(cdn) as u64;
            if dead == 0 {
                return Ok(0);
            }
            let at = self.shared().clock.now();
            let first = core.state.next_job(Position::at(at));
            (dead, self.shared().record(core, &Record::Retry { cdn: cdn.into(), first, at }, true))
        };
        if !self.shared().kept(count).await {
            self.shared().observer.event("unsynced");
        }
        Ok(dead)
    }

    async fn backlog(&self, cdn: &str) -> Result<Backlog, OutboxError> {
        self.ask(cdn, |state| state.backlog(cdn))
    }

    async fn standing(&self, cdn: &str, position: Position) -> Result<Wait, OutboxError> {
        self.ask(cdn, |state| state.standing(cdn, position))
    }
}

impl fmt::Debug for SpoolOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpoolOutbox").field("spool", &self.spool).finish()
    }
}
