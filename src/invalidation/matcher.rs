//! What an invalidation reaches.

use super::path::{normal_path, widest_prefix};
use super::tag::tag_name;
use super::url::{self, BadUrl};
use std::fmt;

/// 64 bits of BLAKE3 over a matcher, domain-separated by kind. A collision only invalidates too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatcherHash(pub(super) u64);

impl MatcherHash {
    /// From its number.
    pub const fn from_u64(value: u64) -> Self {
        Self(value)
    }

    /// Its number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

/// Which stored replies an invalidation reaches.
///
/// Paths and prefixes are held as written and compared in one form for all spellings (percent-encoding, doubled
/// slashes, dot segments, `;parameters`, a slash at the end, a query: none of them makes a difference; case does).
/// So an invalidation may reach too much, never too little.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// Every query and variant under one canonical authority and path.
    Path {
        /// Canonical authority.
        authority: Box<str>,
        /// Path in any spelling.
        path: Box<str>,
    },
    /// A path and everything below it, at segment boundaries. More than 16 segments count as the first 16.
    Prefix {
        /// Canonical authority.
        authority: Box<str>,
        /// Path in any spelling.
        path: Box<str>,
    },
    /// Every reply that bears the tag.
    Tag(Box<str>),
    /// Every reply stored under the route.
    Route(Box<str>),
    /// Everything.
    All,
}

/// The kind of a matcher, as metrics and logs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Matcher::Path`].
    Path,
    /// [`Matcher::Prefix`].
    Prefix,
    /// [`Matcher::Tag`].
    Tag,
    /// [`Matcher::Route`].
    Route,
    /// [`Matcher::All`].
    All,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const EACH: [Self; 5] = [Self::Path, Self::Prefix, Self::Tag, Self::Route, Self::All];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Prefix => "prefix",
            Self::Tag => "tag",
            Self::Route => "route",
            Self::All => "all",
        }
    }
}

/// Whether what is reached dies or turns stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// It is never served again.
    Hard,
    /// It is stale: served only while it is revalidated, or when the origin fails.
    Soft,
}

impl Mode {
    /// Both.
    pub const EACH: [Self; 2] = [Self::Hard, Self::Soft];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
        }
    }
}

/// A matcher and a mode: one purge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Invalidation {
    /// What it reaches.
    pub matcher: Matcher,
    /// What becomes of that.
    pub mode: Mode,
}

impl Invalidation {
    /// What `matcher` reaches dies.
    pub const fn hard(matcher: Matcher) -> Self {
        Self { matcher, mode: Mode::Hard }
    }

    /// What `matcher` reaches turns stale.
    pub const fn soft(matcher: Matcher) -> Self {
        Self { matcher, mode: Mode::Soft }
    }
}

/// As operators read it.
impl fmt::Display for Invalidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { matcher, mode } = self;
        match matcher {
            Matcher::Path { authority, path } => write!(f, "url {authority}{path}")?,
            Matcher::Prefix { authority, path } => write!(f, "prefix {authority}{path}")?,
            Matcher::Tag(tag) => write!(f, "tag {tag}")?,
            Matcher::Route(route) => write!(f, "route {route}")?,
            Matcher::All => f.write_str("everything")?,
        }
        match mode {
            Mode::Hard => Ok(()),
            Mode::Soft => f.write_str(" (soft)"),
        }
    }
}

impl Matcher {
    /// The path of an absolute URL, its query ignored. `canonical` turns the authority into its canonical name.
    pub fn from_url(text: &str, canonical: impl Fn(&str) -> String) -> Result<Self, BadUrl> {
        url::absolute(text, canonical).map(|place| Self::path(&place.authority, &place.path))
    }

    /// Everything below the path of an absolute URL.
    pub fn below_url(text: &str, canonical: impl Fn(&str) -> String) -> Result<Self, BadUrl> {
        url::absolute(text, canonical).map(|place| Self::prefix(&place.authority, &place.path))
    }

    /// One path of a canonical authority.
    pub fn path(authority: &str, path: &str) -> Self {
        Self::Path { authority: authority.into(), path: path.into() }
    }

    /// A path of a canonical authority, and all below it.
    pub fn prefix(authority: &str, path: &str) -> Self {
        Self::Prefix { authority: authority.into(), path: path.into() }
    }

    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Path { .. } => Kind::Path,
            Self::Prefix { .. } => Kind::Prefix,
            Self::Tag(_) => Kind::Tag,
            Self::Route(_) => Kind::Route,
            Self::All => Kind::All,
        }
    }

    /// Bytes of its text.
    pub fn text_len(&self) -> usize {
        match self {
            Self::Path { authority, path } | Self::Prefix { authority, path } => authority.len() + path.len(),
            Self::Tag(name) | Self::Route(name) => name.len(),
            Self::All => 0,
        }
    }

    /// Its hash, the same for all spellings of a path.
    pub fn hash(&self) -> MatcherHash {
        match self {
            Self::Path { authority, path } => hash_path(authority, &normal_path(path, |_, _| {})),
            Self::Prefix { authority, path } => {
                hash_prefix(authority, widest_prefix(&normal_path(path, |_, _| {})))
            }
            Self::Tag(tag) => hash_tag(tag),
            Self::Route(route) => hash_route(route),
            Self::All => framed_hash(Kind::All, &[]),
        }
    }
}

/// Of a path in its normal form.
pub(super) fn hash_path(authority: &str, normal: &[u8]) -> MatcherHash {
    framed_hash(Kind::Path, &[authority.as_bytes(), normal])
}

/// Of a prefix in its normal form, 16 segments at most.
pub(super) fn hash_prefix(authority: &str, normal: &[u8]) -> MatcherHash {
    framed_hash(Kind::Prefix, &[authority.as_bytes(), normal])
}

/// Of a tag, byte by byte as its [name](tag_name) is.
pub(super) fn hash_tag(tag: &str) -> MatcherHash {
    framed_hash(Kind::Tag, &[tag_name(tag).as_bytes()])
}

/// Of a route's name.
pub(super) fn hash_route(route: &str) -> MatcherHash {
    framed_hash(Kind::Route, &[route.as_bytes()])
}

/// Kind, then each part behind its length, so that no two matchers feed the same bytes.
fn framed_hash(kind: Kind, parts: &[&[u8]]) -> MatcherHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[kind as u8]);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    MatcherHash(u64::from_le_bytes(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_matcher_has_its_own_hash() {
        let matchers = [
            Matcher::path("a", "/b"),
            Matcher::path("a", "/B"),
            Matcher::path("a", "/"),
            Matcher::path("a/", "b"),
            Matcher::path("b", "/a"),
            Matcher::prefix("a", "/b"),
            Matcher::prefix("a", "/"),
            Matcher::Tag("a".into()),
            Matcher::Tag("A".into()),
            Matcher::Tag("".into()),
            Matcher::Route("a".into()),
            Matcher::Route("".into()),
            Matcher::All,
        ];
        let hashes: HashSet<_> = matchers.iter().map(Matcher::hash).collect();
        assert_eq!(hashes.len(), matchers.len());
    }

    #[test]
    fn spellings_share_a_hash() {
        #[track_caller]
        fn check(one: &str, other: &str) {
            assert_eq!(Matcher::path("h", one).hash(), Matcher::path("h", other).hash());
            assert_eq!(Matcher::prefix("h", one).hash(), Matcher::prefix("h", other).hash());
        }
        check("/products/%37", "/products/7");
        check("//products/7/", "/products/7");
        check("/products/./7;v=1?x=1", "/products/7");
        check("", "/");
    }

    #[test]
    fn deep_prefixes_meet_in_their_first_segments() {
        let base = "/s".repeat(16);
        let deeper = format!("{base}/t");
        assert_eq!(Matcher::prefix("h", &deeper).hash(), Matcher::prefix("h", &base).hash());
        assert_ne!(Matcher::path("h", &deeper).hash(), Matcher::path("h", &base).hash());
    }

    #[test]
    fn kinds_are_numbered_in_their_order() {
        for (number, kind) in Kind::EACH.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }
}
