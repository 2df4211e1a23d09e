//! A client of a world: asks, reads at its own pace, may leave, and checks what it got.

use crate::origin::{Origin, Page};
use crate::random::Dice;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, COOKIE, ETAG, IF_NONE_MATCH, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use larder::engine::{Answer, Engine, Outcome, Request, Route, SendError, Sink};
use larder::invalidation::Place;
use larder::key::{RequestTarget, Scheme};
use std::sync::Arc;

/// What a client asks for.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) path: String,
    pub(crate) language: &'static str,
    pub(crate) kind: Kind,
    pub(crate) cookie: bool,
    /// The position of a write that the client wants to read.
    pub(crate) position: Option<Place>,
}

/// The kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Head,
    Range,
    Conditional,
}

/// How it went.
#[derive(Debug)]
pub(crate) enum Went {
    Whole(Outcome),
    Passed,
    Failed,
    Truncated,
    Left,
}

/// What arrived, piece by piece.
struct Received {
    dice: Dice,
    status: StatusCode,
    headers: HeaderMap,
    length: Option<u64>,
    body: Vec<u8>,
    finished: bool,
    patience: u64,
}

#[async_trait]
impl Sink for Received {
    async fn head(&mut self, head: larder::engine::ReplyHead, _bodiless: bool) -> Result<(), SendError> {
        self.status = head.status;
        self.length = head.content_length;
        head.fields.for_each(|name, value| _ = self.headers.append(name, value));
        self.dice.pause(50).await;
        Ok(())
    }

    async fn body(&mut self, piece: Bytes) -> Result<(), SendError> {
        assert!(!piece.is_empty(), "an empty piece");
        if self.dice.chance(self.patience) {
            return Err(SendError::ClientGone);
        }
        self.dice.pause(200).await;
        self.body.extend_from_slice(&piece);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), SendError> {
        self.finished = true;
        Ok(())
    }
}

impl Visit {
    /// By a client that wants nothing in particular.
    pub(crate) fn plain(path: &str) -> Self {
        Self { path: path.to_owned(), language: "en", kind: Kind::Plain, cookie: false, position: None }
    }

    pub(crate) fn random(dice: &Dice, origin: &Origin) -> Self {
        let path = dice.pick(&origin.pages()).path.clone();
        let kind =
            *dice.pick(&[Kind::Plain, Kind::Plain, Kind::Plain, Kind::Head, Kind::Range, Kind::Conditional]);
        Self {
            path,
            language: ["en", "de"][dice.below(2) as usize],
            kind,
            cookie: origin.cookies && dice.chance(15),
            position: None,
        }
    }

    fn method(&self) -> Method {
        if self.kind == Kind::Head { Method::HEAD } else { Method::GET }
    }

    fn headers(&self, page: &Page) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(self.language));
        if self.cookie {
            headers.insert(COOKIE, HeaderValue::from_static("session=1"));
        }
        if let Some(position) = self.position {
            headers.insert("larder-position", HeaderValue::try_from(position.to_string()).unwrap());
        }
        match self.kind {
            Kind::Range => drop(headers.insert(RANGE, HeaderValue::from_static("bytes=2-9"))),
            Kind::Conditional => {
                let tag = page.etag(page.version, self.language);
                headers.insert(IF_NONE_MATCH, HeaderValue::from_str(&tag).unwrap());
            }
            Kind::Plain | Kind::Head => {}
        }
        headers
    }

    /// Asks and reads. What is wrong is said in the error.
    pub(crate) async fn make(
        &self,
        engine: &Arc<Engine>,
        route: &Arc<Route>,
        origin: &Origin,
        dice: &Dice,
        must_have: u64,
    ) -> Result<Went, String> {
        let page = origin.page(&self.path);
        let floor = page.floor.max(must_have);
        let (method, headers) = (self.method(), self.headers(&page));
        let request = Request {
            method: &method,
            target: RequestTarget {
                scheme: Scheme::Http,
                authority: "shop.example",
                path: &self.path,
                query: None,
                headers: &headers,
            },
            path_and_query: &self.path,
            host: "shop.example",
            amend: &|_| {},
        };
        let reply = match engine.answer(route, &request).await {
            Answer::Reply(reply) => reply,
            Answer::Pass { .. } => return Ok(Went::Passed),
            Answer::Failed(failure) if page.flaky == 0 => {
                return Err(format!("{failure:?} though the origin is well"));
            }
            Answer::Failed(_) => return Ok(Went::Failed),
        };
        let outcome = reply.outcome();
        let mut received = Received {
            dice: dice.clone(),
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            length: None,
            body: Vec::new(),
            finished: false,
            patience: if dice.chance(20) { 30 } else { 0 },
        };
        match reply.send(&mut received).await {
            Ok(()) => {}
            Err(SendError::ClientGone) if received.patience > 0 => return Ok(Went::Left),
            // A reader that held up others was cut.
            Err(SendError::ClientGone) => return Ok(Went::Truncated),
            Err(SendError::Truncated) if page.flaky > 0 => return Ok(Went::Truncated),
            Err(error) => return Err(format!("{error:?} though the origin is well")),
        }
        self.check(&page, &received, floor).map(|()| Went::Whole(outcome))
    }

    fn check(&self, page: &Page, received: &Received, floor: u64) -> Result<(), String> {
        let Received { status, headers, length, body, finished, .. } = received;
        if !finished {
            return Err("sent without an end".to_owned());
        }
        let tag = headers.get(ETAG).and_then(|tag| Page::version_in(tag.as_bytes(), b'-'));
        let version = match *status {
            StatusCode::INTERNAL_SERVER_ERROR if page.flaky > 0 => return Ok(()),
            StatusCode::NOT_MODIFIED if self.kind == Kind::Conditional => tag,
            StatusCode::OK if self.kind == Kind::Head => tag,
            StatusCode::OK => {
                let version = Page::version_in(body, b'|');
                let expected = version.map(|version| page.body(version, self.language));
                if expected.as_deref() != Some(body) {
                    return Err(format!("{} bytes that are no version of the page", body.len()));
                }
                if length.is_some_and(|length| length != body.len() as u64) {
                    return Err("a wrong length".to_owned());
                }
                version
            }
            StatusCode::PARTIAL_CONTENT if self.kind == Kind::Range => {
                let versions = 1..=page.version + 10;
                let version = tag.or_else(|| {
                    versions.rev().find(|version| page.body(*version, self.language).get(2..10) == Some(body))
                });
                let whole = version.map(|version| page.body(version, self.language));
                if whole.as_ref().and_then(|whole| whole.get(2..10)) != Some(body) {
                    return Err("a part of no version".to_owned());
                }
                version
            }
            other => return Err(format!("{other} to {:?}", self.kind)),
        };
        match version {
            Some(version) if version < floor => {
                Err(format!("stale: version {version} of {} after a purge of {floor}", self.path))
            }
            _ => Ok(()),
        }
    }
}
