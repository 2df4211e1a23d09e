//! Fastly.
//!
//! <https://www.fastly.com/documentation/reference/api/purging/>

use super::request::{
    bare, encoded, exchange, has_dots, in_path, json, judge_address, own_words, places, secret_value, tags,
};
use super::{MakeError, base};
use crate::cdn::limits::FASTLY;
use crate::cdn::{Call, CallError, Client, Limits, Location, Provider, TargetKind, judge};
use crate::invalidation::Mode;
use crate::secret::Secret;
use crate::time::{Clock, SystemClock, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use serde_json::{Value, json};
use std::time::Duration;

/// The longest wait for more calls that is believed: the rate counts by the hour.
const MAX_RESET: Duration = Duration::from_secs(3600);

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

/// The API of Fastly.
///
/// Keys go out in batches, URLs one by one. A soft purge of everything does not exist, and is a hard one: a tag that all replies
/// bear would miss what was kept before they bore it, or was never told by Larder.
#[derive(Debug)]
pub struct Fastly {
    limits: Limits,
    client: Client,
    base: String,
    service: String,
    token: Secret,
    key: HeaderValue,
}

impl Fastly {
    /// With `settings`; calls take `timeout` at most.
    pub fn new(settings: &FastlySettings, timeout: Duration) -> Result<Self, MakeError> {
        let FastlySettings { service, token, tags, endpoint } = settings;
        Ok(Self {
            limits: FASTLY.clone().with_tags(*tags),
            client: Client::new(timeout)?,
            base: base(endpoint.as_deref().unwrap_or("https://api.fastly.com"))?,
            service: encoded(service),
            key: secret_value("the token", token.expose())?,
            token: token.clone(),
        })
    }

    fn post(&self, path: &str, mode: Mode) -> http::request::Builder {
        let request = Request::post(format!("{}{path}", self.base)).header("fastly-key", &self.key);
        match mode {
            Mode::Hard => request,
            Mode::Soft => request.header("fastly-soft-purge", "1"),
        }
    }

    async fn ask(
        &self,
        request: Request<Bytes>,
        judge: fn(&Response<Bytes>) -> Option<CallError>,
        says: fn(&Value) -> bool,
    ) -> Result<(), CallError> {
        let reply = exchange(&self.client, request, &[self.token.expose()]).await?;
        match judge(&reply) {
            None => own_words(&reply, "Fastly", says),
            Some(error) => Err(until_reset(error, &reply, SystemClock::new().now())),
        }
    }
}

#[async_trait]
impl Provider for Fastly {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn send(&self, call: &Call) -> Result<(), CallError> {
        match call.kind {
            TargetKind::Tag => {
                let keys: Vec<_> = tags(call).collect();
                let request = self.post(&format!("/service/{}/purge", self.service), call.mode);
                self.ask(json(request, &json!({ "surrogate_keys": keys }))?, judge_address, Value::is_object)
                    .await
            }
            TargetKind::All => {
                let request = self.post(&format!("/service/{}/purge_all", self.service), Mode::Hard);
                self.ask(bare(request)?, judge_address, is_ok).await
            }
            TargetKind::Url | TargetKind::Prefix => {
                for place in places(call) {
                    let request = self.post(&format!("/purge/{}", cached(place)), call.mode);
                    self.ask(bare(request)?, judge, is_ok).await?;
                }
                Ok(())
            }
        }
    }
}

/// What it says of one purge. Of keys it says which purge each has become.
fn is_ok(said: &Value) -> bool {
    said["status"] == "ok"
}

/// A URL as the last part of the API's own. One with dot segments becomes a single segment, or they would lead out of
/// `/purge/` to whatever call its author likes.
fn cached(place: &Location) -> String {
    if has_dots(&place.path) {
        encoded(&format!("{}{}", place.host(), place.path))
    } else {
        format!("{}{}", in_path(place.host()), in_path(&place.path))
    }
}

/// When calls are left again: Fastly says it as seconds since the epoch (`Fastly-RateLimit-Reset`) rather than by
/// `Retry-After`.
fn until_reset(error: CallError, reply: &Response<Bytes>, now: Timestamp) -> CallError {
    match error {
        CallError::Later { kind: "throttled", reason, after: None } => {
            CallError::Later { kind: "throttled", reason, after: reset(reply.headers(), now) }
        }
        error => error,
    }
}

fn reset(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let seconds = headers.get("fastly-ratelimit-reset")?.to_str().ok()?.trim().parse().ok()?;
    Some(Timestamp::from_secs(seconds).since(now).min(MAX_RESET))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_next_hour() {
        #[track_caller]
        fn check(value: &str, expected: Option<u64>) {
            let headers =
                HeaderMap::from_iter([("fastly-ratelimit-reset".parse().unwrap(), value.parse().unwrap())]);
            let wait = reset(&headers, Timestamp::from_secs(1_000_000));
            assert_eq!(wait, expected.map(Duration::from_secs), "{value}");
        }
        check("1000030", Some(30));
        check("999999", Some(0));
        check("9999999", Some(3600));
        check("soon", None);
    }

    #[test]
    fn no_path_leads_out_of_the_call() {
        #[track_caller]
        fn check(path: &str, expected: &str) {
            let place = Location { base: "https://shop.example.com".into(), path: path.into() };
            assert_eq!(cached(&place), expected);
        }
        check("/a/b%20c", "shop.example.com/a/b%20c");
        check("/a?b#c", "shop.example.com/a%3Fb%23c");
        check("/../../service/x/purge_all", "shop.example.com%2F..%2F..%2Fservice%2Fx%2Fpurge_all");
        check("/%2e%2e/x", "shop.example.com%2F%252e%252e%2Fx");
    }
}
