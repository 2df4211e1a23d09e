//! Origins under test, as the engine would hold them.

use async_trait::async_trait;
use http::{HeaderMap, Method, header};
use larder::origin::{
    Balance, Fetch, FetchError, FetchRequest, Framing, OriginContext, OriginObserver, OriginSettings,
    Origins, Protocol, Reply, Resolve, ServerAddress, ServerState,
};
use larder::time::{Clock, Timestamp};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A clock that tests move.
#[derive(Default)]
pub(crate) struct Hand(AtomicU64);

impl Hand {
    pub(crate) fn move_on(&self, span: Duration) {
        self.0.fetch_add(u64::try_from(span.as_millis()).unwrap(), SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(SeqCst))
    }
}

/// Names that tests move. A name that is not there does not resolve.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) answers: Mutex<HashMap<String, Vec<SocketAddr>>>,
    pub(crate) asked: AtomicUsize,
}

impl Names {
    pub(crate) fn set(&self, name: &str, addresses: &[SocketAddr]) {
        self.answers.lock().unwrap().insert(name.to_owned(), addresses.to_vec());
    }

    pub(crate) fn forget(&self, name: &str) {
        self.answers.lock().unwrap().remove(name);
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.fetch_add(1, SeqCst);
        self.answers.lock().unwrap().get(host).cloned().ok_or_else(|| io::Error::other("no such name"))
    }
}

/// Notes what it is told.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) heads: AtomicUsize,
    pub(crate) errors: Mutex<Vec<&'static str>>,
}

impl OriginObserver for Notes {
    fn head(&self, origin: &str, _elapsed: Duration) {
        assert_eq!(origin, "shop");
        self.heads.fetch_add(1, SeqCst);
    }

    fn error(&self, origin: &str, reason: &'static str) {
        assert_eq!(origin, "shop");
        self.errors.lock().unwrap().push(reason);
    }
}

/// The origin `shop`, and what the program around it would be.
pub(crate) struct Shop {
    pub(crate) origins: Origins,
    pub(crate) clock: Arc<Hand>,
    pub(crate) notes: Arc<Notes>,
}

impl Shop {
    pub(crate) fn new(settings: &OriginSettings) -> Self {
        Self::with_names(settings, &Arc::default())
    }

    pub(crate) fn with_names(settings: &OriginSettings, names: &Arc<Names>) -> Self {
        let (clock, notes) = (Arc::<Hand>::default(), Arc::<Notes>::default());
        let context =
            OriginContext { clock: clock.clone(), observer: notes.clone(), resolver: Arc::clone(names) as _ };
        let origins = Origins::new(std::slice::from_ref(settings), &context).unwrap();
        Self { origins, clock, notes }
    }

    /// A shop whose servers are `addresses`.
    pub(crate) fn at(addresses: &[SocketAddr]) -> Self {
        Self::new(&settings(addresses))
    }

    pub(crate) async fn fetch(&self, request: FetchRequest) -> Result<Reply, FetchError> {
        self.origins.fetch(request).await
    }

    /// A whole GET.
    pub(crate) async fn get(&self) -> Result<Whole, FetchError> {
        self.whole(get()).await
    }

    /// A whole reply to `request`.
    pub(crate) async fn whole(&self, request: FetchRequest) -> Result<Whole, FetchError> {
        let reply = self.fetch(request).await?;
        let Reply { status, headers, framing, mut body } = reply;
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await? {
            assert!(!piece.is_empty());
            bytes.extend_from_slice(&piece);
        }
        assert_eq!(body.next().await, Ok(None), "the end stays the end");
        Ok(Whole { status: status.as_u16(), headers, framing, body: String::from_utf8(bytes).unwrap() })
    }

    /// The states of the servers at `addresses`.
    pub(crate) fn states(&self, addresses: &[SocketAddr]) -> Vec<ServerState> {
        let health = self.origins.health().remove(0);
        let state = |address: &SocketAddr| {
            health
                .servers
                .iter()
                .find(|server| server.address == *address)
                .expect("the server is known")
                .state
        };
        addresses.iter().map(state).collect()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.origins.health()[0].in_flight
    }
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) framing: Framing,
    pub(crate) body: String,
}

/// Settings for servers at `addresses`: times that no test waits for, and no retries.
pub(crate) fn settings(addresses: &[SocketAddr]) -> OriginSettings {
    let server = |address: &SocketAddr| ServerAddress {
        tls: false,
        host: address.ip().to_string(),
        port: address.port(),
    };
    OriginSettings {
        name: "shop".to_owned(),
        servers: addresses.iter().map(server).collect(),
        balance: Balance::RoundRobin,
        connect_timeout: Duration::from_secs(5),
        read_timeout: Duration::from_secs(5),
        keepalive: 8,
        retries: 0,
        protocol: Protocol::Auto,
        max_in_flight: 100,
        health_check: None,
        ca: None,
    }
}

/// A GET of `/page?q=1`.
pub(crate) fn get() -> FetchRequest {
    request(Method::GET, 0)
}

pub(crate) fn request(method: Method, affinity: u64) -> FetchRequest {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, "shop.example".parse().unwrap());
    FetchRequest { origin: "shop".into(), method, target: "/page?q=1".to_owned(), headers, affinity }
}

/// Waits for what other tasks are about to do.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}
