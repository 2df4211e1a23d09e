//! What several tests of this layer build on.

use super::edge::{Edge, EdgeParts, RouteMeans};
use crate::engine::{Route, Rules};
use crate::invalidation::{Mode, WriteRule};
use crate::key::HostAliases;
use crate::observe::{AccessLog, AccessLogSettings, Metrics};
use crate::origin::{OriginContext, Origins};
use crate::time::{SystemClock, Timestamp};
use std::sync::Arc;

/// The route of requests that no other matches, without a cache.
pub(super) fn route() -> Route {
    Route {
        name: "default".into(),
        index: 0,
        pattern: None,
        origin: "default".into(),
        cache: None,
        on_write: WriteRule { purge: Vec::new(), mode: Mode::Hard },
    }
}

/// One route, these trusted proxies, no origins.
pub(super) fn edge(trusted: &[&str]) -> Edge {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let metrics = Metrics::new(1, Timestamp::ZERO);
    let means = RouteMeans {
        metrics: metrics.install_routes(["default".into()]).remove(0),
        origin: metrics.install_origins(["default".into()]).remove(0),
        retries: 1,
    };
    let origins = runtime.block_on(async {
        Origins::new(&[], &OriginContext::new(Arc::new(SystemClock::new()), Arc::new(()))).unwrap()
    });
    let trusted = trusted.iter().map(|network| network.parse().unwrap()).collect();
    Edge::new(EdgeParts {
        rules: Rules::new(vec![route()], HostAliases::new([])),
        trusted,
        means: vec![means],
        origins: Arc::new(origins),
        access: AccessLog::new(&AccessLogSettings::default()),
    })
}
