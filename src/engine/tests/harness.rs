//! A node whose origin is played by the test.

use crate::engine::{
    Answer, CacheRule, Collapse, Engine, EngineParts, Fields, Observer, Outcome, Reply, ReplyHead, Request,
    Route, SendError, Sink,
};
use crate::invalidation::{
    Birth, Epoch, Invalidation, Kind, Ledger, LedgerSettings, LocalLog, Matcher, Mode, Position, Template,
    Term, WriteRule,
};
use crate::key::{KeyRule, QueryRule, RequestTarget, Scheme};
use crate::origin::{self, Fetch, FetchError, FetchRequest, Framing, ReplyBody};
use crate::semantics::FreshnessRule;
use crate::store::{Memory, MemorySettings, Remote};
use crate::time::{Clock, SystemClock, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub(super) const MAX_OBJECT: u64 = 1 << 20;

/// How long freshness may last at a node that does not follow its log.
pub(super) const BLIND_LIMIT: Duration = Duration::from_secs(5);

const LEDGER: LedgerSettings = LedgerSettings { memory: 1 << 20, table_slots: 1 << 10 };

/// Every fetch goes to the test.
struct Played(mpsc::UnboundedSender<Asked>);

/// A fetch that waits for the test's answer.
pub(super) struct Asked {
    pub(super) request: FetchRequest,
    answer: oneshot::Sender<Result<origin::Reply, FetchError>>,
}

/// The rest of a body that the test is giving.
pub(super) struct Giving(mpsc::UnboundedSender<Result<Bytes, FetchError>>);

struct Given {
    pieces: mpsc::UnboundedReceiver<Result<Bytes, FetchError>>,
}

#[async_trait]
impl ReplyBody for Given {
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        self.pieces.recv().await.transpose()
    }
}

#[async_trait]
impl Fetch for Played {
    async fn fetch(&self, request: FetchRequest) -> Result<origin::Reply, FetchError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Asked { request, answer }).expect("the test listens");
        answered.await.unwrap_or_else(|_| panic!("the test dropped a fetch"))
    }
}

pub(super) fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    lines.iter().map(field).collect()
}

impl Asked {
    /// Answers with a head; the body is given piece by piece, and ends when it is dropped.
    pub(super) fn head(self, status: u16, lines: &[(&'static str, &str)]) -> Giving {
        let (giver, pieces) = mpsc::unbounded_channel();
        let headers = headers(lines);
        let length = headers.get("content-length").map(|value| value.to_str().unwrap().parse().unwrap());
        let reply = origin::Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            framing: length.map_or(Framing::Marked, Framing::Length),
            body: Box::new(Given { pieces }),
        };
        // A fill that was cancelled does not mind.
        let _ = self.answer.send(Ok(reply));
        Giving(giver)
    }

    /// Answers with a whole reply.
    pub(super) fn reply(self, status: u16, lines: &[(&'static str, &str)], body: &str) {
        let giving = self.head(status, lines);
        if !body.is_empty() {
            giving.piece(body.as_bytes());
        }
    }

    pub(super) fn fail(self, error: FetchError) {
        let _ = self.answer.send(Err(error));
    }

    /// The fill panics.
    pub(super) fn panic(self) {}

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.request.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Giving {
    pub(super) fn piece(&self, bytes: &[u8]) {
        let _ = self.0.send(Ok(Bytes::copy_from_slice(bytes)));
    }

    pub(super) fn breaks(self) {
        let _ = self.0.send(Err(FetchError::Broken("cut".to_owned())));
    }

    /// Whether the fill still reads.
    pub(super) async fn dropped(&self) {
        self.0.closed().await;
    }
}

/// What the engine told its observer.
#[derive(Default)]
pub(super) struct Told(pub(super) Mutex<Vec<String>>);

impl Observer for Told {
    fn fill(&self, _: &str, result: &'static str) {
        self.0.lock().unwrap().push(format!("fill {result}"));
    }
    fn collapsed(&self, _: &str) {
        self.0.lock().unwrap().push("collapsed".to_owned());
    }
    fn stale(&self, _: &str, reason: &'static str) {
        self.0.lock().unwrap().push(format!("stale {reason}"));
    }
    fn invalidated(&self, kind: Kind) {
        self.0.lock().unwrap().push(format!("invalidated {kind:?}"));
    }
}

/// What a client got.
#[derive(Debug)]
pub(super) enum Got {
    Reply { outcome: Outcome, status: u16, headers: HeaderMap, head: Box<ReplyHead>, body: String },
    Cut(SendError),
    Pass(Option<&'static str>),
    Failed(crate::engine::Failure),
}

impl Got {
    pub(super) fn body(&self) -> &str {
        match self {
            Self::Reply { body, .. } => body,
            other => panic!("no reply: {other:?}"),
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Reply { outcome, .. } => *outcome,
            other => panic!("no reply: {other:?}"),
        }
    }

    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Reply { status, .. } => *status,
            other => panic!("no reply: {other:?}"),
        }
    }

    pub(super) fn is_pass(&self) -> bool {
        matches!(self, Self::Pass(_))
    }
}

/// A sink that hands pieces to the test as they come.
struct Watched {
    head: Option<ReplyHead>,
    body: Vec<u8>,
    finished: bool,
    watch: mpsc::UnboundedSender<Bytes>,
    /// Pieces this client is willing to take; it then stops reading without leaving.
    takes: usize,
}

#[async_trait]
impl Sink for Watched {
    async fn head(&mut self, head: ReplyHead, _: bool) -> Result<(), SendError> {
        self.head = Some(head);
        Ok(())
    }

    async fn body(&mut self, piece: Bytes) -> Result<(), SendError> {
        if self.takes == 0 {
            std::future::pending::<()>().await;
        }
        self.takes -= 1;
        self.body.extend_from_slice(&piece);
        let _ = self.watch.send(piece);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), SendError> {
        self.finished = true;
        Ok(())
    }
}

/// A request under way.
pub(super) struct Client {
    pub(super) pieces: mpsc::UnboundedReceiver<Bytes>,
    pub(super) task: JoinHandle<Got>,
}

impl Client {
    pub(super) async fn got(self) -> Got {
        // Nobody waits for ever; under paused time this passes as soon as nothing else can happen.
        tokio::time::timeout(Duration::from_secs(3600), self.task).await.expect("an answer").unwrap()
    }
}

/// A node.
pub(super) struct Node {
    pub(super) engine: Arc<Engine>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) route: Arc<Route>,
    pub(super) told: Arc<Told>,
    pub(super) clock: SystemClock,
    asked: mpsc::UnboundedReceiver<Asked>,
}

impl Node {
    pub(super) fn new() -> Self {
        Self::with(FreshnessRule::default())
    }

    pub(super) fn with(freshness: FreshnessRule) -> Self {
        let clock = SystemClock::anchored_at(Timestamp::from_secs(1_700_000_000));
        let ledger = Arc::new(Ledger::new(&LEDGER, Position::START));
        Self::of(freshness, clock, ledger, None)
    }

    /// One of several that share a tier, and a log of which all follow the same life.
    pub(super) fn sharing(freshness: FreshnessRule, clock: SystemClock, remote: Arc<dyn Remote>) -> Self {
        let ledger = Arc::new(Ledger::cut_off(&LEDGER, BLIND_LIMIT));
        ledger.follow(Epoch { birth: Birth(1), term: Term(1) }, &[], None);
        ledger.load(Position::at(clock.now()), [[Position::START; 5]; 2], [&[], &[]]);
        ledger.followed(clock.now().plus(Duration::from_secs(3600)));
        Self::of(freshness, clock, ledger, Some(remote))
    }

    fn of(
        freshness: FreshnessRule,
        clock: SystemClock,
        ledger: Arc<Ledger>,
        remote: Option<Arc<dyn Remote>>,
    ) -> Self {
        let (ask, asked) = mpsc::unbounded_channel();
        let told = Arc::<Told>::default();
        let engine = Engine::new(EngineParts {
            memory: Memory::new(&MemorySettings { max_size: 64 << 20, max_object: MAX_OBJECT }),
            remote,
            max_arriving: 16 << 20,
            log: Arc::new(LocalLog::new(Arc::clone(&ledger), Arc::new(clock))),
            ledger: Arc::clone(&ledger),
            settle: Duration::ZERO,
            write_bound: Duration::from_secs(60),
            fetch: Arc::new(Played(ask)),
            clock: Arc::new(clock),
            observer: Arc::clone(&told) as Arc<dyn Observer>,
        });
        let route = Arc::new(Route {
            name: "test".into(),
            index: 0,
            pattern: None,
            origin: "default".into(),
            cache: Some(CacheRule {
                freshness,
                key: KeyRule::new(QueryRule::default(), Vec::new(), None),
                tags: vec![Template::parse("tagged").unwrap().resolve().unwrap()],
                memory_ttl: None,
                collapse: Collapse::Fleet,
                memory: true,
                remote: true,
                sliding: None,
            }),
            region: None,
            on_write: WriteRule::default(),
            purge_from: Vec::new(),
            cdns: None,
        });
        Self { engine, ledger, route, told, clock, asked }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The next fetch, once everything that can happen has happened.
    pub(super) async fn asked(&mut self) -> Asked {
        tokio::time::timeout(Duration::from_millis(1), self.asked.recv()).await.expect("a fetch").unwrap()
    }

    /// Nothing is asked of the origin.
    pub(super) async fn quiet(&mut self) {
        assert!(tokio::time::timeout(Duration::from_millis(1), self.asked.recv()).await.is_err(), "a fetch");
    }

    pub(super) fn get(&self, path: &str) -> Client {
        self.ask(&Method::GET, path, &[], usize::MAX)
    }

    pub(super) fn get_with(&self, path: &str, fields: &[(&'static str, &str)]) -> Client {
        self.ask(&Method::GET, path, fields, usize::MAX)
    }

    /// A client that takes so many pieces and then stops reading.
    pub(super) fn stalls_after(&self, path: &str, pieces: usize) -> Client {
        self.ask(&Method::GET, path, &[], pieces)
    }

    pub(super) fn ask(
        &self,
        method: &Method,
        path: &str,
        fields: &[(&'static str, &str)],
        takes: usize,
    ) -> Client {
        let (engine, route) = (Arc::clone(&self.engine), Arc::clone(&self.route));
        let (method, path, fields) = (method.clone(), path.to_owned(), headers(fields));
        let (watch, pieces) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let request = Request {
                method: &method,
                target: RequestTarget {
                    scheme: Scheme::Http,
                    authority: "shop.example",
                    path: &path,
                    query: None,
                    headers: &fields,
                },
                path_and_query: &path,
                host: "shop.example",
                amend: &|_| {},
            };
            match engine.answer(&route, &request).await {
                Answer::Reply(reply) => receive(reply, watch, takes).await,
                Answer::Pass { detail, .. } => Got::Pass(detail),
                Answer::Failed(failure) => Got::Failed(failure),
            }
        });
        Client { pieces, task }
    }

    /// Fetches a page and stores it.
    pub(super) async fn fill(&mut self, path: &str, lines: &[(&'static str, &str)], body: &str) {
        let client = self.get(path);
        self.asked().await.reply(200, lines, body);
        assert_eq!(client.got().await.body(), body);
        self.engine.idle().await;
    }

    pub(super) async fn purge(&self, matcher: Matcher, mode: Mode) {
        self.engine.invalidate(vec![Invalidation { matcher, mode }]).await.unwrap();
    }

    pub(super) async fn purge_path(&self, path: &str) {
        self.purge(Matcher::Path { authority: "shop.example".into(), path: path.into() }, Mode::Hard).await;
    }

    /// Changes the rule.
    pub(super) fn rule(&mut self, change: impl FnOnce(&mut CacheRule)) {
        change(Arc::make_mut(&mut self.route).cache.as_mut().unwrap());
    }

    pub(super) fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.0.lock().unwrap())
    }
}

async fn receive(reply: Reply, watch: mpsc::UnboundedSender<Bytes>, takes: usize) -> Got {
    let outcome = reply.outcome();
    let mut sink = Watched { head: None, body: Vec::new(), finished: false, watch, takes };
    if let Err(error) = reply.send(&mut sink).await {
        return Got::Cut(error);
    }
    assert!(sink.finished);
    let head = Box::new(sink.head.expect("a head"));
    let mut headers = HeaderMap::new();
    match &head.fields {
        Fields::Stored(stored) => headers = stored.to_headers(),
        Fields::Made(made) => headers.clone_from(made),
    }
    let body = String::from_utf8(sink.body).unwrap();
    Got::Reply { outcome, status: head.status.as_u16(), headers, head, body }
}
