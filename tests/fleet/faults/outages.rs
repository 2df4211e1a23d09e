//! One server, that dies, hangs, is slow, or is full.

use super::{Scene, builder};
use crate::harness::{At, Pages, at, edition_of, nodes, polled, start, tagged};
use crate::support::{Data, Flow, Larder, Origin, Process, RedisServer, Tap};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long a fault lasts: longer than nodes may be blind.
const FAULT: Duration = Duration::from_millis(2000);

#[tokio::test]
async fn killed_and_restarted_with_its_data() {
    let mut redis = RedisServer::builder().appendonly().start().await;
    let scene = Scene::with(&redis.url()).await;
    redis.kill();
    sleep(FAULT).await;
    redis.restart(Data::Kept).await;
    scene.ends_well("killed, restarted with its data").await;
}

#[tokio::test]
async fn killed_and_restarted_without_its_data() {
    let mut redis = RedisServer::builder().appendonly().start().await;
    let scene = Scene::with(&redis.url()).await;
    redis.kill();
    sleep(FAULT).await;
    redis.restart(Data::Lost).await;
    scene.ends_well("killed, restarted without its data").await;
}

#[tokio::test]
async fn frozen_and_thawed() {
    let redis = RedisServer::start().await;
    let scene = Scene::with(&redis.url()).await;
    redis.freeze();
    sleep(FAULT).await;
    redis.thaw();
    scene.ends_well("frozen, thawed").await;
}

#[tokio::test]
async fn half_a_second_late_with_every_answer() {
    let redis = RedisServer::start().await;
    let tap = Tap::before(redis.port()).await;
    let scene = Scene::with(&tap.url()).await;
    tap.down(Flow::Delay(Duration::from_millis(500)));
    sleep(FAULT).await;
    tap.down(Flow::Pass);
    scene.ends_well("every answer 500 ms late").await;
}

#[tokio::test]
async fn full_and_not_to_evict_it_takes_purges_all_the_same() {
    let redis = RedisServer::start().await;
    let scene = Scene::with(&redis.url()).await;
    redis.command::<()>("CONFIG SET maxmemory 1mb").await;
    assert!(redis.try_command::<()>("SET more value").await.is_err(), "it is full");
    for node in scene.at() {
        polled("a full server takes a purge", async || node.purge(&tagged("/else")).await.is_some()).await;
    }
    sleep(FAULT).await;
    redis.command::<()>("CONFIG SET maxmemory 0").await;
    scene.ends_well("full, noeviction").await;
}

#[tokio::test]
async fn it_evicts_what_it_likes_even_the_log() {
    let redis = RedisServer::start().await;
    let scene = Scene::with(&redis.url()).await;
    let birth: Vec<u8> = redis.command("HGET {larder}:log:head birth").await;
    redis.command::<()>("CONFIG SET maxmemory-policy allkeys-lru").await;
    // Less than the log's table alone takes.
    redis.command::<()>("CONFIG SET maxmemory 6mb").await;
    sleep(FAULT).await;
    // Which key goes is chance, so the head goes by hand.
    redis.command::<()>("DEL {larder}:log:head").await;
    redis.command::<()>("CONFIG SET maxmemory 0").await;
    redis.command::<()>("CONFIG SET maxmemory-policy noeviction").await;
    polled("another log is born", async || {
        redis
            .try_command::<Vec<u8>>("HGET {larder}:log:head birth")
            .await
            .is_ok_and(|now| !now.is_empty() && now != birth)
    })
    .await;
    scene.ends_well("allkeys-lru, log evicted").await;
}

#[tokio::test]
async fn not_there_at_the_start() {
    let mut redis = RedisServer::builder().absent();
    let origin = Origin::start().await;
    let nodes: Vec<Larder> = (0..3).map(|_| builder(&origin, &redis.url()).start()).collect();
    let scene = Scene::of(origin, nodes).await;
    for node in scene.at() {
        node.complains("blind").await;
    }
    redis.restart(Data::Lost).await;
    scene.ends_well("not there at the start").await;
}

#[tokio::test]
async fn nodes_are_killed_and_started_again() {
    let redis = RedisServer::start().await;
    let scene = Scene::with(&redis.url()).await;
    let third = builder(&scene.origin, &redis.url());
    for round in 0..3 {
        let process = Process::run(&third).await;
        let node = At::from(&process);
        node.well().await;
        let editions = scene.trickle.quiet_editions();
        // Whoever has applied this has applied all before it.
        let position = scene.at()[round].purge(&tagged("/else")).await;
        for (path, edition) in editions {
            let mut request = node.get(&path);
            if let Some(position) = &position {
                request = request.header("Larder-Position", position.clone());
            }
            let served = edition_of(&request.send().await);
            // The last one may be just being purged, and without a position nothing was promised.
            assert!(position.is_none() || served + 1 >= edition, "{path}: {served} instead of {edition}");
        }
        process.signal(Signal::SIGKILL);
    }
    scene.ends_well("nodes killed and started").await;
}

#[tokio::test]
async fn purges_made_at_several_nodes_while_it_is_away_are_applied_at_its_return() {
    const PAGES: usize = 30;
    let mut redis = RedisServer::builder().appendonly().start().await;
    let origin = Origin::start().await;
    // Blind for long, so that nothing but the purges themselves can make an old reply go.
    let builder = Larder::before(&origin)
        .redis_with(&redis.url(), "timeout: 50ms")
        .rules("invalidation: { blind_limit: 10m }");
    let fleet = nodes(3, &builder).await;
    let (pages, fleet) = (Pages::at(&origin), at(&fleet));
    let paths: Vec<_> = (0..PAGES).map(|number| format!("/{number}")).collect();
    for node in &fleet {
        for path in &paths {
            assert_eq!(node.edition(path).await, 0);
        }
    }
    redis.kill();
    for (number, path) in paths.iter().enumerate() {
        pages.edit(path);
        let node = fleet[number % 3];
        let _later = node.purge(&tagged(path)).await;
        assert_eq!(node.edition(path).await, 1, "{path}: its own purge applies to a node at once");
        let other = fleet[(number + 1) % 3];
        assert_eq!(other.edition(path).await, 0, "{path}: nobody told the others yet");
    }
    // Long enough that nobody tries again with every blink.
    sleep(FAULT).await;
    redis.restart(Data::Kept).await;
    let back = Instant::now();
    for node in &fleet {
        for path in &paths {
            polled("a purge is applied", || async { node.edition(path).await == 1 }).await;
        }
    }
    println!(
        "{PAGES} purges made at 3 nodes while Redis was away: applied everywhere {:?} after its return",
        back.elapsed()
    );
    let fresh = start(builder).await;
    for path in &paths {
        assert_eq!(At::from(&fresh).edition(path).await, 1, "{path}: what stands in Redis is purged, too");
    }
}
