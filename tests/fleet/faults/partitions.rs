//! One node that is cut off from Redis, while the others are well.

use super::{Scene, builder};
use crate::harness::{At, polled, start, tagged};
use crate::support::{Flow, Origin, RedisServer, Tap};
use std::time::{Duration, Instant};

/// Cuts the third node off, and checks what must hold until `heal` is over.
async fn check(what: &str, begin: impl AsyncFnOnce(&mut Tap), heal: impl AsyncFnOnce(&mut Tap)) {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let mut tap = Tap::before(redis.port()).await;
    let nodes = vec![
        start(builder(&origin, &redis.url())).await,
        start(builder(&origin, &redis.url())).await,
        start(builder(&origin, &tap.url())).await,
    ];
    let scene = Scene::of(origin, nodes).await;
    let pages = scene.trickle.pages().clone();
    let [one, two, three] = scene.at()[..] else { unreachable!("three nodes") };
    let all = [one, two, three];
    for node in all {
        assert_eq!((node.edition("/theirs").await, node.edition("/own").await), (0, 0));
    }
    begin(&mut tap).await;
    three.complains("blind").await;

    // It learns of nothing, and asks again what it has had for as long as it may be blind.
    pages.edit("/theirs");
    polled("the others take a purge", || async { one.purge(&tagged("/theirs")).await.is_some() }).await;
    let purged = Instant::now();
    polled("blind, it asks again", || async { three.edition("/theirs").await == 1 }).await;
    println!("{what}: what it was not told of was served for {:?}", purged.elapsed());

    // Its own purges it knows of, and the others do when all is well.
    pages.edit("/own");
    assert!(three.purge(&tagged("/own")).await.is_none(), "the log did not take it");
    assert_eq!(three.edition("/own").await, 1);
    assert_eq!(two.edition("/own").await, 0, "nobody told the others");
    heal(&mut tap).await;
    let healed = Instant::now();
    for node in [one, two] {
        polled("the purge reaches the others", || async { node.edition("/own").await == 1 }).await;
    }
    println!("{what}: its own purge was applied by the others {:?} after", healed.elapsed());
    scene.ends_well(what).await;
    let fresh = start(builder(&Origin::start().await, &redis.url())).await;
    assert!(At::from(&fresh).complaints().await.is_empty());
}

#[tokio::test]
async fn a_node_whose_connections_are_cut_goes_blind_and_heals() {
    let begin = async |tap: &mut Tap| {
        tap.refuse().await;
        tap.cut();
    };
    check("cut", begin, async |tap: &mut Tap| tap.welcome().await).await;
}

#[tokio::test]
async fn a_node_whose_packets_come_far_too_late_goes_blind_and_heals() {
    let begin = async |tap: &mut Tap| tap.both(Flow::Delay(Duration::from_secs(3)));
    check("delayed", begin, async |tap: &mut Tap| tap.both(Flow::Pass)).await;
}

#[tokio::test]
async fn a_node_behind_a_black_hole_goes_blind_and_heals() {
    let begin = async |tap: &mut Tap| tap.both(Flow::Swallow);
    let heal = async |tap: &mut Tap| {
        tap.both(Flow::Pass);
        tap.cut();
    };
    check("black hole", begin, heal).await;
}
