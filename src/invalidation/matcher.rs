//! What an invalidation reaches.

/// 64 bits of BLAKE3 over a matcher, domain-separated by kind. A collision only invalidates too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatcherHash(pub(super) u64);

/// Which stored replies an invalidation reaches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// Every query and variant under one canonical authority and path.
    Path { authority: Box<str>, path: Box<str> },
    /// Everything below a path, at segment boundaries.
    Prefix { authority: Box<str>, path: Box<str> },
    /// Every reply that bears the tag.
    Tag(Box<str>),
    /// Every reply stored under the route.
    Route(Box<str>),
    /// Everything.
    All,
}

impl Matcher {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        todo!()
    }
}

/// The kind of a matcher, as metrics and logs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Path,
    Prefix,
    Tag,
    Route,
    All,
}

/// Whether what is reached dies or turns stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    Hard,
    Soft,
}

/// A matcher and a mode: one purge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Invalidation {
    pub matcher: Matcher,
    pub mode: Mode,
}
