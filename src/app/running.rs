//! A Larder that serves.

use super::{RunError, StartError};
use crate::config::Settings;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// How a Larder is run, beside what the configuration says.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a drain waits for replies under way before it cuts them.
    pub drain_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { drain_deadline: Duration::from_secs(300) }
    }
}

/// The entry point: settings in, a serving process out.
#[derive(Debug)]
pub struct Larder;

impl Larder {
    /// Binds every address of `settings`, then serves. Port 0 is replaced by a free one; see [`Running::addresses`].
    pub fn start(settings: Settings, options: Options) -> Result<Running, StartError> {
        let _ = (settings, options);
        todo!()
    }
}

/// What a reload could not change, since it is fixed when Larder starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys of the configuration whose new values need a restart.
    pub needs_restart: Vec<&'static str>,
}

/// A Larder that serves. Dropping it ends it at once.
#[derive(Debug)]
pub struct Running {}

impl Running {
    /// The addresses it listens on, in the order of `listen`.
    pub fn addresses(&self) -> &[SocketAddr] {
        todo!()
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> SocketAddr {
        todo!()
    }

    /// Swaps the rules in; what is stored stays. Requests under way finish under the rules they began with.
    pub fn reload(&self, settings: Settings) -> Result<Reloaded, StartError> {
        let _ = settings;
        todo!()
    }

    /// Begins to drain and returns: nothing new is accepted, what is under way is finished. See [`Running::ended`].
    pub fn drain(&self) {
        todo!()
    }

    /// Ends at once, cutting what is under way.
    pub fn stop(&self) {
        todo!()
    }

    /// Completes when it has ended, after [`Running::drain`] or [`Running::stop`].
    pub async fn ended(&self) {
        todo!()
    }

    /// Blocks until it has ended.
    pub fn join(self) {
        todo!()
    }
}

/// Serves by the configuration at `path` until a signal ends it: SIGTERM and SIGINT drain, a second one ends at once,
/// SIGHUP reads the file again.
pub fn run(path: &Path) -> Result<(), RunError> {
    let _ = path;
    todo!()
}
