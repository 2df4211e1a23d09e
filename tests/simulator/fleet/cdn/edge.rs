//! What the CDN keeps, and how it fills itself.

use super::Cdn;
use crate::fleet::{Fleet, Node, short};
use crate::origin::{Page, VERSION};
use crate::random::Dice;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, ETAG, HeaderName, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use larder::cdn::providers::bunny::BunnySettings;
use larder::cdn::{CdnSettings, HostUse, Limits, Location, ProviderSettings, Separator, Target};
use larder::engine::{Answer, Asked, Passing, ReplyHead, Request, Route, SendError, Sink};
use larder::key::{HostAliases, RequestTarget, Scheme};
use larder::origin::{Fetch, FetchRequest};
use larder::secret::Secret;
use larder::semantics::{keep_at_most, remove_tags};
use larder::time::{Clock, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// The service, by its canonical name and by another.
const HOSTS: [&str; 2] = ["shop.example", "www.shop.example"];

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");

/// What a CDN has a reply under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::fleet) struct Key {
    host: &'static str,
    pub(super) path: String,
    query: Option<&'static str>,
    language: &'static str,
}

/// A reply that it keeps.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) version: u64,
    pub(super) until: Timestamp,
    pub(super) words: Vec<String>,
    /// When its head left the node.
    pub(super) head: Timestamp,
    etag: Option<HeaderValue>,
}

/// What sets one CDN apart from another.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    /// It reads `CDN-Cache-Control`.
    targeted: bool,
    /// What has no lifetime of its own is kept for this long.
    default: Duration,
    /// The first of the hosts that it stands before; the others, too, unless it is the last.
    first_host: usize,
    /// Queries are part of its keys.
    queries: bool,
}

/// What the names of the service are.
pub(super) fn aliases() -> HostAliases {
    HostAliases::new([(HOSTS[1].to_owned(), HOSTS[0].to_owned())])
}

/// Settings that say nothing yet of what a world varies.
pub(super) fn settings(dice: &Dice) -> CdnSettings {
    let hosts: &[&str] = match dice.below(4) {
        0 => &HOSTS,
        1 => &HOSTS[1..],
        _ => &[],
    };
    let unused = BunnySettings { pull_zone: 0, access_key: Secret::new(""), tags: false, endpoint: None };
    CdnSettings {
        name: "edge".into(),
        provider: ProviderSettings::Bunny(unused),
        hosts: hosts.iter().map(|host| (*host).into()).collect(),
        public_url: None,
        gather: Duration::from_millis(dice.below(200)),
        second_purge: None,
        give_up_after: Duration::from_secs(if dice.chance(30) { 5 } else { 86_400 }),
        timeout: Duration::from_secs(2),
        rate: None,
    }
}

impl Manners {
    pub(super) fn new(dice: &Dice, name: &str, settings: &CdnSettings) -> Self {
        Self {
            targeted: name != "cloudfront",
            default: Duration::from_secs(if dice.chance(30) { 86_400 } else { 0 }),
            first_host: usize::from(settings.hosts.len() == 1),
            queries: true,
        }
    }

    pub(super) fn stands_before(&self, key: &Key) -> bool {
        HOSTS[self.first_host..].contains(&key.host)
    }

    /// Whether a target means what is kept under a key.
    pub(super) fn is_meant(&self, limits: &Limits, target: &Target, key: &Key, words: &[String]) -> bool {
        let of =
            |at: &Location| limits.hosts == HostUse::None || at.host().is_empty() || at.host() == key.host;
        match target {
            Target::Url(at) => of(at) && *at.path == *key.path && (limits.queries || key.query.is_none()),
            Target::Prefix(at) => {
                let below = key.path.strip_prefix(at.path.trim_end_matches('/'));
                of(at) && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Target::Tag(word) => words.iter().any(|known| known.eq_ignore_ascii_case(word)),
            Target::All => true,
        }
    }

    /// How long a reply is kept that says this.
    fn lifetime(&self, headers: &HeaderMap, age: u64) -> Duration {
        let said = |name| {
            let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
            let text = lines.collect::<Vec<_>>().join(", ");
            (!text.is_empty()).then_some(text)
        };
        let targeted = said(CDN_CACHE_CONTROL).filter(|_| self.targeted);
        let Some(text) = targeted.or_else(|| said(CACHE_CONTROL)) else { return self.default };
        if ["no-store", "private", "no-cache"].iter().any(|word| text.contains(word)) {
            return Duration::ZERO;
        }
        let of = |name: &str| {
            let value = text.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
            value.and_then(|value| value.parse::<u64>().ok()).map(Duration::from_secs)
        };
        let lifetime = of("s-maxage").or_else(|| of("max-age")).unwrap_or(self.default);
        lifetime.saturating_sub(Duration::from_secs(age))
    }
}

/// A reply as it reaches the CDN.
struct Arriving<'a> {
    cdn: &'a Cdn,
    node: &'a Node,
    key: &'a Key,
    status: StatusCode,
    object: Option<Object>,
}

impl Arriving<'_> {
    /// What the CDN makes of a head.
    fn head(&mut self, status: StatusCode, headers: &HeaderMap, age: u64) {
        let Self { cdn, node, key, .. } = self;
        self.status = status;
        let now = cdn.clock.now();
        let lifetime = cdn.manners.lifetime(headers, age);
        let version = headers.get(VERSION).and_then(|version| version.to_str().ok()?.parse().ok());
        // Nobody else knows of a 304 what it is about.
        let stands = |object: &Object| object.etag == headers.get(ETAG).cloned();
        let version = match status {
            StatusCode::OK => version,
            StatusCode::NOT_MODIFIED => {
                cdn.lock().objects.get(*key).filter(|object| stands(object)).map(|object| object.version)
            }
            _ => None,
        };
        let Some(version) = version else { return };
        // A 304 that names no tags changes none.
        let words = match cdn.words(headers) {
            Some(words) => words,
            None => cdn.lock().objects.get(*key).map(|object| object.words.clone()).unwrap_or_default(),
        };
        cdn.say(|| format!("{} sends {status} of {key:?}, {version}, for {lifetime:?}", short(node.id)));
        if !lifetime.is_zero() {
            cdn.head_leaves(node.id, &key.path, version);
            cdn.lock().known.insert((*key).clone(), words.clone());
        }
        self.object = Some(Object {
            version,
            until: now.plus(lifetime),
            words,
            head: now,
            etag: headers.get(ETAG).cloned(),
        });
    }

    /// All of it is there.
    fn store(&mut self) {
        let Some(object) = self.object.take() else { return };
        let now = self.cdn.clock.now();
        let mut inner = self.cdn.lock();
        // What was purged meanwhile no 304 brings back.
        if self.status == StatusCode::OK || inner.objects.contains_key(self.key) {
            inner.objects.insert(self.key.clone(), object);
            self.cdn.look_at(&mut inner, self.key, now);
        }
    }

    fn is_connected(&self) -> Result<(), SendError> {
        let serves = self.cdn.lock().nodes.iter().any(|(node, _)| *node == self.node.id);
        serves.then_some(()).ok_or(SendError::ClientGone)
    }
}

#[async_trait]
impl Sink for Arriving<'_> {
    async fn head(&mut self, head: ReplyHead, bodiless: bool) -> Result<(), SendError> {
        self.is_connected()?;
        let mut headers = HeaderMap::new();
        head.fields.for_each(|name, value| _ = headers.append(name, value));
        Arriving::head(self, head.status, &headers, head.age.unwrap_or(0));
        if bodiless {
            self.store();
        }
        self.cdn.dice.pause(50).await;
        Ok(())
    }

    async fn body(&mut self, _piece: Bytes) -> Result<(), SendError> {
        self.cdn.dice.pause(200).await;
        self.is_connected()
    }

    async fn finish(&mut self) -> Result<(), SendError> {
        self.is_connected()?;
        self.store();
        Ok(())
    }
}

impl Cdn {
    /// The words by which a reply can be purged, if it names any.
    fn words(&self, headers: &HeaderMap) -> Option<Vec<String>> {
        let header = self.limits.header.as_ref()?;
        let separator = if header.separator == Separator::Space { ' ' } else { ',' };
        let lines = headers.get_all(&header.name).iter().filter_map(|line| line.to_str().ok());
        let words = lines.flat_map(|line| line.split(separator)).map(|word| word.trim().to_owned());
        headers.contains_key(&header.name).then(|| words.collect())
    }

    /// Whatever somebody asks it for.
    fn asked(&self) -> Key {
        let path = self.dice.pick(&self.origin.pages()).path.clone();
        self.asked_for(path)
    }

    /// Some form of a page.
    pub(in crate::fleet) fn asked_for(&self, path: String) -> Key {
        let hosts = &HOSTS[self.manners.first_host..];
        Key {
            host: self.dice.pick::<&str>(hosts),
            path,
            query: (self.manners.queries && self.dice.chance(30)).then_some("page=2"),
            language: self.dice.pick::<&str>(&["en", "de"]),
        }
    }

    fn is_fresh(&self, key: &Key) -> bool {
        let now = self.clock.now();
        self.lock().objects.get(key).is_some_and(|object| object.until > now)
    }

    fn etag(&self, key: &Key) -> Option<HeaderValue> {
        self.lock().objects.get(key).and_then(|object| object.etag.clone())
    }
}

impl Fleet {
    /// Somebody who asks the CDN again and again.
    pub(in crate::fleet) async fn cdn_visitor(self: Arc<Self>) {
        for _ in 0..1 + self.dice.below(12) {
            self.dice.pause(4_000).await;
            let key = self.cdn.asked();
            if self.cdn.is_fresh(&key) {
                self.tally.add("cdn hit");
                continue;
            }
            let node = self.node();
            self.tally.add("cdn fill");
            let fill = self.fill_cdn(&node, &key);
            if self.dice.chance(10) {
                let patience = Duration::from_millis(self.dice.below(600));
                let _left = tokio::time::timeout(patience, fill).await;
            } else {
                fill.await;
            }
        }
    }

    pub(in crate::fleet) async fn fill_cdn(&self, node: &Node, key: &Key) {
        let page = self.origin.page(&key.path);
        let route = &self.routes[usize::from(page.tag == "blue")];
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(key.language));
        if let Some(etag) = self.cdn.etag(key) {
            headers.insert(IF_NONE_MATCH, etag);
        }
        let path_and_query = match key.query {
            Some(query) => format!("{}?{query}", key.path),
            None => key.path.clone(),
        };
        let request = Request {
            method: &Method::GET,
            target: RequestTarget {
                scheme: Scheme::Http,
                authority: HOSTS[0],
                path: &key.path,
                query: key.query,
                headers: &headers,
            },
            path_and_query: &path_and_query,
            host: key.host,
            amend: &|_| {},
        };
        let (cdn, status) = (&self.cdn, StatusCode::OK);
        let mut arriving = Arriving { cdn, node, key, status, object: None };
        match node.engine.answer(route, &request).await {
            Answer::Reply(reply) => {
                if reply.send(&mut arriving).await.is_err() {
                    self.tally.add("cdn cut");
                }
            }
            Answer::Pass { .. } => self.pass_to_cdn(&mut arriving, route, &page, &request).await,
            Answer::Failed(_) => {}
        }
    }

    /// What the proxy does with a request that the engine has no answer for.
    async fn pass_to_cdn(
        &self,
        arriving: &mut Arriving<'_>,
        route: &Route,
        page: &Page,
        request: &Request<'_>,
    ) {
        let engine = &arriving.node.engine;
        let fence = engine.fence_of_passing(route);
        let headers = request.target.headers;
        let asked = FetchRequest {
            origin: Arc::clone(&route.origin),
            method: Method::GET,
            target: request.path_and_query.to_owned(),
            headers: headers.clone(),
            affinity: 0,
        };
        let Ok(mut reply) = self.origin.fetch(asked).await else { return };
        let asked = Asked { path: &page.path, query: request.target.query, headers };
        let passing = Passing {
            asked,
            authority: HOSTS[0],
            ordinary: true,
            status: reply.status,
            headers: &reply.headers,
            fence,
        };
        let told = engine.told(route, &passing);
        let mut headers = reply.headers.clone();
        remove_tags(&mut headers);
        for (name, value) in &told.fields {
            headers.insert(name, value.clone());
        }
        if let Some(most) = told.most {
            keep_at_most(&mut headers, most);
        }
        if arriving.is_connected().is_err() {
            return;
        }
        Arriving::head(arriving, reply.status, &headers, 0);
        while let Ok(piece) = reply.body.next().await {
            if arriving.is_connected().is_err() {
                return;
            }
            let Some(_) = piece else { return arriving.store() };
        }
    }
}
