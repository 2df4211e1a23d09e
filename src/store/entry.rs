//! One stored reply.

use super::Head;
use super::weight::{ARC, SHARED, allocated};
use crate::invalidation::{Bearings, Checked, Fence};
use crate::semantics::{Freshness, Validators};
use bytes::Bytes;

/// What an entry is made of.
#[derive(Debug)]
pub struct EntryParts {
    /// The full key, compared on every hit.
    pub key: Box<[u8]>,
    /// Status and fields.
    pub head: Head,
    /// The body, in an allocation of its own: see [`super::gather`].
    pub body: Bytes,
    /// How long it may be used.
    pub freshness: Freshness,
    /// What it is revalidated by.
    pub validators: Validators,
    /// The position applied when the origin was asked.
    pub fence: Fence,
    /// The matchers that reach it.
    pub bearings: Bearings,
}

/// A stored reply. Immutable but for what is remembered of checks against the ledger.
#[derive(Debug)]
pub struct Entry {
    parts: EntryParts,
    checked: Checked,
}

impl Entry {
    /// From its parts.
    pub fn new(parts: EntryParts) -> Self {
        Self { parts, checked: Checked::default() }
    }

    /// Its parts.
    pub fn parts(&self) -> &EntryParts {
        &self.parts
    }

    /// Whether it was read from the origin after `other`: by their fences, and between two invalidations by the time the
    /// origin gave them.
    pub(super) fn is_newer_than(&self, other: &Self) -> bool {
        (self.parts.fence, self.parts.freshness.born) > (other.parts.fence, other.parts.freshness.born)
    }

    /// What is known of it and the ledger.
    pub fn checked(&self) -> &Checked {
        &self.checked
    }

    /// Bytes it holds, its own and those on the heap, with the allocator's rounding and the cache's own share.
    pub fn weight(&self) -> u32 {
        let EntryParts { key, head, body, freshness: _, validators, fence: _, bearings } = &self.parts;
        let etag = validators.etag.as_ref().map_or(0, |etag| allocated(etag.len()));
        let shared = |bytes: &Bytes| if bytes.is_empty() { 0 } else { allocated(bytes.len()) + SHARED };
        let own = allocated(ARC + size_of::<Self>());
        let heap = allocated(key.len()) + allocated(bearings.heap_size()) + etag;
        u32::try_from(own + heap + shared(head.block()) + shared(body) + super::memory::SHARE)
            .unwrap_or(u32::MAX)
    }
}

impl std::ops::Deref for Entry {
    type Target = EntryParts;

    fn deref(&self) -> &EntryParts {
        &self.parts
    }
}
