//! The port of the queues: what keeps them has to do this, and nothing of how.

use super::{DeadLetter, Job, JobId};
use crate::invalidation::Position;
use crate::time::Timestamp;
use async_trait::async_trait;
use std::time::Duration;

/// The queue cannot be reached, or not in time; what was asked may still have been done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue of the CDN cannot be reached: {0}")]
pub struct OutboxError(pub String);

/// What stands in a queue, for `/stats` and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Jobs that wait or are being delivered.
    pub waiting: u64,
    /// When the oldest of them was queued.
    pub oldest: Option<Timestamp>,
    /// Dead letters.
    pub dead: u64,
    /// The last of them, newest first; few.
    pub last_dead: Vec<DeadLetter>,
}

/// What became of the job at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The CDN has taken all of it, once at least.
    Delivered,
    /// It has not.
    Outstanding,
    /// It was given up, for this reason.
    Dead(String),
}

/// The queues of purges for CDNs, one for each by the name of its CDN: ordered, and kept where they outlive this process.
///
/// Jobs come in by way of the invalidation log. Each call is one attempt with a deadline of its own; each can be repeated
/// without harm. One node at a time has the lead for a CDN; only it calls [`Outbox::recover`], [`Outbox::next`],
/// [`Outbox::told`], [`Outbox::settle`] and [`Outbox::bury`]. A node that lost the lead without knowing may deliver twice, no more.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Takes the lead for `cdn`, or keeps it, for `term` from now. `false`: another node has it.
    async fn lead(&self, cdn: &str, term: Duration) -> Result<bool, OutboxError>;

    /// Gives the lead up, so that another need not wait for its end.
    async fn resign(&self, cdn: &str) -> Result<(), OutboxError>;

    /// Jobs after `after` that were handed out, to whichever node, and not settled: oldest first, `limit` at most; an empty
    /// list ends them. Called when the lead was won, until it is empty; and again now and then, as a server that takes over from
    /// another brings back what had left.
    async fn recover(&self, cdn: &str, after: Option<JobId>, limit: usize) -> Result<Vec<Job>, OutboxError>;

    /// Waits until there are jobs that were not handed out yet, for `block` at most, and hands out the next ones.
    async fn next(&self, cdn: &str, limit: usize, block: Duration) -> Result<Vec<Job>, OutboxError>;

    /// Notes that the CDN has taken all of these jobs for the first time; they stay in the queue, since it is told again.
    async fn told(&self, cdn: &str, jobs: &[JobId]) -> Result<(), OutboxError>;

    /// Removes jobs that were delivered.
    async fn settle(&self, cdn: &str, jobs: &[JobId]) -> Result<(), OutboxError>;

    /// Turns jobs into dead letters, in one step. There is a most; beyond it one that names everything
    /// takes the place of the oldest, which is counted and logged.
    async fn bury(&self, cdn: &str, jobs: &[JobId], reason: &str) -> Result<(), OutboxError>;

    /// Queues all dead letters again, as the newest jobs; returns how many there were.
    async fn retry(&self, cdn: &str) -> Result<u64, OutboxError>;

    /// What stands in the queue.
    async fn backlog(&self, cdn: &str) -> Result<Backlog, OutboxError>;

    /// What became of the job at `position`, whatever holds up others. Which jobs were told is remembered of thousands; of an older
    /// one that has left the queue, and at a position that has no job of its own, those before it are looked at: it counts as
    /// delivered when none of them is outstanding.
    async fn standing(&self, cdn: &str, position: Position) -> Result<Wait, OutboxError>;
}
