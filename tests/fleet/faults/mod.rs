//! What may happen to Redis, each under a trickle of requests.

mod ends;
mod outages;
mod partitions;
mod primaries;
mod storms;
mod writers;

use crate::harness::{At, at, nodes};
use crate::support::{Larder, LarderBuilder, Origin};
use crate::trickle::Trickle;

/// A node for which Redis has as long as in real life.
fn builder(origin: &Origin, url: &str) -> LarderBuilder {
    Larder::before(origin).redis_with(url, "timeout: 50ms").rules("invalidation: { blind_limit: 1s }")
}

/// Three nodes before an origin, under a trickle of requests.
struct Scene {
    nodes: Vec<Larder>,
    trickle: Trickle,
    origin: Origin,
}

impl Scene {
    async fn with(url: &str) -> Self {
        let origin = Origin::start().await;
        let nodes = nodes(3, &builder(&origin, url)).await;
        Self::of(origin, nodes).await
    }

    async fn of(origin: Origin, nodes: Vec<Larder>) -> Self {
        let trickle = Trickle::over(&origin, &at(&nodes)).await;
        tokio::time::sleep(CALM).await;
        Self { nodes, trickle, origin }
    }

    fn at(&self) -> Vec<At> {
        at(&self.nodes)
    }

    async fn ends_well(self, what: &str) {
        self.trickle.ends_well(what).await;
    }
}

/// The trickle before anything happens.
const CALM: std::time::Duration = std::time::Duration::from_millis(300);
