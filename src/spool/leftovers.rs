//! What an earlier process left in a spool, for one that shares its log: handed over to that, and only then taken out.
//!
//! Purges that wait for CDNs, and those that were given up, are appended to the shared log, which queues them anew: for all its
//! CDNs, as it knows no other way. What was announced, or was not appended yet, is purged at once; its intents stay until they are
//! due, as in a process that goes on with the spool. Nothing is taken out before the log has it, so a process that ends in
//! between leaves it to the next, which hands some over twice. What waits for a CDN that is not set up stays where it is.

use super::journal::{Shared, Spool};
use super::names::read;
use super::record::Record;
use crate::invalidation::{Invalidation, Log, Names, Position};
use std::time::Duration;
use tokio::time::sleep;

/// Jobs, or intents, that are handed over by one append.
pub(super) const AT_ONCE: usize = 100;

/// Between two attempts to hand something over: at first, and at most. Each leaves a purge with the log that cannot take it now.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Hands over what an earlier process left. Returns when the log has it.
pub(super) async fn hand_over(spool: &Spool, log: &dyn Log) {
    let shared = &*spool.shared;
    let announced = {
        let core = &mut *shared.lock();
        let (jobs, intents) = core.state.left();
        if (jobs, intents) == (0, 0) {
            return;
        }
        tracing::info!(
            jobs,
            intents,
            "an earlier Larder left purges in the spool: they are handed over to Redis"
        );
        // Letters become jobs again, which have another try.
        for (cdn, at) in core.state.cdns().to_vec().into_iter().map(|cdn| (cdn, shared.clock.now())) {
            if core.state.dead(&cdn) > 0 {
                let first = core.state.next_job(Position::at(at));
                shared.record(core, &Record::Retry { cdn, first, at }, false);
            }
        }
        read(&core.state.announced())
    };
    append(log, announced).await;
    loop {
        let (jobs, names) = first_jobs(shared);
        if jobs.is_empty() {
            break;
        }
        append(log, read(&names)).await;
        settle(shared, &jobs);
    }
    tracing::info!("what an earlier Larder left in the spool stands in Redis now");
    shared.observer.event("handed_over");
}

fn first_jobs(shared: &Shared) -> (Vec<u64>, Names) {
    shared.lock().state.first_jobs(AT_ONCE)
}

fn settle(shared: &Shared, jobs: &[u64]) {
    let core = &mut *shared.lock();
    for cdn in core.state.cdns().to_vec() {
        shared.record(core, &Record::Settle { cdn, jobs: jobs.to_vec() }, false);
    }
}

/// Returns when the log has `batch`. It takes what it is handed in its order, so one more purge that it takes says that it has
/// all before.
pub(super) async fn append(log: &dyn Log, batch: Vec<Invalidation>) {
    let Some(last) = batch.last().cloned() else { return };
    let (mut next, mut pause) = (batch, FIRST_PAUSE);
    while log.append(next.into()).await.is_err() {
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        next = vec![last.clone()];
    }
}
