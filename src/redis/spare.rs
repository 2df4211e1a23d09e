//! A connection that waits to be used again.

use super::Dedicated;
use std::sync::{Mutex, PoisonError};

/// Takes back at most one connection between two calls, so no more of them are open than calls are under way, and one.
///
/// A call takes it out and brings it back only when every answer on it has been read. A call that fails, or that nobody
/// waits for any more, drops it, so nobody ever reads the answer to a question of somebody else.
#[derive(Default)]
pub(super) struct Spare(Mutex<Option<Dedicated>>);

impl Spare {
    pub(super) fn take(&self) -> Option<Dedicated> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn put(&self, connection: Dedicated) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
    }
}
