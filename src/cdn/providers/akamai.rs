//! Akamai, by Fast Purge v3: <https://techdocs.akamai.com/purge-cache/reference>.

mod edgegrid;

use super::request::exchange;
use super::{MakeError, base};
use crate::cdn::client::told;
use crate::cdn::limits::AKAMAI;
use crate::cdn::{Call, CallError, Client, Limits, Provider, Target, judge};
use crate::invalidation::Mode;
use crate::secret::Secret;
use crate::time::{Clock, SystemClock};
use async_trait::async_trait;
use bytes::Bytes;
use edgegrid::EdgeGrid;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use serde::Deserialize;
use std::fmt::Write;
use std::time::Duration;

/// Bytes of a body at most; more is answered by 413 (reference/413).
const MAX_BODY: usize = 50_000;

/// The least wait after too many requests (reference/429).
const THROTTLED: Duration = Duration::from_secs(5);

/// The longest wait that the fields of a reply can ask for. A full bucket takes ten minutes.
const MAX_THROTTLED: Duration = Duration::from_secs(900);

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

impl AkamaiNetwork {
    /// The word, in paths of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
        }
    }
}

/// Fast Purge with the credentials of one API client.
pub struct Akamai {
    client: Client,
    edgegrid: EdgeGrid,
    base: String,
    network: AkamaiNetwork,
    delete: bool,
    cp_codes: Vec<u64>,
    secrets: [Secret; 3],
    limits: Limits,
}

impl Akamai {
    /// The provider for `settings`, each of whose requests takes `timeout` at most.
    pub fn new(settings: &AkamaiSettings, timeout: Duration) -> Result<Self, MakeError> {
        let AkamaiSettings {
            host,
            client_token,
            client_secret,
            access_token,
            network,
            delete,
            cp_codes,
            tags,
            endpoint,
        } = settings;
        for (name, token) in [("client_token", client_token), ("access_token", access_token)] {
            HeaderValue::from_str(token.expose()).map_err(|_| MakeError::Secret(name))?;
        }
        let mut limits = AKAMAI.clone().with_tags(*tags);
        limits.all = !cp_codes.is_empty();
        Ok(Self {
            client: Client::new(timeout)?,
            edgegrid: EdgeGrid::new(client_token, client_secret, access_token),
            base: base(&endpoint.clone().unwrap_or_else(|| format!("https://{host}")))?,
            network: *network,
            delete: *delete,
            secrets: [client_token, client_secret, access_token].map(Secret::clone),
            cp_codes: cp_codes.clone(),
            limits,
        })
    }

    fn path(&self, call: &Call) -> String {
        let action = match call.mode {
            Mode::Hard if self.delete => "delete",
            Mode::Hard | Mode::Soft => "invalidate",
        };
        let kind = match call.targets.first() {
            Some(Target::Tag(_)) => "tag",
            Some(Target::All) => "cpcode",
            _ => "url",
        };
        format!("/ccu/v3/{action}/{kind}/{}", self.network.as_str())
    }

    fn request(&self, uri: &Uri, body: Bytes) -> Request<Bytes> {
        // Of this moment: Akamai refuses what was signed by a clock that runs elsewhere, and a process may sleep.
        let now = SystemClock::new().now();
        let nonce = format!("{:032x}", rand::random::<u128>());
        let authorization = self.edgegrid.authorization(&Method::POST, uri, &body, now, &nonce);
        let mut authorization =
            HeaderValue::from_str(&authorization).expect("the tokens were looked at when this was made");
        authorization.set_sensitive(true);
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, authorization);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
            .insert(header::ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
        request
    }
}

#[async_trait]
impl Provider for Akamai {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn send(&self, call: &Call) -> Result<(), CallError> {
        let uri = format!("{}{}", self.base, self.path(call));
        let uri: Uri = uri.parse().map_err(|error| CallError::Refused {
            reason: format!("{uri} is no address of an API: {error}"),
        })?;
        // One, but for URLs that were written with characters that have to be escaped.
        for Body { objects, text } in bodies(&objects(&call.targets, &self.cp_codes)) {
            let secrets: Vec<_> = self.secrets.iter().map(Secret::expose).collect();
            let reply = exchange(&self.client, self.request(&uri, text), &secrets).await?;
            taken(&reply, objects)?;
        }
        Ok(())
    }
}

/// The objects of a request, each as JSON.
fn objects(targets: &[Target], cp_codes: &[u64]) -> Vec<String> {
    let mut objects = Vec::with_capacity(targets.len());
    for target in targets {
        match target {
            Target::Url(location) | Target::Prefix(location) => {
                objects.push(json(&format!("{}{}", location.base, escaped(&location.path))));
            }
            Target::Tag(tag) => objects.push(json(tag)),
            Target::All => objects.extend(cp_codes.iter().map(u64::to_string)),
        }
    }
    objects
}

fn json(text: &str) -> String {
    serde_json::to_string(text).expect("text can be written as JSON")
}

/// A path as it stands, except for what has no place in a URL (RFC 3986, 2).
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte) {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("memory takes what is written");
        }
    }
    text
}

/// What one request says.
struct Body {
    objects: usize,
    text: Bytes,
}

/// All objects in as few bodies as they fit into.
fn bodies(objects: &[String]) -> Vec<Body> {
    const FRAME: [&str; 2] = [r#"{"objects":["#, "]}"];
    let room = MAX_BODY - FRAME[0].len() - FRAME[1].len();
    let mut bodies = Vec::new();
    let mut rest = objects;
    while !rest.is_empty() {
        let mut length = 0;
        let fitting = rest.iter().take_while(|object| {
            length += object.len() + 1;
            length <= room + 1
        });
        // One alone is sent whatever its length, for Akamai to refuse.
        let (now, behind) = rest.split_at(fitting.count().max(1));
        let text = Bytes::from(format!("{}{}{}", FRAME[0], now.join(","), FRAME[1]));
        bodies.push(Body { objects: now.len(), text });
        rest = behind;
    }
    bodies
}

/// What Fast Purge says of a request that it has taken.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    http_status: u16,
    purge_id: String,
    estimated_seconds: Option<f64>,
}

/// Whether a request with so many objects was taken. Only the words of Fast Purge itself count: a success of something in
/// between would lose the purge.
fn taken(reply: &Response<Bytes>, objects: usize) -> Result<(), CallError> {
    if let Some(error) = judge(reply) {
        return Err(refusal(error, reply, objects));
    }
    match serde_json::from_slice::<Accepted>(reply.body()) {
        Ok(accepted) if (200..300).contains(&accepted.http_status) => {
            let Accepted { purge_id, estimated_seconds, .. } = accepted;
            tracing::debug!(?purge_id, ?estimated_seconds, objects, "Akamai has the purge");
            Ok(())
        }
        _ => Err(CallError::Later {
            kind: "server_error",
            reason: format!("not the reply of Fast Purge: {}", told(reply.status(), reply.body())),
            after: None,
        }),
    }
}

/// An error, as Akamai means it.
fn refusal(error: CallError, reply: &Response<Bytes>, objects: usize) -> CallError {
    match (error, reply.status()) {
        (CallError::Later { kind, reason, after }, StatusCode::TOO_MANY_REQUESTS) => {
            let after = after.unwrap_or_else(|| refilled(reply.headers(), objects));
            CallError::Later { kind, reason, after: Some(after) }
        }
        // Whatever is there, it is not Fast Purge; an operator can mend the host.
        (CallError::Refused { reason }, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => {
            CallError::Later { kind: "not_found", reason, after: None }
        }
        (error, _) => error,
    }
}

/// How long until the bucket holds enough for so many objects, by what a reply says of it
/// (reference/rate-limit-response-examples).
fn refilled(headers: &HeaderMap, objects: usize) -> Duration {
    let number = |name: &str| -> Option<f64> {
        headers.get(name)?.to_str().ok()?.trim().parse().ok().filter(|number: &f64| *number >= 0.0)
    };
    let missing = number("x-ratelimit-remaining-objects").map(|left| (objects as f64 - left).max(0.0));
    let rate = number("x-ratelimit-limit-per-second-objects").filter(|rate| *rate > 0.0);
    let wait = missing.zip(rate).map(|(missing, rate)| missing / rate);
    let wait = wait.and_then(|seconds| Duration::try_from_secs_f64(seconds.ceil()).ok());
    wait.unwrap_or_default().clamp(THROTTLED, MAX_THROTTLED)
}

#[cfg(test)]
mod tests;
