//! What is counted of the use of Redis.

use super::distribution::Distribution;
use super::families::{Family, Sheet};
use super::words::Words;
use crate::fleet::FleetObserver;
use crate::redis::{BreakerState, Loss, Op, OutboxEvent, OutboxObserver, RedisObserver, TierObserver};
use crate::store::DecodeError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The counters of one use. One for all threads: a command costs a hundred times what counting it does.
#[derive(Debug, Default)]
struct OpMetrics {
    seconds: Distribution,
    errors: AtomicU64,
}

/// The counters of all uses. They are written down from the first command on: who has no Redis sees none of them.
#[derive(Debug, Default)]
pub(super) struct RedisMetrics {
    ops: [OpMetrics; Op::EACH.len()],
    used: AtomicBool,
    open: AtomicBool,
    unreadable: Words,
    lost: Words,
    /// What happened to the shared log, as this node follows it.
    events: Words,
}

impl RedisMetrics {
    /// Writes the counters down.
    pub(super) fn write(&self, sheet: &mut Sheet) {
        let Self { ops, used, open, unreadable, lost, events } = self;
        if !used.load(Relaxed) {
            return;
        }
        for (op, OpMetrics { seconds, errors }) in Op::EACH.iter().zip(ops) {
            sheet.histogram(Family::RedisSeconds, &[op.as_str()], &seconds.totals());
            sheet.counter(Family::RedisErrors, &[op.as_str()], errors.load(Relaxed));
        }
        sheet.gauge(Family::RedisBreaker, &[], f64::from(u8::from(open.load(Relaxed))));
        for (family, words) in
            [(Family::RedisUnreadable, unreadable), (Family::RedisLost, lost), (Family::LogEvents, events)]
        {
            words.counts().for_each(|(word, count)| sheet.counter(family, &[word], count));
        }
    }

    fn of(&self, op: Op) -> &OpMetrics {
        // Read before it is written, as every command comes by and only the first has something to say.
        if !self.used.load(Relaxed) {
            self.used.store(true, Relaxed);
        }
        &self.ops[op as usize]
    }
}

impl RedisObserver for RedisMetrics {
    fn answered(&self, op: Op, elapsed: Duration) {
        self.of(op).seconds.record(elapsed);
    }

    fn failed(&self, op: Op, _reason: &'static str) {
        self.of(op).errors.fetch_add(1, Relaxed);
    }

    fn breaker(&self, state: BreakerState) {
        self.used.store(true, Relaxed);
        // Half open, all but a few are turned away.
        self.open.store(state != BreakerState::Closed, Relaxed);
    }
}

impl TierObserver for RedisMetrics {
    fn unreadable(&self, error: DecodeError) {
        self.unreadable.add(error.as_str());
    }

    fn lost(&self, loss: Loss, count: usize) {
        (0..count).for_each(|_| self.lost.add(loss.as_str()));
    }
}

impl FleetObserver for RedisMetrics {
    fn event(&self, what: &'static str) {
        self.events.add(what);
    }
}

impl OutboxObserver for RedisMetrics {
    fn event(&self, _cdn: &str, event: OutboxEvent, count: u64) {
        self.events.add_many(event.as_str(), count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_use_stands_at_its_number() {
        for (index, op) in Op::EACH.iter().enumerate() {
            assert_eq!(*op as usize, index, "{}", op.as_str());
        }
    }
}
