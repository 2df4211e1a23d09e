//! What is purged together.

use super::{MAX_NAMES, MAX_PURGES};
use crate::invalidation::{Invalidation, Matcher, Names, Purge, Room, fold};
use std::collections::HashSet;
use std::slice;
use std::sync::Arc;

/// Bytes of a purge by hash, and of what stands around its text where it is named.
const NAMED: usize = Purge::SIZE + 30;

/// Purges as ledgers know them, and the same by name where CDNs have to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) purges: Arc<[Purge]>,
    /// None where no CDN is configured, and where whoever purged knew of none.
    pub(super) names: Names,
}

impl Batch {
    /// No purge at all.
    pub(super) fn nothing() -> Self {
        Self { purges: Arc::from([]), names: Names::NONE }
    }

    /// A purge of everything.
    pub(super) fn everything() -> Self {
        Self { purges: Arc::from([Purge::everything()]), names: Names::everything() }
    }

    pub(super) fn of(batch: &[Invalidation], named: bool) -> Self {
        let names = if named { Names::of(batch) } else { Names::NONE };
        Self { purges: batch.iter().map(Purge::from).collect(), names }
    }

    /// `batch` by name, in as few parts as records can hold, in its order.
    pub(super) fn parts(batch: &[Invalidation]) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut rest = batch;
        while !rest.is_empty() {
            let (part, others) = rest.split_at(fitting(rest));
            parts.push(Self::of(part, true));
            rest = others;
        }
        parts
    }

    /// All of `several`, in their order. Where only some have names, they name everything together.
    pub(super) fn join<'a>(several: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let named = several.clone().any(|batch| !batch.names.is_empty());
        let names = if several.clone().any(|batch| batch.is_nameless(named)) {
            Names::everything()
        } else {
            Names::concat(several.clone().map(|batch| &batch.names))
        };
        Self { purges: several.flat_map(|batch| batch.purges.iter().copied()).collect(), names }
    }

    /// Bytes that it takes.
    pub(super) fn weight(&self) -> usize {
        self.purges.len() * Purge::SIZE + self.names.as_bytes().len()
    }

    /// Fewer in place of `several`: each purge once, and where they weigh more than `room` even so, [wider](fold) ones, by name
    /// too. Of those without names nothing is known that is wider, but everything.
    pub(super) fn fold<'a>(several: impl Iterator<Item = &'a Self>, room: usize) -> Vec<Self> {
        let (named, nameless): (Vec<_>, Vec<_>) = several.partition(|batch| !batch.names.is_empty());
        let mut seen = HashSet::new();
        let purges = nameless.iter().flat_map(|batch| batch.purges.iter().copied());
        let purges: Vec<_> = purges.filter(|purge| seen.insert(*purge)).collect();
        let bytes = room.saturating_sub(purges.len() * Purge::SIZE);
        if bytes == 0 {
            return vec![Self::everything()];
        }
        // What cannot be read may be anything.
        let read =
            |batch: &&Self| batch.names.read().unwrap_or_else(|_| vec![Invalidation::hard(Matcher::All)]);
        let folded = fold(named.iter().flat_map(read), Room { bytes, each: NAMED });
        let nameless = purges.chunks(MAX_PURGES);
        let nameless = nameless.map(|purges| Self { purges: purges.into(), names: Names::NONE });
        Self::parts(&folded).into_iter().chain(nameless).collect()
    }

    /// Whether CDNs cannot be told what it purges, although they should be.
    pub(super) fn is_nameless(&self, named: bool) -> bool {
        named && self.names.is_empty() && !self.purges.is_empty()
    }
}

/// How many of `batch` go into one record with their names; at least one.
fn fitting(batch: &[Invalidation]) -> usize {
    let mut room = MAX_NAMES;
    let fits = |one: &&Invalidation| {
        let bytes = Names::of(slice::from_ref(*one)).as_bytes().len();
        let fits = bytes <= room;
        room = room.saturating_sub(bytes);
        fits
    };
    batch.iter().take(MAX_PURGES).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(count: usize, bytes: usize) -> Vec<Invalidation> {
        let tag = |number| {
            let number = format!("{number:04}");
            Invalidation::hard(Matcher::Tag(
                format!("{number}{}", "t".repeat(bytes.saturating_sub(4))).into(),
            ))
        };
        (0..count).map(tag).collect()
    }

    #[test]
    fn parts_hold_what_records_can() {
        #[track_caller]
        fn check(batch: &[Invalidation], expected: &[usize]) {
            let parts = Batch::parts(batch);
            let counts: Vec<_> = parts.iter().map(|part| part.purges.len()).collect();
            assert_eq!(counts, expected);
            let whole = Batch::join(parts.iter());
            assert_eq!(whole, Batch::of(batch, true), "nothing is lost on the way");
        }
        check(&[], &[]);
        check(&tags(1, 4), &[1]);
        check(&tags(MAX_PURGES + 1, 4), &[MAX_PURGES, 1]);
        check(&tags(3, MAX_NAMES / 2), &[1, 1, 1]);
        check(&tags(5, MAX_NAMES / 2 - 40), &[2, 2, 1]);
        check(&tags(2, 2 * MAX_NAMES), &[1, 1]);
    }

    #[test]
    fn names_of_a_part_name_everything() {
        let of = |named| Batch::of(&tags(1, 4), named);
        assert_eq!(Batch::join([of(true), of(false)].iter()).names, Names::everything());
        assert!(Batch::join([of(false), of(false)].iter()).names.is_empty());
        assert_eq!(Batch::join([of(true), Batch::nothing()].iter()).names, of(true).names);
    }

    #[test]
    fn only_what_should_be_named_is_nameless() {
        assert!(Batch::of(&tags(1, 4), false).is_nameless(true));
        assert!(!Batch::of(&tags(1, 4), false).is_nameless(false));
        assert!(!Batch::of(&tags(1, 4), true).is_nameless(true));
        assert!(!Batch::nothing().is_nameless(true));
        assert!(!Batch::everything().is_nameless(true));
    }
}
