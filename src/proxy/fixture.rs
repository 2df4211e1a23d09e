//! What several tests of this layer build on.

use super::edge::{Edge, EdgeParts, RouteMeans};
use crate::engine::{Engine, EngineParts, Route, Rules};
use crate::invalidation::{Ledger, LedgerSettings, LocalLog, Position, WriteRule};
use crate::key::HostAliases;
use crate::observe::{AccessLog, AccessLogSettings, Metrics};
use crate::origin::{Fetch, FetchError, FetchRequest, OriginContext, Origins, Reply};
use crate::store::{Memory, MemorySettings};
use crate::time::{Clock, SystemClock, Timestamp};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// The route of requests that no other matches, without a cache.
pub(super) fn route() -> Route {
    Route {
        name: "default".into(),
        index: 0,
        pattern: None,
        origin: "default".into(),
        cache: None,
        region: None,
        on_write: WriteRule::default(),
        purge_from: Vec::new(),
        cdns: None,
    }
}

/// An origin that nobody answers for.
struct Nowhere;

#[async_trait]
impl Fetch for Nowhere {
    async fn fetch(&self, _request: FetchRequest) -> Result<Reply, FetchError> {
        Err(FetchError::NoServer)
    }
}

/// An engine with nothing in it and no origin.
pub(super) fn engine() -> Arc<Engine> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ledger = LedgerSettings { memory: 1 << 20, table_slots: 1 << 10 };
    let ledger = Arc::new(Ledger::new(&ledger, Position::START));
    Engine::new(EngineParts {
        memory: Memory::new(&MemorySettings { max_size: 1 << 20, max_object: 1 << 16 }),
        remote: None,
        max_arriving: 1 << 20,
        log: Arc::new(LocalLog::new(Arc::clone(&ledger), Arc::clone(&clock))),
        ledger,
        settle: Duration::ZERO,
        write_bound: Duration::from_secs(60),
        fetch: Arc::new(Nowhere),
        clock,
        observer: Arc::new(Metrics::new(1, Timestamp::ZERO)),
    })
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
