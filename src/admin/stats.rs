//! The figures of `/stats`.

use super::{CdnFigures, EventFigures};
use crate::fleet::FleetStats;
use crate::invalidation::Position;
use crate::observe::{Metrics, OriginMetrics, RouteMetrics, Totals};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What `/stats` answers. Ratios lie between 0 and 1 and are absent before the first request; quantiles are upper bounds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Larder's version.
    pub version: &'static str,
    /// Seconds since it was started.
    pub uptime_seconds: u64,
    /// Up to where the invalidation log is applied. A string, since JSON numbers lose bits above 2^53.
    pub position: String,
    /// Client connections open.
    pub connections: u64,
    /// Fills under way.
    pub fills_in_flight: u64,
    /// Requests answered.
    pub requests: u64,
    /// Hits among the requests that could have been hits.
    pub hit_ratio: Option<f64>,
    /// The memory tier.
    pub memory: MemoryFigures,
    /// Invalidations.
    pub invalidations: InvalidationFigures,
    /// The log of invalidations that nodes share, where there is one.
    pub log: Option<LogFigures>,
    /// The application's own events.
    pub events: EventFigures,
    /// Every route, by name.
    pub routes: Vec<RouteFigures>,
    /// Every origin, by name.
    pub origins: Vec<OriginFigures>,
    /// Every CDN, by name. Whoever looks after them fills it in.
    pub cdns: Vec<CdnFigures>,
}

/// Figures of the memory tier.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct MemoryFigures {
    /// Bytes held.
    pub bytes: u64,
    /// Bytes it may hold.
    pub limit_bytes: u64,
    /// Replies held.
    pub entries: u64,
    /// Replies that had to go.
    pub evictions: u64,
}

/// Figures of invalidation.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct InvalidationFigures {
    /// Applied since the start.
    pub applied: u64,
    /// Remembered exactly.
    pub exact_entries: u64,
    /// Bytes of those.
    pub exact_bytes: u64,
    /// Bytes of the table behind them.
    pub table_bytes: u64,
}

/// Figures of a node's place in the shared log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct LogFigures {
    /// This node, by the name that others know it by.
    pub node: String,
    /// The node cannot tell what others invalidate.
    pub blind: bool,
    /// Milliseconds since all that stood in it was known to be applied; absent before that was ever so.
    pub lag_ms: Option<u64>,
    /// Purges that wait to be appended.
    pub queued: u64,
    /// Nodes that live, this one too, as far as it knows.
    pub nodes: u64,
}

impl From<FleetStats> for LogFigures {
    fn from(FleetStats { node, blind, lag, queued, nodes }: FleetStats) -> Self {
        let lag_ms = lag.and_then(|lag| u64::try_from(lag.as_millis()).ok());
        Self { node: node.to_string(), blind, lag_ms, queued: queued as u64, nodes: nodes as u64 }
    }
}

/// Figures of one route.
#[derive(Clone, Debug, Serialize)]
pub struct RouteFigures {
    /// Its name.
    pub name: String,
    /// Requests by outcome.
    pub requests: BTreeMap<&'static str, u64>,
    /// Hits among the requests that could have been hits.
    pub hit_ratio: Option<f64>,
    /// Bytes of bodies sent.
    pub bytes: u64,
    /// Half of the requests took no longer.
    pub p50_ms: Option<f64>,
    /// All but one in a hundred took no longer.
    pub p99_ms: Option<f64>,
}

/// Figures of one origin.
#[derive(Clone, Debug, Serialize)]
pub struct OriginFigures {
    /// Its name.
    pub name: String,
    /// Requests it answered.
    pub answered: u64,
    /// Requests it did not answer, or not wholly.
    pub failed: u64,
    /// Half of the replies began within.
    pub p50_ms: Option<f64>,
    /// All but one in a hundred began within.
    pub p99_ms: Option<f64>,
}

impl Stats {
    /// From the metrics, which know nothing of single events. `uptime` is the time since the start, `position` what of the log is applied.
    pub fn gather(metrics: &Metrics, uptime: Duration, position: Position) -> Self {
        let totals = metrics.totals();
        let readings = metrics.readings().unwrap_or_default();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: uptime.as_secs(),
            position: position.to_string(),
            connections: metrics.connections_open(),
            fills_in_flight: readings.fills_in_flight,
            requests: totals.latency().count(),
            hit_ratio: totals.hit_ratio(),
            memory: MemoryFigures {
                bytes: readings.memory.bytes,
                limit_bytes: readings.memory_limit,
                entries: readings.memory.entries,
                evictions: readings.memory.evictions,
            },
            invalidations: InvalidationFigures {
                applied: metrics.invalidations(),
                exact_entries: readings.ledger.exact as u64,
                exact_bytes: readings.ledger.exact_bytes as u64,
                table_bytes: readings.ledger.table_bytes as u64,
            },
            events: EventFigures::default(),
            log: readings.fleet.map(LogFigures::from),
            routes: metrics.routes().iter().map(|route| RouteFigures::of(route)).collect(),
            origins: metrics.origins().iter().map(|origin| OriginFigures::of(origin)).collect(),
            cdns: Vec::new(),
        }
    }
}

impl RouteFigures {
    fn of(route: &RouteMetrics) -> Self {
        let totals = route.totals();
        let latency = totals.latency();
        Self {
            name: route.name().to_owned(),
            requests: totals.outcomes().map(|(outcome, count)| (outcome.as_str(), count)).collect(),
            hit_ratio: totals.hit_ratio(),
            bytes: totals.bytes(),
            p50_ms: millis(&latency, 0.5),
            p99_ms: millis(&latency, 0.99),
        }
    }
}

impl OriginFigures {
    fn of(origin: &OriginMetrics) -> Self {
        let latency = origin.latency();
        Self {
            name: origin.name().to_owned(),
            answered: latency.count(),
            failed: origin.failures(),
            p50_ms: millis(&latency, 0.5),
            p99_ms: millis(&latency, 0.99),
        }
    }
}

fn millis(latency: &Totals, q: f64) -> Option<f64> {
    latency.quantile(q).map(|bound| bound.as_secs_f64() * 1000.0)
}
