//! Akamai, by Fast Purge v3.

use crate::secret::Secret;

/// What is set for Akamai.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AkamaiSettings {
    /// Host of the API, from the credentials: `akab-….purge.akamaiapis.net`.
    pub host: String,
    /// `client_token` of the credentials.
    pub client_token: Secret,
    /// `client_secret` of the credentials.
    pub client_secret: Secret,
    /// `access_token` of the credentials.
    pub access_token: Secret,
    /// Which network is purged.
    pub network: AkamaiNetwork,
    /// Whether hard purges delete. Otherwise they invalidate too, which sends the edge back to its origin with a condition,
    /// and may serve what it has if the origin fails.
    pub delete: bool,
    /// CP codes that together are everything; without any a purge of everything goes by a tag.
    pub cp_codes: Vec<u64>,
    /// Whether replies carry their tags, and purges name them.
    pub tags: bool,
    /// Where the API is, instead of `https://{host}`.
    pub endpoint: Option<String>,
}

/// A network of Akamai.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AkamaiNetwork {
    /// What clients see.
    Production,
    /// What is tried out.
    Staging,
}
