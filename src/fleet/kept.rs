//! The records a node applied lately, in case a fail-over loses them.

use super::{Record, RecordId};
use crate::invalidation::{Position, Purge};
use std::collections::VecDeque;
use std::sync::Arc;

/// Purges kept at most, over all records: a few MiB, and at a thousand purges a second more than a minute. A replica that is
/// further behind when it takes over is behind by more than anybody can make good one by one.
const MAX_KEPT: usize = 1 << 16;

/// Records in the order in which they were applied.
#[derive(Debug, Default)]
pub(super) struct Kept {
    records: VecDeque<(Position, RecordId, Arc<[Purge]>)>,
    purges: usize,
    /// The last position dropped for others.
    dropped: Position,
}

/// What a node has to append again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// These records, unless they turn up in the log.
    Records(Vec<(RecordId, Arc<[Purge]>)>),
    /// More than is known any more: everything.
    Everything,
}

impl Kept {
    pub(super) fn push(&mut self, record: &Record) {
        self.purges += record.purges.len();
        self.records.push_back((record.position, record.id, Arc::clone(&record.purges)));
        while self.purges > MAX_KEPT {
            let Some((position, _, purges)) = self.records.pop_front() else { break };
            self.purges -= purges.len();
            self.dropped = self.dropped.max(position);
        }
    }

    /// Takes out what was applied beyond `end`, in its order.
    pub(super) fn beyond(&mut self, end: Position) -> Lost {
        let first = self.records.partition_point(|(position, ..)| *position <= end);
        let lost: Vec<_> = self.records.drain(first..).map(|(_, id, purges)| (id, purges)).collect();
        self.purges -= lost.iter().map(|(_, purges)| purges.len()).sum::<usize>();
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(position: u64, purges: usize) -> Record {
        Record {
            position: Position::from_u64(position),
            previous: Position::START,
            id: RecordId(u128::from(position)),
            purges: vec![Purge::everything(); purges].into(),
            urgent: false,
        }
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
    fn an_end_before_all_that_is_kept_loses_everything() {
        let mut kept = Kept::default();
        (1..=3).for_each(|position| kept.push(&record(position, MAX_KEPT / 2)));
        assert_eq!(ids(kept.beyond(Position::from_u64(0))), None);
        let mut kept = Kept::default();
        (1..=3).for_each(|position| kept.push(&record(position, MAX_KEPT / 2)));
        assert_eq!(ids(kept.beyond(Position::from_u64(1))), Some(vec![2, 3]));
    }
}
