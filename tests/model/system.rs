//! What can happen.

use crate::node::Verdict;
use crate::rules::{Rule, Rules};
use crate::search::System;
use crate::state::{
    Budget, Entry, Fill, Id, Intent, Load, Log, Mode, NODES, Node, Outstanding, Record, Reply, Shared, State,
    Tail, Token, WRITES, Write,
};
use std::fmt;

/// A part of the protocol, small enough to be searched whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scenario {
    /// How often things may happen.
    pub(crate) budget: Budget,
    /// What the purge of each write does to what it reaches.
    pub(crate) modes: [Mode; WRITES],
    /// The server that a fail-over deposes goes on for those who are connected to it.
    pub(crate) split: bool,
    /// A node that is cut off cannot reach the shared tier either.
    pub(crate) far_tier: bool,
    /// An append can be taken without its answer arriving.
    pub(crate) lost_answers: bool,
    /// How far the stamps of the first node are ahead of the log in the beginning.
    pub(crate) past: u8,
    /// Reads of the log take time.
    pub(crate) slow_tail: bool,
    /// A fail-over can lose an intent in place of a record.
    pub(crate) lost_intents: bool,
    /// Entries found fresh count as checked up to the last stamp.
    pub(crate) checks: bool,
    /// A client brings the position of its write to another node.
    pub(crate) tokens: bool,
    /// The origin changes what it answers, but not its validator, when the purge is a hard one.
    pub(crate) mute: bool,
}

impl Scenario {
    fn is_mute(&self, write: usize) -> bool {
        self.mute && self.modes[write] == Mode::Hard
    }

    /// Whether the table behind the exact records is ever looked at.
    fn has_table(&self) -> bool {
        self.budget.trims > 0 || self.budget.evictions > 0
    }
}

/// A scenario under certain rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    pub(crate) scenario: Scenario,
    pub(crate) rules: Rules,
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Fill { node: u8, fence: u8 },
    Take { node: u8, entry: Entry },
    Check { node: u8 },
    Answer { node: u8, reply: Reply },
    Confirm { node: u8, reply: Reply },
    Store { node: u8 },
    Turn { node: u8 },
    Apply { node: u8, record: Record },
    Ask { node: u8 },
    Told { node: u8 },
    LoadPart { node: u8, first: bool },
    Follow { node: u8 },
    Evict { node: u8 },
    AppendAgain { node: u8, id: Id },
    Forward { node: u8, write: u8 },
    Commit { write: u8 },
    Append { node: u8, id: Id, at: u8 },
    Unanswered { node: u8, id: Id, at: u8 },
    Keep { node: u8, id: Id },
    Intend { node: u8, write: u8 },
    Crash { node: u8 },
    Sweep { node: u8, write: u8, last: bool },
    LateCommit { write: u8 },
    NoCommit { write: u8 },
    Cut { node: u8 },
    Heal { node: u8 },
    Limit,
    FailOver { lost: bool },
    FailOverIntent { write: u8 },
    Deposed,
    Birth,
    Trim,
}

impl Step {
    /// Whether it happens sooner or later by itself, so that without such steps all is quiet.
    fn is_owed(self) -> bool {
        !matches!(
            self,
            Self::Fill { .. }
                | Self::Take { .. }
                | Self::Check { .. }
                | Self::Answer { .. }
                | Self::Confirm { .. }
                | Self::Store { .. }
                | Self::Evict { .. }
                | Self::Forward { .. }
                | Self::Crash { .. }
                | Self::Cut { .. }
                | Self::Limit
                | Self::FailOver { .. }
                | Self::FailOverIntent { .. }
                | Self::Birth
                | Self::Trim
                | Self::Ask { .. }
                | Self::Told { .. }
        )
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fill { node, fence } => write!(f, "node {node} begins a fill, fence {fence}"),
            Self::Take { node, entry } => {
                write!(
                    f,
                    "node {node} takes version {} from the tier, fence {}",
                    entry.reply.version, entry.fence
                )
            }
            Self::Check { node } => write!(f, "node {node} finds its entry fresh"),
            Self::Answer { node, reply } => {
                write!(f, "the origin sends node {node} version {}", reply.version)
            }
            Self::Confirm { node, reply } => {
                write!(f, "the origin confirms version {} to node {node}", reply.version)
            }
            Self::Store { node } => {
                write!(f, "node {node} stores what it was sent, in memory and in the tier")
            }
            Self::Turn { node } => write!(f, "node {node} turns to the log as it is now"),
            Self::Apply { node, record } => {
                write!(f, "node {node} applies {:?} at {}", record.id, record.position)
            }
            Self::Ask { node } => {
                write!(f, "the log answers a read of node {node}, and the answer is under way")
            }
            Self::Told { node } => write!(f, "node {node} has read the log"),
            Self::LoadPart { node, first: true } => {
                write!(f, "node {node} reads the first part of the table")
            }
            Self::LoadPart { node, first: false } => {
                write!(f, "node {node} reads the last part of the table")
            }
            Self::Follow { node } => write!(f, "node {node} follows the log"),
            Self::Evict { node } => write!(f, "node {node} forgets its exact records"),
            Self::AppendAgain { node, id } => {
                write!(f, "node {node} appends {id:?}, which the log does not have")
            }
            Self::Forward { node, write } => write!(f, "node {node} forwards write {write}"),
            Self::Commit { write } => write!(f, "the origin commits write {write}"),
            Self::Append { node, id, at } => write!(f, "node {node} appends {id:?} at {at}"),
            Self::Unanswered { node, id, at } => {
                write!(f, "node {node} appends {id:?} at {at} and gets no answer; it applies it to itself")
            }
            Self::Keep { node, id } => write!(f, "node {node} cannot append {id:?} and applies it to itself"),
            Self::Intend { node, write } => {
                write!(f, "node {node} records the intent of write {write} again")
            }
            Self::Crash { node } => write!(f, "node {node} dies and starts again"),
            Self::Sweep { node, write, last: false } => {
                write!(f, "node {node} sweeps the intent of write {write}")
            }
            Self::Sweep { node, write, last: true } => {
                write!(f, "node {node} sweeps the intent of write {write} for the last time")
            }
            Self::LateCommit { write } => write!(f, "the origin commits write {write}, late"),
            Self::NoCommit { write } => write!(f, "the origin never commits write {write}"),
            Self::Cut { node } => write!(f, "node {node} is cut off"),
            Self::Heal { node } => write!(f, "node {node} is not cut off any more"),
            Self::Limit => f.write_str("the limit passes"),
            Self::FailOver { lost: true } => f.write_str("a fail-over loses the last record"),
            Self::FailOver { lost: false } => f.write_str("a fail-over"),
            Self::FailOverIntent { write } => write!(f, "a fail-over loses the intent of write {write}"),
            Self::Deposed => f.write_str("the deposed server ends"),
            Self::Birth => f.write_str("the log's server loses everything"),
            Self::Trim => f.write_str("the stream is trimmed to nothing"),
        }
    }
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

impl System for Protocol {
    type State = State;
    type Step = Step;

    fn initial(&self) -> State {
        let log = Log::default();
        let mut nodes = [Node::started(&log, 0); NODES];
        nodes[0] = Node::started(&log, self.scenario.past);
        State { log, nodes, budget: self.scenario.budget, ..State::default() }
    }

    fn successors(&self, state: &State, into: &mut Vec<(Step, State)>) {
        let mut collector = Collector { protocol: self, state, into };
        for node in 0..NODES {
            collector.fills(node);
            collector.follows(node);
            collector.purges(node);
            collector.faults_of(node);
        }
        collector.writes_alone();
        collector.faults();
    }

    fn canonical(&self, mut state: State) -> State {
        let same_term = state.nodes.iter().all(|node| node.term == state.log.term);
        for node in &mut state.nodes {
            if !self.scenario.has_table() {
                (node.table, node.reach) = Default::default();
            }
            if state.budget.fail_overs == 0 && same_term {
                node.records = Default::default();
            }
            // Stamps only rise: what is dead stays dead, and is as good as gone.
            if self.rules.has(Rule::HardIsFinal) {
                node.memory = node.memory.filter(|entry| node.judge(entry, self.rules) != Verdict::Dead);
            }
        }
        if state.nodes[0] > state.nodes[1] {
            state.nodes.swap(0, 1);
            for write in &mut state.writes {
                *write = match *write {
                    Write::Forwarded(node) => Write::Forwarded(1 - node),
                    Write::Committed(node) => Write::Committed(1 - node),
                    other => other,
                };
            }
        }
        state
    }

    fn fault(&self, state: &State, successors: &[(Step, State)]) -> Option<String> {
        let quiet = !successors.iter().any(|(step, _)| step.is_owed());
        (0..NODES).find_map(|node| self.fault_of(state, node, quiet))
    }
}

impl Protocol {
    /// What is wrong with what a node would serve from memory. What it would take from the tier is in memory one step later.
    fn fault_of(&self, state: &State, node: usize, quiet: bool) -> Option<String> {
        let Node { memory, promised: [hard, soft], .. } = state.nodes[node];
        let entry = memory?;
        let served = entry.reply.version;
        let verdict = state.nodes[node].judge(&entry, self.rules);
        if !matches!(verdict, Verdict::Stale | Verdict::Fresh) {
            return None;
        }
        let told =
            |what: &str, wanted: u8| Some(format!("node {node} serves version {served} {what} {wanted}"));
        if served < hard {
            return told("having applied the purge of what was before version", hard);
        }
        if verdict == Verdict::Stale {
            return None;
        }
        if entry.reply.validator < soft {
            return told("as fresh, having applied the soft purge of what was before version", soft);
        }
        if served < state.due {
            return told(
                "although the limit has passed since the purge of what was before version",
                state.due,
            );
        }
        if quiet && served < state.origin.version {
            return told("although all is quiet and the origin has version", state.origin.version);
        }
        let token = state.token.filter(|token| served < token.version)?;
        if self.answers_from_memory(state, node, token) {
            return told("to a client that wrote version", token.version);
        }
        None
    }

    /// Whether a request that brings a position is answered from memory.
    fn answers_from_memory(&self, state: &State, node: usize, token: Token) -> bool {
        let Node { applied, term, cut, .. } = state.nodes[node];
        let rules = self.rules;
        if !rules.has(Rule::BroughtPosition) {
            return true;
        }
        if rules.has(Rule::BroughtTerm) && token.term != term {
            let ends = state.log.ends.as_slice().iter().take(term.into()).skip(token.term.into());
            return token.term < term
                && applied >= token.position
                && ends.min().is_some_and(|end| token.position <= *end);
        }
        if applied >= token.position {
            return true;
        }
        if !rules.has(Rule::AskedPosition) {
            return true;
        }
        let moved = rules.has(Rule::BroughtTerm) && state.log.term != term;
        !cut && !moved && token.position > state.log.last()
    }
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

    fn fills(&mut self, node: usize) {
        let (name, rules, is) = (node as u8, self.rules(), self.state.nodes[node]);
        let verdict = is.memory.map(|entry| is.judge(&entry, rules));
        if self.scenario().checks
            && verdict == Some(Verdict::Fresh)
            && is.memory.is_some_and(|entry| entry.fence < is.last)
        {
            self.to(Step::Check { node: name }, |to| {
                to.nodes[node].memory = is.memory.map(|entry| Entry { fence: is.last, ..entry });
            });
        }
        let Some(fill) = is.fill else {
            if verdict != Some(Verdict::Fresh) {
                self.begins(node, verdict);
            }
            return;
        };
        let Some(reply) = fill.answer else {
            self.answers(node, fill);
            return;
        };
        self.to(Step::Store { node: name }, |to| {
            let (fence, shared) = if rules.has(Rule::FenceFirst) {
                (fill.fence, fill.shared)
            } else {
                (is.fence(), is.shared_fence())
            };
            let Fill { unproven, aged, .. } = fill;
            let entry = Entry { reply, fence, unproven, aged };
            if is.judge(&entry, rules) != Verdict::Dead {
                to.nodes[node].memory = Some(entry);
            }
            to.nodes[node].fill = None;
            if !(is.cut && self.protocol.scenario.far_tier) {
                to.tier = Some(Shared { reply, fence: shared, aged });
            }
        });
    }

    fn begins(&mut self, node: usize, verdict: Option<Verdict>) {
        let (name, rules, is) = (node as u8, self.rules(), self.state.nodes[node]);
        let kept = verdict.is_some_and(|verdict| verdict != Verdict::Dead || !rules.has(Rule::HardIsFinal));
        let fill = Fill {
            fence: is.fence(),
            shared: is.shared_fence(),
            base: is.memory.filter(|_| kept).map(|entry| entry.reply),
            ..Fill::default()
        };
        self.to(Step::Fill { node: name, fence: fill.fence }, |to| to.nodes[node].fill = Some(fill));
        if is.cut && self.scenario().far_tier {
            return;
        }
        let adopted = self.state.tier.and_then(|shared| is.adopt(&shared, &self.state.log, rules));
        if let Some(entry) =
            adopted.filter(|entry| is.judge(entry, rules) != Verdict::Dead && is.memory != Some(*entry))
        {
            self.to(Step::Take { node: name, entry }, |to| to.nodes[node].memory = Some(entry));
        }
    }

    fn answers(&mut self, node: usize, fill: Fill) {
        let (name, origin) = (node as u8, self.state.origin);
        let strong = self.rules().has(Rule::StrongOnly);
        let mut set = |step, reply| {
            self.to(step, |to| to.nodes[node].fill = Some(Fill { answer: Some(reply), base: None, ..fill }));
        };
        set(Step::Answer { node: name, reply: origin }, origin);
        if let Some(reply) = fill.base.filter(|reply| !strong || reply.validator == origin.validator) {
            set(Step::Confirm { node: name, reply }, reply);
        }
    }

    fn follows(&mut self, node: usize) {
        let (name, rules, is) = (node as u8, self.rules(), self.state.nodes[node]);
        let reach = self.reach(node);
        if matches!(reach, Reach::Elsewhere | Reach::Old) {
            self.to(Step::Turn { node: name }, |to| to.nodes[node].turn_to(&to.log, rules));
        }
        let Some(log) = self.log_of(node) else { return };
        if self.scenario().budget.evictions > 0 && self.state.budget.evictions > 0 {
            self.to(Step::Evict { node: name }, |to| {
                to.nodes[node].evict();
                to.budget.evictions -= 1;
            });
        }
        if let Some(load) = is.load {
            let first = load.first.is_none();
            self.to(Step::LoadPart { node: name, first }, |to| to.nodes[node].load_part(&log, load, rules));
            return;
        }
        if is.applied < log.trimmed && rules.has(Rule::Gap) {
            let load = Load { from: log.last(), first: None };
            self.to(Step::LoadPart { node: name, first: true }, |to| {
                to.nodes[node].load_part(&log, load, rules);
            });
            return;
        }
        if let Some(record) = log.next(is.applied.max(log.trimmed)) {
            self.to(Step::Apply { node: name, record }, |to| to.nodes[node].apply(&record, rules));
        } else if is.blind && !self.scenario().slow_tail {
            self.to(Step::Follow { node: name }, |to| to.nodes[node].blind = false);
        }
        if self.scenario().slow_tail {
            self.reads(node, &log);
        }
    }

    /// A read of the log in two steps: what is appended between them is not in it.
    fn reads(&mut self, node: usize, log: &Log) {
        let (name, rules, is) = (node as u8, self.rules(), self.state.nodes[node]);
        let Some(tail) = is.tail else {
            if is.blind || self.state.budget.limits > 0 {
                let tail = Tail { last: log.last(), aged: false };
                self.to(Step::Ask { node: name }, |to| to.nodes[node].tail = Some(tail));
            }
            return;
        };
        self.to(Step::Told { node: name }, |to| {
            let read = &mut to.nodes[node];
            while let Some(record) = log.next(read.applied).filter(|record| record.position <= tail.last) {
                read.apply(&record, rules);
            }
            read.tail = None;
            if !tail.aged || !rules.has(Rule::FollowedWhenSent) {
                read.blind = false;
            }
        });
    }

    fn purges(&mut self, node: usize) {
        let name = node as u8;
        let reach = self.reach(node);
        let log = self.log_of(node);
        if let (Some(purge), Some(_)) = (self.state.nodes[node].outstanding.as_slice().first().copied(), log)
        {
            let Outstanding { id, mode, .. } = purge;
            self.to(Step::AppendAgain { node: name, id }, |to| {
                append(to, self.protocol.rules, node, reach, id, mode, Settle::of(purge));
            });
        }
        for write in 0..WRITES {
            self.write_of(node, write);
            if let Some(log) = log {
                self.sweeps(node, write, &log);
            }
        }
        self.other_purges(node);
    }

    fn write_of(&mut self, node: usize, write: usize) {
        let (name, number, rules) = (node as u8, write as u8, self.rules());
        let (id, mode) = (Id::of_write(write), self.scenario().modes[write]);
        let mute = self.scenario().is_mute(write);
        let reach = self.reach(node);
        let log = self.log_of(node);
        match self.state.writes[write] {
            Write::None
                if self.state.budget.writes > 0 && (write == 0 || self.state.writes[0] != Write::None) =>
            {
                self.to(Step::Forward { node: name, write: number }, |to| {
                    to.budget.writes -= 1;
                    to.writes[write] = Write::Forwarded(name);
                    if log.is_some() && rules.has(Rule::Intent) {
                        log_mut(to, reach).intents[write] = Intent::Recorded;
                    }
                });
            }
            Write::Forwarded(owner) if owner == name => {
                self.to(Step::Commit { write: number }, |to| {
                    commit(&mut to.origin, mute);
                    to.writes[write] = Write::Committed(name);
                });
                let missing = log.is_some_and(|log| log.intents[write] == Intent::None);
                if missing && self.scenario().lost_intents && rules.has(Rule::IntentAgain) {
                    self.to(Step::Intend { node: name, write: number }, |to| {
                        log_mut(to, reach).intents[write] = Intent::Recorded;
                    });
                }
            }
            Write::Committed(owner) if owner == name => {
                self.purge(node, id, mode, |to| to.writes[write] = Write::Over);
            }
            _ => {}
        }
    }

    /// A node makes a purge: in the log if it can, else for itself.
    fn purge(&mut self, node: usize, id: Id, mode: Mode, done: impl Fn(&mut State)) {
        let (name, rules, reach) = (node as u8, self.rules(), self.reach(node));
        let tokens = self.scenario().tokens;
        if let Some(log) = self.log_of(node) {
            let at = log.last() + 1;
            self.to(Step::Append { node: name, id, at }, |to| {
                append(to, rules, node, reach, id, mode, Settle::Done);
                let token = Token { term: to.nodes[node].term, position: at, version: to.origin.version };
                to.token = to.token.or(tokens.then_some(token));
                done(to);
            });
            if self.scenario().lost_answers {
                self.to(Step::Unanswered { node: name, id, at }, |to| {
                    to.nodes[node].apply_own(id, mode, promise(to.origin, mode), rules);
                    add(to, reach, id, mode, Settle::Done);
                    done(to);
                });
            }
        } else {
            self.to(Step::Keep { node: name, id }, |to| {
                to.nodes[node].apply_own(id, mode, promise(to.origin, mode), rules);
                done(to);
            });
        }
    }

    fn sweeps(&mut self, node: usize, write: usize, log: &Log) {
        let (name, number, rules, reach) = (node as u8, write as u8, self.rules(), self.reach(node));
        let (over, gone) = match self.state.writes[write] {
            Write::None => return,
            Write::Forwarded(owner) => (false, self.state.nodes[usize::from(owner)].cut),
            Write::Committed(owner) => {
                let cut = self.state.nodes[usize::from(owner)].cut;
                (cut, cut)
            }
            Write::Orphaned => (false, true),
            Write::Over => (true, true),
        };
        let mode = self.scenario().modes[write];
        let mut sweep = |id, settle, last| {
            self.to(Step::Sweep { node: name, write: number, last }, |to| {
                append(to, rules, node, reach, id, mode, settle);
            });
        };
        match log.intents[write] {
            Intent::Recorded if gone => {
                let settle = if rules.has(Rule::SecondSweep) { Settle::Swept } else { Settle::Done };
                sweep(Id::Swept(number), settle, false);
            }
            Intent::Swept if over => sweep(Id::SweptLast(number), Settle::Done, true),
            _ => {}
        }
    }

    /// Purges that belong to no write: the origin's content was changed behind Larder's back, or they reach another key.
    fn other_purges(&mut self, node: usize) {
        if self.state.budget.operator > 0 {
            self.purge_after(node, Id::Operator(self.state.budget.operator - 1), |to| {
                to.budget.operator -= 1;
                commit(&mut to.origin, self.protocol.scenario.mute);
            });
        }
        if self.state.budget.others > 0 {
            self.purge_after(node, Id::Other, |to| to.budget.others -= 1);
        }
    }

    /// As [`Self::purge`], with what happens right before it.
    fn purge_after(&mut self, node: usize, id: Id, before: impl Fn(&mut State)) {
        let mut first = *self.state;
        before(&mut first);
        let mut collector = Collector { protocol: self.protocol, state: &first, into: self.into };
        collector.purge(node, id, Mode::Hard, |_| {});
    }

    fn faults_of(&mut self, node: usize) {
        let (name, is) = (node as u8, self.state.nodes[node]);
        let owns = |write: &Write| matches!(write, Write::Forwarded(owner) | Write::Committed(owner) if *owner == name);
        // Nobody else knows what dies with a node that was cut off, or whose intent was lost and not yet recorded again.
        let unheard = (0..WRITES).any(|write| {
            let recorded = !self.rules().has(Rule::Intent)
                || self.log_of(node) == Some(self.state.log) && self.state.log.intents[write] != Intent::None;
            let again = self.rules().has(Rule::IntentAgain) || self.reach(node) != Reach::Log;
            owns(&self.state.writes[write]) && !recorded && again
        });
        if self.state.budget.crashes > 0
            && !is.cut
            && is.outstanding.as_slice().is_empty()
            && !unheard
            && is != Node::started(&self.state.log, 0)
        {
            self.to(Step::Crash { node: name }, |to| {
                to.budget.crashes -= 1;
                to.nodes[node] = Node::started(&to.log, 0);
                for write in to.writes.iter_mut().filter(|write| owns(write)) {
                    *write = if let Write::Forwarded(_) = write { Write::Orphaned } else { Write::Over };
                }
            });
        }
        if is.cut {
            self.to(Step::Heal { node: name }, |to| to.nodes[node].cut = false);
        } else if self.state.budget.cuts > 0 {
            self.to(Step::Cut { node: name }, |to| {
                to.budget.cuts -= 1;
                to.nodes[node].cut = true;
                to.nodes[node].load = None;
            });
        }
    }

    fn writes_alone(&mut self) {
        for write in 0..WRITES {
            if self.state.writes[write] == Write::Orphaned {
                let (number, mute) = (write as u8, self.scenario().is_mute(write));
                self.to(Step::LateCommit { write: number }, |to| {
                    commit(&mut to.origin, mute);
                    to.writes[write] = Write::Over;
                });
                self.to(Step::NoCommit { write: number }, |to| to.writes[write] = Write::Over);
            }
        }
    }

    fn faults(&mut self) {
        let (budget, log) = (self.state.budget, self.state.log);
        if budget.limits > 0 {
            self.limit();
        }
        if budget.fail_overs > 0 {
            self.fail_overs();
        }
        if self.state.old.is_some() {
            self.to(Step::Deposed, |to| to.old = None);
        }
        if budget.births > 0 {
            self.to(Step::Birth, |to| {
                to.budget.births -= 1;
                to.log = Log { birth: log.birth + 1, ..Log::default() };
            });
        }
        if budget.trims > 0 && log.trimmed < log.last() {
            self.to(Step::Trim, |to| {
                to.budget.trims -= 1;
                to.log.trimmed = log.last();
            });
        }
    }

    /// Time passes for all. Whoever has not read to the end has not followed meanwhile.
    fn limit(&mut self) {
        let log = self.state.log;
        self.to(Step::Limit, |to| {
            to.budget.limits -= 1;
            let records = log.records.as_slice().iter();
            to.due = records
                .filter(|record| record.mode == Mode::Hard)
                .map(|record| record.version)
                .max()
                .unwrap_or(0);
            for node in &mut to.nodes {
                let follows =
                    !node.cut && (node.birth, node.term) == (log.birth, log.term) && node.load.is_none();
                node.blind |= !follows || node.applied < log.last();
                node.memory = node.memory.map(|entry| Entry { aged: true, ..entry });
                node.fill = node.fill.map(|fill| Fill { aged: fill.answer.is_some(), ..fill });
                node.tail = node.tail.map(|tail| Tail { aged: true, ..tail });
            }
            to.tier = to.tier.map(|shared| Shared { aged: true, ..shared });
        });
    }

    fn fail_overs(&mut self) {
        let State { log, writes, .. } = *self.state;
        let Scenario { split, lost_intents, .. } = self.scenario();
        let mut over = |step, lose: &dyn Fn(&mut Log)| {
            self.to(step, |to| {
                to.budget.fail_overs -= 1;
                to.old = split.then_some(log);
                lose(&mut to.log);
                to.log.ends.push(to.log.last());
                to.log.term += 1;
            });
        };
        if let Some(record) = log.records.as_slice().last() {
            over(Step::FailOver { lost: true }, &|log| {
                log.records.pop();
                if let Some(write) = record.id.write() {
                    log.intents[write] = record.before;
                }
            });
        } else if split {
            over(Step::FailOver { lost: false }, &|_| {});
        }
        if lost_intents {
            // With a writer that is gone nobody would know of it any more.
            let known = |write: &usize| matches!(writes[*write], Write::Forwarded(_) | Write::Committed(_));
            for write in (0..WRITES).filter(known).filter(|write| log.intents[*write] == Intent::Recorded) {
                over(Step::FailOverIntent { write: write as u8 }, &|log| log.intents[write] = Intent::None);
            }
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
fn add(state: &mut State, reach: Reach, id: Id, mode: Mode, settle: Settle) {
    let version = promise(state.origin, mode);
    let log = log_mut(state, reach);
    let before = id.write().map_or(Intent::None, |write| log.intents[write]);
    log.records.push(Record { position: log.last() + 1, id, mode, version, before });
    if let Some(write) = id.write() {
        log.intents[write] = match settle {
            Settle::Done => Intent::None,
            Settle::Swept => Intent::Swept,
            Settle::Leave => before,
        };
    }
}

/// Appends a record, and applies all that the caller had not applied.
fn append(state: &mut State, rules: Rules, node: usize, reach: Reach, id: Id, mode: Mode, settle: Settle) {
    add(state, reach, id, mode, settle);
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
