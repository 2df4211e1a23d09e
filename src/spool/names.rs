//! What records name: read, put together, and kept short enough for a record.

use crate::invalidation::{Invalidation, Matcher, Names, Room, fold};
use std::collections::HashSet;

/// Bytes of the names of one record at most: tens of thousands of purges. In place of more there are [fewer and wider](fold) ones.
pub(super) const MAX_NAMES: usize = 4 << 20;

/// Bytes that stand around the text of a purge where it is named.
const NAMED: usize = 30;

/// What a job, an intent or a dead letter takes beside its names and its reason, in memory and in the journal.
const OVERHEAD: usize = 128;

/// What `names` name; what cannot be read is everything.
pub(super) fn read(names: &Names) -> Vec<Invalidation> {
    names.read().unwrap_or_else(|_| vec![Invalidation::hard(Matcher::All)])
}

/// The names of a batch, or of fewer and wider purges where they are too long for a record.
pub(super) fn bounded(batch: &[Invalidation]) -> Names {
    let fits = |names: &Names| names.as_bytes().len() <= MAX_NAMES;
    // Room for what has to be escaped, too.
    let room = Room { bytes: MAX_NAMES / 2, each: NAMED };
    let folded = || Some(Names::of(&fold(batch.iter().cloned(), room))).filter(fits);
    Some(Names::of(batch)).filter(fits).or_else(folded).unwrap_or_else(everything)
}

/// Names everything, hard.
pub(super) fn everything() -> Names {
    Names::of(&[Invalidation::hard(Matcher::All)])
}

/// Each name once, in the order of the first; fewer and wider ones where they are too many for a record.
pub(super) fn union<'a>(each: impl Iterator<Item = &'a Names>) -> Names {
    let mut seen = HashSet::new();
    let mut text = Vec::new();
    for line in each.flat_map(lines).filter(|line| seen.insert(*line)) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    let names = Names::from_bytes(&text);
    if text.len() <= MAX_NAMES { names } else { bounded(&read(&names)) }
}

/// The names, one a line.
pub(super) fn lines(names: &Names) -> impl Iterator<Item = &[u8]> {
    names.as_bytes().split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}

/// Bytes that a record with these names takes, in memory and in the journal.
pub(super) fn weight(names: &Names) -> usize {
    written(names.as_bytes()) + OVERHEAD
}

/// Bytes of a text in the journal, where it is a string of JSON: what has to be escaped takes up to six times as many.
pub(super) fn written(text: &[u8]) -> usize {
    let escaped = |byte: &u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.iter().map(escaped).sum()
}
