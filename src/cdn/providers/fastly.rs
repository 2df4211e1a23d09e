//! Fastly.

use crate::secret::Secret;

/// What is set for Fastly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FastlySettings {
    /// ID of the service.
    pub service: String,
    /// API token with the scopes `purge_select` and `purge_all`.
    pub token: Secret,
    /// Whether replies carry their tags, and purges name them.
    pub tags: bool,
    /// Where the API is, instead of `https://api.fastly.com`.
    pub endpoint: Option<String>,
}
