//! The port of the remote tier, which many nodes share.

use super::Head;
use crate::invalidation::{Bearings, Fence, SharedFence};
use crate::key::KeyHash;
use crate::semantics::{Freshness, Validators};
use crate::store::{Entry, EntryParts};
use crate::time::Timestamp;
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderName;
use std::sync::Arc;
use std::time::Duration;

/// A reply as the remote tier keeps it: an entry whose fence all nodes understand.
#[derive(Clone, Debug)]
pub struct RemoteEntry {
    /// The full key.
    pub key: Box<[u8]>,
    /// Status and fields.
    pub head: Head,
    /// The body.
    pub body: Bytes,
    /// How long it may be used.
    pub freshness: Freshness,
    /// What it is revalidated by.
    pub validators: Validators,
    /// When the origin gave or confirmed it.
    pub validated_at: Timestamp,
    /// The matchers that reach it.
    pub bearings: Bearings,
    /// Taken before the origin was asked.
    pub fence: SharedFence,
}

impl RemoteEntry {
    /// A reply of this node, for the others.
    pub fn of(entry: &Entry, fence: SharedFence) -> Self {
        let EntryParts { key, head, body, freshness, validators, validated_at, fence: _, bearings } =
            entry.parts();
        Self {
            key: key.clone(),
            head: head.clone(),
            body: body.clone(),
            freshness: freshness.clone(),
            validators: validators.clone(),
            validated_at: *validated_at,
            bearings: bearings.clone(),
            fence,
        }
    }

    /// As an entry of this node, where its fence is `fence`.
    pub fn into_entry(self, fence: Fence) -> Entry {
        let Self { key, head, body, freshness, validators, validated_at, bearings, fence: _ } = self;
        Entry::new(EntryParts { key, head, body, freshness, validators, validated_at, fence, bearings })
    }
}

/// What is stored under a key.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all that is passed around are replies; a box would cost each of them"
)]
pub enum RemoteItem {
    /// A reply.
    Entry(RemoteEntry),
    /// The origin varies: these request fields make the key of the variant.
    Variants {
        /// The full key.
        key: Box<[u8]>,
        /// The fields, in lower case and order.
        names: Arc<[HeaderName]>,
    },
}

impl RemoteItem {
    /// The full key, to be compared on reading.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Entry(entry) => &entry.key,
            Self::Variants { key, .. } => key,
        }
    }
}

/// What a look into the remote tier brought.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all that is passed around are replies; a box would cost each of them"
)]
pub enum Looked {
    /// This stands there.
    Found(RemoteItem),
    /// Nothing usable stands there.
    Nothing,
    /// The tier could not be asked, or not in time: nothing is known.
    Unavailable,
}

/// What asking for the lease of a key brought.
pub enum Leased {
    /// The caller fills the key for the whole fleet.
    Held(Box<dyn Lease>),
    /// Another node does. Wait with [`Remote::vacated`].
    Taken,
    /// Nobody can tell: fill alone.
    Unavailable,
}

/// How a lease that another node held came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vacated {
    /// Its holder gave it up: what it brought is there, if it may be shared.
    Released,
    /// Nothing was heard of its holder for the length of a lease, so it may have died, or may still be at it.
    Expired,
}

/// The duty to fill a key for the whole fleet. It is renewed as long as it is held; dropping it gives it up, and wakes
/// the nodes that wait.
pub trait Lease: Send + Sync {
    /// What was put under `hash` is there, too, before the lease is seen to end.
    fn brings(&self, hash: KeyHash);
}

/// The remote tier. Every call is bounded by the tier's own time-out, and in trouble costs nothing: it may say at once
/// that nothing is there.
#[async_trait]
pub trait Remote: Send + Sync + 'static {
    /// What stands under `key`, whose hash is `hash`. Calls for one key that come at once share one look.
    async fn get(&self, hash: KeyHash, key: &[u8]) -> Looked;

    /// Whether a body of `length` bytes may be stored at all.
    fn takes(&self, length: u64) -> bool;

    /// Stores an item for `keep`. Returns when it stands there or was given up on, or at once where writes go behind. An
    /// item that is too large, or of no use to others, is left out.
    async fn put(&self, hash: KeyHash, item: RemoteItem, keep: Duration);

    /// Lets what stands under a key stay for `keep` from now.
    async fn touch(&self, hash: KeyHash, keep: Duration);

    /// Asks for the lease of a key. What its holder puts under that key is there before the lease is seen to end.
    async fn lease(&self, hash: KeyHash) -> Leased;

    /// Waits until the lease of a key that was [`Leased::Taken`] has ended, or may have. Bounded by the length of a lease; the
    /// caller looks again.
    async fn vacated(&self, hash: KeyHash) -> Vacated;
}
