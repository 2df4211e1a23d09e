//! What requests to the APIs have in common: where they go, how values are put into them, and what is read of the replies.

use super::MakeError;
use crate::cdn::client::told;
use crate::cdn::{Call, CallError, Client, Location, Target, judge};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::Value;
use std::fmt::Write as _;

/// What stands where a secret stood.
const BLOT: &str = "…";

/// Secrets shorter than this are not looked for in replies: they would be found in every word.
const MIN_BLOTTED: usize = 6;

/// The value of a field that carries a secret. Neither the value nor the error shows it.
pub(super) fn secret_value(what: &'static str, text: &str) -> Result<HeaderValue, MakeError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| MakeError::Secret(what))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A request with a body of JSON.
pub(super) fn json(request: http::request::Builder, body: &Value) -> Result<Request<Bytes>, CallError> {
    let request = request.header(CONTENT_TYPE, "application/json").header(ACCEPT, "application/json");
    built(request.body(Bytes::from(body.to_string())))
}

/// A request without a body.
pub(super) fn bare(request: http::request::Builder) -> Result<Request<Bytes>, CallError> {
    built(request.header(ACCEPT, "application/json").body(Bytes::new()))
}

/// What was built, or why it cannot be sent as it is.
pub(super) fn built(request: http::Result<Request<Bytes>>) -> Result<Request<Bytes>, CallError> {
    request.map_err(|error| CallError::Refused { reason: format!("no request can be made of it: {error}") })
}

/// Sends a request and reads its reply, whatever its status.
///
/// Some APIs repeat in their errors what they were sent. Where one of `secrets` stands in the reply it is blotted out, before
/// anybody cuts the text and leaves half of it.
pub(super) async fn exchange(
    client: &Client,
    request: Request<Bytes>,
    secrets: &[&str],
) -> Result<Response<Bytes>, CallError> {
    let mut reply = client.exchange(request).await?;
    if let Some(text) = blotted(reply.body(), secrets) {
        *reply.body_mut() = Bytes::from(text);
    }
    Ok(reply)
}

fn blotted(body: &[u8], secrets: &[&str]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let mut found =
        secrets.iter().filter(|secret| secret.len() >= MIN_BLOTTED && text.contains(**secret)).peekable();
    found.peek()?;
    Some(found.fold(text.to_string(), |text, secret| text.replace(secret, BLOT)))
}

/// What the status of a reply says where the address of the request is all from the configuration: that nothing is there can
/// be mended, and is no fault of the call. Nor need it be the fault of the credentials.
pub(super) fn judge_address(reply: &Response<Bytes>) -> Option<CallError> {
    match judge(reply)? {
        CallError::Refused { reason } if reply.status() == StatusCode::NOT_FOUND => {
            Some(CallError::Later { kind: "not_found", reason, after: None })
        }
        error => Some(error),
    }
}

/// Whether a reply to a call that was taken is the API's own, by what it says as JSON. What stands in between (the page where
/// a guest signs in, a proxy that is not to be passed) answers with success as well, and to believe it would lose the purge.
pub(super) fn own_words(
    reply: &Response<Bytes>,
    api: &str,
    says: impl FnOnce(&Value) -> bool,
) -> Result<(), CallError> {
    let own = serde_json::from_slice(reply.body()).is_ok_and(|said| says(&said));
    if own { Ok(()) } else { Err(foreign(reply, api)) }
}

/// The same for an API that does not say anything: what says something as a page is another's.
pub(super) fn no_page(reply: &Response<Bytes>, api: &str) -> Result<(), CallError> {
    let kind = reply.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_page = kind.to_ascii_lowercase().starts_with(b"text/html")
        || reply.body().trim_ascii_start().starts_with(b"<");
    if is_page { Err(foreign(reply, api)) } else { Ok(()) }
}

fn foreign(reply: &Response<Bytes>, api: &str) -> CallError {
    let reason = format!("not the reply of {api}: {}", told(reply.status(), reply.body()));
    CallError::Later { kind: "server_error", reason, after: None }
}

/// The places that a call names; what is no place is left out.
pub(super) fn places(call: &Call) -> impl Iterator<Item = &Location> {
    call.targets.iter().filter_map(|target| match target {
        Target::Url(place) | Target::Prefix(place) => Some(place),
        Target::Tag(_) | Target::All => None,
    })
}

/// The tags that a call names.
pub(super) fn tags(call: &Call) -> impl Iterator<Item = &str> {
    call.targets.iter().filter_map(|target| match target {
        Target::Tag(tag) => Some(&**tag),
        _ => None,
    })
}

/// The path of a prefix without a slash at its end; empty for the root. What is below begins with a slash after it.
pub(super) fn folder(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// The path patterns of an API that takes `/folder/*` for what is below a folder, and nothing but a star at the end.
///
/// A path with a star of its own cannot be named: the folder it is in is.
pub(super) fn patterns(target: &Target) -> Vec<String> {
    let below = |folder: &str| format!("{folder}/*");
    match target {
        Target::All => vec![below("")],
        Target::Tag(_) => Vec::new(),
        Target::Url(place) | Target::Prefix(place) if place.path.contains('*') => {
            let clear = place.path.split('*').next().unwrap_or_default();
            vec![below(clear.rsplit_once('/').map_or("", |(folder, _)| folder))]
        }
        Target::Url(place) => vec![in_path(&place.path)],
        // A wildcard does not reach the folder itself.
        Target::Prefix(place) => match folder(&place.path) {
            "" => vec![below("")],
            folder => vec![in_path(folder), below(&in_path(folder))],
        },
    }
}

/// `text` with everything but unreserved characters percent-encoded (RFC 3986, 2.3): fit for any part of a URL, as a value.
pub(super) fn encoded(text: &str) -> String {
    encode(text, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// A path as it was written, with only that encoded which may not stand in the path of a URL (RFC 3986, 3.3).
pub(super) fn in_path(text: &str) -> String {
    encode(text, |byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte))
}

fn encode(text: &str, keep: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if keep(byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("strings can be written to");
        }
    }
    out
}

/// Whether a URL with this path would be another one once its dot segments are resolved, which whoever sends a request does
/// first. A client that writes such a path could have something purged that is not below its own, or make another call.
pub(super) fn has_dots(path: &str) -> bool {
    path.split(['/', '\\']).any(|segment| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_urls() {
        #[track_caller]
        fn check(text: &str, value: &str, path: &str) {
            assert_eq!((encoded(text).as_str(), in_path(text).as_str()), (value, path));
        }
        check("a-b_c.~9", "a-b_c.~9", "a-b_c.~9");
        check("/a b/%C3?x#y", "%2Fa%20b%2F%25C3%3Fx%23y", "/a%20b/%C3%3Fx%23y");
        check("ü\\\"", "%C3%BC%5C%22", "%C3%BC%5C%22");
    }

    #[test]
    fn dots_are_seen() {
        for path in ["/..", "/a/../b", "/a/%2e%2E/b", "/.", "/a/.%2e", "/a\\..\\b"] {
            assert!(has_dots(path), "{path}");
        }
        for path in ["/", "/a..b", "/...", "/.well-known/x", "/a/..b"] {
            assert!(!has_dots(path), "{path}");
        }
    }

    #[test]
    fn what_stands_in_between_is_no_success() {
        #[track_caller]
        fn check(kind: Option<&str>, body: &'static str, json: bool, silent: bool) {
            let mut reply = Response::new(Bytes::from_static(body.as_bytes()));
            reply.headers_mut().extend(kind.map(|kind| (CONTENT_TYPE, kind.parse().unwrap())));
            let own = own_words(&reply, "the API", |said| said["status"] == "ok");
            assert_eq!((own.is_ok(), no_page(&reply, "the API").is_ok()), (json, silent), "{kind:?} {body}");
            assert!(own.err().is_none_or(|error| error.as_str() == "server_error"));
        }
        check(Some("application/json"), r#"{"status":"ok"}"#, true, true);
        check(None, r#"{"status":"no"}"#, false, true);
        check(None, "", false, true);
        check(None, "\n <!doctype html><h1>Welcome</h1>", false, false);
        check(Some("Text/HTML; charset=utf-8"), "Sign in", false, false);
    }

    #[test]
    fn patterns_of_paths() {
        #[track_caller]
        fn check(target: fn(Location) -> Target, path: &str, expected: &[&str]) {
            let place = Location { base: "https://shop".into(), path: path.into() };
            assert_eq!(patterns(&target(place)), expected, "{path}");
        }
        check(Target::Url, "/a/b", &["/a/b"]);
        check(Target::Url, "/a/", &["/a/"]);
        check(Target::Url, "/a b", &["/a%20b"]);
        check(Target::Url, "/a/b*c/d", &["/a/*"]);
        check(Target::Url, "/*", &["/*"]);
        check(Target::Prefix, "/a/b", &["/a/b", "/a/b/*"]);
        check(Target::Prefix, "/a/b/", &["/a/b", "/a/b/*"]);
        check(Target::Prefix, "/", &["/*"]);
        check(Target::Prefix, "/a/*b", &["/a/*"]);
        check(|_| Target::All, "/", &["/*"]);
    }

    #[test]
    fn secrets_are_blotted_out() {
        let body = br#"{"error":"token s3cr3t-token is not known","again":"s3cr3t-token"}"#;
        let text = blotted(body, &["other-token", "s3cr3t-token"]);
        assert_eq!(text.as_deref(), Some(r#"{"error":"token … is not known","again":"…"}"#));
        assert_eq!(blotted(body, &["other-token"]), None);
        assert_eq!(blotted(body, &["token"]), None, "too short to be one");
    }
}
