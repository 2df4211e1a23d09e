//! What is set for one CDN.

use super::{Rate, providers};
use std::sync::Arc;
use std::time::Duration;

/// One CDN in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CdnSettings {
    /// Its name: the label in metrics and logs, and of its queue.
    pub name: Arc<str>,
    /// Whose API, and how.
    pub provider: ProviderSettings,
    /// The hosts it stands before, each by the name that it knows; purges of others are not sent. Empty: all.
    pub hosts: Vec<Box<str>>,
    /// Scheme and host as clients write them, where they are not `https://` and the canonical host.
    pub public_url: Option<Arc<str>>,
    /// How long the first purge waits for others, to go out with them.
    pub gather: Duration,
    /// Every purge is sent again after this: a CDN with shielding may fill its edge from a shield that was not purged yet.
    pub second_purge: Option<Duration>,
    /// A purge that was not taken for this long becomes a dead letter.
    pub give_up_after: Duration,
    /// How long one call may take.
    pub timeout: Duration,
    /// The rate at which it is called, in place of what its documentation says.
    pub rate: Option<Rate>,
}

/// Whose API, and what it needs.
#[expect(clippy::large_enum_variant, reason = "one a CDN, read once")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderSettings {
    /// Amazon CloudFront.
    #[cfg(feature = "cloudfront")]
    Cloudfront(providers::cloudfront::CloudfrontSettings),
    /// Fastly.
    Fastly(providers::fastly::FastlySettings),
    /// Cloudflare.
    Cloudflare(providers::cloudflare::CloudflareSettings),
    /// Akamai.
    Akamai(providers::akamai::AkamaiSettings),
    /// Google Cloud CDN.
    Google(providers::google::GoogleSettings),
    /// Azure Front Door.
    Azure(providers::azure::AzureSettings),
    /// Bunny.
    Bunny(providers::bunny::BunnySettings),
    /// Any other API, by template.
    Http(providers::http::HttpSettings),
}

impl ProviderSettings {
    /// What of it the API finds, or does not, as an operator calls it.
    pub fn place(&self) -> &'static str {
        match self {
            #[cfg(feature = "cloudfront")]
            Self::Cloudfront(_) => "distribution",
            Self::Fastly(_) => "service",
            Self::Cloudflare(_) => "zone",
            Self::Akamai(_) => "host",
            Self::Google(_) => "project or URL map",
            Self::Azure(_) => "subscription, resource group, profile or endpoint",
            Self::Bunny(_) => "pull zone",
            Self::Http(_) => "address",
        }
    }
}
