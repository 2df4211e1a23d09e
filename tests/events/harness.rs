//! What the tests of events have in common.

use crate::support::{DEADLINE, Larder, LarderBuilder, Origin, RedisServer, Reply, eventually};
use serde_json::{Value, json};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Between two looks at something that no event tells of; to look without a pause would take the processor from it.
const PACE: Duration = Duration::from_millis(10);

/// The rules of most tests.
const RULES: &str = "
    - { event: product_updated, purge: [{ tag: \"product:{product_id}\" }] }
    - { event: price_updated, purge: [{ url: \"/p/{product_id}\" }, { tag: lists }] }
    - { event: category_updated, purge: [{ prefix: \"/c/{/category/id}\" }] }
    - { event: sale, purge: [{ route: default }] }
    - { event: soft_update, purge: [{ tag: \"product:{product_id}\" }], soft: true }
";

/// A Larder with `fields` under `events`, and rules.
pub(crate) fn with_events(builder: LarderBuilder, fields: &str) -> LarderBuilder {
    builder.rules(&format!(
        "host_aliases: {{ shop.test: [www.shop.test] }}\nevents:\n  {fields}\n  rules:{RULES}"
    ))
}

/// Nodes that are alike, each with nothing to complain of.
pub(crate) async fn nodes(count: usize, builder: &LarderBuilder) -> Vec<Larder> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(start(builder).await);
    }
    nodes
}

/// A node that has nothing to complain of.
pub(crate) async fn start(builder: &LarderBuilder) -> Larder {
    let larder = builder.clone().start();
    well(&larder).await;
    larder
}

/// Waits until a node has nothing to complain of.
pub(crate) async fn well(larder: &Larder) {
    let mut last = Vec::new();
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        last = complaints(larder).await;
        if last.is_empty() {
            return;
        }
        tokio::time::sleep(PACE).await;
    }
    panic!("never well: {last:?}");
}

/// Waits until a node complains of something in these words.
pub(crate) async fn complains(larder: &Larder, of: &str) {
    let what = format!("`/readyz` says `{of}`");
    polled(&what, || async { complaints(larder).await.iter().any(|reason| reason.contains(of)) }).await;
}

async fn complaints(larder: &Larder) -> Vec<String> {
    let reply = larder.admin("GET", "/readyz").send().await;
    let said: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let degraded = said["degraded"].as_array().expect("a list");
    degraded.iter().map(|item| item["reason"].as_str().expect("a sentence").to_owned()).collect()
}

/// What `/stats` says of events.
pub(crate) async fn figures(larder: &Larder) -> Value {
    let reply = larder.admin("GET", "/stats").send().await;
    let mut said: Value = serde_json::from_slice(&reply.body).expect("JSON");
    said["events"].take()
}

/// How many events came to `result`, over all nodes.
pub(crate) async fn counted(nodes: &[Larder], source: &str, result: &str) -> u64 {
    let mut sum = 0;
    for node in nodes {
        sum += figures(node).await["results"][source][result].as_u64().expect("a number");
    }
    sum
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

/// An application whose pages all have the edition that it is in. `/p/7` bears the tag `product:7`, `/list` the tag `lists`.
#[derive(Clone, Default)]
pub(crate) struct Shop(Arc<AtomicU64>);

impl Shop {
    /// The application of `origin`, whose pages may be kept for longer than any test lasts.
    pub(crate) fn at(origin: &Origin) -> Self {
        let shop = Self::default();
        let edition = Arc::clone(&shop.0);
        origin.otherwise(move |seen| {
            let path = seen.path();
            let tag = match path.strip_prefix("/p/") {
                Some(id) => format!("product:{id}"),
                None => "lists".to_owned(),
            };
            let reply = Reply::fresh(600, edition.load(SeqCst).to_string());
            reply.header("Surrogate-Key", tag)
        });
        shop
    }

    /// Begins the next edition, of which nobody hears.
    pub(crate) fn edit(&self) -> u64 {
        self.0.fetch_add(1, SeqCst) + 1
    }

    /// The edition of this moment.
    pub(crate) fn edition(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

/// The edition of a page that a node serves.
pub(crate) async fn edition(node: &Larder, path: &str) -> u64 {
    let reply = node.get(path).send().await;
    assert_eq!(reply.status, 200, "{reply:#?}");
    reply.text().parse().unwrap_or_else(|_| panic!("no edition in {:?}", reply.text()))
}

/// Has every node hold `path` as it is now.
pub(crate) async fn fill(nodes: &[Larder], shop: &Shop, path: &str) {
    for node in nodes {
        assert_eq!(edition(node, path).await, shop.edition(), "{path} is stale before the test began");
    }
}

/// Waits until every node serves the edition of this moment.
pub(crate) async fn refused(nodes: &[Larder], shop: &Shop, path: &str) {
    for (number, node) in nodes.iter().enumerate() {
        let what = format!("node {number} refuses the old {path}");
        polled(&what, || async { edition(node, path).await == shop.edition() }).await;
    }
}

/// Runs `redis-cli` with these words, and returns what it prints.
pub(crate) async fn redis_cli(redis: &RedisServer, words: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p", &redis.port().to_string()]).args(words);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output =
        tokio::time::timeout(DEADLINE, output).await.expect("in time").expect("redis-cli is installed");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success() && !text.starts_with("ERR"), "{words:?}: {text}");
    text
}

/// An event as JSON.
pub(crate) fn event(name: &str, product: u64) -> String {
    json!({ "event": name, "product_id": product }).to_string()
}
