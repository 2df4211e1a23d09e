//! Composition and life cycle: the one place that knows every layer.
//!
//! [`Larder::start`] binds every address first, then starts the runtimes; what it returns serves until it is drained or
//! dropped. Nothing here is global, so a process may hold many of them, each on ports of its own. [`run`] is what the
//! command `larder run` does: a configuration file, one Larder, and the signals.

mod error;
mod running;

pub use error::{RunError, StartError};
pub use running::{Larder, Options, Reloaded, Running, run};
