//! Events that are published.

use crate::harness::{
    Shop, complains, counted, edition, event, figures, fill, nodes, polled, redis_cli, refused, start, well,
    with_events,
};
use crate::support::{Cluster, Larder, Origin, RedisServer, Replication};

#[tokio::test]
async fn a_plain_publish_purges_on_every_node() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let builder = with_events(Larder::before(&origin).redis(&redis.url()), "redis_channel: shop-events");
    let nodes = nodes(3, &builder).await;
    fill(&nodes, &shop, "/p/7").await;
    fill(&nodes, &shop, "/p/8").await;
    let old = shop.edition();
    shop.edit();
    let heard = redis_cli(&redis, &["PUBLISH", "shop-events", &event("product_updated", 7)]).await;
    assert_eq!(heard, "3", "every node listens");
    refused(&nodes, &shop, "/p/7").await;
    for node in &nodes {
        assert_eq!(edition(node, "/p/8").await, old, "nothing else is purged");
    }
    polled("every node has counted it", || async { counted(&nodes, "channel", "purged").await == 3 }).await;
}

#[tokio::test]
async fn a_flood_of_events_is_few_appends_and_none_is_missed() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let builder = with_events(Larder::before(&origin).redis(&redis.url()), "redis_channel: shop-events");
    let nodes = nodes(2, &builder).await;
    for product in [0, 499, 999] {
        fill(&nodes, &shop, &format!("/p/{product}")).await;
    }
    shop.edit();
    let mut connection = redis.connect().await;
    let mut flood = redis::pipe();
    for product in 0..1000 {
        flood.cmd("PUBLISH").arg("shop-events").arg(event("product_updated", product)).ignore();
    }
    flood.query_async::<()>(&mut connection).await.expect("published");
    for product in [0, 499, 999] {
        refused(&nodes, &shop, &format!("/p/{product}")).await;
    }
    polled("all are counted", || async { counted(&nodes, "channel", "purged").await == 2000 }).await;
    let records: u64 = redis.command("XLEN {larder}:log:stream").await;
    assert!(records < 1000, "{records} records for 2000 events");
}

#[tokio::test]
async fn what_cannot_be_used_stops_nobody() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let builder = with_events(Larder::before(&origin).redis(&redis.url()), "redis_channel: shop-events");
    let nodes = nodes(1, &builder).await;
    fill(&nodes, &shop, "/p/7").await;
    shop.edit();
    for text in ["", "nonsense", "[1]", "{}", r#"{"event":"lost"}"#, r#"{"event":"product_updated"}"#] {
        redis_cli(&redis, &["PUBLISH", "shop-events", text]).await;
    }
    redis_cli(&redis, &["PUBLISH", "shop-events", &event("product_updated", 7)]).await;
    refused(&nodes, &shop, "/p/7").await;
    let figures = figures(&nodes[0]).await;
    assert_eq!(figures["results"]["channel"]["malformed"], 4);
    assert_eq!(figures["results"]["channel"]["unknown"], 1);
    assert_eq!(figures["results"]["channel"]["incomplete"], 1);
    assert_eq!(figures["dead_letters"].as_array().map(Vec::len), Some(6));
    assert_eq!(figures["dead_letters"][1]["payload"], r#"{"event":"lost"}"#);
}

#[tokio::test]
async fn a_redis_of_its_own_is_enough_for_a_larder_alone() {
    let (events, origin) = (RedisServer::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let fields = format!("redis_channel: shop-events\n  redis: {}", events.url());
    let nodes = [start(&with_events(Larder::before(&origin), &fields)).await];
    fill(&nodes, &shop, "/p/7").await;
    shop.edit();
    redis_cli(&events, &["PUBLISH", "shop-events", &event("product_updated", 7)]).await;
    refused(&nodes, &shop, "/p/7").await;
    let keys: Vec<String> = events.command("KEYS *").await;
    assert!(keys.is_empty(), "a channel leaves nothing behind: {keys:?}");
}

#[tokio::test]
async fn a_channel_is_heard_again_after_a_fail_over() {
    let (replication, origin) = (Replication::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let builder =
        with_events(Larder::before(&origin).redis(&replication.url()), "redis_channel: shop-events");
    let nodes = nodes(2, &builder).await;
    let primary = replication.fail_over().await;
    replication.follows().await;
    let heard = "every node listens to the new primary";
    polled(heard, || async {
        let count: (String, u64) = replication.servers[primary].command("PUBSUB NUMSUB shop-events").await;
        count.1 == 2
    })
    .await;
    for node in &nodes {
        well(node).await;
    }
    fill(&nodes, &shop, "/p/7").await;
    shop.edit();
    redis_cli(&replication.servers[primary], &["PUBLISH", "shop-events", &event("product_updated", 7)]).await;
    refused(&nodes, &shop, "/p/7").await;
}

#[tokio::test]
async fn a_cluster_carries_events_whatever_node_they_are_published_at() {
    let (cluster, origin) = (Cluster::start().await, Origin::start().await);
    let shop = Shop::at(&origin);
    let builder = with_events(Larder::before(&origin).redis(&cluster.url()), "redis_channel: shop-events");
    let nodes = nodes(2, &builder).await;
    for server in &cluster.servers[..3] {
        fill(&nodes, &shop, "/p/7").await;
        shop.edit();
        redis_cli(server, &["PUBLISH", "shop-events", &event("product_updated", 7)]).await;
        refused(&nodes, &shop, "/p/7").await;
    }
}

#[tokio::test]
async fn who_may_not_listen_says_what_is_missing() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    redis.command::<()>("ACL SETUSER larder on >word ~* +@all resetchannels").await;
    let url = format!("redis://larder:word@{}", redis.address());
    let fields = format!("redis_channel: shop-events\n  redis: \"{url}\"");
    let larder = with_events(Larder::before(&origin), &fields).start();
    complains(&larder, "`+subscribe +ping &<channel>`").await;
    redis.command::<()>("ACL SETUSER larder &shop-events").await;
    well(&larder).await;
}
