//! The records a node applied lately, in case a fail-over loses them.

use super::batch::Batch;
use super::{Record, RecordId};
use crate::invalidation::Position;
use std::collections::VecDeque;

/// Purges kept at most, over all records: a few MiB, and at a thousand purges a second more than a minute. A replica that is
/// further behind when it takes over is behind by more than anybody can make good one by one.
const MAX_KEPT: usize = 1 << 16;

/// Bytes of their names at most: 256 for each of so many.
const MAX_KEPT_NAMES: usize = MAX_KEPT * 256;

/// Records in the order in which they were applied.
#[derive(Debug, Default)]
pub(super) struct Kept {
    records: VecDeque<(Position, RecordId, Batch)>,
    purges: usize,
    /// Bytes of their names.
    names: usize,
    /// The last position dropped for others.
    dropped: Position,
}

/// What a node has to append again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// These records, unless they turn up in the log.
    Records(Vec<(RecordId, Batch)>),
    /// More than is known any more: everything.
    Everything,
}

impl Kept {
    pub(super) fn push(&mut self, record: &Record) {
        let batch = Batch { purges: record.purges.clone(), names: record.names.clone() };
        self.purges += batch.purges.len();
        self.names += batch.names.as_bytes().len();
        self.records.push_back((record.position, record.id, batch));
        while self.purges > MAX_KEPT || self.names > MAX_KEPT_NAMES {
            let Some((position, _, batch)) = self.records.pop_front() else { break };
            self.forget(&batch);
            self.dropped = self.dropped.max(position);
        }
    }

    /// Takes out what was applied beyond `end`, in its order.
    pub(super) fn beyond(&mut self, end: Position) -> Lost {
        let first = self.records.partition_point(|(position, ..)| *position <= end);
        let lost: Vec<_> = self.records.drain(first..).map(|(_, id, batch)| (id, batch)).collect();
        lost.iter().for_each(|(_, batch)| self.forget(batch));
        let more = self.dropped > end;
        self.dropped = self.dropped.min(end);
        if more { Lost::Everything } else { Lost::Records(lost) }
    }

    /// The first position beyond `end`, as far as is known.
    pub(super) fn first_beyond(&self, end: Position) -> Option<Position> {
        if self.dropped > end {
            return Some(end);
        }
        let first = self.records.partition_point(|(position, ..)| *position <= end);
        self.records.get(first).map(|(position, ..)| *position)
    }

    /// Whether a record was applied lately.
    pub(super) fn knows(&self, id: RecordId) -> bool {
        self.records.iter().rev().any(|(_, known, _)| *known == id)
    }

    /// Forgets all of it: `position` is where everything before is known from elsewhere.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn forget(&mut self, batch: &Batch) {
        self.purges -= batch.purges.len();
        self.names -= batch.names.as_bytes().len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::{Names, Purge};

    fn record(position: u64, purges: usize) -> Record {
        Record {
            position: Position::from_u64(position),
            previous: Position::START,
            id: RecordId(u128::from(position)),
            purges: vec![Purge::everything(); purges].into(),
            names: Names::NONE,
            urgent: false,
        }
    }

    fn named(position: u64, bytes: usize) -> Record {
        Record { names: Names::from_bytes(&vec![b'x'; bytes]), ..record(position, 1) }
    }

    fn ids(lost: Lost) -> Option<Vec<u128>> {
        match lost {
            Lost::Records(records) => Some(records.into_iter().map(|(id, _)| id.0).collect()),
            Lost::Everything => None,
        }
    }

    #[test]
    fn what_lies_beyond_the_end_is_taken_out_once() {
        let mut kept = Kept::default();
        (1..=5).for_each(|position| kept.push(&record(position, 1)));
        assert!(kept.knows(RecordId(5)) && !kept.knows(RecordId(6)));
        assert_eq!(ids(kept.beyond(Position::from_u64(3))), Some(vec![4, 5]));
        assert!(kept.knows(RecordId(3)) && !kept.knows(RecordId(5)));
        assert_eq!(ids(kept.beyond(Position::from_u64(3))), Some(vec![]));
        assert_eq!(ids(kept.beyond(Position::from_u64(1))), Some(vec![2, 3]));
        assert_eq!(kept.purges, 1);
    }

    #[test]
    fn names_are_kept_with_what_they_name() {
        let mut kept = Kept::default();
        (1..=3).for_each(|position| kept.push(&named(position, 10)));
        let Lost::Records(lost) = kept.beyond(Position::from_u64(1)) else { panic!("all is kept") };
        assert!(lost.iter().all(|(_, batch)| batch.names.as_bytes().len() == 10));
        assert_eq!(kept.names, 10);
        (2..=3).for_each(|position| kept.push(&named(position, MAX_KEPT_NAMES / 2)));
        assert_eq!(ids(kept.beyond(Position::from_u64(0))), None, "the first went for the others");
    }

    #[test]
    fn an_end_before_all_that_is_kept_loses_everything() {
        let mut kept = Kept::default();
        (1..=3).for_each(|position| kept.push(&record(position, MAX_KEPT / 2)));
        assert_eq!(ids(kept.beyond(Position::from_u64(0))), None);
        let mut kept = Kept::default();
        (1..=3).for_each(|position| kept.push(&record(position, MAX_KEPT / 2)));
        assert_eq!(ids(kept.beyond(Position::from_u64(1))), Some(vec![2, 3]));
    }
}
