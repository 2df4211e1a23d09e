//! All metrics of one Larder.

use super::connections::{ConnectionGuard, Connections};
use super::families::{Family, Sheet, descriptions};
use super::redis::RedisMetrics;
use super::words::Words;
use super::{CdnMetrics, OriginMetrics, Readings, RouteMetrics, RouteTotals, writer};
use crate::cdn::{CallResult, CdnObserver, PurgeResult, TargetKind};
use crate::engine::Observer;
use crate::fleet::FleetObserver;
use crate::invalidation::Kind;
use crate::redis::{BreakerState, Loss, Op, OutboxEvent, OutboxObserver, RedisObserver, TierObserver};
use crate::spool::SpoolObserver;
use crate::store::DecodeError;
use crate::time::Timestamp;
use arc_swap::{ArcSwap, ArcSwapOption};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Metrics with a registry of their own, so that several Larders in one process do not mix theirs.
///
/// Routes and origins come from the configuration and are put in force by [`Metrics::install_routes`] and
/// [`Metrics::install_origins`]; what is counted under another name is dropped, so labels stay as few as the configuration
/// has names.
pub struct Metrics {
    registry: Registry,
    books: Arc<Books>,
    threads: usize,
}

type Named<T> = BTreeMap<Arc<str>, Arc<T>>;
type Reader = dyn Fn() -> Readings + Send + Sync;

/// What is counted; shared with the registry's collector.
#[derive(Default)]
struct Books {
    routes: ArcSwap<Named<RouteMetrics>>,
    origins: ArcSwap<Named<OriginMetrics>>,
    cdns: ArcSwap<Named<CdnMetrics>>,
    invalidations: [AtomicU64; Kind::EACH.len()],
    connections: Arc<Connections>,
    redis: RedisMetrics,
    spool: Words,
    reloads: Reloads,
    reader: ArcSwapOption<Box<Reader>>,
}

#[derive(Default)]
struct Reloads {
    succeeded: AtomicU64,
    failed: AtomicU64,
    last_failed: AtomicBool,
    loaded_at: AtomicU64,
}

impl Metrics {
    /// Metrics at zero, for `threads` threads that serve. `started` is when the configuration in force was loaded.
    pub fn new(threads: usize, started: Timestamp) -> Self {
        let books = Arc::new(Books::default());
        books.reloads.loaded_at.store(started.as_secs(), Relaxed);
        let registry = Registry::new();
        let ours = Ledger { descriptions: descriptions(), books: Arc::clone(&books) };
        registry.register(Box::new(ours)).expect("a new registry holds no other family of these names");
        #[cfg(target_os = "linux")]
        registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("the process metrics have a prefix of their own");
        Self { registry, books, threads }
    }

    /// The registry, to add metrics to.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Puts the routes of a configuration in force and returns their counters in the same order. Counters of routes that stay go
    /// on; those of routes that went are forgotten.
    pub fn install_routes(&self, names: impl IntoIterator<Item = Arc<str>>) -> Vec<Arc<RouteMetrics>> {
        install(&self.books.routes, names, |name| RouteMetrics::new(name, self.threads))
    }

    /// As [`Metrics::install_routes`], for origins.
    pub fn install_origins(&self, names: impl IntoIterator<Item = Arc<str>>) -> Vec<Arc<OriginMetrics>> {
        install(&self.books.origins, names, OriginMetrics::new)
    }

    /// As [`Metrics::install_routes`], for CDNs.
    pub fn install_cdns(&self, names: impl IntoIterator<Item = Arc<str>>) -> Vec<Arc<CdnMetrics>> {
        install(&self.books.cdns, names, CdnMetrics::new)
    }

    /// The counters of a route in force.
    pub fn route(&self, name: &str) -> Option<Arc<RouteMetrics>> {
        self.books.routes.load().get(name).cloned()
    }

    /// The counters of an origin in force.
    pub fn origin(&self, name: &str) -> Option<Arc<OriginMetrics>> {
        self.books.origins.load().get(name).cloned()
    }

    /// All routes in force, by name.
    pub fn routes(&self) -> Vec<Arc<RouteMetrics>> {
        self.books.routes.load().values().cloned().collect()
    }

    /// All origins in force, by name.
    pub fn origins(&self) -> Vec<Arc<OriginMetrics>> {
        self.books.origins.load().values().cloned().collect()
    }

    /// The sums over all routes in force.
    pub fn totals(&self) -> RouteTotals {
        self.books.routes.load().values().fold(RouteTotals::default(), |mut sum, route| {
            sum.add(&route.totals());
            sum
        })
    }

    /// Has `read` called at every scrape; it replaces the one before.
    pub fn read_from(&self, read: impl Fn() -> Readings + Send + Sync + 'static) {
        self.books.reader.store(Some(Arc::new(Box::new(read))));
    }

    /// The figures of this moment; `None` before [`Metrics::read_from`].
    pub fn readings(&self) -> Option<Readings> {
        self.books.reader.load().as_ref().map(|read| read())
    }

    /// Counts a client connection until the guard is dropped.
    pub fn connection(&self) -> ConnectionGuard {
        self.books.connections.accept()
    }

    /// Client connections open.
    pub fn connections_open(&self) -> u64 {
        self.books.connections.open()
    }

    /// Invalidations applied.
    pub fn invalidations(&self) -> u64 {
        self.books.invalidations.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Notes how a reload went.
    pub fn reloaded(&self, succeeded: bool, now: Timestamp) {
        let reloads = &self.books.reloads;
        reloads.last_failed.store(!succeeded, Relaxed);
        if succeeded {
            reloads.succeeded.fetch_add(1, Relaxed);
            reloads.loaded_at.store(now.as_secs(), Relaxed);
        } else {
            reloads.failed.fetch_add(1, Relaxed);
        }
    }

    /// Everything in the text format of Prometheus, version 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            // Only a metric that somebody else registered badly gets here; what was written before it stands.
            tracing::error!(%error, "some metrics cannot be written");
        }
        text
    }
}

fn install<T>(
    held: &ArcSwap<Named<T>>,
    names: impl IntoIterator<Item = Arc<str>>,
    create: impl Fn(Arc<str>) -> T,
) -> Vec<Arc<T>> {
    let before = held.load();
    let mut now = Named::new();
    let counters = names
        .into_iter()
        .map(|name| {
            let counters = now
                .entry(Arc::clone(&name))
                .or_insert_with(|| before.get(&name).cloned().unwrap_or_else(|| Arc::new(create(name))));
            Arc::clone(counters)
        })
        .collect();
    held.store(Arc::new(now));
    counters
}

impl Observer for Metrics {
    fn fill(&self, route: &str, result: &'static str) {
        if let Some(route) = self.books.routes.load().get(route) {
            route.fill(result);
        }
    }

    fn collapsed(&self, route: &str) {
        if let Some(route) = self.books.routes.load().get(route) {
            route.collapsed();
        }
    }

    fn stale(&self, route: &str, reason: &'static str) {
        if let Some(route) = self.books.routes.load().get(route) {
            route.stale(reason);
        }
    }

    fn invalidated(&self, kind: Kind) {
        self.books.invalidations[kind as usize].fetch_add(1, Relaxed);
    }
}

impl RedisObserver for Metrics {
    fn answered(&self, op: Op, elapsed: Duration) {
        self.books.redis.answered(op, elapsed);
    }

    fn failed(&self, op: Op, reason: &'static str) {
        self.books.redis.failed(op, reason);
    }

    fn breaker(&self, state: BreakerState) {
        self.books.redis.breaker(state);
    }
}

impl TierObserver for Metrics {
    fn unreadable(&self, error: DecodeError) {
        self.books.redis.unreadable(error);
    }

    fn lost(&self, loss: Loss, count: usize) {
        self.books.redis.lost(loss, count);
    }
}

impl OutboxObserver for Metrics {
    fn event(&self, cdn: &str, event: OutboxEvent, count: u64) {
        OutboxObserver::event(&self.books.redis, cdn, event, count);
    }
}

impl FleetObserver for Metrics {
    fn event(&self, what: &'static str) {
        FleetObserver::event(&self.books.redis, what);
    }
}

impl CdnObserver for Metrics {
    fn called(&self, cdn: &str, result: CallResult, took: Duration) {
        self.books.cdn(cdn, |cdn| cdn.called(result, took));
    }

    fn purged(&self, cdn: &str, result: PurgeResult, targets: usize) {
        self.books.cdn(cdn, |cdn| cdn.purged(result, targets as u64));
    }

    fn delivered(&self, cdn: &str, after: Duration) {
        self.books.cdn(cdn, |cdn| cdn.delivered(after));
    }

    fn waiting(&self, cdn: &str, jobs: u64) {
        self.books.cdn(cdn, |cdn| cdn.waiting(jobs));
    }

    fn dead_letters(&self, cdn: &str, letters: u64) {
        self.books.cdn(cdn, |cdn| cdn.dead_letters(letters));
    }

    fn widened(&self, cdn: &str, kind: TargetKind) {
        self.books.cdn(cdn, |cdn| cdn.widened(kind));
    }
}

impl SpoolObserver for Metrics {
    fn event(&self, what: &'static str) {
        self.books.spool.add(what);
    }
}

impl Books {
    fn cdn(&self, name: &str, note: impl FnOnce(&CdnMetrics)) {
        if let Some(cdn) = self.cdns.load().get(name) {
            note(cdn);
        }
    }

    fn write(&self, sheet: &mut Sheet) {
        let Self { routes, origins, cdns, invalidations, connections, redis, spool, reloads, reader } = self;
        routes.load().values().for_each(|route| route.write(sheet));
        origins.load().values().for_each(|origin| origin.write(sheet));
        cdns.load().values().for_each(|cdn| cdn.write(sheet));
        for (kind, count) in Kind::EACH.iter().zip(invalidations) {
            sheet.counter(Family::Invalidations, &[kind.as_str()], count.load(Relaxed));
        }
        connections.write(sheet);
        redis.write(sheet);
        spool.counts().for_each(|(word, count)| sheet.counter(Family::SpoolEvents, &[word], count));
        reloads.write(sheet);
        if let Some(read) = &*reader.load() {
            read().write(sheet);
        }
        sheet.counter(Family::LogDropped, &[], writer::dropped());
        sheet.gauge(Family::BuildInfo, &[env!("CARGO_PKG_VERSION")], 1.0);
    }
}

impl Reloads {
    fn write(&self, sheet: &mut Sheet) {
        let Self { succeeded, failed, last_failed, loaded_at } = self;
        sheet.counter(Family::ConfigReloads, &["success"], succeeded.load(Relaxed));
        sheet.counter(Family::ConfigReloads, &["failure"], failed.load(Relaxed));
        sheet.gauge(Family::ConfigGood, &[], if last_failed.load(Relaxed) { 0.0 } else { 1.0 });
        sheet.gauge(Family::ConfigLoaded, &[], loaded_at.load(Relaxed) as f64);
    }
}

/// What the registry asks at a scrape.
struct Ledger {
    descriptions: Vec<Desc>,
    books: Arc<Books>,
}

impl Collector for Ledger {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut sheet = Sheet::new();
        self.books.write(&mut sheet);
        sheet.into_families()
    }
}

#[cfg(test)]
mod tests;
