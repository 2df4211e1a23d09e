//! What the records of a journal add up to. Pure: the same records give the same state, wherever they are read.

use super::names::{MAX_NAMES, everything, lines, union, weight};
use super::queue::{Dead, Queue, Queued};
use super::record::{self, Record};
use crate::cdn::{Backlog, DeadLetter, Job, JobId, Wait};
use crate::invalidation::{Names, Position};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

/// Open intents at most, and their bytes: a write in doubt leaves one for a minute. Beyond either, two take the place of all that
/// name as much, or more: one that is due when the first of them was, and one for the last.
pub(super) const MAX_INTENTS: usize = 65_536;
const MAX_INTENT_BYTES: usize = 64 << 20;

/// Of so many of the last jobs that a CDN was told, of each, that is remembered: of four hundred a second, for as long as
/// anybody waits for one.
const MAX_TOLD: usize = 10_000;

/// Dead letters that a backlog shows.
const SHOWN_DEAD: usize = 10;

/// When an intent is due that somebody else purges for, and takes back then. A process that begins with it finds it due at once.
pub(super) const NEVER: Timestamp = Timestamp::MAX;

/// Something that a record did beside what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Too many jobs wait for a CDN: one took their place.
    Folded(Box<str>),
    /// Too many intents are open: two took their place.
    IntentsFolded,
    /// Too many dead letters, for the first time since they were last tried again: one that names everything takes the place of
    /// the oldest.
    DeadWidened(Box<str>),
}

impl Effect {
    /// The word for metrics.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Folded(_) => "folded",
            Self::IntentsFolded => "folded_announced",
            Self::DeadWidened(_) => "dead_widened",
        }
    }
}

/// All that has to be remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Those that every purge is queued for.
    cdns: Vec<Box<str>>,
    /// Of those, and of others that once were and still have something.
    queues: BTreeMap<Box<str>, Queue>,
    intents: BTreeMap<u64, Intent>,
    /// The same, by when they are due.
    due: BTreeSet<(Timestamp, u64)>,
    intent_bytes: usize,
    /// The last number given to a job, and to an intent.
    last_job: u64,
    last_intent: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Intent {
    due: Timestamp,
    within: u64,
    names: Names,
    /// It is known to be on the disk, so what it names survives this process. Not part of the journal.
    kept: bool,
}

impl State {
    /// Takes a step. What it names and does not know (a job settled twice, a queue that is gone) is passed over.
    pub(super) fn apply(&mut self, record: &Record) -> Vec<Effect> {
        match record {
            Record::Cdns(cdns) => self.configure(cdns),
            Record::Intent { id, due, within, names } => return self.announce(*id, *due, *within, names),
            Record::Withdraw(ids) => self.settle_intents(ids),
            Record::Append { id, position, at, names, settles } => {
                self.settle_intents(settles);
                self.last_job = self.last_job.max(*id);
                if !names.is_empty() {
                    let job = Queued { position: *position, at: *at, names: names.clone() };
                    return self.queue(*id, &job);
                }
            }
            Record::Settle { cdn, jobs } => {
                if let Some(queue) = self.queues.get_mut(cdn) {
                    jobs.iter().for_each(|id| _ = queue.take(*id));
                }
            }
            Record::Bury { cdn, jobs, at, reason } => return self.bury(cdn, jobs, *at, reason),
            Record::Retry { cdn, first, at } => return self.retry(cdn, *first, *at),
            Record::Job { cdn, id, position, at, names } => {
                self.last_job = self.last_job.max(*id);
                let job = Queued { position: *position, at: *at, names: names.clone() };
                let folded = self.queues.entry(cdn.clone()).or_default().push(*id, job);
                return folded.then(|| Effect::Folded(cdn.clone())).into_iter().collect();
            }
            Record::Dead { cdn, id, position, at, names, buried, reason, widened } => {
                let job = Queued { position: *position, at: *at, names: names.clone() };
                let (buried, reason, widened) = (*buried, reason.clone(), *widened);
                let dead = Dead { id: *id, job, buried, reason, widened };
                let widened = self.queues.entry(cdn.clone()).or_default().push_dead(dead);
                return widened.then(|| Effect::DeadWidened(cdn.clone())).into_iter().collect();
            }
            Record::Last { job, intent } => {
                self.last_job = self.last_job.max(*job);
                self.last_intent = self.last_intent.max(*intent);
            }
        }
        Vec::new()
    }

    /// Writes a journal that adds up to this state.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = record::header();
        let mut put = |record: Record| record::encode(&record, &mut bytes);
        put(Record::Last { job: self.last_job, intent: self.last_intent });
        for (id, Intent { due, within, names, kept: _ }) in &self.intents {
            put(Record::Intent { id: *id, due: *due, within: *within, names: names.clone() });
        }
        for (cdn, queue) in &self.queues {
            for (id, Queued { position, at, names }) in &queue.jobs {
                let (cdn, names) = (cdn.clone(), names.clone());
                put(Record::Job { cdn, id: *id, position: *position, at: *at, names });
            }
            for Dead { id, job: Queued { position, at, names }, buried, reason, widened } in &queue.dead {
                put(Record::Dead {
                    cdn: cdn.clone(),
                    id: *id,
                    position: *position,
                    at: *at,
                    names: names.clone(),
                    buried: *buried,
                    reason: reason.clone(),
                    widened: *widened,
                });
            }
        }
        put(Record::Cdns(self.cdns.clone()));
        bytes
    }

    /// Bytes that it takes, about: in memory, and in a journal written anew.
    pub(super) fn weight(&self) -> usize {
        self.intent_bytes + self.queues.values().map(|queue| queue.bytes + queue.dead_bytes).sum::<usize>()
    }

    /// The CDNs that purges are queued for.
    pub(super) fn cdns(&self) -> &[Box<str>] {
        &self.cdns
    }

    /// CDNs that are no longer set up although jobs wait for them, and how many.
    pub(super) fn deserted(&self) -> impl Iterator<Item = (&str, usize)> {
        let deserted = self.queues.iter().filter(|(cdn, _)| !self.cdns.contains(cdn));
        deserted.map(|(cdn, queue)| (&**cdn, queue.jobs.len())).filter(|(_, jobs)| *jobs > 0)
    }

    /// Purges that wait for CDNs that are set up, or were given up for them, and open intents.
    pub(super) fn left(&self) -> (usize, usize) {
        let queues = self.cdns.iter().filter_map(|cdn| self.queues.get(cdn));
        (queues.map(|queue| queue.jobs.len() + queue.dead.len()).sum(), self.intents.len())
    }

    /// The first jobs of all CDNs that are set up, and what they name, together: `limit` at most, and no more than fits into a
    /// record.
    pub(super) fn first_jobs(&self, limit: usize) -> (Vec<u64>, Names) {
        let queues: Vec<_> = self.cdns.iter().filter_map(|cdn| self.queues.get(cdn)).collect();
        let jobs: BTreeSet<u64> =
            queues.iter().flat_map(|queue| queue.jobs.keys().copied().take(limit)).collect();
        let (mut taken, mut names, mut bytes) = (Vec::new(), Vec::new(), 0);
        for id in jobs.into_iter().take(limit) {
            // It says the same for each, but where it took the place of all.
            let job: Vec<_> = queues.iter().filter_map(|queue| Some(&queue.jobs.get(&id)?.names)).collect();
            bytes += job.iter().map(|names| names.as_bytes().len()).max().unwrap_or(0);
            if bytes > MAX_NAMES && !taken.is_empty() {
                break;
            }
            taken.push(id);
            names.extend(job);
        }
        (taken, union(names.into_iter()))
    }

    /// The last number given to a job.
    pub(super) fn last_job(&self) -> u64 {
        self.last_job
    }

    /// The number of the next job: its position, unless a letter that is tried again took that.
    pub(super) fn next_job(&self, position: Position) -> u64 {
        position.as_u64().max(self.last_job.saturating_add(1))
    }

    /// The number of the next intent.
    pub(super) fn next_intent(&self) -> u64 {
        self.last_intent.saturating_add(1)
    }

    /// Notes that an intent is on the disk.
    pub(super) fn kept(&mut self, intent: u64) {
        if let Some(intent) = self.intents.get_mut(&intent) {
            intent.kept = true;
        }
    }

    /// Whether an intent that is on the disk names all of `names`.
    pub(super) fn covers(&self, intent: u64, names: &Names) -> bool {
        let Some(intent) = self.intents.get(&intent).filter(|intent| intent.kept) else { return false };
        let announced: HashSet<_> = lines(&intent.names).collect();
        let everything = everything();
        lines(&everything).all(|all| announced.contains(all))
            || lines(names).all(|line| announced.contains(line))
    }

    /// How many intents are open.
    pub(super) fn intents(&self) -> usize {
        self.intents.len()
    }

    /// Begins a life at `now`: all intents are on the disk; none is later than it would be if it were announced now, whatever
    /// the clock said then.
    pub(super) fn wake(&mut self, now: Timestamp) {
        self.due.clear();
        for (id, intent) in &mut self.intents {
            intent.kept = true;
            intent.due = intent.due.min(now.plus(Duration::from_millis(intent.within)));
            self.due.insert((intent.due, *id));
        }
    }

    /// What all open intents name.
    pub(super) fn announced(&self) -> Names {
        union(self.intents.values().map(|intent| &intent.names))
    }

    /// The intents whose time is over, `limit` at most, and what they name.
    pub(super) fn due(&self, now: Timestamp, limit: usize) -> (Vec<u64>, Names) {
        let ids: Vec<_> =
            self.due.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| *id).take(limit).collect();
        let names = union(ids.iter().filter_map(|id| self.intents.get(id)).map(|intent| &intent.names));
        (ids, names)
    }

    /// When the next intent is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Whether a CDN has a queue.
    pub(super) fn knows(&self, cdn: &str) -> bool {
        self.queues.contains_key(cdn)
    }

    /// Jobs after `after` that were handed out and not settled.
    pub(super) fn handed_out(&self, cdn: &str, after: Option<JobId>, limit: usize) -> Vec<Job> {
        let Some(queue) = self.queues.get(cdn) else { return Vec::new() };
        let from = after.map_or(0, |JobId(id)| id.saturating_add(1));
        let jobs = (from <= queue.handed).then(|| queue.jobs.range(from..=queue.handed));
        jobs.into_iter().flatten().take(limit).map(|(id, job)| job.as_job(*id)).collect()
    }

    /// Hands out the next jobs.
    pub(super) fn hand_out(&mut self, cdn: &str, limit: usize) -> Vec<Job> {
        let Some(queue) = self.queues.get_mut(cdn) else { return Vec::new() };
        let next = queue.jobs.range(queue.handed.saturating_add(1)..).take(limit);
        let jobs: Vec<_> = next.map(|(id, job)| job.as_job(*id)).collect();
        queue.handed = jobs.last().map_or(queue.handed, |job| job.id.0);
        jobs
    }

    /// How many dead letters a CDN has.
    pub(super) fn dead(&self, cdn: &str) -> usize {
        self.queues.get(cdn).map_or(0, |queue| queue.dead.len())
    }

    /// What stands in a queue.
    pub(super) fn backlog(&self, cdn: &str) -> Backlog {
        let Some(queue) = self.queues.get(cdn) else { return Backlog::default() };
        let letter = |dead: &Dead| DeadLetter {
            job: dead.job.as_job(dead.id),
            buried: dead.buried,
            reason: dead.reason.to_string(),
        };
        Backlog {
            waiting: queue.jobs.len() as u64,
            oldest: queue.jobs.values().next().map(|job| job.at),
            dead: queue.dead.len() as u64,
            last_dead: queue.dead.iter().rev().take(SHOWN_DEAD).map(letter).collect(),
        }
    }

    /// Notes that a CDN has taken jobs, once at least.
    pub(super) fn told(&mut self, cdn: &str, jobs: &[JobId]) {
        let Some(queue) = self.queues.get_mut(cdn) else { return };
        queue.told.extend(jobs.iter().filter_map(|JobId(id)| queue.jobs.get(id)).map(|job| job.position));
        while queue.told.len() > MAX_TOLD {
            queue.told.pop_first();
        }
    }

    /// What became of the job at `position`.
    pub(super) fn standing(&self, cdn: &str, position: Position) -> Wait {
        let Some(queue) = self.queues.get(cdn) else { return Wait::Delivered };
        if queue.told.contains(&position) {
            return Wait::Delivered;
        }
        let is_its = |id: u64, job: &Queued| {
            job.position == position || (queue.stand_in == Some(id) && job.position >= position)
        };
        if let Some(dead) = queue.dead.iter().rev().find(|dead| is_its(dead.id, &dead.job)) {
            return Wait::Dead(dead.reason.to_string());
        }
        let stand_in = queue.stand_in.and_then(|id| queue.jobs.get(&id));
        if stand_in.is_some_and(|job| job.position >= position && !queue.told.contains(&job.position)) {
            return Wait::Outstanding;
        }
        // All of them, since a job that is tried again stands behind later ones.
        let mut before = queue.jobs.values().filter(|job| job.position <= position);
        if before.any(|job| !queue.told.contains(&job.position)) {
            return Wait::Outstanding;
        }
        match queue.dead.back().filter(|dead| dead.widened && dead.job.position >= position) {
            Some(dead) => Wait::Dead(dead.reason.to_string()),
            None => Wait::Delivered,
        }
    }

    fn configure(&mut self, cdns: &[Box<str>]) {
        self.cdns = cdns.to_vec();
        // What waits for one that is gone is kept: it may come back, and was never told.
        self.queues
            .retain(|cdn, queue| cdns.contains(cdn) || !(queue.jobs.is_empty() && queue.dead.is_empty()));
        for cdn in cdns {
            self.queues.entry(cdn.clone()).or_default();
        }
    }

    fn announce(&mut self, id: u64, due: Timestamp, within: u64, names: &Names) -> Vec<Effect> {
        self.add_intent(id, Intent { due, within, names: names.clone(), kept: false });
        if self.intents.len() <= MAX_INTENTS && self.intent_bytes <= MAX_INTENT_BYTES {
            return Vec::new();
        }
        let names = self.announced();
        let within = self.intents.values().map(|intent| intent.within).max().unwrap_or(within);
        // Nobody can take them back, so they have to be due one day.
        let mut dues = self.due.iter().map(|(due, _)| *due).take_while(|due| *due < NEVER);
        let first = dues.next().unwrap_or(Timestamp::ZERO);
        let ends = [first, dues.last().unwrap_or(first)];
        self.intents.clear();
        self.due.clear();
        self.intent_bytes = 0;
        // Were there only one for the last, more and more of them would put it off for ever. They have numbers that nobody has, so
        // that nobody settles them: they stay until they are due.
        for due in BTreeSet::from(ends) {
            let names = names.clone();
            self.add_intent(self.next_intent(), Intent { due, within, names, kept: false });
        }
        vec![Effect::IntentsFolded]
    }

    fn add_intent(&mut self, id: u64, intent: Intent) {
        self.settle_intents(&[id]);
        self.last_intent = self.last_intent.max(id);
        self.intent_bytes += weight(&intent.names);
        self.due.insert((intent.due, id));
        self.intents.insert(id, intent);
    }

    fn settle_intents(&mut self, ids: &[u64]) {
        for id in ids {
            if let Some(intent) = self.intents.remove(id) {
                self.due.remove(&(intent.due, *id));
                self.intent_bytes -= weight(&intent.names);
            }
        }
    }

    fn queue(&mut self, id: u64, job: &Queued) -> Vec<Effect> {
        let Self { cdns, queues, .. } = self;
        let folded = cdns.iter().filter(|cdn| {
            let queue = queues.entry((*cdn).clone()).or_default();
            queue.push(id, job.clone())
        });
        folded.map(|cdn| Effect::Folded(cdn.clone())).collect()
    }

    fn bury(&mut self, cdn: &str, jobs: &[u64], at: Timestamp, reason: &str) -> Vec<Effect> {
        let Some(queue) = self.queues.get_mut(cdn) else { return Vec::new() };
        let mut widened = false;
        for id in jobs {
            if let Some(job) = queue.take(*id) {
                let dead = Dead { id: *id, job, buried: at, reason: reason.into(), widened: false };
                widened |= queue.push_dead(dead);
            }
        }
        widened.then(|| Effect::DeadWidened(cdn.into())).into_iter().collect()
    }

    fn retry(&mut self, cdn: &str, first: u64, at: Timestamp) -> Vec<Effect> {
        let Some(queue) = self.queues.get_mut(cdn) else { return Vec::new() };
        queue.dead_bytes = 0;
        let dead = std::mem::take(&mut queue.dead);
        let mut folded = false;
        for (id, Dead { job, .. }) in (first..).zip(dead) {
            self.last_job = self.last_job.max(id);
            // It gets all of its time again.
            folded |= queue.push(id, Queued { at, ..job });
        }
        folded.then(|| Effect::Folded(cdn.into())).into_iter().collect()
    }
}
