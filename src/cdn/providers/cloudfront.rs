//! Amazon CloudFront, by its SDK.

use http::HeaderName;

/// What is set for CloudFront. Credentials come from the chain of the SDK: environment, profile, container, machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudfrontSettings {
    /// ID of the distribution.
    pub distribution: String,
    /// Whether its cache key has query strings, so that a URL is purged with all of them, by a wildcard.
    pub query_strings: bool,
    /// The field of its `CacheTagConfig`: replies carry their tags there, and purges name them. `None`: it has none.
    pub tags: Option<HeaderName>,
    /// The region that requests are signed for; `us-east-1` for all public ones.
    pub region: String,
    /// Where the API is, instead of AWS' own.
    pub endpoint: Option<String>,
}
