//! Clients: they read, write, read what they wrote, and purge, through all nodes, and note what they saw.

use crate::nodes::{Live, Nodes};
use crate::pages::{FAMILIES, GROUPS, PAGES, Pages, path_of};
use crate::record::{Doubt, Failure, Life, Purge, Read, Recorder, Span};
use crate::support::{Connection, HOST, Request, Response, request_at};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long any request may take. The origin takes less than a second, a lease whose holder died is over after two, and Redis
/// is not waited for longer than its time-out at each step; the rest is for a machine that is busy with everything else.
pub(crate) const BOUND: Duration = Duration::from_secs(8);

/// Pages that half of all requests are for.
const HOT: usize = 4;

/// Between two things that a client does, at most.
const PAUSE: u64 = 30;

/// What clients share.
pub(crate) struct Clients {
    pub(crate) nodes: Arc<Nodes>,
    pub(crate) pages: Arc<Pages>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) writes: AtomicU64,
    pub(crate) stop: CancellationToken,
}

/// One client, with a connection to each node that it keeps open.
pub(crate) struct Client {
    shared: Arc<Clients>,
    dice: StdRng,
    connections: HashMap<Life, Connection>,
}

/// Where a version stands in the log, as the reply to its write said.
struct Written {
    page: usize,
    version: u64,
    position: Option<Arc<str>>,
}

impl Client {
    pub(crate) fn new(shared: &Arc<Clients>, seed: u64) -> Self {
        Self {
            shared: Arc::clone(shared),
            dice: StdRng::seed_from_u64(seed),
            connections: HashMap::default(),
        }
    }

    /// Goes on until it is stopped, always to the end of what it does.
    pub(crate) async fn run(mut self) {
        while !self.shared.stop.is_cancelled() {
            match self.dice.random_range(0..100) {
                0..70 => {
                    let page = self.page();
                    self.read_anywhere(page).await;
                }
                70..88 => self.write_and_read().await,
                _ => self.edit_and_read().await,
            }
            let pause = self.dice.random_range(0..PAUSE);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Reads a page from one node.
    pub(crate) async fn read(&mut self, live: Live, page: usize, brought: Option<(u64, &str)>) {
        let path = path_of(page);
        let mut request = request_at(live.address, "GET", &path);
        if let Some((_, position)) = brought {
            request = request.header("Larder-Position", position);
        }
        let Ok((reply, span)) = self.exchange(live, live.address, request).await else { return };
        let Some(version) = version_in(page, &reply) else {
            return self.fail(live, format!("GET {path}: no version of the page in {reply:?}"), span);
        };
        let brought = brought.map(|(version, _)| version);
        let status = reply.cache_status().into();
        let read = Read { page, version, from: live.life, span, brought, status };
        self.shared.recorder.note(|history| history.reads.push(read));
    }

    async fn read_anywhere(&mut self, page: usize) {
        if let Some(live) = self.node() {
            self.read(live, page, None).await;
        }
    }

    /// Writes at one node, and reads it there and elsewhere, with the position and without.
    async fn write_and_read(&mut self) {
        let (Some(live), page) = (self.node(), self.page()) else { return };
        let Some(written) = self.write(live, page).await else { return };
        self.read(live, page, None).await;
        if let (Some(other), Some(position)) = (self.node(), &written.position) {
            self.read(other, written.page, Some((written.version, position))).await;
        }
        self.read_anywhere(page).await;
    }

    async fn write(&mut self, live: Live, page: usize) -> Option<Written> {
        let name = self.shared.writes.fetch_add(1, Ordering::Relaxed);
        let path = path_of(page);
        let request = request_at(live.address, "PUT", &path).header("X-Write", name.to_string()).body("x");
        let (reply, span) = match self.exchange(live, live.address, request).await {
            Ok(exchanged) => exchanged,
            Err(span) => {
                self.doubt(live, page, name, span);
                return None;
            }
        };
        let Some(version) = reply.fields.get("x-version").and_then(|version| version.parse().ok()) else {
            self.fail(live, format!("PUT {path}: no version in {reply:?}"), span);
            return None;
        };
        let position = reply.fields.get("larder-position").map(Arc::from);
        let pages = vec![(page, version)];
        let purge = Purge { pages, at: live.life, span, position: position.clone() };
        self.shared.recorder.note(|history| history.purges.push(purge));
        Some(Written { page, version, position })
    }

    /// Notes what a write did that was not answered, once it cannot do it any more.
    fn doubt(&self, live: Live, page: usize, name: u64, span: Span) {
        let shared = Arc::clone(&self.shared);
        // The run lasts longer than any write takes at the origin.
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            if let Some(version) = shared.pages.committed(name) {
                let doubt = Doubt { page, version, at: live.life, span };
                shared.recorder.note(|history| history.doubts.push(doubt));
            }
        });
    }

    /// Changes pages at the origin itself, purges them at one node, and reads there.
    async fn edit_and_read(&mut self) {
        let Some(live) = self.node() else { return };
        let page = self.page();
        let (what, reached) = self.purge_for(page);
        let edited = self.dice.random_bool(0.5);
        for &page in reached.iter().filter(|other| edited || **other == page) {
            self.shared.pages.edit(page);
        }
        let pages: Vec<_> = reached.iter().map(|page| (*page, self.shared.pages.version(*page))).collect();
        let request = request_at(live.admin, "POST", "/purge").host(&live.admin.to_string()).json(&what);
        let Ok((reply, span)) = self.exchange(live, live.admin, request).await else { return };
        let told: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let Some(told) = told.filter(|_| matches!(reply.status, 200 | 202)) else {
            return self.fail(live, format!("POST /purge {what}: {reply:?}"), span);
        };
        let position = told["position"].as_str().map(Arc::from);
        let purge = Purge { pages, at: live.life, span, position };
        self.shared.recorder.note(|history| history.purges.push(purge));
        self.read(live, page, None).await;
        self.read_anywhere(page).await;
    }

    /// A purge that reaches `page`, and all that it reaches.
    fn purge_for(&mut self, page: usize) -> (Value, Vec<usize>) {
        let family = page % FAMILIES.len();
        let group = page % GROUPS;
        let of = |reached: &dyn Fn(usize) -> bool| (0..PAGES).filter(|page| reached(*page)).collect();
        match self.dice.random_range(0..20) {
            0 => (json!({ "all": true }), of(&|_| true)),
            1 => {
                let below = format!("http://{HOST}/{}", FAMILIES[family]);
                (json!({ "prefixes": [below] }), of(&|page| page % FAMILIES.len() == family))
            }
            2 => (json!({ "routes": [FAMILIES[family]] }), of(&|page| page % FAMILIES.len() == family)),
            3..8 => (json!({ "tags": [format!("group-{group}")] }), of(&|page| page % GROUPS == group)),
            8..12 => (json!({ "urls": [format!("http://{HOST}{}", path_of(page))] }), vec![page]),
            _ => (json!({ "tags": [format!("page-{page}")] }), vec![page]),
        }
    }

    fn page(&mut self) -> usize {
        let among = if self.dice.random_bool(0.5) { HOT } else { PAGES };
        self.dice.random_range(0..among)
    }

    /// A node that lives.
    fn node(&mut self) -> Option<Live> {
        let first = self.dice.random_range(0..self.shared.nodes.len());
        let order = (0..self.shared.nodes.len()).map(|step| (first + step) % self.shared.nodes.len());
        order.filter_map(|index| self.shared.nodes.live(index)).next()
    }

    /// Sends a request on the connection to a node and waits for its reply. `Err`: it failed, which is noted.
    async fn exchange(
        &mut self,
        live: Live,
        address: SocketAddr,
        request: Request,
    ) -> Result<(Response, Span), Span> {
        let name = request.name();
        let start = self.shared.recorder.now();
        let replied = timeout(BOUND, self.try_exchange(live, address, request)).await;
        let span = self.shared.recorder.since(start);
        let what = match replied {
            Ok(Ok(reply)) if reply.status < 500 => return Ok((reply, span)),
            Ok(Ok(reply)) => format!("{name}: {}", reply.status),
            Ok(Err(error)) => format!("{name}: {error}"),
            Err(_) => format!("{name}: no reply within {BOUND:?}"),
        };
        self.connections.remove(&live.life);
        self.fail(live, what, span);
        Err(span)
    }

    async fn try_exchange(
        &mut self,
        live: Live,
        address: SocketAddr,
        request: Request,
    ) -> Result<Response, String> {
        if address != live.address {
            return request.try_send().await.map_err(|broken| broken.error.to_string());
        }
        if !self.connections.contains_key(&live.life) {
            // Those of earlier lives go with it.
            self.connections.retain(|life, _| life.node != live.life.node);
            let connection = Connection::try_open(address).await.map_err(|error| error.to_string())?;
            self.connections.insert(live.life, connection);
        }
        let connection = self.connections.get_mut(&live.life).expect("just opened");
        request.try_send_on(connection).await.map_err(|broken| broken.error.to_string())
    }

    fn fail(&self, live: Live, what: String, span: Span) {
        let failure = Failure { what, at: live.life, span };
        self.shared.recorder.note(|history| history.failures.push(failure));
    }
}

/// The version that a reply shows, if its head and every line of its body agree on it.
fn version_in(page: usize, reply: &Response) -> Option<u64> {
    let version = reply.fields.get("x-version")?.parse().ok()?;
    let line = format!("{page} {version}");
    let lines: Vec<_> = reply.text().lines().collect();
    (reply.status == 200 && lines.len() == 20 && lines.iter().all(|other| **other == line)).then_some(version)
}
