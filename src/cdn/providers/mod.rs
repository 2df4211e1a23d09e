//! The APIs of CDNs, one file each.

pub mod akamai;
pub mod azure;
pub mod bunny;
pub mod cloudflare;
#[cfg(feature = "cloudfront")]
pub mod cloudfront;
pub mod fastly;
pub mod google;
pub mod http;
mod request;
mod token;

use super::{CdnSettings, ClientError, Provider, ProviderSettings};
use std::sync::Arc;

/// Why the API of a CDN cannot be called as it is set up.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// There is no HTTP client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The address of the API is none.
    #[error("{0:?} is no address of an API: write http:// or https://, a host, and no query")]
    Endpoint(String),
    /// A secret with bytes that no header field may have, such as the end of a line. It is named, not shown.
    #[error("{0} has characters that cannot be sent in a header field")]
    Secret(&'static str),
    /// A key file that cannot be read, or is none.
    #[error("{0}")]
    KeyFile(String),
    /// Templates of which no request can be made.
    #[error("{0}")]
    Template(String),
}

/// What calls the API of a CDN, as it is set up.
pub fn make(settings: &CdnSettings) -> Result<Arc<dyn Provider>, MakeError> {
    let timeout = settings.timeout;
    Ok(match &settings.provider {
        #[cfg(feature = "cloudfront")]
        ProviderSettings::Cloudfront(settings) => Arc::new(cloudfront::Cloudfront::new(settings, timeout)?),
        ProviderSettings::Akamai(settings) => Arc::new(akamai::Akamai::new(settings, timeout)?),
        ProviderSettings::Fastly(settings) => Arc::new(fastly::Fastly::new(settings, timeout)?),
        ProviderSettings::Cloudflare(settings) => Arc::new(cloudflare::Cloudflare::new(settings, timeout)?),
        ProviderSettings::Google(settings) => Arc::new(google::Google::new(settings, timeout)?),
        ProviderSettings::Azure(settings) => Arc::new(azure::Azure::new(settings, timeout)?),
        ProviderSettings::Bunny(settings) => Arc::new(bunny::Bunny::new(settings, timeout)?),
        ProviderSettings::Http(settings) => Arc::new(http::Http::new(settings, timeout)?),
    })
}

/// Scheme, host and perhaps a path, to which the paths of an API are added: no slash at the end. Names and passwords in it
/// are refused, because addresses are printed.
fn base(address: &str) -> Result<String, MakeError> {
    let refused = || {
        let shown = if address.contains('@') { "an address with a password" } else { address };
        MakeError::Endpoint(shown.to_owned())
    };
    let uri: ::http::Uri = address.parse().map_err(|_| refused())?;
    let named = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    if !named || !web || uri.query().is_some() || address.contains('#') {
        return Err(refused());
    }
    Ok(address.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_apis() {
        #[track_caller]
        fn check(address: &str, expected: Option<&str>) {
            assert_eq!(base(address).ok().as_deref(), expected, "{address}");
        }
        check("https://api.example.com", Some("https://api.example.com"));
        check("http://127.0.0.1:81/", Some("http://127.0.0.1:81"));
        check("https://gate.example.com/akamai/", Some("https://gate.example.com/akamai"));
        check("api.example.com", None);
        check("ftp://api.example.com", None);
        check("https://api.example.com?a=b", None);
        check("https://api.example.com/#x", None);
        check("https://", None);
        check("", None);
        assert!(!base("https://me:hunter2@api.example.com").unwrap_err().to_string().contains("hunter2"));
    }
}
