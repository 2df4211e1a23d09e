//! The paths of the routes, segment by segment.
//!
//! # What a look-up costs
//!
//! At most one child of a node is reached by literal text, one by a wildcard, and one by each pair of a prefix's and a suffix's
//! length in use there; all are found by hashing, so the number of routes does not enter. Where several lead on, each is followed
//! unless no route below it stands before the best one found so far.
//!
//! A path cannot make that explode. Every edge takes exactly one segment, so a node at depth *d* is only ever reached with the
//! first *d* segments taken, and by the one way a tree has to it: no node is visited twice. A look-up visits no more nodes than
//! the patterns have segments altogether, whatever is sent; and to visit 2^*d* nodes of depth *d* somebody must have written
//! 2^*d* patterns that differ in which of their segments are wildcards.

use super::PathPattern;
use super::children::{Affixed, Literals};
use super::few::Few;
use super::methods::Methods;
use super::path::{Part, split_segment};
use super::segment::Segment;
use http::Method;

/// Stands for "no route" wherever the lowest index is sought.
pub(super) const NONE: usize = usize::MAX;

/// A place between two segments: what was taken so far led here.
#[derive(Debug)]
pub(super) struct Node {
    /// The lowest index of the routes here and below.
    lowest: usize,
    /// Behind an empty segment, which no wildcard takes.
    empty: Option<Box<Node>>,
    literals: Literals,
    /// By the lowest index below, ascending.
    affixed: Vec<Affixed>,
    any: Option<Box<Node>>,
    /// Routes whose pattern ends here.
    ends: Few<Entry>,
    /// Routes that take the rest, whatever it is.
    rests: Few<Entry>,
}

#[derive(Debug)]
struct Entry {
    index: usize,
    methods: Methods,
}

impl Default for Node {
    fn default() -> Self {
        Self::new(NONE)
    }
}

impl Node {
    fn new(lowest: usize) -> Self {
        let (literals, ends, rests) = (Literals::None, Few::None, Few::None);
        Self { lowest, empty: None, literals, affixed: Vec::new(), any: None, ends, rests }
    }

    /// Adds a route. Indices must be added in ascending order.
    pub(super) fn insert(&mut self, index: usize, path: &PathPattern, methods: Methods) {
        self.lowest = self.lowest.min(index);
        let node = path.parts().iter().fold(self, |node, part| node.child(index, &part.segment));
        let entries = if path.takes_rest() { &mut node.rests } else { &mut node.ends };
        // Only what adds a method is kept, so that the list is no longer than there are methods.
        let added =
            entries.as_slice().iter().fold(methods.clone(), |added, entry| added.without(&entry.methods));
        if !added.is_empty() {
            entries.push(Entry { index, methods });
        }
    }

    fn child(&mut self, index: usize, segment: &Segment) -> &mut Self {
        let new = || Self::new(index);
        match segment {
            Segment::Literal(text) if text.is_empty() => self.empty.get_or_insert_with(|| Box::new(new())),
            Segment::Literal(text) => self.literals.entry(text, new),
            Segment::Any => self.any.get_or_insert_with(|| Box::new(new())),
            Segment::Affixed { prefix, suffix } => {
                let place = self.affixed.iter().position(|group| group.is_for(prefix, suffix));
                let place = place.unwrap_or_else(|| {
                    self.affixed.push(Affixed::new(index, prefix, suffix));
                    self.affixed.len() - 1
                });
                self.affixed[place].entry(prefix, suffix, new)
            }
        }
    }

    /// The lowest index below `bound` of a route that matches, else `bound`. `rest` is what follows the next slash, if one is
    /// left.
    pub(super) fn find(&self, rest: Option<&str>, method: &Method, bound: usize) -> usize {
        if self.lowest >= bound {
            return bound;
        }
        let accepts = |methods: &Methods| methods.contains(method);
        let mut best = first(&self.rests, bound, accepts);
        let Some(rest) = rest else {
            return first(&self.ends, best, accepts);
        };
        let (segment, after) = split_segment(rest);
        if segment.is_empty() {
            return self.empty.as_ref().map_or(best, |node| node.find(after, method, best));
        }
        if let Some(node) = self.literals.get(segment) {
            best = node.find(after, method, best);
        }
        for group in &self.affixed {
            if group.lowest >= best {
                break;
            }
            if let Some(node) = group.child(segment) {
                best = node.find(after, method, best);
            }
        }
        self.any.as_ref().map_or(best, |node| node.find(after, method, best))
    }

    /// The lowest index below `bound` of a route that matches everything `parts` (and, with `takes_rest`, anything after them)
    /// and `methods` match, else `bound`.
    pub(super) fn find_covering(
        &self,
        parts: &[Part],
        takes_rest: bool,
        methods: &Methods,
        bound: usize,
    ) -> usize {
        if self.lowest >= bound {
            return bound;
        }
        let accepts = |known: &Methods| known.covers(methods);
        let mut best = first(&self.rests, bound, accepts);
        let Some((part, after)) = parts.split_first() else {
            // What takes the rest also matches deeper paths than what ends here.
            return if takes_rest { best } else { first(&self.ends, best, accepts) };
        };
        let mut follow = |node: &Self| best = node.find_covering(after, takes_rest, methods, best);
        match &part.segment {
            Segment::Literal(text) if text.is_empty() => {
                self.empty.as_deref().into_iter().for_each(&mut follow);
                return best;
            }
            Segment::Literal(text) => {
                self.literals.get(text).into_iter().for_each(&mut follow);
                self.affixed.iter().filter_map(|group| group.child(text)).for_each(&mut follow);
            }
            Segment::Affixed { prefix, suffix } => {
                self.affixed.iter().filter_map(|group| group.wider(prefix, suffix)).for_each(&mut follow);
            }
            Segment::Any => {}
        }
        self.any.as_deref().into_iter().for_each(&mut follow);
        best
    }
}

/// The index of the first entry below `bound` whose methods are accepted, else `bound`.
fn first(entries: &Few<Entry>, bound: usize, accepts: impl Fn(&Methods) -> bool) -> usize {
    let found = entries
        .as_slice()
        .iter()
        .take_while(|entry| entry.index < bound)
        .find(|entry| accepts(&entry.methods));
    found.map_or(bound, |entry| entry.index)
}
