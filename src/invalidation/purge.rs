//! An invalidation as the shared log carries it.

use super::{Invalidation, Kind, MatcherHash, Mode};

/// What an invalidation reaches, by hash: all that a ledger needs of it, in ten bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Purge {
    /// The kind of matcher.
    pub kind: Kind,
    /// What becomes of what it reaches.
    pub mode: Mode,
    /// The matcher.
    pub hash: MatcherHash,
}

impl Purge {
    /// Bytes of one in [`Purge::to_bytes`].
    pub const SIZE: usize = 10;

    /// Reaches everything, hard: what is purged where it is not known any more what was to be.
    pub fn everything() -> Self {
        Self::from(&Invalidation::hard(super::Matcher::All))
    }

    /// Kind and mode, a byte each, then the hash in big-endian order.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[0] = self.kind as u8;
        bytes[1] = u8::from(self.mode == Mode::Soft);
        bytes[2..].copy_from_slice(&self.hash.as_u64().to_be_bytes());
        bytes
    }

    /// Reads [`Purge::to_bytes`]; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [kind, mode, hash @ ..] = <[u8; Self::SIZE]>::try_from(bytes).ok()?;
        let kind = *Kind::EACH.get(usize::from(kind))?;
        let mode = match mode {
            0 => Mode::Hard,
            1 => Mode::Soft,
            _ => return None,
        };
        Some(Self { kind, mode, hash: MatcherHash::from_u64(u64::from_be_bytes(hash)) })
    }
}

impl From<&Invalidation> for Purge {
    fn from(Invalidation { matcher, mode }: &Invalidation) -> Self {
        Self { kind: matcher.kind(), mode: *mode, hash: matcher.hash() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::Matcher;

    #[test]
    fn bytes_come_back_and_others_are_refused() {
        for matcher in [Matcher::Tag("t".into()), Matcher::path("h", "/p"), Matcher::All] {
            for invalidation in [Invalidation::hard(matcher.clone()), Invalidation::soft(matcher)] {
                let purge = Purge::from(&invalidation);
                assert_eq!(Purge::from_bytes(&purge.to_bytes()), Some(purge));
            }
        }
        let good = Purge::everything().to_bytes();
        for (at, byte) in [(0, 5), (1, 2)] {
            let mut bad = good;
            bad[at] = byte;
            assert_eq!(Purge::from_bytes(&bad), None);
        }
        assert_eq!(Purge::from_bytes(&good[1..]), None);
        assert_eq!(Purge::from_bytes(&[]), None);
    }
}
