//! Shows: what the shared tier does under load, in figures. Each prints what it measured and asserts generous bounds alone;
//! short in `make test`, whole with `LARDER_SHOWS=full` (`make shows`).

mod fresh;
mod goods;
mod load;
mod outage;
mod purges;

use crate::support::{Larder, Process, RedisServer, request_at};
use std::env;
use std::time::Duration;

/// What a show takes when it is short, and when it is whole.
fn scale<T>(short: T, full: T) -> T {
    if env::var("LARDER_SHOWS").is_ok_and(|size| size == "full") { full } else { short }
}

/// A node before `origin` with Redis at `redis`, and more lines of configuration.
async fn node(origin: &str, redis: &RedisServer, more: &str) -> Process {
    let rules = format!(
        "redis: {{ url: \"{}\" }}\naccess_log: {{ hits: 0.0, others: 0.0 }}\n{more}\n\
         routes: [{{ name: goods, path: \"/goods/{{number}}\", cache: {{ ttl: 1h }} }}]\n",
        redis.url()
    );
    Process::run(&Larder::with_origins(&format!("origin: {origin}")).rules(&rules)).await
}

/// A metric of a node without labels.
async fn metric(node: &Process, name: &str) -> Option<f64> {
    let page = node.admin("GET", "/metrics").send().await;
    let line = page.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line?.parse().ok()
}

/// Whether a node follows the log and has nothing left to append.
async fn follows(node: &Process) -> bool {
    metric(node, "larder_log_blind").await == Some(0.0)
        && metric(node, "larder_log_queued").await == Some(0.0)
}

/// Waits until nodes follow the log.
async fn all_follow(nodes: &[Process]) {
    for node in nodes {
        crate::support::within("the node follows the log", async {
            while !follows(node).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

/// Purges tags at a node; whether the log has it.
async fn purge(node: &Process, tags: &[String]) -> bool {
    let admin = node.admin_address();
    let body = serde_json::json!({ "tags": tags });
    let reply = request_at(admin, "POST", "/purge").host(&admin.to_string()).json(&body).send().await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let told: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    told["position"].is_string()
}

/// What Redis holds, in MiB, now and at most.
async fn redis_memory(redis: &RedisServer) -> String {
    let mib = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default() >> 20;
    let (now, peak) =
        (redis.info("memory", "used_memory").await, redis.info("memory", "used_memory_peak").await);
    format!("{} MiB now, {} MiB at most", mib(now), mib(peak))
}

/// What the nodes held at most, in MiB.
fn memory_of(nodes: &[Process]) -> Vec<u64> {
    nodes.iter().map(|node| node.peak_memory() >> 20).collect()
}
