//! One connection on one runtime, kept open by a task of its own.

use super::backoff::Backoff;
use super::sentinel::Watch;
use super::servers::{Connection, Servers, within};
use super::{LinkError, Op, RedisObserver, ServerAddress};
use crate::time::Stopwatch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// How often a connection is looked after: an idle one is asked for a word, one with unanswered commands is tested.
const BEAT: Duration = Duration::from_secs(1);

/// How long a server that says nothing at all is waited for before its connection is replaced. Longer than a slow command
/// or a fork hold up a server that is well.
const SILENCE: Duration = Duration::from_secs(1);

/// A connection that lasted this long was a success; one that broke sooner counts as another failed attempt, so that a server
/// that accepts and hangs up is not stormed.
const STEADY: Duration = Duration::from_secs(2);

/// Between two renewals of a cluster's connection at least: a renewal connects to every server, and a cluster that is slow
/// must not be made slower by it.
const RENEWAL: Duration = Duration::from_secs(3);

/// Commands without an answer at once. A fast server with the longest time-out a request would bear answers as many in
/// between; more of them would only wait to be late.
const IN_FLIGHT: usize = 4096;

/// What a lane is about.
#[derive(Clone)]
enum State {
    /// The first attempt to connect is under way: it is worth waiting for.
    First,
    /// Commands may be sent, on the connection of this number.
    Open(Connection, u64),
    /// There is no connection, and none is waited for; one is being opened.
    Down(Arc<str>),
}

struct Shared {
    state: watch::Sender<State>,
    /// A connection broke, or its server serves something else.
    lost: Notify,
    /// Its number. What fails late on a connection that was replaced says nothing of the one in its place.
    broken: AtomicU64,
    answered: AtomicU64,
    late: AtomicU64,
    in_flight: AtomicUsize,
}

/// A connection that belongs to one runtime. Dropping it ends its task and, when the last command is over, the connection.
pub(super) struct Lane {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Lane {
    /// Starts to connect, on the runtime of the caller.
    pub(super) fn open(servers: Arc<Servers>, observer: Arc<dyn RedisObserver>) -> Self {
        let shared = Arc::new(Shared {
            state: watch::Sender::new(State::First),
            lost: Notify::new(),
            broken: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            late: AtomicU64::new(0),
            in_flight: AtomicUsize::new(0),
        });
        let keeper =
            Keeper { servers, observer, shared: shared.clone(), backoff: Backoff::default(), number: 0 };
        Self { shared, task: tokio::spawn(keeper.keep()) }
    }

    /// Whether its runtime is gone.
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Whether commands can be sent.
    pub(super) fn is_up(&self) -> bool {
        matches!(*self.shared.state.borrow(), State::Open(..))
    }

    /// The connection, for one call. Waits only for the very first attempt to connect.
    pub(super) async fn enter(&self) -> Result<Turn<'_>, LinkError> {
        let shared = &*self.shared;
        let seat = Seat::take(&shared.in_flight)?;
        let state = shared.state.borrow().clone();
        let state = if matches!(state, State::First) { shared.decided().await? } else { state };
        match state {
            State::Open(connection, number) => {
                Ok(Turn { shared, connection, number, told: false, _seat: seat })
            }
            State::Down(why) => Err(LinkError::Refused(why.to_string())),
            State::First => Err(LinkError::Refused("it was never opened".to_owned())),
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn decided(&self) -> Result<State, LinkError> {
        let mut states = self.state.subscribe();
        let decided = states.wait_for(|state| !matches!(state, State::First)).await;
        decided.map(|state| state.clone()).map_err(|_| LinkError::Refused("its runtime ended".to_owned()))
    }

    fn lose(&self, number: u64) {
        self.broken.store(number, Relaxed);
        self.lost.notify_one();
    }
}

/// A place among the commands in flight, given back when dropped.
struct Seat<'a>(&'a AtomicUsize);

impl<'a> Seat<'a> {
    fn take(taken: &'a AtomicUsize) -> Result<Self, LinkError> {
        let seat = Self(taken);
        if taken.fetch_add(1, Relaxed) < IN_FLIGHT { Ok(seat) } else { Err(LinkError::Busy) }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// One call on a lane. It may be dropped at any time; an answer that comes later is thrown away by the connection.
pub(super) struct Turn<'a> {
    shared: &'a Shared,
    /// Where the command goes.
    pub(super) connection: Connection,
    number: u64,
    told: bool,
    _seat: Seat<'a>,
}

impl Turn<'_> {
    /// Says how it went.
    pub(super) fn settle(mut self, error: Option<&LinkError>) {
        self.told = true;
        match error {
            Some(error) if error.breaks() => {
                // A cluster's connection follows its slots and repairs itself.
                if !self.connection.is_cluster() {
                    self.shared.lose(self.number);
                } else {
                    self.shared.late.fetch_add(1, Relaxed);
                }
            }
            Some(LinkError::Timeout) => _ = self.shared.late.fetch_add(1, Relaxed),
            _ => _ = self.shared.answered.fetch_add(1, Relaxed),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Given up by its caller before there was an answer: what is so often given up is tested at the next beat.
        if !self.told {
            self.shared.late.fetch_add(1, Relaxed);
        }
    }
}

/// Opens the connection, watches it, and opens it again.
struct Keeper {
    servers: Arc<Servers>,
    observer: Arc<dyn RedisObserver>,
    shared: Arc<Shared>,
    backoff: Backoff,
    /// Of the connection of now; the first has 1.
    number: u64,
}

impl Keeper {
    async fn keep(mut self) {
        loop {
            match self.connect().await {
                Ok((connection, primary)) => {
                    self.publish(&connection);
                    let opened = Stopwatch::start();
                    let why = self.watch(connection, primary).await;
                    tracing::warn!(%why, "the connection to Redis is lost");
                    self.shared.state.send_replace(State::Down(why.into()));
                    if opened.elapsed() >= STEADY {
                        self.backoff.reset();
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "Redis cannot be reached");
                    self.shared.state.send_replace(State::Down(error.to_string().into()));
                }
            }
            tokio::time::sleep(self.backoff.next(rand::random())).await;
        }
    }

    fn publish(&mut self, connection: &Connection) {
        self.number += 1;
        self.shared.state.send_replace(State::Open(connection.clone(), self.number));
    }

    async fn connect(&self) -> Result<(Connection, Option<ServerAddress>), LinkError> {
        let begun = Stopwatch::start();
        let opened = self.servers.open().await;
        match &opened {
            Ok(_) => self.observer.answered(Op::Connect, begun.elapsed()),
            Err(error) => self.observer.failed(Op::Connect, error.as_str()),
        }
        opened
    }

    /// Returns why the connection has to be replaced, when it has to.
    async fn watch(&mut self, mut connection: Connection, primary: Option<ServerAddress>) -> String {
        let mut sentinels = Watch::default();
        let mut renewed = Stopwatch::start();
        let mut answered = self.shared.answered.load(Relaxed);
        let mut late = self.shared.late.load(Relaxed);
        loop {
            let lost = tokio::time::timeout(BEAT, self.shared.lost.notified()).await;
            if lost.is_ok() && self.shared.broken.load(Relaxed) == self.number {
                return "it broke, or its server serves something else".to_owned();
            }
            if sentinels.deposed(&self.servers, primary.as_ref()).await {
                return "the sentinels name another primary".to_owned();
            }
            let (before, had) = (answered, late);
            answered = self.shared.answered.load(Relaxed);
            late = self.shared.late.load(Relaxed);
            if connection.is_cluster() {
                if late != had && renewed.elapsed() >= RENEWAL {
                    self.renew(&mut connection).await;
                    renewed = Stopwatch::start();
                }
            } else if (answered == before || late != had)
                && let Err(error) = self.test(&mut connection, answered).await
            {
                return error.to_string();
            }
        }
    }

    /// Whether the server says anything at all. Answers come in order, so a word to somebody else is as good as one to us.
    async fn test(&self, connection: &mut Connection, answered: u64) -> Result<(), LinkError> {
        let begun = Stopwatch::start();
        let error = match within(SILENCE, connection.ping()).await {
            Ok(()) => {
                self.observer.answered(Op::Ping, begun.elapsed());
                return Ok(());
            }
            Err(LinkError::Timeout) if self.shared.answered.load(Relaxed) != answered => return Ok(()),
            Err(error) => error,
        };
        self.observer.failed(Op::Ping, error.as_str());
        Err(error)
    }

    /// Replaces a cluster's connection, of whose servers some do not answer: a new one asks who serves what now. The old one
    /// stays in use until then, for the servers that do.
    async fn renew(&mut self, connection: &mut Connection) {
        if let Ok((renewed, _)) = self.connect().await {
            self.publish(&renewed);
            *connection = renewed;
        }
    }
}
