//! The fleet: real processes of Larder, each with a tap of its own on the wire to Redis where there is one server.

use crate::record::{Life, Moment, Recorder};
use crate::support::{Larder, Process, Tap, request_at};
use nix::sys::signal::Signal;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;

/// How long an entry counts as fresh on a node that cannot follow the log. Short, so that a run sees it end many times.
pub(crate) const BLIND_LIMIT: Duration = Duration::from_secs(1);

/// The longest that a write may take here; the origin takes less than a second.
const WRITE_BOUND: Duration = Duration::from_secs(4);

/// Between two looks at nodes that recover: each asks every node for its metrics.
const PACE: Duration = Duration::from_millis(50);

/// How long a fleet that nobody disturbs may take to be well again.
const RECOVERY: Duration = Duration::from_secs(30);

/// A node that serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    pub(crate) life: Life,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// The nodes.
pub(crate) struct Nodes {
    slots: Vec<Slot>,
    recorder: Arc<Recorder>,
    lives: AtomicU32,
    /// The most memory that a node ever had, in bytes.
    peak: AtomicU64,
}

struct Slot {
    rules: String,
    origin: String,
    live: Mutex<Option<Live>>,
    process: AsyncMutex<Option<Process>>,
    tap: Option<AsyncMutex<Tap>>,
}

impl Nodes {
    /// Starts `count` nodes before `origin`. `redis`: the address of a server, which each of them gets a tap before, or the URL
    /// of something that has more of them.
    pub(crate) async fn start(count: usize, origin: &str, redis: &RedisAt, recorder: &Arc<Recorder>) -> Self {
        let mut slots = Vec::new();
        for index in 0..count {
            let tap = match redis {
                RedisAt::Port(port) => Some(Tap::before(*port).await),
                RedisAt::Url(_) => None,
            };
            let url = match (redis, &tap) {
                (RedisAt::Url(url), _) => url.clone(),
                (_, Some(tap)) => tap.url(),
                (_, None) => unreachable!("a server has a tap before it"),
            };
            slots.push(Slot {
                rules: rules(&url, index),
                origin: format!("origin: {origin}"),
                live: Mutex::default(),
                process: AsyncMutex::default(),
                tap: tap.map(AsyncMutex::new),
            });
        }
        let recorder = Arc::clone(recorder);
        let nodes = Self { slots, recorder, lives: AtomicU32::new(0), peak: AtomicU64::new(0) };
        for index in 0..count {
            nodes.begin(index).await;
        }
        nodes
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// A node, if it lives.
    pub(crate) fn live(&self, index: usize) -> Option<Live> {
        *self.slots[index].live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tap of a node.
    pub(crate) fn tap(&self, index: usize) -> &AsyncMutex<Tap> {
        self.slots[index].tap.as_ref().expect("only faults of single servers ask for it")
    }

    /// Kills a node, and leaves it dead for a while.
    pub(crate) async fn restart(&self, index: usize, signal: Signal, down: Duration) {
        let slot = &self.slots[index];
        let mut process = slot.process.lock().await.take().expect("nodes live but for in here");
        self.observe_memory(&process);
        let died = slot.live.lock().unwrap_or_else(PoisonError::into_inner).take().expect("it lives").life;
        let now = self.recorder.now();
        self.recorder.note(|history| history.deaths.push((died, now)));
        process.signal(signal);
        process.exited().await;
        drop(process);
        tokio::time::sleep(down).await;
        self.begin(index).await;
    }

    async fn begin(&self, index: usize) {
        let slot = &self.slots[index];
        let process = Process::run(&Larder::with_origins(&slot.origin).rules(&slot.rules)).await;
        let life = Life { node: index, number: self.lives.fetch_add(1, Ordering::Relaxed) };
        let live = Live { life, address: process.address(), admin: process.admin_address() };
        *slot.process.lock().await = Some(process);
        *slot.live.lock().unwrap_or_else(PoisonError::into_inner) = Some(live);
    }

    /// Waits until every node follows the log and has nothing left to append; notes that. `Err` names those that do not.
    pub(crate) async fn well(&self) -> Result<Moment, String> {
        let end = self.recorder.now() + RECOVERY;
        loop {
            let mut ill = Vec::new();
            for index in 0..self.len() {
                if let Err(why) = self.is_well(index).await {
                    ill.push(format!("node {index}: {why}"));
                }
            }
            let now = self.recorder.now();
            if ill.is_empty() {
                self.recorder.note(|history| history.wells.push(now));
                return Ok(now);
            }
            if now > end {
                return Err(ill.join(", "));
            }
            tokio::time::sleep(PACE).await;
        }
    }

    async fn is_well(&self, index: usize) -> Result<(), String> {
        let Some(Live { admin, .. }) = self.live(index) else { return Err("down".to_owned()) };
        let page = request_at(admin, "GET", "/metrics").host(&admin.to_string()).try_send().await;
        let page = page.map_err(|broken| broken.error.to_string())?;
        let value = |name: &str| {
            let line = page.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse::<f64>().ok())
        };
        for name in ["larder_log_blind", "larder_log_queued", "larder_redis_breaker_open"] {
            match value(name) {
                Some(0.0) => {}
                other => return Err(format!("{name} {other:?}")),
            }
        }
        match value("larder_log_position_lag_seconds") {
            Some(lag) if lag < BLIND_LIMIT.as_secs_f64() => Ok(()),
            other => Err(format!("lag {other:?}")),
        }
    }

    /// The most bytes that a node ever held.
    pub(crate) async fn peak_memory(&self) -> u64 {
        for slot in &self.slots {
            if let Some(process) = slot.process.lock().await.as_ref() {
                self.observe_memory(process);
            }
        }
        self.peak.load(Ordering::Relaxed)
    }

    /// What the nodes that live now warned of, and when.
    pub(crate) async fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (index, slot) in self.slots.iter().enumerate() {
            if let Some(process) = slot.process.lock().await.as_ref() {
                let lines = process.lines().into_iter().filter(|line| !line.contains(" INFO "));
                warnings.extend(lines.map(|line| format!("node {index}: {line}")));
            }
        }
        warnings
    }

    fn observe_memory(&self, process: &Process) {
        self.peak.fetch_max(process.peak_memory(), Ordering::Relaxed);
    }
}

/// Where Redis is.
pub(crate) enum RedisAt {
    Port(u16),
    Url(String),
}

/// The rules of a node: a route for each family of pages, and every other node writes through.
fn rules(redis: &str, index: usize) -> String {
    let write = if index.is_multiple_of(2) { "behind" } else { "through" };
    let (limit, bound) = (BLIND_LIMIT.as_secs(), WRITE_BOUND.as_secs());
    format!(
        "
        redis: {{ url: \"{redis}\", write: {write} }}
        invalidation: {{ blind_limit: {limit}s, write_bound: {bound}s }}
        access_log: {{ hits: 0.0, others: 0.0 }}
        routes:
          - {{ name: fleet, path: \"/fleet/{{page}}\", cache: {{ ttl: 1h, tags: [\"path-{{page}}\"] }} }}
          - {{ name: process, path: \"/process/{{page}}\", cache: {{ ttl: 1h, collapse: process, memory_ttl: 2s }} }}
          - {{ name: remote, path: \"/remote/{{page}}\", cache: {{ ttl: 1h, memory: false }} }}
        "
    )
}
