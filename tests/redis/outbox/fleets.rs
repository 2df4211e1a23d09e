//! Whole nodes: one dies between an intent and its append, a fail-over loses an append, a cluster fails over.

use super::{EDGE, Node, cdns, ids, leader, purge, purged, tag};
use crate::log::intents::silent;
use crate::log::{PATIENCE, link_in, server_at, settings};
use crate::support::{Cluster, RedisServer, Tap, eventually, within};
use larder::cdn::{Job, Outbox};
use larder::fleet::{FleetObserver, FleetSettings, Intent, LogStore, NodeId, SharedLog, TABLE_SLOTS};
use larder::invalidation::{
    Appending, IntentId, Invalidation, Ledger, LedgerSettings, Log, Matcher, Names, Purge,
};
use larder::redis::{RedisLog, RedisLogSettings, RedisServers};
use larder::time::SystemClock;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// What happened to the log, as a node tells it.
#[derive(Debug, Default)]
struct Events(Mutex<Vec<&'static str>>);

impl FleetObserver for Events {
    fn event(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }
}

/// A node that follows the log until it is dropped, as a process that is killed.
struct Follower {
    log: Arc<SharedLog>,
    events: Arc<Events>,
    run: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.run.abort();
    }
}

async fn follower(url: &str, node: u128) -> Follower {
    follower_of(url, node, cdns()).await
}

async fn follower_of(url: &str, node: u128, cdns: Vec<Arc<str>>) -> Follower {
    follower_for(url, node, cdns, Duration::from_secs(5)).await
}

async fn follower_for(url: &str, node: u128, cdns: Vec<Arc<str>>, blind_limit: Duration) -> Follower {
    let (log, events) = cut_off(url, node, cdns, blind_limit);
    let run = tokio::spawn(Arc::clone(&log).run());
    let following = || async { !log.stats().blind };
    eventually("it follows", following).await;
    Follower { log, events, run }
}

/// A node that does not follow the log yet.
fn cut_off(
    url: &str,
    node: u128,
    cdns: Vec<Arc<str>>,
    blind_limit: Duration,
) -> (Arc<SharedLog>, Arc<Events>) {
    let names = !cdns.is_empty();
    let link = link_in(RedisServers::Single(server_at(url.strip_prefix("redis://").unwrap())), None);
    let store = Arc::new(RedisLog::new(link, RedisLogSettings { cdns, ..settings() }));
    let ledger = LedgerSettings { memory: 1 << 20, table_slots: TABLE_SLOTS };
    let settings =
        FleetSettings { blind_limit, timeout: PATIENCE, write_bound: Duration::from_secs(600), names };
    let ledger = Arc::new(Ledger::cut_off(&ledger, settings.blind_limit));
    let clock = Arc::new(SystemClock::new());
    let events = Arc::new(Events::default());
    let observer = Arc::clone(&events) as Arc<dyn FleetObserver>;
    let log = SharedLog::new(store, ledger, clock, settings, observer, NodeId(node));
    (log, events)
}

/// Everything that is queued, from now until it holds what is wanted.
async fn queued(node: &Node, number: u64) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let reading = async {
        while !jobs.iter().any(|job| job.purges.contains(&tag(number))) {
            let next = node.outbox.next(EDGE, 100, Duration::from_millis(100)).await;
            jobs.extend(next.unwrap_or_default());
        }
    };
    within("it is queued", reading).await;
    jobs
}

#[tokio::test]
async fn the_write_of_a_node_that_dies_is_queued_by_who_sweeps_it() {
    let (server, node, _) = leader().await;
    let survivor = follower(&server.url(), 5).await;
    let dying = follower(&server.url(), 6).await;
    dying.log.append(vec![tag(0)].into()).await.unwrap();
    let intent = dying.log.intend(&[tag(1), tag(2)]).await;
    assert!(intent.is_some());
    drop(dying);
    let jobs = buried(&server, 6, queued(&node, 1)).await;
    assert_eq!(purged(&jobs), [vec![tag(0)], vec![tag(1), tag(2)]]);
    assert_eq!(survivor.log.stats().queued, 0);
    assert!(!survivor.events.0.lock().unwrap().contains(&"nameless"));
}

/// Waits for something that happens when a node is taken for dead: when it was silent for long, or here at once.
async fn buried<T>(server: &RedisServer, node: u128, what: impl Future<Output = T>) -> T {
    let mut command = redis::cmd("HDEL");
    command.arg("{shop}:log:nodes").arg(&node.to_be_bytes()[..]);
    let mut connection = server.connect().await;
    // A last heartbeat of it may be on its way.
    let clearing = async {
        loop {
            command.query_async::<()>(&mut connection).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        happened = what => happened,
        () = clearing => unreachable!("it goes on"),
    }
}

/// Makes the log one that was born long ago.
async fn aged(server: &RedisServer) {
    server.command::<()>("HDEL {shop}:log:head born").await;
}

/// A log that is born anew knows nobody. Whoever was cut off before may go on serving, until it is blind.
#[tokio::test]
async fn a_log_that_was_just_born_may_not_know_all_nodes() {
    let server = RedisServer::start().await;
    let node = follower_for(&server.url(), 5, cdns(), Duration::from_secs(60)).await;
    aged(&server).await;
    let before = node.log.append(vec![tag(0)].into()).await.unwrap().last();
    assert_eq!(node.log.spread(before, super::LONG).await, [""; 0]);
    server.command::<()>("FLUSHALL").await;
    let place = within("it is appended to another log", async {
        loop {
            let appended = node.log.append(vec![tag(1)].into()).await;
            let place = appended.ok().map(|places| places.last());
            if let Some(place) = place.filter(|place| place.epoch != before.epoch) {
                break place;
            }
        }
    })
    .await;
    let behind = node.log.spread(place, Duration::from_millis(500)).await;
    assert!(behind[0].contains("just born") && behind.len() == 1, "{behind:?}");
    aged(&server).await;
    assert_eq!(node.log.spread(place, super::LONG).await, [""; 0], "whoever it does not know is blind");
    // What went with the log is not known to stand in this one.
    assert_eq!(node.log.spread(before, Duration::from_millis(500)).await, [NodeId(5).to_string()]);
}

#[tokio::test]
async fn a_log_is_young_for_as_long_as_nodes_may_take_to_be_blind() {
    let server = RedisServer::start().await;
    let node = follower_for(&server.url(), 5, cdns(), Duration::from_secs(2)).await;
    let place = node.log.append(vec![tag(0)].into()).await.unwrap().last();
    assert_eq!(node.log.spread(place, super::LONG).await, [""; 0]);
    let (seconds, _): (u64, u64) = server.command("TIME").await;
    let born: u64 = server.command("HGET {shop}:log:head born").await;
    assert!((seconds + 1) * 1000 >= born + 2000, "{seconds} {born}");
}

#[tokio::test]
async fn a_node_that_may_be_serving_is_waited_for() {
    let server = RedisServer::start().await;
    for (blind_limit, waits) in [(Duration::from_secs(60), true), (Duration::from_secs(5), false)] {
        let one = follower_for(&server.url(), 5, cdns(), blind_limit).await;
        aged(&server).await;
        silent(&server, NodeId(6), 20).await;
        let place = one.log.append(vec![tag(0)].into()).await.unwrap().last();
        let behind = one.log.spread(place, if waits { Duration::from_secs(2) } else { super::LONG }).await;
        let expected = if waits { vec![NodeId(6).to_string()] } else { Vec::new() };
        assert_eq!(behind, expected, "{blind_limit:?}");
    }
}

#[tokio::test]
async fn the_write_of_a_node_that_knew_of_no_cdn_is_swept_and_counted() {
    let (server, node, epoch) = leader().await;
    let survivor = follower(&server.url(), 5).await;
    let intent = Intent {
        id: IntentId(1),
        node: Some(NodeId(6)),
        purges: Arc::from([Purge::from(&tag(1))]),
        names: Names::NONE,
        within: super::TERM,
    };
    node.log.intend(epoch, &intent).await.unwrap();
    buried(&server, 6, server.says("XLEN {shop}:log:stream", "1")).await;
    assert!(survivor.events.0.lock().unwrap().contains(&"nameless"));
    assert_eq!(purged(&node.next().await), [super::everything()]);
    survivor.log.append(vec![tag(2)].into()).await.unwrap();
    assert_eq!(purged(&node.next().await), [vec![tag(2)]]);
}

#[tokio::test]
async fn a_follower_without_cdns_names_what_it_purges_for_those_of_others() {
    let (server, node, _) = leader().await;
    let survivor = follower(&server.url(), 5).await;
    let plain = follower_of(&server.url(), 6, Vec::new()).await;
    plain.log.append(vec![tag(0)].into()).await.unwrap();
    assert!(plain.log.intend(&[tag(1)]).await.is_some());
    drop(plain);
    let jobs = buried(&server, 6, queued(&node, 1)).await;
    assert_eq!(purged(&jobs), [[tag(0)], [tag(1)]]);
    assert!(!survivor.events.0.lock().unwrap().contains(&"nameless"));
}

#[tokio::test]
async fn a_follower_that_hears_of_a_cdn_late_names_what_it_purged() {
    let server = RedisServer::start().await;
    let plain = follower_of(&server.url(), 6, Vec::new()).await;
    let node = Node::at(&server.url(), 1);
    node.open(None).await;
    assert!(node.leads().await);
    plain.log.append(vec![tag(0)].into()).await.unwrap();
    plain.log.append(vec![tag(1)].into()).await.unwrap();
    assert_eq!(purged(&queued(&node, 1).await), [[tag(0)], [tag(1)]]);
    assert!(!plain.events.0.lock().unwrap().contains(&"nameless"));
}

#[tokio::test]
async fn what_a_fail_over_lost_is_queued_again() {
    let primary = RedisServer::start().await;
    let follows = format!("replicaof 127.0.0.1 {}", primary.port());
    let replica = RedisServer::builder().line(follows).start().await;
    replica.says("INFO replication", "master_link_status:up").await;
    let tap = Tap::before(primary.port()).await;
    let survivor = follower(&tap.url(), 5).await;
    let dying = follower(&tap.url(), 6).await;
    dying.log.append(vec![tag(0)].into()).await.unwrap();
    replica.says("XLEN {shop}:log:stream", "1").await;
    replica.command::<()>("REPLICAOF NO ONE").await;
    // The writer dies with the server that has it, and the survivor has read it.
    let place = dying.log.append(vec![tag(1)].into()).await.unwrap().last();
    eventually("it is read", || async {
        survivor.log.reach(place).await == larder::invalidation::Reach::Applied
    })
    .await;
    drop(dying);
    tap.lead_to(replica.port());
    tap.cut();
    let node = Node::at(&replica.url(), 1);
    eventually("the lead", || async { node.outbox.lead(EDGE, super::TERM).await.unwrap_or(false) }).await;
    let jobs = queued(&node, 1).await;
    assert_eq!(purged(&jobs), [vec![tag(0)], vec![tag(1)]]);
    assert!(jobs[1].position > place.position, "appended again, with its names");
}

#[tokio::test]
async fn a_flushed_queue_is_told_everything_and_what_survivors_know() {
    let (server, node, _) = leader().await;
    let one = follower(&server.url(), 5).await;
    one.log.append(vec![tag(0)].into()).await.unwrap();
    server.command::<()>("FLUSHALL").await;
    eventually("the lead", || async { node.outbox.lead(EDGE, super::TERM).await.unwrap() }).await;
    let jobs = queued(&node, 0).await;
    assert_eq!(purged(&jobs), [super::everything(), vec![tag(0)]]);
}

#[tokio::test]
async fn purges_that_wait_for_the_log_are_queued_in_their_order() {
    let server = RedisServer::start().await;
    let tap = Tap::before(server.port()).await;
    let node = Node::at(&server.url(), 1);
    node.open(None).await;
    assert!(node.leads().await);
    let one = follower(&tap.url(), 5).await;
    let mut tap = tap;
    tap.refuse().await;
    tap.cut();
    eventually("it notices", || async { one.log.append(vec![tag(0)].into()).await.is_err() }).await;
    for number in 1..300 {
        let _away = one.log.append(Appending::from(vec![tag(number)])).await;
    }
    tap.welcome().await;
    let jobs = queued(&node, 299).await;
    let all: Vec<_> = jobs.iter().flat_map(|job| job.purges.clone()).collect();
    let first = all.iter().position(|purge| *purge == tag(1)).unwrap();
    assert_eq!(all[first..], (1..300).map(tag).collect::<Vec<_>>(), "none is missing");
    assert!(jobs.len() < 20, "they share records: {}", jobs.len());
}

/// More than a heartbeat a second would ever bring: each brings 64 at most.
#[tokio::test]
async fn many_writes_in_doubt_are_swept_as_fast_as_they_come() {
    let (server, node, epoch) = leader().await;
    let intent = |id: u64| Intent {
        id: IntentId(u128::from(id)),
        node: None,
        purges: Arc::from([Purge::from(&tag(id))]),
        names: Names::of(&[tag(id)]),
        within: Duration::ZERO,
    };
    for id in 0..5_000 {
        node.log.intend(epoch, &intent(id)).await.unwrap();
    }
    // One that tells CDNs looks more often by itself.
    let _plain = follower_of(&server.url(), 5, Vec::new()).await;
    eventually("all are swept", || async { server.command::<usize>("HLEN {shop}:log:intents").await == 1 })
        .await;
}

/// So many writes in doubt as anybody can send while the log is away.
#[tokio::test]
async fn an_outage_full_of_writes_purges_their_folder_and_no_more() {
    let (server, node, _) = leader().await;
    let (log, events) = cut_off(&server.url(), 5, cdns(), Duration::from_secs(5));
    let cart = |number: u32| {
        let path = format!("/api/v1/carts/00000000-0000-4000-8000-{number:012}");
        Invalidation::hard(Matcher::path("shop.example.com", &path))
    };
    let _away = log.append(vec![tag(7)].into()).await;
    for number in 0..200_000 {
        let _away = log.append(Appending::from(vec![cart(number), tag(u64::from(number % 5))])).await;
    }
    let run = tokio::spawn(Arc::clone(&log).run());
    let flushed = || async { log.stats().queued == 0 };
    eventually("all are appended", flushed).await;
    run.abort();
    let mut all = Vec::new();
    loop {
        let jobs = node.next().await;
        if jobs.is_empty() {
            break;
        }
        all.extend(jobs.into_iter().flat_map(|job| job.purges));
    }
    let carts = Invalidation::hard(Matcher::prefix("shop.example.com", "/api/v1/carts"));
    for expected in [carts, cart(199_999)].into_iter().chain((0..5).map(tag)).chain([tag(7)]) {
        assert!(all.contains(&expected), "{expected:?}");
    }
    assert!(!all.contains(&super::everything()[0]));
    assert!(events.0.lock().unwrap().contains(&"folded"));
}

#[tokio::test]
async fn a_cluster_fails_over() {
    let cluster = Cluster::start().await;
    let servers = || cluster.servers.iter().map(|server| server_at(&server.address())).collect();
    let node = Node::on(link_in(RedisServers::Cluster(servers()), None), 1);
    let epoch = node.open(None).await;
    assert!(node.leads().await);
    purge(&node, epoch, 0..2).await;
    let jobs = node.next().await;
    node.outbox.settle(EDGE, &ids(&jobs)[..1]).await.unwrap();
    let slot: u16 = cluster.servers[0].command("CLUSTER KEYSLOT {shop}:log:head").await;
    let master = cluster.master_of(slot).await;
    let replica = &cluster.servers[cluster.replica_of(master).await];
    replica.says("INFO replication", "master_link_status:up").await;
    cluster.fail_over(master).await;
    eventually("the others are found", || async {
        node.outbox.recover(EDGE, None, 10).await == Ok(jobs[1..].to_vec())
    })
    .await;
    let turning = async {
        loop {
            let head = node.log.open(jobs[1].position, Some(epoch)).await;
            if let Some(head) = head.ok().filter(|head| head.epoch() != epoch) {
                return head.epoch();
            }
        }
    };
    let epoch = within("the next term", turning).await;
    eventually("it appends", || async {
        let append = super::named(2, jobs[1].position);
        node.log.append(epoch, &append).await.is_ok()
    })
    .await;
    eventually("it is handed out", || async {
        let next = node.outbox.next(EDGE, 100, Duration::from_millis(100)).await.unwrap_or_default();
        purged(&next).contains(&vec![tag(2)])
    })
    .await;
}
