//! What a ledger has to know of the shared log that its node follows: which one it is, in which term, what happens when
//! that changes, and what fences of other nodes mean here.

use super::{Ledger, View};
use crate::invalidation::{
    Bearings, Epoch, Fence, Kind, LedgerSettings, Mode, Position, Purge, SharedFence, Term, Verdict,
};
use crate::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The shared log, as far as this node follows one.
#[derive(Debug, Default)]
pub(super) struct Following {
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

/// What a fence of another node means on this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Localized {
    /// It can be judged by this fence.
    Fence(Fence),
    /// It was taken from a log, or in a term, of which this node knows nothing: it proves nothing here.
    Unproven,
}

impl Ledger {
    /// A ledger whose node is to follow a shared log and has not begun to. `blind_limit`: how long an entry counts as
    /// fresh after it was validated, or after the log was last followed, whichever is later.
    pub fn cut_off(settings: &LedgerSettings, blind_limit: Duration) -> Self {
        let ledger = Self { blind_limit, ..Self::new(settings, Position::START) };
        ledger.followed.store(0, Ordering::Relaxed);
        ledger
    }

    /// The fence a fill takes now, as other nodes can judge it. `None` while this node cannot vouch for anything: it
    /// follows no log yet, or has not learnt all that the log invalidated before.
    pub fn shared_fence(&self) -> Option<SharedFence> {
        let following = self.lock();
        let log = following.log.as_ref().filter(|log| log.complete)?;
        Some(SharedFence { epoch: log.epoch, position: self.applied() })
    }

    /// What a fence of another node means here. Its entry is then judged as any other.
    ///
    /// A fence of an earlier term counts as at most the end of that term, as what came later may have been lost. While a
    /// purge of this node is not in the log, no other node's fence covers it, however late.
    pub fn localize(&self, fence: SharedFence) -> Localized {
        let following = self.lock();
        let Some(log) = &following.log else { return Localized::Unproven };
        if fence.epoch.birth != log.epoch.birth || fence.epoch.term > log.epoch.term {
            return Localized::Unproven;
        }
        let position = log.end_of(fence.epoch.term).map_or(fence.position, |end| fence.position.min(end));
        let stamp = position.as_u64();
        Localized::Fence(Fence::from_stamp(match following.outstanding {
            0 => stamp,
            first => stamp.min(first - 1),
        }))
    }

    /// Judges what another node stored under `fence` and `bearings`; also says with which fence it may be kept here.
    pub fn judge_shared(&self, fence: SharedFence, bearings: &Bearings) -> (Verdict, Fence) {
        match self.localize(fence) {
            Localized::Fence(fence) => (self.judge(fence, bearings), fence),
            Localized::Unproven => (Verdict::Unproven, Fence::default()),
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

    /// Applies purges that are not in the log: they reach what is stored here, and [`Ledger::applied`] does not move.
    /// `outstanding`: they are still to be appended, so fences of other nodes do not cover them until
    /// [`Ledger::appended`].
    pub fn apply_here(&self, purges: impl IntoIterator<Item = Purge>, outstanding: bool) {
        let mut following = self.lock();
        let stamp = self.next_stamp();
        self.record_all(purges, stamp);
        self.stamp.store(stamp, Ordering::Release);
        if outstanding && following.outstanding == 0 {
            following.outstanding = stamp;
        }
    }

    /// All that was applied here before its turn stands in the log by now and is applied from there, too.
    pub fn appended(&self) {
        self.lock().outstanding = 0;
    }

    /// Follows another log from now on, or a first one; `ends`: where each of its earlier terms ended.
    ///
    /// It proves nothing about what is stored here: all of that has to be revalidated, and what the log has invalidated is
    /// to be loaded before this node can vouch for anything.
    pub fn follow(&self, epoch: Epoch, ends: &[Position]) {
        let mut following = self.lock();
        let stamp = self.next_stamp();
        self.proven.store(stamp, Ordering::Relaxed);
        self.latest.store(stamp, Ordering::Release);
        self.stamp.store(stamp, Ordering::Release);
        self.applied.store(0, Ordering::Release);
        following.log = Some(Log { epoch, ends: ends.into(), complete: false });
    }

    /// Goes on with the log it follows, in a new term. What was applied beyond the end of the term before may be lost: it
    /// is applied again from there, if it was not.
    pub fn go_on(&self, epoch: Epoch, ends: &[Position]) {
        let mut following = self.lock();
        let Some(log) = &mut following.log else {
            drop(following);
            return self.follow(epoch, ends);
        };
        let before = std::mem::replace(&mut log.epoch, epoch);
        log.ends = ends.into();
        let end = log.end_of(before.term).unwrap_or(Position::START);
        self.applied.store(self.applied().min(end).as_u64(), Ordering::Release);
    }

    /// Takes over a part of the log's table: what it says of slots from `first` on. What this node has not applied counts as
    /// invalidated just now.
    pub fn load_slots(&self, mode: Mode, first: usize, slots: &[Position]) {
        let _turn = self.lock();
        let (applied, next) = (self.applied(), self.next_stamp());
        for (slot, position) in (first..).zip(slots).filter(|(_, position)| **position > Position::START) {
            let stamp = if *position > applied { position.as_u64().max(next) } else { position.as_u64() };
            self.side(mode).table.raise_slot(slot, stamp);
        }
    }

    /// The whole table is taken over, as it stood when the log had handed out `position`; `all`: when everything was
    /// last invalidated, hard and soft. From here on the log is applied record by record.
    pub fn loaded(&self, position: Position, all: [Position; 2]) {
        let mut following = self.lock();
        let (applied, next) = (self.applied(), self.next_stamp());
        let stamp = position.as_u64().max(next);
        let view = self.view.load_full();
        self.view.store(Arc::new(View {
            recent: Arc::clone(&view.recent),
            sealed: view.sealed.clone(),
            reach: view.reach.max(stamp),
        }));
        for (side, all) in [&self.hard, &self.soft].into_iter().zip(all) {
            for kind in Kind::EACH.into_iter().filter(|kind| *kind != Kind::All) {
                side.marks[kind as usize].store(stamp, Ordering::Relaxed);
            }
            if all > applied {
                side.marks[Kind::All as usize].fetch_max(all.as_u64().max(next), Ordering::Relaxed);
            } else {
                side.marks[Kind::All as usize].fetch_max(all.as_u64(), Ordering::Relaxed);
            }
        }
        self.latest.store(stamp, Ordering::Release);
        self.stamp.store(stamp, Ordering::Release);
        self.applied.store(position.max(applied).as_u64(), Ordering::Release);
        if let Some(log) = &mut following.log {
            log.complete = true;
        }
    }

    /// The log that is followed.
    pub fn epoch(&self) -> Option<Epoch> {
        self.lock().log.as_ref().map(|log| log.epoch)
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
    use crate::invalidation::{Birth, Invalidation, Matcher};

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
        ledger.follow(epoch(1, 1), &[]);
        ledger.loaded(at(position), [Position::START; 2]);
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
        ledger.follow(epoch(1, 1), &[]);
        assert_eq!(ledger.shared_fence(), None, "what the log invalidated before is not known yet");
        ledger.loaded(at(40), [Position::START; 2]);
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
    fn a_purge_that_is_not_in_the_log_reaches_what_others_stored_however_late() {
        let ledger = following(100);
        let before = ledger.fence();
        ledger.apply_here([purge("t")], true);
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
        ledger.follow(epoch(2, 1), &[]);
        assert_eq!(ledger.judge_cached(stored, &tagged("t"), &checked), Verdict::Unproven);
        assert_eq!(ledger.judge(ledger.fence(), &tagged("t")), Verdict::Live);
        assert_eq!(ledger.applied(), Position::START);
        ledger.loaded(at(50), [Position::START; 2]);
        assert_eq!(ledger.judge_cached(stored, &tagged("t"), &checked), Verdict::Unproven);
        assert_eq!(ledger.judge(ledger.fence(), &tagged("t")), Verdict::Live);
        ledger.apply_purges(at(60), [purge("t")]);
        assert_eq!(ledger.judge_cached(stored, &tagged("t"), &checked), Verdict::Dead);
    }

    #[test]
    fn what_is_loaded_from_the_table_reaches_all_that_was_stored_before() {
        let ledger = following(100);
        let stored = ledger.fence();
        let slots: Vec<usize> = super::super::super::table_slots(purge("t").hash, 1 << 10).collect();
        for slot in slots {
            ledger.load_slots(Mode::Hard, slot, &[at(250)]);
        }
        ledger.loaded(at(260), [Position::START; 2]);
        assert_eq!(ledger.applied(), at(260));
        assert_eq!(ledger.judge(stored, &tagged("t")), Verdict::Dead);
        assert_eq!(ledger.judge(stored, &tagged("other")), Verdict::Live);
        check(&ledger, fence(1, 1, 249), "t", Verdict::Dead);
        check(&ledger, fence(1, 1, 255), "t", Verdict::Live);
        ledger.loaded(at(300), [at(280), Position::START]);
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
        let local = Ledger::new(&LedgerSettings { memory: 1 << 20, table_slots: 1 }, Position::START);
        assert!(local.in_sight(Timestamp::ZERO, Timestamp::MAX));
    }
}
