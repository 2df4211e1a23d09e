//! Bodies of writes and of their replies, as far as purges have to look into them.

use crate::invalidation::Json;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue};
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType, Result};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Bytes of a request's body that may be read before it is sent on: as many as Pingora keeps to send (`BODY_BUF_LIMIT`). Of a
/// longer one it would keep nothing.
const READ_AHEAD: usize = 64 << 10;

/// How long such a body is waited for. Most came with the head; whoever is slower than this passes as all others do, and is
/// known only when it is through.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is known of the body of a request.
#[derive(Debug, Default)]
pub(super) enum RequestBody {
    /// Nothing, and nothing will be: nobody asks for it, or it cannot be read.
    #[default]
    Unknown,
    /// It is passing.
    Gathering(Gathered),
    /// All of it.
    Whole(Json),
}

impl RequestBody {
    /// Readies the body of the request for being looked into, up to `limit` bytes of it. Reads it right away where that is safe,
    /// so that it is known before the origin is; all of it passes on unchanged in any case.
    pub(super) async fn begin(session: &mut ServerSession, limit: usize) -> Result<Self> {
        let headers = &session.req_header().headers;
        let Some(mut gathered) = Gathered::of(headers, limit) else { return Ok(Self::Unknown) };
        // Who asks whether to send the body is answered by the origin (RFC 9110, 10.1.1).
        let may_wait = !headers.contains_key(EXPECT);
        if !may_wait || gathered.announced.is_none_or(|length| length > READ_AHEAD) {
            return Ok(Self::Gathering(gathered));
        }
        session.enable_retry_buffering();
        let deadline = Instant::now() + PATIENCE;
        while let Ok(piece) = timeout_at(deadline, session.read_request_body()).await {
            match piece.map_err(Error::into_down)? {
                Some(piece) => gathered.push(&piece),
                None => return Ok(gathered.json().map_or(Self::Unknown, Self::Whole)),
            }
        }
        if session.retry_buffer_truncated() {
            return Error::e_explain(ErrorType::InternalError, "a body is longer than announced");
        }
        Ok(Self::Gathering(gathered))
    }

    /// It is about to be sent, perhaps not for the first time: all of it passes again.
    pub(super) fn restart(&mut self) {
        if let Self::Gathering(gathered) = self {
            gathered.restart();
        }
    }

    /// A piece of it passes. Tells whether it is known now, and was not before.
    pub(super) fn pass(&mut self, piece: Option<&[u8]>, end: bool) -> bool {
        let Self::Gathering(gathered) = self else { return false };
        gathered.push(piece.unwrap_or_default());
        if !end {
            return false;
        }
        *self = gathered.json().map_or(Self::Unknown, Self::Whole);
        self.json().is_some()
    }

    /// What stands in it.
    pub(super) fn json(&self) -> Option<&Json> {
        match self {
            Self::Whole(json) => Some(json),
            Self::Unknown | Self::Gathering(_) => None,
        }
    }
}

/// A body that is JSON as its head says, held until it is whole or too long.
#[derive(Debug)]
pub(super) struct Gathered {
    limit: usize,
    announced: Option<usize>,
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Gathered {
    /// A body with these fields, of `limit` bytes at most; `None` where it cannot be looked into: it is not JSON, encoded,
    /// empty, or longer.
    pub(super) fn of(headers: &HeaderMap, limit: usize) -> Option<Self> {
        let announced = match headers.get(CONTENT_LENGTH).map(HeaderValue::to_str) {
            None => None,
            Some(length) => Some(length.ok()?.parse().ok()?),
        };
        let is_readable = is_json(headers) && is_plain(headers);
        (is_readable && announced.is_none_or(|length| (1..=limit).contains(&length))).then(|| Self {
            limit,
            announced,
            bytes: Vec::new(),
            is_too_long: false,
        })
    }

    fn push(&mut self, piece: &[u8]) {
        if self.is_too_long || self.bytes.len() + piece.len() > self.limit {
            self.is_too_long = true;
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// A piece of it passes. Tells whether nothing more will be learned of it: it is whole, as its end or its announced length
    /// says, or too long.
    pub(super) fn pass(&mut self, piece: Option<&[u8]>, end: bool) -> bool {
        self.push(piece.unwrap_or_default());
        end || self.is_too_long || self.announced == Some(self.bytes.len())
    }

    /// What stands in it.
    pub(super) fn json(&self) -> Option<Json> {
        if self.is_too_long { None } else { Json::parse(&self.bytes) }
    }

    fn restart(&mut self) {
        self.bytes.clear();
        self.is_too_long = false;
    }
}

/// `application/json`, or a format made of it (RFC 6839, 3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let kind = line.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(b"application/json")
        || kind.len() > 5 && kind[kind.len() - 5..].eq_ignore_ascii_case(b"+json")
}

/// Not compressed, or encoded in any other way.
fn is_plain(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    codings.all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    const LIMIT: usize = 20;

    fn gathered(fields: &[(HeaderName, &'static str)]) -> Option<Gathered> {
        let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        fields.for_each(|(name, value)| _ = headers.append(name, value));
        Gathered::of(&headers, LIMIT)
    }

    #[test]
    fn heads_tell_which_bodies_are_looked_into() {
        #[track_caller]
        fn check(fields: &[(HeaderName, &'static str)], expected: bool) {
            assert_eq!(gathered(fields).is_some(), expected, "{fields:?}");
        }
        let json = (CONTENT_TYPE, "application/json");
        check(&[], false);
        check(&[(CONTENT_TYPE, "application/json")], true);
        check(&[(CONTENT_TYPE, "Application/JSON; charset=utf-8")], true);
        check(&[(CONTENT_TYPE, "application/merge-patch+json")], true);
        check(&[(CONTENT_TYPE, "application/json-seq")], false);
        check(&[(CONTENT_TYPE, "+json")], false);
        check(&[(CONTENT_TYPE, "text/html")], false);
        check(&[json.clone(), (CONTENT_TYPE, "text/html")], false);
        check(&[json.clone(), (CONTENT_ENCODING, "gzip")], false);
        check(&[json.clone(), (CONTENT_ENCODING, "identity")], true);
        check(&[json.clone(), (CONTENT_ENCODING, "identity"), (CONTENT_ENCODING, "br")], false);
        check(&[json.clone(), (CONTENT_LENGTH, "20")], true);
        check(&[json.clone(), (CONTENT_LENGTH, "21")], false);
        check(&[json.clone(), (CONTENT_LENGTH, "0")], false);
        check(&[json.clone(), (CONTENT_LENGTH, "99999999999999999999999")], false);
        check(&[json, (CONTENT_LENGTH, "many")], false);
    }

    /// Passes pieces; checks after which of them the body was over, and what it held.
    #[track_caller]
    fn check(length: Option<&'static str>, pieces: &[&str], over: Option<usize>, is_json: bool) {
        let mut fields = vec![(CONTENT_TYPE, "application/json")];
        fields.extend(length.map(|length| (CONTENT_LENGTH, length)));
        let mut body = gathered(&fields).unwrap();
        let ended = pieces.iter().position(|piece| match *piece {
            "end" => body.pass(None, true),
            piece => body.pass(Some(piece.as_bytes()), false),
        });
        assert_eq!((ended, body.json().is_some()), (over, is_json), "{pieces:?}");
    }

    #[test]
    fn bodies_are_over_at_their_end_or_their_bound() {
        check(None, &["{\"a\":", "1}", "end"], Some(2), true);
        check(None, &["{\"a\":", "1}"], None, true);
        check(None, &["{\"a\":", "end"], Some(1), false);
        check(None, &["end"], Some(0), false);
        check(Some("7"), &["{\"a\":", "1}", "end"], Some(1), true);
        check(Some("8"), &["{\"a\":", "1}", "end"], Some(2), true);
        check(None, &["{\"a\":1}             ", "end"], Some(1), true);
        check(None, &["{\"a\":1}              ", "end"], Some(0), false);
        check(None, &["{\"a\":1}             ", " ", "end"], Some(1), false);
    }

    #[test]
    fn a_request_that_is_sent_again_passes_again() {
        let body = gathered(&[(CONTENT_TYPE, "application/json")]).unwrap();
        let mut body = RequestBody::Gathering(body);
        assert!(!body.pass(Some(b"{\"a\":1"), false));
        body.restart();
        assert!(!body.pass(Some(b"{\"a\":1"), false));
        assert!(body.json().is_none());
        assert!(body.pass(Some(b"}"), true));
        assert!(body.json().is_some());
        body.restart();
        assert!(!body.pass(Some(b"{\"a\":1}"), true), "it was known before");
        assert!(body.json().is_some());
    }
}
