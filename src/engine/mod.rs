//! Answers a request: memory, flight, fill, refresh. The only place that orders these.
//!
//! ```text
//! request ─▶ lookup ─▶ judged by the ledger ─▶ decided by semantics ─▶ reply
//!               │                                     │ stale, missing, dead
//!               │                                     ▼
//!               └───────────────────────────▶ flight (one a key) ◀─── fill ─▶ origin
//! ```
//!
//! The engine sees the outside through ports only: [`Fetch`] for the origin, [`Log`] for the order of invalidations,
//! a [`Clock`], an [`Observer`], and a [`Sink`] for replies. It knows neither Pingora nor Redis nor a socket, so a
//! whole node runs inside a test under paused time.
//!
//! What must hold, and where it is kept:
//!
//! * Nothing read from the origin before an invalidation is given to a request that came after it. A fill takes its
//!   fence before it asks ([`fill`]); an entry is judged on every reading ([`answering`]), a fill's result before it
//!   is stored, and a waiter against the head before its first byte.
//! * One fill a key at a time ([`flights`]), however many ask.
//! * A fill that ends in whatever way answers all who wait ([`flights::Ticket`]).

mod answer;
mod answering;
mod arrival;
mod body;
mod buffers;
mod fill;
mod flight;
mod flights;
mod glance;
mod lookup;
mod memo;
mod observer;
mod purging;
mod remote;
mod repeats;
mod reply;
mod request;
mod rules;
mod sink;
mod sliding;
mod tagging;

#[cfg(test)]
mod tests;

pub use answer::{Answer, Failure, Outcome, Reply};
pub use observer::Observer;
pub use request::Request;
pub use rules::{CacheRule, Collapse, Route, Rules};
pub use sink::{Fields, ReplyHead, SendError, Sink};
pub use tagging::{Asked, CdnFields, Passing, Told};

use crate::invalidation::{Ledger, LedgerStats, Log};
use crate::key::KeyHash;
use crate::origin::Fetch;
use crate::semantics::Freshness;
use crate::store::{Entry, Memory, MemoryStats, Remote};
use crate::time::{Clock, Timestamp};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Fills under way at once. Above it requests go through side by side, under the origin's own limit, and refreshes
/// are left out; each fill is a task and a buffer, and more than this many wait for an origin that is not keeping up.
const MAX_FILLS: usize = 4096;

/// What an engine is made of.
pub struct EngineParts {
    /// The memory tier.
    pub memory: Memory,
    /// The tier that many nodes share.
    pub remote: Option<Arc<dyn Remote>>,
    /// Bytes that replies may hold while they arrive, over all flights.
    pub max_arriving: u64,
    /// What this node knows of invalidations.
    pub ledger: Arc<Ledger>,
    /// Where they get their order.
    pub log: Arc<dyn Log>,
    /// How long after it each invalidation is repeated, for origins that read from lagging replicas; zero: not.
    pub settle: Duration,
    /// The longest that a write may go on after it was lost sight of.
    pub write_bound: Duration,
    /// How origins are asked.
    pub fetch: Arc<dyn Fetch>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
}

/// Answers requests from memory and from origins. One a process, shared by all its runtimes.
pub struct Engine {
    memory: Memory,
    remote: Option<Arc<dyn Remote>>,
    ledger: Arc<Ledger>,
    log: Arc<dyn Log>,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    flights: Arc<flights::Flights>,
    memos: memo::Memos,
    buffers: Arc<buffers::Buffers>,
    fills: Arc<Semaphore>,
    repeats: repeats::Repeats,
    tasks: TaskTracker,
}

/// Figures of the engine, for `/stats`.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineStats {
    /// The memory tier.
    pub memory: MemoryStats,
    /// The ledger.
    pub ledger: LedgerStats,
    /// Fills under way that can be joined.
    pub flights: usize,
    /// Bytes held by replies that are arriving.
    pub arriving_bytes: u64,
    /// Invalidations that will be repeated.
    pub repeats: usize,
}

impl Engine {
    /// An engine with nothing in it.
    pub fn new(parts: EngineParts) -> Arc<Self> {
        let EngineParts {
            memory,
            remote,
            max_arriving,
            ledger,
            log,
            settle,
            write_bound,
            fetch,
            clock,
            observer,
        } = parts;
        Arc::new(Self {
            memory,
            remote,
            ledger,
            log,
            fetch,
            clock,
            observer,
            flights: flights::Flights::new(),
            memos: memo::Memos::new(),
            buffers: buffers::Buffers::new(max_arriving),
            fills: Arc::new(Semaphore::new(MAX_FILLS)),
            repeats: repeats::Repeats::new(settle, write_bound),
            tasks: TaskTracker::new(),
        })
    }

    /// Forgets which keys were uncacheable, since other rules apply from now on. What is stored stays.
    pub fn rules_changed(&self) {
        self.memos.forget_all();
    }

    /// Figures for observation.
    pub fn stats(&self) -> EngineStats {
        EngineStats {
            memory: self.memory.stats(),
            ledger: self.ledger.stats(),
            flights: self.flights.len(),
            arriving_bytes: self.buffers.used(),
            repeats: self.repeats.len(),
        }
    }

    /// Puts a reply into memory, as long as it is of use and `rule` says; tells what became of it there.
    fn keep(&self, rule: &CacheRule, hash: KeyHash, entry: &Arc<Entry>, now: Timestamp) -> &'static str {
        if !rule.memory {
            return "not_in_memory";
        }
        let keep = entry.freshness.keep_for(now, entry.validators.any());
        let keep = rule.memory_ttl.map_or(keep, |limit| keep.min(limit));
        self.memory.put(hash, Arc::clone(entry), keep).as_str()
    }

    /// How fresh an entry is, if it is so no longer than the log was in sight.
    fn in_sight<'e>(&self, entry: &'e Entry) -> Cow<'e, Freshness> {
        let until = self.ledger.in_sight_until(entry.validated_at);
        if entry.freshness.fresh_until() <= until {
            return Cow::Borrowed(&entry.freshness);
        }
        let mut freshness = entry.freshness.clone();
        freshness.lifetime = until.since(freshness.born);
        Cow::Owned(freshness)
    }

    /// Waits until no fill is under way. New ones may still start: stop the listeners first.
    pub async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
