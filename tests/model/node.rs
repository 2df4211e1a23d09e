//! What a node does with the log and its own entries: the part that the code of `fleet` and `invalidation` follows.

use crate::rules::{Rule, Rules};
use crate::state::{
    Applied, Entry, Id, Load, Log, Matcher, Mode, Node, Outstanding, Record, Shared, SharedFence,
};

/// The birth of a log that a node has not seen yet.
const UNKNOWN: u8 = u8::MAX;

/// What a node may do with an entry in its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A hard purge reached it: nothing.
    Dead,
    /// Invalidated, or it may have been: revalidated before use.
    Unsure,
    /// A soft purge reached it: served while it is revalidated.
    Stale,
    /// Served.
    Fresh,
}

impl Log {
    /// The last position handed out.
    pub(crate) fn last(&self) -> u8 {
        self.records.as_slice().last().map_or(self.inherited(), |record| record.position)
    }

    /// Where the present term began.
    pub(crate) fn inherited(&self) -> u8 {
        self.ends.as_slice().last().copied().unwrap_or(0)
    }

    /// The first record after a position.
    pub(crate) fn next(&self, after: u8) -> Option<Record> {
        self.records.as_slice().iter().copied().find(|record| record.position > after)
    }

    /// The last version that the CDN is told of by what is queued: whatever was read of the origin before it is dropped.
    pub(crate) fn queue(&self) -> u8 {
        let named = self.records.as_slice().iter().filter(|record| record.named);
        named.map(|record| record.version).max().unwrap_or(0).max(self.queued)
    }

    /// A slot of the table.
    pub(crate) fn slot(&self, slot: usize) -> u8 {
        let raised = |record: &&Record| record.id.matcher().slots().contains(&slot);
        self.records.as_slice().iter().filter(raised).map(|record| record.position).max().unwrap_or(0)
    }
}

impl Node {
    /// A process that has just started and loaded the table. `past`: how far its stamps are ahead of the log, after
    /// purges of its own.
    pub(crate) fn started(log: &Log, past: u8) -> Self {
        let mut node = Self { birth: log.birth, term: log.term, applied: log.last(), ..Self::default() };
        node.last = node.applied + past;
        node.reach = node.last;
        for record in log.records.as_slice() {
            node.promise(record);
            if record.id.matcher() == Matcher::Ours {
                node.exact[record.mode as usize] = record.position;
            }
        }
        for (slot, stamp) in node.table.iter_mut().enumerate() {
            *stamp = log.slot(slot);
        }
        node
    }

    /// A process that has just started and cannot reach the log. Nothing in the tier is proven to it.
    pub(crate) fn started_alone() -> Self {
        Self { birth: UNKNOWN, cut: true, blind: true, ..Self::default() }
    }

    /// The fence of a fill that begins now.
    pub(crate) fn fence(&self) -> u8 {
        self.last
    }

    /// The same for the other nodes.
    pub(crate) fn shared_fence(&self) -> SharedFence {
        SharedFence { birth: self.birth, term: self.term, position: self.applied }
    }

    /// An entry of the shared tier as this node may keep it.
    pub(crate) fn adopt(&self, shared: &Shared, log: &Log, rules: Rules) -> Option<Entry> {
        let SharedFence { birth, term, position } = shared.fence;
        let entry = |fence, unproven| Some(Entry { reply: shared.reply, fence, unproven, aged: shared.aged });
        if birth != self.birth && rules.has(Rule::Birth) {
            return entry(0, true);
        }
        let mut fence = position;
        if birth == self.birth && rules.has(Rule::TermEnd) {
            if term > self.term {
                return None;
            }
            let ends = log.ends.as_slice().iter().take(self.term.into()).skip(term.into());
            fence = ends.fold(fence, |fence, end| fence.min(*end));
        }
        if rules.has(Rule::Ceiling) {
            fence = fence.min(self.last);
        }
        if rules.has(Rule::Outstanding) {
            let counts = |purge: &&Outstanding| !purge.lost || rules.has(Rule::LostOutstanding);
            let first = self.outstanding.as_slice().iter().filter(counts).map(|purge| purge.stamp).min();
            fence = first.map_or(fence, |stamp| fence.min(stamp.saturating_sub(1)));
        }
        entry(fence, false)
    }

    /// What may be done with an entry.
    pub(crate) fn judge(&self, entry: &Entry, rules: Rules) -> Verdict {
        let fence = if rules.has(Rule::Fence) { entry.fence } else { u8::MAX };
        if self.purged(fence, rules) {
            return Verdict::Dead;
        }
        if entry.unproven || (self.blind && entry.aged && rules.has(Rule::Limit)) {
            return Verdict::Unsure;
        }
        if self.exact[Mode::Soft as usize] > fence && rules.has(Rule::Soft) {
            return Verdict::Stale;
        }
        Verdict::Fresh
    }

    /// Whether a hard purge of the key has a stamp after `fence`.
    fn purged(&self, fence: u8, rules: Rules) -> bool {
        if fence >= self.reach || !rules.has(Rule::Reach) {
            return self.exact[Mode::Hard as usize] > fence;
        }
        let slots = Matcher::Ours.slots().map(|slot| self.table[slot]);
        slots.into_iter().all(|slot| slot > fence)
    }

    /// Applies the record after the last one applied.
    pub(crate) fn apply(&mut self, record: &Record, rules: Rules) {
        self.applied = record.position;
        self.note(record, rules);
    }

    /// Applies a record although others before it are missing: what was applied without a gap stays as it is.
    pub(crate) fn note(&mut self, record: &Record, rules: Rules) {
        let Record { position, id, mode, named, .. } = *record;
        let stamp = if rules.has(Rule::Stamps) { position.max(self.last + 1) } else { position };
        self.last = self.last.max(stamp);
        self.raise(id, mode, stamp, rules);
        self.promise(record);
        let named = named && rules.has(Rule::NamedRecords);
        self.records[id.index()] = Applied { position, stamp, mode, named };
        self.outstanding.retain(|purge| purge.id != id);
    }

    /// Applies a purge of its own that the log cannot be told of.
    pub(crate) fn apply_own(&mut self, id: Id, mode: Mode, version: u8, rules: Rules) {
        if rules.has(Rule::OwnPurges) {
            self.last += 1;
            self.raise(id, mode, self.last, rules);
        }
        self.outstanding.push(Outstanding { id, mode, stamp: self.last, lost: false, named: true });
        self.promise(&Record { id, mode, version, ..Record::default() });
    }

    fn raise(&mut self, id: Id, mode: Mode, stamp: u8, rules: Rules) {
        if id.matcher() == Matcher::Ours {
            self.exact[mode as usize] = self.exact[mode as usize].max(stamp);
        }
        for slot in id.matcher().slots() {
            self.raise_slot(slot, stamp, rules);
        }
    }

    fn raise_slot(&mut self, slot: usize, stamp: u8, rules: Rules) {
        self.table[slot] = if rules.has(Rule::Raise) { self.table[slot].max(stamp) } else { stamp };
    }

    fn promise(&mut self, record: &Record) {
        if record.id.matcher() == Matcher::Ours {
            let promised = &mut self.promised[record.mode as usize];
            *promised = record.version.max(*promised);
        }
    }

    /// Forgets the exact records.
    pub(crate) fn evict(&mut self) {
        self.reach = self.last;
        self.exact = [0; 2];
    }

    /// Reads a part of the table: the first slots, or the last one, with which the load ends.
    pub(crate) fn load_part(&mut self, log: &Log, load: Load, rules: Rules) {
        let whole = rules.has(Rule::Whole);
        let Some(first) = load.first else {
            let first = [log.slot(0), log.slot(1)];
            if !whole {
                self.take_over(&[(0, first[0]), (1, first[1])], rules);
            }
            self.load = Some(Load { first: Some(first), ..load });
            return;
        };
        let parts = [(2, log.slot(2)), (0, first[0]), (1, first[1])];
        self.take_over(if whole { &parts } else { &parts[..1] }, rules);
        let from = if rules.has(Rule::PositionFirst) { load.from } else { log.last() };
        self.load = None;
        self.applied = from;
        self.last = self.last.max(from);
        self.reach = self.last;
        for record in log.records.as_slice().iter().filter(|record| record.position <= from) {
            self.promise(record);
        }
    }

    /// Raises slots to what was read of the log's table. Those beyond what is applied here are news.
    fn take_over(&mut self, slots: &[(usize, u8)], rules: Rules) {
        let before = self.last;
        for (slot, read) in slots.iter().copied() {
            let news = read > self.applied && rules.has(Rule::LoadedStamps);
            let stamp = if news { read.max(before + 1) } else { read };
            self.last = self.last.max(stamp);
            self.raise_slot(slot, stamp, rules);
        }
    }

    /// Turns to the log as it stands now: in another term, or born anew.
    pub(crate) fn turn_to(&mut self, log: &Log, rules: Rules) {
        if self.birth != log.birth {
            if rules.has(Rule::Birth) {
                self.memory = self.memory.map(|entry| Entry { unproven: true, ..entry });
                self.fill = self.fill.map(|mut fill| {
                    fill.unproven = true;
                    fill
                });
            }
            self.applied = 0;
            self.take_back(0, rules.has(Rule::AgainAtBirth));
        } else {
            let end =
                log.ends.as_slice()[usize::from(self.term)..].iter().copied().min().unwrap_or(self.applied);
            if rules.has(Rule::FallBack) {
                self.applied = self.applied.min(end);
            }
            self.take_back(end, rules.has(Rule::Again));
        }
        self.birth = log.birth;
        self.term = log.term;
        self.tail = None;
        self.load = None;
    }

    /// Counts as outstanding what it has applied of the part that is lost: everything after `end`.
    fn take_back(&mut self, end: u8, again: bool) {
        for index in 0..self.records.len() {
            let Applied { position, stamp, mode, named } = self.records[index];
            if position > end {
                self.records[index] = Applied::default();
                if again {
                    let id = Id::from_index(index);
                    self.outstanding.push(Outstanding { id, mode, stamp, lost: true, named });
                }
            }
        }
    }
}
