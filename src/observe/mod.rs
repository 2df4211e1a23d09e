//! What can be seen of Larder at work: metrics, logs, and the figures behind `/stats`.
//!
//! Three rules shape it. Nothing here knows a URL but the access log, so no label can be made up by a client. Recording a
//! memory hit touches only memory of the thread's own and formats nothing. What others count already (bytes in memory, purges
//! remembered) is read when somebody asks, not mirrored at every change.

mod access;
mod cdns;
mod connections;
mod distribution;
mod families;
mod logging;
mod measured;
mod metrics;
mod origins;
mod readings;
mod redis;
mod routes;
mod shards;
mod words;
mod writer;

pub use access::{AccessLog, AccessLogSettings, AccessRecord};
pub use cdns::CdnMetrics;
pub use connections::ConnectionGuard;
pub use distribution::Totals;
pub use logging::{Format, LogGuard, LogSettings, LogSetupError, init};
pub use measured::MeasuredFetch;
pub use metrics::Metrics;
pub use origins::OriginMetrics;
pub use readings::Readings;
pub use routes::{Finished, RouteMetrics, RouteTotals, Tier};
