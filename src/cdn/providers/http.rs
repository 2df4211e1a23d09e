//! Any other API, by template; also the `PURGE` and `BAN` of Varnish and nginx.

mod form;

use self::form::Form;
use super::MakeError;
use super::request::exchange;
use crate::cdn::{Call, CallError, Client, HostUse, Limits, Provider, Rate, TagHeader, TargetKind, judge};
use crate::invalidation::Template;
use crate::secret::Secret;
use async_trait::async_trait;
use http::{HeaderName, Method, StatusCode};
use std::fmt;
use std::time::Duration;

/// What is set for an API that Larder does not know.
///
/// Templates know `{url}`, `{scheme}`, `{host}`, `{path}` of a URL or prefix, `{tag}` of a tag, `{id}` of the call, and
/// `{targets}`: all targets of a batch, each as `item` says, joined by `join`. The path of a prefix has no slash at its end, so
/// that of the root is empty. A name with `.regex` behind it, as in `^{path.regex}(/|$)`, is written as a regular expression
/// that matches its value and nothing else.
///
/// Values are written as their place wants them. In a URL they are percent-encoded; but a path, a host or a whole URL that
/// stands before the `?` is left as it is. In a body they are escaped by its `Content-Type`, for JSON or for a form. From fields,
/// control characters are dropped.
///
/// Where the host of a request is itself `{host}` or `{url}`, what it carries is sent to whatever host was purged: a CDN set
/// up like that needs its `hosts`.
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
#[derive(Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// Its method.
    pub method: Method,
    /// Where it goes.
    pub url: Template,
    /// Its fields, each a template. They are secrets, since tokens stand in them.
    pub headers: Vec<(HeaderName, Secret)>,
    /// Its body; empty: none. Without a `Content-Type`, one that begins like JSON is JSON, and any other text.
    pub body: Option<Template>,
    /// One target of a batch in `{targets}`. `None`: its URL or tag, in quotes where the body is JSON.
    pub item: Option<Template>,
    /// What stands between two targets.
    pub join: String,
    /// Targets in one call at most; more than one only where `{targets}` is used.
    pub batch: usize,
    /// Statuses that say it was done, besides those of success: of APIs that answer 404 to a purge of what they do not keep.
    pub done: Vec<StatusCode>,
}

/// Keys stand in addresses and bodies, too: none of them is shown.
impl fmt::Debug for HttpCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, url: _, headers, body: _, item: _, join, batch, done } = self;
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpCall")
            .field("method", method)
            .field("headers", &names)
            .field("join", join)
            .field("batch", batch)
            .field("done", done)
            .finish_non_exhaustive()
    }
}

/// An API by template.
pub struct Http {
    limits: Limits,
    client: Client,
    url: Option<Form>,
    prefix: Option<Form>,
    tag: Option<Form>,
    all: Option<Form>,
}

impl Http {
    /// With `settings`; calls take `timeout` at most.
    pub fn new(settings: &HttpSettings, timeout: Duration) -> Result<Self, MakeError> {
        let HttpSettings { url, prefix, tag, all, tag_header, queries, rate } = settings;
        let form =
            |call: &Option<HttpCall>, kind| call.as_ref().map(|call| Form::new(call, kind)).transpose();
        let tag = form(tag, TargetKind::Tag)?;
        if tag.is_some() != tag_header.is_some() {
            return Err(MakeError::Template(
                "tags can be purged where replies carry them: one is set, the other not".into(),
            ));
        }
        let (url, prefix) = (form(url, TargetKind::Url)?, form(prefix, TargetKind::Prefix)?);
        let all = form(all, TargetKind::All)?;
        let many = |form: &Option<Form>| form.as_ref().map(Form::many);
        let names_host = [&url, &prefix].into_iter().flatten().any(Form::names_host);
        // A tag that replies bear must be one that can be purged.
        let longest = many(&tag).map_or(usize::MAX, |many| many.longest);
        let header =
            tag_header.clone().map(|header| TagHeader { longest: header.longest.min(longest), ..header });
        Ok(Self {
            limits: Limits {
                url: many(&url),
                prefix: many(&prefix),
                tag: many(&tag),
                all: all.is_some(),
                soft: false,
                queries: *queries,
                hosts: if names_host { HostUse::Needed } else { HostUse::None },
                rate: *rate,
                header,
                source: "the configuration",
            },
            client: Client::new(timeout)?,
            url,
            prefix,
            tag,
            all,
        })
    }

    fn form(&self, kind: TargetKind) -> Option<&Form> {
        match kind {
            TargetKind::Url => self.url.as_ref(),
            TargetKind::Prefix => self.prefix.as_ref(),
            TargetKind::Tag => self.tag.as_ref(),
            TargetKind::All => self.all.as_ref(),
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Http {
    fn limits(&self) -> &Limits {
        &self.limits
    }

    async fn send(&self, call: &Call) -> Result<(), CallError> {
        let Some(form) = self.form(call.kind) else {
            return Err(CallError::Refused {
                reason: format!("nothing is set for a purge of {}", call.kind.as_str()),
            });
        };
        for targets in call.targets.chunks(form.batch()) {
            let request = form.request(call.id, targets)?;
            let reply = exchange(&self.client, request, &form.secrets()).await?;
            if let Some(error) = judge(&reply).filter(|_| !form.is_done(reply.status())) {
                return Err(error);
            }
        }
        Ok(())
    }
}
