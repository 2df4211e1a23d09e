//! Nodes follow the log: they read it, load its table and turn to a new one.

use super::{Collector, Reach};
use crate::rules::Rule;
use crate::state::{Load, Log, Tail};
use crate::step::Step;

impl Collector<'_> {
    pub(super) fn follows(&mut self, node: usize) {
        let (name, rules, is) = (node as u8, self.rules(), self.state.nodes[node]);
        let reach = self.reach(node);
        if matches!(reach, Reach::Elsewhere | Reach::Old) {
            self.to(Step::Turn { node: name }, |to| {
                // A log that was lost took its queue along.
                if is.birth != to.log.birth && to.log.newborn && rules.has(Rule::QueueAtBirth) {
                    to.log.newborn = false;
                    to.log.queued = to.origin.version;
                }
                to.nodes[node].turn_to(&to.log, rules);
            });
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
}
