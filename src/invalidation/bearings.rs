//! The matchers a stored reply answers to.

use std::sync::atomic::AtomicU64;

/// The hashes of all matchers that reach one reply: its path, every prefix of it, its route and its tags.
#[derive(Clone, Debug)]
pub struct Bearings {/* compact */}

impl Bearings {
    /// Bearings of a reply to `authority` (canonical) and `path` (as the client sent it, without query), stored under `route`.
    pub fn new<'a>(
        authority: &str,
        path: &str,
        route: &str,
        tags: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, TooManyTags> {
        let _ = (authority, path, route, tags.into_iter().count());
        todo!()
    }
    /// Those that the request alone tells: no tags.
    pub fn of_target(authority: &str, path: &str, route: &str) -> Self {
        let _ = (authority, path, route);
        todo!()
    }
    /// Heap bytes held.
    pub fn heap_size(&self) -> usize {
        todo!()
    }
}

/// A reply bears more tags, or longer ones, than are kept. It must not be stored: a purge of one left out would miss it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more tags than are kept")]
pub struct TooManyTags;

/// Up to which position an entry is known to be untouched; kept beside the entry so that most checks are one load.
#[derive(Debug, Default)]
pub struct Checked(pub(super) AtomicU64);
