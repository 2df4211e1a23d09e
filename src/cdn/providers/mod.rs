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
