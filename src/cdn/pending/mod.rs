//! What a CDN has not taken yet: targets that wait, calls under way, and the jobs behind them. No clock, no sockets.
//!
//! ```text
//! job ─▶ targets ─▶ lanes (kind × mode) ─▶ call ─▶ taken ──▶ (second purge) ──▶ job settled
//!                      ▲      │ joined:             ├─▶ later: the same call again
//!                      │      │ a target once,      └─▶ refused: parts of it, down to one target ──▶ job buried
//!                      └──────┘ what a wider covers
//! ```
//!
//! What holds whatever happens:
//!
//! * a job ends, settled or buried, and only when every target of it has been sent after the job came, or was given up;
//! * a target is in one call at a time: what comes for it meanwhile is sent after that call ended, and so never overtaken
//!   by it;
//! * a call that failed is repeated as it was, under its name: an API that knows it by that does it once;
//! * no target is given up because another one in its call was refused.

mod calls;
mod join;
mod lane;
mod relief;
#[cfg(test)]
mod tests;

use super::{Call, CallId, Job, JobId, Target, TargetKind};
use crate::invalidation::{Mode, Position};
use crate::time::Timestamp;
use lane::{Lane, Link};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Jobs in hand at most; more stay in the queue, where they are as safe. Half a minute of second purges at a thousand writes a
/// second.
const MAX_JOBS: usize = 1 << 15;

/// Who waits for which target, about: 10 MiB or so. Beyond it no job is taken in hand.
const MAX_LINKS: usize = 1 << 17;

/// What a job may ask for, as far as room is kept: an append to a shared log has as many purges at most.
const LINKS_OF_JOB: usize = 256;

/// Who waits for which target, at most: some purges become many targets, and a job of a process alone may hold thousands. Beyond it
/// what waits becomes wider, whatever the rate.
const MOST_LINKS: usize = 2 * MAX_LINKS;

/// However old a job is when it comes to hand, it is tried for this long.
const GRACE: Duration = Duration::from_secs(60);

/// What a CDN has not taken yet.
#[derive(Debug)]
pub(super) struct Pending {
    second_purge: Option<Duration>,
    give_up_after: Duration,
    jobs: BTreeMap<JobId, Held>,
    lanes: [[Lane; 2]; 4],
    /// Calls to be made again, before any other of their kind.
    again: [VecDeque<Flight>; 4],
    under_way: HashMap<CallId, Flight>,
    /// Targets of all calls that are under way or to be made again.
    flying: HashSet<Target>,
    /// What is to be purged for the second time, by when.
    seconds: VecDeque<Second>,
    /// Jobs that ended and still stand in the queue.
    closed: VecDeque<JobId>,
    /// Jobs that were told for the first time, which somebody may wait for, and have yet to be told again.
    told: VecDeque<JobId>,
    /// Kinds whose last call failed: nothing is made to wait for them that could go another way.
    stuck: [bool; 4],
    /// Targets of each kind that were refused alone since one was taken.
    refused: [u32; 4],
    /// Of each kind that is refused, whether the newest has its turn next.
    newest_next: [bool; 4],
    last_number: u64,
    links: usize,
}

/// A job in hand.
#[derive(Debug)]
struct Held {
    position: Position,
    at: Timestamp,
    taken: Timestamp,
    /// When it is given up if its calls fail.
    until: Timestamp,
    /// What it waits for, the second purges too.
    left: usize,
    /// What it waits for the first time.
    first: usize,
    failed: Option<Arc<str>>,
}

#[derive(Debug)]
struct Flight {
    call: Arc<Call>,
    /// Who waits for each of its targets.
    links: Vec<BTreeSet<Link>>,
    /// It was sent as it is, under its name.
    sent: bool,
}

impl Flight {
    /// Keeps its first targets, `count` of them; returns a call of the others.
    fn divide(&mut self, count: usize) -> Self {
        let call = Arc::make_mut(&mut self.call);
        let targets = call.targets.split_off(count);
        let Call { id, kind, mode, .. } = *call;
        self.sent = false;
        let call = Arc::new(Call { id, kind, mode, targets });
        Self { call, links: self.links.split_off(count), sent: false }
    }
}

#[derive(Debug)]
struct Second {
    due: Timestamp,
    target: Target,
    mode: Mode,
    links: BTreeSet<Link>,
}

/// A call that is to be made now.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) call: Arc<Call>,
    /// The newest position that it answers to, …
    pub(super) newest: Position,
    /// … and when the last of its jobs came to hand.
    pub(super) taken: Timestamp,
}

/// Jobs of which the queue is to know the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// They were told for the first time, and stay.
    Tell(Vec<JobId>),
    /// They were told as often as they are to be.
    Settle(Vec<JobId>),
    /// They ended, and something of them was not told, for this reason.
    Bury(Vec<JobId>, Arc<str>),
}

impl Pending {
    pub(super) fn new(second_purge: Option<Duration>, give_up_after: Duration) -> Self {
        Self {
            second_purge,
            give_up_after,
            jobs: BTreeMap::new(),
            lanes: Default::default(),
            again: Default::default(),
            under_way: HashMap::new(),
            flying: HashSet::new(),
            seconds: VecDeque::new(),
            closed: VecDeque::new(),
            told: VecDeque::new(),
            stuck: [false; 4],
            refused: [0; 4],
            newest_next: [false; 4],
            last_number: 0,
            links: 0,
        }
    }

    /// How many more jobs may come to hand.
    pub(super) fn room(&self) -> usize {
        let by_links = MAX_LINKS.saturating_sub(self.links) / LINKS_OF_JOB;
        MAX_JOBS.saturating_sub(self.jobs.len()).min(by_links)
    }

    /// Takes a job in hand that asks for `targets`, or for some that cannot be said, because of `unsayable`. One that is in
    /// hand already is passed over; tells whether it was not.
    pub(super) fn add(
        &mut self,
        job: &Job,
        targets: Vec<(Target, Mode)>,
        unsayable: Option<Arc<str>>,
        now: Timestamp,
    ) -> bool {
        if self.jobs.contains_key(&job.id) {
            return false;
        }
        let due = job.at.min(now).plus(self.give_up_after);
        let held = Held {
            position: job.position,
            at: job.at,
            taken: now,
            until: due.max(now.plus(self.give_up_after.min(GRACE))),
            left: 0,
            first: 0,
            failed: unsayable,
        };
        self.jobs.insert(job.id, held);
        for (target, mode) in targets {
            self.place(target, mode, BTreeSet::from([Link { job: job.id, second: false }]), true, now);
        }
        if self.jobs.get(&job.id).is_some_and(|held| held.left == 0) {
            self.closed.push_back(job.id);
        }
        true
    }

    /// Queues again what is due for the second time. Returns when the next will be.
    pub(super) fn repeat(&mut self, now: Timestamp) -> Option<Timestamp> {
        while self.seconds.front().is_some_and(|second| second.due <= now) {
            let Some(Second { target, mode, links, .. }) = self.seconds.pop_front() else { break };
            self.place(target, mode, links, false, now);
        }
        self.seconds.front().map(|second| second.due)
    }

    /// Jobs that were told for the first time, or else jobs that ended and are to leave the queue; `limit` at most.
    pub(super) fn closing(&self, limit: usize) -> Option<Closing> {
        if !self.told.is_empty() {
            return Some(Closing::Tell(self.told.iter().take(limit).copied().collect()));
        }
        let of = |id: &JobId| self.jobs.get(id).and_then(|held| held.failed.clone());
        let reason = of(self.closed.front()?);
        let alike = self.closed.iter().filter(|id| of(id) == reason).take(limit).copied().collect();
        Some(match reason {
            None => Closing::Settle(alike),
            Some(reason) => Closing::Bury(alike, reason),
        })
    }

    /// The queue knows that they were told for the first time.
    pub(super) fn noted(&mut self, jobs: &[JobId]) {
        let noted: HashSet<_> = jobs.iter().collect();
        self.told.retain(|id| !noted.contains(id));
    }

    /// They left it.
    pub(super) fn left(&mut self, jobs: &[JobId]) {
        let gone: HashSet<_> = jobs.iter().collect();
        self.closed.retain(|id| !gone.contains(id));
        jobs.iter().for_each(|id| _ = self.jobs.remove(id));
    }

    /// Counts a link, or takes one away from a job that has others.
    fn count(&mut self, link: Link, by: isize) {
        let Some(held) = self.jobs.get_mut(&link.job) else { return };
        held.left = held.left.saturating_add_signed(by);
        if !link.second {
            held.first = held.first.saturating_add_signed(by);
        }
        self.links = self.links.saturating_add_signed(by);
    }

    /// Notes that a job was told something for the first time; when it was made, if that was all.
    fn told(&mut self, job: JobId) -> Option<Timestamp> {
        let held = self.jobs.get_mut(&job)?;
        held.first = held.first.saturating_sub(1);
        let all = held.first == 0 && held.failed.is_none();
        // Without a second purge it leaves the queue at once.
        if all && self.second_purge.is_some() {
            self.told.push_back(job);
        }
        all.then_some(held.at)
    }

    /// A job no longer waits for something.
    fn end(&mut self, link: Link, outcome: Result<(), &Arc<str>>) {
        let Some(held) = self.jobs.get_mut(&link.job) else { return };
        if let Err(reason) = outcome {
            held.failed.get_or_insert_with(|| Arc::clone(reason));
            if !link.second {
                held.first = held.first.saturating_sub(1);
            }
        }
        held.left = held.left.saturating_sub(1);
        self.links = self.links.saturating_sub(1);
        if held.left == 0 {
            self.closed.push_back(link.job);
        }
    }
}

fn index(kind: TargetKind) -> usize {
    kind as usize
}
