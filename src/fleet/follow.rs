//! Following the log: the one task that reads it, appends to it, and says that the node lives.

use super::batch::Batch;
use super::log::{Beats, SharedLog};
use super::queue::Item;
use super::{
    Append, Appended, Beat, Head, Intent, MAX_DUE, MAX_READ, RecordId, Settle, StoreError, TABLE_CHUNK,
    TABLE_SLOTS,
};
use crate::invalidation::{Epoch, IntentId, Mode, Position};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Between two heartbeats that nobody asked for: a tenth of what makes a node count as gone.
const BEAT: Duration = Duration::from_secs(1);

/// Between two heartbeats that are wanted soon: what waits for one is about to cross a network anyway, and however busy the log
/// is, forty a second from each node are little for its server.
const SOON: Duration = Duration::from_millis(25);

/// A read blocks for no longer than this, and than a quarter of the blind limit.
const LONGEST_BLOCK: Duration = Duration::from_secs(1);

/// How long after a failure the log is tried again: at first, and at most, so that its return is noticed within a second, with
/// the pauses of the connection under it. Jitter comes on top.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// How long a server that knows less of the log than this node is not followed. Whoever knows which server is primary learns
/// of a change within a second or two.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked of the store next.
enum Next {
    Append(Append),
    Withdraw(IntentId),
}

/// How the following of the log was interrupted.
#[derive(Debug)]
enum Interrupted {
    /// The server of the log.
    Store(StoreError),
    /// Records are missing: the table has them.
    Gap,
    /// The server knows less than this node has seen of the same log: it is not the one to follow.
    Behind,
}

impl From<StoreError> for Interrupted {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl SharedLog {
    /// Follows the log. Runs until it is dropped; a process runs one.
    pub async fn run(self: Arc<Self>) {
        tracing::info!(node = %self.node, "the name of this node, as others know it by the invalidation log");
        let mut pause = FIRST_PAUSE;
        loop {
            let was = self.clock.now();
            let interrupted = match self.session().await {
                Ok(never) => match never {},
                Err(interrupted) => interrupted,
            };
            let lived = self.lock().connected && self.clock.now().since(was) > LONGEST_PAUSE;
            self.lock().connected = false;
            self.begun.send_replace(true);
            // Nothing is known of the others any more.
            self.beats.send_modify(|beats| beats.peers.clear());
            match &interrupted {
                Interrupted::Store(StoreError::Moved) => self.observer.event("moved"),
                Interrupted::Gap => self.observer.event("gap"),
                Interrupted::Store(error) => {
                    self.observer.event("interrupted");
                    self.cannot_follow(error);
                }
                Interrupted::Behind => {
                    self.observer.event("behind");
                    self.cannot_follow(&"its server knows less of it than this node");
                }
            }
            pause = if lived { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            let soon = matches!(interrupted, Interrupted::Gap | Interrupted::Store(StoreError::Moved));
            let base = if soon && lived { Duration::ZERO } else { pause };
            sleep(base + base.mul_f64(self.dice.share() / 2.0)).await;
        }
    }

    fn cannot_follow(&self, error: &dyn fmt::Display) {
        let times = self.lock().unfollowed.happened(self.clock.now());
        if let Some(times) = times {
            tracing::warn!(%error, times, "the invalidation log cannot be followed");
        }
    }

    /// One time of following, from opening the log to whatever interrupts it.
    async fn session(&self) -> Result<Infallible, Interrupted> {
        let (seen, known) = {
            let state = self.lock();
            (state.seen, state.followed.as_ref().map(|(epoch, _)| *epoch))
        };
        let mut head = self.store.open(seen, known).await?;
        if let Some(known) = known.filter(|known| known.birth == head.birth && known.term > head.term) {
            // It may be a primary that was replaced and does not know it yet. If it lasts, the other is gone.
            let now = self.clock.now();
            let since = *self.lock().behind_since.get_or_insert(now);
            if now.since(since) < PATIENCE {
                return Err(Interrupted::Behind);
            }
            head = self.store.outgrow(seen, known).await?;
        }
        self.lock().behind_since = None;
        let epoch = head.epoch();
        self.introduce(epoch, known).await?;
        if self.enter(&head) {
            self.load(&head).await?;
        }
        if self.lock().announced != Some(epoch) {
            self.announce_again(epoch).await?;
            self.lock().announced = Some(epoch);
        }
        let again = {
            let mut state = self.lock();
            state.connected = true;
            state.unfollowed.over()
        };
        if again {
            tracing::info!("the invalidation log is followed again");
        }
        self.begun.send_replace(true);
        self.queued.notify_one();
        tokio::select! {
            biased;
            ended = self.tail(epoch) => ended,
            ended = self.beat(epoch) => ended,
            ended = self.append_queued(epoch) => ended,
        }
    }

    /// Makes this node known, before it counts anything as fresh because it follows this log: who tells a CDN waits for the nodes
    /// that it knows of. How far it had come in another epoch says nothing here.
    async fn introduce(&self, epoch: Epoch, known: Option<Epoch>) -> Result<(), StoreError> {
        let applied = if known == Some(epoch) { self.ledger.applied() } else { Position::START };
        self.store.beat(epoch, self.node, applied, self.settings.patience()).await.map(drop)
    }

    /// Takes over what the log invalidated before, from its table. `head` was read before, so whatever is appended
    /// meanwhile is read after.
    async fn load(&self, head: &Head) -> Result<(), Interrupted> {
        let hard = self.table(head, Mode::Hard).await?;
        let soft = self.table(head, Mode::Soft).await?;
        self.ledger.load(head.last, head.marks, [&hard, &soft]);
        let mut state = self.lock();
        state.gap = false;
        self.settle_up(&state);
        drop(state);
        self.applied.send_replace(self.ledger.applied());
        self.observer.event("loaded");
        Ok(())
    }

    async fn table(&self, head: &Head, mode: Mode) -> Result<Vec<Position>, Interrupted> {
        let mut table = Vec::new();
        for chunk in 0..TABLE_SLOTS / TABLE_CHUNK {
            let slots = self.store.table(head.epoch(), mode, chunk).await?;
            table.extend_from_slice(&slots);
            if slots.len() < TABLE_CHUNK {
                break;
            }
        }
        Ok(table)
    }

    /// Records again what this node announced and a fail-over, or the loss of the log, may have lost.
    async fn announce_again(&self, epoch: Epoch) -> Result<(), Interrupted> {
        let now = self.clock.now();
        let open: Vec<_> = {
            let mut state = self.lock();
            state.intents.retain(|_, (_, until)| now < *until);
            state.intents.iter().map(|(id, (batch, until))| (*id, batch.clone(), *until)).collect()
        };
        for (id, Batch { purges, names }, until) in open {
            let intent = Intent { id, node: Some(self.node), purges, names, within: until.since(now) };
            self.store.intend(epoch, &intent).await?;
        }
        Ok(())
    }

    /// Reads record after record.
    async fn tail(&self, epoch: Epoch) -> Result<Infallible, Interrupted> {
        let block = (self.settings.blind_limit / 4).min(LONGEST_BLOCK);
        // The first read does not wait: what stands there is to be known before anybody relies on it.
        let mut wait = Duration::ZERO;
        loop {
            let sent = self.clock.now();
            let records = self.store.read(epoch, self.ledger.applied(), wait).await?;
            if self.take(&records).is_err() {
                self.lock().gap = true;
                return Err(Interrupted::Gap);
            }
            if records.len() < MAX_READ {
                self.ledger.followed(sent);
                self.append_missing();
                wait = block;
            } else {
                wait = Duration::ZERO;
            }
        }
    }

    /// Appends again what a fail-over lost: the log is read to its end, and it did not turn up.
    fn append_missing(&self) {
        let mut state = self.lock();
        if state.missing.is_empty() {
            return;
        }
        self.observer.event("appended_again");
        for (_, batch) in std::mem::take(&mut state.missing) {
            let item = Item::new(batch).applied();
            self.enqueue(&mut state, item);
        }
        self.queued.notify_one();
    }

    /// Says that the node lives, and sweeps what others left.
    async fn beat(&self, epoch: Epoch) -> Result<Infallible, Interrupted> {
        loop {
            let begun = Instant::now();
            self.beats.send_modify(|beats| beats.begun += 1);
            match self.store.beat(epoch, self.node, self.ledger.applied(), self.settings.patience()).await {
                Ok(beat) => self.heard(beat),
                Err(StoreError::Moved) => return Err(StoreError::Moved.into()),
                // The tail tells whether the log is gone.
                Err(error) => tracing::debug!(%error, "a heartbeat failed"),
            }
            // Those who ask in a row are answered together.
            sleep(Duration::from_millis(2)).await;
            let soon = async {
                self.beat_soon.notified().await;
                sleep_until(begun + SOON).await;
            };
            tokio::select! {
                biased;
                () = self.beat_now.notified() => {}
                () = soon => {}
                () = sleep(BEAT) => {}
            }
        }
    }

    fn heard(&self, Beat { last, peers, due, age }: Beat) {
        {
            let mut state = self.lock();
            state.seen = state.seen.max(last);
        }
        let young = self.settings.blind_limit.saturating_sub(age);
        let complete = (!young.is_zero()).then(|| Instant::now() + young);
        self.beats.send_modify(|beats| {
            *beats = Beats { begun: beats.begun, ended: beats.begun, last, peers, complete };
        });
        // There are more. At a heartbeat a second those of writes that ended in doubt could come faster than they go.
        if due.len() >= MAX_DUE {
            self.beat_soon.notify_one();
        }
        for due in due {
            let settle = if due.last { Settle::Last(due.id) } else { Settle::Sweep(due.id) };
            self.sweep(settle, Batch { purges: due.purges, names: due.names });
        }
    }

    /// Appends what is queued, in its order.
    async fn append_queued(&self, epoch: Epoch) -> Result<Infallible, Interrupted> {
        let mut pause = FIRST_PAUSE;
        loop {
            let (numbers, own, asked, unnamed) = match self.next() {
                None => {
                    self.queued.notified().await;
                    continue;
                }
                Some((numbers, Next::Withdraw(intent))) => {
                    let withdrawn = self.store.withdraw(epoch, intent).await;
                    (numbers, None, withdrawn.map(|()| Appended::Swept), false)
                }
                Some((numbers, Next::Append(append))) => {
                    let asked = self.store.append(epoch, &append).await;
                    (numbers, Some(append.id), asked, append.names.is_empty())
                }
            };
            match asked {
                Ok(Appended::At { position, between }) => {
                    pause = FIRST_PAUSE;
                    // It was made before this node heard of a CDN.
                    if unnamed && self.named() {
                        self.nameless();
                    }
                    let own = own.expect("only appends have positions");
                    self.appended(epoch, &numbers, own, position, &between);
                }
                Ok(Appended::Swept) => self.taken(&numbers, None),
                Err(StoreError::Replicas(have)) => {
                    self.observer.event("too_few_replicas");
                    tracing::warn!(have, "a purge stands in the log, on fewer replicas than it should");
                    self.taken(&numbers, own);
                }
                Err(StoreError::Moved) => return Err(StoreError::Moved.into()),
                Err(error) => {
                    let times = self.lock().unappended.happened(self.clock.now());
                    if let Some(times) = times {
                        tracing::warn!(%error, times, "a purge could not be appended; it is tried again");
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    sleep(pause.mul_f64(1.0 + self.dice.share() / 2.0)).await;
                }
            }
        }
    }

    /// The next record, made of what waits. It gets a new name with each attempt, since it may hold more than the last one.
    fn next(&self) -> Option<(Vec<u64>, Next)> {
        let state = self.lock();
        let items: Vec<_> = state.queue.front().collect();
        let first = items.first()?;
        if first.batch.purges.is_empty() {
            let Some(Settle::Done(intent)) = first.settle else {
                unreachable!("only withdrawals purge nothing")
            };
            return Some((vec![first.number], Next::Withdraw(intent)));
        }
        let numbers = items.iter().map(|item| item.number).collect();
        let Batch { purges, names } = Batch::join(items.iter().map(|item| &item.batch));
        let append = Append {
            id: RecordId(self.dice.name()),
            purges,
            names,
            after: self.ledger.applied(),
            seen: state.seen,
            // Whoever tells a CDN waits for all nodes first.
            urgent: self.settings.names || items.iter().any(|item| item.urgent),
            settles: items.iter().filter_map(|item| item.settle).collect(),
        };
        Some((numbers, Next::Append(append)))
    }
}
