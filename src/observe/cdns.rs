//! What is counted by CDN.

use super::distribution::{Deliveries, Distribution, Totals};
use super::families::{Family, Sheet};
use super::words::Words;
use crate::cdn::{CallResult, PurgeResult, TargetKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What always stands in the metrics, so that a rate of failures can be asked for before the first.
const CALLS: [&str; 4] = ["delivered", "throttled", "server_error", "refused"];
const PURGES: [&str; 5] = ["delivered", "throttled", "server_error", "refused", "dead"];

/// The counters of one CDN.
#[derive(Debug)]
pub struct CdnMetrics {
    name: Arc<str>,
    purges: Words,
    calls: Words,
    widened: Words,
    call_seconds: Distribution,
    delivery_seconds: Distribution<Deliveries>,
    waiting: AtomicU64,
    dead_letters: AtomicU64,
}

impl CdnMetrics {
    /// Counters at zero.
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            purges: Words::known(&PURGES),
            calls: Words::known(&CALLS),
            widened: Words::default(),
            call_seconds: Distribution::default(),
            delivery_seconds: Distribution::default(),
            waiting: AtomicU64::default(),
            dead_letters: AtomicU64::default(),
        }
    }

    /// Counts a call.
    pub fn called(&self, result: CallResult, took: Duration) {
        self.calls.add(result.as_str());
        self.call_seconds.record(took);
    }

    /// Counts what became of targets.
    pub fn purged(&self, result: PurgeResult, targets: u64) {
        self.purges.add_many(result.as_str(), targets);
    }

    /// Counts a job that was taken, `after` its write.
    pub fn delivered(&self, after: Duration) {
        self.delivery_seconds.record(after);
    }

    /// Notes how many jobs wait.
    pub fn waiting(&self, jobs: u64) {
        self.waiting.store(jobs, Relaxed);
    }

    /// Notes how many dead letters there are.
    pub fn dead_letters(&self, letters: u64) {
        self.dead_letters.store(letters, Relaxed);
    }

    /// Counts targets of a kind that became wider ones.
    pub fn widened(&self, kind: TargetKind) {
        self.widened.add(kind.as_str());
    }

    /// How long after their writes jobs were taken.
    pub fn latency(&self) -> Totals {
        self.delivery_seconds.totals()
    }

    /// Writes the counters down.
    pub(super) fn write(&self, sheet: &mut Sheet) {
        let Self { name, purges, calls, widened, call_seconds, delivery_seconds, waiting, dead_letters } =
            self;
        for (family, words) in
            [(Family::CdnPurges, purges), (Family::CdnCalls, calls), (Family::CdnWidened, widened)]
        {
            words.counts().for_each(|(word, count)| sheet.counter(family, &[name, word], count));
        }
        sheet.histogram(Family::CdnCallSeconds, &[name], &call_seconds.totals());
        sheet.histogram(Family::CdnDeliverySeconds, &[name], &delivery_seconds.totals());
        sheet.gauge(Family::CdnBacklog, &[name], waiting.load(Relaxed) as f64);
        sheet.gauge(Family::CdnDeadLetters, &[name], dead_letters.load(Relaxed) as f64);
    }
}
