//! What happened, as the clients and those who made the faults saw it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Since the beginning of the history, on the monotonic clock.
pub(crate) type Moment = Duration;

/// One life of a node, from a start of its process to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Life {
    pub(crate) node: usize,
    /// Counted over all nodes, so that no two lives have the same.
    pub(crate) number: u32,
}

/// A request from its first byte to the last one of its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: Moment,
    pub(crate) end: Moment,
}

impl Span {
    pub(crate) fn length(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    pub(crate) fn meets(&self, other: Span) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// A page that was read.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) page: usize,
    pub(crate) version: u64,
    pub(crate) from: Life,
    pub(crate) span: Span,
    /// The version whose position the request brought.
    pub(crate) brought: Option<u64>,
    /// Larder's member of `Cache-Status`.
    pub(crate) status: Arc<str>,
}

/// A purge that was answered: that of a write, or an editor's.
#[derive(Clone, Debug)]
pub(crate) struct Purge {
    /// The pages it reaches, each with the version that the origin had when it was asked for.
    pub(crate) pages: Vec<(usize, u64)>,
    pub(crate) at: Life,
    pub(crate) span: Span,
    /// Where it stands in the log. `None`: it applies at its node, and the log has it later.
    pub(crate) position: Option<Arc<str>>,
}

/// A write that was not answered, and what it committed all the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubt {
    pub(crate) page: usize,
    pub(crate) version: u64,
    pub(crate) at: Life,
    pub(crate) span: Span,
}

/// A request without the reply that it should have had.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) what: String,
    pub(crate) at: Life,
    pub(crate) span: Span,
}

/// What was done to the fleet.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) what: String,
    /// The node it is about; `None`: Redis.
    pub(crate) node: Option<usize>,
    pub(crate) span: Span,
    /// The log may have lost the last of what it took.
    pub(crate) loses: bool,
}

/// Everything that happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    pub(crate) reads: Vec<Read>,
    pub(crate) purges: Vec<Purge>,
    pub(crate) doubts: Vec<Doubt>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) faults: Vec<Fault>,
    /// When lives ended.
    pub(crate) deaths: Vec<(Life, Moment)>,
    /// When all nodes were seen to follow the log, with nothing left to append.
    pub(crate) wells: Vec<Moment>,
    /// When they should have been and were not, and why.
    pub(crate) ills: Vec<(Moment, String)>,
}

/// Takes notes. One for a whole run.
pub(crate) struct Recorder {
    began: Instant,
    history: Mutex<History>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), history: Mutex::default() }
    }

    pub(crate) fn now(&self) -> Moment {
        self.began.elapsed()
    }

    pub(crate) fn since(&self, start: Moment) -> Span {
        Span { start, end: self.now() }
    }

    pub(crate) fn note(&self, note: impl FnOnce(&mut History)) {
        note(&mut self.lock());
    }

    /// All of it; what is noted from now on is lost.
    pub(crate) fn take(&self) -> History {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
