//! From a stored or arriving reply to what this client is sent: all of it, a part, its head, or 304.

use super::answer::{Outcome, Reply};
use super::arrival::Arrival;
use super::body::{Arriving, Body};
use super::flight::Reader;
use super::request::Request;
use super::rules::Route;
use super::sink::{Fields, ReplyHead};
use crate::semantics::{
    ByteRange, CacheStatus, Freshness, MultipartPlan, Precondition, RangePlan, Validators, is_targeted,
    keep_at_most, plan_range,
};
use crate::store::{Entry, Head};
use crate::time::Timestamp;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, EXPIRES, HeaderName,
    SET_COOKIE, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The fields of a 304 that RFC 9110, 15.4.5 wants; what describes the body is left out. What is said to CDNs alone goes
/// with them: one that asked whether its reply is still good has to learn what purges reach it from now on, and for how long to keep it.
const NOT_MODIFIED_FIELDS: [HeaderName; 7] =
    [CACHE_CONTROL, CONTENT_LOCATION, DATE, ETAG, EXPIRES, VARY, SET_COOKIE];

/// A whole representation, and what is known of it.
struct Representation<'a> {
    route: &'a Route,
    head: &'a Head,
    validators: &'a Validators,
    freshness: Option<&'a Freshness>,
    born: Option<Timestamp>,
    length: Option<u64>,
}

/// Where its body is.
enum Content {
    Stored(Bytes),
    Arriving(Reader),
}

/// How a reply came to be the one that is sent.
pub(super) struct Manner {
    pub(super) outcome: Outcome,
    pub(super) status: CacheStatus,
    /// For how long CDNs may keep it at most; `None`: for as long as it says. See [`Engine::most`](super::Engine::most).
    pub(super) most: Option<Duration>,
}

impl Manner {
    /// Of a stale reply: for one use, where CDNs are in front.
    pub(super) fn stale(status: CacheStatus) -> Self {
        Self { outcome: Outcome::Stale, status, most: Some(Duration::ZERO) }
    }
}

/// Answers with a stored reply. `None`: the request's preconditions are the origin's to judge.
pub(super) fn from_entry(
    route: &Route,
    entry: &Entry,
    request: &Request<'_>,
    now: Timestamp,
    manner: Manner,
) -> Option<Reply> {
    let representation = Representation {
        route,
        head: &entry.head,
        validators: &entry.validators,
        freshness: Some(&entry.freshness),
        born: Some(entry.freshness.born),
        length: Some(entry.body.len() as u64),
    };
    build(&representation, Content::Stored(entry.body.clone()), request, now, manner)
}

/// Answers with a reply that is arriving.
pub(super) fn from_arrival(
    route: &Route,
    arrival: &Arrival,
    reader: Reader,
    request: &Request<'_>,
    now: Timestamp,
    manner: Manner,
) -> Option<Reply> {
    let representation = Representation {
        route,
        head: &arrival.head,
        validators: &arrival.validators,
        freshness: arrival.freshness(),
        born: arrival.born,
        length: arrival.length,
    };
    build(&representation, Content::Arriving(reader), request, now, manner)
}

fn build(
    what: &Representation<'_>,
    content: Content,
    request: &Request<'_>,
    now: Timestamp,
    Manner { outcome, mut status, most }: Manner,
) -> Option<Reply> {
    if let Some(freshness) = what.freshness {
        let left = seconds_left(freshness, now);
        status.ttl = Some(status.ttl.map_or(left, |most| left.min(most)));
        status.departure = freshness.departure.map(crate::semantics::Departure::as_str);
    }
    let answer = Shaping {
        what,
        request,
        age: what.born.map(|born| now.since(born).as_secs()),
        most: most.filter(|_| what.route.tells_cdns()),
        status,
    };
    // Preconditions and ranges apply to what a GET would answer with 200 (RFC 9110, 13.2.1 and 14.2).
    let (head, body) = if what.head.status() != StatusCode::OK || request.is_plain() {
        answer.full(content)
    } else {
        match what.validators.precondition(request.method, request.target.headers) {
            Precondition::AskOrigin => return None,
            Precondition::NotModified => answer.not_modified(),
            Precondition::Proceed => answer.selected(content),
        }
    };
    Some(Reply::new(outcome, head, body))
}

/// Seconds of freshness left; negative once it is over.
fn seconds_left(freshness: &Freshness, now: Timestamp) -> i64 {
    let until = freshness.fresh_until();
    let seconds = |span: std::time::Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    if until >= now { seconds(until.since(now)) } else { -seconds(now.since(until)) }
}

struct Shaping<'a> {
    what: &'a Representation<'a>,
    request: &'a Request<'a>,
    age: Option<u64>,
    /// For how long CDNs in front may keep it at most.
    most: Option<Duration>,
    status: CacheStatus,
}

impl Shaping<'_> {
    fn head(&self, status: StatusCode, fields: Fields, content_length: Option<u64>) -> ReplyHead {
        ReplyHead { status, fields, age: self.age, content_length, cache_status: self.status }
    }

    fn made(&self, mut fields: HeaderMap) -> Fields {
        if let Some(most) = self.most {
            // They subtract its age.
            let age = Duration::from_secs(self.age.unwrap_or(0));
            keep_at_most(&mut fields, if most.is_zero() { most } else { most + age });
        }
        Fields::Made(fields)
    }

    fn full(&self, content: Content) -> (ReplyHead, Body) {
        let fields = match self.most {
            None => Fields::Stored(self.what.head.clone()),
            Some(_) => self.made(self.what.head.to_headers()),
        };
        let head = self.head(self.what.head.status(), fields, self.what.length);
        let body = match content {
            _ if self.request.is_head() => Body::Empty,
            Content::Stored(bytes) if bytes.is_empty() => Body::Empty,
            Content::Stored(bytes) => Body::Whole(bytes),
            Content::Arriving(reader) => Body::Arriving(Arriving::whole(reader)),
        };
        (head, body)
    }

    fn not_modified(&self) -> (ReplyHead, Body) {
        let mut fields = HeaderMap::new();
        for (name, value) in self.what.head.fields() {
            let for_cdns = is_targeted(&name) || self.what.route.tells_cdns_by(&name);
            if for_cdns || NOT_MODIFIED_FIELDS.contains(&name) {
                fields.append(name, value);
            }
        }
        (self.head(StatusCode::NOT_MODIFIED, self.made(fields), None), Body::Empty)
    }

    /// A range where one is asked for and its bytes can be told; all of it otherwise, which RFC 9110, 14.2 allows.
    fn selected(&self, content: Content) -> (ReplyHead, Body) {
        let Some(length) = self.what.length else { return self.full(content) };
        if self.request.is_head() {
            return self.full(content);
        }
        match plan_range(self.request.target.headers, self.what.validators, length) {
            RangePlan::Full => self.full(content),
            RangePlan::Unsatisfiable => self.unsatisfiable(length),
            RangePlan::Single(range) => self.single(content, range, length),
            RangePlan::Multiple(ranges) => match content {
                Content::Stored(body) => self.multiple(&body, &ranges),
                Content::Arriving(_) => self.full(content),
            },
        }
    }

    fn single(&self, content: Content, range: ByteRange, length: u64) -> (ReplyHead, Body) {
        let mut fields = self.what.head.to_headers();
        let last = range.end.saturating_sub(1);
        insert(&mut fields, CONTENT_RANGE, &format!("bytes {}-{last}/{length}", range.start));
        let body = match content {
            Content::Stored(bytes) => Body::Whole(bytes.slice(range.start as usize..range.end as usize)),
            Content::Arriving(reader) => Body::Arriving(Arriving::part(reader, range.start, range.end)),
        };
        (self.head(StatusCode::PARTIAL_CONTENT, self.made(fields), Some(range.end - range.start)), body)
    }

    fn multiple(&self, body: &Bytes, ranges: &[ByteRange]) -> (ReplyHead, Body) {
        let mut fields = self.what.head.to_headers();
        let content_type = fields.remove(CONTENT_TYPE);
        // Random, so that nobody can put the boundary into a body beforehand.
        let boundary = format!("{:016x}", RandomState::new().build_hasher().finish());
        let plan =
            MultipartPlan::new(body, content_type.as_ref().map(HeaderValue::as_bytes), ranges, &boundary);
        insert(&mut fields, CONTENT_TYPE, &plan.content_type);
        let head = self.head(StatusCode::PARTIAL_CONTENT, self.made(fields), Some(plan.length));
        (head, Body::Pieces(plan.pieces.into()))
    }

    fn unsatisfiable(&self, length: u64) -> (ReplyHead, Body) {
        let mut fields = HeaderMap::new();
        insert(&mut fields, CONTENT_RANGE, &format!("bytes */{length}"));
        (self.head(StatusCode::RANGE_NOT_SATISFIABLE, Fields::Made(fields), Some(0)), Body::Empty)
    }
}

fn insert(fields: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        fields.insert(name, value);
    }
}
