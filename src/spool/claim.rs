//! A folder that may still be another process's.

use super::journal::{Spool, SpoolError, SpoolObserver, SpoolSettings};
use crate::time::Clock;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// Between two looks whether the process that has the folder has ended.
const LOOK: Duration = Duration::from_secs(1);

/// A spool for which nobody waits: as long as another process has its folder, this one does without.
pub(super) struct Claim {
    settings: SpoolSettings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn SpoolObserver>,
    state: Mutex<State>,
}

enum State {
    /// Another process has the folder.
    Elsewhere,
    /// This one has it.
    Here(Arc<Spool>),
    /// It cannot be used.
    Unusable(String),
}

impl Claim {
    /// Takes the folder, unless another process has it. Blocks while files are read.
    pub(super) fn new(
        settings: SpoolSettings,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn SpoolObserver>,
    ) -> Result<Arc<Self>, SpoolError> {
        let claim = Self { settings, clock, observer, state: Mutex::new(State::Elsewhere) };
        match claim.take() {
            Ok(()) | Err(SpoolError::Locked(_)) => Ok(Arc::new(claim)),
            Err(error) => Err(error),
        }
    }

    /// The spool, once this process has it.
    pub(super) fn spool(&self) -> Option<Arc<Spool>> {
        match &*self.lock() {
            State::Here(spool) => Some(Arc::clone(spool)),
            State::Elsewhere | State::Unusable(_) => None,
        }
    }

    /// Waits until this process has the spool. `None`: it never will.
    pub(super) async fn taken(self: &Arc<Self>) -> Option<Arc<Spool>> {
        while matches!(*self.lock(), State::Elsewhere) {
            sleep(LOOK).await;
            let waiting = Arc::clone(self);
            // Files are read.
            let taken = tokio::task::spawn_blocking(move || waiting.take()).await;
            if let Ok(Err(error)) = taken
                && !matches!(error, SpoolError::Locked(_))
            {
                tracing::error!(%error, "the spool cannot be used, and what is left in it is not handed over to Redis");
                *self.lock() = State::Unusable(error.to_string());
            }
        }
        self.spool()
    }

    /// Why there is no spool, in a sentence.
    pub(super) fn trouble(&self) -> Option<String> {
        match &*self.lock() {
            State::Here(_) => None,
            State::Elsewhere => Some(
                "another process uses the spool: until it ends nothing is kept here that Redis does not take; give each Larder a folder of its own"
                    .to_owned(),
            ),
            State::Unusable(error) => Some(format!(
                "the spool cannot be used, and what is left in it is not handed over to Redis: {error}"
            )),
        }
    }

    /// Gives the folder back, in a bounded time, for which it blocks.
    pub(super) fn close(&self) {
        if let Some(spool) = self.spool() {
            spool.close();
        }
    }

    fn take(&self) -> Result<(), SpoolError> {
        let Self { settings, clock, observer, state: _ } = self;
        let spool = Spool::open(settings, Arc::clone(clock), Arc::clone(observer))?;
        *self.lock() = State::Here(spool);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
