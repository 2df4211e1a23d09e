//! A node started fresh after many purges: how soon it knows of them, and whether it is right about each.

use super::goods::{Goods, path_of, tag_of};
use super::load::fetch_all;
use super::{all_follow, follows, memory_of, node, purge, redis_memory, scale};
use crate::support::{RedisServer, request_at};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Tags in one `POST /purge`.
const BATCH: usize = 1_000;

/// What must be enough on a machine that is busy with other tests; the figure itself is printed.
const GENEROUS: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_node_knows_of_every_purge() {
    // A tenth of what is stored is never purged, and has to be found in Redis.
    let purged: usize = scale(2_000, 100_000);
    let stored = purged + purged / 10;
    let (origin, redis) = (Goods::start(stored).await, RedisServer::start().await);
    let old = [node(&origin.url(), &redis, "").await];
    all_follow(&old).await;
    fetch_all(old[0].address(), 0..stored).await;
    let written = written(&redis, stored).await;
    (0..purged).for_each(|number| _ = origin.edit(number));
    let begun = Instant::now();
    for first in (0..purged).step_by(BATCH) {
        let tags: Vec<_> = (first..(first + BATCH).min(purged)).map(tag_of).collect();
        while !purge(&old[0], &tags).await {}
    }
    let took = begun.elapsed();
    all_follow(&old).await;

    let begun = Instant::now();
    let young = [node(&origin.url(), &redis, "").await];
    let listening = begun.elapsed();
    while !follows(&young[0]).await {
        sleep(Duration::from_millis(2)).await;
    }
    let ready = begun.elapsed();
    let hits = fetch_all(young[0].address(), purged..stored).await;
    let wrong = outdated(&young[0], purged).await;
    println!(
        "fresh: {written} replies in Redis, {purged} tags purged in {took:?}; a new node listens after {listening:?} and knows \
         all purges after {ready:?}; {wrong} purged replies served; {hits} of {} others found in Redis; nodes held {:?} and {:?} \
         MiB at most; Redis {}",
        stored - purged,
        memory_of(&old),
        memory_of(&young),
        redis_memory(&redis).await
    );
    assert_eq!(wrong, 0, "purged replies were served");
    assert!(ready < GENEROUS, "{ready:?}");
    assert!(hits * 100 >= (stored - purged) * 95, "only {hits} of {} were found", stored - purged);
}

/// Waits until all that was stored is written behind; returns how many keys that makes.
async fn written(redis: &RedisServer, count: usize) -> usize {
    let keys = || async { redis.command::<usize>("DBSIZE").await };
    let all = async {
        while keys().await < count {
            sleep(Duration::from_millis(20)).await;
        }
        keys().await
    };
    crate::support::within("everything is written to Redis", all).await
}

/// How many of the first `count` things a node serves as they were before.
async fn outdated(node: &crate::support::Process, count: usize) -> usize {
    const TOGETHER: usize = 16;
    let address = node.address();
    let tasks = (0..TOGETHER).map(|offset| {
        tokio::spawn(async move {
            let mut connection = crate::support::Connection::open(address).await;
            let mut wrong = 0;
            for number in (offset..count).step_by(TOGETHER) {
                let reply = request_at(address, "GET", &path_of(number)).send_on(&mut connection).await;
                wrong += usize::from(reply.field("x-version") != "2");
            }
            wrong
        })
    });
    let mut wrong = 0;
    for task in tasks.collect::<Vec<_>>() {
        wrong += task.await.expect("said why");
    }
    wrong
}
