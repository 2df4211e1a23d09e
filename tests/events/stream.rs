//! Events that stand in a stream.

use crate::harness::{
    Shop, complains, counted, edition, event, figures, fill, nodes, polled, redis_cli, refused, start, well,
    with_events,
};
use crate::support::{Larder, LarderBuilder, Origin, RedisServer};
use async_trait::async_trait;
use larder::events::{EventRules, Intake, Purges};
use larder::invalidation::{Invalidation, LogError, Place, Places, Position};
use larder::redis::{Link, RedisStream, StreamSettings};
use larder::time::SystemClock;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn reading(origin: &Origin, redis: &RedisServer) -> LarderBuilder {
    with_events(Larder::before(origin).redis(&redis.url()), "redis_stream: \"shop:events\"")
}

/// Waits until nothing is handed out and not settled.
async fn settled(redis: &RedisServer) {
    redis.says("XPENDING shop:events larder", "0\n").await;
}

/// Events that were read and purged for, whether the log took that at once or was not there yet.
async fn read(nodes: &[Larder]) -> u64 {
    counted(nodes, "stream", "purged").await + counted(nodes, "stream", "queued").await
}

#[tokio::test]
async fn a_plain_xadd_purges_on_every_node() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let nodes = nodes(3, &reading(&origin, &redis)).await;
    for (fields, path) in [
        (vec!["event", "product_updated", "product_id", "7"], "/p/7"),
        (vec!["data", r#"{"event":"product_updated","product_id":7}"#], "/p/7"),
        (vec!["payload", r#"{"event":"product_updated","product_id":[6,7]}"#], "/p/7"),
        (vec!["event", "product_updated", "json", r#"{"product_id":7}"#], "/p/7"),
        (vec!["event", "product_updated", "product_id", "6", "product_id", "7"], "/p/7"),
        (vec!["event", "product_updated", "product_id", "[6,7]"], "/p/7"),
        (vec!["event", "category_updated", "category", r#"{"id": 1}"#], "/c/1/lamps"),
        (vec!["event", "price_updated", "product_id", "7", "at", "now"], "/list"),
    ] {
        fill(&nodes, &shop, path).await;
        fill(&nodes, &shop, "/p/8").await;
        let old = shop.edition();
        shop.edit();
        redis_cli(&redis, &[&["XADD", "shop:events", "*"], &fields[..]].concat()).await;
        refused(&nodes, &shop, path).await;
        assert_eq!(edition(&nodes[0], "/p/8").await, old, "{fields:?}");
        redis_cli(&redis, &["XADD", "shop:events", "*", "event", "sale"]).await;
        refused(&nodes, &shop, "/p/8").await;
    }
    settled(&redis).await;
    polled("each is counted once", || async { counted(&nodes, "stream", "purged").await == 16 }).await;
    assert_eq!(redis.command::<u64>("XLEN shop:events").await, 16, "nothing is deleted");
}

#[tokio::test]
async fn what_was_added_while_larder_was_away_is_purged_when_it_returns() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    // Replies outlive the node in Redis.
    redis_cli(&redis, &["XADD", "shop:events", "*", "event", "sale"]).await;
    let first = nodes(1, &reading(&origin, &redis)).await;
    polled("what stood there before is read", || async { read(&first).await == 1 }).await;
    fill(&first, &shop, "/p/7").await;
    settled(&redis).await;
    redis.says("KEYS larder:*", "larder:").await;
    drop(first);
    shop.edit();
    redis_cli(&redis, &["XADD", "shop:events", "*", "event", "product_updated", "product_id", "7"]).await;
    let second = nodes(1, &reading(&origin, &redis)).await;
    refused(&second, &shop, "/p/7").await;
    settled(&redis).await;
    assert_eq!(read(&second).await, 1, "the first event was settled by the first node");
}

#[tokio::test]
async fn what_a_dead_node_was_handed_another_takes_over() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let dead = "0123456789abcdef0123456789abcdef";
    redis_cli(&redis, &["XGROUP", "CREATE", "shop:events", "larder", "0", "MKSTREAM"]).await;
    let fields = ["event", "product_updated", "product_id", "7"];
    let id = redis_cli(&redis, &[&["XADD", "shop:events", "*"], &fields[..]].concat()).await;
    let poison = redis_cli(&redis, &["XADD", "shop:events", "*", "event", "sale", "of", "poison"]).await;
    let gone = redis_cli(&redis, &["XADD", "shop:events", "*", "event", "sale"]).await;
    redis_cli(&redis, &["XREADGROUP", "GROUP", "larder", dead, "STREAMS", "shop:events", ">"]).await;
    redis_cli(&redis, &["XDEL", "shop:events", &gone]).await;
    let nodes = nodes(2, &reading(&origin, &redis)).await;
    fill(&nodes, &shop, "/p/7").await;
    shop.edit();
    // As if half a minute had passed, and the second had outlived many who took it.
    let idle = ["XCLAIM", "shop:events", "larder", dead, "0"];
    redis_cli(&redis, &[&idle[..], &[&id, "IDLE", "40000"]].concat()).await;
    redis_cli(&redis, &[&idle[..], &[&poison, "IDLE", "40000", "RETRYCOUNT", "16"]].concat()).await;
    refused(&nodes, &shop, "/p/7").await;
    polled("it is given up", || async { counted(&nodes, "stream", "failed").await == 1 }).await;
    assert_eq!(counted(&nodes, "stream", "purged").await, 1);
    let mut letters = Vec::new();
    for node in &nodes {
        letters.extend(figures(node).await["dead_letters"].as_array().cloned().expect("a list"));
    }
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["payload"], "event=sale of=poison");
}

#[tokio::test]
async fn what_cannot_be_used_stops_nobody_and_is_settled() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let nodes = nodes(1, &reading(&origin, &redis)).await;
    fill(&nodes, &shop, "/p/7").await;
    shop.edit();
    for fields in [
        &["x", "y"][..],
        &["data", "{"],
        &["data", "7"],
        &["event", "lost"],
        &["event", "product_updated"],
        &["event", "product_updated", "product_id", ""],
    ] {
        redis_cli(&redis, &[&["XADD", "shop:events", "*"], fields].concat()).await;
    }
    redis_cli(&redis, &["XADD", "shop:events", "*", "data", &event("product_updated", 7)]).await;
    refused(&nodes, &shop, "/p/7").await;
    settled(&redis).await;
    let figures = figures(&nodes[0]).await;
    assert_eq!(figures["results"]["stream"]["malformed"], 3);
    assert_eq!(figures["results"]["stream"]["unknown"], 1);
    assert_eq!(figures["results"]["stream"]["incomplete"], 2);
    assert_eq!(figures["dead_letters"].as_array().map(Vec::len), Some(6));
}

#[tokio::test]
async fn a_group_that_is_destroyed_begins_anew() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let nodes = nodes(2, &reading(&origin, &redis)).await;
    for destroy in [["XGROUP", "DESTROY", "shop:events", "larder"].as_slice(), &["DEL", "shop:events"]] {
        fill(&nodes, &shop, "/p/7").await;
        shop.edit();
        redis_cli(&redis, destroy).await;
        redis_cli(&redis, &["XADD", "shop:events", "*", "event", "product_updated", "product_id", "7"]).await;
        refused(&nodes, &shop, "/p/7").await;
    }
    for node in &nodes {
        well(node).await;
    }
}

#[tokio::test]
async fn what_is_no_stream_and_who_may_not_read_say_so() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    redis.command::<()>("SET shop:events 1").await;
    let larder = reading(&origin, &redis).start();
    complains(&larder, "the key holds something else than a stream").await;
    redis.command::<()>("DEL shop:events").await;
    well(&larder).await;

    redis.command::<()>("ACL SETUSER larder on >word ~larder:* &* +@all").await;
    let fields =
        format!("redis_stream: \"shop:events\"\n  redis: \"redis://larder:word@{}\"", redis.address());
    let larder = with_events(Larder::before(&origin).redis(&redis.url()), &fields).start();
    complains(&larder, "`+xreadgroup +xack").await;
    redis.command::<()>("ACL SETUSER larder ~shop:events").await;
    well(&larder).await;
}

#[tokio::test]
async fn a_larder_alone_reads_for_itself() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let fields = format!("redis_stream: \"shop:events\"\n  group: this-one\n  redis: {}", redis.url());
    let nodes = [start(&with_events(Larder::before(&origin), &fields)).await];
    fill(&nodes, &shop, "/p/7").await;
    shop.edit();
    redis_cli(&redis, &["XADD", "shop:events", "*", "event", "product_updated", "product_id", "7"]).await;
    refused(&nodes, &shop, "/p/7").await;
    let keys: Vec<String> = redis.command("KEYS *").await;
    assert_eq!(keys, ["shop:events"], "nothing but the stream");
}

/// A log that takes everything.
struct Taken;

#[async_trait]
impl Purges for Taken {
    async fn purge(&self, _batch: Vec<Invalidation>, _urgent: bool) -> Result<Places, LogError> {
        Ok(Place { epoch: None, position: Position::START }.into())
    }
}

#[tokio::test]
async fn consumers_that_are_gone_are_forgotten_unless_they_have_something_to_settle() {
    let redis = RedisServer::start().await;
    let [gone, owes, own] = ["a", "b", "c"].map(|letter| letter.repeat(32));
    redis_cli(&redis, &["XGROUP", "CREATE", "shop:events", "larder", "0", "MKSTREAM"]).await;
    redis_cli(&redis, &["XADD", "shop:events", "*", "event", "sale"]).await;
    redis_cli(&redis, &["XREADGROUP", "GROUP", "larder", &owes, "STREAMS", "shop:events", ">"]).await;
    for name in [&gone, "application"] {
        redis_cli(&redis, &["XGROUP", "CREATECONSUMER", "shop:events", "larder", name]).await;
    }
    let yaml = format!("origin: http://127.0.0.1:1\nredis: {}", redis.url());
    let settings = larder::config::parse(&yaml, "f.yaml", &|_| None).expect("a configuration");
    let link = Link::new(&settings.redis.expect("it is set"), Arc::new(())).expect("usable settings");
    let settings = StreamSettings::new("shop:events".into(), "larder".into(), own.clone());
    let settings = StreamSettings { forget_after: Duration::ZERO, ..settings };
    let intake = Intake::new(EventRules::default(), Arc::new(Taken), Arc::new(SystemClock::new()));
    let stream = RedisStream::new(link, settings, Arc::new(intake));
    let stop = CancellationToken::new();
    let consumers = async {
        let left = || async { redis_cli(&redis, &["XINFO", "CONSUMERS", "shop:events", "larder"]).await };
        polled("it is forgotten", || async { !left().await.contains(&gone) }).await;
        stop.cancel();
        left().await
    };
    let ((), left) = tokio::join!(stream.run(&stop), consumers);
    for name in [&*owes, &*own, "application"] {
        assert!(left.contains(name), "{name} is gone:\n{left}");
    }
}
