//! What waits for a CDN.

use crate::invalidation::{Invalidation, Position};
use crate::time::Timestamp;
use std::fmt;

/// Names a job in the queue of one CDN; later ones are greater. A job that was appended to the log has its position for a
/// name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One append of the log, for one CDN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// Where it stands in the log. A CDN that is told before every node has applied it may ask one that has not.
    pub position: Position,
    /// When it was purged for, by whose clock whatever: for the latency that is told.
    pub at: Timestamp,
    /// What was purged. What cannot be read any more is everything.
    pub purges: Vec<Invalidation>,
}

/// A job that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// What it was.
    pub job: Job,
    /// When it was given up.
    pub buried: Timestamp,
    /// Why, as an operator should read it; no secret is in it.
    pub reason: String,
}
