//! Positions in the invalidation log, and the fence a fill takes from it.

use std::fmt;

/// A place in the invalidation log, totally ordered: milliseconds << 20 | sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before every invalidation.
    pub const START: Self = Self(0);
    /// From its number.
    pub const fn from_u64(value: u64) -> Self {
        Self(value)
    }
    /// Its number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The position up to which a node had applied the log when a fill asked the origin.
///
/// A type of its own: with several regions, each with its log, a fence becomes a vector of positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(Position);

impl Fence {
    /// The fence of a fill that asks the origin when `position` is applied.
    pub const fn at(position: Position) -> Self {
        Self(position)
    }
    /// The position applied then.
    pub const fn position(self) -> Position {
        self.0
    }
}
