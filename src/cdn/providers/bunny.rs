//! Bunny.
//!
//! <https://docs.bunny.net/api-reference/core/purge/purge-url>,
//! <https://docs.bunny.net/api-reference/core/pull-zone/purge-cache>

use super::request::{
    bare, encoded, exchange, folder, json, judge_address, no_page, places, secret_value, tags,
};
use super::{MakeError, base};
use crate::cdn::limits::{BUNNY, BUNNY_PREFIXES};
use crate::cdn::{Call, CallError, Client, Limits, Location, Provider, TargetKind, judge};
use crate::secret::Secret;
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request};
use serde_json::json;
use std::time::Duration;

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

/// The API of Bunny.
///
/// It takes one thing a request, and is asked to answer when the purge is done rather than when it was noted (`async=false`).
/// A prefix is a URL with a star behind it, which reaches names that only begin alike, too.
#[derive(Debug)]
pub struct Bunny {
    limits: Limits,
    client: Client,
    base: String,
    pull_zone: u64,
    access_key: Secret,
    key: HeaderValue,
}

impl Bunny {
    /// With `settings`; calls take `timeout` at most.
    pub fn new(settings: &BunnySettings, timeout: Duration) -> Result<Self, MakeError> {
        let BunnySettings { pull_zone, access_key, tags, endpoint } = settings;
        let mut limits = BUNNY.clone().with_tags(*tags);
        if !*tags {
            limits.rate = BUNNY_PREFIXES;
        }
        Ok(Self {
            limits,
            client: Client::new(timeout)?,
            base: base(endpoint.as_deref().unwrap_or("https://api.bunny.net"))?,
            pull_zone: *pull_zone,
            key: secret_value("the access key", access_key.expose())?,
            access_key: access_key.clone(),
        })
    }

    fn post(&self, path: &str) -> http::request::Builder {
        Request::post(format!("{}{path}", self.base)).header("accesskey", &self.key)
    }

    fn requests(&self, call: &Call) -> Result<Vec<Request<Bytes>>, CallError> {
        let zone = || self.post(&format!("/pullzone/{}/purgeCache", self.pull_zone));
        match call.kind {
            TargetKind::Url => places(call).map(|place| bare(self.post(&exact(place)))).collect(),
            TargetKind::Prefix => places(call).map(|place| bare(self.post(&below(place)))).collect(),
            TargetKind::Tag => tags(call).map(|tag| json(zone(), &json!({ "CacheTag": tag }))).collect(),
            TargetKind::All => Ok(vec![bare(zone())?]),
        }
    }
}

/// A URL that ends in a slash would be everything below it, unless it is said to be meant as it is.
fn exact(place: &Location) -> String {
    let exact = if place.path.ends_with('/') { "&exactPath=true" } else { "" };
    format!("/purge?async=false{exact}&url={}", encoded(&place.to_string()))
}

fn below(place: &Location) -> String {
    format!("/purge?async=false&url={}", encoded(&format!("{}{}*", place.base, folder(&place.path))))
}

#[async_trait]
impl Provider for Bunny {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn send(&self, call: &Call) -> Result<(), CallError> {
        let judge = match call.kind {
            // A URL of no pull zone is not there either.
            TargetKind::Url | TargetKind::Prefix => judge,
            TargetKind::Tag | TargetKind::All => judge_address,
        };
        for request in self.requests(call)? {
            let reply = exchange(&self.client, request, &[self.access_key.expose()]).await?;
            if let Some(error) = judge(&reply) {
                return Err(error);
            }
            no_page(&reply, "Bunny")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_stand_in_the_query() {
        #[track_caller]
        fn check(path: &str, url: &str, prefix: &str) {
            let place = Location { base: "https://shop".into(), path: path.into() };
            assert_eq!((exact(&place), below(&place)), (url.to_owned(), prefix.to_owned()));
        }
        check(
            "/a?b&c",
            "/purge?async=false&url=https%3A%2F%2Fshop%2Fa%3Fb%26c",
            "/purge?async=false&url=https%3A%2F%2Fshop%2Fa%3Fb%26c%2A",
        );
        check(
            "/a/",
            "/purge?async=false&exactPath=true&url=https%3A%2F%2Fshop%2Fa%2F",
            "/purge?async=false&url=https%3A%2F%2Fshop%2Fa%2A",
        );
    }
}
