//! YAML text as a tree in which every key and value knows its place.

mod build;
mod syntax;

pub(super) use build::parse;

use std::rc::Rc;

/// A place in the text; both count from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A key of a mapping. Keys are text as written; nothing in them is expanded.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) mark: Mark,
    pub(super) text: String,
}

/// A value. What an alias stands for is shared with its anchor, and has the place of the anchor.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) mark: Mark,
    pub(super) kind: Kind,
    /// Values in it with all aliases followed, itself among them.
    weight: usize,
    /// Levels in it with all aliases followed.
    height: usize,
}

/// What a value is. Which type a scalar has is decided by who reads it, not by how it looks: a country `NO` is text
/// where text is wanted.
#[derive(Debug)]
pub(super) enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    Scalar(String),
    List(Vec<Rc<Node>>),
    /// In the order written, every key once.
    Map(Vec<(Key, Rc<Node>)>),
}

impl Kind {
    /// What it is, for people.
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}
