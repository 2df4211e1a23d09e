//! Redis killed under load: no request fails, and what was purged meanwhile is applied everywhere soon after it is back.

use super::goods::{Goods, path_of, tag_of};
use super::load::{Figures, Load, fetch_all};
use super::{all_follow, follows, memory_of, node, purge, redis_memory, scale};
use crate::support::{Data, RedisServer};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Things changed and purged while Redis is gone.
const PURGED: usize = 30;

/// What must be enough on a machine that is busy with other tests; the figure itself is printed.
const GENEROUS: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_redis_fails_no_request_and_loses_no_purge() {
    let goods = scale(300, 5_000);
    let (phase, rate) = (scale(Duration::from_millis(2500), Duration::from_secs(15)), scale(300, 5_000));
    let origin = Goods::start(goods).await;
    let mut redis = RedisServer::builder().appendonly().start().await;
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(node(&origin.url(), &redis, "").await);
    }
    all_follow(&nodes).await;
    for node in &nodes {
        fetch_all(node.address(), 0..goods).await;
    }

    let addresses: Vec<_> = nodes.iter().map(|node| node.address()).collect();
    let load = Load::begin(&addresses, rate, goods);
    sleep(phase).await;
    let killed = load.elapsed();
    redis.kill();
    let mut late = 0;
    for number in 0..PURGED {
        sleep(phase / 2 / PURGED as u32).await;
        origin.edit(number);
        late += usize::from(!purge(&nodes[number % nodes.len()], &[tag_of(number)]).await);
    }
    sleep(phase.saturating_sub(load.elapsed() - killed)).await;
    redis.restart(Data::Kept).await;
    let (back, returned) = (load.elapsed(), Instant::now());
    let mut appended = None;
    for node in &nodes {
        while !follows(node).await {
            sleep(Duration::from_millis(5)).await;
        }
        appended = Some(returned.elapsed());
    }
    let right = loop {
        let mut wrong = 0;
        for node in &nodes {
            for number in 0..PURGED {
                let reply = node.get(&path_of(number)).send().await;
                wrong += usize::from(reply.field("x-version") != "2");
            }
        }
        if wrong == 0 {
            break returned.elapsed();
        }
    };
    sleep(phase).await;
    let samples = load.end().await;

    for (name, time) in
        [("before", Duration::ZERO..killed), ("during", killed..back), ("after", back..Duration::MAX)]
    {
        let figures = Figures::of(&samples, time);
        println!(
            "outage, {name}: {} requests, {} failed, {} asked the origin; p50 {:?}, p99 {:?}, longest {:?}",
            figures.count, figures.failed, figures.others, figures.p50, figures.p99, figures.longest
        );
        assert_eq!(figures.failed, 0, "{name}");
    }
    println!(
        "outage: {late} of {PURGED} purges could not be appended at once; {appended:?} after Redis was back all nodes had \
         appended and applied them; looked at everywhere after {right:?}; nodes held {:?} MiB at most; Redis {}",
        memory_of(&nodes),
        redis_memory(&redis).await
    );
    assert!(appended.is_some_and(|appended| appended < GENEROUS), "{appended:?}");
}
