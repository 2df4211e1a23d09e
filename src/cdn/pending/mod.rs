//! What a CDN has not taken yet: targets that wait, calls under way, and the jobs behind them. No clock, no sockets.
//!
//! ```text
//! job ─▶ targets ─▶ lanes (kind × mode) ─▶ call ─▶ taken ──▶ (second purge) ──▶ job settled
//!                      ▲      │ joined:             ├─▶ later: the same call again
//!                      │      │ a target once,      └─▶ refused: halves of it, down to one target ──▶ job buried
//!                      └──────┘ what a wider covers
//! ```
//!
//! What holds whatever happens:
//!
//! * a job ends, settled or buried, and only when every target of it has been sent after the job came, or was given up;
//! * a target is in one call at a time: what comes for it meanwhile is sent after that call ended, and so never overtaken
//!   by it;
//! * a call that failed is repeated as it was, under its name: an API that knows it by that does it once.

mod lane;
mod relief;
#[cfg(test)]
mod tests;

use super::spelling::folder;
use super::{Call, CallId, Job, JobId, Limits, Location, Many, Target, TargetKind};
use crate::invalidation::{Mode, Position};
use crate::time::Timestamp;
use lane::{Entry, Lane, Link};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Jobs in hand at most; more stay in the queue, where they are as safe. Half a minute of second purges at a thousand writes a
/// second.
const MAX_JOBS: usize = 1 << 15;

/// Who waits for which target, at most: 10 MiB or so. Beyond it everything is purged in the place of what waits.
const MAX_LINKS: usize = 1 << 17;

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
    /// Kinds whose last call failed: nothing is made to wait for them that could go another way.
    stuck: [bool; 4],
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
    /// … and when the job of it came to hand.
    pub(super) taken: Timestamp,
}

/// Jobs that ended together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    Settle(Vec<JobId>),
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
            stuck: [false; 4],
            last_number: 0,
            links: 0,
        }
    }

    /// How many more jobs may come to hand.
    pub(super) fn room(&self) -> usize {
        if self.links >= MAX_LINKS { 0 } else { MAX_JOBS.saturating_sub(self.jobs.len()) }
    }

    /// Takes a job in hand that asks for `targets`, or for some that cannot be said, because of `unsayable`. One that is in
    /// hand already is passed over.
    pub(super) fn add(
        &mut self,
        job: &Job,
        targets: Vec<(Target, Mode)>,
        unsayable: Option<Arc<str>>,
        now: Timestamp,
    ) {
        if self.jobs.contains_key(&job.id) {
            return;
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
    }

    /// Queues again what is due for the second time. Returns when the next will be.
    pub(super) fn repeat(&mut self, now: Timestamp) -> Option<Timestamp> {
        while self.seconds.front().is_some_and(|second| second.due <= now) {
            let Some(Second { target, mode, links, .. }) = self.seconds.pop_front() else { break };
            self.place(target, mode, links, false, now);
        }
        self.seconds.front().map(|second| second.due)
    }

    /// When a call of this kind may be made, if any: at once if it is to be repeated or is full, else when the first of its
    /// targets has waited for `gather`.
    pub(super) fn ready_at(&self, kind: TargetKind, gather: Duration, limits: &Limits) -> Option<Timestamp> {
        if !self.again[index(kind)].is_empty() {
            return Some(Timestamp::ZERO);
        }
        let many = limits.many(kind)?;
        let ready = |lane: &Lane| {
            let first = lane.front(&self.flying)?;
            let full = lane.len() >= many.targets.saturating_add(self.flying.len());
            Some(if full { Timestamp::ZERO } else { first.since.plus(gather) })
        };
        self.lanes[index(kind)].iter().filter_map(ready).min()
    }

    /// The next call of this kind, under the name `id` unless it is one that is repeated.
    pub(super) fn take(&mut self, kind: TargetKind, limits: &Limits, id: CallId) -> Option<Ready> {
        let flight = match self.again[index(kind)].pop_front() {
            Some(flight) => flight,
            None => self.next_flight(kind, limits.many(kind)?, id)?,
        };
        let jobs = flight.links.iter().flatten().filter_map(|link| self.jobs.get(&link.job));
        let newest = jobs.max_by_key(|held| (held.position, held.taken));
        let ready = Ready {
            call: Arc::clone(&flight.call),
            newest: newest.map_or(Position::START, |held| held.position),
            taken: newest.map_or(Timestamp::ZERO, |held| held.taken),
        };
        self.under_way.insert(flight.call.id, flight);
        Some(ready)
    }

    /// A call was taken. Returns when the purges were made for whom this was the last thing to be told for the first time.
    pub(super) fn delivered(&mut self, id: CallId, now: Timestamp) -> Vec<Timestamp> {
        let Some(Flight { call, links }) = self.under_way.remove(&id) else { return Vec::new() };
        self.stuck[index(call.kind)] = false;
        let mut told = Vec::new();
        for (target, links) in call.targets.iter().zip(links) {
            self.flying.remove(target);
            let mut again = BTreeSet::new();
            for link in links {
                if !link.second {
                    told.extend(self.told(link.job));
                }
                match self.second_purge {
                    Some(_) if !link.second => _ = again.insert(Link { second: true, ..link }),
                    _ => self.end(link, Ok(())),
                }
            }
            if let Some(delay) = self.second_purge.filter(|_| !again.is_empty()) {
                let due = now.plus(delay);
                // Whoever was heard once gets the whole time again.
                for held in again.iter().map(|link| link.job) {
                    if let Some(held) = self.jobs.get_mut(&held) {
                        held.until = held.until.max(due.plus(self.give_up_after));
                    }
                }
                let second = Second { due, target: target.clone(), mode: call.mode, links: again };
                self.seconds.push_back(second);
            }
        }
        told
    }

    /// A call failed, for `reason`, and is to be made again. Gives up what has failed for too long; returns how many targets
    /// nobody waits for any more.
    pub(super) fn failed(&mut self, id: CallId, reason: &str, now: Timestamp) -> usize {
        let Some(flight) = self.under_way.remove(&id) else { return 0 };
        let kind = flight.call.kind;
        self.stuck[index(kind)] = true;
        self.again[index(kind)].push_back(flight);
        self.give_up(kind, &reason.into(), now)
    }

    /// A call was refused, for `reason`. Several targets are tried again by halves, under the names `ids`; what stands alone is
    /// given up. Returns whether it was.
    pub(super) fn refused(&mut self, id: CallId, reason: &str, ids: [CallId; 2]) -> bool {
        let Some(Flight { call, mut links }) = self.under_way.remove(&id) else { return false };
        self.stuck[index(call.kind)] = false;
        if let [target] = &call.targets[..] {
            self.flying.remove(target);
            let reason = Arc::from(reason);
            links.into_iter().flatten().for_each(|link| self.end(link, Err(&reason)));
            return true;
        }
        let middle = call.targets.len() / 2;
        let behind = links.split_off(middle);
        let (first, second) = call.targets.split_at(middle);
        for (id, targets, links) in [(ids[1], second, behind), (ids[0], first, links)] {
            let call = Call { id, kind: call.kind, mode: call.mode, targets: targets.to_vec() };
            self.again[index(call.kind)].push_front(Flight { call: Arc::new(call), links });
        }
        false
    }

    /// Jobs that ended and are to leave the queue, `limit` at most.
    pub(super) fn closing(&self, limit: usize) -> Option<Closing> {
        let of = |id: &JobId| self.jobs.get(id).and_then(|held| held.failed.clone());
        let reason = of(self.closed.front()?);
        let alike = self.closed.iter().filter(|id| of(id) == reason).take(limit).copied().collect();
        Some(match reason {
            None => Closing::Settle(alike),
            Some(reason) => Closing::Bury(alike, reason),
        })
    }

    /// They left it.
    pub(super) fn left(&mut self, jobs: &[JobId]) {
        let gone: HashSet<_> = jobs.iter().collect();
        self.closed.retain(|id| !gone.contains(id));
        jobs.iter().for_each(|id| _ = self.jobs.remove(id));
    }

    /// Puts a target where it waits for `links`, or lets them wait for what covers it. `fresh`: the links are not counted yet.
    fn place(&mut self, target: Target, mode: Mode, links: BTreeSet<Link>, fresh: bool, now: Timestamp) {
        if fresh {
            links.iter().for_each(|link| self.count(*link, 1));
        }
        let (target, mode) = self.covering(&target, mode).unwrap_or((target, mode));
        let lanes = &mut self.lanes[index(target.kind())];
        if let Some(entry) = lanes[mode as usize].get_mut(&target) {
            // A job that waits for it twice waits for it once.
            let twice: Vec<Link> = links.into_iter().filter(|link| !entry.links.insert(*link)).collect();
            return twice.into_iter().for_each(|link| self.count(link, -1));
        }
        self.last_number += 1;
        let entry = Entry { number: self.last_number, since: now, links };
        lanes[mode as usize].insert(target.clone(), entry);
        self.absorb(&target, mode, now);
    }

    /// What waits already and covers a target.
    fn covering(&self, target: &Target, mode: Mode) -> Option<(Target, Mode)> {
        let modes: &[Mode] = if mode == Mode::Hard { &[Mode::Hard] } else { &Mode::EACH };
        let waits = |target: Target| {
            let lanes = &self.lanes[index(target.kind())];
            let mode = modes.iter().find(|mode| lanes[**mode as usize].contains(&target))?;
            Some((target, *mode))
        };
        let flows = |kind: TargetKind| !self.stuck[index(kind)];
        let all = || flows(TargetKind::All).then(|| waits(Target::All))?;
        let own = || waits(target.clone());
        all().or_else(|| self.folders(target).into_iter().find_map(waits)).or_else(own)
    }

    /// Prefixes that would cover a target, the widest first, unless their kind is stuck.
    fn folders(&self, target: &Target) -> Vec<Target> {
        let prefixes = index(TargetKind::Prefix);
        let none = self.lanes[prefixes].iter().all(|lane| lane.len() == 0) || self.stuck[prefixes];
        let (Target::Url(Location { base, path }) | Target::Prefix(Location { base, path })) = target else {
            return Vec::new();
        };
        if none {
            return Vec::new();
        }
        let own = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
        let mut folders: Vec<Target> = std::iter::successors(Some(own), |path| folder(path))
            .map(|path| Target::Prefix(Location { base: base.clone(), path: path.into() }))
            .collect();
        folders.reverse();
        folders
    }

    /// Lets those who wait for what `target` covers wait for it.
    fn absorb(&mut self, target: &Target, mode: Mode, now: Timestamp) {
        if self.stuck[index(target.kind())] && mode == Mode::Hard {
            // The same target, soft, goes with it all the same.
            if let Some(entry) = self.lanes[index(target.kind())][Mode::Soft as usize].remove(target) {
                self.place(target.clone(), mode, entry.links, false, now);
            }
            return;
        }
        let modes: &[Mode] = if mode == Mode::Hard { &Mode::EACH } else { &[Mode::Soft] };
        let mut links = Vec::new();
        for (kind, lanes) in TargetKind::EACH.into_iter().zip(&mut self.lanes) {
            for of in modes {
                let lane = &mut lanes[*of as usize];
                let covered = match target {
                    Target::All => lane.targets().cloned().collect(),
                    Target::Prefix(place) => lane.below(kind, place),
                    Target::Url(_) | Target::Tag(_) => {
                        lane.contains(target).then(|| target.clone()).into_iter().collect()
                    }
                };
                for covered in covered {
                    if covered != *target || *of != mode {
                        links.extend(lane.remove(&covered).map(|entry| entry.links));
                    }
                }
            }
        }
        for links in links {
            self.place(target.clone(), mode, links, false, now);
        }
    }

    fn next_flight(&mut self, kind: TargetKind, many: Many, id: CallId) -> Option<Flight> {
        let lanes = &mut self.lanes[index(kind)];
        let number = |mode: Mode, flying| lanes[mode as usize].front(flying).map(|entry| entry.number);
        let mode = Mode::EACH.into_iter().filter(|mode| number(*mode, &self.flying).is_some());
        let mode = mode.min_by_key(|mode| number(*mode, &self.flying))?;
        let (targets, entries): (Vec<_>, Vec<_>) =
            lanes[mode as usize].cut(many, &self.flying).into_iter().unzip();
        self.flying.extend(targets.iter().cloned());
        let links = entries.into_iter().map(|entry| entry.links).collect();
        Some(Flight { call: Arc::new(Call { id, kind, mode, targets }), links })
    }

    /// Gives up what waits for calls of a kind that fails, and whose time is over.
    fn give_up(&mut self, kind: TargetKind, reason: &Arc<str>, now: Timestamp) -> usize {
        let jobs = &self.jobs;
        let over = |link: &Link| jobs.get(&link.job).is_none_or(|held| held.until <= now);
        let mut ended: Vec<Link> = Vec::new();
        let mut dead = 0;
        for flight in &mut self.again[index(kind)] {
            for links in &mut flight.links {
                let before = links.len();
                ended.extend(links.iter().copied().filter(over));
                links.retain(|link| !over(link));
                dead += usize::from(before > 0 && links.is_empty());
            }
        }
        let (kept, gone): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.again[index(kind)])
            .into_iter()
            .partition(|flight| flight.links.iter().any(|links| !links.is_empty()));
        self.again[index(kind)] = kept;
        for target in gone.iter().flat_map(|flight| &flight.call.targets) {
            self.flying.remove(target);
        }
        for lane in &mut self.lanes[index(kind)] {
            for target in lane.targets().cloned().collect::<Vec<_>>() {
                let Some(entry) = lane.get_mut(&target) else { continue };
                ended.extend(entry.links.iter().copied().filter(over));
                entry.links.retain(|link| !over(link));
                if entry.links.is_empty() {
                    lane.remove(&target);
                    dead += 1;
                }
            }
        }
        ended.into_iter().for_each(|link| self.end(link, Err(reason)));
        dead
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
        (held.first == 0 && held.failed.is_none()).then_some(held.at)
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
