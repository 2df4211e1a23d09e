//! Fills, and what nodes take from the tier.

use super::Collector;
use crate::node::Verdict;
use crate::rules::Rule;
use crate::state::{Entry, Fill, Shared};
use crate::step::Step;

impl Collector<'_> {
    pub(super) fn fills(&mut self, node: usize) {
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
}
