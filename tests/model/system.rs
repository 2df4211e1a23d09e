//! A scenario under certain rules, as a system to be searched.

use crate::events;
use crate::node::Verdict;
use crate::rules::{Rule, Rules};
use crate::search::System;
use crate::state::{Budget, Log, Mode, NODES, Node, State, WRITES, Write};
use crate::step::Step;

/// A part of the protocol, small enough to be searched whole.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scenario {
    /// How often things may happen.
    pub(crate) budget: Budget,
    /// What the purge of each write does to what it reaches.
    pub(crate) modes: [Mode; WRITES],
    /// The server that a fail-over deposes, or that lost its place to an empty one, goes on for those who are
    /// connected to it.
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
    /// There is a CDN, to be told of every write.
    pub(crate) cdn: bool,
}

impl Scenario {
    /// Whether the origin tells nobody that a write changed something.
    pub(crate) fn is_mute(&self, write: usize) -> bool {
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
        events::collect(self, state, into);
    }

    fn canonical(&self, mut state: State) -> State {
        let epoch = (state.log.birth, state.log.term);
        let same_epoch = state.nodes.iter().all(|node| (node.birth, node.term) == epoch);
        if !self.scenario.cdn {
            forget_names(&mut state);
        }
        for node in &mut state.nodes {
            if !self.scenario.has_table() {
                (node.table, node.reach) = Default::default();
            }
            if state.budget.fail_overs == 0 && state.budget.births == 0 && same_epoch {
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
        if self.scenario.cdn && quiet && state.told < state.origin.version {
            let State { told, origin, .. } = state;
            return Some(format!("the CDN is told of version {told}, and the origin has {}", origin.version));
        }
        (0..NODES).find_map(|node| self.fault_of(state, node, quiet))
    }
}

/// Without a CDN it makes no difference who knows what it would have to be told.
fn forget_names(state: &mut State) {
    for log in [Some(&mut state.log), state.old.as_mut()].into_iter().flatten() {
        (log.queued, log.newborn) = Default::default();
        log.records.change(|record| record.named = false);
    }
    for node in &mut state.nodes {
        node.unqueued = 0;
        node.records.iter_mut().for_each(|applied| applied.named = false);
        node.outstanding.change(|purge| purge.named = false);
    }
}
