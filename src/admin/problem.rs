//! Errors as `application/problem+json` (RFC 9457).

use http::StatusCode;
use serde::Serialize;

/// The kinds of errors. A client goes by `type`, so the words are fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The bytes are no request.
    Malformed,
    /// The query holds something else than what is known.
    InvalidQuery,
    /// The body is not what is wanted.
    InvalidBody,
    /// The purge names nothing.
    EmptyPurge,
    /// No rule is about the event.
    UnknownEvent,
    /// The event lacks what its rules need.
    IncompleteEvent,
    /// The token is missing or wrong.
    Unauthorized,
    /// A page in a browser sent it.
    CrossOrigin,
    /// The name it was sent to is not this listener's: DNS rebinding.
    UnknownHost,
    /// No such resource.
    NotFound,
    /// Not with this method.
    MethodNotAllowed,
    /// The body took too long.
    Timeout,
    /// The body is too large.
    TooLarge,
    /// The body is no JSON.
    UnsupportedMediaType,
    /// No CDN has that name.
    UnknownCdn,
    /// What keeps the purges for CDNs cannot be reached.
    QueueUnavailable,
    /// The configuration has faults.
    InvalidConfiguration,
    /// A fault of Larder.
    Internal,
}

impl Kind {
    /// The last word of `type`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed-request",
            Self::InvalidQuery => "invalid-query",
            Self::InvalidBody => "invalid-body",
            Self::EmptyPurge => "empty-purge",
            Self::UnknownEvent => "unknown-event",
            Self::IncompleteEvent => "incomplete-event",
            Self::Unauthorized => "unauthorized",
            Self::CrossOrigin => "cross-origin",
            Self::UnknownHost => "unknown-host",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Timeout => "request-timeout",
            Self::TooLarge => "body-too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::UnknownCdn => "unknown-cdn",
            Self::QueueUnavailable => "queue-unavailable",
            Self::InvalidConfiguration => "invalid-configuration",
            Self::Internal => "internal",
        }
    }

    /// The status that goes with it.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::InvalidQuery | Self::InvalidBody | Self::EmptyPurge => {
                StatusCode::BAD_REQUEST
            }
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::CrossOrigin => StatusCode::FORBIDDEN,
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::NotFound | Self::UnknownCdn => StatusCode::NOT_FOUND,
            Self::QueueUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UnknownEvent | Self::IncompleteEvent | Self::InvalidConfiguration => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request cannot be read",
            Self::InvalidQuery => "The query is not understood",
            Self::InvalidBody => "The body is not what is expected",
            Self::EmptyPurge => "The purge names nothing",
            Self::UnknownEvent => "No rule is about this event",
            Self::IncompleteEvent => "The event lacks what its rules need",
            Self::Unauthorized => "A valid token is required",
            Self::CrossOrigin => "Requests from web pages are refused",
            Self::UnknownHost => "This listener does not answer to that name",
            Self::NotFound => "There is no such resource",
            Self::MethodNotAllowed => "The resource does not support this method",
            Self::Timeout => "The request took too long to arrive",
            Self::TooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The body has to be JSON",
            Self::UnknownCdn => "There is no such CDN",
            Self::QueueUnavailable => "The queue of the CDN cannot be reached",
            Self::InvalidConfiguration => "The configuration has faults; the one in force stays",
            Self::Internal => "Something went wrong inside Larder",
        }
    }
}

/// An error, for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// Which.
    pub(super) kind: Kind,
    /// What was wrong and what to send instead.
    pub(super) detail: String,
    /// Every single fault, where there may be several.
    pub(super) errors: Vec<String>,
    /// The methods that are allowed, for 405.
    pub(super) allow: Option<&'static str>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [String],
}

impl Problem {
    /// A problem with one fault.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), allow: None }
    }

    /// A problem with a list of faults, the first of which is its detail.
    pub(super) fn with_errors(kind: Kind, errors: Vec<String>) -> Self {
        let detail = errors.first().cloned().unwrap_or_default();
        Self { kind, detail, errors, allow: None }
    }

    /// The JSON document.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let Self { kind, detail, errors, allow: _ } = self;
        let document = Document {
            r#type: format!("urn:larder:problem:{}", kind.as_str()),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail,
            errors,
        };
        serde_json::to_vec(&document).expect("strings and numbers are always JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        let problem = Problem::new(Kind::NotFound, "no /x");
        let want = r#"{"type":"urn:larder:problem:not-found","title":"There is no such resource","status":404,"detail":"no /x"}"#;
        assert_eq!(String::from_utf8(problem.to_json()).unwrap(), want);

        let problem = Problem::with_errors(Kind::InvalidBody, vec!["a".into(), "b \"q\"".into()]);
        let document: serde_json::Value = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(document["detail"], "a");
        assert_eq!(document["errors"], serde_json::json!(["a", "b \"q\""]));
    }
}
