//! One stored reply.

use super::weight::{ARC, SHARED, allocated};
use super::{Head, gather};
use crate::invalidation::{Bearings, Checked, Fence};
use crate::semantics::{CdnWord, Freshness, Validators};
use crate::time::Timestamp;
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bodies up to this size stand in one allocation with their head. It spares small replies, of which there are many, a
/// counter and the rounding of an allocation, and to copy so little costs less than to allocate it.
const TOGETHER: usize = 16 << 10;

/// What Larder itself wrote into a head for the CDNs in front. It is not the origin's word, so it is taken out before a 304
/// is taken in, and written anew where other rules hold or other CDNs read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Whose word on its lifetime stands there.
    pub lifetime: CdnWord,
    /// Who reads what purges reach it, as [`CdnFields::readers`](crate::engine::CdnFields::readers) has it; 0: nobody. A byte, for
    /// which the head has room: an entry must not grow by a step of the allocator.
    pub readers: u8,
}

impl Told {
    /// This, where a 304 confirmed a reply of which `before` holds. A word of the origin that was replaced is lost until the
    /// origin has `said` it again.
    #[must_use]
    pub fn after(self, before: Self, said: bool) -> Self {
        let lost = before.lifetime == CdnWord::Replaced && !said;
        Self { lifetime: if lost { CdnWord::Replaced } else { self.lifetime }, ..self }
    }
}

/// What an entry is made of.
#[derive(Debug)]
pub struct EntryParts {
    /// The full key, compared on every hit.
    pub key: Box<[u8]>,
    /// Status and fields.
    pub head: Head,
    /// The body: in an allocation of its own, see [`super::gather`], or in the one of its head.
    pub body: Bytes,
    /// How long it may be used.
    pub freshness: Freshness,
    /// What it is revalidated by.
    pub validators: Validators,
    /// When the origin gave or confirmed it.
    pub validated_at: Timestamp,
    /// What this node had applied when the origin was asked.
    pub fence: Fence,
    /// The matchers that reach it.
    pub bearings: Bearings,
}

/// A stored reply. Immutable but for what is remembered of checks against the ledger.
#[derive(Debug)]
pub struct Entry {
    parts: EntryParts,
    checked: Checked,
    /// When its memory is to be freed, in the time of the memory that keeps it.
    until: AtomicU64,
}

impl Entry {
    /// From its parts. A small body is copied, to stand beside its head, unless nothing else stands where both are views:
    /// what does would take memory as long as the entry lives, and small entries are many. A large body that came with its
    /// head in one allocation is left there, and the entry weighs the whole of it.
    pub fn new(mut parts: EntryParts) -> Self {
        let (block, held) = (parts.head.block(), parts.head.held());
        if parts.body.len() <= TOGETHER && held != block.len() + parts.body.len() {
            let (length, whole) = (block.len(), gather(&[block.clone(), parts.body]));
            parts.body = whole.slice(length..);
            parts.head.set_block(whole.slice(..length), whole.len());
        }
        Self { parts, checked: Checked::default(), until: AtomicU64::default() }
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
        let EntryParts { key, head, body, validators, bearings, .. } = &self.parts;
        let etag = validators.etag.as_ref().map_or(0, |etag| allocated(etag.len()));
        let own = allocated(ARC + size_of::<Self>());
        let heap = allocated(key.len()) + allocated(bearings.heap_size()) + etag;
        let content = match head.held() {
            0 => shared_size(head.block().len()) + shared_size(body.len()),
            held => shared_size(held),
        };
        u32::try_from(own + heap + content + super::memory::SHARE).unwrap_or(u32::MAX)
    }

    /// When its memory is to be freed.
    pub(super) fn until(&self) -> u64 {
        self.until.load(Ordering::Relaxed)
    }

    /// Sets when its memory is to be freed.
    pub(super) fn keep_until(&self, until: u64) {
        self.until.store(until, Ordering::Relaxed);
    }
}

impl std::ops::Deref for Entry {
    type Target = EntryParts;

    fn deref(&self) -> &EntryParts {
        &self.parts
    }
}

/// Bytes that an allocation of `length` takes when it is shared.
fn shared_size(length: usize) -> usize {
    if length == 0 { 0 } else { allocated(length) + SHARED }
}
