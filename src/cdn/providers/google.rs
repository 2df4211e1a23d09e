//! Google Cloud CDN.
//!
//! <https://cloud.google.com/compute/docs/reference/rest/v1/urlMaps/invalidateCache>

mod identity;

use self::identity::Identity;
use super::request::{encoded, exchange, json, judge_address, own_words, patterns, tags};
use super::token::{Tokens, bearer};
use super::{MakeError, base};
use crate::cdn::limits::GOOGLE;
use crate::cdn::{Call, CallError, CallId, Client, Limits, Provider, Target, TargetKind};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

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
    /// The URL where tokens are given out, instead of what the key file says, or the metadata server's.
    pub token_endpoint: Option<String>,
}

/// The API of Google Cloud CDN, for the caches of one URL map.
///
/// A request names one path pattern, and a pattern that reaches what is below a folder does not reach the folder: a prefix
/// takes two requests. An invalidation that was accepted runs to its end, which takes seconds; it counts as delivered.
#[derive(Debug)]
pub struct Google {
    limits: Limits,
    client: Client,
    address: String,
    identity: Identity,
    tokens: Tokens,
}

impl Google {
    /// With `settings`; calls take `timeout` at most. Reads the key file, if there is one, to know that it can be used.
    pub fn new(settings: &GoogleSettings, timeout: Duration) -> Result<Self, MakeError> {
        let GoogleSettings { project, url_map, credentials, tags, endpoint, token_endpoint } = settings;
        let base = base(endpoint.as_deref().unwrap_or("https://compute.googleapis.com"))?;
        let (project, url_map) = (encoded(project), encoded(url_map));
        let client = Client::new(timeout)?;
        Ok(Self {
            limits: GOOGLE.clone().with_tags(*tags),
            identity: Identity::new(credentials.as_deref(), token_endpoint.as_deref(), &client)?,
            client,
            address: format!("{base}/compute/v1/projects/{project}/global/urlMaps/{url_map}/invalidateCache"),
            tokens: Tokens::new(),
        })
    }

    async fn ask(&self, id: &str, rule: &Value) -> Result<(), CallError> {
        let token = self.tokens.get(|| self.identity.ask()).await?;
        let request =
            Request::post(format!("{}?requestId={id}", self.address)).header(AUTHORIZATION, bearer(&token));
        let reply = exchange(&self.client, json(request, rule)?, &[token.expose()]).await?;
        if reply.status() == StatusCode::UNAUTHORIZED {
            self.tokens.forget(&token);
        }
        match verdict(&reply) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }
}

#[async_trait]
impl Provider for Google {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn send(&self, call: &Call) -> Result<(), CallError> {
        for (index, rule) in rules(call).iter().enumerate() {
            self.ask(&request_id(call.id, index), rule).await?;
        }
        Ok(())
    }
}

/// The body of each request for a call. Tags in one are alternatives.
fn rules(call: &Call) -> Vec<Value> {
    if call.kind == TargetKind::Tag {
        return vec![json!({ "cacheTags": tags(call).collect::<Vec<_>>() })];
    }
    let rule = |target: &Target| {
        let host = match target {
            Target::Url(place) | Target::Prefix(place) => Some(place.host().to_owned()),
            Target::Tag(_) | Target::All => None,
        };
        // A rule without a host is one for all of them.
        let host = host.filter(|host| !host.is_empty());
        let rules = patterns(target).into_iter().map(move |path| match &host {
            Some(host) => json!({ "path": path, "host": host }),
            None => json!({ "path": path }),
        });
        rules.collect::<Vec<_>>()
    };
    call.targets.iter().flat_map(rule).collect()
}

/// The name of a request as the UUID that Google wants: that of the call, with the index in it, marked as made of anything
/// (RFC 9562, 5.8). Two requests with one name would be one to Google.
fn request_id(id: CallId, index: usize) -> String {
    let version_and_variant = 0xf << 76 | 0x3 << 62;
    let marked = (id.0 ^ index as u128) & !version_and_variant | 0x8 << 76 | 0x2 << 62;
    let digits = format!("{marked:032x}");
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    parts.join("-")
}

/// What a reply says. Google refuses what is too much with 403 and a reason, and an operation that was taken can carry its
/// error in its own body.
/// <https://cloud.google.com/compute/docs/api/rate-limits>
fn verdict(reply: &Response<Bytes>) -> Option<CallError> {
    let answer: Value = match serde_json::from_slice(reply.body()) {
        Ok(answer) => answer,
        Err(_) => Value::Null,
    };
    let error = answer.get("error");
    let errors =
        error.and_then(|error| error.get("errors")?.as_array()).map(Vec::as_slice).unwrap_or_default();
    let reasons =
        errors.iter().filter_map(|error| error.get("reason").or_else(|| error.get("code"))?.as_str());
    let kind = reasons.filter_map(passing).next();
    match judge_address(reply) {
        Some(CallError::Later { reason, after, kind: own }) => {
            Some(CallError::Later { kind: kind.unwrap_or(own), reason, after })
        }
        Some(CallError::Refused { reason }) => Some(match kind {
            Some(kind) => CallError::Later { kind, reason, after: None },
            None => CallError::Refused { reason },
        }),
        None if error.is_some() => {
            let told =
                errors.iter().find_map(|error| error.get("message")?.as_str()).unwrap_or("without a reason");
            Some(CallError::Later {
                kind: kind.unwrap_or("server_error"),
                reason: format!("the operation failed: {}", told.chars().take(300).collect::<String>()),
                after: None,
            })
        }
        None => own_words(reply, "Google", |said| said["kind"] == "compute#operation").err(),
    }
}

/// Reasons that pass with time.
fn passing(reason: &str) -> Option<&'static str> {
    match reason {
        "rateLimitExceeded"
        | "userRateLimitExceeded"
        | "quotaExceeded"
        | "RATE_LIMIT_EXCEEDED"
        | "QUOTA_EXCEEDED" => Some("throttled"),
        "resourceNotReady" | "RESOURCE_NOT_READY" | "resourceInUseByAnotherResource" => Some("in_progress"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_requests_are_uuids() {
        #[track_caller]
        fn check(id: u128, index: usize, expected: &str) {
            assert_eq!(request_id(CallId(id), index), expected);
        }
        check(0, 0, "00000000-0000-8000-8000-000000000000");
        check(0, 1, "00000000-0000-8000-8000-000000000001");
        check(u128::MAX, 0, "ffffffff-ffff-8fff-bfff-ffffffffffff");
        check(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, 2, "01234567-89ab-8def-8123-456789abcded");
    }

    #[test]
    fn replies_are_judged_by_their_reasons() {
        #[track_caller]
        fn check(status: u16, body: &'static str, expected: Option<&str>) {
            let reply = Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap();
            assert_eq!(verdict(&reply).as_ref().map(CallError::as_str), expected, "{status} {body}");
        }
        check(200, r#"{"kind":"compute#operation","status":"PENDING"}"#, None);
        check(200, "", Some("server_error"));
        check(200, "<h1>Welcome</h1>", Some("server_error"));
        check(
            200,
            r#"{"kind":"compute#operation","status":"DONE","error":{"errors":[{"code":"X","message":"no"}]}}"#,
            Some("server_error"),
        );
        check(
            200,
            r#"{"kind":"compute#operation","status":"DONE","error":{"errors":[{"code":"QUOTA_EXCEEDED"}]}}"#,
            Some("throttled"),
        );
        check(403, r#"{"error":{"errors":[{"reason":"rateLimitExceeded"}]}}"#, Some("throttled"));
        check(403, r#"{"error":{"errors":[{"reason":"forbidden"}]}}"#, Some("credentials"));
        check(400, r#"{"error":{"errors":[{"reason":"resourceNotReady"}]}}"#, Some("in_progress"));
        check(400, r#"{"error":{"errors":[{"reason":"invalid"}]}}"#, Some("refused"));
        check(404, "not json", Some("not_found"));
        check(503, "", Some("server_error"));
    }
}
