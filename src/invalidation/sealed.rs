//! Older invalidations, eight bytes each.

use super::Mode;
use super::recent::{Last, Record};

/// Records that share a bucket on average; a bucket is searched from end to end, and this is about a cache line.
const BUCKET: usize = 8;

/// Records that are written no more: hash and position of each, packed so that millions fit into the memory that is
/// set for them.
///
/// Of the hash its bucket tells the first bits, and the record the next 31; a mix-up needs both to agree and makes an
/// invalidation look later than it was. Positions are kept to 31 bits of the span between the first and the last
/// record and rounded up, which errs in the same direction: by less than a microsecond where they span a minute.
pub(super) struct Segment {
    /// A multiple of the rounding, at or before every position.
    base: u64,
    /// The last position.
    last: u64,
    shift: u32,
    bucket_bits: u32,
    /// Where each bucket begins, and where the last one ends.
    starts: Box<[u32]>,
    packed: Box<[Packed]>,
}

#[derive(Clone, Copy, Default)]
struct Packed {
    /// 31 bits of the hash, then 1 for a soft purge.
    mark: u32,
    /// Distance from the base, in units of the rounding.
    offset: u32,
}

impl Segment {
    /// Packs `records`; none of them has the position 0.
    pub(super) fn new(records: &[Record]) -> Self {
        let positions = || records.iter().map(|record| record.position);
        let first = positions().min().unwrap_or(0);
        let last = positions().max().unwrap_or(0);
        let shift = (u64::BITS - (last - first).leading_zeros()).saturating_sub(31);
        let buckets = (records.len() / BUCKET).max(1);
        let mut segment = Self {
            base: first >> shift << shift,
            last,
            shift,
            bucket_bits: buckets.ilog2(),
            starts: Box::default(),
            packed: vec![Packed::default(); records.len()].into(),
        };
        segment.fill(records);
        segment
    }

    /// When `hash` was last invalidated, as far as the records here tell.
    pub(super) fn last_of(&self, hash: u64) -> Last {
        let bucket = self.bucket_of(hash);
        let (from, to) = (self.starts[bucket] as usize, self.starts[bucket + 1] as usize);
        let mut last = Last::default();
        for packed in &self.packed[from..to] {
            if packed.mark >> 1 == self.mark_of(hash) {
                let position =
                    self.base.saturating_add(u64::from(packed.offset) << self.shift).min(self.last);
                let side = if packed.mark & 1 == 0 { &mut last.hard } else { &mut last.soft };
                *side = position.max(*side);
            }
        }
        last
    }

    /// The last position recorded.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Records held.
    pub(super) fn len(&self) -> usize {
        self.packed.len()
    }

    /// Bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.starts) + size_of_val(&*self.packed)
    }

    /// Sorts the records into their buckets: counts them, then puts each behind those of its bucket that went before.
    fn fill(&mut self, records: &[Record]) {
        let mut starts = vec![0_u32; (1 << self.bucket_bits) + 1];
        for record in records {
            starts[self.bucket_of(record.hash) + 1] += 1;
        }
        for bucket in 1..starts.len() {
            starts[bucket] += starts[bucket - 1];
        }
        let mut next = starts.clone();
        for record in records {
            let at = &mut next[self.bucket_of(record.hash)];
            self.packed[*at as usize] = self.pack(record);
            *at += 1;
        }
        self.starts = starts.into();
    }

    fn pack(&self, record: &Record) -> Packed {
        let soft = u32::from(record.mode == Mode::Soft);
        let units = (record.position - self.base).div_ceil(1 << self.shift);
        let offset =
            u32::try_from(units).expect("the rounding leaves 31 bits of the span, and one to round up");
        Packed { mark: self.mark_of(record.hash) << 1 | soft, offset }
    }

    fn bucket_of(&self, hash: u64) -> usize {
        hash.checked_shr(u64::BITS - self.bucket_bits).unwrap_or(0) as usize
    }

    /// The 31 bits behind those that tell the bucket.
    fn mark_of(&self, hash: u64) -> u32 {
        (hash << self.bucket_bits >> 33) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(n: u64) -> u64 {
        let digest = blake3::hash(&n.to_le_bytes());
        u64::from_le_bytes(digest.as_bytes()[..8].try_into().unwrap())
    }

    #[track_caller]
    fn check(count: u64, position: impl Fn(u64) -> u64, slack: u64) {
        let mode = |n: u64| if n.is_multiple_of(3) { Mode::Soft } else { Mode::Hard };
        let records: Vec<_> =
            (0..count).map(|n| Record { hash: hash(n), mode: mode(n), position: position(n) }).collect();
        let segment = Segment::new(&records);
        for (n, record) in (0..).zip(&records) {
            let last = segment.last_of(record.hash);
            let (found, other) = match record.mode {
                Mode::Hard => (last.hard, last.soft),
                Mode::Soft => (last.soft, last.hard),
            };
            assert!((record.position..=record.position + slack).contains(&found), "{n}: {found}");
            assert!(found <= segment.last());
            assert_eq!(other, 0);
        }
        assert!((count..2 * count).all(|n| segment.last_of(hash(n)) == Last::default()));
        assert_eq!(segment.len() as u64, count);
        assert!(count < 1000 || segment.bytes() < 9 * count as usize, "{} bytes", segment.bytes());
    }

    #[test]
    fn records_are_found_and_others_are_not() {
        check(1, |_| 1, 0);
        check(7, |n| n + 1, 0);
        check(50_000, |n| n + 1, 0);
        // A purge a millisecond: their positions are multiples of any rounding up to a millisecond.
        check(50_000, |n| (1_767_225_600_000 + n) << 20, 0);
        // Three a minute for a month.
        check(50_000, |n| ((1_767_225_600_000 + n * 20_000) << 20) | (n & 3), 1 << 20);
    }

    #[test]
    fn equal_hashes_give_the_latest() {
        let record = |mode, position| Record { hash: 9, mode, position };
        let all =
            [record(Mode::Hard, 3), record(Mode::Soft, 2), record(Mode::Hard, 8), record(Mode::Hard, 5)];
        assert_eq!(Segment::new(&all).last_of(9), Last { hard: 8, soft: 2 });
        assert_eq!(Segment::new(&[]).last_of(9), Last::default());
    }

    proptest! {
        #[test]
        fn rounding_never_goes_down(positions in prop::collection::vec(1..u64::MAX, 1..50)) {
            let records: Vec<_> = (0..).zip(&positions)
                .map(|(n, position)| Record { hash: hash(n), mode: Mode::Hard, position: *position })
                .collect();
            let segment = Segment::new(&records);
            for record in &records {
                prop_assert!(segment.last_of(record.hash).hard >= record.position);
            }
        }
    }
}
