//! What this node knows of the log: recent purges exactly, all others by the table.
//!
//! Everything in here is ordered by *stamps*, see [`Fence`]. A record of the log is stamped with its position, or with the
//! next stamp where that is not later than all stamps before it. So the stamp of a record is never before its position, and
//! a fence of another node, which is a position, can be compared with stamps: it may look too old, never too new.
//!
//! # How reading and writing meet
//!
//! Writers take turns ([`Ledger::apply`] holds a mutex); readers take no lock and never wait. A writer first writes
//! the records and the table, then the marks of the kinds, and last, with `Release`, `latest`, `stamp` and `applied`. A reader
//! loads `latest` first, with `Acquire`: so whatever position it sees there, it finds all that was recorded up to it.
//! What it finds beyond that belongs to a purge that is just being applied, and counts early, which is allowed.
//!
//! The records change as a whole: a reader takes one [`View`] of them, and everything in it (records, sealed segments,
//! how far back they reach) belongs together, whatever is grown, sealed or dropped meanwhile.

use super::bearings::Section;
use super::recent::{Last, Recent};
use super::sealed::Segment;
use super::table::Table;
use super::{Bearings, Checked, Fence, Invalidation, Kind, Mode, Position, Purge};
use crate::time::Timestamp;
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

mod following;

use following::Following;
pub use following::Standing;

/// Slots of the newest records when nothing was invalidated yet: 24 KiB.
const FIRST_SLOTS: usize = 1 << 10;

/// Slots of the newest records at most: 6 MiB. They are sealed in one go, which takes a millisecond or two then.
const MOST_SLOTS: usize = 1 << 18;

/// Bytes of memory to one slot of the newest records: these take 5 % of it, and sealed ones, which are three times as
/// small, the rest.
const MEMORY_A_SLOT: usize = 512;

/// In a remembered position: the entry is stale. Positions that reach this bit (in the year 2248) are not remembered.
const STALE: u64 = 1 << 63;

/// Sizes of a [`Ledger`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// Bytes for exact records of recent purges: about 8.5 each. Some 24 KiB are taken in any case.
    pub memory: usize,
    /// Slots of the table behind them, 8 bytes each where written; rounded up to a power of two.
    pub table_slots: usize,
}

/// How much may be made of an entry, as far as that hangs on following the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The log is followed: whoever delivers purges to CDNs waits for this node.
    Followed,
    /// It is not, and nobody may be waiting. The entry was validated lately, and counts as fresh for so much longer.
    For(Duration),
    /// It has to be validated.
    Lost,
}

/// Whether an entry may still be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing reached it.
    Live,
    /// A soft purge reached it: to be revalidated, servable meanwhile.
    Stale,
    /// A log that would tell is lost: to be revalidated before it is served.
    Unproven,
    /// A purge reached it: never to be served again.
    Dead,
}

impl Verdict {
    /// Whether it may be served at all: fresh, while it is revalidated, or in place of an error.
    pub const fn may_serve(self) -> bool {
        matches!(self, Self::Live | Self::Stale)
    }

    /// The word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Unproven => "unproven",
            Self::Dead => "dead",
        }
    }
}

/// Figures of a ledger, for metrics and `/stats`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LedgerStats {
    /// Invalidations remembered one by one.
    pub exact: usize,
    /// Bytes they take.
    pub exact_bytes: usize,
    /// Bytes of the tables in memory.
    pub table_bytes: usize,
    /// Since when every invalidation is remembered one by one: an entry checked later never meets the table.
    pub reach: Position,
}

/// The invalidations applied on this node.
pub struct Ledger {
    /// The position in the log.
    applied: AtomicU64,
    /// The last stamp given.
    stamp: AtomicU64,
    /// The last stamp at which anything was invalidated.
    latest: AtomicU64,
    /// Entries with an earlier fence are unproven.
    proven: AtomicU64,
    /// When the log was last followed, in milliseconds since the epoch.
    followed: AtomicU64,
    blind_limit: Duration,
    hard: Side,
    soft: Side,
    view: ArcSwap<View>,
    /// Held by whoever changes anything.
    writer: Mutex<Following>,
    memory: usize,
    most_slots: usize,
}

/// What is kept of each mode apart.
struct Side {
    /// The last position at which each kind was invalidated; that of [`Kind::All`] is all there is to know of it.
    marks: [AtomicU64; Kind::EACH.len()],
    table: Table,
}

/// The exact records at one moment.
struct View {
    recent: Arc<Recent>,
    /// Oldest first.
    sealed: Vec<Arc<Segment>>,
    /// The last position dropped.
    reach: u64,
}

impl Ledger {
    /// An empty ledger whose applied position is `start`. It counts as following its log at every moment, until
    /// [`Ledger::cut_off`] says otherwise.
    pub fn new(settings: &LedgerSettings, start: Position) -> Self {
        let LedgerSettings { memory, table_slots } = *settings;
        let view =
            View { recent: Arc::new(Recent::new(FIRST_SLOTS)), sealed: Vec::new(), reach: start.as_u64() };
        let most_slots = (memory / MEMORY_A_SLOT).clamp(FIRST_SLOTS, MOST_SLOTS);
        Self {
            applied: AtomicU64::new(start.as_u64()),
            stamp: AtomicU64::new(start.as_u64()),
            latest: AtomicU64::new(0),
            proven: AtomicU64::new(0),
            followed: AtomicU64::new(u64::MAX),
            blind_limit: Duration::ZERO,
            hard: Side::new(table_slots),
            soft: Side::new(table_slots),
            view: ArcSwap::from_pointee(view),
            writer: Mutex::default(),
            memory,
            most_slots: 1 << most_slots.ilog2(),
        }
    }

    /// The position up to which the log is applied without a gap.
    pub fn applied(&self) -> Position {
        Position::from_u64(self.applied.load(Ordering::Acquire))
    }

    /// The fence a fill takes now.
    pub fn fence(&self) -> Fence {
        Fence::from_stamp(self.stamp.load(Ordering::Acquire))
    }

    /// Whether an entry may count as fresh, as far as that hangs on following the log.
    pub fn in_sight(&self, validated_at: Timestamp, now: Timestamp) -> bool {
        now <= self.in_sight_until(validated_at)
    }

    /// Until when it may.
    pub fn in_sight_until(&self, validated_at: Timestamp) -> Timestamp {
        let followed = Timestamp::from_millis(self.followed.load(Ordering::Relaxed));
        followed.max(validated_at).plus(self.blind_limit)
    }

    /// Whether an entry may count as fresh, and for how long those may who are told of purges only when this node knows them.
    pub fn sight(&self, validated_at: Timestamp, now: Timestamp) -> Sight {
        let followed = Timestamp::from_millis(self.followed.load(Ordering::Relaxed));
        let until = validated_at.plus(self.blind_limit);
        match followed.plus(self.blind_limit) > now {
            true => Sight::Followed,
            false if until < now => Sight::Lost,
            false => Sight::For(until.since(now)),
        }
    }

    /// Applies what stands at `position`. What is not after [`Ledger::applied`] is known already and ignored, so a
    /// record may be delivered twice. When this returns, every judgement that follows sees it.
    pub fn apply(&self, position: Position, batch: &[Invalidation]) {
        self.apply_purges(position, batch.iter().map(Purge::from));
    }

    /// As [`Ledger::apply`], of what the log carries.
    pub fn apply_purges(&self, position: Position, purges: impl IntoIterator<Item = Purge>) {
        let writer = self.lock();
        if position <= self.applied() {
            return;
        }
        let stamp = position.as_u64().max(self.next_stamp());
        self.record_all(purges, stamp);
        self.stamp.store(stamp, Ordering::Release);
        self.applied.store(position.as_u64(), Ordering::Release);
        drop(writer);
    }

    /// Whether an entry with this fence and these bearings may be served.
    pub fn judge(&self, fence: Fence, bearings: &Bearings) -> Verdict {
        let since = fence.stamp();
        if self.latest.load(Ordering::Acquire) <= since {
            return Verdict::Live;
        }
        self.judge_since(since, bearings)
    }

    /// As [`Ledger::judge`], remembered in `checked`: one atomic load of the ledger while nothing was invalidated since.
    ///
    /// What was found live at a position is as good as filled at it, so an entry that is read now and then is always
    /// judged by exact records.
    pub fn judge_cached(&self, fence: Fence, bearings: &Bearings, checked: &Checked) -> Verdict {
        // Each value of `checked` is true by itself, whichever of several readers wrote last, so no order is needed.
        let known = checked.0.load(Ordering::Relaxed);
        let (stale, since) = (known & STALE, (known & !STALE).max(fence.stamp()));
        let latest = self.latest.load(Ordering::Acquire);
        let found = if latest <= since { Verdict::Live } else { self.judge_since(since, bearings) };
        let verdict = if found == Verdict::Live && stale != 0 { Verdict::Stale } else { found };
        if latest > since && latest < STALE {
            match verdict {
                Verdict::Live => checked.0.store(latest, Ordering::Relaxed),
                Verdict::Stale => checked.0.store(latest | STALE, Ordering::Relaxed),
                Verdict::Unproven | Verdict::Dead => {}
            }
        }
        verdict
    }

    /// Figures for observation.
    pub fn stats(&self) -> LedgerStats {
        let view = self.view.load();
        let sealed = |measure: fn(&Segment) -> usize| view.sealed.iter().map(|s| measure(s)).sum::<usize>();
        LedgerStats {
            exact: view.recent.len() + sealed(Segment::len),
            exact_bytes: view.recent.bytes() + sealed(Segment::bytes),
            table_bytes: self.hard.table.bytes() + self.soft.table.bytes(),
            reach: Position::from_u64(view.reach),
        }
    }

    /// Judges by what was invalidated after `since`. The caller has loaded `latest`.
    fn judge_since(&self, since: u64, bearings: &Bearings) -> Verdict {
        if self.hard.mark(Kind::All) > since {
            return Verdict::Dead;
        }
        let unproven = since < self.proven.load(Ordering::Relaxed);
        let mut verdict = if self.soft.mark(Kind::All) > since { Verdict::Stale } else { Verdict::Live };
        let view = self.view.load();
        for section in bearings.sections() {
            match self.judge_section(&view, since, &section) {
                Verdict::Dead => return Verdict::Dead,
                Verdict::Stale => verdict = Verdict::Stale,
                Verdict::Unproven | Verdict::Live => {}
            }
        }
        if unproven { Verdict::Unproven } else { verdict }
    }

    fn judge_section(&self, view: &View, since: u64, section: &Section<'_>) -> Verdict {
        let (hard, soft) = (self.hard.mark(section.kind) > since, self.soft.mark(section.kind) > since);
        if !hard && !soft {
            return Verdict::Live;
        }
        let mut stale = section.any && soft;
        if section.any && hard {
            return Verdict::Dead;
        }
        for &hash in section.hashes {
            let last = self.last(view, since, hash);
            if hard && last.hard > since {
                return Verdict::Dead;
            }
            stale |= soft && last.soft > since;
        }
        if stale { Verdict::Stale } else { Verdict::Live }
    }

    /// When `hash` was last invalidated, to all who ask about the time after `since`.
    fn last(&self, view: &View, since: u64, hash: u64) -> Last {
        let newer = view.sealed.iter().rev().take_while(|segment| segment.last() > since);
        let exact = newer.fold(view.recent.last(hash), |last, segment| last.or_later(segment.last_of(hash)));
        if since >= view.reach {
            return exact;
        }
        exact.or_later(Last { hard: self.hard.table.last(hash), soft: self.soft.table.last(hash) })
    }

    fn next_stamp(&self) -> u64 {
        self.stamp.load(Ordering::Relaxed).saturating_add(1)
    }

    /// Records `purges` and publishes that; the caller holds the turn.
    fn record_all(&self, purges: impl IntoIterator<Item = Purge>, stamp: u64) {
        let mut any = false;
        let mut kinds = [[false; Kind::EACH.len()]; 2];
        for Purge { kind, mode, hash } in purges {
            any = true;
            kinds[usize::from(mode == Mode::Soft)][kind as usize] = true;
            if kind != Kind::All {
                self.record(hash.0, mode, stamp);
            }
        }
        for (kinds, side) in kinds.iter().zip([&self.hard, &self.soft]) {
            let marks = kinds.iter().zip(&side.marks).filter(|(there, _)| **there);
            marks.for_each(|(_, mark)| mark.store(stamp, Ordering::Relaxed));
        }
        if any {
            self.latest.store(stamp, Ordering::Release);
        }
    }

    fn record(&self, hash: u64, mode: Mode, stamp: u64) {
        self.side(mode).table.raise(hash, stamp);
        while !self.view.load().recent.raise(hash, mode, stamp) {
            self.make_room();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Following> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the newest records more room, or seals them when they have as much as they may.
    fn make_room(&self) {
        let view = self.view.load_full();
        if view.recent.capacity() < self.most_slots {
            let recent = Arc::new(view.recent.grown());
            self.view.store(Arc::new(View { recent, sealed: view.sealed.clone(), reach: view.reach }));
            return;
        }
        let records: Vec<_> = view.recent.records().collect();
        let recent = Arc::new(Recent::new(self.most_slots));
        let sealed = view.sealed.iter().cloned().chain([Arc::new(Segment::new(&records))]).collect();
        let mut next = View { recent, sealed, reach: view.reach };
        next.drop_oldest(self.memory);
        self.view.store(Arc::new(next));
    }

    fn side(&self, mode: Mode) -> &Side {
        match mode {
            Mode::Hard => &self.hard,
            Mode::Soft => &self.soft,
        }
    }
}

impl Side {
    fn new(table_slots: usize) -> Self {
        Self { marks: Default::default(), table: Table::new(table_slots) }
    }

    fn mark(&self, kind: Kind) -> u64 {
        self.marks[kind as usize].load(Ordering::Relaxed)
    }
}

impl View {
    /// Drops segments until the rest fits into `memory`. The table knows what was in them.
    fn drop_oldest(&mut self, memory: usize) {
        let mut bytes = self.recent.bytes() + self.sealed.iter().map(|s| s.bytes()).sum::<usize>();
        let mut dropped = 0;
        while bytes > memory && dropped < self.sealed.len() {
            bytes -= self.sealed[dropped].bytes();
            self.reach = self.reach.max(self.sealed[dropped].last());
            dropped += 1;
        }
        self.sealed.drain(..dropped);
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("applied", &self.applied()).field("stats", &self.stats()).finish()
    }
}

#[cfg(test)]
mod tests;
