//! Everything there is at one moment. Numbers are small: versions of the origin, positions, stamps and terms count
//! from 0.

/// Nodes of the fleet.
pub(crate) const NODES: usize = 2;
/// Writes at most.
pub(crate) const WRITES: usize = 2;
/// Slots of the table: [`Matcher::Ours`] has the first two, [`Matcher::Other`] the last two, so they share one. The
/// first two are in different chunks of a load.
pub(crate) const SLOTS: usize = 3;

/// A list of a few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct List<T, const N: usize> {
    len: u8,
    items: [T; N],
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self { len: 0, items: [T::default(); N] }
    }
}

impl<T: Copy + Default, const N: usize> List<T, N> {
    pub(crate) fn as_slice(&self) -> &[T] {
        &self.items[..usize::from(self.len)]
    }

    pub(crate) fn push(&mut self, item: T) {
        self.items[usize::from(self.len)] = item;
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let last = self.as_slice().last().copied()?;
        self.len -= 1;
        self.items[usize::from(self.len)] = T::default();
        Some(last)
    }

    pub(crate) fn change(&mut self, change: impl FnMut(&mut T)) {
        self.items[..usize::from(self.len)].iter_mut().for_each(change);
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let mut kept = Self::default();
        for item in self.as_slice().iter().filter(|item| keep(item)) {
            kept.push(*item);
        }
        *self = kept;
    }
}

/// What becomes of what a purge reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mode {
    #[default]
    Hard,
    Soft,
}

/// What a purge reaches: the one key there is, or another one that nobody reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Matcher {
    #[default]
    Ours,
    Other,
}

impl Matcher {
    pub(crate) fn slots(self) -> [usize; 2] {
        match self {
            Self::Ours => [0, 2],
            Self::Other => [1, 2],
        }
    }
}

/// The name of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Id {
    /// The purge of a write, by its writer.
    #[default]
    First,
    Second,
    /// The purge of a write whose writer is gone.
    Swept(u8),
    /// The same, when the write cannot commit any more.
    SweptLast(u8),
    /// A purge that belongs to no write.
    Operator(u8),
    /// One of [`Matcher::Other`].
    Other,
}

/// Names of records there can be.
pub(crate) const IDS: usize = 9;

impl Id {
    pub(crate) fn of_write(write: usize) -> Self {
        if write == 0 { Self::First } else { Self::Second }
    }

    /// The write that it purges for.
    pub(crate) fn write(self) -> Option<usize> {
        match self {
            Self::First => Some(0),
            Self::Second => Some(1),
            Self::Swept(write) | Self::SweptLast(write) => Some(write.into()),
            Self::Operator(_) | Self::Other => None,
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
            Self::Swept(write) => 2 + usize::from(write),
            Self::SweptLast(write) => 4 + usize::from(write),
            Self::Operator(left) => 6 + usize::from(left),
            Self::Other => 8,
        }
    }

    pub(crate) fn from_index(index: usize) -> Self {
        match index {
            0 => Self::First,
            1 => Self::Second,
            2 | 3 => Self::Swept(index as u8 - 2),
            4 | 5 => Self::SweptLast(index as u8 - 4),
            6 | 7 => Self::Operator(index as u8 - 6),
            _ => Self::Other,
        }
    }

    pub(crate) fn matcher(self) -> Matcher {
        if self == Self::Other { Matcher::Other } else { Matcher::Ours }
    }
}

/// An intent in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Intent {
    #[default]
    None,
    Recorded,
    /// Purged once, waiting for the longest that a write can take.
    Swept,
}

/// A record of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Record {
    pub(crate) position: u8,
    pub(crate) id: Id,
    pub(crate) mode: Mode,
    /// What the origin had when it was appended: what was read there before it is older. For a soft purge the
    /// validator.
    pub(crate) version: u8,
    /// The intent of its write before it was appended, which comes back if the record is lost.
    pub(crate) before: Intent,
    /// Whether it says what CDNs have to be told, and was queued for them.
    pub(crate) named: bool,
}

/// What Redis knows of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Log {
    pub(crate) birth: u8,
    pub(crate) term: u8,
    /// The position at which each earlier term ended.
    pub(crate) ends: List<u8, 2>,
    pub(crate) records: List<Record, 8>,
    /// Records up to this position are not in the stream any more, only in the table.
    pub(crate) trimmed: u8,
    pub(crate) intents: [Intent; WRITES],
    /// What the origin had when the last job was queued apart from a record: everything, at a birth.
    pub(crate) queued: u8,
    /// Nobody who knew of an earlier log has come yet.
    pub(crate) newborn: bool,
}

/// A version of the origin's reply as a cache can tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reply {
    pub(crate) version: u8,
    /// Its strong validator. A weak one, a date, is the same in all versions: all edits fall into one second.
    pub(crate) validator: u8,
}

/// An entry in the memory of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    pub(crate) reply: Reply,
    /// A stamp of this node.
    pub(crate) fence: u8,
    /// From before the log's birth.
    pub(crate) unproven: bool,
    /// Validated longer ago than the limit.
    pub(crate) aged: bool,
}

/// An entry in the shared tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Shared {
    pub(crate) reply: Reply,
    pub(crate) fence: SharedFence,
    pub(crate) aged: bool,
}

/// A fence as other nodes can judge it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SharedFence {
    pub(crate) birth: u8,
    pub(crate) term: u8,
    pub(crate) position: u8,
}

/// A fill under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fill {
    pub(crate) fence: u8,
    pub(crate) shared: SharedFence,
    /// What it revalidates.
    pub(crate) base: Option<Reply>,
    pub(crate) answer: Option<Reply>,
    pub(crate) unproven: bool,
    pub(crate) aged: bool,
}

/// A purge that a node has applied and the log does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Outstanding {
    pub(crate) id: Id,
    pub(crate) mode: Mode,
    pub(crate) stamp: u8,
    /// Known to the others: it comes from the part of the log that a fail-over lost.
    pub(crate) lost: bool,
    /// Whether the node knows what CDNs have to be told.
    pub(crate) named: bool,
}

/// Where a record was applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Applied {
    pub(crate) position: u8,
    pub(crate) stamp: u8,
    pub(crate) mode: Mode,
    pub(crate) named: bool,
}

/// A load of the table under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Load {
    /// The position to go on from.
    pub(crate) from: u8,
    /// The first chunk, once it was read.
    pub(crate) first: Option<[u8; 2]>,
}

/// A read of the log under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tail {
    /// The last position there was when the log answered.
    pub(crate) last: u8,
    /// It was sent longer ago than the limit.
    pub(crate) aged: bool,
}

/// A node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Node {
    /// The log it follows, and in which term.
    pub(crate) birth: u8,
    pub(crate) term: u8,
    /// The position up to which it has applied the log without a gap.
    pub(crate) applied: u8,
    /// The last stamp it gave.
    pub(crate) last: u8,
    /// Exact records: the stamps of the last purges of the key, hard and soft.
    pub(crate) exact: [u8; 2],
    /// Entries whose fence is older than this are judged by the table.
    pub(crate) reach: u8,
    pub(crate) table: [u8; SLOTS],
    pub(crate) load: Option<Load>,
    pub(crate) records: [Applied; IDS],
    pub(crate) outstanding: List<Outstanding, 4>,
    pub(crate) memory: Option<Entry>,
    pub(crate) fill: Option<Fill>,
    /// It cannot reach the log.
    pub(crate) cut: bool,
    /// It has not followed the log for longer than the limit.
    pub(crate) blind: bool,
    pub(crate) tail: Option<Tail>,
    /// Where it does not queue with the append: what it has to queue yet, by what the origin had.
    pub(crate) unqueued: u8,
    /// For the check alone: what the origin had when the purges that it has applied were made, by mode.
    pub(crate) promised: [u8; 2],
}

/// A write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Write {
    /// Not begun.
    #[default]
    None,
    /// Forwarded by a node.
    Forwarded(u8),
    /// Committed by the origin; its node has to purge.
    Committed(u8),
    /// Its node is gone; the origin may commit it yet.
    Orphaned,
    /// Nothing more happens.
    Over,
}

/// What a client was told when its write was purged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token {
    pub(crate) term: u8,
    pub(crate) position: u8,
    /// For the check alone: what the client expects to read.
    pub(crate) version: u8,
}

/// How often what is not protocol may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Budget {
    pub(crate) writes: u8,
    pub(crate) operator: u8,
    pub(crate) others: u8,
    pub(crate) crashes: u8,
    pub(crate) fail_overs: u8,
    pub(crate) births: u8,
    pub(crate) cuts: u8,
    pub(crate) limits: u8,
    pub(crate) trims: u8,
    pub(crate) evictions: u8,
}

/// Everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    pub(crate) origin: Reply,
    pub(crate) log: Log,
    /// The server that lost its office in a fail-over and does not know it yet.
    pub(crate) old: Option<Log>,
    pub(crate) nodes: [Node; NODES],
    pub(crate) tier: Option<Shared>,
    pub(crate) writes: [Write; WRITES],
    /// What a client was told when its write was purged.
    pub(crate) token: Option<Token>,
    /// What a CDN was told: to drop whatever the origin had before this version.
    pub(crate) told: u8,
    /// For the check alone: the version whose purge was in the log when the limit last passed.
    pub(crate) due: u8,
    pub(crate) budget: Budget,
}
