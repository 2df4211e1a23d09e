//! HTTP towards the APIs of CDNs.

use super::CallError;
use crate::time::{Clock, SystemClock};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use std::time::{Duration, SystemTime};

/// Bytes of a reply that are read at most. APIs answer with a few hundred; the rest would only be thrown away.
const MAX_REPLY: usize = 64 << 10;

/// Bytes of a refusal that are told to operators.
const MAX_TOLD: usize = 300;

/// The longest wait that a CDN may ask for. Whoever says a day has its clock wrong.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// A client for the API of a CDN: pooled connections, HTTP/1.1 or 2 as the server likes, the proxies of the environment, the
/// authorities of the system.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    timeout: Duration,
}

/// The client could not be made: the system has no authorities to trust.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client for CDNs: {0}")]
pub struct ClientError(String);

impl Client {
    /// A client whose calls take `timeout` at most, from the first byte sent to the last one read.
    pub fn new(timeout: Duration) -> Result<Self, ClientError> {
        Self::with(timeout, |builder| builder)
    }

    /// The same without the proxies of the environment: for what only this machine reaches.
    pub fn direct(&self) -> Result<Self, ClientError> {
        Self::with(self.timeout, reqwest::ClientBuilder::no_proxy)
    }

    fn with(
        timeout: Duration,
        how: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self, ClientError> {
        // Whoever installed one before has the same: the process knows no other.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .user_agent(concat!("larder/", env!("CARGO_PKG_VERSION")))
            // A redirection would take credentials along, and no API here has any.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(timeout)
            .pool_max_idle_per_host(2);
        let inner = how(builder).build().map_err(|error| ClientError(chain(&error)))?;
        Ok(Self { inner, timeout })
    }

    /// Sends a request and reads its reply, whatever its status.
    pub async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let later = |kind, reason: String| CallError::Later { kind, reason, after: None };
        let request = reqwest::Request::try_from(request)
            .map_err(|error| CallError::Refused { reason: format!("the request cannot be sent: {error}") })?;
        let exchange = async {
            let mut reply = self.inner.execute(request).await.map_err(failure)?;
            let mut body = Vec::new();
            while let Some(chunk) = reply.chunk().await.map_err(failure)? {
                body.extend_from_slice(&chunk[..chunk.len().min(MAX_REPLY - body.len())]);
                if body.len() == MAX_REPLY {
                    break;
                }
            }
            let mut answer = Response::new(Bytes::from(body));
            *answer.status_mut() = reply.status();
            *answer.headers_mut() = std::mem::take(reply.headers_mut());
            Ok(answer)
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(later("timeout", format!("no answer within {:?}", self.timeout))),
        }
    }

    /// Sends a request; what is not a success is an error, judged by its status.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, CallError> {
        let reply = self.exchange(request).await?;
        match judge(&reply) {
            Some(error) => Err(error),
            None => Ok(reply),
        }
    }
}

/// What the status of a reply says of a call; `None`: it was taken.
pub fn judge(reply: &Response<Bytes>) -> Option<CallError> {
    let status = reply.status();
    let reason = told(status, reply.body());
    let kind = match status {
        _ if status.is_success() => return None,
        StatusCode::TOO_MANY_REQUESTS => "throttled",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "credentials"
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => "timeout",
        _ if status.is_server_error() => "server_error",
        _ => return Some(CallError::Refused { reason }),
    };
    Some(CallError::Later {
        kind,
        reason,
        after: retry_after(reply.headers(), SystemClock::new().now().as_system_time()),
    })
}

/// The status and the beginning of what was said about it.
pub(super) fn told(status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(MAX_TOLD)]);
    let text: Vec<_> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    if text.is_empty() { status.to_string() } else { format!("{status}: {}", text.join(" ")) }
}

/// `Retry-After`, in seconds or as a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

fn failure(error: reqwest::Error) -> CallError {
    let kind = if error.is_timeout() { "timeout" } else { "connect" };
    // The URL may hold a key.
    CallError::Later { kind, reason: chain(&error.without_url()), after: None }
}

/// An error with all that led to it: the outermost of them says the least.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_judged_by_their_status() {
        #[track_caller]
        fn check(status: u16, expected: Option<&str>) {
            let reply = Response::builder().status(status).body(Bytes::from_static(b" no\n  more ")).unwrap();
            let error = judge(&reply);
            assert_eq!(error.as_ref().map(CallError::as_str), expected, "{status}");
            assert!(error.is_none_or(|error| error.to_string().ends_with(": no more")));
        }
        check(200, None);
        check(202, None);
        check(302, Some("refused"));
        check(400, Some("refused"));
        check(401, Some("credentials"));
        check(403, Some("credentials"));
        check(408, Some("timeout"));
        check(413, Some("refused"));
        check(429, Some("throttled"));
        check(500, Some("server_error"));
        check(503, Some("server_error"));
    }

    #[test]
    fn waits_that_are_asked_for() {
        #[track_caller]
        fn check(value: &str, expected: Option<u64>) {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
            let now = httpdate::parse_http_date("Fri, 20 Nov 2026 12:00:00 GMT").unwrap();
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{value}");
        }
        check("5", Some(5));
        check("0", Some(0));
        check("999999", Some(3600));
        check("Fri, 20 Nov 2026 12:00:30 GMT", Some(30));
        check("Fri, 20 Nov 2026 11:00:00 GMT", Some(0));
        check("soon", None);
        check("-5", None);
    }
}
