//! Deliveries to one CDN: who does them, what comes in, what goes out.

use crate::cdn::pending::{Closing, Pending};
use crate::cdn::retry::Retry;
use crate::cdn::{
    Aim, Backlog, CdnObserver, CdnSettings, CdnState, CdnStats, Failing, Job, JobId, Outbox, OutboxError,
    Provider, Rate, Reach, TargetKind,
};
use crate::dice::Dice;
use crate::invalidation::Log;
use crate::time::{Clock, Timestamp};
use arc_swap::ArcSwap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Jobs that come to hand, or leave the queue, in one step: a few hundred KiB at most.
const PAGE: usize = 500;

/// How long the queue is waited for when it is empty. The lead is renewed by another command, so this only bounds how long a
/// connection is used for nothing.
const BLOCK: Duration = Duration::from_secs(2);

/// The queue answers within its own deadline; this is for one that does not.
const STUCK: Duration = Duration::from_secs(15);

/// From one look at what was handed out to the next, while the lead lasts: a fail-over brings back what had left the queue, and
/// puts jobs before those that were handed out. At most all that is in hand is read again, which is some MiB.
const RECOVER: Duration = Duration::from_secs(60);

/// From one look at the queue's figures to the next.
const LOOK: Duration = Duration::from_secs(2);

/// Deliveries to one CDN.
pub(super) struct Delivery {
    pub(super) settings: CdnSettings,
    pub(super) rate: Rate,
    pub(super) aim: Aim,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) log: Arc<dyn Log>,
    pub(super) reach: Arc<ArcSwap<Reach>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn CdnObserver>,
    pub(super) blind_limit: Duration,
    pub(super) dice: Dice,
    pub(super) seen: Mutex<Seen>,
}

/// What operators are told.
#[derive(Debug, Default)]
pub(super) struct Seen {
    state: CdnState,
    backlog: Backlog,
    /// Of the queue.
    queue: Option<Failing>,
    /// Of the calls, by kind.
    pub(super) calls: [Option<Failing>; TargetKind::EACH.len()],
}

/// What a node knows while it has the lead.
pub(super) struct Desk {
    pub(super) pending: Mutex<Pending>,
    /// There is something new to send.
    pub(super) to_send: Notify,
    /// Jobs ended.
    pub(super) to_close: Notify,
    /// There may be room for more jobs.
    room: Notify,
}

impl Desk {
    pub(super) fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Delivery {
    /// Delivers, whenever this node has the lead. Runs until it is dropped.
    pub(super) async fn run(&self) {
        tokio::join!(self.lead_and_deliver(), self.look());
    }

    async fn lead_and_deliver(&self) {
        loop {
            let lead = self.win_lead().await;
            tracing::info!(cdn = %self.settings.name, "this node delivers to the CDN");
            self.queue_answered();
            self.set_state(CdnState::Delivering);
            let desk = Desk {
                pending: Mutex::new(Pending::new(self.settings.second_purge, self.settings.give_up_after)),
                to_send: Notify::new(),
                to_close: Notify::new(),
                room: Notify::new(),
            };
            tokio::select! {
                biased;
                () = self.keep_lead(lead) => {}
                never = self.take_in(&desk) => match never {},
                never = self.send(&desk) => match never {},
                never = self.close(&desk) => match never {},
            }
            // What was in hand stands in the queue; whoever has the lead now takes it up.
            tracing::warn!(cdn = %self.settings.name, "this node lost the lead for the CDN");
            self.lock().calls = Default::default();
            self.set_state(CdnState::StandingBy);
        }
    }

    /// Takes jobs in hand: first those that were handed out before, then the next ones.
    async fn take_in(&self, desk: &Desk) -> Infallible {
        // What an answer that was lost handed out is recovered too.
        let mut recovering: Option<Option<JobId>> = Some(None);
        let mut recovered = self.clock.now();
        let mut retry = Retry::default();
        loop {
            let room = self.room(desk).await.min(PAGE);
            let begun = self.clock.now();
            if recovering.is_none() && begun.since(recovered) >= RECOVER {
                (recovering, recovered) = (Some(None), begun);
            }
            let cdn = &self.settings.name;
            let jobs = match recovering {
                // Most of these are in hand, and take no room.
                Some(after) => self.ask(self.outbox.recover(cdn, after, PAGE)).await,
                None => self.ask(self.outbox.next(cdn, room, BLOCK)).await,
            };
            match jobs {
                Ok(jobs) => {
                    retry.succeeded();
                    self.queue_answered();
                    recovering = recovering.and_then(|_| jobs.last().map(|job| Some(job.id)));
                    self.add(desk, &jobs);
                }
                Err(error) => {
                    recovering = recovering.or(Some(None));
                    self.pause(&mut retry, begun, &error).await;
                }
            }
        }
    }

    /// Waits until more jobs can be held; how many.
    async fn room(&self, desk: &Desk) -> usize {
        loop {
            let room = desk.pending().room();
            if room > 0 {
                return room;
            }
            desk.room.notified().await;
        }
    }

    fn add(&self, desk: &Desk, jobs: &[Job]) {
        if jobs.is_empty() {
            return;
        }
        let (reach, now) = (self.reach.load(), self.clock.now());
        let waiting = self.lock().backlog.waiting;
        let mut pending = desk.pending();
        let mut dead = 0;
        for job in jobs {
            let (mut targets, mut unsayable, mut unsaid) = (Vec::new(), None, 0);
            for purge in &job.purges {
                let mode = self.aim.mode(purge.mode);
                match self.aim.targets(purge, &reach) {
                    Ok(found) => targets.extend(found.into_iter().map(|target| (target, mode))),
                    Err(error) => {
                        unsayable = Some(error.to_string().into());
                        unsaid += 1;
                    }
                }
            }
            if pending.add(job, targets, unsayable, now) {
                dead += unsaid;
            }
        }
        let widened = pending.relieve(&self.aim, &reach, self.rate, waiting, now);
        drop(pending);
        self.dead(dead);
        for kind in widened {
            self.observer.widened(&self.settings.name, kind);
            tracing::warn!(
                cdn = %self.settings.name, kind = kind.as_str(),
                "too many purges wait for the rate of the CDN: they were made fewer and wider"
            );
        }
        desk.to_send.notify_one();
        desk.to_close.notify_one();
    }

    /// Takes jobs that ended out of the queue, and notes there which were told for the first time.
    async fn close(&self, desk: &Desk) -> Infallible {
        let mut retry = Retry::default();
        loop {
            let closing = desk.pending().closing(PAGE);
            let Some(closing) = closing else {
                desk.to_close.notified().await;
                continue;
            };
            let begun = self.clock.now();
            let cdn = &self.settings.name;
            let closed = match &closing {
                Closing::Tell(jobs) => self.ask(self.outbox.told(cdn, jobs)).await,
                Closing::Settle(jobs) => self.ask(self.outbox.settle(cdn, jobs)).await,
                Closing::Bury(jobs, reason) => self.ask(self.outbox.bury(cdn, jobs, reason)).await,
            };
            match closed {
                Ok(()) => {
                    retry.succeeded();
                    if let Closing::Bury(jobs, reason) = &closing {
                        tracing::error!(%cdn, jobs = jobs.len(), %reason, "purges were given up for the CDN");
                    }
                    match &closing {
                        Closing::Tell(jobs) => desk.pending().noted(jobs),
                        Closing::Settle(jobs) | Closing::Bury(jobs, _) => desk.pending().left(jobs),
                    }
                    desk.room.notify_one();
                }
                Err(error) => self.pause(&mut retry, begun, &error).await,
            }
        }
    }

    async fn pause(&self, retry: &mut Retry, begun: Timestamp, error: &OutboxError) {
        let now = self.clock.now();
        let pause = retry.failed(begun, now, None, self.dice.share()).since(now);
        self.queue_failed(error, pause);
        sleep(pause).await;
    }

    /// Reads the figures of the queue now and then.
    async fn look(&self) {
        loop {
            if let Ok(backlog) = self.ask(self.outbox.backlog(&self.settings.name)).await {
                self.observer.waiting(&self.settings.name, backlog.waiting);
                self.observer.dead_letters(&self.settings.name, backlog.dead);
                self.lock().backlog = backlog;
            }
            sleep(LOOK).await;
        }
    }

    /// Asks the queue, which must not hang for ever.
    pub(super) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, OutboxError>>,
    ) -> Result<T, OutboxError> {
        let late = || OutboxError(format!("no answer within {STUCK:?}"));
        timeout(STUCK, question).await.unwrap_or_else(|_| Err(late()))
    }

    /// How it stands.
    pub(super) fn stats(&self) -> CdnStats {
        let Seen { state, backlog, queue, calls } = &*self.lock();
        let calling = calls.iter().flatten().max_by_key(|failing| (failing.since, failing.again));
        let state = match state {
            CdnState::Stopped => CdnState::Stopped,
            _ if queue.is_some() => CdnState::Unreachable,
            CdnState::Delivering if calling.is_some() => CdnState::Waiting,
            state => *state,
        };
        CdnStats {
            name: Arc::clone(&self.settings.name),
            state,
            backlog: backlog.clone(),
            failing: queue.as_ref().or(calling).cloned(),
        }
    }

    pub(super) fn set_state(&self, state: CdnState) {
        self.lock().state = state;
    }

    pub(super) fn queue_answered(&self) {
        if self.lock().queue.take().is_some() {
            tracing::info!(cdn = %self.settings.name, "the queue of the CDN can be reached again");
        }
    }

    pub(super) fn queue_failed(&self, error: &OutboxError, pause: Duration) {
        let now = self.clock.now();
        let mut seen = self.lock();
        let since = seen.queue.as_ref().map(|failing| failing.since);
        let reason = error.to_string();
        seen.queue =
            Some(Failing { kind: "queue", reason, since: since.unwrap_or(now), again: now.plus(pause) });
        drop(seen);
        if since.is_none() {
            tracing::warn!(cdn = %self.settings.name, %error, "purges cannot be delivered");
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
