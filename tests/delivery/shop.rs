//! A shop whose pages change, with Larder before it.

use crate::cdn::{Event, Story};
use crate::support::{Gate, Larder, LarderBuilder, Origin, Process, RedisServer, Reply, Request};
use serde_json::Value;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Between two looks at something that no event tells of; to look without a pause would take the processor from it.
pub(crate) const PACE: Duration = Duration::from_millis(10);

/// Where purges wait while nobody can take them.
pub(crate) enum Keeper {
    Redis(RedisServer),
    Spool(TempDir),
}

impl Keeper {
    pub(crate) async fn redis() -> Self {
        Self::Redis(RedisServer::start().await)
    }

    pub(crate) fn spool() -> Self {
        Self::Spool(tempfile::tempdir().unwrap())
    }

    /// The name of the case, for messages.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Redis(_) => "Redis",
            Self::Spool(_) => "the spool",
        }
    }

    fn yaml(&self) -> String {
        match self {
            Self::Redis(server) => redis_yaml(&server.url()),
            Self::Spool(folder) => {
                format!("invalidation: {{ spool: \"{}\", write_bound: 4s }}\n", folder.path().display())
            }
        }
    }
}

fn redis_yaml(url: &str) -> String {
    format!(
        "redis: {{ url: \"{url}\", timeout: 5s }}\ninvalidation: {{ write_bound: 4s, blind_limit: 2s }}\n"
    )
}

/// The shop: a PUT is a write, which it commits at once and answers, but below `/held`.
pub(crate) struct Shop {
    pub(crate) origin: Origin,
}

impl Shop {
    pub(crate) async fn start(story: &Story) -> Self {
        let origin = Origin::start().await;
        // Nobody opens it.
        let (story, held) = (story.clone(), Gate::shut());
        origin.otherwise(move |seen| {
            if seen.method == "GET" {
                return Reply::fresh(3600, "page");
            }
            story.tell(Event::Written(seen.path().to_owned()));
            let reply = Reply::status(204);
            if seen.path().starts_with("/held") { reply.hold_head(&held) } else { reply }
        });
        Self { origin }
    }

    /// A Larder before it, which keeps purges in `keeper` for the CDN of `cdn`.
    pub(crate) fn larder(&self, keeper: &Keeper, cdn: &str) -> LarderBuilder {
        self.with(&keeper.yaml(), cdn)
    }

    /// As [`Shop::larder_at`], where a Larder with the spool in `keeper` was before.
    pub(crate) fn larder_moved(&self, keeper: &Keeper, url: &str, cdn: &str) -> LarderBuilder {
        let redis = format!("redis: {{ url: \"{url}\", timeout: 5s }}\n");
        self.with(&(redis + &keeper.yaml()), cdn)
    }

    /// As [`Shop::larder`], where nothing keeps purges.
    pub(crate) fn larder_alone(&self, cdn: &str) -> LarderBuilder {
        self.with("", cdn)
    }

    /// As [`Shop::larder`], with the Redis at `url`.
    pub(crate) fn larder_at(&self, url: &str, cdn: &str) -> LarderBuilder {
        self.with(&redis_yaml(url), cdn)
    }

    fn with(&self, keeper: &str, cdn: &str) -> LarderBuilder {
        Larder::before(&self.origin).rules(&format!("{keeper}{cdn}defaults: {{ cache: {{ ttl: 1h }} }}"))
    }
}

/// Writes to a page and sees that it is answered as the shop does.
pub(crate) async fn write(process: &Process, path: &str) {
    let reply = process.request("PUT", path).body("new").send().await;
    assert_eq!(reply.status, 204, "{path}: {}", reply.text());
}

/// The figures of the CDN, as a node tells them.
pub(crate) async fn figures(process: &Process) -> Value {
    let reply = process.admin("GET", "/stats").send().await;
    let stats: Value = serde_json::from_slice(&reply.body).unwrap();
    let cdns = stats["cdns"].as_array().unwrap_or_else(|| panic!("no CDNs in {stats:#}"));
    cdns.iter().find(|cdn| cdn["name"] == "edge").unwrap_or_else(|| panic!("no `edge` in {stats:#}")).clone()
}

/// Waits until `holds` for the figures of the CDN.
pub(crate) async fn until(process: &Process, what: &str, holds: impl Fn(&Value) -> bool) {
    let looking = async {
        loop {
            let figures = figures(process).await;
            if holds(&figures) {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    };
    crate::support::within(what, looking).await;
}

/// Waits until a node has nothing to complain of.
pub(crate) async fn well(process: &Process) {
    let looking = async {
        loop {
            let reply = process.admin("GET", "/readyz").send().await;
            let said: Value = serde_json::from_slice(&reply.body).unwrap();
            if said["degraded"].as_array().is_some_and(Vec::is_empty) {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    };
    crate::support::within("the node is well", looking).await;
}

/// Begins a write that the origin commits and never answers.
pub(crate) async fn hang(shop: &Shop, request: Request) -> JoinHandle<bool> {
    let client = tokio::spawn(async move { request.body("new").try_send().await.is_ok() });
    shop.origin.asked("/held/7", 1).await;
    client
}
