//! Conditional requests, both ways (RFC 9110, 13; RFC 9111, 4.3).

use super::entity_tag::{is_entity_tag, is_strong, list_matches_weakly, matches_strongly};
use super::{http_date, lifetime, parse_http_date};
use crate::time::Timestamp;
use http::header::{
    ETAG, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::time::Duration;

/// How much later than `Last-Modified` a reply has to be dated for the date to be a strong validator. RFC 9110, 8.8.2.2
/// wants at least one second and no doubt about the clocks; a minute is beyond what clocks that are set differ.
const STRONG_DATE_MARGIN: Duration = Duration::from_secs(60);

/// The validators of a stored reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// The entity tag as written, `W/"x"` or `"x"`.
    pub etag: Option<Box<[u8]>>,
    /// `Last-Modified`.
    pub last_modified: Option<Timestamp>,
    /// `Date` of the reply, or the time it was received.
    pub date: Timestamp,
}

/// How a client's preconditions come out against a stored reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Answer with the whole representation (or the ranges asked for).
    Proceed,
    /// Answer 304.
    NotModified,
    /// Only the origin can tell (`If-Match`, `If-Unmodified-Since`).
    AskOrigin,
}

impl Validators {
    /// Those of a reply. What is no entity tag or no date, or stands there several times, is none.
    pub fn of_reply(headers: &HeaderMap, received_at: Timestamp) -> Self {
        let etag = only(headers, &ETAG).filter(|tag| is_entity_tag(tag)).map(Box::from);
        let last_modified = only(headers, &LAST_MODIFIED).and_then(parse_http_date);
        Self { etag, last_modified, date: lifetime::date(headers).unwrap_or(received_at) }
    }

    /// Whether there is one to revalidate with.
    pub fn any(&self) -> bool {
        self.etag.is_some() || self.last_modified.is_some()
    }

    /// Whether a 304 may revive the body although a soft purge reached the entry: a strong entity tag, or a date at
    /// least 60 s before the reply (RFC 9110, 8.8.2.2).
    ///
    /// With a weak tag the date does not count: the origin compares the tag alone (RFC 9110, 13.2.2).
    pub fn strong(&self) -> bool {
        match &self.etag {
            Some(tag) => is_strong(tag),
            None => self.strong_date().is_some(),
        }
    }

    /// `Last-Modified`, if it tells versions apart that were made within one second.
    fn strong_date(&self) -> Option<Timestamp> {
        self.last_modified.filter(|modified| self.date.since(*modified) >= STRONG_DATE_MARGIN)
    }

    /// Puts `If-None-Match` and `If-Modified-Since` into a request to the origin, in place of all preconditions of the
    /// client: a 304 to those would say nothing about the stored reply.
    pub fn make_conditional(&self, request: &mut HeaderMap) {
        remove_preconditions(request);
        if let Some(tag) = self.etag.as_deref().and_then(|tag| HeaderValue::from_bytes(tag).ok()) {
            request.insert(IF_NONE_MATCH, tag);
        }
        if let Some(date) = self.last_modified.and_then(|date| HeaderValue::try_from(http_date(date)).ok()) {
            request.insert(IF_MODIFIED_SINCE, date);
        }
    }

    /// Whether a 304 with these fields speaks of the stored reply (RFC 9111, 4.3.4). If not it must not be used, and
    /// the request has to be repeated without conditions.
    ///
    /// A strong tag in it must be the stored one, a weak one weakly equal. Without a tag a `Last-Modified` must be the
    /// stored one. A 304 without validators answers the only question that was asked.
    pub fn confirmed_by(&self, not_modified: &HeaderMap) -> bool {
        let fresh = Self::of_reply(not_modified, self.date);
        match (fresh.etag.as_deref(), self.etag.as_deref()) {
            (Some(new), Some(old)) if is_strong(new) => matches_strongly(new, old),
            (Some(new), Some(old)) => list_matches_weakly(new, old),
            (Some(new), None) if is_strong(new) => false,
            _ => match (fresh.last_modified, self.last_modified) {
                (Some(new), Some(old)) => new == old,
                _ => true,
            },
        }
    }

    /// Evaluates a client's preconditions in the order of RFC 9110, 13.2.2. For replies with status 200 to GET and HEAD;
    /// to all other statuses preconditions do not apply (13.2.1).
    pub fn precondition(&self, method: &Method, request: &HeaderMap) -> Precondition {
        // A cache must not evaluate these two (RFC 9111, 4.3.2).
        if request.contains_key(IF_MATCH) || request.contains_key(IF_UNMODIFIED_SINCE) {
            return Precondition::AskOrigin;
        }
        if method != Method::GET && method != Method::HEAD {
            return Precondition::Proceed;
        }
        let unchanged = if request.contains_key(IF_NONE_MATCH) {
            self.matches_any(request)
        } else {
            self.unmodified_since(request)
        };
        if unchanged { Precondition::NotModified } else { Precondition::Proceed }
    }

    /// Whether `If-None-Match` names the stored reply; `*` names every one, but only alone (13.1.2).
    fn matches_any(&self, request: &HeaderMap) -> bool {
        if only(request, &IF_NONE_MATCH).is_some_and(|line| line.trim_ascii() == b"*") {
            return true;
        }
        let Some(tag) = &self.etag else { return false };
        request.get_all(IF_NONE_MATCH).into_iter().any(|line| list_matches_weakly(line.as_bytes(), tag))
    }

    /// Without `Last-Modified` the reply's date stands for it (RFC 9111, 4.3.2). A field that is no single date is
    /// ignored (RFC 9110, 13.1.3).
    fn unmodified_since(&self, request: &HeaderMap) -> bool {
        let Some(since) = only(request, &IF_MODIFIED_SINCE).and_then(parse_http_date) else { return false };
        self.last_modified.unwrap_or(self.date).as_secs() <= since.as_secs()
    }

    /// Whether `If-Range` lets a `Range` count (RFC 9110, 13.1.5): there is none, or it is the strong tag, or the very
    /// date and that a strong one.
    pub(super) fn if_range(&self, request: &HeaderMap) -> bool {
        if !request.contains_key(IF_RANGE) {
            return true;
        }
        let Some(wanted) = only(request, &IF_RANGE) else { return false };
        match parse_http_date(wanted) {
            Some(date) => self.strong_date() == Some(date),
            None => self.etag.as_deref().is_some_and(|tag| matches_strongly(tag, wanted)),
        }
    }
}

/// Removes the preconditions and the range of a client, for a request that is to bring the whole representation.
pub fn remove_preconditions(request: &mut HeaderMap) {
    for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, RANGE] {
        request.remove(name);
    }
}

/// The value of a field that stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    lines.next().is_none().then(|| first.as_bytes())
}

#[cfg(test)]
mod tests;
