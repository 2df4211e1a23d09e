//! The tier that nodes share: what is put there is found by others, and trouble costs hits and nothing else.

use crate::support::{Cluster, DEADLINE, Data, Flow, RedisServer, Tap, eventually, within};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use larder::invalidation::{Bearings, Birth, Epoch, Position, SharedFence, Term};
use larder::key::KeyHash;
use larder::redis::{
    Breaker, BreakerState, Link, Loss, Op, RedisObserver, RedisServers, RedisSettings, RedisTier,
    ServerAddress, TierObserver, Verdict, WriteMode,
};
use larder::semantics::{Freshness, LifetimeSource, Validators};
use larder::store::{
    Compression, DecodeError, Head, Leased, Looked, Remote, RemoteEntry, RemoteItem, Vacated, encode,
};
use larder::time::{Clock as _, SystemClock, Timestamp};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How long entries are kept where that does not matter.
const KEEP: Duration = Duration::from_secs(600);

/// The length of a lease.
const LEASE: Duration = Duration::from_secs(1);

/// One node's tier, and what it told of its work.
struct Node {
    tier: Arc<RedisTier>,
    breaker: Arc<Breaker>,
    told: Arc<Told>,
    running: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Told {
    unreadable: Mutex<Vec<&'static str>>,
    lost: Mutex<Vec<(&'static str, usize)>>,
    asked: Mutex<Vec<Op>>,
}

impl Told {
    fn asked(&self, op: Op) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| **asked == op).count()
    }

    fn lost(&self, loss: Loss) -> usize {
        let lost = self.lost.lock().unwrap();
        lost.iter().filter(|(word, _)| *word == loss.as_str()).map(|(_, count)| count).sum()
    }
}

impl TierObserver for Told {
    fn unreadable(&self, error: DecodeError) {
        self.unreadable.lock().unwrap().push(error.as_str());
    }

    fn lost(&self, loss: Loss, count: usize) {
        self.lost.lock().unwrap().push((loss.as_str(), count));
    }
}

impl RedisObserver for Told {
    fn answered(&self, op: Op, _elapsed: Duration) {
        self.asked.lock().unwrap().push(op);
    }

    fn failed(&self, op: Op, _reason: &'static str) {
        self.asked.lock().unwrap().push(op);
    }

    fn breaker(&self, _state: BreakerState) {}
}

impl Node {
    /// A node whose writes and renewals go on.
    fn start(settings: &RedisSettings) -> Self {
        let mut node = Self::idle(settings);
        node.running = Some(tokio::spawn(Arc::clone(&node.tier).run()));
        node
    }

    /// A node that queues its writes and does nothing of itself.
    fn idle(settings: &RedisSettings) -> Self {
        let told = Arc::new(Told::default());
        let link = Link::new(settings, told.clone()).unwrap();
        let breaker = Arc::new(Breaker::new(told.clone()));
        let clock = Arc::new(SystemClock::new());
        let tier = RedisTier::new(settings, link, breaker.clone(), clock, told.clone());
        Self { tier, breaker, told, running: None }
    }

    async fn put(&self, key: &str, body: &str) {
        self.tier.put(hash(key), item(key, body), KEEP).await;
    }

    /// The body that stands under a key.
    async fn body(&self, key: &str) -> Option<String> {
        match self.tier.get(hash(key), key.as_bytes()).await {
            Looked::Found(RemoteItem::Entry(entry)) => {
                Some(String::from_utf8_lossy(&entry.body).into_owned())
            }
            Looked::Found(RemoteItem::Variants { .. }) | Looked::Nothing | Looked::Unavailable => None,
        }
    }

    /// Waits until a key's body is this one.
    async fn finds(&self, key: &str, body: &str) {
        eventually("the entry is there", async || {
            let found = self.body(key).await;
            if found.is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            found.as_deref() == Some(body)
        })
        .await;
    }

    /// Ends its work as a crash does.
    async fn crash(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
            let _ = running.await;
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

fn hash(key: &str) -> KeyHash {
    KeyHash::of(key.as_bytes())
}

/// The name of a key's entry or lease, as the tier writes it.
fn name(kind: &str, key: &str) -> String {
    let hex: String = hash(key).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("larder:{kind}:{hex}")
}

fn item(key: &str, body: &str) -> RemoteItem {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    RemoteItem::Entry(RemoteEntry {
        key: key.as_bytes().into(),
        head: Head::new(StatusCode::OK, &headers),
        body: Bytes::copy_from_slice(body.as_bytes()),
        freshness: Freshness {
            born: Timestamp::ZERO,
            lifetime: KEEP,
            source: LifetimeSource::Origin,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            must_revalidate: false,
            no_cache: false,
            authorized: false,
            departure: None,
        },
        validators: Validators::default(),
        validated_at: Timestamp::ZERO,
        bearings: Bearings::of_target("shop.test", "/", "route"),
        fence: SharedFence {
            epoch: Epoch { birth: Birth(1), term: Term(1) },
            position: Position::from_u64(1),
        },
    })
}

fn settings(port: u16) -> RedisSettings {
    RedisSettings {
        servers: RedisServers::Single(ServerAddress { host: "127.0.0.1".to_owned(), port }),
        tls: false,
        ca: None,
        database: 0,
        username: None,
        password: None,
        sentinel_password: None,
        namespace: "larder".to_owned(),
        timeout: DEADLINE,
        write: WriteMode::Behind,
        compress: true,
        max_object: 1 << 20,
    }
}

/// A time-out that a test waits out.
fn hasty(port: u16) -> RedisSettings {
    RedisSettings { timeout: Duration::from_millis(50), ..settings(port) }
}

fn through(port: u16) -> RedisSettings {
    RedisSettings { write: WriteMode::Through, ..settings(port) }
}

#[tokio::test]
async fn what_one_node_puts_another_finds() {
    let server = RedisServer::start().await;
    let (one, other) = (Node::start(&settings(server.port())), Node::start(&settings(server.port())));
    assert!(matches!(other.tier.get(hash("key"), b"key").await, Looked::Nothing));
    one.put("key", "body").await;
    other.finds("key", "body").await;
    one.put("large", &"and again ".repeat(50_000)).await;
    other.finds("large", &"and again ".repeat(50_000)).await;
    let marker =
        RemoteItem::Variants { key: b"varies".as_slice().into(), names: [http::header::ACCEPT].into() };
    one.tier.put(hash("varies"), marker, KEEP).await;
    one.tier.drain(DEADLINE).await;
    let found = other.tier.get(hash("varies"), b"varies").await;
    assert!(
        matches!(found, Looked::Found(RemoteItem::Variants { names, .. }) if *names == [http::header::ACCEPT])
    );
    let names: Vec<String> = server.command("KEYS *").await;
    assert!(names.len() == 3 && names.iter().all(|name| name.starts_with("larder:e1:")), "{names:?}");
    let life: u64 = server.command(&format!("PTTL {}", name("e1", "key"))).await;
    assert!((1..=KEEP.as_millis() as u64).contains(&life));
}

#[tokio::test]
async fn what_is_over_is_gone_and_a_touch_lets_it_stay() {
    let server = RedisServer::start().await;
    let node = Node::start(&through(server.port()));
    node.tier.put(hash("short"), item("short", "body"), Duration::from_millis(20)).await;
    node.tier.put(hash("none"), item("none", "body"), Duration::ZERO).await;
    node.put("long", "body").await;
    assert_eq!(node.body("none").await, None);
    eventually("it is over", async || node.body("short").await.is_none()).await;
    let (touched, longer) = (name("e1", "long"), KEEP * 3);
    node.tier.touch(hash("long"), longer).await;
    eventually("it stays longer", async || {
        server.command::<u64>(&format!("PTTL {touched}")).await > (KEEP * 2).as_millis() as u64
    })
    .await;
    assert_eq!(node.body("long").await.as_deref(), Some("body"));
}

#[tokio::test]
async fn what_is_not_ours_is_a_miss_that_is_counted() {
    let server = RedisServer::start().await;
    let node = Node::start(&settings(server.port()));
    let mut redis = server.connect().await;
    let mut check = async |bytes: &[u8], reason: &'static str| {
        let _: () =
            redis::cmd("SET").arg(name("e1", "key")).arg(bytes).query_async(&mut redis).await.unwrap();
        assert!(matches!(node.tier.get(hash("key"), b"key").await, Looked::Nothing), "{reason}");
        assert_eq!(node.told.unreadable.lock().unwrap().pop(), Some(reason));
    };
    let good = encode(&item("key", "body"), Compression::Off);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    check(b"garbage", "magic").await;
    check(b"", "magic").await;
    check(&with(4, 0), "version").await;
    check(&with(4, 3), "version").await;
    check(&with(100, 0xee), "checksum").await;
    check(&good[..good.len() - 1], "checksum").await;
    check(&encode(&item("another", "body"), Compression::Off), "key").await;

    server.command::<()>(&format!("DEL {}", name("e1", "key"))).await;
    server.command::<()>(&format!("LPUSH {} value", name("e1", "key"))).await;
    for _ in 0..20 {
        assert!(matches!(node.tier.get(hash("key"), b"key").await, Looked::Nothing));
    }
    assert_eq!(node.breaker.state(), BreakerState::Closed, "the server is well");
    node.put("key", "body").await;
    node.finds("key", "body").await;
}

#[tokio::test]
async fn what_is_too_large_is_left_out() {
    let server = RedisServer::start().await;
    let limits = RedisSettings { max_object: 4096, ..through(server.port()) };
    let node = Node::start(&limits);
    let noise = |length: usize| -> String {
        let mut bytes = vec![0; length];
        KeyHash::of(b"seed").as_bytes().iter().cycle().zip(&mut bytes).enumerate().for_each(
            |(at, (seed, byte))| {
                *byte =
                    (b'!' + ((at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57) as u8 % 90) ^ (seed & 1);
            },
        );
        String::from_utf8(bytes).unwrap()
    };
    node.put("small", &noise(1000)).await;
    node.put("shrinks", &"a".repeat(20_000)).await;
    node.put("much", &"a".repeat(40_000)).await;
    assert_eq!(node.body("small").await, Some(noise(1000)));
    assert_eq!(node.body("shrinks").await, Some("a".repeat(20_000)));
    assert_eq!(node.body("much").await, None);
    assert_eq!(node.told.lost(Loss::TooLarge), 1);
    let plain = Node::start(&RedisSettings { compress: false, ..limits });
    plain.put("plain", &"a".repeat(4096)).await;
    assert_eq!(plain.body("plain").await, None);
    assert_eq!(plain.told.lost(Loss::TooLarge), 1);
}

#[tokio::test]
async fn looks_for_one_key_are_one() {
    let server = RedisServer::start().await;
    let tap = Tap::before(server.port()).await;
    let node = Arc::new(Node::start(&RedisSettings { write: WriteMode::Through, ..settings(tap.port()) }));
    node.put("key", "body").await;
    tap.down(Flow::Hold);
    let looks: Vec<_> = (0..50)
        .map(|_| {
            let node = Arc::clone(&node);
            tokio::spawn(async move { node.body("key").await })
        })
        .collect();
    turns().await;
    // The one that asks is dropped, and with it its answer: another one asks in its place.
    looks[0].abort();
    turns().await;
    tap.down(Flow::Pass);
    for (n, look) in looks.into_iter().enumerate() {
        if n > 0 {
            assert_eq!(within("the answer", look).await.unwrap().as_deref(), Some("body"));
        }
    }
    assert_eq!(node.told.asked(Op::Get), 1);
}

/// Lets every task on this thread have its turn.
async fn turns() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn writes_go_behind_in_order_and_are_drained() {
    let server = RedisServer::start().await;
    let tap = Tap::before(server.port()).await;
    let node = Node::start(&settings(tap.port()));
    let other = Node::start(&settings(server.port()));
    for n in 0..500 {
        node.put(&format!("key{}", n % 100), &format!("body{n}")).await;
    }
    within("it drains", node.tier.drain(DEADLINE)).await;
    for n in 400..500 {
        assert_eq!(other.body(&format!("key{}", n % 100)).await, Some(format!("body{n}")));
    }
    assert_eq!(node.told.lost.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn the_oldest_are_dropped_when_the_queue_is_full() {
    let server = RedisServer::start().await;
    let mut node = Node::idle(&RedisSettings { compress: false, ..settings(server.port()) });
    let body = "x".repeat(1_000_000);
    for n in 0..40 {
        node.put(&format!("key{n}"), &body).await;
    }
    let dropped = node.told.lost(Loss::Overflow);
    assert!((6..12).contains(&dropped), "{dropped}");
    node.running = Some(tokio::spawn(Arc::clone(&node.tier).run()));
    within("the youngest is there", node.finds("key39", &body)).await;
    assert_eq!(node.body("key0").await, None);
    assert!(node.body(&format!("key{dropped}")).await.is_some());
}

#[tokio::test]
async fn a_drain_does_not_wait_for_the_dead() {
    let mut server = RedisServer::start().await;
    let node = Node::start(&hasty(server.port()));
    node.put("key", "body").await;
    node.finds("key", "body").await;
    server.kill();
    eventually("the breaker opens", async || {
        let _ = node.body("key").await;
        node.breaker.state() == BreakerState::Open
    })
    .await;
    node.put("late", "body").await;
    within("it ends", node.tier.drain(Duration::from_millis(500))).await;
    let lost = node.told.lost(Loss::Undrained) + node.told.lost(Loss::Failed);
    assert_eq!(lost, 1);
}

#[tokio::test]
async fn a_frozen_server_costs_the_limit_until_the_breaker_opens() {
    let server = RedisServer::start().await;
    for write in [WriteMode::Behind, WriteMode::Through] {
        let node = Node::start(&RedisSettings { write, ..hasty(server.port()) });
        node.tier.put(hash("key"), item("key", "body"), KEEP).await;
        node.finds("key", "body").await;
        server.freeze();
        let begun = Instant::now();
        eventually("the breaker opens", async || {
            let looked = node.tier.get(hash("key"), b"key").await;
            assert!(matches!(looked, Looked::Unavailable));
            node.breaker.state() == BreakerState::Open
        })
        .await;
        assert!(begun.elapsed() < Duration::from_secs(5), "a few limits of 50 ms: {:?}", begun.elapsed());
        let begun = Instant::now();
        for n in 0..1000 {
            if node.breaker.state() == BreakerState::Open {
                let _ = node.tier.get(hash(&n.to_string()), b"key").await;
                assert!(matches!(node.tier.lease(hash("key")).await, Leased::Unavailable));
                node.put("key", "newer").await;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "nothing waits: {:?}", begun.elapsed());
        assert!(node.told.asked(Op::Get) < 100, "{}", node.told.asked(Op::Get));
        server.thaw();
        eventually("it heals", async || {
            tokio::time::sleep(Duration::from_millis(5)).await;
            node.body("key").await.is_some()
        })
        .await;
        if write == WriteMode::Behind {
            node.finds("key", "newer").await;
        }
    }
}

#[tokio::test]
async fn it_heals_when_a_killed_server_is_back() {
    let mut server = RedisServer::start().await;
    let node = Node::start(&RedisSettings { timeout: Duration::from_secs(1), ..settings(server.port()) });
    node.put("key", "body").await;
    node.finds("key", "body").await;
    server.kill();
    eventually("it is noticed", async || {
        matches!(node.tier.get(hash("key"), b"key").await, Looked::Unavailable)
    })
    .await;
    server.restart(Data::Lost).await;
    eventually("it heals", async || {
        tokio::time::sleep(Duration::from_millis(5)).await;
        node.put("key", "again").await;
        node.body("key").await.as_deref() == Some("again")
    })
    .await;
}

#[tokio::test]
async fn a_full_server_costs_hits_and_nothing_else() {
    let server = RedisServer::builder().maxmemory("1mb", "noeviction").start().await;
    let node = Node::start(&through(server.port()));
    node.put("key", "body").await;
    assert!(node.told.lost(Loss::Failed) == 1, "a fresh server takes more than that already");
    assert!(matches!(node.tier.get(hash("key"), b"key").await, Looked::Nothing));
    assert!(matches!(node.tier.lease(hash("key")).await, Leased::Unavailable));
    for _ in 0..20 {
        node.put("key", "body").await;
    }
    assert_eq!(node.breaker.state(), BreakerState::Closed);
}

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    let server = RedisServer::start().await;
    let mine = Node::start(&through(server.port()));
    let yours = Node::start(&RedisSettings { namespace: "other".to_owned(), ..through(server.port()) });
    mine.put("key", "mine").await;
    assert_eq!(yours.body("key").await, None);
    yours.put("key", "yours").await;
    assert_eq!(mine.body("key").await.as_deref(), Some("mine"));
    let held = mine.tier.lease(hash("key")).await;
    assert!(matches!(held, Leased::Held(_)));
    assert!(matches!(yours.tier.lease(hash("key")).await, Leased::Held(_)));
}

#[tokio::test]
async fn a_cluster_keeps_entries_and_leases() {
    let cluster = Cluster::start().await;
    let ports = cluster
        .servers
        .iter()
        .map(|server| ServerAddress { host: "127.0.0.1".to_owned(), port: server.port() });
    let settings = RedisSettings { servers: RedisServers::Cluster(ports.collect()), ..settings(0) };
    let (one, other) = (Node::start(&settings), Node::start(&settings));
    for n in 0..100 {
        one.put(&format!("key{n}"), &format!("body{n}")).await;
    }
    for n in 0..100 {
        other.finds(&format!("key{n}"), &format!("body{n}")).await;
    }
    hears(&other, &one).await;
    for n in 0..10 {
        let key = format!("cold{n}");
        let held = one.tier.lease(hash(&key)).await;
        assert!(matches!(held, Leased::Held(_)));
        assert!(matches!(other.tier.lease(hash(&key)).await, Leased::Taken));
        let waits = other.waits(&key).await;
        one.put(&key, "filled").await;
        drop(held);
        assert_eq!(within("it is woken", waits).await.unwrap(), Vacated::Released);
        assert_eq!(other.body(&key).await.as_deref(), Some("filled"));
    }
}

/// Waits until `other` hears of the ends of the leases of `one`.
async fn hears(other: &Node, one: &Node) {
    eventually("it hears", async || {
        let held = one.tier.lease(hash("probe")).await;
        let waits = other.waits("probe").await;
        drop(held);
        within("the lease ends", waits).await.unwrap() == Vacated::Released
    })
    .await;
}

impl Node {
    /// Waits for the end of a lease that another node holds, in a task; returns when that has begun.
    async fn waits(&self, key: &str) -> JoinHandle<Vacated> {
        let (tier, hash, before) = (Arc::clone(&self.tier), hash(key), self.told.asked(Op::Wait));
        let waits = tokio::spawn(async move { tier.vacated(hash).await });
        eventually("it waits", async || self.told.asked(Op::Wait) > before).await;
        waits
    }
}

#[tokio::test]
async fn a_lease_is_one_nodes_until_it_is_given_up() {
    let server = RedisServer::start().await;
    let (one, other) = (Node::start(&settings(server.port())), Node::start(&settings(server.port())));
    hears(&other, &one).await;
    let held = one.tier.lease(hash("key")).await;
    assert!(matches!(held, Leased::Held(_)));
    assert!(matches!(other.tier.lease(hash("key")).await, Leased::Taken));
    assert!(matches!(one.tier.lease(hash("key")).await, Leased::Taken), "a fill is one, also on one node");
    assert!(matches!(other.tier.lease(hash("another")).await, Leased::Held(_)));

    let waits = other.waits("key").await;
    assert!(!waits.is_finished());
    one.put("key", "filled").await;
    drop(held);
    assert_eq!(within("it is woken", waits).await.unwrap(), Vacated::Released);
    assert_eq!(other.body("key").await.as_deref(), Some("filled"), "what was put stands there before");
    assert!(matches!(other.tier.lease(hash("key")).await, Leased::Held(_)));
}

#[tokio::test]
async fn leases_end_with_their_batch_also_while_few_may_ask() {
    let server = RedisServer::start().await;
    let (one, other) = (Node::start(&settings(server.port())), Node::start(&settings(server.port())));
    hears(&other, &one).await;
    let keys = ["a", "b", "c", "d"];
    let (mut held, mut waits) = (Vec::new(), Vec::new());
    for key in keys {
        held.push(one.tier.lease(hash(key)).await);
        waits.push(other.waits(key).await);
    }

    // It opens, and when its pause is over it lets three by: two of them are away, so one is left for the batch.
    let now = SystemClock::new().now();
    while one.breaker.state() == BreakerState::Closed {
        one.breaker.allow(now).unwrap().settle(Verdict::Bad, now);
    }
    let later = now.plus(Duration::from_secs(1));
    let away = [one.breaker.allow(later), one.breaker.allow(later)];
    assert!(away.iter().all(Option::is_some));
    drop(held);
    for waits in waits {
        assert_eq!(within("it is woken", waits).await.unwrap(), Vacated::Released);
    }
}

#[tokio::test]
async fn a_lease_is_renewed_while_it_is_held() {
    let server = RedisServer::start().await;
    let (one, other) = (Node::start(&settings(server.port())), Node::start(&settings(server.port())));
    let outlasts = async {
        let lease = one.tier.lease(hash("key")).await;
        let begun = Instant::now();
        while begun.elapsed() < LEASE * 2 {
            if server.command::<i64>(&format!("PTTL {}", name("l1", "key"))).await < 0 {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(lease)
    };
    let held = within("a lease outlasts its length", outlasts).await.unwrap();
    assert!(matches!(other.tier.lease(hash("key")).await, Leased::Taken));
    assert_eq!(within("it waits in vain", other.tier.vacated(hash("key"))).await, Vacated::Expired);

    // Somebody else's lease is neither renewed nor released.
    server.command::<()>(&format!("SET {} theirs", name("l1", "key"))).await;
    let renewals = one.told.asked(Op::Lease);
    eventually("it is seen to be lost", async || {
        tokio::time::sleep(Duration::from_millis(20)).await;
        one.told.asked(Op::Lease) > renewals
    })
    .await;
    drop(held);
    within("it drains", one.tier.drain(DEADLINE)).await;
    assert_eq!(server.command::<String>(&format!("GET {}", name("l1", "key"))).await, "theirs");
    assert_eq!(server.command::<i64>(&format!("PTTL {}", name("l1", "key"))).await, -1);
}

#[tokio::test]
async fn a_holder_that_dies_hands_over_within_the_lease() {
    let server = RedisServer::start().await;
    let (mut one, other) = (Node::start(&settings(server.port())), Node::start(&settings(server.port())));
    hears(&other, &one).await;
    let asked = other.told.asked(Op::Wait);
    let held = one.tier.lease(hash("key")).await;
    assert!(matches!(held, Leased::Held(_)));
    one.crash().await;
    let begun = Instant::now();
    let next = within("it is handed over", async {
        loop {
            match other.tier.lease(hash("key")).await {
                Leased::Held(lease) => return lease,
                Leased::Taken => assert_eq!(other.tier.vacated(hash("key")).await, Vacated::Expired),
                Leased::Unavailable => panic!("the server is well"),
            }
        }
    });
    let _next = next.await;
    assert!(begun.elapsed() < LEASE + Duration::from_secs(8), "{:?}", begun.elapsed());
    let asked = other.told.asked(Op::Wait) - asked;
    // It is looked at every 150 ms at most, although its end would be told.
    assert!(asked <= 20, "nobody hammers: {asked}");
}

#[tokio::test]
async fn without_a_subscription_a_lease_is_looked_at() {
    let server = RedisServer::start().await;
    let one = Node::start(&settings(server.port()));
    // Its subscription is refused, as all that is opened after the first connection.
    let mut tap = Tap::before(server.port()).await;
    let other = Node::idle(&settings(tap.port()));
    assert_eq!(other.body("key").await, None);
    tap.refuse().await;
    let _running = AbortOnDrop(tokio::spawn(Arc::clone(&other.tier).run()));
    let held = one.tier.lease(hash("key")).await;
    let waits = other.waits("key").await;
    eventually("it looks", async || other.told.asked(Op::Wait) > 1).await;
    one.put("key", "filled").await;
    drop(held);
    within("it ends", waits).await.unwrap();
    other.finds("key", "filled").await;
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test]
async fn a_subscription_that_breaks_is_renewed() {
    let server = RedisServer::start().await;
    let tap = Tap::before(server.port()).await;
    let one = Node::start(&settings(server.port()));
    let other = Node::start(&settings(tap.port()));
    hears(&other, &one).await;
    let connections = tap.accepted();
    tap.cut();
    eventually("it connects again", async || tap.accepted() > connections).await;
    eventually("it is up", async || other.link_is_up().await).await;
    hears(&other, &one).await;
}

impl Node {
    /// Whether it has an answer from Redis.
    async fn link_is_up(&self) -> bool {
        tokio::time::sleep(Duration::from_millis(5)).await;
        !matches!(self.tier.get(hash("nothing"), b"nothing").await, Looked::Unavailable)
    }
}

#[tokio::test]
async fn a_lease_whose_answer_was_lost_is_given_back() {
    let server = RedisServer::start().await;
    let tap = Tap::before(server.port()).await;
    let node = Node::start(&RedisSettings { timeout: Duration::from_millis(500), ..settings(tap.port()) });
    assert_eq!(node.body("key").await, None);
    tap.down(Flow::Hold);
    assert!(matches!(node.tier.lease(hash("late")).await, Leased::Unavailable));
    // Whoever asks is gone before there is an answer.
    let dropped = tokio::time::timeout(Duration::from_millis(20), node.tier.lease(hash("dropped"))).await;
    assert!(dropped.is_err());
    // The one that was waited for is counted, and the end of both.
    eventually("both are given back", async || {
        tokio::time::sleep(Duration::from_millis(5)).await;
        node.told.asked(Op::Lease) >= 3
    })
    .await;
    tap.down(Flow::Pass);
    for key in ["late", "dropped"] {
        eventually("nobody holds it", async || {
            tokio::time::sleep(Duration::from_millis(5)).await;
            !server.command::<bool>(&format!("EXISTS {}", name("l1", key))).await
        })
        .await;
    }
}
