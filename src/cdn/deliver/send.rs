//! Calls: when they are made, and what becomes of them.

use super::one::{Delivery, Desk};
use crate::cdn::budget::Budget;
use crate::cdn::pending::Ready;
use crate::cdn::retry::Retry;
use crate::cdn::{Call, CallError, CallId, CallResult, Failing, PurgeResult, TargetKind};
use crate::invalidation::{Place, Position};
use crate::time::{Stopwatch, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

/// Calls of one kind under way at once. An API that takes one URL a call and 200 ms to answer then takes forty a second; whoever
/// takes more in one call never comes near.
const SIDE_BY_SIDE: usize = 8;

/// Providers keep the deadline of a call themselves, and say more of it; this is for one that does not.
const OVERTIME: Duration = Duration::from_secs(1);

/// Longer than anything is waited for, so that it need not be known whether there is anything.
const IDLE: Duration = Duration::from_secs(3600);

/// A call that ended.
struct Ended {
    call: Arc<Call>,
    begun: Timestamp,
    took: Duration,
    result: Result<(), CallError>,
}

/// What keeps calls of one kind from being made.
#[derive(Clone, Copy, Default)]
struct Gate {
    under_way: usize,
    retry: Retry,
}

type Calls<'a> = FuturesUnordered<BoxFuture<'a, Ended>>;

impl Delivery {
    /// Makes calls of what waits.
    pub(super) async fn send(&self, desk: &Desk) -> Infallible {
        let mut calls = Calls::new();
        let mut gates = [Gate::default(); TargetKind::EACH.len()];
        let mut budget = Budget::new(self.rate, self.clock.now());
        loop {
            let wait = self.begin_calls(desk, &mut gates, &mut budget, &mut calls);
            tokio::select! {
                biased;
                Some(ended) = calls.next() => self.ended(desk, &mut gates, ended),
                () = desk.to_send.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// Begins all calls that may be made now; returns how long it may take until another may.
    fn begin_calls<'a>(
        &'a self,
        desk: &Desk,
        gates: &mut [Gate; TargetKind::EACH.len()],
        budget: &mut Budget,
        calls: &mut Calls<'a>,
    ) -> Duration {
        let now = self.clock.now();
        let limits = self.aim.limits();
        let mut pending = desk.pending();
        let mut next = pending.repeat(now).unwrap_or(now.plus(IDLE));
        // The widest first: what it covers need not be told.
        for kind in TargetKind::EACH.into_iter().rev() {
            let gate = &mut gates[kind as usize];
            // While a kind fails one call at a time finds out whether it still does.
            let most = if gate.retry.is_failing() { 1 } else { SIDE_BY_SIDE };
            while gate.under_way < most {
                let Some(ready) = pending.ready_at(kind, self.settings.gather, limits) else { break };
                let ready = ready.max(gate.retry.until().unwrap_or(Timestamp::ZERO));
                if ready > now {
                    next = next.min(ready);
                    break;
                }
                if let Err(then) = budget.take(now) {
                    return then.min(next).since(now);
                }
                let Some(ready) = pending.take(kind, limits, CallId(self.dice.name())) else { break };
                gate.under_way += 1;
                calls.push(Box::pin(self.make(ready)));
            }
        }
        next.since(now)
    }

    /// Makes one call, once all nodes have applied what it is about.
    async fn make(&self, Ready { call, newest, taken }: Ready) -> Ended {
        self.wait_for_nodes(newest, taken).await;
        let begun = self.clock.now();
        let watch = Stopwatch::start();
        let span = tracing::info_span!(
            "cdn_call", cdn = %self.settings.name, id = %call.id, kind = call.kind.as_str(),
            mode = call.mode.as_str(), targets = call.targets.len(),
        );
        let deadline = self.settings.timeout + OVERTIME;
        let result = timeout(deadline, self.provider.send(&call).instrument(span)).await;
        let late = || CallError::Later {
            kind: "timeout",
            reason: format!("no answer within {deadline:?}"),
            after: None,
        };
        let result = result.unwrap_or_else(|_| Err(late()));
        Ended { call, begun, took: watch.elapsed(), result }
    }

    /// Waits until all nodes have applied the log up to `newest`: a CDN that is told before might fill itself from one that has
    /// not. A node that is further behind than the blind limit revalidates what it has, so nobody is waited for longer.
    ///
    /// The log is asked each time. What it said before counts for the log there was then: another one, or another term, may hand
    /// out the same positions again.
    async fn wait_for_nodes(&self, newest: Position, taken: Timestamp) {
        let within = self.blind_limit.saturating_sub(self.clock.now().since(taken));
        if !within.is_zero() {
            let _late = self.log.spread(Place { epoch: None, position: newest }, within).await;
        }
    }

    fn ended(&self, desk: &Desk, gates: &mut [Gate; TargetKind::EACH.len()], ended: Ended) {
        let Ended { call, begun, took, result } = ended;
        let (cdn, now) = (&*self.settings.name, self.clock.now());
        let (kind, targets) = (call.kind, call.targets.len());
        let gate = &mut gates[kind as usize];
        gate.under_way = gate.under_way.saturating_sub(1);
        self.observer.called(cdn, CallResult::from(&result), took);
        match result {
            Ok(()) => {
                gate.retry.succeeded();
                self.lock().calls[kind as usize] = None;
                self.observer.purged(cdn, PurgeResult::Delivered, targets);
                for at in desk.pending().delivered(call.id, now) {
                    self.observer.delivered(cdn, now.since(at));
                }
                tracing::info!(cdn, kind = kind.as_str(), targets, ?took, "the CDN took a purge");
            }
            Err(CallError::Refused { reason }) => {
                let (refusal, refuses) = {
                    let mut pending = desk.pending();
                    (pending.refused(call.id, &reason, now), pending.refuses(kind))
                };
                if refusal.given_up {
                    self.observer.purged(cdn, PurgeResult::Refused, targets);
                }
                self.dead(refusal.dead);
                // What is given up is said when its jobs leave the queue.
                if !refusal.given_up {
                    tracing::warn!(
                        cdn,
                        kind = kind.as_str(),
                        targets,
                        ?took,
                        reason,
                        "the CDN refused a purge, which is divided"
                    );
                }
                if refuses {
                    let again = gate.retry.failed(begun, now, None, self.dice.share());
                    self.fails(kind, "refused", reason, now, again);
                } else {
                    gate.retry.succeeded();
                    self.lock().calls[kind as usize] = None;
                }
            }
            Err(CallError::Later { kind: word, reason, after }) => {
                let again = gate.retry.failed(begun, now, after, self.dice.share());
                self.observer.purged(cdn, PurgeResult::Failed(word), targets);
                let dead = desk.pending().failed(call.id, &reason, now);
                self.dead(dead);
                let pause = again.since(now);
                tracing::warn!(cdn, kind = kind.as_str(), targets, ?took, word, reason, again_in = ?pause, dead, "the CDN did not take a purge");
                self.fails(kind, word, reason, now, again);
            }
        }
        desk.to_close.notify_one();
    }

    /// Counts what was given up as nobody took it for too long, or as it cannot be said.
    pub(super) fn dead(&self, targets: usize) {
        if targets > 0 {
            self.observer.purged(&self.settings.name, PurgeResult::Dead, targets);
        }
    }

    /// Notes what keeps calls of a kind from being made before `again`.
    fn fails(&self, kind: TargetKind, word: &'static str, reason: String, now: Timestamp, again: Timestamp) {
        let failing = &mut self.lock().calls[kind as usize];
        let since = failing.as_ref().map_or(now, |failing| failing.since);
        *failing = Some(Failing { kind: word, reason, since, again });
    }
}
