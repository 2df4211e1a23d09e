//! What can happen in a state, and what comes of it.

mod entries;
mod faults;
mod log;
mod purges;

use crate::rules::{Rule, Rules};
use crate::state::{Id, Intent, Log, Mode, NODES, Node, Outstanding, Record, Reply, State};
use crate::step::Step;
use crate::system::{Protocol, Scenario};

/// All that can happen next.
pub(crate) fn collect(protocol: &Protocol, state: &State, into: &mut Vec<(Step, State)>) {
    let mut collector = Collector { protocol, state, into };
    for node in 0..NODES {
        collector.fills(node);
        collector.follows(node);
        collector.purges(node);
        collector.faults_of(node);
    }
    collector.writes_alone();
    collector.tells();
    collector.faults();
}

/// Which server a node talks to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The one in office, in the term that the node knows.
    Log,
    /// The deposed one.
    Old,
    /// The one in office, which is in another epoch.
    Elsewhere,
    Nothing,
}

/// Collects what can happen in one state.
struct Collector<'a> {
    protocol: &'a Protocol,
    state: &'a State,
    into: &'a mut Vec<(Step, State)>,
}

impl Collector<'_> {
    fn rules(&self) -> Rules {
        self.protocol.rules
    }

    fn scenario(&self) -> Scenario {
        self.protocol.scenario
    }

    fn to(&mut self, step: Step, change: impl FnOnce(&mut State)) {
        let mut next = *self.state;
        change(&mut next);
        self.into.push((step, next));
    }

    /// What waits for the CDN is delivered.
    fn tells(&mut self) {
        let queue = self.state.log.queue();
        if self.scenario().cdn && queue > self.state.told {
            self.to(Step::Tell { version: queue }, |to| to.told = queue);
        }
    }

    /// The server that a node talks to.
    fn reach(&self, node: usize) -> Reach {
        let Node { cut, birth, term, .. } = self.state.nodes[node];
        let is = |log: &Log| log.birth == birth && log.term == term;
        if cut {
            Reach::Nothing
        } else if is(&self.state.log) {
            Reach::Log
        } else if self.state.old.as_ref().is_some_and(is) {
            Reach::Old
        } else {
            Reach::Elsewhere
        }
    }

    /// The log that a node can read and append to.
    fn log_of(&self, node: usize) -> Option<Log> {
        match self.reach(node) {
            Reach::Log => Some(self.state.log),
            Reach::Old => self.state.old,
            Reach::Elsewhere | Reach::Nothing => None,
        }
    }
}

/// What an append does to the intent of its write.
#[derive(Clone, Copy)]
enum Settle {
    Done,
    Swept,
    Leave,
}

impl Settle {
    fn of(purge: Outstanding) -> Self {
        if purge.lost { Self::Leave } else { Self::Done }
    }
}

fn commit(origin: &mut Reply, mute: bool) {
    origin.version += 1;
    origin.validator += u8::from(!mute);
}

/// What a purge of now promises: nothing older is served, or for a soft purge nothing that the origin tells apart.
fn promise(origin: Reply, mode: Mode) -> u8 {
    match mode {
        Mode::Hard => origin.version,
        Mode::Soft => origin.validator,
    }
}

fn log_mut(state: &mut State, reach: Reach) -> &mut Log {
    match (reach, &mut state.old) {
        (Reach::Old, Some(old)) => old,
        _ => &mut state.log,
    }
}

/// Appends a record to the log that is within reach.
fn add(state: &mut State, reach: Reach, id: Id, mode: Mode, settle: Settle, named: bool) {
    let version = promise(state.origin, mode);
    let log = log_mut(state, reach);
    let before = id.write().map_or(Intent::None, |write| log.intents[write]);
    log.records.push(Record { position: log.last() + 1, id, mode, version, before, named });
    if let Some(write) = id.write() {
        log.intents[write] = match settle {
            Settle::Done => Intent::None,
            Settle::Swept => Intent::Swept,
            Settle::Leave => before,
        };
    }
}

/// What is appended.
#[derive(Clone, Copy)]
struct Purge {
    id: Id,
    mode: Mode,
    settle: Settle,
    /// Whether who appends it knows what CDNs have to be told.
    named: bool,
}

/// Appends a record, and applies all that the caller had not applied.
fn append(state: &mut State, rules: Rules, node: usize, reach: Reach, purge: Purge) {
    let Purge { id, mode, settle, named } = purge;
    let with_it = rules.has(Rule::QueuedWithAppend);
    add(state, reach, id, mode, settle, named && with_it);
    if named && !with_it {
        state.nodes[node].unqueued = promise(state.origin, mode);
    }
    let log = *log_mut(state, reach);
    let is = &mut state.nodes[node];
    if is.applied < log.trimmed || is.load.is_some() {
        if let Some(record) = log.records.as_slice().last() {
            is.note(record, rules);
        }
        return;
    }
    while let Some(record) = log.next(state.nodes[node].applied) {
        state.nodes[node].apply(&record, rules);
    }
}
