//! The shared log as one node sees it: appends, and what waits for them.

use super::batch::Batch;
use super::kept::{Kept, Lost};
use super::queue::{Item, Queue};
use super::{Head, LogStore, NODE_TIMEOUT, NodeId, Peer, Record, RecordId, Settle};
use crate::dice::Dice;
use crate::invalidation::{Epoch, IntentId, Invalidation, Kind, Ledger, Names, Place, Position};
use crate::rarely::Rarely;
use crate::time::{Clock, Timestamp};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};

/// How long a server that was replaced by an empty one may have gone on taking purges. Connections are watched far more
/// closely than this.
const SIDE_BY_SIDE: Duration = Duration::from_secs(600);

/// How much longer than its last heartbeat a node may have followed the log: two of them did not arrive, and nor did the answer
/// to a third.
const LATE: Duration = Duration::from_secs(3);

/// How a node follows the shared log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSettings {
    /// How long an entry counts as fresh while the log cannot be followed.
    pub blind_limit: Duration,
    /// How long an append is waited for.
    pub timeout: Duration,
    /// The longest that a write may take: an intent is purged in any case when it is over.
    pub write_bound: Duration,
    /// Whether purges are known by name too in any case: where a CDN is configured. Elsewhere the [store](LogStore::wants_names)
    /// says whether another node has one.
    pub names: bool,
}

impl FleetSettings {
    /// How long a node that says nothing is still waited for: as long as it may take what it has for fresh. One that is cut off
    /// from the log alone goes on serving until then, and a CDN could fill itself from it.
    pub fn patience(&self) -> Duration {
        NODE_TIMEOUT.max(self.blind_limit.saturating_add(LATE))
    }
}

/// What a node tells of following the log; `observe` turns it into metrics.
pub trait FleetObserver: Send + Sync + 'static {
    /// A new term, another log, a gap, a table loaded, a purge made for a node that died, …: one of a few fixed words.
    fn event(&self, what: &'static str);
}

impl FleetObserver for () {
    fn event(&self, _what: &'static str) {}
}

/// Figures of a node's place in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FleetStats {
    /// This node, by the name that others know it by.
    pub node: NodeId,
    /// The log cannot be followed, for longer than freshness may last without it; or what it invalidated before is not known
    /// yet.
    pub blind: bool,
    /// How long ago the log was last followed; `None`: never.
    pub lag: Option<Duration>,
    /// Purges that wait to be appended.
    pub queued: usize,
    /// Nodes that live, this one too, as far as it knows.
    pub nodes: usize,
}

/// What a node could not append before it left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// How many times something was purged.
    pub purges: usize,
    /// What was, the first [`MAX_SHOWN`] of it.
    pub first: Vec<Invalidation>,
}

/// As many as somebody would purge again by hand.
pub const MAX_SHOWN: usize = 20;

/// The log that a whole fleet shares, as one of its nodes follows it.
///
/// [`SharedLog::run`] does the following; without it nothing is appended and the node stays blind.
pub struct SharedLog {
    pub(super) store: Arc<dyn LogStore>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn FleetObserver>,
    pub(super) node: NodeId,
    pub(super) dice: Dice,
    pub(super) settings: FleetSettings,
    pub(super) state: Mutex<State>,
    /// Something is to be appended.
    pub(super) queued: Notify,
    /// Somebody wants a heartbeat now.
    pub(super) beat_now: Notify,
    /// Somebody wants one, or may want one of another node; soon is early enough.
    pub(super) beat_soon: Notify,
    /// The first attempt to follow the log has come to something.
    pub(super) begun: watch::Sender<bool>,
    pub(super) applied: watch::Sender<Position>,
    pub(super) beats: watch::Sender<Beats>,
}

/// What the node knows beside its ledger.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The log it follows, and where its earlier terms ended.
    pub(super) followed: Option<(Epoch, Vec<Position>)>,
    /// Whether it can be asked, as far as is known.
    pub(super) connected: bool,
    /// The highest position ever seen.
    pub(super) seen: Position,
    pub(super) kept: Kept,
    /// Intents of this node that are open, to be recorded again where a fail-over may have lost them; until when.
    pub(super) intents: HashMap<IntentId, (Batch, Timestamp)>,
    /// What a fail-over may have lost, until it turns up or the log is read to its end.
    pub(super) missing: Vec<(RecordId, Batch)>,
    pub(super) queue: Queue,
    /// Where the intents are recorded.
    pub(super) announced: Option<Epoch>,
    /// Since when the server knows less of the log than this node.
    pub(super) behind_since: Option<Timestamp>,
    /// The log's table has to be loaded.
    pub(super) gap: bool,
    /// The log cannot be followed, …
    pub(super) unfollowed: Rarely,
    /// … or takes nothing.
    pub(super) unappended: Rarely,
}

/// What heartbeats brought.
#[derive(Clone, Debug, Default)]
pub(super) struct Beats {
    /// Heartbeats begun, …
    pub(super) begun: u64,
    /// … and the last of them that came back.
    pub(super) ended: u64,
    pub(super) last: Position,
    pub(super) peers: Vec<Peer>,
    /// From when on nobody else counts as fresh what the log has purged, where that is yet to come: a node that it has not heard of
    /// followed another log, and no later than this one was born.
    pub(super) complete: Option<Instant>,
}

/// A record is missing before the one that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap;

impl SharedLog {
    /// A node that follows the log in `store`. `ledger` has to be one that is [cut off](Ledger::cut_off).
    pub fn new(
        store: Arc<dyn LogStore>,
        ledger: Arc<Ledger>,
        clock: Arc<dyn Clock>,
        settings: FleetSettings,
        observer: Arc<dyn FleetObserver>,
        node: NodeId,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            ledger,
            clock,
            observer,
            node,
            dice: Dice::new(node.0),
            settings,
            state: Mutex::default(),
            queued: Notify::new(),
            beat_now: Notify::new(),
            beat_soon: Notify::new(),
            begun: watch::Sender::default(),
            applied: watch::Sender::default(),
            beats: watch::Sender::default(),
        })
    }

    /// Figures for metrics and `/readyz`.
    pub fn stats(&self) -> FleetStats {
        let followed = Some(self.ledger.followed_at()).filter(|at| *at > Timestamp::ZERO);
        let lag = followed.map(|at| self.clock.now().since(at));
        let late = lag.is_none_or(|lag| lag > self.settings.blind_limit);
        FleetStats {
            node: self.node,
            blind: late || self.ledger.shared_fence().is_none(),
            lag,
            queued: self.lock().queue.len(),
            nodes: self.beats.borrow().peers.len(),
        }
    }

    /// Whether the log is followed, or could not be when it was first tried.
    pub fn has_begun(&self) -> bool {
        *self.begun.borrow()
    }

    /// Waits until nothing is left to be appended, `within` at most; then takes leave of the others. Returns what is
    /// left.
    pub async fn leave(&self, within: Duration) -> Left {
        let flushed = async {
            while self.lock().queue.len() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _late = timeout(within, flushed).await;
        let left = self.lock().queue.left();
        // A node that says nothing is taken for dead a little later.
        let _late = timeout(self.settings.timeout, self.store.leave(self.node)).await;
        left
    }

    /// The log that is followed. What comes in the first moments of the process waits until it is opened, or cannot be: until
    /// `deadline`.
    pub(super) async fn connected_by(&self, deadline: Instant) -> Option<Epoch> {
        if !self.has_begun() {
            let mut begun = self.begun.subscribe();
            let _late = timeout_at(deadline, begun.wait_for(|begun| *begun)).await;
        }
        self.connected_to()
    }

    pub(super) fn connected_to(&self) -> Option<Epoch> {
        let state = self.lock();
        state.followed.as_ref().filter(|_| state.connected).map(|(epoch, _)| *epoch)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up the log as it stands now. Returns whether its table has to be loaded.
    pub(super) fn enter(&self, head: &Head) -> bool {
        let epoch = head.epoch();
        let mut state = self.lock();
        state.seen = state.seen.max(head.last);
        let before = state.followed.replace((epoch, head.ends.clone()));
        match before {
            Some((before, ends)) if before == epoch && ends == head.ends => {}
            Some((before, ends))
                if before.birth == epoch.birth
                    && head.ends.len() > ends.len()
                    && head.ends.starts_with(&ends) =>
            {
                self.ledger.go_on(epoch, &head.ends);
                let end = head.ends[ends.len()];
                self.lost(&mut state, end);
                self.observer.event("term");
                tracing::warn!(term = epoch.term.0, %end, "the log went on in a new term, after a fail-over");
            }
            before => {
                if before.is_some() {
                    self.observer.event("birth");
                    tracing::warn!(birth = %epoch.birth, "the log is another one: what is stored has to be revalidated");
                }
                // The servers may have lived side by side for a while: what this one took last the other may not know, and
                // nodes that followed it have stored what they read before.
                // By the log's clock, which made the positions.
                let mut from = Position::at(state.seen.time().min(self.clock.now()).minus(SIDE_BY_SIDE));
                if let Some((of, ends)) = before.filter(|(of, _)| of.birth == epoch.birth) {
                    from = from.min(diverged(&ends, &head.ends).unwrap_or(from));
                    tracing::warn!(known = of.term.0, "the log went back behind a term's end");
                }
                let missing = state.kept.first_beyond(from);
                self.ledger.follow(epoch, &head.ends, missing);
                self.lost(&mut state, from);
                state.kept.clear();
            }
        }
        state.gap || self.ledger.shared_fence().is_none()
    }

    /// Notes what was applied beyond `end`, where a term ended.
    fn lost(&self, state: &mut State, end: Position) {
        match state.kept.beyond(end) {
            Lost::Records(records) => state.missing.extend(records),
            Lost::Everything => {
                tracing::error!(%end, "a fail-over lost more than is remembered: everything is purged");
                self.observer.event("everything");
                let everything = Batch::everything();
                self.ledger.apply_here(everything.purges.iter().copied());
                self.enqueue(state, Item::new(everything).applied());
            }
        }
    }

    /// Applies records of the log, in their order; what is known already is passed over.
    pub(super) fn take(&self, records: &[Record]) -> Result<(), Gap> {
        let mut state = self.lock();
        let mut gap = Ok(());
        for record in records {
            state.seen = state.seen.max(record.position);
            let applied = self.ledger.applied();
            if record.position <= applied {
                continue;
            }
            if record.previous > applied {
                gap = Err(Gap);
                break;
            }
            self.ledger.apply_purges(record.position, record.purges.iter().copied());
            state.missing.retain(|(id, _)| *id != record.id);
            state.kept.push(record);
            if record.urgent {
                self.beat_soon.notify_one();
            }
        }
        self.settle_up(&state);
        drop(state);
        self.applied.send_replace(self.ledger.applied());
        gap
    }

    /// When all that is applied here stands in the log, fences of others cover it.
    pub(super) fn settle_up(&self, state: &State) {
        if !state.queue.any_here() && state.missing.is_empty() {
            self.ledger.appended();
        }
    }

    /// What was appended at `position`, with what came before it.
    pub(super) fn appended(
        &self,
        epoch: Epoch,
        numbers: &[u64],
        own: RecordId,
        position: Position,
        between: &[Record],
    ) {
        // What is missing between comes by the tail; it notices a gap itself.
        let whole = self.take(between).is_ok() && self.ledger.applied() >= position;
        let mut state = self.lock();
        state.seen = state.seen.max(position);
        let items = state.queue.remove(numbers);
        let batch = Batch::join(items.iter().map(|item| &item.batch));
        // What was folded meanwhile is appended with what took its place.
        if !whole && !batch.purges.is_empty() {
            self.ledger.apply_ahead(position, batch.purges.iter().copied());
            // A fail-over may lose it before the log is read up to there.
            state.missing.push((own, batch));
        }
        self.settle_up(&state);
        drop(state);
        let place = Place { epoch: Some(epoch), position };
        for done in items.into_iter().filter_map(|item| item.done) {
            // Whoever asked may be gone.
            let _gone = done.send(place);
        }
    }

    /// What stands in the log, but not on as many replicas as it should, or was swept by another node: it applies here. Until
    /// it is read from the log nobody knows its position; should it be lost, it is appended again.
    pub(super) fn taken(&self, numbers: &[u64], own: Option<RecordId>) {
        let mut state = self.lock();
        let items = state.queue.remove(numbers);
        let batch = Batch::join(items.iter().map(|item| &item.batch));
        if batch.purges.is_empty() {
            return self.settle_up(&state);
        }
        self.ledger.apply_here(batch.purges.iter().copied());
        // The tail may have read it while replicas were waited for.
        if let Some(own) = own.filter(|own| !state.kept.knows(*own)) {
            state.missing.push((own, batch));
        }
        self.settle_up(&state);
    }

    /// Queues purges for a sweep, unless that is under way.
    pub(super) fn sweep(&self, settle: Settle, batch: Batch) {
        let mut state = self.lock();
        if !state.queue.settles(settle) {
            let item = Item::new(batch).settling(settle);
            self.enqueue(&mut state, item);
            self.queued.notify_one();
        }
    }

    /// Whether CDNs have to be told what is purged: this node's, or another's.
    pub(super) fn named(&self) -> bool {
        self.settings.names || self.store.wants_names()
    }

    /// Counts a purge that CDNs are told without names.
    pub(super) fn nameless(&self) {
        self.observer.event("nameless");
        tracing::warn!("a purge is of a node that knew of no CDN: all are told to purge everything");
    }

    /// Queues an item. What takes the place of all where they are too many is purged here at once.
    pub(super) fn enqueue(&self, state: &mut State, mut item: Item) -> u64 {
        if item.batch.is_nameless(self.named()) {
            self.nameless();
            item.batch.names = Names::everything();
        }
        let (number, folded) = state.queue.push(item);
        if let Some(purges) = folded {
            let everything = purges.iter().any(|purge| purge.kind == Kind::All);
            self.observer.event(if everything { "everything" } else { "folded" });
            tracing::error!(
                purges = purges.len(),
                everything,
                "too many purges wait to be appended: fewer that reach as much and more take their place"
            );
            self.ledger.apply_here(purges);
        }
        number
    }
}

/// Up to where two lives of a log agree, by where their terms ended.
fn diverged(ours: &[Position], theirs: &[Position]) -> Option<Position> {
    let differing = ours.iter().zip(theirs).find(|(ours, theirs)| ours != theirs);
    differing.map(|(ours, theirs)| *ours.min(theirs))
}

impl fmt::Debug for SharedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedLog")
            .field("node", &self.node)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
