//! The queue of one CDN: jobs that wait, and dead letters. Bounded; what has no room is named by something wider.

use super::names::{everything, read, union, weight, written};
use crate::cdn::{Job, JobId};
use crate::invalidation::{Names, Position};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Jobs that wait for one CDN at most, and their bytes. At a thousand purges a second the first is a minute and a half, which no
/// CDN would catch up with one by one; the second is what a proxy beside a small service can spare. Beyond either, one job takes
/// the place of all that names [as much, or more](union).
pub(super) const MAX_JOBS: usize = 100_000;
const MAX_JOB_BYTES: usize = 64 << 20;

/// Dead letters of one CDN at most, and their bytes: as many as somebody would look through. Beyond either, one that names everything
/// takes the place of the oldest.
pub(super) const MAX_DEAD: usize = 1_000;
const MAX_DEAD_BYTES: usize = 16 << 20;

/// Bytes of the reason of a dead letter.
const MAX_REASON: usize = 1 << 10;

/// What the reason of a letter says that stands for others, before the last of theirs.
const WIDENED: &str =
    "there were too many dead letters: this one purges everything in place of the oldest; the last of them: ";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) jobs: BTreeMap<u64, Queued>,
    pub(super) bytes: usize,
    pub(super) dead: VecDeque<Dead>,
    pub(super) dead_bytes: usize,
    /// The last job handed out by this process. Not part of the journal: another process hands all out again.
    pub(super) handed: u64,
    /// Where the last jobs stand that the CDN has taken, once at least. Not part of the journal: whoever waits for one waits for
    /// this process.
    pub(super) told: BTreeSet<Position>,
    /// The last job that took the place of all that waited. Not part of the journal, for the same reason.
    pub(super) stand_in: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Queued {
    pub(super) position: Position,
    pub(super) at: Timestamp,
    pub(super) names: Names,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dead {
    pub(super) id: u64,
    pub(super) job: Queued,
    pub(super) buried: Timestamp,
    pub(super) reason: Box<str>,
    /// It stands for letters that had no room: whatever was given up up to its position. Always the newest.
    pub(super) widened: bool,
}

impl Queue {
    /// Puts a job behind all others; tells whether all were too many, and are one now.
    pub(super) fn push(&mut self, id: u64, job: Queued) -> bool {
        let (at, position) = (job.at, job.position);
        self.take(id);
        self.bytes += weight(&job.names);
        self.jobs.insert(id, job);
        if self.jobs.len() <= MAX_JOBS && self.bytes <= MAX_JOB_BYTES {
            return false;
        }
        let position = self.jobs.values().map(|job| job.position).max().unwrap_or(position);
        let all = Queued { position, at, names: union(self.jobs.values().map(|job| &job.names)) };
        self.jobs.clear();
        self.bytes = weight(&all.names);
        self.jobs.insert(id, all);
        self.stand_in = Some(id);
        true
    }

    pub(super) fn take(&mut self, id: u64) -> Option<Queued> {
        let job = self.jobs.remove(&id)?;
        self.bytes -= weight(&job.names);
        Some(job)
    }

    /// Adds a dead letter. Where there is no room the oldest give way to one that names everything, which stays the newest;
    /// tells whether that is the first time.
    pub(super) fn push_dead(&mut self, dead: Dead) -> bool {
        let known = self.dead.pop_back_if(|newest| newest.widened);
        let first = known.is_none() && !dead.widened;
        let mut widest = known.inspect(|known| self.dead_bytes -= known.weight());
        self.dead_bytes += dead.weight();
        self.dead.push_back(dead);
        // The one for the others is not among them yet.
        let most = |widest: &Option<Dead>| MAX_DEAD - usize::from(widest.is_some());
        while self.dead.len() > most(&widest)
            || (self.dead_bytes > MAX_DEAD_BYTES && self.dead.len() + usize::from(widest.is_some()) > 1)
        {
            let oldest = self.dead.pop_front().expect("there is one");
            self.dead_bytes -= oldest.weight();
            widest = Some(oldest.widened_by(widest));
        }
        let Some(widest) = widest else { return false };
        self.dead_bytes += widest.weight();
        self.dead.push_back(widest);
        first
    }
}

impl Dead {
    /// What stands for it, and for what `others` stands for.
    pub(super) fn widened_by(self, others: Option<Self>) -> Self {
        let before = others.map_or(Position::START, |others| others.job.position);
        let last = self.reason.rsplit_once(WIDENED).map_or(&*self.reason, |(_, last)| last);
        Self {
            job: Queued { position: self.job.position.max(before), names: everything(), ..self.job },
            reason: short(&format!("{WIDENED}{last}")),
            widened: true,
            ..self
        }
    }

    pub(super) fn weight(&self) -> usize {
        weight(&self.job.names) + written(self.reason.as_bytes())
    }
}

impl Queued {
    pub(super) fn as_job(&self, id: u64) -> Job {
        Job { id: JobId(id), position: self.position, at: self.at, purges: read(&self.names) }
    }
}

/// A reason that fits into a record.
pub(super) fn short(reason: &str) -> Box<str> {
    reason[..reason.floor_char_boundary(MAX_REASON)].into()
}
