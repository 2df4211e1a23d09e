//! What the records of a journal add up to. Pure: the same records give the same state, wherever they are read.

use super::record::{self, Record};
use crate::cdn::{Backlog, DeadLetter, Job, JobId, Wait};
use crate::invalidation::{Invalidation, Matcher, Names, Position, Room, fold};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;

/// Jobs that wait for one CDN at most, and their bytes. At a thousand purges a second the first is a minute and a half, which no
/// CDN would catch up with one by one; the second is what a proxy beside a small service can spare. Beyond either, one job takes
/// the place of all that names [as much, or more](union).
pub(super) const MAX_JOBS: usize = 100_000;
const MAX_JOB_BYTES: usize = 64 << 20;

/// Open intents at most, and their bytes: a write in doubt leaves one for a minute. Beyond either, two take the place of all that
/// name as much, or more: one that is due when the first of them was, and one for the last.
pub(super) const MAX_INTENTS: usize = 65_536;
const MAX_INTENT_BYTES: usize = 64 << 20;

/// Dead letters of one CDN at most, and their bytes: as many as somebody would look through. Beyond either, one that names everything
/// takes the place of the oldest.
pub(super) const MAX_DEAD: usize = 1_000;
const MAX_DEAD_BYTES: usize = 16 << 20;

/// Bytes of the names of one record at most: tens of thousands of purges. In place of more there are [fewer and wider](fold) ones.
pub(super) const MAX_NAMES: usize = 4 << 20;

/// Bytes that stand around the text of a purge where it is named.
const NAMED: usize = 30;

/// Bytes of the reason of a dead letter.
const MAX_REASON: usize = 1 << 10;

/// What the reason of a letter says that stands for others, before the last of theirs.
const WIDENED: &str =
    "there were too many dead letters: this one purges everything in place of the oldest; the last of them: ";

/// Of so many of the last jobs that a CDN was told, of each, that is remembered: of four hundred a second, for as long as
/// anybody waits for one.
const MAX_TOLD: usize = 10_000;

/// Dead letters that a backlog shows.
const SHOWN_DEAD: usize = 10;

/// What a job, an intent or a dead letter takes beside its names and its reason, in memory and in the journal.
const OVERHEAD: usize = 128;

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

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Queue {
    jobs: BTreeMap<u64, Queued>,
    bytes: usize,
    dead: VecDeque<Dead>,
    dead_bytes: usize,
    /// The last job handed out by this process. Not part of the journal: another process hands all out again.
    handed: u64,
    /// Where the last jobs stand that the CDN has taken, once at least. Not part of the journal: whoever waits for one waits for
    /// this process.
    told: BTreeSet<Position>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Queued {
    position: Position,
    at: Timestamp,
    names: Names,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Dead {
    id: u64,
    job: Queued,
    buried: Timestamp,
    reason: Box<str>,
    /// It stands for letters that had no room: whatever was given up up to its position. Always the newest.
    widened: bool,
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
        if let Some(dead) = queue.dead.iter().rev().find(|dead| dead.job.position == position) {
            return Wait::Dead(dead.reason.to_string());
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

impl Queue {
    /// Puts a job behind all others; tells whether all were too many, and are one now.
    fn push(&mut self, id: u64, job: Queued) -> bool {
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
        true
    }

    fn take(&mut self, id: u64) -> Option<Queued> {
        let job = self.jobs.remove(&id)?;
        self.bytes -= weight(&job.names);
        Some(job)
    }

    /// Adds a dead letter. Where there is no room the oldest give way to one that names everything, which stays the newest;
    /// tells whether that is the first time.
    fn push_dead(&mut self, dead: Dead) -> bool {
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
    fn widened_by(self, others: Option<Self>) -> Self {
        let before = others.map_or(Position::START, |others| others.job.position);
        let last = self.reason.rsplit_once(WIDENED).map_or(&*self.reason, |(_, last)| last);
        Self {
            job: Queued { position: self.job.position.max(before), names: everything(), ..self.job },
            reason: short(&format!("{WIDENED}{last}")),
            widened: true,
            ..self
        }
    }

    fn weight(&self) -> usize {
        weight(&self.job.names) + written(self.reason.as_bytes())
    }
}

impl Queued {
    fn as_job(&self, id: u64) -> Job {
        Job { id: JobId(id), position: self.position, at: self.at, purges: read(&self.names) }
    }
}

/// What `names` name; what cannot be read is everything.
pub(super) fn read(names: &Names) -> Vec<Invalidation> {
    names.read().unwrap_or_else(|_| vec![Invalidation::hard(Matcher::All)])
}

/// The names of a batch, or of fewer and wider purges where they are too long for a record.
pub(super) fn bounded(batch: &[Invalidation]) -> Names {
    let fits = |names: &Names| names.as_bytes().len() <= MAX_NAMES;
    // Room for what has to be escaped, too.
    let room = Room { bytes: MAX_NAMES / 2, each: NAMED };
    let folded = || Some(Names::of(&fold(batch.iter().cloned(), room))).filter(fits);
    Some(Names::of(batch)).filter(fits).or_else(folded).unwrap_or_else(everything)
}

/// A reason that fits into a record.
pub(super) fn short(reason: &str) -> Box<str> {
    reason[..reason.floor_char_boundary(MAX_REASON)].into()
}

/// Names everything, hard.
pub(super) fn everything() -> Names {
    Names::of(&[Invalidation::hard(Matcher::All)])
}

/// Each name once, in the order of the first; fewer and wider ones where they are too many for a record.
pub(super) fn union<'a>(each: impl Iterator<Item = &'a Names>) -> Names {
    let mut seen = HashSet::new();
    let mut text = Vec::new();
    for line in each.flat_map(lines).filter(|line| seen.insert(*line)) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    let names = Names::from_bytes(&text);
    if text.len() <= MAX_NAMES { names } else { bounded(&read(&names)) }
}

fn lines(names: &Names) -> impl Iterator<Item = &[u8]> {
    names.as_bytes().split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

fn weight(names: &Names) -> usize {
    written(names.as_bytes()) + OVERHEAD
}

/// Bytes of a text in the journal, where it is a string of JSON: what has to be escaped takes up to six times as many.
fn written(text: &[u8]) -> usize {
    let escaped = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.iter().map(escaped).sum()
}
