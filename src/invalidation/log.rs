//! The port of the invalidation log, and the log of a single process.

use super::{Invalidation, Ledger, Position};
use crate::time::Clock;
use async_trait::async_trait;
use std::sync::Arc;

/// The log did not take an invalidation.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The log cannot be reached.
    #[error("the invalidation log is unavailable: {0}")]
    Unavailable(String),
}

/// Where invalidations get their order. An append has been applied to this node's ledger when it returns.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Appends `batch` at one position and returns it.
    async fn append(&self, batch: Vec<Invalidation>) -> Result<Position, LogError>;
}

/// The log of a process on its own: a counter.
pub struct LocalLog {
    pub(super) _ledger: Arc<Ledger>,
    pub(super) _clock: Arc<dyn Clock>,
}

impl LocalLog {
    /// A log that applies to `ledger`.
    pub fn new(ledger: Arc<Ledger>, clock: Arc<dyn Clock>) -> Self {
        Self { _ledger: ledger, _clock: clock }
    }
}

#[async_trait]
impl Log for LocalLog {
    async fn append(&self, batch: Vec<Invalidation>) -> Result<Position, LogError> {
        let _ = batch;
        todo!()
    }
}
