//! Positions in the invalidation log, and the fence a fill takes from it.

use crate::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// Bits below the milliseconds: over a million positions in each of them.
const SEQUENCE_BITS: u32 = 20;

/// A place in the invalidation log, totally ordered: milliseconds << 20 | sequence.
///
/// The milliseconds make positions of a restarted log later than those it handed out before; nothing else reads
/// them as a time, so a clock that stands still or runs backwards only makes positions denser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before every invalidation.
    pub const START: Self = Self(0);

    /// After every invalidation.
    pub const LAST: Self = Self(u64::MAX);

    /// From its number.
    pub const fn from_u64(value: u64) -> Self {
        Self(value)
    }

    /// The first position of a millisecond. Times past the year 2500 do not fit and give the last one that does.
    pub const fn at(time: Timestamp) -> Self {
        let millis = time.as_millis();
        if millis >> (u64::BITS - SEQUENCE_BITS) == 0 {
            Self(millis << SEQUENCE_BITS)
        } else {
            Self(u64::MAX)
        }
    }

    /// The position that follows: that of the clock, unless the log (`last`) or the caller (`seen`) is ahead of it.
    ///
    /// Strictly later than both; at the end of all positions it stays there.
    pub fn next(clock: Timestamp, last: Self, seen: Self) -> Self {
        Self(Self::at(clock).0.max(last.0.max(seen.0).saturating_add(1)))
    }

    /// Its number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The milliseconds in it: when it was handed out, if the clock was not behind the log.
    pub const fn time(self) -> Timestamp {
        Timestamp::from_millis(self.0 >> SEQUENCE_BITS)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no [`Position`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is a decimal number below 2^64")]
pub struct ParsePositionError;

impl FromStr for Position {
    type Err = ParsePositionError;

    /// Reads what `Display` writes: digits alone, since the text comes from clients and one position has one spelling.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let canonical = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        if !canonical {
            return Err(ParsePositionError);
        }
        text.parse().map(Self).map_err(|_| ParsePositionError)
    }
}

/// What a node knew of invalidations when a fill asked the origin: the stamp of the last one applied.
///
/// A stamp orders what *this node* applied, and never falls. It is the position in the log, but for what the log does not
/// order: a purge that could not be appended yet, and positions that come again after a fail-over. Both get the next stamp,
/// so whatever is applied later has a later one. To other nodes a fence means nothing; see
/// [`SharedFence`](super::SharedFence) for what does.
///
/// A type of its own: with several regions, each with its log, a fence becomes a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence(u64);

impl Fence {
    /// The fence of a fill that asks the origin when all up to `position` is applied.
    pub const fn at(position: Position) -> Self {
        Self(position.as_u64())
    }

    /// From its stamp.
    pub(super) const fn from_stamp(stamp: u64) -> Self {
        Self(stamp)
    }

    /// Its stamp.
    pub const fn stamp(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_position_is_later_than_all_that_is_known() {
        let at = |millis: u64| Position::at(Timestamp::from_millis(millis));
        let number = |position: Position, by: u64| Position::from_u64(position.as_u64() + by);
        #[track_caller]
        fn check(clock: u64, last: Position, seen: Position, expected: Position) {
            let next = Position::next(Timestamp::from_millis(clock), last, seen);
            assert_eq!(next, expected);
            assert!(next > last && next > seen);
        }
        check(7, Position::START, Position::START, at(7));
        check(7, at(6), Position::START, at(7));
        check(7, at(7), Position::START, number(at(7), 1));
        check(7, at(9), Position::START, number(at(9), 1));
        check(7, at(6), at(9), number(at(9), 1));
        check(0, Position::START, Position::START, Position::from_u64(1));
    }

    #[test]
    fn milliseconds_come_back() {
        let time = Timestamp::from_millis(1_767_225_600_123);
        assert_eq!(Position::at(time).time(), time);
        assert_eq!(Position::at(Timestamp::MAX), Position::from_u64(u64::MAX));
    }

    #[test]
    fn text_has_one_spelling() {
        #[track_caller]
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(text.parse::<Position>().ok(), expected.map(Position::from_u64), "{text:?}");
        }
        check("0", Some(0));
        check("1853024483819520", Some(1_853_024_483_819_520));
        check("18446744073709551615", Some(u64::MAX));
        for bad in ["", "18446744073709551616", "+1", "-1", "01", "00", " 1", "1 ", "0x1", "1.0"] {
            check(bad, None);
        }
        let position = Position::from_u64(42);
        assert_eq!(position.to_string().parse(), Ok(position));
    }
}
