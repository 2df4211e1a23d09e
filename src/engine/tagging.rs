//! The tags of a reply, and what its head tells the CDNs in front.

use super::Engine;
use super::request::credentials;
use super::rules::{CacheRule, Route};
use crate::invalidation::{Bearings, Fence, MAX_NAMED_TAGS, Sight, Template, Values, Variable, Verdict};
use crate::semantics::{
    CdnWord, Exchange, add_vary, assess, cdn_lifetime, remove_targeted, tags_of_reply, targeted,
    tell_lifetime,
};
use crate::store::{self, Entry, Head, RemoteEntry};
use crate::time::Timestamp;
use http::header::VARY;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
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

    /// Stands for those who read them and what they take, and so for the spelling of what is written; never 0.
    fn readers(&self) -> u8;
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
    ) -> store::Told {
        if let Some(cdns) = &self.cdns {
            cdns.write(headers, tags, bearings, before);
        }
        store::Told { lifetime: self.tell_lifetime(headers, lifetime), readers: self.readers() }
    }

    /// Writes the rule's word on how long a reply may be kept, if it has one.
    fn tell_lifetime(&self, headers: &mut HeaderMap, lifetime: Option<Duration>) -> CdnWord {
        let Some(lifetime) = lifetime else { return CdnWord::Origins };
        // Without this word a CDN might not have kept the reply at all. It has to know then which requests get another.
        add_vary(headers, self.cache.iter().flat_map(|rule| rule.key.fields()));
        let said = targeted(headers);
        tell_lifetime(headers, &said, lifetime)
    }

    fn readers(&self) -> u8 {
        self.cdns.as_ref().map_or(0, |cdns| cdns.readers())
    }

    /// Whether it is known what the origin itself says to CDNs of a stored reply, or is not asked for.
    pub(super) fn knows(&self, told: store::Told) -> bool {
        let replaces = |rule: &CacheRule| rule.freshness.override_origin && rule.freshness.cdn_ttl.is_some();
        told.lifetime != CdnWord::Replaced || self.cache.as_ref().is_some_and(replaces)
    }

    /// Makes a reply that another node stored tell CDNs what holds here. Where others read what purges reach it than those in
    /// front, its tags are not known by name any more; the word for what is not known stands for them.
    pub(super) fn tell_anew(&self, found: &mut RemoteEntry) {
        let Some(rule) = &self.cache else { return };
        let mut before = found.head.told();
        let cdns = self.cdns.as_ref().filter(|_| before.readers != self.readers());
        let lifetime_stands = before.lifetime == CdnWord::Origins && rule.freshness.cdn_ttl.is_none();
        if cdns.is_none() && lifetime_stands {
            return;
        }
        let (status, stored) = (found.head.status(), found.head.to_headers());
        let mut headers = stored.clone();
        if let Some(cdns) = cdns {
            cdns.write(&mut headers, &[], &found.bearings, Some(&HeaderMap::new()));
            before.readers = self.readers();
        }
        if before.lifetime != CdnWord::Origins {
            remove_targeted(&mut headers);
        }
        let lifetime = cdn_lifetime(&rule.freshness, status, &headers, &found.freshness);
        let told = store::Told { lifetime: self.tell_lifetime(&mut headers, lifetime), ..before }
            .after(before, false);
        let head = if headers == stored { found.head.clone() } else { Head::new(status, &headers) };
        found.head = head.telling(told);
    }

    /// What the head of a stored reply tells CDNs about purges, and the other fields, without what the rule told them.
    pub(super) fn apart(&self, entry: &Entry) -> (HeaderMap, HeaderMap) {
        let fields = entry.head.fields();
        let (mut told, mut stored): (HeaderMap, HeaderMap) =
            fields.partition(|(name, _)| self.tells_cdns_by(name));
        if entry.head.told().readers != self.readers() {
            // Others read it, who spell some words otherwise.
            told.clear();
        }
        if entry.head.told().lifetime != CdnWord::Origins {
            remove_targeted(&mut stored);
        }
        (told, stored)
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
    /// What [`Engine::fence_of_passing`] gave before the origin was asked.
    pub fence: Option<Fence>,
}

/// What a reply that passes through tells CDNs.
#[derive(Debug, Default)]
pub struct Told {
    /// Fields that take the place of what the origin sent under these names.
    pub fields: HeaderMap,
    /// For how long CDNs may [keep it at most](crate::semantics::keep_at_most); `None`: for as long as it says.
    pub most: Option<Duration>,
}

impl Engine {
    /// The fence of a request that is about to pass through, where CDNs are told of what comes of it.
    pub fn fence_of_passing(&self, route: &Route) -> Option<Fence> {
        route.tells_cdns().then(|| self.ledger.fence())
    }

    /// Whether a purge reached a reply since `fence`; any may have that is newer where not all of its bearings are known.
    ///
    /// A soft one counts like a hard one: it purges CDNs, and they would keep for new what Larder has for stale. So does the
    /// loss of the log, after which nobody knows what was purged.
    pub(super) fn overtaken(&self, fence: Fence, bearings: Option<&Bearings>) -> bool {
        match bearings {
            Some(bearings) => self.ledger.judge(fence, bearings) != Verdict::Live,
            None => self.ledger.fence() > fence,
        }
    }

    /// For how long CDNs may keep a reply at most; `None`: for as long as it says.
    ///
    /// What a purge has reached since the origin was asked is for one use: its client asked before that, but a CDN would keep
    /// it beyond. A node that does not follow the log may be waited for by nobody, so that CDNs are told of purges that it has
    /// not heard of: they may keep what it gives them for as long as it would itself.
    pub(super) fn most(&self, overtaken: bool, validated_at: Timestamp, now: Timestamp) -> Option<Duration> {
        if overtaken {
            return Some(Duration::ZERO);
        }
        match self.ledger.sight(validated_at, now) {
            Sight::Followed => None,
            Sight::For(left) => Some(left),
            Sight::Lost => Some(Duration::ZERO),
        }
    }

    /// What a reply that passes through tells CDNs; asked just before its head is sent.
    ///
    /// A 304 without tags names none: what a CDN knows stays as it is. What it keeps by tags that only the whole reply
    /// would name it keeps, too, so any purge since it was asked for may have been meant.
    pub fn told(&self, route: &Route, passing: &Passing<'_>) -> Told {
        if !route.tells_cdns() {
            return Told::default();
        }
        let Passing { asked, authority, status, headers, fence, .. } = *passing;
        let tags = route.tags(&asked, headers);
        let mut fields = self.lifetime_of_passing(route, passing);
        if let Some(cdns) = &route.cdns {
            let bearings = Bearings::of_target(authority, asked.path, &route.name);
            let known = (status == StatusCode::NOT_MODIFIED).then(HeaderMap::new);
            if known.is_none() || tags_of_reply(headers).next().is_some() {
                cdns.write(&mut fields, &tags, &bearings, known.as_ref());
            }
        }
        let names = tags.iter().map(String::as_str);
        let bearings = Bearings::new(authority, asked.path, &route.name, names).ok();
        let bearings = bearings.filter(|_| status != StatusCode::NOT_MODIFIED);
        let overtaken = fence.is_none_or(|fence| self.overtaken(fence, bearings.as_ref()));
        let now = self.clock.now();
        Told { fields, most: self.most(overtaken, now, now) }
    }

    /// How long CDNs may keep a reply that passes through, where the rule says so.
    fn lifetime_of_passing(&self, route: &Route, passing: &Passing<'_>) -> HeaderMap {
        let Passing { asked, ordinary, status, headers, .. } = *passing;
        let mut told = HeaderMap::new();
        if let Some(rule) = route.cache.as_ref().filter(|rule| ordinary && rule.freshness.cdn_ttl.is_some()) {
            let now = self.clock.now();
            let credentials = credentials(asked.headers, rule);
            let exchange = Exchange { credentials, status, headers, requested_at: now, received_at: now };
            let freshness = assess(&rule.freshness, &exchange).ok();
            let lifetime =
                freshness.and_then(|freshness| cdn_lifetime(&rule.freshness, status, headers, &freshness));
            if let Some(lifetime) = lifetime {
                tell_lifetime(&mut told, &targeted(headers), lifetime);
                let lines = headers.get_all(VARY).iter().map(|line| (VARY, line.clone()));
                let mut varies: HeaderMap = lines.collect();
                add_vary(&mut varies, rule.key.fields());
                if let Some(line) = in_one_line(&varies) {
                    told.insert(VARY, line);
                }
            }
        }
        told
    }
}

/// All lines of `Vary` as one, since a field that a reply has already is replaced by one line.
fn in_one_line(varies: &HeaderMap) -> Option<HeaderValue> {
    let lines: Vec<_> = varies.get_all(VARY).iter().map(HeaderValue::as_bytes).collect();
    let line = lines.join(&b", "[..]);
    (!line.is_empty()).then(|| HeaderValue::from_bytes(&line).expect("values and commas make a value"))
}
