//! The tags of a reply, and what its head tells the CDNs in front.

use super::Engine;
use super::request::credentials;
use super::rules::Route;
use crate::invalidation::{Bearings, MAX_NAMED_TAGS, Template, Values, Variable};
use crate::semantics::{Exchange, assess, cdn_lifetime, tags_of_reply, tell_lifetime};
use crate::store::{Head, RemoteEntry};
use http::{HeaderMap, HeaderName, StatusCode};
use std::fmt;
use std::time::Duration;

/// The fields by which replies tell CDNs what purges reach them. They are written into the head of a reply when it arrives, and
/// stored with it, so that a hit costs nothing.
pub trait CdnFields: fmt::Debug + Send + Sync {
    /// Writes them into `headers`, in place of what stands there. `bearings` need not hold the tags. More than
    /// [`MAX_NAMED_TAGS`] of those are not all there are.
    ///
    /// `before`: these fields as they were stored with a reply that is confirmed now. What they name reaches it still.
    fn write(
        &self,
        headers: &mut HeaderMap,
        tags: &[String],
        bearings: &Bearings,
        before: Option<&HeaderMap>,
    );

    /// Their names.
    fn names(&self) -> &[HeaderName];
}

/// A GET or HEAD, as far as the tags of its reply depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Path, as sent.
    pub path: &'a str,
    /// Query, as sent.
    pub query: Option<&'a str>,
    /// Fields, as the client sent them.
    pub headers: &'a HeaderMap,
}

impl Route {
    /// The tags of a reply: the rule's own, and those the origin gave it, with repetitions. Never more than one beyond
    /// [`MAX_NAMED_TAGS`], so that it is seen that there are too many.
    ///
    /// A tag of the rule one of whose values the exchange does not have is left out: the reply is not of that kind.
    pub(super) fn tags(&self, asked: &Asked<'_>, reply: &HeaderMap) -> Vec<String> {
        let templates = self.cache.iter().flat_map(|rule| &rule.tags);
        self.with_values(asked, Some(reply), |values| {
            let own = templates.flat_map(|template| values.tags(template, MAX_NAMED_TAGS + 1));
            own.chain(tags_of_reply(reply)).take(MAX_NAMED_TAGS + 1).collect()
        })
    }

    /// The tags that one template of the rule makes, as far as `reply` is known.
    pub fn tags_by(
        &self,
        template: &Template<Variable>,
        asked: &Asked<'_>,
        reply: Option<&HeaderMap>,
    ) -> Vec<String> {
        self.with_values(asked, reply, |values| values.tags(template, MAX_NAMED_TAGS + 1))
    }

    fn with_values<R>(
        &self,
        asked: &Asked<'_>,
        reply: Option<&HeaderMap>,
        use_them: impl FnOnce(&Values<'_>) -> R,
    ) -> R {
        let captures = self.pattern.as_ref().and_then(|pattern| pattern.path.captures(asked.path));
        let region = self.cache.as_ref().and_then(|rule| rule.key.region());
        use_them(&Values {
            captures: &|name| captures.as_ref()?.get(name),
            query: asked.query,
            region: region.map(|region| region.of(asked.headers)),
            request: asked.headers,
            reply,
            request_body: None,
            reply_body: None,
        })
    }

    /// Whether CDNs in front go by what its replies say to them.
    pub(super) fn tells_cdns(&self) -> bool {
        self.cdns.is_some() || self.cache.as_ref().is_some_and(|rule| rule.freshness.cdn_ttl.is_some())
    }

    /// Whether the field `name` tells CDNs what purges reach a reply.
    pub(super) fn tells_cdns_by(&self, name: &HeaderName) -> bool {
        self.cdns.as_ref().is_some_and(|cdns| cdns.names().contains(name))
    }

    /// Writes into the head of a reply what CDNs are to know: what purges reach it, and how long it may be kept.
    pub(super) fn tell(
        &self,
        headers: &mut HeaderMap,
        tags: &[String],
        bearings: &Bearings,
        before: Option<&HeaderMap>,
        lifetime: Option<Duration>,
    ) {
        if let Some(cdns) = &self.cdns {
            cdns.write(headers, tags, bearings, before);
        }
        if let Some(lifetime) = lifetime {
            tell_lifetime(headers, lifetime);
        }
    }

    /// Adds to a reply that another node stored what it told no CDN because it knew of none in front. Its tags are not known by
    /// name any more; the word for what is not known stands for them.
    pub(super) fn tell_also(&self, found: &mut RemoteEntry) {
        let Some(cdns) = &self.cdns else { return };
        if cdns.names().iter().all(|name| found.head.get(name).is_some()) {
            return;
        }
        let stored = found.head.to_headers();
        let mut headers = stored.clone();
        cdns.write(&mut headers, &[], &found.bearings, Some(&stored));
        found.head = Head::new(found.head.status(), &headers);
    }

    /// What the head of a stored reply tells CDNs about purges, and the other fields.
    pub(super) fn apart(&self, stored: &HeaderMap) -> (HeaderMap, HeaderMap) {
        let fields = stored.iter().map(|(name, value)| (name.clone(), value.clone()));
        fields.partition(|(name, _)| self.tells_cdns_by(name))
    }
}

/// A reply to a GET or HEAD that passes through.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'a> {
    /// What was asked.
    pub asked: Asked<'a>,
    /// Canonical authority of the target.
    pub authority: &'a str,
    /// Whether the request was one that the engine answers. What goes past it is tied to one client, or is not what it seems.
    pub ordinary: bool,
    /// Status of the reply.
    pub status: StatusCode,
    /// Its fields, as the origin sent them.
    pub headers: &'a HeaderMap,
}

impl Engine {
    /// The fields by which a reply that passes through tells CDNs what they are to know of it. They take the place of what
    /// the origin sent under these names.
    ///
    /// A 304 without tags has none of them: what a CDN knows stays as it is. What it keeps by tags that only the whole reply
    /// would name it keeps, too.
    pub fn told(&self, route: &Route, passing: &Passing<'_>) -> HeaderMap {
        let Passing { asked, authority, ordinary, status, headers } = *passing;
        let mut told = HeaderMap::new();
        if !route.tells_cdns() {
            return told;
        }
        if let Some(cdns) = &route.cdns {
            let tags = route.tags(&asked, headers);
            let bearings = Bearings::of_target(authority, asked.path, &route.name);
            let known = (status == StatusCode::NOT_MODIFIED).then(HeaderMap::new);
            if known.is_none() || tags_of_reply(headers).next().is_some() {
                cdns.write(&mut told, &tags, &bearings, known.as_ref());
            }
        }
        if let Some(rule) = route.cache.as_ref().filter(|rule| ordinary && rule.freshness.cdn_ttl.is_some()) {
            let now = self.clock.now();
            let credentials = credentials(asked.headers, rule);
            let exchange = Exchange { credentials, status, headers, requested_at: now, received_at: now };
            let freshness = assess(&rule.freshness, &exchange).ok();
            let lifetime =
                freshness.and_then(|freshness| cdn_lifetime(&rule.freshness, status, headers, &freshness));
            if let Some(lifetime) = lifetime {
                tell_lifetime(&mut told, lifetime);
            }
        }
        told
    }
}
