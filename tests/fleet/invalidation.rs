//! What is purged at one node is refused by all.

use crate::harness::{At, Pages, Ranks, at, edition_of, nodes, polled, tag_of, tagged, url_of};
use crate::support::{Connection, Gate, Larder, Origin, RedisServer, Reply, all, within};
use serde_json::json;
use std::time::{Duration, Instant};

/// Writes of which each is watched.
const WRITES: usize = 1000;

/// No machine is so busy that a purge takes longer from one node to the next.
const FAR_TOO_LONG: Duration = Duration::from_secs(5);

/// Asks on one connection until the edition is there. Returns when the request was sent that got it.
async fn refused(node: At, connection: &mut Connection, path: &str, edition: u64) -> Instant {
    let asking = async {
        loop {
            let sent = Instant::now();
            if edition_of(&node.get(path).send_on(connection).await) >= edition {
                return sent;
            }
        }
    };
    within("the old reply is refused", asking).await
}

#[tokio::test]
async fn a_thousand_writes_and_when_every_other_node_refuses_what_was_before() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = nodes(3, &Larder::before(&origin).redis(&redis.url())).await;
    let (_pages, fleet) = (Pages::at(&origin), at(&fleet));
    let mut clients = Vec::new();
    for node in &fleet {
        clients.push(Connection::open(node.address()).await);
    }
    let [writer, one, two] = &mut clients[..] else { unreachable!("three nodes") };
    for (node, client) in [(fleet[1], &mut *one), (fleet[2], &mut *two)] {
        edition_of(&node.get("/x").send_on(client).await);
    }
    let mut took = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let written = fleet[0].put("/x").send_on(writer).await;
        let done = Instant::now();
        let edition = edition_of(&written);
        let (first, second) =
            tokio::join!(refused(fleet[1], one, "/x", edition), refused(fleet[2], two, "/x", edition));
        took.push(first.max(second).saturating_duration_since(done));
    }
    let took = Ranks::from(took);
    println!("from a write's reply until every other node refuses the old reply, {took}");
    assert!(took.at(99) < FAR_TOO_LONG, "{took}");
}

#[tokio::test]
async fn a_position_brought_to_another_node_is_never_behind() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = nodes(2, &Larder::before(&origin).redis(&redis.url())).await;
    let (_pages, fleet) = (Pages::at(&origin), at(&fleet));
    let mut writer = Connection::open(fleet[0].address()).await;
    let mut reader = Connection::open(fleet[1].address()).await;
    let (mut past, mut took) = (0, Vec::new());
    for _ in 0..WRITES {
        fleet[1].get("/x").send_on(&mut reader).await;
        let written = fleet[0].put("/x").send_on(&mut writer).await;
        let position = written.field("larder-position").to_owned();
        let asked = Instant::now();
        let read = fleet[1].get("/x").header("Larder-Position", position).send_on(&mut reader).await;
        took.push(asked.elapsed());
        assert_eq!(read.text(), written.text(), "{}", read.cache_status());
        past += usize::from(read.says("detail=behind"));
    }
    println!("reads with a position, {}; {past} of them went past the cache", Ranks::from(took));
}

#[tokio::test]
async fn whatever_is_purged_is_purged_everywhere() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = nodes(3, &Larder::before(&origin).redis(&redis.url())).await;
    let (pages, fleet) = (Pages::at(&origin), at(&fleet));
    let path = "/shop/items/1";
    for (number, (purge, reached)) in [
        (json!({ "tags": [tag_of(path)] }), true),
        (json!({ "tags": ["another"] }), false),
        (json!({ "prefixes": [url_of("/shop")] }), true),
        (json!({ "prefixes": [url_of("/sho")] }), false),
        (json!({ "urls": [url_of(path)] }), true),
        (json!({ "urls": [url_of("/shop/items")] }), false),
        (json!({ "routes": ["default"] }), true),
        (json!({ "all": true }), true),
    ]
    .into_iter()
    .enumerate()
    {
        let old = pages.edition(path);
        for node in &fleet {
            assert_eq!(node.edition(path).await, old);
        }
        let new = pages.edit(path);
        fleet[number % 3].purge_everywhere(&purge).await;
        for node in &fleet {
            assert_eq!(node.edition(path).await, if reached { new } else { old }, "{purge}");
        }
        fleet[0].purge_everywhere(&json!({ "all": true })).await;
    }
}

#[tokio::test]
async fn a_soft_purge_has_all_nodes_ask_again_and_keep_what_is_confirmed() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = nodes(3, &Larder::before(&origin).redis(&redis.url())).await;
    let (_pages, fleet) = (Pages::at(&origin), at(&fleet));
    for node in &fleet {
        node.edition("/x").await;
    }
    assert_eq!(origin.count("/x"), 1);
    fleet[0].purge_everywhere(&json!({ "tags": [tag_of("/x")], "soft": true })).await;
    for node in &fleet {
        // Served while it is revalidated, or confirmed by then.
        let reply = node.get("/x").send().await;
        assert!(reply.status == 200 && reply.text() == "0", "{reply:#?}");
        polled("it is fresh again", || async {
            let reply = node.get("/x").send().await;
            reply.is_hit() && !reply.says("ttl=0")
        })
        .await;
    }
    let asked = origin.requests_for("/x");
    assert!((2..=4).contains(&asked.len()), "one for the page, then one a node at most: {asked:#?}");
    assert!(asked[1..].iter().all(|seen| seen.fields.get("if-none-match") == Some("\"0\"")), "{asked:#?}");
}

#[tokio::test]
async fn a_purge_reaches_what_another_node_is_just_reading() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = nodes(3, &Larder::before(&origin).redis(&redis.url())).await;
    let fleet = at(&fleet);
    let old = || Reply::fresh(600, "old");
    // Before the reply's head or in its body; with others that ask while it is on its way, or after.
    for (path, in_head, meanwhile) in
        [("/1", true, true), ("/2", true, false), ("/3", false, true), ("/4", false, false)]
    {
        let gate = Gate::shut();
        let held = if in_head { old().hold_head(&gate) } else { old().hold_at(1, &gate) };
        origin.on_each(path, [held, Reply::fresh(600, "new")]);
        let reading = tokio::spawn(fleet[1].get(path).send());
        gate.reached().await;
        fleet[0].purge_everywhere(&json!({ "urls": [url_of(path)] })).await;
        let ask = || fleet.iter().map(|node| tokio::spawn(node.get(path).send())).collect();
        // They may wait for the end of the old reply, but not take it.
        let early = if meanwhile { ask() } else { Vec::new() };
        gate.open();
        assert_eq!(reading.await.unwrap().text(), "old", "{path}: it was asked for before the purge");
        for reply in all(early).await.into_iter().chain(all(ask()).await) {
            assert_eq!(reply.text(), "new", "{path}: {}", reply.cache_status());
        }
    }
}

#[tokio::test]
async fn a_write_at_any_node_purges_at_all() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = nodes(3, &Larder::before(&origin).redis(&redis.url())).await;
    let (pages, fleet) = (Pages::at(&origin), at(&fleet));
    for round in 0..9 {
        let path = "/x";
        for node in &fleet {
            assert_eq!(node.edition(path).await, pages.edition(path));
        }
        let new = edition_of(&fleet[round % 3].put(path).send().await);
        assert_eq!(fleet[round % 3].edition(path).await, new, "at once where it was written");
        // A purge of something else comes later in the log, so whoever has that has both.
        fleet[round % 3].purge_everywhere(&tagged("/other")).await;
        for node in &fleet {
            assert_eq!(node.edition(path).await, new);
        }
    }
}

#[tokio::test]
async fn a_purge_that_too_few_replicas_have_stands_in_the_log_once() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let shared = Larder::before(&origin)
        .redis_with(&redis.url(), "timeout: 50ms")
        .rules("invalidation: { min_replicas: 1 }");
    let fleet = nodes(1, &shared).await;
    let node = at(&fleet)[0];
    // Each is appended when the one before it was given up by the replicas, and the log read behind it.
    for (number, tag) in ["one", "two", "three"].into_iter().enumerate() {
        assert_eq!(node.purge(&json!({ "tags": [tag] })).await, None, "nobody vouches for it");
        redis.says("XLEN {larder}:log:stream", &(number + 1).to_string()).await;
    }
    // What is to be appended again is so after the next read, which blocks for a second; that it is not shows in time alone.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let records: u64 = redis.command("XLEN {larder}:log:stream").await;
    assert_eq!(records, 3);
}
