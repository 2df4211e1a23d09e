//! The circuit breaker: while Redis is ill, the request path does not wait for it at all.

use super::RedisObserver;
use crate::time::Timestamp;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Whether Redis is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Always.
    Closed,
    /// Never, until a pause is over.
    Open,
    /// By a few, to see how it is.
    HalfOpen,
}

impl BreakerState {
    /// One word, for metrics and `/readyz`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    fn from_u8(value: u8) -> Self {
        match value {
            0 => Self::Closed,
            1 => Self::Open,
            _ => Self::HalfOpen,
        }
    }
}

/// So many failures in a row open it, however far apart: five time-outs are what a request path should ever wait for.
const RUN: u32 = 5;

/// Failures are weighed against successes over about this long …
const WINDOW: Duration = Duration::from_secs(1);

/// … and open it from this many on, so that a hiccup of a few commands among few does not, …
const LEAST: u32 = 10;

/// … if at least one in this many commands failed: with half of them failing, asking costs more than it brings.
const SHARE: u32 = 2;

/// The first pause: long against a hiccup, short against an outage.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause. A probe every two seconds costs nothing, and Redis' return is noticed within them.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Probes out at once. One that hangs by chance does not decide alone.
const PROBES: u32 = 3;

/// Probes in a row that succeed and close it.
const PROOFS: u32 = 3;

/// Probes of which nothing was heard for this long are forgotten. Longer than any command may take.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// How a command went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answered in time.
    Good,
    /// Failed, or answered so late that nobody waited for it.
    Bad,
    /// Nobody waited to see.
    Unknown,
}

/// The decisions, without clock and locks.
#[derive(Debug)]
struct Machine {
    state: BreakerState,
    /// Counts changes of state, so that what was asked before one is not taken for what was asked after it.
    era: u32,
    since: Timestamp,
    pause: Duration,
    /// In [`BreakerState::Closed`]: since when failures are counted, and how many there were, in all and in a row.
    window: Timestamp,
    failed: u32,
    /// In [`BreakerState::HalfOpen`].
    out: u32,
    proofs: u32,
}

impl Machine {
    fn new() -> Self {
        Self {
            state: BreakerState::Closed,
            era: 0,
            since: Timestamp::ZERO,
            pause: FIRST_PAUSE,
            window: Timestamp::ZERO,
            failed: 0,
            out: 0,
            proofs: 0,
        }
    }

    fn enter(&mut self, state: BreakerState, now: Timestamp) {
        *self = Self {
            state,
            era: self.era.wrapping_add(1),
            since: now,
            pause: self.pause,
            window: now,
            failed: 0,
            out: 0,
            proofs: 0,
        };
    }

    fn until(&self) -> Timestamp {
        self.since.plus(self.pause)
    }

    /// Whether one more may ask.
    fn allow(&mut self, now: Timestamp) -> bool {
        match self.state {
            BreakerState::Closed => return true,
            BreakerState::Open if now < self.until() => return false,
            BreakerState::Open => self.enter(BreakerState::HalfOpen, now),
            BreakerState::HalfOpen if now.since(self.since) >= PROBE_LIMIT => {
                self.enter(BreakerState::HalfOpen, now);
            }
            BreakerState::HalfOpen => (),
        }
        let free = self.out < PROBES;
        self.out += u32::from(free);
        free
    }

    /// A command failed while closed, the `run`th in a row, with `good` ones since the window began. Whether a new window
    /// begins.
    fn failure(&mut self, run: u32, good: u32, now: Timestamp) -> bool {
        let begins = now.since(self.window) > WINDOW;
        if begins {
            (self.window, self.failed) = (now, 0);
        }
        self.failed += 1;
        let good = if begins { 0 } else { good };
        let many = self.failed >= LEAST && self.failed * SHARE >= self.failed.saturating_add(good);
        if run >= RUN || many {
            self.pause = FIRST_PAUSE;
            self.enter(BreakerState::Open, now);
        }
        begins
    }

    /// A probe came back.
    fn probed(&mut self, verdict: Verdict, now: Timestamp) {
        self.out = self.out.saturating_sub(1);
        match verdict {
            Verdict::Unknown => (),
            Verdict::Good => {
                self.proofs += 1;
                if self.proofs >= PROOFS {
                    self.enter(BreakerState::Closed, now);
                }
            }
            Verdict::Bad => {
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                self.enter(BreakerState::Open, now);
            }
        }
    }
}

/// A circuit breaker that many threads share. While closed it costs a load to ask, and a load and an addition to say that all
/// went well.
pub struct Breaker {
    state: AtomicU8,
    era: AtomicU32,
    until: AtomicU64,
    good: AtomicU32,
    run: AtomicU32,
    machine: Mutex<Machine>,
    observer: Arc<dyn RedisObserver>,
}

impl Breaker {
    /// A closed one.
    pub fn new(observer: Arc<dyn RedisObserver>) -> Self {
        Self {
            state: AtomicU8::new(BreakerState::Closed as u8),
            era: AtomicU32::new(0),
            until: AtomicU64::new(0),
            good: AtomicU32::new(0),
            run: AtomicU32::new(0),
            machine: Mutex::new(Machine::new()),
            observer,
        }
    }

    /// Its state.
    pub fn state(&self) -> BreakerState {
        BreakerState::from_u8(self.state.load(Relaxed))
    }

    /// Leave to ask Redis, or `None` where that would be in vain. Whoever asks first after a pause is the probe, so it needs
    /// no task to heal.
    pub fn allow(&self, now: Timestamp) -> Option<Pass<'_>> {
        match self.state() {
            BreakerState::Closed => {
                return Some(Pass { breaker: self, era: self.era.load(Relaxed), probe: false });
            }
            BreakerState::Open if now.as_millis() < self.until.load(Relaxed) => return None,
            _ => (),
        }
        let mut machine = self.lock();
        let era = machine.era;
        let allowed = machine.allow(now);
        let probe = machine.state == BreakerState::HalfOpen;
        let pass = allowed.then(|| Pass { breaker: self, era: machine.era, probe });
        self.publish(&machine, era);
        pass
    }

    fn settle(&self, pass: &Pass<'_>, verdict: Verdict, now: Timestamp) {
        if !pass.probe && verdict != Verdict::Bad {
            if verdict == Verdict::Good {
                self.good.fetch_add(1, Relaxed);
                if self.run.load(Relaxed) != 0 {
                    self.run.store(0, Relaxed);
                }
            }
            return;
        }
        let mut machine = self.lock();
        if machine.era != pass.era {
            return;
        }
        if pass.probe {
            machine.probed(verdict, now);
        } else if machine.state == BreakerState::Closed {
            let run = self.run.fetch_add(1, Relaxed).saturating_add(1);
            if machine.failure(run, self.good.load(Relaxed), now) {
                self.good.store(0, Relaxed);
            }
        }
        self.publish(&machine, pass.era);
    }

    /// Tells a change of state since `era` to those who look without the lock.
    fn publish(&self, machine: &Machine, era: u32) {
        if machine.era == era {
            return;
        }
        self.until.store(machine.until().as_millis(), Relaxed);
        self.era.store(machine.era, Relaxed);
        self.good.store(0, Relaxed);
        self.run.store(0, Relaxed);
        self.state.store(machine.state as u8, Relaxed);
        self.observer.breaker(machine.state);
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        // Nothing under this lock panics halfway through a change.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to ask Redis once. Dropped without a verdict it says that nobody waited to see.
#[must_use = "a breaker learns from verdicts"]
pub struct Pass<'a> {
    breaker: &'a Breaker,
    era: u32,
    probe: bool,
}

impl Pass<'_> {
    /// Says how it went.
    pub fn settle(mut self, verdict: Verdict, now: Timestamp) {
        self.breaker.settle(&self, verdict, now);
        self.probe = false;
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            // The time plays no part in giving a probe's place back.
            self.breaker.settle(self, Verdict::Unknown, Timestamp::ZERO);
        }
    }
}

#[cfg(test)]
mod tests;
