//! The queue of the CDN, as one node reaches it at the server of the log: late, cut off, done although the answer was lost.

use super::server::Server;
use async_trait::async_trait;
use larder::cdn::{Backlog, Job, JobId, Outbox, OutboxError, Wait};
use larder::fleet::{NodeId, StoreError};
use larder::invalidation::{Invalidation, Names, Place};
use larder::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The queue, which a server holds and loses with its log.
#[derive(Clone, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<u64, Queued>,
    /// The greatest name that a job ever had.
    last: u64,
    handed: BTreeSet<u64>,
    dead: Vec<Queued>,
    lead: Option<(NodeId, Timestamp)>,
}

/// What the CDN has to be told.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    /// Where it stands in the log.
    pub(super) place: Place,
    /// When it was queued, …
    pub(super) at: Timestamp,
    /// … and as the how manieth thing of its world, since much happens in a millisecond.
    pub(super) order: u64,
    pub(super) names: Names,
}

impl Queued {
    pub(super) fn purges(&self) -> Vec<Invalidation> {
        self.names.read().expect("names that Larder wrote")
    }

    fn job(&self, id: u64) -> Job {
        Job { id: JobId(id), position: self.place.position, at: self.at, purges: self.purges() }
    }
}

impl Queue {
    /// Puts a job behind all others.
    pub(super) fn put(&mut self, job: Queued) {
        self.last = job.place.position.as_u64().max(self.last + 1);
        self.waiting.insert(self.last, job);
    }

    /// One that says everything, in the place of all there were, under a name that no append gives.
    pub(super) fn lose(&mut self, job: Queued, salt: u64) {
        let id = job.place.position.as_u64().max(job.at.as_millis() << 20).max(self.last + 1);
        self.last = id | 1 << 19 | salt;
        self.waiting = BTreeMap::from([(self.last, job)]);
        self.handed.clear();
    }

    /// Whether nothing waits in it, nor is buried.
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.dead.is_empty()
    }

    /// What was given up is queued again.
    pub(super) fn retry(&mut self) -> u64 {
        let dead = std::mem::take(&mut self.dead);
        let letters = dead.len() as u64;
        for letter in dead {
            self.last += 1;
            self.waiting.insert(self.last, letter);
        }
        letters
    }
}

impl Server {
    async fn of_queue<T>(
        &self,
        act: impl FnOnce(&mut Queue, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, OutboxError> {
        let none = || StoreError::Unavailable("there is no queue".to_owned());
        let acted = self.call(|inner, now| act(inner.queue().ok_or_else(none)?, now)).await;
        acted.map_err(|error| OutboxError(error.to_string()))
    }

    async fn hand_out(&self, limit: usize) -> Result<Vec<Job>, OutboxError> {
        self.of_queue(|queue, _| {
            if queue.lead.is_none_or(|(node, _)| node != self.node()) {
                return Err(StoreError::Unavailable("another node has the lead".to_owned()));
            }
            let fresh = queue.waiting.iter().filter(|(id, _)| !queue.handed.contains(id)).take(limit);
            let jobs: Vec<_> = fresh.map(|(id, job)| job.job(*id)).collect();
            queue.handed.extend(jobs.iter().map(|job| job.id.0));
            Ok(jobs)
        })
        .await
    }
}

#[async_trait]
impl Outbox for Server {
    async fn lead(&self, _cdn: &str, term: Duration) -> Result<bool, OutboxError> {
        self.of_queue(|queue, now| {
            let free = queue.lead.is_none_or(|(node, until)| node == self.node() || until <= now);
            if free {
                queue.lead = Some((self.node(), now.plus(term)));
            }
            Ok(free)
        })
        .await
    }

    async fn resign(&self, _cdn: &str) -> Result<(), OutboxError> {
        self.of_queue(|queue, _| {
            queue.lead = queue.lead.filter(|(node, _)| *node != self.node());
            Ok(())
        })
        .await
    }

    async fn recover(&self, _cdn: &str, after: Option<JobId>, limit: usize) -> Result<Vec<Job>, OutboxError> {
        self.of_queue(|queue, _| {
            let handed = queue.handed.iter().filter(|id| after.is_none_or(|after| **id > after.0));
            let jobs = handed.filter_map(|id| Some(queue.waiting.get(id)?.job(*id)));
            Ok(jobs.take(limit).collect())
        })
        .await
    }

    async fn next(&self, _cdn: &str, limit: usize, block: Duration) -> Result<Vec<Job>, OutboxError> {
        let deadline = tokio::time::Instant::now() + block;
        loop {
            let appended = self.appended.notified();
            let jobs = self.hand_out(limit).await?;
            if !jobs.is_empty() || tokio::time::timeout_at(deadline, appended).await.is_err() {
                return Ok(jobs);
            }
        }
    }

    async fn told(&self, _cdn: &str, jobs: &[JobId]) -> Result<(), OutboxError> {
        self.of_queue(|queue, _| {
            for job in jobs.iter().filter_map(|id| queue.waiting.get(&id.0)) {
                self.cdn().is_told(job, false);
            }
            Ok(())
        })
        .await
    }

    async fn settle(&self, _cdn: &str, jobs: &[JobId]) -> Result<(), OutboxError> {
        self.of_queue(|queue, _| {
            for job in jobs.iter().filter_map(|id| queue.waiting.remove(&id.0)) {
                self.cdn().is_told(&job, true);
            }
            Ok(())
        })
        .await
    }

    async fn bury(&self, _cdn: &str, jobs: &[JobId], _reason: &str) -> Result<(), OutboxError> {
        self.of_queue(|queue, _| {
            let dead = jobs.iter().filter_map(|id| queue.waiting.remove(&id.0));
            queue.dead.extend(dead.inspect(|_| self.cdn().count("buried")));
            Ok(())
        })
        .await
    }

    async fn retry(&self, _cdn: &str) -> Result<u64, OutboxError> {
        self.of_queue(|queue, _| Ok(queue.retry())).await
    }

    async fn backlog(&self, _cdn: &str) -> Result<Backlog, OutboxError> {
        self.of_queue(|queue, _| Ok(Backlog { waiting: queue.waiting.len() as u64, ..Backlog::default() }))
            .await
    }

    async fn standing(&self, _cdn: &str, _at: larder::invalidation::Position) -> Result<Wait, OutboxError> {
        unreachable!("nobody waits for the CDN in this world")
    }
}
