//! Google Cloud CDN.

use std::path::PathBuf;

/// What is set for Google Cloud CDN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoogleSettings {
    /// ID of the project.
    pub project: String,
    /// Name of the URL map.
    pub url_map: String,
    /// Key file of a service account; `None`: the identity of the machine, asked of its metadata server.
    pub credentials: Option<PathBuf>,
    /// Whether replies carry their tags, and purges name them.
    pub tags: bool,
    /// Where the API is, instead of `https://compute.googleapis.com`.
    pub endpoint: Option<String>,
    /// Where tokens are given out, instead of what the key file says, or the metadata server.
    pub token_endpoint: Option<String>,
}
