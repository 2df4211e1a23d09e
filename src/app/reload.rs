//! Putting a new configuration in force, by whatever way it comes.

use super::Reloaded;
use super::error::ReloadError;
use super::node::Node;
use crate::admin::Admin;
use crate::config::{self, Secret, Settings};
use crate::proxy::Listener;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use tokio::runtime::Handle;

/// Replaces the configuration of a running Larder.
pub(super) struct Reloader {
    node: Arc<Node>,
    listeners: Vec<Arc<Listener>>,
    file: Option<PathBuf>,
    runtime: Handle,
    // Set right after, since the admin listener can ask for reloads itself.
    admin: OnceLock<Weak<Admin>>,
}

impl Reloader {
    /// Reloads `node` and the certificates of `listeners`, from `file` where that is known. `runtime` looks after origins.
    pub(super) fn new(
        node: Arc<Node>,
        listeners: Vec<Arc<Listener>>,
        file: Option<PathBuf>,
        runtime: Handle,
    ) -> Self {
        Self { node, listeners, file, runtime, admin: OnceLock::new() }
    }

    /// Whose token a reload replaces.
    pub(super) fn set_admin(&self, admin: &Arc<Admin>) {
        // It is set once, where Larder is put together.
        let _ = self.admin.set(Arc::downgrade(admin));
    }

    /// Puts `settings` in force. On failure nothing has changed.
    pub(super) fn reload(&self, settings: Settings) -> Result<Reloaded, ReloadError> {
        let reloaded = self.apply(settings);
        self.node.metrics.reloaded(reloaded.is_ok(), self.node.clock.now());
        reloaded
    }

    fn apply(&self, settings: Settings) -> Result<Reloaded, ReloadError> {
        let renewals = self
            .listeners
            .iter()
            .map(|listener| listener.read_again())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ReloadError(vec![format!("a certificate cannot be read again: {error}")]))?;
        let token = settings.admin.token.clone();
        let reloaded = self
            .node
            .reload(settings, &self.runtime)
            .map_err(|error| ReloadError(vec![error.to_string()]))?;
        for (listener, renewal) in self.listeners.iter().zip(renewals) {
            if let Some(renewal) = renewal {
                listener.renew(renewal);
            }
        }
        if let Some(admin) = self.admin.get().and_then(Weak::upgrade) {
            admin.set_token(token.as_ref().map(Secret::expose));
        }
        Ok(reloaded)
    }

    /// Reads the file again and puts it in force. A faulty one changes nothing; the lines say what is wrong with it.
    pub(super) fn reload_file(&self) -> Result<Reloaded, ReloadError> {
        let Some(file) = &self.file else {
            return Err(ReloadError(vec!["this Larder was not started from a file".to_owned()]));
        };
        match config::load(file, &environment) {
            Ok(settings) => self.reload(settings),
            Err(faults) => {
                self.node.metrics.reloaded(false, self.node.clock.now());
                Err(ReloadError(faults.iter().map(ToString::to_string).collect()))
            }
        }
    }
}

/// A variable of the process' environment, for `${NAME}`.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
