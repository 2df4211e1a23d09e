//! What is told of deliveries; `observe` turns it into metrics.

use super::{CallError, TargetKind};
use std::time::Duration;

/// Told of every call and of what it brought. `cdn` is the name of a CDN, never anything a client wrote.
pub trait CdnObserver: Send + Sync + 'static {
    /// A call ended, `took` after it was begun.
    fn called(&self, cdn: &str, result: CallResult, took: Duration);

    /// What became of targets. Each attempt counts: one that a CDN throttled twice before it took it is `throttled` twice and
    /// `delivered` once.
    fn purged(&self, cdn: &str, result: PurgeResult, targets: usize);

    /// All that a job asked for was taken for the first time, `after` the write that made it.
    fn delivered(&self, cdn: &str, after: Duration);

    /// Jobs that stand in the queue, as it was last read.
    fn waiting(&self, cdn: &str, jobs: u64);

    /// Dead letters, as they were last counted.
    fn dead_letters(&self, cdn: &str, letters: u64);

    /// Targets of a kind became fewer, wider ones, since there were too many of them for the rate of the API.
    fn widened(&self, cdn: &str, kind: TargetKind);
}

impl CdnObserver for () {
    fn called(&self, _cdn: &str, _result: CallResult, _took: Duration) {}
    fn purged(&self, _cdn: &str, _result: PurgeResult, _targets: usize) {}
    fn delivered(&self, _cdn: &str, _after: Duration) {}
    fn waiting(&self, _cdn: &str, _jobs: u64) {}
    fn dead_letters(&self, _cdn: &str, _letters: u64) {}
    fn widened(&self, _cdn: &str, _kind: TargetKind) {}
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// It was taken.
    Delivered,
    /// It was not: the word of its [`CallError`].
    Failed(&'static str),
}

impl CallResult {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed(word) => word,
        }
    }
}

impl From<&Result<(), CallError>> for CallResult {
    fn from(result: &Result<(), CallError>) -> Self {
        result.as_ref().err().map_or(Self::Delivered, |error| Self::Failed(error.as_str()))
    }
}

/// What became of a target in one attempt, or in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeResult {
    /// The CDN took it.
    Delivered,
    /// Not this time: the word of the [`CallError`]. The call is repeated.
    Failed(&'static str),
    /// The CDN refused it for good. (A refused call of several is only divided.)
    Refused,
    /// It was not taken for too long, or the API has no way to say it.
    Dead,
}

impl PurgeResult {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed(word) => word,
            Self::Refused => "refused",
            Self::Dead => "dead",
        }
    }
}
