//! The key itself: BLAKE3 over length-framed parts.

use super::{QueryRule, RegionRule};
use http::{HeaderMap, HeaderName};

/// The scheme a client used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

/// A request input that routes let the key depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaryInput {
    Region,
    Header(HeaderName),
    Cookie(String),
}

/// What a route's keys are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRule {
    pub query: QueryRule,
    pub vary: Vec<VaryInput>,
    pub region: Option<std::sync::Arc<RegionRule>>,
}

/// What of a request a key is made from.
#[derive(Clone, Copy, Debug)]
pub struct RequestTarget<'a> {
    pub scheme: Scheme,
    /// Canonical authority.
    pub authority: &'a str,
    /// Path as sent.
    pub path: &'a str,
    /// Query as sent, without `?`.
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
}

/// BLAKE3 of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash(pub(crate) [u8; 32]);

impl KeyHash {
    /// Its first 64 bits, as uniform as the whole.
    pub fn prefix(&self) -> u64 {
        todo!()
    }
}

/// One part of a key, for `larder explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPart {
    pub name: String,
    pub value: String,
}

/// A full key in a buffer that is used again and again, so that a hit allocates nothing.
#[derive(Debug, Default)]
pub struct KeyBuf {
    pub(super) _bytes: Vec<u8>,
}

impl KeyBuf {
    /// A buffer that holds a key made before.
    pub fn of(key: &[u8]) -> Self {
        Self { _bytes: key.to_vec() }
    }
    /// Replaces the content by the key of `target` under `rule`.
    pub fn set(&mut self, rule: &KeyRule, target: &RequestTarget<'_>) {
        let _ = (rule, target);
        todo!()
    }
    /// Turns a primary key into the key of a variant: appends the origin's `Vary` names and this request's values.
    pub fn push_variant(&mut self, names: &[HeaderName], headers: &HeaderMap) {
        let _ = (names, headers);
        todo!()
    }
    /// The key's bytes, to be kept with an entry and compared on a hit.
    pub fn as_bytes(&self) -> &[u8] {
        todo!()
    }
    /// Their hash.
    pub fn hash(&self) -> KeyHash {
        todo!()
    }
}

impl KeyRule {
    /// The parts of a key, by name, for people.
    pub fn explain(&self, target: &RequestTarget<'_>) -> Vec<KeyPart> {
        let _ = target;
        todo!()
    }
    /// Whether every cookie of the request is part of the key.
    pub fn keys_all_cookies(&self, headers: &HeaderMap) -> bool {
        let _ = headers;
        todo!()
    }
    /// The `Cookie` header reduced to the cookies that are part of the key; `None` when none is left.
    pub fn keyed_cookies(&self, headers: &HeaderMap) -> Option<String> {
        let _ = headers;
        todo!()
    }
}
