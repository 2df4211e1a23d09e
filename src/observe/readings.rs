//! What other layers count themselves and metrics only read.

use super::families::{Family, Sheet};
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
}

impl Readings {
    /// Writes them down.
    pub(super) fn write(&self, sheet: &mut Sheet) {
        let Self { memory, memory_limit, ledger, fills_in_flight, fleet } = self;
        sheet.gauge(Family::MemoryBytes, &[], memory.bytes as f64);
        sheet.gauge(Family::MemoryLimit, &[], *memory_limit as f64);
        sheet.gauge(Family::MemoryEntries, &[], memory.entries as f64);
        sheet.counter(Family::Evictions, &[], memory.evictions);
        sheet.gauge(Family::InvalidationExact, &[], ledger.exact as f64);
        sheet.gauge(Family::InvalidationBytes, &["exact"], ledger.exact_bytes as f64);
        sheet.gauge(Family::InvalidationBytes, &["table"], ledger.table_bytes as f64);
        sheet.gauge(Family::FillsInFlight, &[], *fills_in_flight as f64);
        if let Some(FleetStats { blind, lag, queued, nodes }) = fleet {
            sheet.gauge(Family::LogBlind, &[], f64::from(u8::from(*blind)));
            if let Some(lag) = lag {
                sheet.gauge(Family::LogLag, &[], lag.as_secs_f64());
            }
            sheet.gauge(Family::LogQueued, &[], *queued as f64);
            sheet.gauge(Family::LogNodes, &[], *nodes as f64);
        }
    }
}
