//! One stored reply.

use super::Head;
use crate::invalidation::{Bearings, Checked, Fence};
use crate::semantics::{Freshness, Validators};
use bytes::Bytes;

/// What an entry is made of.
#[derive(Debug)]
pub struct EntryParts {
    /// The full key, compared on every hit.
    pub key: Box<[u8]>,
    pub head: Head,
    pub body: Bytes,
    pub freshness: Freshness,
    pub validators: Validators,
    pub fence: Fence,
    pub bearings: Bearings,
}

/// One allocation of exactly the pieces' bytes.
pub fn gather(pieces: &[Bytes]) -> Bytes {
    let _ = pieces;
    todo!()
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
    /// What is known of it and the ledger.
    pub fn checked(&self) -> &Checked {
        &self.checked
    }
    /// Bytes it holds, its own and those on the heap, with the allocator's rounding and the cache's own share.
    pub fn weight(&self) -> u32 {
        todo!()
    }
}

impl std::ops::Deref for Entry {
    type Target = EntryParts;
    fn deref(&self) -> &EntryParts {
        &self.parts
    }
}
