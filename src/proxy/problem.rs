//! What a client is told when there is no reply, and the word the log has for it. The only place that maps either.

use crate::engine::Failure;
use bytes::Bytes;
use http::StatusCode;
use std::time::Duration;

/// How long a client that found every place taken is asked to wait before it tries again.
///
/// About the time a queue of requests to an origin takes to move.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why a request gets an error of Larder's own. The client reads it as `application/problem+json` (RFC 9457).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The head breaks the rules of HTTP; the text says which.
    Malformed(&'static str),
    /// A transfer coding other than `chunked` (RFC 9112, 6.1).
    TransferCoding,
    /// The head has too many bytes or lines (RFC 6585, 5).
    HeadTooLarge,
    /// The request did not arrive in time.
    Timeout,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    Version,
    /// `CONNECT`, and `PURGE` from those to whom no route allows it.
    Method,
    /// The origin could not be reached, or broke off, or sent what is no reply.
    BadGateway,
    /// The origin took too long.
    GatewayTimeout,
    /// Too many requests wait for the origin.
    Busy {
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// No server of the origin is healthy.
    NoServer,
    /// `only-if-cached`, and nothing is (RFC 9111, 5.2.1.7).
    NotCached,
    /// A fault of Larder.
    Internal,
}

impl Problem {
    /// The word in logs, and the last part of `type`. Stable.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed-request",
            Self::TransferCoding => "transfer-coding",
            Self::HeadTooLarge => "head-too-large",
            Self::Timeout => "request-timeout",
            Self::Version => "http-version",
            Self::Method => "method-not-allowed",
            Self::BadGateway => "bad-gateway",
            Self::GatewayTimeout => "gateway-timeout",
            Self::Busy { .. } => "busy",
            Self::NoServer => "no-server",
            Self::NotCached => "not-cached",
            Self::Internal => "internal",
        }
    }

    /// The status it is sent with.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout | Self::NotCached => StatusCode::GATEWAY_TIMEOUT,
            Self::Busy { .. } | Self::NoServer => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One sentence for people; it says nothing of the inside.
    fn title(self) -> &'static str {
        match self {
            Self::Malformed(what) => what,
            Self::TransferCoding => "The only transfer coding understood is chunked.",
            Self::HeadTooLarge => "The head of the request is too large.",
            Self::Timeout => "The request did not arrive in time.",
            Self::Version => "The versions understood are HTTP/1.0, HTTP/1.1 and HTTP/2.",
            Self::Method => "This method is not allowed here.",
            Self::BadGateway => "The origin gave no valid reply.",
            Self::GatewayTimeout => "The origin did not reply in time.",
            Self::Busy { .. } => "Too many requests wait for the origin.",
            Self::NoServer => "The origin is not available.",
            Self::NotCached => "The request asks for a stored reply, and there is none.",
            Self::Internal => "The request could not be handled.",
        }
    }

    /// The value of `Retry-After` in seconds, where the client may expect better soon.
    pub(super) fn retry_after(self) -> Option<u64> {
        match self {
            Self::Busy { retry_after } => Some(retry_after.as_secs().max(1)),
            Self::NoServer => Some(RETRY_AFTER.as_secs()),
            _ => None,
        }
    }

    /// The body. Every part is one of a fixed set of texts without characters that JSON would have to escape.
    pub(super) fn body(self) -> Bytes {
        let (word, title, status) = (self.as_str(), self.title(), self.status().as_u16());
        Bytes::from(format!(
            "{{\"type\":\"urn:larder:problem:{word}\",\"title\":\"{title}\",\"status\":{status}}}\n"
        ))
    }

    /// The whole reply as HTTP/1 writes it, for a connection whose request could not be read and that is closed after it.
    pub(super) fn to_http1(self) -> Vec<u8> {
        let (status, body) = (self.status(), self.body());
        let mut reply = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
            status.as_str(),
            status.canonical_reason().unwrap_or_default(),
            body.len(),
        )
        .into_bytes();
        reply.extend_from_slice(&body);
        reply
    }
}

/// The media type of a problem (RFC 9457, 3).
pub(super) const CONTENT_TYPE: &str = "application/problem+json";

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::BadGateway => Self::BadGateway,
            Failure::GatewayTimeout => Self::GatewayTimeout,
            Failure::Busy { retry_after } => Self::Busy { retry_after },
            Failure::NotCached => Self::NotCached,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Problem; 12] = [
        Problem::Malformed("The Host header is missing."),
        Problem::TransferCoding,
        Problem::HeadTooLarge,
        Problem::Timeout,
        Problem::Version,
        Problem::Method,
        Problem::BadGateway,
        Problem::GatewayTimeout,
        Problem::Busy { retry_after: Duration::from_millis(300) },
        Problem::NoServer,
        Problem::NotCached,
        Problem::Internal,
    ];

    #[test]
    fn bodies_are_json_with_a_stable_type() {
        for problem in ALL {
            let json: serde_json::Value = serde_json::from_slice(&problem.body()).unwrap();
            assert_eq!(json["type"], format!("urn:larder:problem:{}", problem.as_str()));
            assert_eq!(json["status"], problem.status().as_u16());
            assert!(json["title"].as_str().unwrap().ends_with('.'), "{problem:?}");
        }
    }

    #[test]
    fn words_are_distinct() {
        let mut words: Vec<_> = ALL.iter().map(|problem| problem.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), ALL.len());
    }

    #[test]
    fn a_client_is_never_told_to_come_back_at_once() {
        assert_eq!(Problem::Busy { retry_after: Duration::from_millis(300) }.retry_after(), Some(1));
        assert_eq!(Problem::BadGateway.retry_after(), None);
    }

    #[test]
    fn the_whole_reply_is_framed() {
        let reply = String::from_utf8(Problem::Timeout.to_http1()).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"));
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert!(head.ends_with("Connection: close"));
    }
}
