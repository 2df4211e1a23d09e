//! The fake origin: pages with versions, which fail, hang, break off and change.

use crate::random::Dice;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LENGTH, DATE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use larder::origin::{Fetch, FetchError, FetchRequest, Framing, Reply, ReplyBody};
use larder::semantics::http_date;
use larder::time::{Clock, SystemClock};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What an origin lets be stored, and how.
const POLICIES: [&str; 9] = [
    "max-age=2",
    "max-age=1, stale-while-revalidate=5",
    "max-age=1, stale-if-error=30",
    "max-age=3, must-revalidate",
    "max-age=0, stale-while-revalidate=20, stale-if-error=60",
    "public, max-age=600",
    "no-cache",
    "no-store",
    "",
];

/// Tells what a reply is, for those who see its head alone.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("x-version");

/// One resource.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) tag: &'static str,
    pub(crate) policy: &'static str,
    pub(crate) varies: bool,
    pub(crate) validates: bool,
    /// Whether its replies announce their length.
    pub(crate) announces: bool,
    pub(crate) length: usize,
    /// Percentage of fetches that go wrong.
    pub(crate) flaky: u64,
    /// The version the origin has.
    pub(crate) version: u64,
    /// The version the origin had when the last purge that reaches the page was applied.
    pub(crate) floor: u64,
    /// How many such purges were applied.
    pub(crate) purges: u64,
}

impl Page {
    pub(crate) fn random(dice: &Dice, number: u64, max_object: usize) -> Self {
        let length = match dice.below(10) {
            0 => max_object * 2 + dice.below(1000) as usize,
            1 => 0,
            _ => dice.below(max_object as u64 / 4) as usize,
        };
        let tag = *dice.pick(&["red", "blue"]);
        Self {
            // Every page of a tag lies under it, as rules say to CDNs that know no tags.
            path: format!("/{tag}/{}/{number}", dice.pick(&["a", "b"])),
            tag,
            policy: POLICIES[dice.below(POLICIES.len() as u64) as usize],
            varies: dice.chance(30),
            validates: dice.chance(60),
            announces: dice.chance(50),
            length,
            flaky: if dice.chance(40) { 25 } else { 0 },
            version: 1,
            floor: 0,
            purges: 0,
        }
    }

    /// The body of a version: tells what it is, and cannot be mixed with another unnoticed.
    pub(crate) fn body(&self, version: u64, language: &str) -> Vec<u8> {
        let language = if self.varies { language } else { "any" };
        let mut text = format!("{}|{version}|{language}|", self.path).into_bytes();
        let filler = version as u8 ^ self.path.as_bytes()[self.path.len() - 1];
        text.extend((0..self.length).map(|at| filler.wrapping_add(at as u8)));
        text
    }

    pub(crate) fn etag(&self, version: u64, language: &str) -> String {
        let language = if self.varies { language } else { "any" };
        format!("\"{}-{version}-{language}\"", self.path)
    }

    /// The version that a body or an entity tag speaks of.
    pub(crate) fn version_in(text: &[u8], separator: u8) -> Option<u64> {
        std::str::from_utf8(text.split(|byte| *byte == separator).nth(1)?).ok()?.parse().ok()
    }

    fn headers(&self, version: u64, language: &str, clock: &SystemClock) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name, text: &str| headers.insert(name, HeaderValue::from_str(text).unwrap());
        set(DATE, &http_date(clock.now()));
        set(VERSION, &version.to_string());
        if !self.policy.is_empty() {
            set(CACHE_CONTROL, self.policy);
        }
        if self.varies {
            set(VARY, "Accept-Language");
        }
        if self.validates {
            set(ETAG, &self.etag(version, language));
        }
        headers
    }
}

/// What was asked of the origin at once: fills by page and language.
#[derive(Debug, Default)]
struct Open(HashMap<(String, String), Vec<u64>>);

/// The origin.
#[derive(Clone)]
pub(crate) struct Origin {
    dice: Dice,
    clock: SystemClock,
    pages: Arc<Mutex<Vec<Page>>>,
    open: Arc<Mutex<Open>>,
    /// Whether fills for one key at once are counted as a broken promise.
    strict: bool,
    /// Whether some clients of this world have cookies. Requests with and without wait apart: what is stored for the
    /// ones may turn stale, and be asked for again, while the others wait for their first, not yet told to be a variant.
    pub(crate) cookies: bool,
    pub(crate) broken: Arc<Mutex<Vec<String>>>,
    pub(crate) fetches: Arc<Mutex<u64>>,
}

impl Origin {
    pub(crate) fn new(dice: &Dice, clock: SystemClock, pages: Vec<Page>, strict: bool) -> Self {
        Self {
            dice: dice.clone(),
            clock,
            pages: Arc::new(Mutex::new(pages)),
            open: Arc::default(),
            strict,
            cookies: dice.chance(60),
            broken: Arc::default(),
            fetches: Arc::default(),
        }
    }

    pub(crate) fn pages(&self) -> MutexGuard<'_, Vec<Page>> {
        self.pages.lock().unwrap()
    }

    /// The page of a path, whatever its query.
    pub(crate) fn page(&self, target: &str) -> Page {
        let path = target.split('?').next().unwrap_or(target);
        self.pages().iter().find(|page| page.path == path).cloned().expect("a page of this world")
    }

    /// A write is committed; returns its version.
    pub(crate) fn commit(&self, path: &str) -> u64 {
        let mut pages = self.pages();
        let page = pages.iter_mut().find(|page| page.path == path).expect("a page of this world");
        page.version += 1;
        page.version
    }

    fn enter(&self, path: &str, language: &str, credentials: bool) -> Entered {
        let page = self.page(path);
        let language = if page.varies { language } else { "any" };
        let key = (path.to_owned(), format!("{language}/{credentials}"));
        let mut open = self.open.lock().unwrap();
        let fills = open.0.entry(key.clone()).or_default();
        if self.strict && !(page.varies && self.cookies) && fills.contains(&page.purges) {
            self.broken.lock().unwrap().push(format!("two fills at once for {key:?}: {page:?}"));
        }
        fills.push(page.purges);
        *self.fetches.lock().unwrap() += 1;
        Entered { open: Arc::clone(&self.open), key, purges: page.purges }
    }
}

/// A fill that is being answered.
struct Entered {
    open: Arc<Mutex<Open>>,
    key: (String, String),
    purges: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap();
        let fills = open.0.get_mut(&self.key).expect("entered");
        let at = fills.iter().position(|purges| *purges == self.purges).expect("entered");
        fills.swap_remove(at);
    }
}

#[async_trait]
impl Fetch for Origin {
    async fn fetch(&self, request: FetchRequest) -> Result<Reply, FetchError> {
        let text = |name| request.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let language = text(ACCEPT_LANGUAGE).unwrap_or("en").to_owned();
        let credentials = request.headers.contains_key(http::header::COOKIE);
        let mut entered = Some(self.enter(&request.target, &language, credentials));
        self.dice.pause(300).await;
        let page = self.page(&request.target);
        let fault = self.dice.chance(page.flaky);
        if fault {
            match self.dice.below(5) {
                0 => return Err(FetchError::Connect("refused".to_owned())),
                1 => return Err(FetchError::Broken("reset".to_owned())),
                2 => {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    return Err(FetchError::Timeout);
                }
                3 => return Ok(self.failing()),
                _ => {}
            }
        }
        let version = page.version;
        self.dice.pause(300).await;
        // Who comes after the head was given joins only while that is fresh.
        if page.policy != "public, max-age=600" {
            entered = None;
        }
        let mut headers = page.headers(version, &language, &self.clock);
        if page.validates && text(IF_NONE_MATCH).is_some_and(|tag| tag == page.etag(version, &language)) {
            let body = Box::new(Pieces::new(self, entered, Vec::new(), None));
            return Ok(Reply { status: StatusCode::NOT_MODIFIED, headers, framing: Framing::Empty, body });
        }
        let bytes = page.body(version, &language);
        let framing = if page.announces {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            Framing::Length(bytes.len() as u64)
        } else {
            Framing::Marked
        };
        let breaks_at = fault.then(|| self.dice.below(bytes.len() as u64 + 1) as usize);
        let body = Box::new(Pieces::new(self, entered, bytes, breaks_at));
        Ok(Reply { status: StatusCode::OK, headers, framing, body })
    }
}

impl Origin {
    fn failing(&self) -> Reply {
        let body = Box::new(Pieces::new(self, None, b"sorry".to_vec(), None));
        let framing = Framing::Length(5);
        Reply { status: StatusCode::INTERNAL_SERVER_ERROR, headers: HeaderMap::new(), framing, body }
    }
}

/// A body that arrives in pieces, and may break off.
struct Pieces {
    dice: Dice,
    rest: Bytes,
    breaks: bool,
    _entered: Option<Entered>,
}

impl Pieces {
    fn new(origin: &Origin, entered: Option<Entered>, bytes: Vec<u8>, breaks_at: Option<usize>) -> Self {
        let mut rest = Bytes::from(bytes);
        if let Some(at) = breaks_at {
            rest.truncate(at);
        }
        Self { dice: origin.dice.clone(), rest, breaks: breaks_at.is_some(), _entered: entered }
    }
}

#[async_trait]
impl ReplyBody for Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        self.dice.pause(100).await;
        if self.rest.is_empty() {
            return if self.breaks { Err(FetchError::Broken("cut".to_owned())) } else { Ok(None) };
        }
        let most = if self.dice.chance(50) { self.rest.len() } else { 1 + self.rest.len() / 3 };
        Ok(Some(self.rest.split_to(most.min(self.rest.len()))))
    }
}
