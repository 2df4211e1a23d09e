//! Any other API, by template; also the `PURGE` and `BAN` of Varnish and nginx.

use super::super::{Rate, TagHeader};
use crate::invalidation::Template;
use crate::secret::Secret;
use http::{HeaderName, Method};

/// What is set for an API that Larder does not know.
///
/// Templates know `{url}`, `{scheme}`, `{host}`, `{path}` of a URL or prefix, `{tag}` of a tag, `{id}` of the call, and
/// `{targets}`: all targets of a batch, each as `item` says, joined by `join`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// How a URL is purged; `None`: not at all.
    pub url: Option<HttpCall>,
    /// How a prefix is.
    pub prefix: Option<HttpCall>,
    /// How a tag is.
    pub tag: Option<HttpCall>,
    /// How everything is.
    pub all: Option<HttpCall>,
    /// How replies tell it their tags, where `tag` is set.
    pub tag_header: Option<TagHeader>,
    /// Whether a purge of a URL reaches it with every query.
    pub queries: bool,
    /// How often it may be called.
    pub rate: Rate,
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// Its method.
    pub method: Method,
    /// Where it goes.
    pub url: Template,
    /// Its fields. They are secrets, since tokens stand in them.
    pub headers: Vec<(HeaderName, Secret)>,
    /// Its body; empty: none.
    pub body: Option<Template>,
    /// One target of a batch in `{targets}`.
    pub item: Option<Template>,
    /// What stands between two targets.
    pub join: String,
    /// Targets in one call at most; more than one only where `{targets}` is used.
    pub batch: usize,
}
