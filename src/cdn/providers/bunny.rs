//! Bunny.

use crate::secret::Secret;

/// What is set for Bunny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BunnySettings {
    /// ID of the pull zone.
    pub pull_zone: u64,
    /// Key of the account's API.
    pub access_key: Secret,
    /// Whether replies carry their tags, and purges name them.
    pub tags: bool,
    /// Where the API is, instead of `https://api.bunny.net`.
    pub endpoint: Option<String>,
}
