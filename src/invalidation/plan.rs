//! What a write invalidates: RFC 9111, 4.4, and the rules of `on_write`.

use super::{Invalidation, Mode, Template};
use http::{HeaderMap, StatusCode};

/// What a rule purges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The target of the write itself (always implied).
    SelfUrl,
    /// A URL: `/path` on the same authority, or absolute.
    Url(Template),
    /// A tag.
    Tag(Template),
    /// All below a path: `/path` on the same authority, or absolute.
    Prefix(Template),
    /// All of a route.
    Route(Box<str>),
    /// Everything.
    All,
}

/// What a write under a route purges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRule {
    pub purge: Vec<Selector>,
    pub mode: Mode,
}

/// A write as it was seen.
pub struct WriteSeen<'a> {
    /// Canonical authority of its target.
    pub authority: &'a str,
    /// Path of its target, as sent.
    pub path: &'a str,
    /// Status and head of the reply; `None` when the outcome is unknown (reset, time-out, client gone).
    pub reply: Option<(StatusCode, &'a HeaderMap)>,
}

/// The invalidations of a write: none when the reply proves that nothing changed (4xx).
///
/// `captures` looks up a capture of the route's path; `canonical` turns an authority as written (in `Location`, in a
/// rule) into its canonical name.
pub fn plan_write<'v>(
    rule: &WriteRule,
    write: &WriteSeen<'_>,
    captures: impl Fn(&str) -> Option<&'v str>,
    canonical: impl Fn(&str) -> String,
) -> Vec<Invalidation> {
    let _ = (rule, write, captures, canonical);
    todo!()
}
