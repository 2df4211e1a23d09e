//! A thousand purges a second: how many hits are lost to purges that did not name them.

use super::load::{Figures, Load, Outcome, fetch_all};
use super::{all_follow, goods::Goods, memory_of, node, purge, redis_memory, scale};
use crate::support::RedisServer;
use std::time::Duration;
use tokio::time::{Instant, interval};

/// Tags in one `POST /purge`, and between two of them: a thousand a second.
const BATCH: usize = 100;
const PACE: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purges_cost_no_hits_but_their_own() {
    let goods = scale(500, 20_000);
    let (time, rate) = (scale(Duration::from_secs(3), Duration::from_secs(60)), scale(200, 2_000));
    let (origin, redis) = (Goods::start(goods).await, RedisServer::start().await);
    // The second one remembers so few purges one by one that the table has to tell.
    let nodes = [
        node(&origin.url(), &redis, "").await,
        node(&origin.url(), &redis, "invalidation: { memory: 64KiB }").await,
    ];
    all_follow(&nodes).await;
    for node in &nodes {
        fetch_all(node.address(), 0..goods).await;
    }

    let before = origin.asked();
    let load = Load::begin(&nodes.each_ref().map(|node| node.address()), rate, goods);
    let (begun, mut pace, mut made, mut elsewhere) = (Instant::now(), interval(PACE), 0, 0);
    while begun.elapsed() < time {
        pace.tick().await;
        let tags: Vec<_> = (made..made + BATCH).map(|number| format!("nothing-bears-{number}")).collect();
        let appended = purge(&nodes[made / BATCH % nodes.len()], &tags).await;
        elsewhere += usize::from(!appended);
        made += BATCH;
    }
    let took = begun.elapsed();
    let samples = load.end().await;

    let figures = Figures::of(&samples, Duration::ZERO..Duration::MAX);
    println!(
        "purges: {made} of distinct tags in {took:?} ({:.0} a second, {elsewhere} requests late in the log), {} reads of {goods} \
         goods, {} asked the origin; p50 {:?}, p99 {:?}, longest {:?}",
        made as f64 / took.as_secs_f64(),
        figures.count,
        origin.asked() - before,
        figures.p50,
        figures.p99,
        figures.longest,
    );
    for (index, name) in ["exact records", "table"].iter().enumerate() {
        let of: Vec<_> = samples.iter().copied().filter(|sample| sample.node == index).collect();
        let figures = Figures::of(&of, Duration::ZERO..Duration::MAX);
        let lost = of.iter().filter(|sample| sample.outcome == Outcome::Other).count();
        let share = lost as f64 / figures.count.max(1) as f64;
        println!("purges, {name}: {lost} of {} hits lost ({:.3} %)", figures.count, share * 100.0);
        assert!(share <= 0.01, "{share} of hits lost to purges that did not name them");
    }
    println!("purges: nodes held {:?} MiB at most; Redis {}", memory_of(&nodes), redis_memory(&redis).await);
    assert_eq!(figures.failed, 0, "{figures:?}");
}
