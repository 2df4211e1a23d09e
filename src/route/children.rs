//! The children of a node that text leads to.

use super::hash::TextMap;
use super::trie::Node;

/// Children behind literal text. Deep in a trie there mostly is one, for which a map would be large and slow.
#[derive(Debug)]
pub(super) enum Literals {
    None,
    One(Box<str>, Box<Node>),
    Many(TextMap<Node>),
}

impl Literals {
    pub(super) fn get(&self, text: &str) -> Option<&Node> {
        match self {
            Self::None => None,
            Self::One(known, node) => (**known == *text).then_some(node),
            Self::Many(nodes) => nodes.get(text),
        }
    }

    pub(super) fn entry(&mut self, text: &str, new: impl FnOnce() -> Node) -> &mut Node {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(text.into(), Box::new(new())),
            Self::One(known, node) if *known == *text => Self::One(known, node),
            Self::One(known, node) => {
                Self::Many([(known, *node), (text.into(), new())].into_iter().collect())
            }
            Self::Many(mut nodes) => {
                nodes.entry(text.into()).or_insert_with(new);
                Self::Many(nodes)
            }
        };
        match self {
            Self::One(_, node) => node,
            Self::Many(nodes) => nodes.get_mut(text).expect("it was there or has been inserted"),
            Self::None => unreachable!("one has been inserted"),
        }
    }
}

/// Children behind segments with text before or after a wildcard, as far as prefixes and suffixes have the same two lengths.
#[derive(Debug)]
pub(super) struct Affixed {
    /// The lowest index of the routes below.
    pub(super) lowest: usize,
    prefix: usize,
    suffix: usize,
    nodes: Nodes,
}

/// By what is not empty of prefix and suffix; a wildcard by itself has no place here.
#[derive(Debug)]
enum Nodes {
    Prefix(TextMap<Node>),
    Suffix(TextMap<Node>),
    Both(TextMap<TextMap<Node>>),
}

impl Affixed {
    /// A group for affixes as long as these, for a route with the index `lowest`.
    pub(super) fn new(lowest: usize, prefix: &str, suffix: &str) -> Self {
        let nodes = match (prefix.is_empty(), suffix.is_empty()) {
            (_, true) => Nodes::Prefix(TextMap::default()),
            (true, false) => Nodes::Suffix(TextMap::default()),
            (false, false) => Nodes::Both(TextMap::default()),
        };
        Self { lowest, prefix: prefix.len(), suffix: suffix.len(), nodes }
    }

    /// Whether such affixes belong here.
    pub(super) fn is_for(&self, prefix: &str, suffix: &str) -> bool {
        (self.prefix, self.suffix) == (prefix.len(), suffix.len())
    }

    pub(super) fn entry(&mut self, prefix: &str, suffix: &str, new: impl FnOnce() -> Node) -> &mut Node {
        let (nodes, text) = match &mut self.nodes {
            Nodes::Prefix(nodes) => (nodes, prefix),
            Nodes::Suffix(nodes) => (nodes, suffix),
            Nodes::Both(nodes) => (nodes.entry(prefix.into()).or_default(), suffix),
        };
        nodes.entry(text.into()).or_insert_with(new)
    }

    /// The child that takes a segment.
    pub(super) fn child(&self, segment: &str) -> Option<&Node> {
        if segment.len() <= self.prefix + self.suffix {
            return None;
        }
        // Affixes are ASCII, so a segment that has them can be cut there.
        self.get(segment.get(..self.prefix)?, segment.get(segment.len() - self.suffix..)?)
    }

    /// The child whose affixes are the ends of the given ones, so that it takes all that they do.
    pub(super) fn wider(&self, prefix: &str, suffix: &str) -> Option<&Node> {
        let cut = suffix.len().checked_sub(self.suffix)?;
        self.get(prefix.get(..self.prefix)?, suffix.get(cut..)?)
    }

    fn get(&self, prefix: &str, suffix: &str) -> Option<&Node> {
        match &self.nodes {
            Nodes::Prefix(nodes) => nodes.get(prefix),
            Nodes::Suffix(nodes) => nodes.get(suffix),
            Nodes::Both(nodes) => nodes.get(prefix)?.get(suffix),
        }
    }
}
