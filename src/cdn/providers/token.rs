//! Access tokens that are given out for a while: asked for once, kept until shortly before their end.

use super::request::exchange;
use crate::cdn::{CallError, Client, judge};
use crate::secret::Secret;
use crate::time::{Clock, SystemClock, Timestamp};
use bytes::Bytes;
use http::{HeaderValue, Request};
use serde_json::Value;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A token is asked for anew this long before its end: time for a call that begins with it to arrive. Google's metadata
/// server gives out the next one in the last five minutes, Azure's in the second half of a token's life.
const MARGIN: Duration = Duration::from_secs(60);

/// The longest that a token is kept, whatever it says of itself; those of today live for a day at most.
const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The token of one identity.
pub(super) struct Tokens {
    clock: SystemClock,
    kept: Mutex<Option<(Secret, Timestamp)>>,
    /// One at a time asks; the others find what it got.
    asking: Semaphore,
}

impl Tokens {
    /// None yet.
    pub(super) fn new() -> Self {
        Self { clock: SystemClock::new(), kept: Mutex::new(None), asking: Semaphore::new(1) }
    }

    /// The token that is kept, or a new one, which `ask` gets with the time it lives for.
    pub(super) async fn get<F>(&self, ask: impl FnOnce() -> F) -> Result<Secret, CallError>
    where
        F: Future<Output = Result<(Secret, Duration), CallError>>,
    {
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let _turn = self.asking.acquire().await.expect("it is never closed");
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let (token, life) = ask().await?;
        let life = life.min(MAX_LIFE);
        let end = self.clock.now().plus(life.saturating_sub(MARGIN.min(life / 2)));
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.clone(), end));
        Ok(token)
    }

    /// Forgets `token`, which was refused: it may have been revoked before its end. One that came after it is kept.
    pub(super) fn forget(&self, token: &Secret) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|(kept, _)| kept == token) {
            *kept = None;
        }
    }

    fn fresh(&self) -> Option<Secret> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|(_, end)| self.clock.now() < *end).map(|(token, _)| token.clone())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// The value of `Authorization` for a token (RFC 6750, 2.1).
pub(super) fn bearer(token: &Secret) -> HeaderValue {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .expect("one that cannot stand in a field is not read");
    value.set_sensitive(true);
    value
}

/// Asks an authority for a token (RFC 6749, 5). Whatever it refuses, an operator can mend: the call that needs the token is
/// never given up for it.
pub(super) async fn request_token(
    client: &Client,
    request: Request<Bytes>,
    secrets: &[&str],
) -> Result<(Secret, Duration), CallError> {
    let reply = exchange(client, request, secrets).await.map_err(about)?;
    match judge(&reply) {
        Some(error) => Err(about(error)),
        None => read(reply.body()).ok_or_else(|| {
            about(CallError::Refused {
                reason: "the reply has none, or does not say for how long".to_owned(),
            })
        }),
    }
}

/// An error of the authority, as one of the call that waits for it.
fn about(error: CallError) -> CallError {
    let (kind, reason, after) = match error {
        CallError::Later { kind, reason, after } => (kind, reason, after),
        CallError::Refused { reason } => ("credentials", reason, None),
    };
    CallError::Later { kind, reason: format!("no token: {reason}"), after }
}

/// The token of a reply and how long it lives. Azure's identity service writes the seconds as a string.
fn read(body: &[u8]) -> Option<(Secret, Duration)> {
    let reply: Value = serde_json::from_slice(body).ok()?;
    let token = reply.get("access_token")?.as_str().filter(|token| !token.is_empty())?;
    HeaderValue::from_str(token).ok()?;
    let life = reply.get("expires_in")?;
    let seconds = life.as_u64().or_else(|| life.as_str()?.parse().ok())?;
    Some((Secret::new(token), Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_token_is_kept_until_shortly_before_its_end() {
        let (tokens, asked) = (Tokens::new(), AtomicU32::new(0));
        let ask = |life: u64| {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            async move { Ok((Secret::new(number.to_string()), Duration::from_secs(life))) }
        };
        let get = async |life| tokens.get(|| ask(life)).await.unwrap().expose().to_owned();
        assert_eq!(get(3600).await, "0");
        tokio::time::advance(Duration::from_secs(3539)).await;
        assert_eq!(get(3600).await, "0");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(get(100).await, "1", "one of a short life is kept for half of it");
        tokio::time::advance(Duration::from_secs(49)).await;
        assert_eq!(get(0).await, "1");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(get(0).await, "2");
        assert_eq!(get(60).await, "3", "one that is over when it comes is used once");
        tokens.forget(&Secret::new("2"));
        assert_eq!(get(60).await, "3", "an older one was refused");
        tokens.forget(&Secret::new("3"));
        assert_eq!(get(60).await, "4");
    }

    #[tokio::test(start_paused = true)]
    async fn one_asks_for_all() {
        let (tokens, asked) = (Tokens::new(), AtomicU32::new(0));
        let get = || {
            tokens.get(|| async {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(5)).await;
                Ok((Secret::new("t"), Duration::from_secs(600)))
            })
        };
        // The first is dropped while it asks, as when a call runs out of time.
        let _ = tokio::time::timeout(Duration::from_secs(1), get()).await;
        let (one, two, three) = tokio::join!(get(), get(), get());
        assert!(one.is_ok() && two.is_ok() && three.is_ok());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn replies_of_authorities() {
        #[track_caller]
        fn check(body: &str, expected: Option<(&str, u64)>) {
            let read = read(body.as_bytes());
            let read = read.as_ref().map(|(token, life)| (token.expose(), life.as_secs()));
            assert_eq!(read, expected, "{body}");
        }
        check(r#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#, Some(("t", 3599)));
        check(r#"{"access_token":"t","expires_in":"86399"}"#, Some(("t", 86_399)));
        check(r#"{"access_token":"t"}"#, None);
        check(r#"{"access_token":"","expires_in":1}"#, None);
        check(r#"{"access_token":"a\nb","expires_in":1}"#, None);
        check(r#"{"access_token":"t","expires_in":-1}"#, None);
        check(r#"{"error":"invalid_grant"}"#, None);
        check("<html>", None);
    }
}
