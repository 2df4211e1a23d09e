//! The admin listener: health, metrics, figures, purges and reloads.
//!
//! ```text
//! GET  /healthz   the process is alive                                    open to all
//! GET  /readyz    whether it may take traffic, and what is degraded       open to all
//! GET  /metrics   Prometheus text
//! GET  /stats     the same figures as JSON, with ratios and quantiles
//! POST /purge     {"urls":[…],"tags":[…],"prefixes":[…],"routes":[…],"all":true,"soft":false}
//! POST /cdn/retry the dead letters of CDNs again; `?cdn=NAME`: of one
//! POST /events    one event of the application, as `events.rules` name it
//! POST /reload    the configuration file again
//! ```
//!
//! [`Admin`] speaks HTTP/1.1 on a listener it is given; what it needs from the rest of Larder comes through [`Control`].
//! Whether a request is let in is decided by [`gate`](self) alone, before its body is read.

mod answer;
mod cdns;
mod control;
mod events;
#[cfg(test)]
pub(crate) mod fake;
mod gate;
mod handle;
mod listener;
mod problem;
mod purge;
mod serve;
mod stats;
mod token;

pub use cdns::{CdnFigures, DeadLetterFigures};
pub use control::{Control, Degraded, Readiness, Reloaded, Retried, RetryError, Undelivered};
pub use events::{EventFigures, LetterFigures};
pub(crate) use listener::{Serve, serve};
pub use serve::Admin;
pub use stats::{InvalidationFigures, LogFigures, MemoryFigures, OriginFigures, RouteFigures, Stats};
