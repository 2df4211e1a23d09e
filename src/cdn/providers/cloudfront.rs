//! Amazon CloudFront, by its SDK.
//!
//! What a path of an invalidation may look like: <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-objects.html>.

use super::{MakeError, base};
use crate::cdn::client::{chain, retry_after, told};
use crate::cdn::limits::CLOUDFRONT;
use crate::cdn::{Call, CallError, Limits, Many, Provider, Target, judge};
use crate::time::{Clock, SystemClock};
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_cloudfront::Client;
use aws_sdk_cloudfront::config::http::HttpResponse;
use aws_sdk_cloudfront::config::{Region, SharedHttpClient};
use aws_sdk_cloudfront::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cloudfront::operation::create_invalidation::{CreateInvalidationError, CreateInvalidationOutput};
use aws_sdk_cloudfront::types::{InvalidationBatch, Paths};
use aws_smithy_http_client::{Builder, Connector, proxy::ProxyConfig, tls};
use bytes::Bytes;
use http::{HeaderName, Response, StatusCode, header};
use std::collections::HashSet;
use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait while as many invalidations are in progress as may be. They take seconds to minutes, and CloudFront does
/// not say how many are left; asking four times a minute finds a place soon enough and is no load.
const IN_PROGRESS: Duration = Duration::from_secs(15);

/// Characters of an error of the SDK that are told to operators. A chain of credentials names each of its members.
const MAX_TOLD: usize = 500;

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

/// `CreateInvalidation` of one distribution.
pub struct Cloudfront {
    distribution: String,
    query_strings: bool,
    region: Region,
    endpoint: Option<String>,
    timeout: Duration,
    limits: Limits,
    http: SharedHttpClient,
    /// Made when it is first needed, and anew after credentials were refused, or did not find the distribution: what the chain read from files it keeps.
    client: ArcSwapOption<Client>,
}

impl Cloudfront {
    /// The provider for `settings`, each of whose calls takes `timeout` at most, credentials included. No network.
    pub fn new(settings: &CloudfrontSettings, timeout: Duration) -> Result<Self, MakeError> {
        let CloudfrontSettings { distribution, query_strings, tags, region, endpoint } = settings;
        Ok(Self {
            distribution: distribution.clone(),
            query_strings: *query_strings,
            region: Region::new(region.clone()),
            endpoint: endpoint.as_deref().map(base).transpose()?,
            timeout,
            limits: limits(*query_strings, tags.as_ref()),
            http: http_client(),
            client: ArcSwapOption::empty(),
        })
    }

    async fn client(&self) -> Arc<Client> {
        if let Some(client) = self.client.load_full() {
            return client;
        }
        let timeouts = TimeoutConfig::builder().connect_timeout(self.timeout).build();
        let shared = aws_config::defaults(BehaviorVersion::latest())
            .http_client(self.http.clone())
            .region(self.region.clone())
            // Larder repeats, and counts what it repeats.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        let mut config = aws_sdk_cloudfront::config::Builder::from(&shared.load().await);
        if let Some(endpoint) = &self.endpoint {
            // Of this service alone: credentials come from others, each at its own address.
            config = config.endpoint_url(endpoint);
        }
        let client = Arc::new(Client::from_conf(config.build()));
        self.client.store(Some(client.clone()));
        client
    }

    async fn create(&self, call: &Call) -> Result<(), CallError> {
        let client = self.client().await;
        let request = client
            .create_invalidation()
            .distribution_id(&self.distribution)
            .invalidation_batch(batch(call, self.query_strings)?)
            .send();
        let error = match request.await {
            Ok(output) => return taken(&output),
            Err(error) => failure(&error),
        };
        // Those of another account do not see the distribution.
        if matches!(error.as_str(), "credentials" | "not_found") {
            self.client.store(None);
        }
        Err(error)
    }
}

#[async_trait]
impl Provider for Cloudfront {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn send(&self, call: &Call) -> Result<(), CallError> {
        // The requests of the SDK are large.
        let create = Box::pin(self.create(call));
        tokio::time::timeout(self.timeout, create).await.unwrap_or_else(|_| {
            let reason = format!("no answer within {:?}", self.timeout);
            Err(CallError::Later { kind: "timeout", reason, after: None })
        })
    }
}

/// TLS by the one library for cryptography in the program, and the proxies of the environment.
fn http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}

/// What fits into a call, whatever is in it.
fn limits(query_strings: bool, tags: Option<&HeaderName>) -> Limits {
    let mut limits = CLOUDFRONT.clone().with_tags(tags.is_some());
    if query_strings {
        // A wildcard for a URL, and for a prefix one more: for its own path, with any query.
        let prefix = limits.prefix.map_or(0, |many| many.targets);
        limits.url = limits.url.map(|many| Many { targets: prefix, ..many });
        limits.prefix = limits.prefix.map(|many| Many { targets: prefix / 2, ..many });
    }
    if let (Some(header), Some(name)) = (&mut limits.header, tags) {
        header.name = name.clone();
    }
    limits
}

fn batch(call: &Call, query_strings: bool) -> Result<InvalidationBatch, CallError> {
    let refused =
        |error| CallError::Refused { reason: format!("the invalidation cannot be written: {error}") };
    let items = items(&call.targets, query_strings);
    let quantity = i32::try_from(items.len()).expect("within the limits of a call");
    let paths = Paths::builder().quantity(quantity).set_items(Some(items)).build().map_err(refused)?;
    // The same for each repetition, so that CloudFront answers it with the invalidation it has made already.
    InvalidationBatch::builder().paths(paths).caller_reference(call.id.to_string()).build().map_err(refused)
}

/// The items of an invalidation, none twice. Those that end in `*` are wildcards.
fn items(targets: &[Target], query_strings: bool) -> Vec<String> {
    let mut items = Vec::with_capacity(targets.len());
    for target in targets {
        match target {
            Target::Url(location) => {
                let path = escaped(&location.path);
                items.extend(query_strings.then(|| format!("{path}?*")));
                items.push(path);
            }
            Target::Prefix(location) => {
                let path = escaped(location.path.trim_end_matches('/'));
                items.push(format!("{path}/*"));
                if !path.is_empty() {
                    items.extend(query_strings.then(|| format!("{path}?*")));
                    items.push(path);
                }
            }
            Target::Tag(tag) => items.push(format!("#{tag}")),
            Target::All => items.push("/*".to_owned()),
        }
    }
    // A distribution with several hosts has one path for all of them.
    let mut seen = HashSet::new();
    items.retain(|item| seen.insert(item.clone()));
    items
}

/// A path as invalidations name it: what RFC 1738 calls unsafe, and what is not ASCII, is percent-encoded, and nothing else,
/// or CloudFront does not find it. A `*` of the path itself is no wildcard.
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, behind @ ..] = rest {
        let escape = match rest {
            [b'%', high, low, behind @ ..] => hex(*high).zip(hex(*low)).map(|(h, l)| (h << 4 | l, behind)),
            _ => None,
        };
        // What was encoded stays so, unless it means the same without (RFC 3986, 6.2.2.2).
        let (byte, behind, plain) = match escape {
            Some((byte, behind)) => (byte, behind, byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
            None => (*first, behind, first.is_ascii_alphanumeric() || b"-._!$&'()+,/:;=@".contains(first)),
        };
        if plain {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("memory takes what is written");
        }
        rest = behind;
    }
    text
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Whether a reply that the SDK could read says that there is an invalidation now.
fn taken(output: &CreateInvalidationOutput) -> Result<(), CallError> {
    let Some(invalidation) = output.invalidation() else {
        let reason = "a reply that names no invalidation".to_owned();
        return Err(CallError::Later { kind: "server_error", reason, after: None });
    };
    tracing::debug!(
        id = invalidation.id(),
        status = invalidation.status(),
        "CloudFront has the invalidation"
    );
    Ok(())
}

fn failure(error: &SdkError<CreateInvalidationError, HttpResponse>) -> CallError {
    let later = |kind| CallError::Later { kind, reason: shortened(&chain(error)), after: None };
    match error {
        SdkError::ServiceError(service) => {
            let error = service.err();
            refusal(error.code(), error.message().unwrap_or_default(), head(service.raw()))
        }
        SdkError::ResponseError(response) => refusal(None, &chain(error), head(response.raw())),
        SdkError::TimeoutError(_) => later("timeout"),
        _ if sources(error).any(|cause| cause.is::<CredentialsError>()) => later("credentials"),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => later("timeout"),
        _ => later("connect"),
    }
}

/// What a reply with an error says of the call. <https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_CreateInvalidation.html>
/// and <https://docs.aws.amazon.com/cloudfront/latest/APIReference/CommonErrors.html>.
fn refusal(code: Option<&str>, message: &str, head: Response<()>) -> CallError {
    let (kind, message) = match code.unwrap_or_default() {
        "TooManyInvalidationsInProgress" => (Some("in_progress"), message),
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "SlowDown"
        | "PriorRequestNotComplete" => (Some("throttled"), message),
        "RequestTimeout" | "RequestTimeoutException" => (Some("timeout"), message),
        // These tell what should have been signed: a token of the session, the ID of a key.
        "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature"
        | "IncompleteSignatureException" => (Some("credentials"), ""),
        "AccessDenied"
        | "AccessDeniedException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "OptInRequired"
        | "RequestExpired"
        | "UnrecognizedClientException" => (Some("credentials"), message),
        // An operator can mend a wrong distribution as well as a wrong key.
        "NoSuchDistribution" => (Some("not_found"), message),
        // Whatever is there, it is not the API.
        "" if head.status() == StatusCode::NOT_FOUND => (Some("not_found"), message),
        _ => (None, message),
    };
    let reply = head.map(|()| Bytes::from(format!("{} {message}", code.unwrap_or_default())));
    let reason = told(reply.status(), reply.body());
    match (kind, judge(&reply)) {
        (Some(kind), _) => {
            let now = SystemClock::new().now().as_system_time();
            let after = retry_after(reply.headers(), now).or((kind == "in_progress").then_some(IN_PROGRESS));
            CallError::Later { kind, reason, after }
        }
        (None, Some(error)) => error,
        (None, None) => CallError::Later { kind: "server_error", reason, after: None },
    }
}

/// What a reply says before its body, as far as it matters.
fn head(raw: &HttpResponse) -> Response<()> {
    let mut reply = Response::new(());
    *reply.status_mut() = StatusCode::from_u16(raw.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    if let Some(wait) = raw.headers().get("retry-after").and_then(|wait| wait.parse().ok()) {
        reply.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    reply
}

/// An error and all that led to it.
fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// Enough of it for a line of the log.
fn shortened(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_TOLD).collect()
}

#[cfg(test)]
mod tests;
