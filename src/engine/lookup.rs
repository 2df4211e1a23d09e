//! What memory has for a request.

use super::Engine;
use super::fill::StoredKey;
use super::request::Request;
use super::rules::CacheRule;
use crate::key::{KeyBuf, KeyHash};
use crate::store::{Entry, Slot};
use http::HeaderName;
use std::cell::RefCell;
use std::sync::Arc;

thread_local! {
    /// The key of the request at hand. One buffer a thread, so that a hit allocates nothing.
    static KEY: RefCell<KeyBuf> = RefCell::default();
}

/// What stands under a request's key.
pub(super) enum Found {
    /// A reply, under this hash, and the fields that the origin varies on.
    Entry(KeyHash, Arc<Entry>, Option<Arc<[HeaderName]>>),
    /// None under this hash; the origin is known to vary on these fields.
    NoVariant(KeyHash, Arc<[HeaderName]>),
    /// None under this hash.
    Nothing(KeyHash),
}

impl Found {
    pub(super) fn hash(&self) -> KeyHash {
        match self {
            Self::Entry(hash, ..) | Self::NoVariant(hash, _) | Self::Nothing(hash) => *hash,
        }
    }

    /// Whether `later`, another look for the same request, found a reply that was not there before.
    pub(super) fn overtaken_by(&self, later: &Self) -> bool {
        match (self, later) {
            (Self::Entry(_, before, _), Self::Entry(_, now, _)) => !Arc::ptr_eq(before, now),
            (_, Self::Entry(..)) => true,
            (_, Self::NoVariant(..) | Self::Nothing(_)) => false,
        }
    }
}

impl Engine {
    /// Looks a request up in memory: under its primary key and, where the origin varies, under that of its variant.
    pub(super) fn lookup(&self, rule: &CacheRule, request: &Request<'_>) -> Found {
        KEY.with_borrow_mut(|key| {
            key.set(&rule.key, &request.target);
            let hash = key.hash();
            let names = match self.memory.get(&hash, key.as_bytes()) {
                None => return Found::Nothing(hash),
                Some(Slot::Entry(entry)) => return Found::Entry(hash, entry, None),
                Some(Slot::Variants(names)) => names,
            };
            key.push_variant(&names, request.target.headers);
            let hash = key.hash();
            match self.memory.get(&hash, key.as_bytes()) {
                Some(Slot::Entry(entry)) => Found::Entry(hash, entry, Some(names)),
                Some(Slot::Variants(_)) | None => Found::NoVariant(hash, names),
            }
        })
    }

    /// The key without the origin's own `Vary`.
    pub(super) fn primary_key(rule: &CacheRule, request: &Request<'_>) -> StoredKey {
        KEY.with_borrow_mut(|key| {
            key.set(&rule.key, &request.target);
            StoredKey::of(key)
        })
    }

    /// The key that `found` was looked for under in the end.
    pub(super) fn key_of(rule: &CacheRule, request: &Request<'_>, found: &Found) -> Box<[u8]> {
        KEY.with_borrow_mut(|key| {
            key.set(&rule.key, &request.target);
            if let Found::Entry(_, _, Some(names)) | Found::NoVariant(_, names) = found {
                key.push_variant(names, request.target.headers);
            }
            key.as_bytes().into()
        })
    }

    /// Whether a reply stored under `expected`, on which these fields select, is the one for `request`.
    pub(super) fn is_variant_of(
        rule: &CacheRule,
        request: &Request<'_>,
        names: &[HeaderName],
        expected: &[u8],
    ) -> bool {
        KEY.with_borrow_mut(|key| {
            key.set(&rule.key, &request.target);
            if !names.is_empty() {
                key.push_variant(names, request.target.headers);
            }
            key.as_bytes() == expected
        })
    }
}
