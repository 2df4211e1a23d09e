//! A key's bytes.
//!
//! In order, each element [framed](super::frame): format, scheme, authority, path, query, the rule's fingerprint, the rule's vary
//! inputs (kind, name, value), and for a variant the fields that the origin named (kind, their number, names, values).

use super::scratch::{Scratch, trim};
use super::{KeyHash, KeyRule, VaryInput, fields, frame};
use http::{HeaderMap, HeaderName};

/// The format of keys, their first byte. A change of the format changes it, so that keys kept by another version are never
/// read as this one's, and it sets keys apart from all else that is hashed here.
const FORMAT: u8 = 1;

/// The kinds of elements after the query.
const REGION: u8 = 1;
const HEADER: u8 = 2;
const COOKIE: u8 = 3;
const VARIANT: u8 = 4;

/// The scheme a client used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// As in a URI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of an authority that names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// What of a request a key is made from.
#[derive(Clone, Copy, Debug)]
pub struct RequestTarget<'a> {
    /// The scheme the client used.
    pub scheme: Scheme,
    /// Canonical authority.
    pub authority: &'a str,
    /// Path as sent.
    pub path: &'a str,
    /// Query as sent, without `?`.
    pub query: Option<&'a str>,
    /// All header fields.
    pub headers: &'a HeaderMap,
}

/// A full key in a buffer that is used again and again, so that a hit allocates nothing.
///
/// ```
/// use http::HeaderMap;
/// use larder::key::{KeyBuf, KeyRule, NamePattern, QueryRule, RequestTarget, Scheme};
///
/// let query = QueryRule { ignore: vec![NamePattern::StartsWith("utm_".into())], sort: true, ..QueryRule::default() };
/// let rule = KeyRule::new(query, vec![], None);
/// let headers = HeaderMap::new();
/// let hash = |query| {
///     let mut key = KeyBuf::default();
///     let (authority, path) = ("shop.example.com", "/products");
///     key.set(&rule, &RequestTarget { scheme: Scheme::Https, authority, path, query, headers: &headers });
///     key.hash()
/// };
/// assert_eq!(hash(Some("size=m&color=red&utm_source=mail")), hash(Some("color=red&size=m")));
/// assert_ne!(hash(Some("color=red")), hash(None));
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeyBuf {
    bytes: Vec<u8>,
    scratch: Scratch,
}

impl KeyBuf {
    /// A buffer that holds a key made before.
    pub fn of(key: &[u8]) -> Self {
        Self { bytes: key.to_vec(), scratch: Scratch::default() }
    }

    /// Replaces the content by the key of `target` under `rule`.
    ///
    /// Allocates only where the buffer has not been as large before, or has been given back after more than 16 KiB.
    pub fn set(&mut self, rule: &KeyRule, target: &RequestTarget<'_>) {
        let Self { bytes, scratch } = self;
        trim(bytes);
        scratch.trim();
        let RequestTarget { scheme, authority, path, query, headers } = *target;
        bytes.clear();
        bytes.extend_from_slice(&[FORMAT, scheme as u8]);
        frame::part(bytes, authority.as_bytes());
        frame::part(bytes, path.as_bytes());
        frame::optional(bytes, rule.query().normalise(query, scratch));
        frame::optional(bytes, rule.fingerprint().map(<[u8; 8]>::as_slice));
        for input in rule.vary() {
            match input {
                VaryInput::Region => bytes.push(REGION),
                VaryInput::Header(name) => {
                    bytes.push(HEADER);
                    frame::part(bytes, name.as_str().as_bytes());
                }
                VaryInput::Cookie(name) => {
                    bytes.push(COOKIE);
                    frame::part(bytes, name.as_bytes());
                }
            }
            frame::optional(bytes, rule.value(input, headers, scratch));
        }
    }

    /// Turns a primary key into the key of a variant: appends the origin's `Vary` names, as they come, and this request's values.
    ///
    /// Values are normalised as RFC 9111, 4.1 allows: lines joined, whitespace around commas of lists dropped, codings
    /// sorted. An absent field differs from an empty one. Even without names the key of a variant differs from the primary one.
    pub fn push_variant(&mut self, names: &[HeaderName], headers: &HeaderMap) {
        let Self { bytes, scratch } = self;
        bytes.push(VARIANT);
        frame::length(bytes, names.len());
        for name in names {
            frame::part(bytes, name.as_str().as_bytes());
            frame::optional(bytes, fields::value(name, headers, scratch));
        }
    }

    /// The key's bytes, to be kept with an entry and compared on a hit.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their hash.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.bytes)
    }
}

#[cfg(test)]
mod tests;
