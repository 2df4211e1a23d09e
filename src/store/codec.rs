//! The form in which other nodes read what one of them stored.
//!
//! Bytes from elsewhere are untrusted: another version of Larder wrote them, another program, or a fault. Whatever they
//! are, reading them gives an item that [`encode`] could have written for the key asked for, or a [`DecodeError`].
//!
//! # Version 2
//!
//! Numbers are big-endian; times and spans are milliseconds, the former since the Unix epoch.
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | `LRDR` |
//! | 1 | the version: 2 |
//! | 4 | CRC-32 of all that follows |
//! | 1 | what it is: 0 a reply, 1 a reply whose body is compressed with zstd, 2 the fields that a resource varies on |
//! | 4, n | the key |
//!
//! A reply goes on with
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | flags: 1 must-revalidate, 2 no-cache, 4 authorized, 8 any prefix reaches it, 16 has an entity tag, 32 has `Last-Modified` |
//! | 2 | status |
//! | 1, 1 | who gave the lifetime; the departure and 1, or 0 |
//! | 8, 8, 8, 8, 8 | born; lifetime; stale-while-revalidate; stale-if-error; when it was validated |
//! | 16, 4, 8 | the fence: birth, term, position |
//! | 8, (8), (4, n) | `Date`; `Last-Modified`; entity tag |
//! | 1, 1, 2, 8 each | how many paths, prefixes, tags; hashes: paths, prefixes, the route, tags |
//! | 1, 4 | whose word on its lifetime CDNs are told; who reads what purges reach it, or 0 |
//! | 4, n | head |
//! | 8, 8, n | length of the body; bytes that it takes here; the body |
//!
//! and the fields that a resource varies on with
//!
//! | bytes | what |
//! | --- | --- |
//! | 2, (2, n) each | how many; their names, in lower case and order |

mod body;
mod read;
mod write;

pub use read::decode;
pub use write::encode;

/// What every item begins with.
const MAGIC: [u8; 4] = *b"LRDR";

/// The form. Any change of it is another version: nodes that know only this one then find nothing.
const VERSION: u8 = 2;

/// Magic, version, checksum.
const PREAMBLE: usize = 9;

/// What an item is, as its number.
mod kind {
    pub(super) const ENTRY: u8 = 0;
    pub(super) const COMPRESSED: u8 = 1;
    pub(super) const VARIANTS: u8 = 2;
}

/// Bits of a reply.
mod flag {
    pub(super) const MUST_REVALIDATE: u8 = 1;
    pub(super) const NO_CACHE: u8 = 1 << 1;
    pub(super) const AUTHORIZED: u8 = 1 << 2;
    pub(super) const ANY_PREFIX: u8 = 1 << 3;
    pub(super) const ETAG: u8 = 1 << 4;
    pub(super) const LAST_MODIFIED: u8 = 1 << 5;
    /// All of them.
    pub(super) const KNOWN: u8 = (1 << 6) - 1;
}

/// Whether bodies are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Never.
    Off,
    /// With zstd, where that makes them at least a tenth smaller.
    WherePays,
}

/// Why bytes are no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Something else stands there.
    #[error("these are not bytes of Larder's")]
    Magic,
    /// Written in another form, by an older or a newer Larder.
    #[error("form {0} is not the one of this version of Larder, {VERSION}")]
    Version(u8),
    /// They are not as they were written.
    #[error("the checksum is another")]
    Checksum,
    /// They end too early, or go on.
    #[error("a length does not fit")]
    Length,
    /// They belong to another key.
    #[error("it belongs to another key")]
    Key,
    /// A number stands for nothing.
    #[error("a number stands for nothing")]
    Number,
    /// A status that no stored reply has.
    #[error("no stored reply has this status, or not with a body")]
    Status,
    /// An entity tag that is none.
    #[error("its entity tag is none")]
    EntityTag,
    /// Hashes that are no reply's.
    #[error("its matchers are no reply's")]
    Bearings,
    /// A head that may not be sent.
    #[error("its head is not a block of fields that may be stored")]
    Head,
    /// Names that no resource varies on.
    #[error("these are not the fields that a resource varies on")]
    Names,
    /// The body would be larger than was asked for.
    #[error("its body is too large")]
    TooLarge,
    /// The body cannot be decompressed, or has another length then.
    #[error("its body cannot be decompressed")]
    Compression,
}

impl DecodeError {
    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Magic => "magic",
            Self::Version(_) => "version",
            Self::Checksum => "checksum",
            Self::Length => "length",
            Self::Key => "key",
            Self::Number => "number",
            Self::Status => "status",
            Self::EntityTag => "entity_tag",
            Self::Bearings => "bearings",
            Self::Head => "head",
            Self::Names => "names",
            Self::TooLarge => "too_large",
            Self::Compression => "compression",
        }
    }
}

#[cfg(test)]
mod tests;
