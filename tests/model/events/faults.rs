//! What goes wrong, with a node or for all.

use super::{Collector, Reach};
use crate::rules::Rule;
use crate::state::{Entry, Fill, Intent, Log, Mode, Node, Shared, State, Tail, WRITES, Write};
use crate::step::Step;
use crate::system::Scenario;

impl Collector<'_> {
    pub(super) fn faults_of(&mut self, node: usize) {
        let (name, is) = (node as u8, self.state.nodes[node]);
        let owns = |write: &Write| matches!(write, Write::Forwarded(owner) | Write::Committed(owner) if *owner == name);
        // Nobody else knows what dies with a node that was cut off, or whose intent was lost and not yet recorded
        // again.
        let unheard = (0..WRITES).any(|write| {
            let recorded = !self.rules().has(Rule::Intent)
                || self.log_of(node) == Some(self.state.log) && self.state.log.intents[write] != Intent::None;
            let again = self.rules().has(Rule::IntentAgain) || self.reach(node) != Reach::Log;
            owns(&self.state.writes[write]) && !recorded && again
        });
        if self.state.budget.crashes > 0
            && is.outstanding.as_slice().is_empty()
            && !unheard
            && is != Node::started(&self.state.log, 0)
        {
            self.to(Step::Crash { node: name }, |to| {
                to.budget.crashes -= 1;
                to.nodes[node] = if is.cut { Node::started_alone() } else { Node::started(&to.log, 0) };
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

    pub(super) fn faults(&mut self) {
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
        let split = self.scenario().split;
        if budget.births > 0 {
            self.to(Step::Birth, |to| {
                to.budget.births -= 1;
                to.old = split.then_some(log);
                to.log = Log { birth: log.birth + 1, newborn: true, ..Log::default() };
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
