//! What a ledger has to know of the shared log that its node follows: which one it is, in which term, what happens when
//! that changes, and what fences of other nodes mean here.

use super::{Ledger, View};
use crate::invalidation::{
    Bearings, Epoch, Fence, Kind, LedgerSettings, Place, Position, Purge, SharedFence, Term, Verdict,
};
use crate::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The shared log, as far as this node follows one.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// Whether there is a shared log, followed yet or not.
    shared: bool,
    log: Option<Log>,
    /// The first stamp of a purge that applies here and is not known to stand in the log; 0: there is none.
    outstanding: u64,
}

#[derive(Debug)]
struct Log {
    epoch: Epoch,
    /// Where each term before the present one ended.
    ends: Box<[Position]>,
    /// Whether all that the log invalidated is known here, up to the position applied.
    complete: bool,
}

/// How a place in a log compares with what a node has applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is applied.
    Applied,
    /// It is not applied yet, or was never handed out.
    Ahead,
    /// In a log, or a term, of which this node knows nothing, or lost with the end of a term.
    Beyond,
    /// In no log that this node could follow: it says nothing.
    Unknown,
}

impl Ledger {
    /// A ledger whose node is to follow a shared log and has not begun to. `blind_limit`: how long an entry counts as
    /// fresh after it was validated, or after the log was last followed, whichever is later.
    pub fn cut_off(settings: &LedgerSettings, blind_limit: Duration) -> Self {
        let ledger = Self { blind_limit, ..Self::new(settings, Position::START) };
        ledger.followed.store(0, Ordering::Relaxed);
        ledger.lock().shared = true;
        ledger
    }

    /// The fence a fill takes now, as other nodes can judge it. `None` while this node cannot vouch for anything: it
    /// follows no log yet, or has not learnt all that the log invalidated before.
    pub fn shared_fence(&self) -> Option<SharedFence> {
        let following = self.lock();
        let log = following.log.as_ref().filter(|log| log.complete)?;
        Some(SharedFence { epoch: log.epoch, position: self.applied() })
    }

    /// What a fence of another node means here: its entry is then judged as any other. `None`: it was taken from a log, or in a
    /// term, of which this node knows nothing, and proves nothing here.
    ///
    /// A fence of an earlier term counts as at most the end of that term, as what came later may have been lost. While a
    /// purge of this node is not in the log, no other node's fence covers it, however late. No fence in here is beyond the last
    /// stamp, so that whatever is applied later is later than all of them. And none is before the stamp at which this node began
    /// to follow the log: the log itself proves it, even where nothing was ever appended to it, and all that the log tells of is
    /// applied with later stamps.
    fn localize(&self, fence: SharedFence) -> Option<Fence> {
        let following = self.lock();
        let log = following.log.as_ref()?;
        if fence.epoch.birth != log.epoch.birth || fence.epoch.term > log.epoch.term {
            return None;
        }
        let position = log.end_of(fence.epoch.term).map_or(fence.position, |end| fence.position.min(end));
        let stamp = position.as_u64();
        let stamp = stamp.min(self.stamp.load(Ordering::Relaxed)).max(self.proven.load(Ordering::Relaxed));
        Some(Fence::from_stamp(match following.outstanding {
            0 => stamp,
            first => stamp.min(first - 1),
        }))
    }

    /// Judges what another node stored under `fence` and `bearings`; also says with which fence it may be kept here.
    pub fn judge_shared(&self, fence: SharedFence, bearings: &Bearings) -> (Verdict, Fence) {
        match self.localize(fence) {
            Some(fence) => (self.judge(fence, bearings), fence),
            None => (Verdict::Unproven, Fence::default()),
        }
    }

    /// When the log was last followed.
    pub fn followed_at(&self) -> Timestamp {
        Timestamp::from_millis(self.followed.load(Ordering::Relaxed))
    }

    /// All that stood in the log at `at` is applied.
    pub fn followed(&self, at: Timestamp) {
        self.followed.fetch_max(at.as_millis(), Ordering::Relaxed);
    }

    /// Applies purges that are not in the log yet: they reach what is stored here, and [`Ledger::applied`] does not move.
    /// Fences of other nodes do not cover them until [`Ledger::appended`].
    pub fn apply_here(&self, purges: impl IntoIterator<Item = Purge>) {
        let mut following = self.lock();
        let stamp = self.next_stamp();
        self.record_all(purges, stamp);
        self.stamp.store(stamp, Ordering::Release);
        if following.outstanding == 0 {
            following.outstanding = stamp;
        }
    }

    /// Applies purges that stand in the log at `position`, although what stands before them is not applied yet:
    /// [`Ledger::applied`] does not move.
    pub fn apply_ahead(&self, position: Position, purges: impl IntoIterator<Item = Purge>) {
        let _turn = self.lock();
        let stamp = position.as_u64().max(self.next_stamp());
        self.record_all(purges, stamp);
        self.stamp.store(stamp, Ordering::Release);
    }

    /// All that was applied here before its turn stands in the log by now and is applied from there, too.
    pub fn appended(&self) {
        self.lock().outstanding = 0;
    }

    /// Follows another log from now on, or a first one; `ends`: where each of its earlier terms ended.
    ///
    /// It proves nothing about what is stored here: all of that has to be revalidated, and what the log has invalidated is
    /// to be loaded before this node can vouch for anything. `missing`: purges from here on are not in it, although they are
    /// applied here; until [`Ledger::appended`] fences of other nodes do not cover them.
    pub fn follow(&self, epoch: Epoch, ends: &[Position], missing: Option<Position>) {
        let mut following = self.lock();
        if let Some(first) = missing {
            following.leave_outstanding(first.as_u64());
        }
        let stamp = self.next_stamp();
        self.proven.store(stamp, Ordering::Relaxed);
        self.latest.store(stamp, Ordering::Release);
        self.stamp.store(stamp, Ordering::Release);
        self.applied.store(0, Ordering::Release);
        following.log = Some(Log { epoch, ends: ends.into(), complete: false });
    }

    /// Goes on with the log it follows, in a new term. What was applied beyond the end of the term before may be lost: until
    /// [`Ledger::appended`] says that it stands there again, fences of other nodes do not cover it.
    pub fn go_on(&self, epoch: Epoch, ends: &[Position]) {
        let mut following = self.lock();
        let Some(log) = &mut following.log else {
            drop(following);
            return self.follow(epoch, ends, None);
        };
        let before = std::mem::replace(&mut log.epoch, epoch);
        log.ends = ends.into();
        let end = log.end_of(before.term).unwrap_or(Position::START);
        if self.applied() > end {
            self.applied.store(end.as_u64(), Ordering::Release);
            following.leave_outstanding(end.as_u64() + 1);
        }
    }

    /// Takes over the log's table, whole: as it stood when the log had handed out `position`, or later. `marks`: when
    /// each kind of matcher was last invalidated by then, hard and soft. From here on the log is applied record by record.
    ///
    /// What this node has not applied counts as later than all that it has. In one step, since an entry that is found live
    /// between two parts would be taken for live up to the stamp that the first part was given.
    pub fn load(
        &self,
        position: Position,
        marks: [[Position; Kind::EACH.len()]; 2],
        tables: [&[Position]; 2],
    ) {
        let mut following = self.lock();
        let applied = self.applied();
        let latest =
            tables.into_iter().flatten().chain(marks.iter().flatten()).max().copied().unwrap_or_default();
        let next = self.next_stamp();
        let stamp = position.max(latest).as_u64().max(next);
        let stamp_of = |of: Position| if of > applied { of.as_u64().max(next) } else { of.as_u64() };
        for (side, (table, marks)) in [&self.hard, &self.soft].into_iter().zip(tables.into_iter().zip(marks))
        {
            let written = (0..).zip(table).filter(|(_, position)| **position > Position::START);
            written.for_each(|(slot, position)| side.table.raise_slot(slot, stamp_of(*position)));
            for (known, mark) in side.marks.iter().zip(marks) {
                known.fetch_max(stamp_of(mark), Ordering::Relaxed);
            }
        }
        // The records do not tell of what was loaded.
        let View { recent, sealed, .. } = &**self.view.load();
        self.view.store(Arc::new(View { recent: Arc::clone(recent), sealed: sealed.clone(), reach: stamp }));
        self.latest.store(stamp, Ordering::Release);
        self.stamp.store(stamp, Ordering::Release);
        self.applied.store(position.max(applied).as_u64(), Ordering::Release);
        if let Some(log) = &mut following.log {
            log.complete = true;
        }
    }

    /// How a place in a log compares with what is applied here.
    pub fn standing(&self, place: Place) -> Standing {
        let applied = self.applied();
        let following = self.lock();
        let (epoch, log) = match (place.epoch, &following.log) {
            (None, None) if place.position <= applied => return Standing::Applied,
            // The log of a process on its own hands out nothing that it has not applied; nor does any log that is not shared
            // mean anything where one is, or the other way round.
            (None, _) => return Standing::Unknown,
            (Some(_), None) if !following.shared => return Standing::Unknown,
            (Some(_), None) => return Standing::Beyond,
            (Some(epoch), Some(log)) => (epoch, log),
        };
        if epoch.birth != log.epoch.birth || epoch.term > log.epoch.term {
            return Standing::Beyond;
        }
        match log.end_of(epoch.term) {
            // It was lost, and stands elsewhere by now or nowhere.
            Some(end) if place.position > end => Standing::Beyond,
            _ if place.position <= applied => Standing::Applied,
            _ => Standing::Ahead,
        }
    }

    /// The log that is followed.
    pub fn epoch(&self) -> Option<Epoch> {
        self.lock().log.as_ref().map(|log| log.epoch)
    }
}

impl Following {
    /// Purges with this stamp and later ones are not in the log.
    fn leave_outstanding(&mut self, first: u64) {
        // 0 stands for none; nothing has that stamp.
        let first = first.max(1);
        self.outstanding = match self.outstanding {
            0 => first,
            before => before.min(first),
        };
    }
}

impl Log {
    /// Where `term` ended; `None` if it is the present one.
    fn end_of(&self, Term(term): Term) -> Option<Position> {
        if term >= self.epoch.term.0 {
            return None;
        }
        // Terms count from 1. One for which no end is recorded proves nothing.
        let index = usize::try_from(term).ok().and_then(|term| term.checked_sub(1));
        Some(index.and_then(|index| self.ends.get(index)).copied().unwrap_or(Position::START))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::{Birth, Invalidation, Matcher, Sight, table_slots};

    const NONE: [[Position; Kind::EACH.len()]; 2] = [[Position::START; Kind::EACH.len()]; 2];

    fn marked(kind: Kind, number: u64) -> [Position; Kind::EACH.len()] {
        let mut marks = NONE[0];
        marks[kind as usize] = at(number);
        marks
    }

    fn at(number: u64) -> Position {
        Position::from_u64(number)
    }

    fn epoch(birth: u128, term: u32) -> Epoch {
        Epoch { birth: Birth(birth), term: Term(term) }
    }

    fn fence(birth: u128, term: u32, position: u64) -> SharedFence {
        SharedFence { epoch: epoch(birth, term), position: at(position) }
    }

    fn purge(tag: &str) -> Purge {
        Purge::from(&Invalidation::hard(Matcher::Tag(tag.into())))
    }

    fn tagged(tag: &str) -> Bearings {
        Bearings::new("h", "/", "r", [tag]).unwrap()
    }

    /// Follows log 1 in term 1, with all up to `position` loaded.
    fn following(position: u64) -> Ledger {
        let settings = LedgerSettings { memory: 1 << 20, table_slots: 1 << 10 };
        let ledger = Ledger::cut_off(&settings, Duration::from_secs(5));
        ledger.follow(epoch(1, 1), &[], None);
        ledger.load(at(position), NONE, [&[], &[]]);
        ledger
    }

    fn check(ledger: &Ledger, fence: SharedFence, tag: &str, expected: Verdict) {
        assert_eq!(ledger.judge_shared(fence, &tagged(tag)).0, expected, "{fence:?} {tag}");
    }

    #[test]
    fn a_node_that_knows_no_log_vouches_for_nothing() {
        let settings = LedgerSettings { memory: 1 << 20, table_slots: 1 << 10 };
        let ledger = Ledger::cut_off(&settings, Duration::from_secs(5));
        assert_eq!(ledger.shared_fence(), None);
        check(&ledger, fence(1, 1, 50), "t", Verdict::Unproven);
        ledger.follow(epoch(1, 1), &[], None);
        assert_eq!(ledger.shared_fence(), None, "what the log invalidated before is not known yet");
        ledger.load(at(40), NONE, [&[], &[]]);
        assert_eq!(ledger.shared_fence(), Some(fence(1, 1, 40)));
    }

    #[test]
    fn fences_of_other_nodes_are_positions() {
        let ledger = following(100);
        ledger.apply_purges(at(200), [purge("t")]);
        check(&ledger, fence(1, 1, 199), "t", Verdict::Dead);
        check(&ledger, fence(1, 1, 200), "t", Verdict::Live);
        check(&ledger, fence(1, 1, 199), "other", Verdict::Live);
        check(&ledger, fence(2, 1, 300), "other", Verdict::Unproven);
        check(&ledger, fence(1, 2, 300), "other", Verdict::Unproven);
    }

    #[test]
    fn a_log_in_which_nothing_stands_yet_proves_what_was_stored_beside_it() {
        let ledger = following(0);
        let stored = ledger.shared_fence().unwrap();
        assert_eq!(stored, fence(1, 1, 0));
        check(&ledger, stored, "t", Verdict::Live);
        ledger.apply_purges(at(1), [purge("t")]);
        check(&ledger, stored, "t", Verdict::Dead);
        check(&ledger, stored, "other", Verdict::Live);
        // Another log that is as empty, while a purge of this node is missing in it.
        let missing = ledger.fence();
        ledger.follow(epoch(2, 1), &[], Some(at(missing.stamp())));
        ledger.load(at(0), NONE, [&[], &[]]);
        check(&ledger, fence(2, 1, 0), "t", Verdict::Dead);
        ledger.appended();
        check(&ledger, fence(2, 1, 0), "other", Verdict::Live);
    }

    #[test]
    fn a_purge_that_is_not_in_the_log_reaches_what_others_stored_however_late() {
        let ledger = following(100);
        let before = ledger.fence();
        ledger.apply_here([purge("t")]);
        assert_eq!(ledger.applied(), at(100));
        assert_eq!(ledger.judge(before, &tagged("t")), Verdict::Dead);
        assert_eq!(ledger.judge(ledger.fence(), &tagged("t")), Verdict::Live);
        check(&ledger, fence(1, 1, 5_000), "t", Verdict::Dead);
        check(&ledger, fence(1, 1, 5_000), "other", Verdict::Live);
        ledger.apply_purges(at(6_000), [purge("t")]);
        ledger.appended();
        check(&ledger, fence(1, 1, 5_000), "t", Verdict::Dead);
        check(&ledger, fence(1, 1, 6_000), "t", Verdict::Live);
    }

    #[test]
    fn no_fence_is_beyond_what_is_applied_here() {
        let ledger = following(100);
        let (verdict, kept) = ledger.judge_shared(fence(1, 1, 500), &tagged("t"));
        assert_eq!((verdict, kept), (Verdict::Live, ledger.fence()));
        // Cut off, it purges by itself: that is later than whatever it took from others before.
        ledger.apply_here([purge("t")]);
        assert_eq!(ledger.judge(kept, &tagged("t")), Verdict::Dead);
    }

    #[test]
    fn an_own_record_behind_a_gap_reaches_what_is_stored_before_it() {
        let ledger = following(100);
        let before = ledger.fence();
        ledger.apply_ahead(at(300), [purge("t")]);
        assert_eq!(ledger.applied(), at(100));
        assert_eq!(ledger.judge(before, &tagged("t")), Verdict::Dead);
        check(&ledger, fence(1, 1, 299), "t", Verdict::Dead);
        check(&ledger, fence(1, 1, 300), "t", Verdict::Live);
    }

    #[test]
    fn places_compare_within_one_life_of_a_log() {
        let ledger = following(100);
        let place = |birth, term, position| Place { epoch: Some(epoch(birth, term)), position: at(position) };
        for (place, expected) in [
            (place(1, 1, 100), Standing::Applied),
            (place(1, 1, 101), Standing::Ahead),
            (place(2, 1, 50), Standing::Beyond),
            (place(1, 2, 50), Standing::Beyond),
            (Place { epoch: None, position: at(50) }, Standing::Unknown),
        ] {
            assert_eq!(ledger.standing(place), expected, "{place}");
        }
        ledger.go_on(epoch(1, 2), &[at(90)]);
        for (place, expected) in [
            (place(1, 1, 90), Standing::Applied),
            (place(1, 1, 91), Standing::Beyond),
            (place(1, 2, 91), Standing::Ahead),
        ] {
            assert_eq!(ledger.standing(place), expected, "{place}");
        }
        let local = Ledger::new(&LedgerSettings { memory: 1 << 20, table_slots: 1 }, at(7));
        assert_eq!(local.standing(Place { epoch: None, position: at(7) }), Standing::Applied);
        assert_eq!(local.standing(Place { epoch: None, position: at(8) }), Standing::Unknown);
        assert_eq!(local.standing(place(1, 1, 1)), Standing::Unknown);
        let alone = Ledger::cut_off(&LedgerSettings { memory: 1 << 20, table_slots: 1 }, Duration::ZERO);
        assert_eq!(
            alone.standing(place(1, 1, 1)),
            Standing::Beyond,
            "it may well be in the log to be followed"
        );
    }

    #[test]
    fn a_new_term_goes_on_from_where_the_last_one_ended() {
        let ledger = following(100);
        ledger.apply_purges(at(300), [purge("lost")]);
        let stored = ledger.fence();
        ledger.go_on(epoch(1, 2), &[at(150)]);
        assert_eq!(ledger.applied(), at(150));
        assert_eq!(ledger.shared_fence(), Some(fence(1, 2, 150)));
        // The clock of the new server is behind: its positions were given before.
        ledger.apply_purges(at(200), [purge("t")]);
        assert_eq!(ledger.judge(stored, &tagged("t")), Verdict::Dead, "stamps never fall");
        check(&ledger, fence(1, 1, 300), "t", Verdict::Dead);
        check(&ledger, fence(1, 1, 300), "other", Verdict::Live);
        check(&ledger, fence(1, 1, 300), "lost", Verdict::Dead);
        assert_eq!(ledger.judge(ledger.fence(), &tagged("t")), Verdict::Live);
    }

    #[test]
    fn another_log_proves_nothing_about_what_is_stored() {
        let ledger = following(100);
        let stored = ledger.fence();
        let checked = crate::invalidation::Checked::default();
        assert_eq!(ledger.judge_cached(stored, &tagged("t"), &checked), Verdict::Live);
        ledger.follow(epoch(2, 1), &[], None);
        assert_eq!(ledger.judge_cached(stored, &tagged("t"), &checked), Verdict::Unproven);
        assert_eq!(ledger.judge(ledger.fence(), &tagged("t")), Verdict::Live);
        assert_eq!(ledger.applied(), Position::START);
        ledger.load(at(50), NONE, [&[], &[]]);
        assert_eq!(ledger.judge_cached(stored, &tagged("t"), &checked), Verdict::Unproven);
        assert_eq!(ledger.judge(ledger.fence(), &tagged("t")), Verdict::Live);
        ledger.apply_purges(at(60), [purge("t")]);
        assert_eq!(ledger.judge_cached(stored, &tagged("t"), &checked), Verdict::Dead);
    }

    #[test]
    fn what_is_loaded_from_the_table_reaches_all_that_was_stored_before() {
        let ledger = following(100);
        let stored = ledger.fence();
        let mut table = [Position::START; 1 << 10];
        table_slots(purge("t").hash, 1 << 10).for_each(|slot| table[slot] = at(250));
        ledger.load(at(260), [marked(Kind::Tag, 250), NONE[1]], [&table, &[]]);
        assert_eq!(ledger.applied(), at(260));
        assert_eq!(ledger.judge(stored, &tagged("t")), Verdict::Dead);
        assert_eq!(ledger.judge(stored, &tagged("other")), Verdict::Live);
        check(&ledger, fence(1, 1, 249), "t", Verdict::Dead);
        check(&ledger, fence(1, 1, 250), "t", Verdict::Live);
        ledger.load(at(300), [marked(Kind::All, 280), NONE[1]], [&[], &[]]);
        check(&ledger, fence(1, 1, 279), "other", Verdict::Dead);
        check(&ledger, fence(1, 1, 280), "other", Verdict::Live);
    }

    #[test]
    fn freshness_ends_some_time_after_the_log_was_last_followed() {
        let ledger = following(100);
        let second = Timestamp::from_secs;
        ledger.followed(second(100));
        ledger.followed(second(90));
        for (validated_at, now, expected) in
            [(0, 100, true), (0, 105, true), (0, 106, false), (103, 108, true), (103, 109, false)]
        {
            assert_eq!(ledger.in_sight(second(validated_at), second(now)), expected, "{validated_at} {now}");
        }
        let left = |seconds| Sight::For(Duration::from_secs(seconds));
        for (validated_at, now, expected) in [
            (0, 104, Sight::Followed),
            (103, 105, left(3)),
            (103, 108, left(0)),
            (103, 109, Sight::Lost),
            (0, 105, Sight::Lost),
        ] {
            assert_eq!(ledger.sight(second(validated_at), second(now)), expected, "{validated_at} {now}");
        }
        let local = Ledger::new(&LedgerSettings { memory: 1 << 20, table_slots: 1 }, Position::START);
        assert!(local.in_sight(Timestamp::ZERO, Timestamp::MAX));
        assert_eq!(local.sight(Timestamp::ZERO, second(1)), Sight::Followed);
    }
}
