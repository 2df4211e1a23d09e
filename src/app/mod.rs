//! Composition and life cycle: the one place that knows every layer.
//!
//! [`Larder::start`] binds every address first, then starts the runtimes; what it returns serves until it is drained or
//! dropped. Nothing here is global, so a process may hold many of them, each on ports of its own. [`run`] is what the
//! command `larder run` does: a configuration file, one Larder, and the signals.
//!
//! ```text
//! life ── accept ──▶ worker 0 ── proxy::Server     one thread and one runtime each;
//!      ├─ admin      worker 1 ── proxy::Server     a connection stays where it was handed
//!      └─ upkeep        …
//!                       └── node: engine, rules, origins, metrics, shared by all
//! ```

mod accept;
mod bind;
mod cdns;
mod changes;
mod control;
mod doubts;
mod error;
mod events;
mod life;
mod limits;
mod node;
mod reload;
mod run;
mod running;
mod tags;
mod together;
mod worker;

pub(crate) use cdns::Aims;
pub(crate) use doubts::doubts;
pub use error::{ReloadError, RunError, StartError};
pub use run::run;
pub use running::{Larder, Options, Reloaded, Running};
pub(crate) use tags::fields as tag_fields;
