//! The routes by host: one trie for each name, one for what lies below each name, one for all hosts.

use super::HostPattern;
use super::hash::TextMap;
use super::host::split_port;
use super::trie::Node;
use std::iter;

/// A trie for each class of hosts.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    any: Node,
    exact: TextMap<Node>,
    /// `example.com` for `*.example.com`.
    below: TextMap<Node>,
    /// The lengths of the names in `below`, each once: all that need be tried, and never more than a name has characters.
    lengths: Vec<usize>,
}

impl Hosts {
    /// The trie that a route belongs into.
    pub(super) fn trie_mut(&mut self, host: Option<&HostPattern>) -> &mut Node {
        match host {
            None => &mut self.any,
            Some(host) if host.is_below() => {
                let name = host.name();
                if !self.lengths.contains(&name.len()) {
                    self.lengths.push(name.len());
                }
                self.below.entry(name.into()).or_default()
            }
            Some(host) => self.exact.entry(host.name().into()).or_default(),
        }
    }

    /// The tries whose hosts `authority` is one of.
    pub(super) fn of<'t>(&'t self, authority: &str) -> impl Iterator<Item = &'t Node> {
        let without_port = if self.exact.is_empty() && self.below.is_empty() {
            None
        } else {
            split_port(authority).map(|(host, _)| host)
        };
        let names = iter::once(authority).chain(without_port);
        let named = names.flat_map(|name| {
            let exact = if self.exact.is_empty() { None } else { self.exact.get(name) };
            exact.into_iter().chain(self.below(name))
        });
        iter::once(&self.any).chain(named)
    }

    /// The tries whose hosts include all that `host` matches.
    pub(super) fn covering(&self, host: Option<&HostPattern>) -> Vec<&Node> {
        match host {
            None => vec![&self.any],
            // `*` is a label that no host has, so this finds names above it and no name itself.
            Some(host) if host.is_below() => self.of(&format!("*.{}", host.name())).collect(),
            Some(host) => self.of(host.name()).collect(),
        }
    }

    fn below<'t>(&'t self, name: &str) -> impl Iterator<Item = &'t Node> {
        self.lengths.iter().filter_map(move |length| {
            let dot = name.len().checked_sub(length + 1).filter(|dot| *dot > 0)?;
            let above = name.get(dot..)?.strip_prefix('.')?;
            self.below.get(above)
        })
    }
}
