//! From a request to the key of its reply.

mod authority;
mod builder;
mod query;
mod region;

pub use authority::{HostAliases, canonical_authority};
pub use builder::{KeyBuf, KeyHash, KeyPart, KeyRule, RequestTarget, Scheme, VaryInput};
pub use query::{NamePattern, QueryRule};
pub use region::RegionRule;
