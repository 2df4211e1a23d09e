//! What other layers count themselves and metrics only read.

use super::families::{Family, Sheet};
use crate::events::{EventCounts, EventResult, Source};
use crate::fleet::FleetStats;
use crate::invalidation::LedgerStats;
use crate::store::MemoryStats;

/// Figures of the moment. Read once a scrape, so that those of one scrape belong together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readings {
    /// The memory tier.
    pub memory: MemoryStats,
    /// Bytes it may hold.
    pub memory_limit: u64,
    /// The invalidations remembered.
    pub ledger: LedgerStats,
    /// Fills under way.
    pub fills_in_flight: u64,
    /// This node's place in the shared log, if it follows one.
    pub fleet: Option<FleetStats>,
    /// What came of the application's events.
    pub events: EventCounts,
    /// How often their channel was lost.
    pub channel_breaks: u64,
}

impl Readings {
    /// Writes them down.
    pub(super) fn write(&self, sheet: &mut Sheet) {
        let Self { memory, memory_limit, ledger, fills_in_flight, fleet, events, channel_breaks } = self;
        sheet.gauge(Family::MemoryBytes, &[], memory.bytes as f64);
        sheet.gauge(Family::MemoryLimit, &[], *memory_limit as f64);
        sheet.gauge(Family::MemoryEntries, &[], memory.entries as f64);
        sheet.counter(Family::Evictions, &[], memory.evictions);
        sheet.gauge(Family::InvalidationExact, &[], ledger.exact as f64);
        sheet.gauge(Family::InvalidationBytes, &["exact"], ledger.exact_bytes as f64);
        sheet.gauge(Family::InvalidationBytes, &["table"], ledger.table_bytes as f64);
        sheet.gauge(Family::FillsInFlight, &[], *fills_in_flight as f64);
        for (source, results) in Source::EACH.iter().zip(events) {
            for (result, count) in EventResult::EACH.iter().zip(results) {
                sheet.counter(Family::Events, &[source.as_str(), result.as_str()], *count);
            }
        }
        sheet.counter(Family::EventBreaks, &[], *channel_breaks);
        if let Some(FleetStats { blind, lag, queued, nodes, node: _ }) = fleet {
            sheet.gauge(Family::LogBlind, &[], f64::from(u8::from(*blind)));
            if let Some(lag) = lag {
                sheet.gauge(Family::LogLag, &[], lag.as_secs_f64());
            }
            sheet.gauge(Family::LogQueued, &[], *queued as f64);
            sheet.gauge(Family::LogNodes, &[], *nodes as f64);
        }
    }
}
