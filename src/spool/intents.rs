//! What a spool says will have to be purged, and how that is taken back.

use super::journal::Spool;
use super::names::bounded;
use super::record::Record;
use super::state::NEVER;
use crate::invalidation::{IntentId, Invalidation, Names};
use std::time::Duration;

impl Spool {
    /// Announces a write that may purge `batch`, and must be over `within` from now; waits for the disk as long as anybody does.
    /// `None`: nothing here outlives the process.
    pub(super) async fn intend(&self, batch: &[Invalidation], within: Duration) -> Option<IntentId> {
        if !self.shared.durable() {
            return None;
        }
        let (id, count) = self.announce(batch, within, true);
        // Whoever asked may be gone before it is on the disk, and sends nothing then.
        let mut unasked = Unasked { spool: self, intent: Some(id) };
        if self.shared.kept(count).await {
            self.shared.lock().state.kept(id);
        } else {
            self.shared.observer.event("unannounced");
        }
        // Also where it is not known to be on the disk: it may get there yet, and has to be settled then.
        unasked.intent = None;
        Some(IntentId(u128::from(id)))
    }

    /// Notes that a batch will be purged after `within`; returns the intent, and what to wait for.
    pub(super) fn announce(&self, batch: &[Invalidation], within: Duration, sync: bool) -> (u64, u64) {
        let names = bounded(batch);
        let now = self.shared.clock.now();
        let core = &mut *self.shared.lock();
        let id = core.state.next_intent();
        let millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        let intent = Record::Intent { id, due: now.plus(within), within: millis, names };
        (id, self.shared.record(core, &intent, sync))
    }

    /// Notes a purge that somebody else will make, and that is to be made at the next start if it was not taken back by then. It
    /// may answer an intent, whose place it takes; one that is on the disk and names as much stands for it, so that nothing is
    /// synced. Returns its intent, and what to wait for.
    pub(super) fn keep(&self, names: Names, answers: Option<u64>) -> (u64, Option<u64>) {
        let core = &mut *self.shared.lock();
        let covered = answers.is_some_and(|intent| core.state.covers(intent, &names));
        let id = answers.unwrap_or_else(|| core.state.next_intent());
        let purge = Record::Intent { id, due: NEVER, within: 0, names };
        let count = self.shared.record(core, &purge, !covered);
        (id, (!covered).then_some(count))
    }

    /// These need not be purged any more.
    pub(super) fn take_back(&self, intents: Vec<u64>) {
        if !intents.is_empty() {
            self.shared.record(&mut self.shared.lock(), &Record::Withdraw(intents), false);
        }
    }
}

/// An intent that nobody knows of yet.
struct Unasked<'a> {
    spool: &'a Spool,
    intent: Option<u64>,
}

impl Drop for Unasked<'_> {
    fn drop(&mut self) {
        self.spool.take_back(Vec::from_iter(self.intent));
    }
}
