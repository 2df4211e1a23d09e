//! What a fence is to other nodes: which log it was taken from, and where that log stood.

use super::Position;
use std::fmt;
use std::str::FromStr;

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

/// Where something stands, in which log: what a client is told of its write, and brings to read it.
///
/// To clients it is opaque. Of a log that is shared it names the log and the term besides, since after a fail-over the same
/// position may be given again to something else: `<birth>-<term>-<position>`, the birth in 32 hexadecimal digits, the others
/// decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The log and its term; `None`: that of one process alone.
    pub epoch: Option<Epoch>,
    /// The position.
    pub position: Position,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epoch {
            Some(Epoch { birth, term }) => write!(f, "{birth}-{}-{}", term.0, self.position),
            None => self.position.fmt(f),
        }
    }
}

/// Where a batch stands: at one place in the log, or at several in their order, where it is too much for one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    before: Vec<Place>,
    last: Place,
}

impl Places {
    /// `all` of a batch, in their order; `None` if there is none.
    pub fn new(all: impl IntoIterator<Item = Place>) -> Option<Self> {
        let mut before: Vec<_> = all.into_iter().collect();
        before.pop().map(|last| Self { before, last })
    }

    /// The last: what has been applied up to there has been applied to all of the batch.
    pub fn last(&self) -> Place {
        self.last
    }

    /// Where each of them stands.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        self.before.iter().chain([&self.last]).map(|place| place.position)
    }
}

impl From<Place> for Places {
    fn from(last: Place) -> Self {
        Self { before: Vec::new(), last }
    }
}

/// A text that is no [`Place`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is written as Larder wrote it in a reply")]
pub struct ParsePlaceError;

impl FromStr for Place {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let Some((birth, rest)) = text.split_once('-') else {
                return Some(Self { epoch: None, position: text.parse().ok()? });
            };
            let (term, position) = rest.split_once('-')?;
            let birth = Birth(u128::from_str_radix(birth, 16).ok()?);
            let epoch = Epoch { birth, term: Term(term.parse().ok()?) };
            Some(Self { epoch: Some(epoch), position: position.parse().ok()? })
        };
        // What is written differently was not written here.
        read().filter(|place| place.to_string() == text).ok_or(ParsePlaceError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_one_spelling() {
        let epoch = Some(Epoch { birth: Birth(0xabc), term: Term(3) });
        for place in [
            Place { epoch, position: Position::from_u64(77) },
            Place { epoch: None, position: Position::START },
        ] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for bad in ["", "-", "abc-3-77", "1-", "00000000000000000000000000000abc-03-77", "x", "+1", "1-2-3-4"]
        {
            assert_eq!(bad.parse::<Place>(), Err(ParsePlaceError), "{bad:?}");
        }
    }
}
