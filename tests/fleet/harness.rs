//! What the tests of fleets have in common.

use crate::support::{DEADLINE, HOST, Reply, Seen};
use crate::support::{Larder, LarderBuilder, Origin, Process, Request, Response, eventually, request_at};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Between two looks at something that no event tells of; to look without a pause would take the processor from it.
pub(crate) const PACE: Duration = Duration::from_millis(10);

/// Where a node is, in this process or in one of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    serves: SocketAddr,
    admin: SocketAddr,
}

impl From<&Larder> for At {
    fn from(larder: &Larder) -> Self {
        Self { serves: larder.address(), admin: larder.admin_address() }
    }
}

impl From<&Process> for At {
    fn from(process: &Process) -> Self {
        Self { serves: process.address(), admin: process.admin_address() }
    }
}

impl At {
    pub(crate) fn address(self) -> SocketAddr {
        self.serves
    }

    pub(crate) fn get(self, path: &str) -> Request {
        request_at(self.serves, "GET", path)
    }

    pub(crate) fn put(self, path: &str) -> Request {
        request_at(self.serves, "PUT", path).body("next")
    }

    fn admin(self, method: &str, target: &str) -> Request {
        request_at(self.admin, method, target).host(&self.admin.to_string())
    }

    /// The edition of a page that this node serves.
    pub(crate) async fn edition(self, path: &str) -> u64 {
        edition_of(&self.get(path).send().await)
    }

    /// Purges; returns the position, or `None` where the log did not take it in time.
    pub(crate) async fn purge(self, what: &Value) -> Option<String> {
        let reply = self.admin("POST", "/purge").json(what).send().await;
        assert_eq!(reply.status, 202, "{}", reply.text());
        let said: Value = serde_json::from_slice(&reply.body).expect("JSON");
        said["position"].as_str().map(str::to_owned)
    }

    /// Purges, and waits until all nodes have applied it.
    pub(crate) async fn purge_everywhere(self, what: &Value) {
        let reply = self.admin("POST", "/purge?wait=fleet").json(what).send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// What it says does not work as it should.
    pub(crate) async fn complaints(self) -> Vec<String> {
        let reply = self.admin("GET", "/readyz").send().await;
        let said: Value = serde_json::from_slice(&reply.body).expect("JSON");
        let degraded = said["degraded"].as_array().expect("a list");
        degraded.iter().map(|item| item["reason"].as_str().expect("a sentence").to_owned()).collect()
    }

    /// Waits until it has nothing to complain of.
    pub(crate) async fn well(self) {
        let mut last = Vec::new();
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end {
            last = self.complaints().await;
            if last.is_empty() {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
        panic!("never well: {last:?}");
    }

    /// Waits until it complains of something in these words.
    pub(crate) async fn complains(self, of: &str) {
        let what = format!("`/readyz` says `{of}`");
        polled(&what, || async { self.complaints().await.iter().any(|reason| reason.contains(of)) }).await;
    }

    /// Waits until as many fills are under way.
    pub(crate) async fn filling(self, count: u64) {
        polled("fills are under way", || async {
            let stats = self.admin("GET", "/stats").send().await;
            let said: Value = serde_json::from_slice(&stats.body).expect("JSON");
            said["fills_in_flight"].as_u64() == Some(count)
        })
        .await;
    }
}

/// Starts a node, and waits until it follows the log.
pub(crate) async fn start(builder: LarderBuilder) -> Larder {
    let larder = builder.start();
    At::from(&larder).well().await;
    larder
}

/// As many nodes as asked for, all alike.
pub(crate) async fn nodes(count: usize, builder: &LarderBuilder) -> Vec<Larder> {
    let mut nodes = Vec::with_capacity(count);
    for _ in 0..count {
        nodes.push(start(builder.clone()).await);
    }
    nodes
}

/// Where nodes are.
pub(crate) fn at(nodes: &[Larder]) -> Vec<At> {
    nodes.iter().map(At::from).collect()
}

/// As [`eventually`], with a pause between two questions.
pub(crate) async fn polled<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    eventually(what, || {
        let holds = holds();
        async {
            let holds = holds.await;
            if !holds {
                tokio::time::sleep(PACE).await;
            }
            holds
        }
    })
    .await;
}

/// The pages of an application: each has an edition, which is its body. PUT publishes the next one. Clones are the same
/// application.
#[derive(Clone, Default)]
pub(crate) struct Pages(Arc<Mutex<HashMap<String, u64>>>);

impl Pages {
    /// An application at `origin`, whose pages may be kept for longer than any test lasts.
    pub(crate) fn at(origin: &Origin) -> Self {
        let pages = Self::default();
        let application = pages.clone();
        origin.otherwise(move |seen| application.answer(seen));
        pages
    }

    /// Publishes the next edition behind Larder's back.
    pub(crate) fn edit(&self, path: &str) -> u64 {
        let mut pages = self.0.lock().expect("nothing panics with it");
        let edition = pages.entry(path.to_owned()).or_default();
        *edition += 1;
        *edition
    }

    /// The edition of this moment.
    pub(crate) fn edition(&self, path: &str) -> u64 {
        self.0.lock().expect("nothing panics with it").get(path).copied().unwrap_or_default()
    }

    fn answer(&self, seen: &Seen) -> Reply {
        if seen.method == "PUT" {
            return Reply::ok(self.edit(seen.path()).to_string());
        }
        let edition = self.edition(seen.path());
        let tag = format!("\"{edition}\"");
        let known = seen.fields.get("if-none-match") == Some(&tag);
        let reply = if known { Reply::not_modified() } else { Reply::ok(edition.to_string()) };
        let reply = reply.header("ETag", tag).header("Cache-Control", "max-age=600");
        reply.header("Surrogate-Key", format!("all {}", tag_of(seen.path())))
    }
}

/// The edition in a reply.
pub(crate) fn edition_of(reply: &Response) -> u64 {
    assert_eq!(reply.status, 200, "{reply:#?}");
    reply.text().parse().unwrap_or_else(|_| panic!("no edition in {:?}", reply.text()))
}

/// The tag that a page bears.
pub(crate) fn tag_of(path: &str) -> String {
    path.replace('/', "-")
}

/// A purge of one page: by its tag.
pub(crate) fn tagged(path: &str) -> Value {
    json!({ "tags": [tag_of(path)] })
}

/// The address of a page as clients know it.
pub(crate) fn url_of(path: &str) -> String {
    format!("http://{HOST}{path}")
}

/// Durations in their order, to be told by rank.
pub(crate) struct Ranks(Vec<Duration>);

impl From<Vec<Duration>> for Ranks {
    fn from(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }
}

impl Ranks {
    /// What `percent` of them do not exceed.
    pub(crate) fn at(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0.get(rank).copied().unwrap_or_default()
    }

    /// The longest.
    pub(crate) fn longest(&self) -> Duration {
        self.at(100)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}

impl std::fmt::Display for Ranks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [half, most, all] = [50, 99, 100].map(|percent| self.at(percent).as_secs_f64() * 1e3);
        write!(f, "{}: p50 {half:.1} ms, p99 {most:.1} ms, longest {all:.1} ms", self.count())
    }
}
