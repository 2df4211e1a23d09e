//! Writes and purges, by their nodes and by those that sweep after them.

use super::{Collector, Purge, Settle, add, append, commit, log_mut, promise};
use crate::rules::Rule;
use crate::state::{Id, Intent, Log, Mode, Outstanding, State, Token, WRITES, Write};
use crate::step::Step;

impl Collector<'_> {
    pub(super) fn purges(&mut self, node: usize) {
        let name = node as u8;
        let reach = self.reach(node);
        let log = self.log_of(node);
        if let (Some(purge), Some(_)) = (self.state.nodes[node].outstanding.as_slice().first().copied(), log)
        {
            let Outstanding { id, mode, named, .. } = purge;
            let again = Purge { id, mode, settle: Settle::of(purge), named };
            self.to(Step::AppendAgain { node: name, id }, |to| {
                append(to, self.protocol.rules, node, reach, again);
            });
        }
        let unqueued = self.state.nodes[node].unqueued;
        if unqueued > 0 && log.is_some() {
            self.to(Step::Queue { node: name }, |to| {
                to.nodes[node].unqueued = 0;
                let log = log_mut(to, reach);
                log.queued = log.queued.max(unqueued);
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
            let purge = Purge { id, mode, settle: Settle::Done, named: true };
            self.to(Step::Append { node: name, id, at }, |to| {
                append(to, rules, node, reach, purge);
                let token = Token { term: to.nodes[node].term, position: at, version: to.origin.version };
                to.token = to.token.or(tokens.then_some(token));
                done(to);
            });
            if self.scenario().lost_answers {
                self.to(Step::Unanswered { node: name, id, at }, |to| {
                    to.nodes[node].apply_own(id, mode, promise(to.origin, mode), rules);
                    add(to, reach, id, mode, Settle::Done, true);
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
        let named = rules.has(Rule::NamedIntent);
        let mut sweep = |id, settle, last| {
            self.to(Step::Sweep { node: name, write: number, last }, |to| {
                append(to, rules, node, reach, Purge { id, mode, settle, named });
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

    /// Purges that belong to no write: the origin's content was changed behind Larder's back, or they reach another
    /// key.
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

    pub(super) fn writes_alone(&mut self) {
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
}
