//! A queue, an API and a log that can fail, hang and lose answers.

use crate::cdn::{
    Backlog, Call, CallError, DeadLetter, Job, JobId, Limits, Many, Outbox, OutboxError, Provider, Rate,
    Target, Wait,
};
use crate::dice::Dice;
use crate::invalidation::{
    Appending, Invalidation, Log, LogError, Matcher, Place, Places, Position, Reach as HowFar,
};
use crate::time::{Clock, SystemClock};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The queue of one CDN as all nodes share it.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    clock: SystemClock,
    dice: Dice,
}

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    waiting: BTreeMap<u64, Job>,
    handed: BTreeSet<u64>,
    dead: Vec<DeadLetter>,
    /// Where jobs stood that were told.
    told: BTreeSet<Position>,
    lead: Option<(u8, Instant)>,
    down: bool,
    hangs: bool,
    /// Commands in a hundred whose answer is lost although they were done.
    lossy: u64,
}

impl Queue {
    pub(super) fn new(clock: SystemClock) -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), clock, dice: Dice::new(42) })
    }

    /// The queue as one node sees it.
    pub(super) fn of(self: &Arc<Self>, node: u8) -> Arc<Connection> {
        Arc::new(Connection { queue: Arc::clone(self), node })
    }

    pub(super) fn push(&self, purges: Vec<Invalidation>) -> Position {
        let mut inner = self.lock();
        inner.last += 1;
        let (id, at) = (JobId(inner.last), self.clock.now());
        let position = Position::from_u64(id.0);
        inner.waiting.insert(id.0, Job { id, position, at, purges });
        position
    }

    /// A hard purge of one path.
    pub(super) fn push_path(&self, path: &str) -> Position {
        self.push(vec![Invalidation::hard(Matcher::path("shop", path))])
    }

    /// A job that was handed out before: a fail-over has brought it back.
    pub(super) fn bring_back(&self, path: &str) {
        let position = self.push_path(path);
        self.lock().handed.insert(position.as_u64());
    }

    pub(super) fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    pub(super) fn set_hanging(&self, hangs: bool) {
        self.lock().hangs = hangs;
    }

    pub(super) fn set_lossy(&self, percent: u64) {
        self.lock().lossy = percent;
    }

    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    pub(super) fn dead(&self) -> Vec<DeadLetter> {
        self.lock().dead.clone()
    }

    pub(super) fn leader(&self) -> Option<u8> {
        self.lock().lead.filter(|(_, until)| *until > Instant::now()).map(|(node, _)| node)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    async fn ask<T>(&self, done: impl FnOnce(&mut Inner) -> T) -> Result<T, OutboxError> {
        sleep(Duration::from_millis(1)).await;
        let Inner { down, hangs, lossy, .. } = *self.lock();
        if hangs {
            std::future::pending::<()>().await;
        }
        if down {
            return Err(OutboxError("down".into()));
        }
        let lost = self.dice.share() * 100.0 < lossy as f64;
        let answer = done(&mut self.lock());
        sleep(Duration::from_millis(1)).await;
        if lost { Err(OutboxError("the answer was lost".into())) } else { Ok(answer) }
    }
}

/// The queue as one node sees it.
#[derive(Debug)]
pub(super) struct Connection {
    queue: Arc<Queue>,
    node: u8,
}

#[async_trait]
impl Outbox for Connection {
    async fn lead(&self, _cdn: &str, term: Duration) -> Result<bool, OutboxError> {
        let lead = |inner: &mut Inner| {
            let now = Instant::now();
            let free = inner.lead.is_none_or(|(node, until)| node == self.node || until <= now);
            if free {
                inner.lead = Some((self.node, now + term));
            }
            free
        };
        self.queue.ask(lead).await
    }

    async fn resign(&self, _cdn: &str) -> Result<(), OutboxError> {
        let resign = |inner: &mut Inner| inner.lead = inner.lead.filter(|(node, _)| *node != self.node);
        self.queue.ask(resign).await
    }

    async fn recover(&self, _: &str, after: Option<JobId>, limit: usize) -> Result<Vec<Job>, OutboxError> {
        let recover = |inner: &mut Inner| {
            let handed = inner.handed.iter().filter(|id| after.is_none_or(|after| **id > after.0));
            handed.take(limit).filter_map(|id| inner.waiting.get(id).cloned()).collect()
        };
        self.queue.ask(recover).await
    }

    async fn next(&self, _: &str, limit: usize, block: Duration) -> Result<Vec<Job>, OutboxError> {
        let deadline = Instant::now() + block;
        loop {
            let next = |inner: &mut Inner| {
                let fresh = inner.waiting.values().filter(|job| !inner.handed.contains(&job.id.0));
                let jobs: Vec<Job> = fresh.take(limit).cloned().collect();
                inner.handed.extend(jobs.iter().map(|job| job.id.0));
                jobs
            };
            let jobs = self.queue.ask(next).await?;
            if !jobs.is_empty() || Instant::now() >= deadline {
                return Ok(jobs);
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn told(&self, _: &str, jobs: &[JobId]) -> Result<(), OutboxError> {
        let told = |inner: &mut Inner| {
            let positions = jobs.iter().filter_map(|id| inner.waiting.get(&id.0)).map(|job| job.position);
            inner.told.extend(positions);
        };
        self.queue.ask(told).await
    }

    async fn settle(&self, _: &str, jobs: &[JobId]) -> Result<(), OutboxError> {
        let settle = |inner: &mut Inner| {
            for id in jobs {
                let job = inner.waiting.remove(&id.0);
                inner.told.extend(job.map(|job| job.position));
            }
        };
        self.queue.ask(settle).await
    }

    async fn bury(&self, _: &str, jobs: &[JobId], reason: &str) -> Result<(), OutboxError> {
        let buried = self.queue.clock.now();
        let bury = |inner: &mut Inner| {
            for id in jobs {
                if let Some(job) = inner.waiting.remove(&id.0) {
                    inner.dead.push(DeadLetter { job, buried, reason: reason.to_owned() });
                }
            }
        };
        self.queue.ask(bury).await
    }

    async fn retry(&self, _: &str) -> Result<u64, OutboxError> {
        let retry = |inner: &mut Inner| {
            let dead = std::mem::take(&mut inner.dead);
            for DeadLetter { job, .. } in &dead {
                inner.last += 1;
                let id = inner.last;
                inner.waiting.insert(id, Job { id: JobId(id), ..job.clone() });
            }
            dead.len() as u64
        };
        self.queue.ask(retry).await
    }

    async fn backlog(&self, _: &str) -> Result<Backlog, OutboxError> {
        let read = |inner: &mut Inner| Backlog {
            waiting: inner.waiting.len() as u64,
            oldest: inner.waiting.values().next().map(|job| job.at),
            dead: inner.dead.len() as u64,
            last_dead: inner.dead.iter().rev().take(3).cloned().collect(),
        };
        self.queue.ask(read).await
    }

    async fn standing(&self, _: &str, position: Position) -> Result<Wait, OutboxError> {
        let read = |inner: &mut Inner| {
            let waits = |job: &Job| !inner.told.contains(&job.position);
            if inner.told.contains(&position) {
                return Wait::Delivered;
            }
            if let Some(dead) = inner.dead.iter().find(|dead| dead.job.position == position) {
                return Wait::Dead(dead.reason.clone());
            }
            match inner.waiting.values().any(|job| job.position <= position && waits(job)) {
                true => Wait::Outstanding,
                false => Wait::Delivered,
            }
        };
        self.queue.ask(read).await
    }
}

/// What an API does with a call.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    Take,
    Later(&'static str, Option<u64>),
    Hang,
}

/// A call as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub(super) at: Instant,
    pub(super) call: Call,
    pub(super) taken: bool,
    /// The node was not the leader when it came.
    pub(super) stray: bool,
}

/// Which calls an API refuses.
#[derive(Clone, Debug, Default)]
pub(super) enum Refuses {
    #[default]
    Nothing,
    /// Those of this target.
    Calls(Target),
    /// Those of anything else than these.
    AllBut(Vec<Target>),
}

/// The API of a CDN, as all nodes share it.
pub(super) struct Api {
    limits: Limits,
    latency: Duration,
    pub(super) answers: Mutex<Vec<Answer>>,
    pub(super) refuses: Mutex<Refuses>,
    arrived: Mutex<Vec<Arrived>>,
    /// Calls in a hundred that fail, one way or another.
    pub(super) unsteady: Mutex<u64>,
    dice: Dice,
}

impl Api {
    pub(super) fn new(limits: Limits, latency: u64) -> Arc<Self> {
        Arc::new(Self {
            limits,
            latency: Duration::from_millis(latency),
            answers: Mutex::default(),
            refuses: Mutex::default(),
            arrived: Mutex::default(),
            unsteady: Mutex::default(),
            dice: Dice::new(7),
        })
    }

    /// The API as a node of this queue calls it.
    pub(super) fn of(self: &Arc<Self>, node: u8, queue: &Arc<Queue>) -> Arc<ApiOf> {
        Arc::new(ApiOf { api: Arc::clone(self), node, queue: Arc::clone(queue) })
    }

    /// What it does with the next calls; then it takes them.
    pub(super) fn will(&self, answers: &[Answer]) {
        *self.answers.lock().unwrap() = answers.iter().rev().cloned().collect();
    }

    pub(super) fn arrived(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    /// Targets of calls that were taken.
    pub(super) fn taken(&self) -> Vec<Target> {
        self.arrived()
            .into_iter()
            .filter(|arrived| arrived.taken)
            .flat_map(|arrived| arrived.call.targets)
            .collect()
    }

    fn answer(&self) -> Answer {
        let scripted = self.answers.lock().unwrap().pop();
        let unsteady = *self.unsteady.lock().unwrap() as f64;
        scripted.unwrap_or_else(|| match self.dice.share() * 100.0 {
            share if share >= unsteady => Answer::Take,
            share if share < unsteady / 3.0 => Answer::Later("throttled", Some(2)),
            share if share < unsteady / 1.5 => Answer::Later("server_error", None),
            _ => Answer::Hang,
        })
    }
}

/// The API as one node calls it.
pub(super) struct ApiOf {
    api: Arc<Api>,
    node: u8,
    queue: Arc<Queue>,
}

#[async_trait]
impl Provider for ApiOf {
    fn limits(&self) -> &Limits {
        &self.api.limits
    }

    async fn send(&self, call: &Call) -> Result<(), CallError> {
        let number = {
            let mut arrived = self.api.arrived.lock().unwrap();
            let stray = self.queue.leader() != Some(self.node);
            arrived.push(Arrived { at: Instant::now(), call: call.clone(), taken: false, stray });
            arrived.len() - 1
        };
        let refused = match &*self.api.refuses.lock().unwrap() {
            Refuses::Nothing => false,
            Refuses::Calls(target) => call.targets.contains(target),
            Refuses::AllBut(good) => !call.targets.iter().all(|target| good.contains(target)),
        };
        if refused {
            return Err(CallError::Refused { reason: "400 bad target".into() });
        }
        match self.api.answer() {
            Answer::Take => {
                self.api.arrived.lock().unwrap()[number].taken = true;
                sleep(self.api.latency).await;
                Ok(())
            }
            Answer::Later(kind, after) => {
                sleep(self.api.latency).await;
                let after = after.map(Duration::from_secs);
                Err(CallError::Later { kind, reason: format!("it said {kind}"), after })
            }
            Answer::Hang => std::future::pending().await,
        }
    }
}

/// A log whose nodes take a while to apply.
pub(super) struct SlowLog {
    pub(super) lag: Duration,
    pub(super) asked: Mutex<Vec<Position>>,
}

#[async_trait]
impl Log for SlowLog {
    async fn append(&self, _: Appending) -> Result<Places, LogError> {
        unreachable!("deliveries append nothing")
    }

    async fn reach(&self, _: Place) -> HowFar {
        unreachable!("deliveries ask for all nodes")
    }

    async fn spread(&self, place: Place, within: Duration) -> Vec<String> {
        self.asked.lock().unwrap().push(place.position);
        sleep(self.lag.min(within)).await;
        if self.lag > within { vec!["slow".into()] } else { Vec::new() }
    }
}

pub(super) fn limits(targets: usize, rate: Rate) -> Limits {
    let many = Some(Many { targets, bytes: 1 << 20, overhead: 0, longest: 1000 });
    Limits {
        url: many,
        prefix: many,
        tag: None,
        all: true,
        soft: false,
        queries: true,
        hosts: crate::cdn::HostUse::Needed,
        rate,
        header: None,
        source: "",
    }
}
