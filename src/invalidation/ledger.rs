//! What this node knows of the log: recent purges exactly, all others by the table.

use super::{Bearings, Checked, Fence, Invalidation, Position};

/// Sizes of a [`Ledger`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// Bytes for the exact map of recent purges.
    pub memory: usize,
    /// Slots of the table behind it; a power of two.
    pub table_slots: usize,
}

/// Whether an entry may still be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing reached it.
    Live,
    /// A soft purge reached it: to be revalidated, servable meanwhile.
    Stale,
    /// A purge reached it: never to be served again.
    Dead,
}

/// Figures of a ledger, for metrics and `/stats`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LedgerStats {
    pub exact: usize,
    pub exact_bytes: usize,
    pub table_bytes: usize,
    pub reach: Position,
}

/// The invalidations applied on this node.
#[derive(Debug)]
pub struct Ledger {}

impl Ledger {
    /// An empty ledger whose applied position is `start`.
    pub fn new(settings: &LedgerSettings, start: Position) -> Self {
        let _ = (settings, start);
        todo!()
    }
    /// The position up to which the log is applied without a gap.
    pub fn applied(&self) -> Position {
        todo!()
    }
    /// The fence a fill takes now.
    pub fn fence(&self) -> Fence {
        Fence::at(self.applied())
    }
    /// Applies what stands at `position`, which must lie after [`Ledger::applied`].
    pub fn apply(&self, position: Position, batch: &[Invalidation]) {
        let _ = (position, batch);
        todo!()
    }
    /// Whether an entry with this fence and these bearings may be served.
    pub fn judge(&self, fence: Fence, bearings: &Bearings) -> Verdict {
        let _ = (fence, bearings);
        todo!()
    }
    /// As [`Ledger::judge`], remembered in `checked`: one atomic load while nothing was invalidated since.
    pub fn judge_cached(&self, fence: Fence, bearings: &Bearings, checked: &Checked) -> Verdict {
        let _ = (fence, bearings, checked);
        todo!()
    }
    /// Figures for observation.
    pub fn stats(&self) -> LedgerStats {
        todo!()
    }
}
