//! Cloudflare.
//!
//! <https://developers.cloudflare.com/api/resources/cache/methods/purge/>

use super::request::{encoded, exchange, folder, json, judge_address, places, secret_value, tags};
use super::{MakeError, base};
use crate::cdn::limits::CLOUDFLARE;
use crate::cdn::{Call, CallError, Client, Limits, Provider, TargetKind};
use crate::secret::Secret;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Request, Response};
use serde_json::{Value, json};
use std::time::Duration;

/// Errors of the API that a reply is searched for; it names one or two.
const MAX_ERRORS: usize = 8;

/// Bytes of the API's own words that operators are told.
const MAX_TOLD: usize = 300;

/// What is set for Cloudflare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudflareSettings {
    /// ID of the zone.
    pub zone: String,
    /// API token with the permission to purge.
    pub token: Secret,
    /// Whether replies carry their tags, and purges name them.
    pub tags: bool,
    /// Whether its cache key has query strings, as it has unless a rule of the zone leaves them out. Then a purge of a URL is one of
    /// a tag or a prefix, which reach them all.
    pub query_strings: bool,
    /// The fields by which the zone keeps variants of a URL (a custom cache key, `CF-IPCountry`, `CF-Device-Type`, `Origin`),
    /// with the values of each variant: a purge of a URL names them one by one. Empty: there are none.
    pub variants: Vec<Vec<(HeaderName, String)>>,
    /// Where the API is, instead of `https://api.cloudflare.com`.
    pub endpoint: Option<String>,
}

/// The API of Cloudflare, for one zone.
///
/// A purge of a URL reaches exactly that URL in exactly the variants that are set, so each counts as many times as there are
/// variants. A prefix is named without scheme and without a slash at its end, and reaches every query and variant of the path
/// and of what is below.
#[derive(Debug)]
pub struct Cloudflare {
    limits: Limits,
    /// Operations in one request.
    operations: usize,
    client: Client,
    address: String,
    token: Secret,
    bearer: HeaderValue,
    variants: Vec<Value>,
}

impl Cloudflare {
    /// With `settings`; calls take `timeout` at most.
    pub fn new(settings: &CloudflareSettings, timeout: Duration) -> Result<Self, MakeError> {
        let CloudflareSettings { zone, token, tags, query_strings, variants, endpoint } = settings;
        let mut limits = CLOUDFLARE.clone().with_tags(*tags);
        limits.queries = !query_strings;
        let operations = limits.url.map_or(1, |many| many.targets);
        if let Some(many) = &mut limits.url {
            many.targets = (operations / variants.len().max(1)).max(1);
        }
        let base = base(endpoint.as_deref().unwrap_or("https://api.cloudflare.com"))?;
        Ok(Self {
            limits,
            operations,
            client: Client::new(timeout)?,
            address: format!("{base}/client/v4/zones/{}/purge_cache", encoded(zone)),
            bearer: secret_value("the token", &format!("Bearer {}", token.expose()))?,
            token: token.clone(),
            variants: variants.iter().map(|fields| object(fields)).collect(),
        })
    }

    /// The bodies of the requests for a call: one, unless a single URL has more variants than fit.
    fn bodies(&self, call: &Call) -> Vec<Value> {
        match call.kind {
            TargetKind::Url => {
                let files: Vec<Value> =
                    places(call).flat_map(|place| self.files(&place.to_string())).collect();
                files.chunks(self.operations).map(|files| json!({ "files": files })).collect()
            }
            TargetKind::Prefix => {
                let prefixes: Vec<_> =
                    places(call).map(|place| format!("{}{}", place.host(), folder(&place.path))).collect();
                vec![json!({ "prefixes": prefixes })]
            }
            TargetKind::Tag => vec![json!({ "tags": tags(call).collect::<Vec<_>>() })],
            TargetKind::All => vec![json!({ "purge_everything": true })],
        }
    }

    fn files(&self, url: &str) -> Vec<Value> {
        if self.variants.is_empty() {
            return vec![Value::from(url)];
        }
        self.variants.iter().map(|headers| json!({ "url": url, "headers": headers })).collect()
    }
}

fn object(fields: &[(HeaderName, String)]) -> Value {
    fields.iter().map(|(name, value)| (name.as_str().to_owned(), Value::from(value.as_str()))).collect()
}

#[async_trait]
impl Provider for Cloudflare {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn send(&self, call: &Call) -> Result<(), CallError> {
        for body in self.bodies(call) {
            let request = Request::post(&self.address).header(AUTHORIZATION, &self.bearer);
            let reply = exchange(&self.client, json(request, &body)?, &[self.token.expose()]).await?;
            if let Some(error) = verdict(&reply) {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// What a reply says of a call. An ID that is none of a zone's is refused as what cannot be routed, with 404 or 400.
fn verdict(reply: &Response<Bytes>) -> Option<CallError> {
    match judge_address(reply) {
        Some(CallError::Refused { reason })
            if unsuccessful(reply).is_some_and(|error| error.as_str() == "not_found") =>
        {
            Some(CallError::Later { kind: "not_found", reason, after: None })
        }
        error => error.or_else(|| unsuccessful(reply)),
    }
}

/// A reply that says `"success":false` is none, whatever its status.
///
/// Numbers from 1000 to 1999 say that the request is wrong; those of [`is_login`] that its token is, and [`NO_ROUTE`] that the zone is. Anything else is
/// taken for a failure of the API, which a repetition outlasts.
fn unsuccessful(reply: &Response<Bytes>) -> Option<CallError> {
    let answer: Value = match serde_json::from_slice(reply.body()) {
        Ok(answer) => answer,
        Err(_) => Value::Null,
    };
    if answer.get("success") == Some(&Value::Bool(true)) {
        return None;
    }
    let errors = answer.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let errors = &errors[..errors.len().min(MAX_ERRORS)];
    let codes: Vec<u64> = errors.iter().filter_map(|error| error.get("code")?.as_u64()).collect();
    let told: Vec<&str> = errors.iter().filter_map(|error| error.get("message")?.as_str()).collect();
    let reason = match told.join("; ") {
        words if words.is_empty() => format!("{} without success", reply.status()),
        words => format!(
            "{} without success: {}",
            reply.status(),
            words.chars().take(MAX_TOLD).collect::<String>()
        ),
    };
    Some(if codes.iter().copied().any(is_login) {
        CallError::Later { kind: "credentials", reason, after: None }
    } else if codes.contains(&NO_ROUTE) {
        CallError::Later { kind: "not_found", reason, after: None }
    } else if codes.iter().any(|code| (1000..2000).contains(code)) {
        CallError::Refused { reason }
    } else {
        CallError::Later { kind: "server_error", reason, after: None }
    })
}

/// What stands where a zone should is the name of none.
const NO_ROUTE: u64 = 7003;

/// Invalid headers of a request (6003), invalid tokens (9109), authentication (10000).
fn is_login(code: u64) -> bool {
    matches!(code, 6003 | 9109 | 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_is_none_can_be_mended() {
        #[track_caller]
        fn check(status: u16, code: u64, expected: &str) {
            let body = format!(r#"{{"success":false,"errors":[{{"code":{code},"message":"no"}}]}}"#);
            let reply = Response::builder().status(status).body(Bytes::from(body)).unwrap();
            assert_eq!(verdict(&reply).as_ref().map(CallError::as_str), Some(expected), "{status} {code}");
        }
        check(400, 7003, "not_found");
        check(404, 7003, "not_found");
        check(400, 1012, "refused");
        check(403, 10_000, "credentials");
    }

    #[test]
    fn success_is_what_the_body_says() {
        #[track_caller]
        fn check(body: &'static str, expected: Option<(&str, &str)>) {
            let error = unsuccessful(&Response::new(Bytes::from_static(body.as_bytes())));
            let told = error.map(|error| (error.as_str().to_owned(), error.to_string()));
            assert_eq!(told.as_ref().map(|(kind, reason)| (&**kind, &**reason)), expected, "{body}");
        }
        check(r#"{"success":true,"errors":[],"result":{"id":"x"}}"#, None);
        check(
            r#"{"success":false,"errors":[{"code":1012,"message":"Request must contain files"}]}"#,
            Some(("refused", "200 OK without success: Request must contain files")),
        );
        check(
            r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}"#,
            Some(("credentials", "200 OK without success: Authentication error")),
        );
        check(
            r#"{"success":false,"errors":[{"code":"?"},{"code":7,"message":"try again"}]}"#,
            Some(("server_error", "200 OK without success: try again")),
        );
        check(
            r#"{"success":false,"errors":[{"code":7003,"message":"Could not route to the zone"}]}"#,
            Some(("not_found", "200 OK without success: Could not route to the zone")),
        );
        check(r#"{"success":"true"}"#, Some(("server_error", "200 OK without success")));
        check("<html>maintenance</html>", Some(("server_error", "200 OK without success")));
        check("", Some(("server_error", "200 OK without success")));
    }
}
