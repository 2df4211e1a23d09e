//! Cloudflare.

use crate::secret::Secret;
use http::HeaderName;

/// What is set for Cloudflare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudflareSettings {
    /// ID of the zone.
    pub zone: String,
    /// API token with the permission to purge.
    pub token: Secret,
    /// Whether replies carry their tags, and purges name them.
    pub tags: bool,
    /// The fields by which the zone keeps variants of a URL (a custom cache key, `CF-IPCountry`, `CF-Device-Type`, `Origin`),
    /// with the values of each variant: a purge of a URL names them one by one. Empty: there are none.
    pub variants: Vec<Vec<(HeaderName, String)>>,
    /// Where the API is, instead of `https://api.cloudflare.com`.
    pub endpoint: Option<String>,
}
