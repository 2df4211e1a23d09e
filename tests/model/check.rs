//! What must hold in every state.

use crate::node::Verdict;
use crate::rules::Rule;
use crate::state::{Node, State, Token};
use crate::system::Protocol;

impl Protocol {
    /// What is wrong with what a node would serve from memory. What it would take from the tier is in memory one step
    /// later.
    pub(crate) fn fault_of(&self, state: &State, node: usize, quiet: bool) -> Option<String> {
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
