//! Redis away, frozen and empty, and Larder killed.

use crate::harness::{
    Shop, complains, counted, event, figures, fill, nodes, polled, redis_cli, refused, well, with_events,
};
use crate::support::{Data, Larder, LarderBuilder, Origin, RedisServer};

const BOTH: &str = "redis_channel: shop-events\n  redis_stream: \"shop:events\"";

fn reading(origin: &Origin, redis: &RedisServer, fields: &str) -> LarderBuilder {
    with_events(Larder::before(origin).redis(&redis.url()), fields)
}

async fn purges_by_both(nodes: &[Larder], shop: &Shop, redis: &RedisServer) {
    fill(nodes, shop, "/p/7").await;
    shop.edit();
    redis_cli(redis, &["PUBLISH", "shop-events", &event("product_updated", 7)]).await;
    refused(nodes, shop, "/p/7").await;
    shop.edit();
    redis_cli(redis, &["XADD", "shop:events", "*", "event", "product_updated", "product_id", "7"]).await;
    refused(nodes, shop, "/p/7").await;
}

#[tokio::test]
async fn redis_is_killed_and_comes_back() {
    let (mut redis, origin) = (RedisServer::builder().appendonly().start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let nodes = nodes(2, &reading(&origin, &redis, BOTH)).await;
    for data in [Data::Kept, Data::Lost] {
        purges_by_both(&nodes, &shop, &redis).await;
        redis.kill();
        for node in &nodes {
            complains(node, "events of `events.redis_channel` are not heard").await;
            complains(node, "events of `events.redis_stream` have to wait").await;
        }
        redis.restart(data).await;
        for node in &nodes {
            well(node).await;
        }
        purges_by_both(&nodes, &shop, &redis).await;
    }
    let breaks = figures(&nodes[0]).await["channel_breaks"].as_u64();
    assert_eq!(breaks, Some(2), "each break is counted once");
}

#[tokio::test]
async fn redis_is_frozen_and_thaws() {
    let (redis, events, origin) =
        (RedisServer::start().await, RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let fields = format!("{BOTH}\n  redis: {}", events.url());
    let nodes = nodes(2, &reading(&origin, &redis, &fields)).await;
    purges_by_both(&nodes, &shop, &events).await;
    events.freeze();
    for node in &nodes {
        complains(node, "are not heard").await;
        complains(node, "have to wait").await;
    }
    events.thaw();
    for node in &nodes {
        well(node).await;
    }
    purges_by_both(&nodes, &shop, &events).await;
}

#[tokio::test]
async fn an_event_is_settled_when_the_log_has_taken_its_purges() {
    let (mut log, events) = (RedisServer::builder().appendonly().start().await, RedisServer::start().await);
    let origin = Origin::start().await;
    let shop = Shop::at(&origin);
    let fields = format!("redis_stream: \"shop:events\"\n  redis: {}", events.url());
    let builder = with_events(Larder::before(&origin).redis_with(&log.url(), "timeout: 200ms"), &fields);
    let nodes = nodes(1, &builder).await;
    fill(&nodes, &shop, "/p/7").await;
    log.kill();
    complains(&nodes[0], "the invalidation log could not be followed").await;
    shop.edit();
    let fields = ["event", "product_updated", "product_id", "7"];
    redis_cli(&events, &[&["XADD", "shop:events", "*"], &fields[..]].concat()).await;
    // It is purged here at once, and the rest of the fleet would know nothing of it if this node died now.
    refused(&nodes, &shop, "/p/7").await;
    polled("it is counted", || async { counted(&nodes, "stream", "queued").await == 1 }).await;
    events.says("XPENDING shop:events larder", "1\n").await;
    fill(&nodes, &shop, "/p/9").await;
    shop.edit();
    let fields = ["event", "product_updated", "product_id", "9"];
    redis_cli(&events, &[&["XADD", "shop:events", "*"], &fields[..]].concat()).await;
    refused(&nodes, &shop, "/p/9").await;
    events.says("XPENDING shop:events larder", "2\n").await;
    log.restart(Data::Kept).await;
    events.says("XPENDING shop:events larder", "0\n").await;
    well(&nodes[0]).await;
}
