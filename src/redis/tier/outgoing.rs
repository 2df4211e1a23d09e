//! The queue, as those see it who fill it and the one who empties it.

use super::queue::{Batch, Queue, Release};
use crate::key::KeyHash;
use crate::store::RemoteItem;
use crate::time::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long the first write of a batch waits for others. A millisecond is nothing to whoever reads it later, and lets a
/// busy node send dozens at once.
const LINGER: Duration = Duration::from_millis(1);

/// Writes on their way to the writer.
#[derive(Default)]
pub(super) struct Outgoing {
    queue: Mutex<Queue>,
    /// Something came.
    came: Notify,
    /// As much came as is sent together, or what somebody waits for.
    ripe: Notify,
}

impl Outgoing {
    /// See [`Queue::put`].
    pub(super) fn put(&self, hash: KeyHash, item: RemoteItem, until: Timestamp) -> usize {
        self.change(|queue| queue.put(hash, item, until))
    }

    /// See [`Queue::touch`].
    pub(super) fn touch(&self, hash: KeyHash, until: Timestamp) -> usize {
        self.change(|queue| queue.touch(hash, until))
    }

    /// See [`Queue::release`].
    pub(super) fn release(&self, release: Release) {
        self.change(|queue| queue.release(release));
    }

    /// Waits until there is something to be sent, and a moment more for what goes with it.
    pub(super) async fn ready(&self) {
        while self.queue().is_empty() {
            self.came.notified().await;
        }
        if !self.queue().is_ripe() {
            let _ = tokio::time::timeout(LINGER, self.ripe.notified()).await;
        }
    }

    /// See [`Queue::take`].
    pub(super) fn take(&self) -> Batch {
        self.queue().take()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue().is_empty()
    }

    /// Gives up what waits; how many writes that were.
    pub(super) fn abandon(&self) -> usize {
        let abandoned = std::mem::take(&mut *self.queue());
        abandoned.len()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue();
        let result = change(&mut queue);
        let ripe = queue.is_ripe();
        drop(queue);
        self.came.notify_one();
        if ripe {
            self.ripe.notify_one();
        }
        result
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing under this lock panics halfway through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
