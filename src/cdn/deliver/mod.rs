//! Deliveries: what is in the queues reaches the CDNs.

mod lead;
mod one;
mod send;
#[cfg(test)]
mod tests;

use super::{
    Aim, CdnObserver, CdnSettings, CdnState, CdnStats, Outbox, OutboxError, Outstanding, OutstandingReason,
    Provider, Reach, Wait,
};
use crate::dice::Dice;
use crate::invalidation::{Log, Position};
use crate::time::Clock;
use arc_swap::ArcSwap;
use futures_util::future::join_all;
use one::Delivery;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Between two looks at what became of a purge that somebody waits for: at first, and at most.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_millis(500);

/// How long the oldest purge may wait before `/readyz` speaks of it. A rate that is used up, a repeated call: a minute of
/// those is the API's business.
const LATE: Duration = Duration::from_secs(120);

/// How long the end of the process waits for the lead to be given up. Others have it a few seconds later in any case.
const RESIGN: Duration = Duration::from_millis(500);

/// What deliveries are made of.
pub struct DeliveryParts {
    /// The CDNs, each with its API.
    pub cdns: Vec<(CdnSettings, Arc<dyn Provider>)>,
    /// Their queues.
    pub outbox: Arc<dyn Outbox>,
    /// The invalidation log: it knows what all nodes have applied.
    pub log: Arc<dyn Log>,
    /// What the rules in force reach; swapped when they change.
    pub reach: Arc<ArcSwap<Reach>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Told of every call.
    pub observer: Arc<dyn CdnObserver>,
    /// How long the log may be lost sight of: a node that has not applied a purge by then revalidates what it has.
    pub blind_limit: Duration,
    /// What names of calls and jitter are made from; to be random.
    pub seed: u128,
}

/// Deliveries to all CDNs in front. One node at a time makes those to a CDN; which one, the queue says.
pub struct Deliveries {
    each: Vec<Arc<Delivery>>,
    outbox: Arc<dyn Outbox>,
}

impl Deliveries {
    /// Nothing is delivered before [`Deliveries::begin`].
    pub fn new(parts: DeliveryParts) -> Self {
        let DeliveryParts { cdns, outbox, log, reach, clock, observer, blind_limit, seed } = parts;
        let dice = Dice::new(seed);
        let each = cdns.into_iter().map(|(settings, provider)| {
            let aim = Aim::new(provider.limits().clone(), &settings);
            Arc::new(Delivery {
                rate: settings.rate.unwrap_or(provider.limits().rate),
                settings,
                aim,
                provider,
                outbox: Arc::clone(&outbox),
                log: Arc::clone(&log),
                reach: Arc::clone(&reach),
                clock: Arc::clone(&clock),
                observer: Arc::clone(&observer),
                blind_limit,
                dice: Dice::new(dice.name()),
                seen: Default::default(),
            })
        });
        Self { each: each.collect(), outbox }
    }

    /// Begins to deliver, in tasks of `background`, until `ended`. Then the leads are given up; what is left stays queued.
    pub fn begin(&self, background: &TaskTracker, ended: &CancellationToken) {
        for delivery in &self.each {
            let (delivery, ended) = (Arc::clone(delivery), ended.clone());
            background.spawn(async move {
                ended.run_until_cancelled(delivery.run()).await;
                delivery.set_state(CdnState::Stopped);
                // Whoever cannot be told finds out when the lease is over.
                let _late = timeout(RESIGN, delivery.resign()).await;
            });
        }
    }

    /// The names of the CDNs.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.each.iter().map(|delivery| &delivery.settings.name)
    }

    /// How each CDN stands.
    pub fn stats(&self) -> Vec<CdnStats> {
        self.each.iter().map(|delivery| delivery.stats()).collect()
    }

    /// Queues the dead letters of one CDN again, or of all; with how many each had. `None`: no CDN has that name.
    pub async fn retry(&self, name: Option<&str>) -> Option<Result<Vec<(Arc<str>, u64)>, OutboxError>> {
        let chosen = self.names().filter(|known| name.is_none_or(|name| *name == ***known));
        let chosen: Vec<_> = chosen.cloned().collect();
        if chosen.is_empty() && name.is_some() {
            return None;
        }
        let mut retried = Vec::new();
        for name in chosen {
            match self.outbox.retry(&name).await {
                Ok(letters) => retried.push((name, letters)),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(retried))
    }

    /// Waits, `within` at most, until every CDN has taken what stands at each of `positions`, for the first time where it is
    /// purged twice; says which have not.
    pub async fn wait(&self, positions: &[Position], within: Duration) -> Vec<Outstanding> {
        let deadline = Instant::now() + within;
        let each = self.names().map(|cdn| async {
            // In the order in which they are told, so the later ones seldom have to be waited for.
            for position in positions {
                if let Some(reason) = self.wait_for(cdn, *position, deadline).await {
                    return Some(Outstanding { cdn: Arc::clone(cdn), reason });
                }
            }
            None
        });
        join_all(each).await.into_iter().flatten().collect()
    }

    /// How many jobs each CDN has not taken, or not for the second time where it is purged twice; those with none are left out.
    pub async fn left(&self) -> Vec<(Arc<str>, u64)> {
        let mut left = Vec::new();
        for delivery in &self.each {
            let cdn = &delivery.settings.name;
            let waiting = delivery.ask(self.outbox.backlog(cdn)).await.map_or(0, |backlog| backlog.waiting);
            if waiting > 0 {
                left.push((Arc::clone(cdn), waiting));
            }
        }
        left
    }

    /// What does not work as it should, a sentence each. Nothing in them is from the replies of APIs.
    pub fn degraded(&self) -> Vec<String> {
        let each = self.each.iter().map(|delivery| {
            sentences(&delivery.stats(), delivery.settings.provider.place(), delivery.clock.now())
        });
        each.flatten().collect()
    }

    async fn wait_for(&self, cdn: &str, position: Position, deadline: Instant) -> Option<OutstandingReason> {
        let mut pause = FIRST_LOOK;
        let mut last = OutstandingReason::Waiting;
        loop {
            match timeout_at(deadline, self.outbox.standing(cdn, position)).await {
                Ok(Ok(Wait::Delivered)) => return None,
                Ok(Ok(Wait::Dead(reason))) => return Some(OutstandingReason::Dead(reason)),
                Ok(Ok(Wait::Outstanding)) => last = OutstandingReason::Waiting,
                Ok(Err(error)) => last = OutstandingReason::Unknown(error.to_string()),
                Err(_) => return Some(last),
            }
            if timeout_at(deadline, sleep(pause)).await.is_err() {
                return Some(last);
            }
            pause = (pause * 2).min(LAST_LOOK);
        }
    }
}

/// What an operator has to know of a CDN, whose API is asked for a `place` there.
fn sentences(stats: &CdnStats, place: &str, now: crate::time::Timestamp) -> Vec<String> {
    let CdnStats { name, state, backlog, failing } = stats;
    let mut found = Vec::new();
    match failing {
        _ if *state == CdnState::Unreachable => {
            found.push(format!("CDN `{name}`: its queue cannot be reached; nothing is delivered"));
        }
        Some(failing) if failing.kind == "credentials" => {
            found.push(format!("CDN `{name}`: its API refuses the credentials; purges wait for better ones"));
        }
        Some(failing) if failing.kind == "not_found" => {
            found.push(format!(
                "CDN `{name}`: its API knows no such {place}, or not with these credentials; purges wait until that is mended"
            ));
        }
        _ => {}
    }
    let waited = backlog.oldest.map(|oldest| now.since(oldest)).filter(|waited| *waited >= LATE);
    if let Some(waited) = waited {
        let why = failing.as_ref().map(|failing| format!(" ({})", failing.kind)).unwrap_or_default();
        let seconds = waited.as_secs();
        found.push(format!(
            "CDN `{name}`: the oldest of {} purges waits for {seconds} s{why}",
            backlog.waiting
        ));
    }
    if backlog.dead > 0 {
        found.push(format!(
            "CDN `{name}`: {} purges were given up; `larder cdn retry` queues them again",
            backlog.dead
        ));
    }
    found
}
