//! The head of a reply that arrived from the origin, and what was decided by it.

use crate::invalidation::{Bearings, Fence};
use crate::semantics::{Freshness, NotStorable, Validators};
use crate::store::Head;
use crate::time::Timestamp;
use http::HeaderName;
use std::sync::Arc;

/// A reply's head with everything that tells whom it may be given to.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) head: Head,
    pub(super) validators: Validators,
    /// Length of the body, where the origin announced it.
    pub(super) length: Option<u64>,
    /// When the head arrived.
    pub(super) received_at: Timestamp,
    /// When it was generated, as far as the origin tells.
    pub(super) born: Option<Timestamp>,
    /// Taken before the origin was asked.
    pub(super) fence: Fence,
    /// What reaches it; `None` where it has more tags than are kept, and is not stored.
    pub(super) bearings: Option<Bearings>,
    pub(super) storable: Result<Storable, NotStorable>,
}

/// How a reply is stored.
#[derive(Debug)]
pub(super) struct Storable {
    pub(super) freshness: Freshness,
    /// The full key it is stored under.
    pub(super) key: Box<[u8]>,
    /// The request fields that key depends on besides those of the rule.
    pub(super) varies_on: Arc<[HeaderName]>,
}

impl Arrival {
    /// How long it is fresh, where that was decided.
    pub(super) fn freshness(&self) -> Option<&Freshness> {
        self.storable.as_ref().ok().map(|storable| &storable.freshness)
    }
}
