//! The server of the log: answers late or not at all, does what it is asked and loses the answer, fails over to a replica
//! that is behind, forgets everything, forgets what is old, and has a clock of its own. It keeps the queue of a CDN too.

use super::cdn::Cdn;
use super::queue::Queue;
use crate::random::Dice;
use async_trait::async_trait;
use larder::fleet::{
    Append, Appended, Beat, Due, Head, Intent, LogStore, MAX_READ, NODE_TIMEOUT, NodeId, Peer, Record,
    Settle, StoreError,
};
use larder::invalidation::{
    Birth, Epoch, IntentId, Kind, Mode, Names, Place, Position, Purge, Term, table_slots,
};
use larder::time::{Clock, SystemClock, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Slots of the table, here and in the ledgers of this world: few, so that matchers meet.
pub(super) const SLOTS: usize = 1 << 9;

/// How long a call that is not answered is waited for.
const TIMEOUT: Duration = Duration::from_millis(500);

/// What a server holds, and loses together.
#[derive(Clone, Default)]
struct Data {
    head: Option<Head>,
    /// The replication history that the head's term belongs to.
    history: u64,
    records: Vec<Record>,
    table: [Vec<Position>; 2],
    intents: BTreeMap<IntentId, Kept>,
    /// What a CDN has yet to be told; `None` where there is no queue.
    queue: Option<Queue>,
    /// It was made by a node that knew of no log before.
    new_queue: bool,
    born: Timestamp,
}

#[derive(Clone)]
struct Kept {
    node: Option<NodeId>,
    purges: Arc<[Purge]>,
    names: Names,
    deadline: Timestamp,
    swept: bool,
}

pub(super) struct Inner {
    primary: Data,
    replica: Data,
    /// The replication history of the server in charge.
    history: u64,
    nodes: BTreeMap<NodeId, (Position, Timestamp)>,
    /// What the clock of the server in charge is ahead of the world's, in milliseconds.
    ahead: i64,
    births: u128,
    /// How often each node is cut off at the moment.
    cut: BTreeMap<NodeId, u32>,
    /// Nodes that crashed.
    gone: BTreeSet<NodeId>,
    /// In percent: calls that fail before, or after, they are done.
    lossy: u64,
    /// Records kept.
    reach: usize,
    /// In percent: calls after which the replica is behind.
    lag: u64,
}

/// The server, as one node reaches it.
#[derive(Clone)]
pub(super) struct Server {
    inner: Arc<Mutex<Inner>>,
    pub(super) appended: Arc<Notify>,
    dice: Dice,
    clock: SystemClock,
    node: NodeId,
    cdn: Cdn,
}

impl Server {
    pub(super) fn new(dice: &Dice, clock: SystemClock, cdn: Cdn) -> Self {
        let inner = Inner {
            primary: Data::default(),
            replica: Data::default(),
            history: 1,
            nodes: BTreeMap::new(),
            ahead: 0,
            births: 0,
            cut: BTreeMap::new(),
            gone: BTreeSet::new(),
            lossy: if dice.chance(30) { 10 } else { 0 },
            reach: if dice.chance(30) { 3 } else { 1000 },
            lag: *dice.pick(&[0, 30, 95]),
        };
        let inner = Arc::new(Mutex::new(inner));
        Self { inner, appended: Arc::default(), dice: dice.clone(), clock, node: NodeId(0), cdn }
    }

    pub(super) fn seen_by(&self, node: NodeId) -> Self {
        Self { node, ..self.clone() }
    }

    /// The replica takes over, as far as it has come; its clock may be behind.
    pub(super) fn fail_over(&self) {
        let mut inner = self.lock();
        inner.primary = inner.replica.clone();
        inner.history += 1;
        inner.ahead = self.dice.below(4_000) as i64 - 2_000;
        drop(inner);
        self.appended.notify_waiters();
    }

    /// It starts again with nothing.
    pub(super) fn forget(&self) {
        let mut inner = self.lock();
        inner.primary = Data::default();
        inner.replica = Data::default();
        inner.nodes.clear();
        inner.history += 1;
        drop(inner);
        self.appended.notify_waiters();
    }

    pub(super) fn cut(&self, node: NodeId) {
        *self.lock().cut.entry(node).or_default() += 1;
    }

    pub(super) fn mend(&self, node: NodeId) {
        *self.lock().cut.entry(node).or_default() -= 1;
    }

    /// A node is no more: nothing that it still asks for is done.
    pub(super) fn bury(&self, node: NodeId) {
        self.lock().gone.insert(node);
    }

    /// Whether nothing waits for the CDN any more.
    pub(super) fn is_delivered(&self) -> bool {
        self.lock().primary.queue.as_ref().is_none_or(Queue::is_done)
    }

    /// The node that reaches it this way.
    pub(super) fn node(&self) -> NodeId {
        self.node
    }

    /// The CDN that is told.
    pub(super) fn cdn(&self) -> &Cdn {
        &self.cdn
    }

    /// From now on it does what it is asked by those that reach it.
    pub(super) fn heal(&self) {
        self.lock().lossy = 0;
    }

    pub(super) fn intents(&self) -> usize {
        self.lock().primary.intents.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// One call: late, lost before it is done, done, or lost after.
    pub(super) async fn call<T>(
        &self,
        act: impl FnOnce(&mut Inner, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.dice.pause(8).await;
        self.pass().await?;
        let result = {
            let now = self.clock.now();
            let mut inner = self.lock();
            if inner.gone.contains(&self.node) {
                return Err(StoreError::Unavailable("nobody asks".to_owned()));
            }
            let result = act(&mut inner, now);
            // The replica follows, usually at once.
            if !self.dice.chance(inner.lag) {
                inner.replica = inner.primary.clone();
            }
            result
        };
        self.dice.pause(8).await;
        self.pass().await?;
        result
    }

    async fn open_at(&self, seen: Position, known: Option<Epoch>, outgrow: bool) -> Result<Head, StoreError> {
        self.call(|inner, now| {
            if inner.primary.head.is_none() {
                inner.births += 1;
                let head = Head {
                    birth: Birth(inner.births),
                    term: Term(1),
                    ends: Vec::new(),
                    last: inner.next(seen, seen, now),
                    marks: Default::default(),
                };
                inner.primary =
                    Data { head: Some(head), history: inner.history, born: now, ..Data::default() };
            }
            let history = inner.history;
            let data = &mut inner.primary;
            let head = data.head.as_mut().expect("made above");
            let stranger = known.is_some_and(|known| known.birth != head.birth);
            if data.queue.is_none() || data.new_queue && stranger {
                let mut queue = data.queue.take().unwrap_or_default();
                if stranger {
                    let place = Place { epoch: Some(head.epoch()), position: head.last };
                    queue.lose(self.cdn.queued(place, now, Names::everything()), self.dice.below(1000));
                }
                data.queue = Some(queue);
                data.new_queue = !stranger;
            }
            let known = known.filter(|known| known.birth == head.birth).map_or(0, |known| known.term.0);
            if data.history != history || outgrow && known > head.term.0 {
                data.history = history;
                let term = head.term.0.max(known) + 1;
                head.ends.resize(term as usize - 1, head.last);
                head.term = Term(term);
                head.last = head.last.max(seen);
                // How far nodes have come in another term says nothing of this one.
                inner.nodes.values_mut().for_each(|(applied, at)| (*applied, *at) = (Position::START, now));
            }
            Ok(head.clone())
        })
        .await
    }

    async fn pass(&self) -> Result<(), StoreError> {
        let (cut, lossy) = {
            let inner = self.lock();
            (inner.cut.get(&self.node).is_some_and(|cuts| *cuts > 0), inner.lossy)
        };
        if cut || self.dice.chance(lossy) {
            sleep(if self.dice.chance(50) { TIMEOUT } else { Duration::ZERO }).await;
            return Err(StoreError::Unavailable("cut".to_owned()));
        }
        Ok(())
    }
}

impl Inner {
    /// The queue of the CDN, if there is one.
    pub(super) fn queue(&mut self) -> Option<&mut Queue> {
        self.primary.queue.as_mut()
    }

    /// The head, if the log is the caller's.
    fn guard(&mut self, epoch: Epoch) -> Result<&mut Head, StoreError> {
        let history = self.history;
        let ours = self.primary.history == history;
        match &mut self.primary.head {
            Some(head) if ours && head.epoch() == epoch => Ok(head),
            _ => Err(StoreError::Moved),
        }
    }

    fn next(&self, last: Position, seen: Position, now: Timestamp) -> Position {
        let clock = Timestamp::from_millis(now.as_millis().saturating_add_signed(self.ahead));
        Position::next(clock, last, seen)
    }
}

#[async_trait]
impl LogStore for Server {
    async fn open(&self, seen: Position, known: Option<Epoch>) -> Result<Head, StoreError> {
        self.open_at(seen, known, false).await
    }

    async fn outgrow(&self, seen: Position, known: Epoch) -> Result<Head, StoreError> {
        self.open_at(seen, Some(known), true).await
    }

    async fn append(&self, epoch: Epoch, append: &Append) -> Result<Appended, StoreError> {
        let appended = self
            .call(|inner, now| {
                let (last, seen) = (inner.guard(epoch)?.last, append.seen);
                let position = inner.next(last, seen, now);
                let reach = inner.reach;
                let data = &mut inner.primary;
                for settle in &append.settles {
                    match settle {
                        Settle::Done(id) => drop(data.intents.remove(id)),
                        Settle::Sweep(id) => match data.intents.get_mut(id) {
                            Some(kept) if !kept.swept => kept.swept = true,
                            _ => return Ok(Appended::Swept),
                        },
                        Settle::Last(id) => {
                            if data.intents.remove(id).is_none() {
                                return Ok(Appended::Swept);
                            }
                        }
                    }
                }
                let head = data.head.as_mut().expect("guarded");
                let record = Record {
                    position,
                    previous: head.last,
                    id: append.id,
                    purges: Arc::clone(&append.purges),
                    names: append.names.clone(),
                    urgent: append.urgent,
                };
                head.last = position;
                for purge in append.purges.iter() {
                    let mode = usize::from(purge.mode == Mode::Soft);
                    head.marks[mode][purge.kind as usize] = position;
                    if purge.kind == Kind::All {
                        continue;
                    }
                    data.table[mode].resize(SLOTS, Position::START);
                    for slot in table_slots(purge.hash, SLOTS) {
                        data.table[mode][slot] = data.table[mode][slot].max(position);
                    }
                }
                data.records.push(record);
                let queue = data.queue.as_mut().expect("made when the log was opened");
                if !append.names.is_empty() {
                    let place = Place { epoch: Some(epoch), position };
                    queue.put(self.cdn.queued(place, now, append.names.clone()));
                }
                let over = data.records.len().saturating_sub(reach);
                data.records.drain(..over);
                let between = data.records.iter().filter(|record| record.position > append.after);
                Ok(Appended::At { position, between: between.cloned().collect() })
            })
            .await;
        self.appended.notify_waiters();
        appended
    }

    async fn read(&self, epoch: Epoch, after: Position, block: Duration) -> Result<Vec<Record>, StoreError> {
        let deadline = tokio::time::Instant::now() + block;
        loop {
            let appended = self.appended.notified();
            let records = self
                .call(|inner, _| {
                    inner.guard(epoch)?;
                    let later = inner.primary.records.iter().filter(|record| record.position > after);
                    Ok(later.take(MAX_READ).cloned().collect::<Vec<_>>())
                })
                .await?;
            if !records.is_empty() || tokio::time::timeout_at(deadline, appended).await.is_err() {
                return Ok(records);
            }
        }
    }

    async fn table(&self, epoch: Epoch, mode: Mode, chunk: usize) -> Result<Vec<Position>, StoreError> {
        assert_eq!(chunk, 0, "the table of this world is one short chunk");
        self.call(|inner, _| {
            inner.guard(epoch)?;
            Ok(inner.primary.table[usize::from(mode == Mode::Soft)].clone())
        })
        .await
    }

    async fn beat(
        &self,
        epoch: Epoch,
        node: NodeId,
        applied: Position,
        patience: Duration,
    ) -> Result<Beat, StoreError> {
        self.call(|inner, now| {
            let last = inner.guard(epoch)?.last;
            inner.nodes.insert(node, (applied, now));
            inner.nodes.retain(|_, (_, at)| now.since(*at) < patience);
            let peers =
                inner.nodes.iter().map(|(node, (applied, _))| Peer { node: *node, applied: *applied });
            let peers = peers.collect();
            let lives =
                |node: &NodeId| inner.nodes.get(node).is_some_and(|(_, at)| now.since(*at) < NODE_TIMEOUT);
            let gone = |kept: &Kept| kept.node.is_some_and(|node| !lives(&node)) && !kept.swept;
            let over = |kept: &Kept| kept.deadline <= now;
            let due = inner.primary.intents.iter().filter(|(_, kept)| over(kept) || gone(kept));
            let due = due.map(|(id, kept)| {
                let (purges, names) = (Arc::clone(&kept.purges), kept.names.clone());
                Due { id: *id, purges, names, last: over(kept) }
            });
            Ok(Beat { last, peers, due: due.collect(), age: now.since(inner.primary.born) })
        })
        .await
    }

    async fn leave(&self, node: NodeId) -> Result<(), StoreError> {
        self.call(|inner, _| {
            inner.nodes.remove(&node);
            Ok(())
        })
        .await
    }

    async fn intend(&self, epoch: Epoch, intent: &Intent) -> Result<(), StoreError> {
        self.call(|inner, now| {
            inner.guard(epoch)?;
            let Intent { id, node, purges, names, within } = intent.clone();
            let kept = Kept { node, purges, names, deadline: now.plus(within), swept: false };
            inner.primary.intents.insert(id, kept);
            // An intent is worth its name once a replica has it: here, always.
            inner.replica.intents = inner.primary.intents.clone();
            Ok(())
        })
        .await
    }

    async fn withdraw(&self, epoch: Epoch, intent: IntentId) -> Result<(), StoreError> {
        self.call(|inner, _| {
            inner.guard(epoch)?;
            inner.primary.intents.remove(&intent);
            Ok(())
        })
        .await
    }
}
