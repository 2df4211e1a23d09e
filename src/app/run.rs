//! `larder run`: one Larder by a file, ruled by signals.

use super::reload::environment;
use super::{Larder, Options, RunError, Running};
use crate::config;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Serves by the configuration at `path` until a signal ends it: SIGTERM and SIGINT drain, a second one ends at once,
/// SIGHUP reads the file again.
pub fn run(path: &Path) -> Result<(), RunError> {
    let settings = config::load(path, &environment).map_err(|faults| RunError::Config(faults.to_string()))?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(RunError::Signals)?;
    // Before anything is served, so that no signal finds its default action, which is to end at once.
    let signals = runtime.block_on(async { Signals::new() }).map_err(RunError::Signals)?;
    let options = Options { config_file: Some(path.to_owned()), ..Options::default() };
    let running = Arc::new(Larder::start(settings, options)?);
    for address in running.addresses() {
        tracing::info!(%address, "listening");
    }
    tracing::info!(address = %running.admin_address(), "listening for the administrator");
    runtime.block_on(signals.rule(&running));
    tracing::info!("ended");
    Ok(())
}

/// The signals that Larder understands.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Does what signals ask until `running` has ended.
    async fn rule(mut self, running: &Arc<Running>) {
        let mut draining = false;
        loop {
            let end = tokio::select! {
                () = running.ended() => return,
                _ = self.terminate.recv() => true,
                _ = self.interrupt.recv() => true,
                _ = self.hang_up.recv() => false,
            };
            match (end, draining) {
                (true, false) => {
                    tracing::info!("draining: what is under way is finished; a second signal ends at once");
                    draining = true;
                    running.drain();
                }
                (true, true) => {
                    tracing::warn!("ending at once");
                    running.stop();
                }
                (false, _) => reload(running).await,
            }
        }
    }
}

/// Reads the file again, on a thread that may block, and reports what came of it.
async fn reload(running: &Arc<Running>) {
    let running = Arc::clone(running);
    match tokio::task::spawn_blocking(move || running.reload_file()).await {
        Ok(Ok(reloaded)) => {
            tracing::info!("the configuration was read again");
            for key in reloaded.needs_restart {
                tracing::warn!(key, "takes effect after a restart only");
            }
        }
        Ok(Err(error)) => {
            for fault in error.lines() {
                tracing::error!(%fault, "the configuration stays as it was");
            }
        }
        Err(error) => tracing::error!(%error, "the reload was cut off"),
    }
}
