//! The shared log as the port that others append through, announce writes to and wait for.

use super::batch::Batch;
use super::log::{Beats, SharedLog};
use super::queue::Item;
use super::{Intent, Settle};
use crate::invalidation::{Appending, IntentId, Invalidation, Log, LogError, Place, Places, Reach, Standing};
use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a request that brought a position waits for it. The log is usually some milliseconds behind; what takes longer
/// than this costs less at the origin.
const REACH: Duration = Duration::from_millis(250);

/// How long until the other nodes are asked again how far they are: at first, for those that say so as soon as they have applied a
/// record, and at most, for one that does not answer.
const FIRST_ASK: Duration = Duration::from_millis(20);
const LAST_ASK: Duration = Duration::from_millis(250);

/// Writes under way whose intents are remembered, to be recorded again after a fail-over.
const MAX_INTENTS: usize = 1 << 14;

impl SharedLog {
    /// Queues what is appended; returns the numbers of its parts, and what tells where each of them stands.
    fn push(&self, appending: Appending) -> Result<(Vec<u64>, Vec<oneshot::Receiver<Place>>), LogError> {
        let Appending { batch, intent, in_doubt, urgent, at_once } = appending;
        if let Some(intent) = intent.filter(|_| !in_doubt) {
            self.lock().intents.remove(&intent);
        }
        // By name too, whether or not a CDN is known of: it may come before they are appended.
        let parts = Batch::parts(&batch);
        let settle = intent.map(|id| if in_doubt { Settle::Sweep(id) } else { Settle::Done(id) });
        let mut state = self.lock();
        // Without a connection there is nothing to wait for.
        let connected = state.connected;
        let here = at_once || !connected;
        if here {
            self.ledger.apply_here(parts.iter().flat_map(|part| part.purges.iter().copied()));
        }
        let mut parts = parts.into_iter().peekable();
        let (mut numbers, mut appended) = (Vec::new(), Vec::new());
        while let Some(part) = parts.next() {
            // Until the last part stands there the intent does.
            let last = parts.peek().is_none();
            let (done, told) = oneshot::channel();
            appended.push(told);
            numbers.push(self.enqueue(
                &mut state,
                Item {
                    number: 0,
                    batch: part,
                    settle: settle.filter(|_| last),
                    urgent,
                    here,
                    done: connected.then_some(done),
                },
            ));
        }
        drop(state);
        self.queued.notify_one();
        if connected { Ok((numbers, appended)) } else { Err(away()) }
    }

    /// Those that have not applied what stands at `place`, as far as heartbeats told.
    fn behind(&self, Beats { peers, complete, .. }: &Beats, place: Place) -> Vec<String> {
        let late = peers.iter().filter(|peer| peer.applied < place.position);
        let mut late: Vec<_> = late.map(|peer| peer.node.to_string()).collect();
        // What was lost with another log, or with the end of a term, stands elsewhere by now, or nowhere yet.
        let lost = place.epoch.is_some() && self.ledger.standing(place) == Standing::Beyond;
        if peers.is_empty() || (lost && late.is_empty()) {
            late.push(self.node.to_string());
        }
        if complete.is_some() {
            late.push(UNHEARD.to_owned());
        }
        late
    }

    /// Applies here what could not be appended in time.
    fn give_up(&self, numbers: &[u64]) {
        let mut state = self.lock();
        for number in numbers {
            if let Some(item) = state.queue.get_mut(*number)
                && !item.here
            {
                item.here = true;
                self.ledger.apply_here(item.batch.purges.iter().copied());
            }
        }
    }
}

/// Stands for the names of nodes that nobody knows.
const UNHEARD: &str = "others that were not heard of yet, as the log was just born";

fn away() -> LogError {
    LogError::Unavailable(
        "it cannot be reached; the purge applies to this node and is appended later".to_owned(),
    )
}

#[async_trait]
impl Log for SharedLog {
    async fn append(&self, appending: Appending) -> Result<Places, LogError> {
        if appending.batch.is_empty() {
            let (epoch, position) = (self.ledger.epoch(), self.ledger.applied());
            return Ok(Place { epoch, position }.into());
        }
        let (numbers, appended) = self.push(appending)?;
        let mut appended = try_join_all(appended);
        let places = match timeout(self.settings.timeout, &mut appended).await {
            Ok(places) => places.ok(),
            Err(_) => {
                self.give_up(&numbers);
                appended.now_or_never().and_then(Result::ok)
            }
        };
        // Not in time, swept by another node, or part of what was widened: it is in the queue no more, or covered by all of it.
        places.and_then(Places::new).ok_or_else(away)
    }

    async fn intend(&self, batch: &[Invalidation]) -> Option<IntentId> {
        let deadline = Instant::now() + self.settings.timeout;
        let epoch = self.connected_by(deadline).await?;
        let id = IntentId(self.dice.name());
        let batch = Batch::of(batch, self.named());
        let within = self.settings.write_bound;
        let Batch { purges, names } = batch.clone();
        let intent = Intent { id, node: Some(self.node), purges, names, within };
        match timeout_at(deadline, self.store.intend(epoch, &intent)).await {
            Ok(Ok(())) => {
                let now = self.clock.now();
                let mut state = self.lock();
                if state.intents.len() >= MAX_INTENTS {
                    state.intents.retain(|_, (_, until)| now < *until);
                }
                // Beyond the bound an intent is recorded, and only not again.
                if state.intents.len() < MAX_INTENTS {
                    state.intents.insert(id, (batch, now.plus(within)));
                }
                Some(id)
            }
            _ => None,
        }
    }

    async fn repeat(&self, batch: &[Invalidation], within: Duration) {
        let Some(epoch) = self.connected_to() else { return };
        let Batch { purges, names } = Batch::of(batch, self.named());
        let intent = Intent { id: IntentId(self.dice.name()), node: None, purges, names, within };
        if !matches!(timeout(self.settings.timeout, self.store.intend(epoch, &intent)).await, Ok(Ok(()))) {
            tracing::debug!("a purge that is to be repeated is known to this node alone");
        }
    }

    fn withdraw(&self, intent: IntentId) {
        self.lock().intents.remove(&intent);
        let settle = Settle::Done(intent);
        let item = Item::new(Batch::nothing()).settling(settle);
        self.enqueue(&mut self.lock(), item);
        self.queued.notify_one();
    }

    async fn reach(&self, place: Place) -> Reach {
        match self.ledger.standing(place) {
            Standing::Applied => return Reach::Applied,
            Standing::Unknown => return Reach::Unknown,
            Standing::Ahead if self.lock().connected => {}
            Standing::Ahead | Standing::Beyond => return Reach::Behind,
        }
        let position = place.position;
        let mut applied = self.applied.subscribe();
        let mut beats = self.beats.subscribe();
        // Only a heartbeat that begins from now on can tell that the position was never handed out.
        let begun = beats.borrow().begun;
        self.beat_now.notify_one();
        let told = async {
            let beat = beats.wait_for(|beats| beats.ended > begun || beats.last >= position).await;
            let unknown = beat.is_ok_and(|beat| beat.last < position);
            if !unknown {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            reached = timeout(REACH, applied.wait_for(|applied| *applied >= position)) => match reached {
                // In a term that began meanwhile the position may be another's.
                Ok(Ok(_)) if self.ledger.standing(place) == Standing::Applied => Reach::Applied,
                _ => Reach::Behind,
            },
            () = told => match self.ledger.standing(place) {
                Standing::Beyond => Reach::Behind,
                _ => Reach::Unknown,
            },
        }
    }

    async fn spread(&self, place: Place, within: Duration) -> Vec<String> {
        let deadline = Instant::now() + within;
        let mut beats = self.beats.subscribe();
        // What is known may be from before the position was handed out.
        let (mut known, mut late, mut complete) = {
            let beats = beats.borrow_and_update();
            (beats.begun, self.behind(&beats, place), None)
        };
        let mut pause = FIRST_ASK;
        self.beat_soon.notify_one();
        loop {
            // Others may have asked meanwhile: their heartbeat will do.
            let next = Instant::now() + pause;
            let until = complete.map_or(next, |complete| next.min(complete)).min(deadline);
            match timeout_at(until, beats.wait_for(|beats| beats.ended > known)).await {
                Ok(Ok(beats)) => {
                    (known, complete) = (beats.ended, beats.complete);
                    late = self.behind(&beats, place);
                    if late.is_empty() {
                        return late;
                    }
                }
                Err(_) if until < deadline => {
                    complete = complete.filter(|complete| *complete > until);
                    self.beat_soon.notify_one();
                    pause = (pause * 2).min(LAST_ASK);
                }
                Ok(Err(_)) | Err(_) => return late,
            }
        }
    }
}
