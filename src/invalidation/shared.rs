//! What a fence is to other nodes: which log it was taken from, and where that log stood.

use super::Position;
use std::fmt;

/// Which log: made at random when a log is created where there was none. Another birth proves nothing about what was
/// invalidated before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Birth(pub u128);

impl fmt::Display for Birth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The part of a log's life between two fail-overs. Appends at the end of a term may be lost with the server that took
/// them, so the next term begins behind what it inherited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u32);

/// A log, in one of its terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch {
    /// The log.
    pub birth: Birth,
    /// The term.
    pub term: Term,
}

/// A fence as other nodes can judge it: the position up to which its node had applied the log without a gap, and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SharedFence {
    /// The log and its term.
    pub epoch: Epoch,
    /// The position applied.
    pub position: Position,
}
