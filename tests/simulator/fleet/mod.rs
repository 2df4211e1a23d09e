//! A fleet in a box: several nodes, each with the real engine, memory, ledger and shared log; one origin; one tier and one
//! server of the log that fail in every way they can; paused time; one seed a world.
//!
//! What is checked: a node never serves what it knows to be purged; the client of a write sees what it wrote at every node
//! it brings the position to; nobody misses a purge for longer than the blind limit; a CDN is told of every purge that was
//! acknowledged, and of every write that was announced, in time and in the right order (`cdn`); and when all is well again
//! every node serves what the origin has.

mod cdn;
mod queue;
mod server;
mod tier;
mod trouble;
mod writers;

use crate::origin::{Origin, Page};
use crate::random::Dice;
use crate::reader::{Visit, Went};
use crate::world::{FOR_EVER, MAX_OBJECT, Nobody, WRITE_BOUND, route};
use arc_swap::ArcSwap;
use cdn::Cdn;
use larder::cdn::{Deliveries, DeliveryParts};
use larder::engine::{Collapse, Engine, EngineParts, Outcome, Route};
use larder::fleet::{FleetObserver, FleetSettings, LogStore, NodeId, SharedLog};
use larder::invalidation::{Ledger, LedgerSettings, Log, Place, Standing};
use larder::store::{Memory, MemorySettings, Remote};
use larder::time::{Clock, SystemClock, Timestamp};
use server::{SLOTS, Server};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tier::Tier;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// See [`FleetSettings::blind_limit`].
const BLIND_LIMIT: Duration = Duration::from_secs(5);

/// When worlds begin.
const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// How long the faults of a world go on.
const TROUBLE: u64 = 20_000;

/// What happened, over many worlds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    fn add(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// Worlds in which something never happens prove nothing about it.
    pub(crate) fn assert_everything_happened(&self) {
        for what in [
            "memory",
            "remote",
            "stale",
            "revalidated",
            "miss",
            "collapsed",
            "passed",
            "failed",
            "purge",
            "late purge",
            "in doubt",
            "fail-over",
            "birth",
            "cut",
            "crash",
            "brought",
            "term",
            "gap",
            "loaded",
            "appended_again",
            "moved",
            "told",
            "told once",
            "cdn fill",
            "cdn hit",
            "cdn cut",
            "accepted",
            "throttled",
            "connect",
            "hung",
            "refused",
            "buried",
        ] {
            assert!(self.0.get(what).is_some_and(|count| *count > 0), "{what} never happened: {self:?}");
        }
    }
}

/// What happens in a world, counted and, where somebody looks into one, told.
#[derive(Clone)]
struct Tally {
    counts: Arc<Mutex<Counts>>,
    trace: bool,
}

impl Tally {
    fn new() -> Self {
        Self { counts: Arc::default(), trace: std::env::var_os("LARDER_TRACE").is_some() }
    }

    fn add(&self, what: &'static str) {
        self.counts.lock().unwrap().add(what);
    }

    #[expect(clippy::print_stdout, reason = "the story of a world, for whoever looks into one")]
    fn say(&self, now: Timestamp, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>8} {}", now.since(START).as_millis(), what());
        }
    }
}

impl FleetObserver for Tally {
    fn event(&self, what: &'static str) {
        self.add(what);
    }
}

/// One node.
struct Node {
    id: NodeId,
    engine: Arc<Engine>,
    ledger: Arc<Ledger>,
    log: Arc<SharedLog>,
    deliveries: Deliveries,
    /// Ends what it delivers.
    ended: CancellationToken,
    tasks: Vec<AbortHandle>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.ended.cancel();
    }
}

/// A purge that was reported to whoever asked for it.
struct Purged {
    path: String,
    /// What the origin had when it was asked for.
    version: u64,
    by: NodeId,
    /// Where it stands, if it was appended in time.
    at: Option<Place>,
    reported: Timestamp,
}

/// A write that its node lost sight of, and the origin committed.
struct Doubt {
    path: String,
    version: u64,
    /// From when on nobody may serve an older version.
    sure: Timestamp,
    by: NodeId,
    /// Whether there is an intent, which outlives its node.
    announced: bool,
}

/// A world under way.
pub(crate) struct Fleet {
    dice: Dice,
    clock: SystemClock,
    origin: Origin,
    server: Server,
    tier: Tier,
    nodes: Mutex<Vec<Arc<Node>>>,
    routes: Vec<Arc<Route>>,
    tally: Tally,
    purged: Mutex<Vec<Purged>>,
    doubts: Mutex<Vec<Doubt>>,
    cdn: Cdn,
    /// Whether the log fails over, or is forgotten, in this world.
    unsteady: bool,
    crashed: Mutex<Vec<NodeId>>,
    wrong: Mutex<Vec<String>>,
}

impl Fleet {
    /// Runs the world of `seed`; panics when a promise is broken.
    pub(crate) fn run(seed: u64) -> Counts {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = Arc::new(Self::create(seed));
            let mut tasks = JoinSet::new();
            for _ in 0..10 + world.dice.below(30) {
                tasks.spawn(Arc::clone(&world).visitor());
            }
            for _ in 0..1 + world.dice.below(8) {
                tasks.spawn(Arc::clone(&world).writer());
            }
            for _ in 0..2 + world.dice.below(8) {
                tasks.spawn(Arc::clone(&world).cdn_visitor());
            }
            tasks.spawn(Arc::clone(&world).trouble());
            if seed.is_multiple_of(3) {
                tasks.spawn(Arc::clone(&world).hermit());
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("no task of a world panics");
            }
            world.settle().await;
            world.settle_with_cdn().await;
            world.nodes.lock().unwrap().clear();
            let wrong = std::mem::take(&mut *world.wrong.lock().unwrap());
            assert!(wrong.is_empty(), "LARDER_SEEDS={seed} (fleet): {}", wrong.join("\n"));
            world.tally.counts.lock().unwrap().clone()
        })
    }

    fn create(seed: u64) -> Self {
        let dice = Dice::new(seed ^ 0xF1EE7);
        let clock = SystemClock::anchored_at(START);
        let pages: Vec<_> =
            (0..1 + dice.below(3)).map(|number| Page::random(&dice, number, MAX_OBJECT)).collect();
        let ttl = dice.chance(50).then(|| Duration::from_secs(1 + dice.below(60)));
        let cdn_ttl = dice.chance(40).then(|| Duration::from_secs(600));
        let tally = Tally::new();
        let origin = Origin::new(&dice, clock, pages, false);
        let cdn = Cdn::new(&dice, clock, origin.clone(), tally.clone());
        let collapse = if dice.chance(60) { Collapse::Fleet } else { Collapse::Process };
        let memory = !dice.chance(15);
        let routes = ["red", "blue"].iter().enumerate().map(|(index, tag)| {
            let mut route = route(index, tag, ttl);
            let rule = route.cache.as_mut().unwrap();
            rule.collapse = collapse;
            rule.memory = memory;
            rule.memory_ttl = dice.chance(30).then(|| Duration::from_millis(dice.below(2_000)));
            rule.sliding = dice.chance(20).then(|| Duration::from_secs(dice.below(30)));
            rule.freshness.cdn_ttl = cdn_ttl;
            route.cdns = Some(cdn.fields());
            Arc::new(route)
        });
        let routes = routes.collect();
        let world = Self {
            server: Server::new(&dice, clock, cdn.clone()),
            origin,
            cdn,
            tier: Tier::new(&dice, clock, tally.clone()),
            nodes: Mutex::default(),
            routes,
            tally,
            purged: Mutex::default(),
            doubts: Mutex::default(),
            unsteady: dice.chance(60),
            crashed: Mutex::default(),
            wrong: Mutex::default(),
            dice,
            clock,
        };
        for _ in 0..1 + world.dice.below(4) {
            let node = world.start_node();
            world.nodes.lock().unwrap().push(node);
        }
        world
    }

    fn start_node(&self) -> Arc<Node> {
        let id = NodeId(u128::from(self.dice.next()));
        let settings =
            LedgerSettings { memory: if self.dice.chance(50) { 1 << 20 } else { 512 }, table_slots: SLOTS };
        let ledger = Arc::new(Ledger::cut_off(&settings, BLIND_LIMIT));
        let log = SharedLog::new(
            Arc::new(self.server.seen_by(id)) as Arc<dyn LogStore>,
            Arc::clone(&ledger),
            Arc::new(self.clock),
            FleetSettings {
                blind_limit: BLIND_LIMIT,
                timeout: Duration::from_millis(50),
                write_bound: WRITE_BOUND,
                names: true,
            },
            Arc::new(self.tally.clone()),
            id,
        );
        let engine = Engine::new(EngineParts {
            memory: Memory::new(&MemorySettings { max_size: 64 << 20, max_object: MAX_OBJECT as u64 }),
            remote: Some(Arc::new(self.tier.clone()) as Arc<dyn Remote>),
            max_arriving: 64 << 20,
            ledger: Arc::clone(&ledger),
            log: Arc::clone(&log) as Arc<dyn Log>,
            settle: Duration::ZERO,
            write_bound: WRITE_BOUND,
            fetch: Arc::new(self.origin.clone()),
            clock: Arc::new(self.clock),
            observer: Arc::new(Nobody),
        });
        let store = Arc::new(self.server.seen_by(id));
        let deliveries = Deliveries::new(DeliveryParts {
            cdns: vec![(self.cdn.settings().clone(), Arc::new(self.cdn.called_by(id)))],
            outbox: store,
            log: Arc::clone(&log) as Arc<dyn Log>,
            reach: Arc::new(ArcSwap::from_pointee(self.cdn.reach(&self.routes))),
            clock: Arc::new(self.clock),
            observer: Arc::new(()),
            blind_limit: BLIND_LIMIT,
            seed: id.0,
        });
        let ended = CancellationToken::new();
        deliveries.begin(&TaskTracker::new(), &ended);
        self.cdn.enter(id, &ledger);
        let tasks = vec![
            tokio::spawn(Arc::clone(&log).run()).abort_handle(),
            tokio::spawn(Arc::clone(&engine).upkeep()).abort_handle(),
        ];
        Arc::new(Node { id, engine, ledger, log, deliveries, ended, tasks })
    }

    fn say(&self, what: impl FnOnce() -> String) {
        self.tally.say(self.clock.now(), what);
    }

    fn node(&self) -> Arc<Node> {
        Arc::clone(self.dice.pick(&self.nodes.lock().unwrap()))
    }

    /// A client that comes again and again, to any node.
    async fn visitor(self: Arc<Self>) {
        for _ in 0..1 + self.dice.below(6) {
            self.dice.pause(8_000).await;
            let node = self.node();
            let mut visit = Visit::random(&self.dice, &self.origin);
            let mut must_have = self.must_have(&node, &visit.path);
            if self.dice.chance(30)
                && let Some((position, version)) = self.written(&visit.path)
            {
                visit.position = Some(position);
                must_have = must_have.max(version);
                self.tally.add("brought");
            }
            self.visit(&node, &visit, must_have).await;
        }
    }

    async fn visit(&self, node: &Node, visit: &Visit, must_have: u64) {
        let route = &self.routes[usize::from(self.origin.page(&visit.path).tag == "blue")];
        self.say(|| format!("{} asks for {visit:?}, at least {must_have}", short(node.id)));
        let made = visit.make(&node.engine, route, &self.origin, &self.dice, must_have);
        let went = tokio::time::timeout(FOR_EVER, made)
            .await
            .unwrap_or_else(|_| Err(format!("{visit:?} waits for ever")));
        self.say(|| format!("{} answered {}: {went:?}", short(node.id), visit.path));
        match went {
            Ok(Went::Whole(Outcome::Hit)) => self.tally.add("memory"),
            Ok(Went::Whole(Outcome::Stale)) => self.tally.add("stale"),
            Ok(Went::Whole(Outcome::Revalidated)) => self.tally.add("revalidated"),
            Ok(Went::Whole(Outcome::Collapsed)) => self.tally.add("collapsed"),
            Ok(Went::Whole(_)) => self.tally.add("miss"),
            Ok(Went::Passed) => self.tally.add("passed"),
            Ok(Went::Failed | Went::Truncated | Went::Left) => self.tally.add("failed"),
            Err(wrong) => self.wrong.lock().unwrap().push(format!("node {}: {wrong}", short(node.id))),
        }
    }

    /// The version that a request to `node` must at least get: whatever this node knows to be purged.
    fn must_have(&self, node: &Node, path: &str) -> u64 {
        let now = self.clock.now();
        let flaky = self.origin.page(path).flaky > 0;
        let purged = self.purged.lock().unwrap();
        let known = purged.iter().filter(|purge| purge.path == path).filter(|purge| {
            let applied = purge.at.is_some_and(|place| node.ledger.standing(place) == Standing::Applied);
            // Where the origin fails, a stale reply may be preferred to none.
            let overdue = !flaky && purge.reported.plus(BLIND_LIMIT + Duration::from_secs(1)) < now;
            purge.by == node.id || applied || overdue && purge.at.is_some() && !self.unsteady
        });
        let known = known.map(|purge| purge.version).max().unwrap_or(0);
        let doubts = self.doubts.lock().unwrap();
        let crashed = self.crashed.lock().unwrap();
        let over = doubts.iter().filter(|doubt| {
            let kept = doubt.announced || !crashed.contains(&doubt.by);
            doubt.path == path && doubt.sure < now && kept && !self.unsteady
        });
        over.map(|doubt| doubt.version).max().unwrap_or(0).max(known)
    }

    /// Where a write to `path` stands, and the version whoever brings that must see.
    fn written(&self, path: &str) -> Option<(Place, u64)> {
        let purged = self.purged.lock().unwrap();
        let written: Vec<_> = purged.iter().filter(|purge| purge.path == path).collect();
        if written.is_empty() {
            return None;
        }
        let purge = self.dice.pick(&written);
        purge.at.map(|place| (place, purge.version))
    }

    /// When all is well again every purge is known everywhere.
    async fn settle(self: &Arc<Self>) {
        tokio::time::sleep(WRITE_BOUND * 2).await;
        let nodes: Vec<_> = self.nodes.lock().unwrap().clone();
        let mut wrong = Vec::new();
        for node in &nodes {
            if tokio::time::timeout(FOR_EVER, node.engine.idle()).await.is_err() {
                wrong.push("a fill never ends".to_owned());
            }
            let (stats, log) = (node.engine.stats(), node.log.stats());
            if stats.flights > 0
                || stats.arriving_bytes > 0
                || stats.repeats > 0
                || log.queued > 0
                || log.blind
            {
                wrong.push(format!("left behind: {stats:?} {log:?}"));
            }
        }
        if self.server.intents() > 0 {
            wrong.push("intents are left".to_owned());
        }
        self.wrong.lock().unwrap().append(&mut wrong);
        let crashed = self.crashed.lock().unwrap().clone();
        let paths: Vec<_> = self.origin.pages().iter().map(|page| page.path.clone()).collect();
        for node in &nodes {
            for path in &paths {
                let must_have = {
                    let purged = self.purged.lock().unwrap();
                    // What only a node knew that crashed is gone with it.
                    let lasting = purged.iter().filter(|purge| {
                        purge.path == *path
                            && (!crashed.contains(&purge.by) || purge.at.is_some() && !self.unsteady)
                    });
                    lasting.map(|purge| purge.version).max().unwrap_or(0)
                };
                let visit = Visit::plain(path);
                self.visit(node, &visit, must_have.max(self.must_have(node, path))).await;
            }
        }
        for node in nodes {
            node.engine.idle().await;
        }
    }
}

/// Enough of a name to tell nodes apart.
fn short(NodeId(id): NodeId) -> String {
    format!("{:04x}", id & 0xffff)
}
