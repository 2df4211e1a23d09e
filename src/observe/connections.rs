//! Client connections, counted by guards.

use super::families::{Family, Sheet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many connections were accepted and how many have ended. Two counters that only rise: their difference cannot drift.
#[derive(Debug, Default)]
pub(super) struct Connections {
    accepted: AtomicU64,
    ended: AtomicU64,
}

impl Connections {
    /// Counts a connection until the guard is dropped.
    pub(super) fn accept(self: &Arc<Self>) -> ConnectionGuard {
        self.accepted.fetch_add(1, Relaxed);
        ConnectionGuard { connections: Arc::clone(self) }
    }

    /// Connections open.
    pub(super) fn open(&self) -> u64 {
        // Read first, so that a connection that comes and goes between the two reads does not make the difference negative.
        let ended = self.ended.load(Relaxed);
        self.accepted.load(Relaxed).saturating_sub(ended)
    }

    /// Writes them down.
    pub(super) fn write(&self, sheet: &mut Sheet) {
        sheet.gauge(Family::Connections, &[], self.open() as f64);
        sheet.counter(Family::ConnectionsAccepted, &[], self.accepted.load(Relaxed));
    }
}

/// A client connection that counts as open as long as this lives.
#[derive(Debug)]
pub struct ConnectionGuard {
    connections: Arc<Connections>,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.connections.ended.fetch_add(1, Relaxed);
    }
}
