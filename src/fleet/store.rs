//! The port of the shared log: what a server has to do for it, and nothing of how.
//!
//! Every call is one attempt with a deadline of its own and may fail in any way: refused, late, taken although it looked
//! refused. Whoever calls repeats; every call can be repeated without harm.

use crate::invalidation::{Birth, Epoch, IntentId, Kind, Mode, Names, Position, Purge, Term};
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Names a node of the fleet while its process lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u128);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Names a record, so that it is known again after a fail-over whatever position it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u128);

/// When each kind of matcher was last invalidated, in the order of [`Kind::EACH`].
pub type Marks = [Position; Kind::EACH.len()];

/// The head of the log as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which log.
    pub birth: Birth,
    /// The term it is in; the first is 1.
    pub term: Term,
    /// Where each term before it ended, oldest first: the last position that the next one inherited. Never falling.
    pub ends: Vec<Position>,
    /// The last position handed out.
    pub last: Position,
    /// The last time that anything of each kind was invalidated, hard and soft.
    pub marks: [Marks; 2],
}

impl Head {
    /// The log in its present term.
    pub fn epoch(&self) -> Epoch {
        Epoch { birth: self.birth, term: self.term }
    }
}

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// Where the record before it stands: whoever has not applied that one has a gap.
    pub previous: Position,
    /// Its name.
    pub id: RecordId,
    /// What it purges.
    pub purges: Arc<[Purge]>,
    /// The same by name, for whoever has to append it again. None where its writer knew of no CDN.
    pub names: Names,
    /// Somebody waits until every node has applied it: nodes say so at once, not with their next heartbeat.
    pub urgent: bool,
}

/// What is to become of an intent when a record is appended for it. Intents that are gone are left gone, and the append
/// takes place all the same, but for [`Settle::Sweep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    /// Its writer is done: the intent goes.
    Done(IntentId),
    /// Swept for the first time: it stays until its deadline. Nothing is appended if another node was faster.
    Sweep(IntentId),
    /// Swept at its deadline: it goes. Nothing is appended if another node was faster.
    Last(IntentId),
}

/// A record to be appended.
#[derive(Clone, Debug)]
pub struct Append {
    /// Its name.
    pub id: RecordId,
    /// What it purges; not empty, at most [`MAX_PURGES`].
    pub purges: Arc<[Purge]>,
    /// The same by name, for the queues of the CDNs: about [`MAX_NAMES`] bytes at most. None where nobody knows them any more.
    /// They are kept only where a node has a CDN.
    pub names: Names,
    /// The position up to which the caller has applied the log.
    pub after: Position,
    /// The highest position the caller has seen, in whatever log: the new one is beyond it.
    pub seen: Position,
    /// See [`Record::urgent`].
    pub urgent: bool,
    /// Intents that it answers.
    pub settles: Vec<Settle>,
}

/// Purges in one record at most: a script holds up the whole server while it runs, and this many take about a
/// millisecond.
pub const MAX_PURGES: usize = 256;

/// Bytes of the names in one record: as many purges as there may be, of 128 bytes each. One purge whose own name is longer
/// has a record for itself.
pub const MAX_NAMES: usize = 32 << 10;

/// Records read at once at most: about 100 KiB, read and applied within a few milliseconds.
pub const MAX_READ: usize = 1024;

/// What an append brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It stands at `position`. `between`: the records after [`Append::after`] and before it, oldest first, with the own
    /// one last; cut short if there are too many of them.
    At {
        /// Its position.
        position: Position,
        /// What the caller had not applied.
        between: Vec<Record>,
    },
    /// Another node swept the intent; nothing was appended.
    Swept,
}

/// An intent that somebody has to sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its name.
    pub id: IntentId,
    /// What it purges.
    pub purges: Arc<[Purge]>,
    /// The same by name; none where whoever recorded it knew of no CDN.
    pub names: Names,
    /// Its deadline has passed: it is swept for the last time. Otherwise its node is gone, and this is the first time.
    pub last: bool,
}

/// An intent: what will have to be purged, recorded before it is known whether and when.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Its name.
    pub id: IntentId,
    /// Whose it is. When that node is gone others sweep it before its deadline; `None`: nobody does.
    pub node: Option<NodeId>,
    /// What it purges.
    pub purges: Arc<[Purge]>,
    /// The same by name. None where no CDN is configured.
    pub names: Names,
    /// How long from now it is purged in any case.
    pub within: Duration,
}

/// A node as the others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub node: NodeId,
    /// The position up to which it says it has applied the log.
    pub applied: Position,
}

/// What a heartbeat brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The last position handed out.
    pub last: Position,
    /// All nodes that may still serve, the own one too.
    pub peers: Vec<Peer>,
    /// Intents to be swept, at most [`MAX_DUE`].
    pub due: Vec<Due>,
    /// How long ago the log was born. A young one may not have heard of nodes that followed another before it.
    pub age: Duration,
}

/// The intents of a node that was not heard of for this long are swept by others. Several heartbeats, so that a node that is
/// merely slow is not taken for dead.
pub const NODE_TIMEOUT: Duration = Duration::from_secs(10);

/// Intents handed out by one heartbeat at most; the next brings more.
pub const MAX_DUE: usize = 64;

/// Why the log's server did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or not in time; what was asked may still have been done.
    #[error("{0}")]
    Unavailable(String),
    /// The log is another one, or in another term, than the caller follows: open it again. Nothing was done.
    #[error("the log is in another term, or another log")]
    Moved,
    /// The log is kept in a form that this version does not understand. Nothing was done.
    #[error("the log has layout {0}, which this version of Larder does not understand")]
    Layout(u32),
    /// What was appended stands there, but not on as many replicas as it should in time.
    #[error("only {0} replicas have it")]
    Replicas(usize),
}

/// The server that keeps the log. The names of its nodes and records are random and never repeat.
#[async_trait]
pub trait LogStore: Send + Sync + 'static {
    /// Looks at the head. Where there is no log (or parts of it are missing) one is born, and where the server has another
    /// replication history than the log's term, the next term begins: later than every term known to the caller, who has
    /// followed `known` last. `seen` as in [`Append::seen`].
    async fn open(&self, seen: Position, known: Option<Epoch>) -> Result<Head, StoreError>;

    /// As [`LogStore::open`], and begins a term later than `known` also where the server continues the same history: it has
    /// never heard of that term, which is lost.
    async fn outgrow(&self, seen: Position, known: Epoch) -> Result<Head, StoreError>;

    /// Appends a record, if the log is in `epoch`. Its names are queued for every CDN in the same step: who finds the record
    /// in the log finds them in the queues, or delivered from there.
    async fn append(&self, epoch: Epoch, append: &Append) -> Result<Appended, StoreError>;

    /// Waits until there are records after `after`, for `block` at most, and returns the next ones, oldest first. Has a
    /// connection of its own. Fewer than [`MAX_READ`]: these were all when it returned.
    async fn read(&self, epoch: Epoch, after: Position, block: Duration) -> Result<Vec<Record>, StoreError>;

    /// Part `chunk` of the table of `mode`: [`TABLE_CHUNK`] slots from `chunk * TABLE_CHUNK` on; fewer, or none, where
    /// nothing was written further on.
    async fn table(&self, epoch: Epoch, mode: Mode, chunk: usize) -> Result<Vec<Position>, StoreError>;

    /// Says that `node` lives and how far it has come. Others count as [peers](Beat::peers) until they were silent for
    /// longer than `patience`; what their writes announced is due after [`NODE_TIMEOUT`] already, since to purge early does
    /// no harm: it is purged once more at its deadline.
    async fn beat(
        &self,
        epoch: Epoch,
        node: NodeId,
        applied: Position,
        patience: Duration,
    ) -> Result<Beat, StoreError>;

    /// Says that `node` ends, so that nobody waits for it. A heartbeat of it that comes later changes nothing.
    async fn leave(&self, node: NodeId) -> Result<(), StoreError>;

    /// Records an intent.
    async fn intend(&self, epoch: Epoch, intent: &Intent) -> Result<(), StoreError>;

    /// Whether purges have to be known by name too, as far as is known: a node of the log has a CDN. Without names everything is
    /// queued for it.
    fn wants_names(&self) -> bool {
        false
    }

    /// Takes an intent back: what it stood for did not happen.
    async fn withdraw(&self, epoch: Epoch, intent: IntentId) -> Result<(), StoreError>;
}

/// Slots read at once from a table: 128 KiB, a fraction of a millisecond of the server's time.
pub const TABLE_CHUNK: usize = 1 << 14;

/// Slots of a table. Fixed, as all nodes and the server must agree on it; 8 bytes each.
pub const TABLE_SLOTS: usize = 1 << 20;
