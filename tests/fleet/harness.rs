//! What the tests of fleets have in common.

use crate::support::{Larder, LarderBuilder, Origin, Request, eventually};
use serde_json::Value;
use std::time::Duration;

/// Between two looks at something that no event tells of; to look without a pause would take the processor from it.
pub(crate) const PACE: Duration = Duration::from_millis(10);

/// A node that shares the Redis at `url`, once it follows the log.
#[expect(dead_code)]
pub(crate) async fn node(origin: &Origin, url: &str) -> Larder {
    start(Larder::before(origin).redis(url)).await
}

/// Starts a node, and waits until it follows the log.
pub(crate) async fn start(builder: LarderBuilder) -> Larder {
    let larder = builder.start();
    well(&larder).await;
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

/// Waits until a node has nothing to complain of.
pub(crate) async fn well(larder: &Larder) {
    let readiness = || larder.admin("GET", "/readyz");
    polled("the node follows the log", || async { complaints(readiness()).await.is_empty() }).await;
}

/// Waits until a node complains of something in these words.
#[expect(dead_code)]
pub(crate) async fn complains(larder: &Larder, of: &str) {
    let readiness = || larder.admin("GET", "/readyz");
    let what = format!("`/readyz` says `{of}`");
    polled(&what, || async { complaints(readiness()).await.iter().any(|reason| reason.contains(of)) }).await;
}

/// What a node says does not work as it should.
pub(crate) async fn complaints(readiness: Request) -> Vec<String> {
    let reply = readiness.send().await;
    let said: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let degraded = said["degraded"].as_array().expect("a list");
    degraded.iter().map(|item| item["reason"].as_str().expect("a sentence").to_owned()).collect()
}

/// Waits until as many fills are under way.
pub(crate) async fn filling(stats: impl Fn() -> Request, count: u64) {
    polled("fills are under way", || async {
        let said: Value = serde_json::from_slice(&stats().send().await.body).expect("JSON");
        said["fills_in_flight"].as_u64() == Some(count)
    })
    .await;
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
