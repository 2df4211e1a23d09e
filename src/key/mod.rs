//! From a request to the key of its reply.
//!
//! A key is bytes, not only their hash: they are kept with what is stored and compared on a hit, so that a collision costs a
//! miss and never serves the wrong reply. Whatever goes into it, one principle decides doubtful cases: two requests share a key
//! only where that is known to be right. A difference kept for nothing costs a hit; one lost for nothing serves one client what
//! was made for another.

mod authority;
mod buffer;
mod cookies;
mod fields;
mod frame;
mod hash;
mod query;
mod region;
mod rule;
mod scratch;

pub use authority::{HostAliases, canonical_authority};
pub use buffer::{KeyBuf, RequestTarget, Scheme};
pub use hash::KeyHash;
pub use query::{NamePattern, QueryRule};
pub use region::RegionRule;
pub use rule::{KeyPart, KeyRule, VaryInput};
