//! What is done to Redis, to the wires and to the nodes: every kind in turn, in an order and for times that follow from a seed.

use crate::nodes::{Nodes, RedisAt};
use crate::record::{Fault, Recorder};
use crate::support::{Data, Flow, RedisServer, Replication};
use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::time::Duration;

/// What the nodes share.
pub(crate) enum Backend {
    /// One server, which writes everything to disk; each node has a tap of its own before it.
    Single(Box<RedisServer>),
    /// A primary and a replica that sentinels watch.
    Sentinels(Box<Replication>),
}

impl Backend {
    pub(crate) async fn single() -> Self {
        Self::Single(Box::new(RedisServer::builder().appendonly().start().await))
    }

    pub(crate) async fn sentinels() -> Self {
        Self::Sentinels(Box::new(Replication::start().await))
    }

    pub(crate) fn at(&self) -> RedisAt {
        match self {
            Self::Single(server) => RedisAt::Port(server.port()),
            Self::Sentinels(replication) => RedisAt::Url(replication.url()),
        }
    }

    /// The most memory that a server holds now or, where it says so, ever held; in bytes.
    pub(crate) async fn peak_memory(&self) -> u64 {
        let servers: &[RedisServer] = match self {
            Self::Single(server) => std::slice::from_ref(server),
            Self::Sentinels(replication) => &replication.servers,
        };
        let mut peak = 0;
        for server in servers {
            let used = server.info("memory", "used_memory_peak").await;
            peak = peak.max(used.and_then(|used| used.parse().ok()).unwrap_or_default());
        }
        peak
    }
}

#[derive(Clone, Copy, Debug)]
enum ToRedis {
    /// Killed, and started again with its data or without.
    Restart(Data),
    Freeze,
    /// The other server takes over while both are well.
    FailOver,
    /// The primary dies, and the replica that takes over had not heard of the last it took.
    LossyFailOver,
    /// The replica dies and comes back.
    Replica,
}

#[derive(Clone, Copy, Debug)]
enum ToNode {
    /// Killed as by a crash, and started again.
    Kill,
    /// Ended in order, and started again.
    End,
    /// Its wire is cut, and others are refused for a while.
    Cut,
    /// Everything waits: a partition that heals.
    Hold,
    /// What it says waits, and nothing else.
    HoldUp,
    /// What it is told waits: the server did what was asked, and the node does not know.
    HoldDown,
    /// What it says is lost, until the wire is cut.
    Swallow,
    Delay,
}

/// Makes faults.
pub(crate) struct Faults {
    backend: Backend,
    nodes: Arc<Nodes>,
    recorder: Arc<Recorder>,
    dice: StdRng,
    to_redis: Vec<ToRedis>,
    to_node: Vec<ToNode>,
}

impl Faults {
    pub(crate) fn new(backend: Backend, nodes: &Arc<Nodes>, recorder: &Arc<Recorder>, seed: u64) -> Self {
        let (nodes, recorder) = (Arc::clone(nodes), Arc::clone(recorder));
        let dice = StdRng::seed_from_u64(seed);
        Self { backend, nodes, recorder, dice, to_redis: Vec::new(), to_node: Vec::new() }
    }

    /// Makes faults for so long, and returns when the last of them is over.
    pub(crate) async fn run(&mut self, time: Duration) {
        let end = self.recorder.now() + time;
        let calm = if time > Duration::from_secs(30) { 5000 } else { 1500 };
        while self.recorder.now() < end {
            match self.dice.random_range(0..5) {
                0 | 1 => {
                    let fault = self.next_to_redis();
                    self.redis_fault(fault).await;
                }
                2 | 3 => {
                    let fault = self.next_to_node();
                    self.node_fault(fault).await;
                }
                _ => {
                    let (redis, node) = (self.next_to_redis(), self.next_to_node());
                    let node = self.node_fault(node);
                    tokio::join!(self.redis_fault(redis), node);
                }
            }
            // What comes while the fleet still recovers is more interesting, what comes later is checked more strictly: what the
            // log took in the last seconds before a fault that it may not have survived binds later.
            if self.dice.random_bool(0.7) {
                self.well().await;
            }
            self.pause(calm).await;
        }
        self.well().await;
    }

    pub(crate) async fn well(&self) {
        if let Err(why) = self.nodes.well().await {
            let now = self.recorder.now();
            self.recorder.note(|history| history.ills.push((now, why)));
        }
    }

    pub(crate) async fn redis_memory(&self) -> u64 {
        self.backend.peak_memory().await
    }

    async fn pause(&mut self, most: u64) {
        tokio::time::sleep(Duration::from_millis(self.dice.random_range(0..most))).await;
    }

    fn next_to_redis(&mut self) -> ToRedis {
        if self.to_redis.is_empty() {
            self.to_redis = match self.backend {
                Backend::Single(_) => {
                    vec![ToRedis::Restart(Data::Kept), ToRedis::Restart(Data::Lost), ToRedis::Freeze]
                }
                Backend::Sentinels(_) => {
                    vec![ToRedis::FailOver, ToRedis::LossyFailOver, ToRedis::Freeze, ToRedis::Replica]
                }
            };
            self.to_redis.shuffle(&mut self.dice);
        }
        self.to_redis.pop().expect("just filled")
    }

    fn next_to_node(&mut self) -> ToNode {
        if self.to_node.is_empty() {
            self.to_node = match self.backend {
                Backend::Single(_) => vec![
                    ToNode::Kill,
                    ToNode::End,
                    ToNode::Cut,
                    ToNode::Hold,
                    ToNode::HoldUp,
                    ToNode::HoldDown,
                    ToNode::Swallow,
                    ToNode::Delay,
                ],
                Backend::Sentinels(_) => vec![ToNode::Kill, ToNode::End],
            };
            self.to_node.shuffle(&mut self.dice);
        }
        self.to_node.pop().expect("just filled")
    }

    async fn redis_fault(&mut self, fault: ToRedis) {
        let start = self.recorder.now();
        let time = Duration::from_millis(self.dice.random_range(50..3000));
        match &mut self.backend {
            Backend::Single(server) => to_server(server, fault, time).await,
            Backend::Sentinels(replication) => to_replication(replication, fault, time).await,
        }
        let what = format!("redis: {fault:?} for {time:?}");
        // Without its data the server is another log, in which nobody believes anything older.
        let loses = !matches!(
            (fault, &self.backend),
            (ToRedis::Restart(Data::Lost), _) | (ToRedis::Freeze, Backend::Single(_))
        );
        let span = self.recorder.since(start);
        self.recorder.note(|history| history.faults.push(Fault { what, node: None, span, loses }));
    }

    /// A fault of one node; a future of its own, so that it can go on beside one of Redis.
    fn node_fault(&mut self, fault: ToNode) -> impl Future<Output = ()> + use<> {
        let node = self.dice.random_range(0..self.nodes.len());
        let time = Duration::from_millis(self.dice.random_range(20..3000));
        // Around what Redis is given for an answer.
        let delay = Duration::from_millis(self.dice.random_range(5..80));
        let (nodes, recorder) = (Arc::clone(&self.nodes), Arc::clone(&self.recorder));
        async move {
            let start = recorder.now();
            to_node(&nodes, node, fault, time, delay).await;
            let what = format!("node {node}: {fault:?} for {time:?}");
            let span = recorder.since(start);
            recorder.note(|history| {
                history.faults.push(Fault { what, node: Some(node), span, loses: false });
            });
        }
    }
}

async fn to_server(server: &mut RedisServer, fault: ToRedis, time: Duration) {
    match fault {
        ToRedis::Restart(data) => {
            server.kill();
            tokio::time::sleep(time).await;
            server.restart(data).await;
        }
        ToRedis::Freeze => {
            server.freeze();
            tokio::time::sleep(time).await;
            server.thaw();
        }
        ToRedis::FailOver | ToRedis::LossyFailOver | ToRedis::Replica => {
            unreachable!("a single server has no replica")
        }
    }
}

async fn to_replication(replication: &mut Replication, fault: ToRedis, time: Duration) {
    let primary = replication.primary().await;
    let replica = 1 - primary;
    match fault {
        ToRedis::FailOver => {
            replication.fail_over().await;
        }
        ToRedis::LossyFailOver => {
            // The sentinels do not choose a replica that they thought dead a moment ago.
            replication.servers[replica].freeze();
            tokio::time::sleep(time.min(Duration::from_millis(1000))).await;
            replication.servers[primary].kill();
            replication.servers[replica].thaw();
            replication.becomes(replica).await;
            replication.servers[primary].restart(Data::Lost).await;
        }
        ToRedis::Freeze => {
            replication.servers[primary].freeze();
            tokio::time::sleep(time).await;
            replication.servers[primary].thaw();
            if time > Duration::from_secs(1) {
                // They may be about to choose another one, or not: what they end up with is stable after a while.
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
        }
        ToRedis::Replica => {
            replication.servers[replica].kill();
            tokio::time::sleep(time).await;
            replication.servers[replica].restart(Data::Lost).await;
        }
        ToRedis::Restart(_) => unreachable!("sentinels would choose another one"),
    }
    replication.follows().await;
}

async fn to_node(nodes: &Nodes, node: usize, fault: ToNode, time: Duration, delay: Duration) {
    match fault {
        ToNode::Kill => return nodes.restart(node, Signal::SIGKILL, time / 4).await,
        ToNode::End => return nodes.restart(node, Signal::SIGTERM, Duration::ZERO).await,
        _ => {}
    }
    let mut tap = nodes.tap(node).lock().await;
    match fault {
        ToNode::Kill | ToNode::End => {}
        ToNode::Cut => {
            tap.refuse().await;
            tap.cut();
        }
        ToNode::Hold => tap.both(Flow::Hold),
        ToNode::HoldUp => tap.up(Flow::Hold),
        ToNode::HoldDown => tap.down(Flow::Hold),
        ToNode::Swallow => tap.both(Flow::Swallow),
        ToNode::Delay => tap.both(Flow::Delay(delay)),
    }
    tokio::time::sleep(time).await;
    if matches!(fault, ToNode::Swallow) {
        tap.cut();
    }
    tap.both(Flow::Pass);
    tap.welcome().await;
}
