//! Servers that take another's place.

use super::{Scene, builder};
use crate::harness::{At, Pages, at, nodes, polled, start, tagged};
use crate::support::{Cluster, Larder, Origin, RedisServer, Replication, Tap};
use std::time::Instant;

#[tokio::test]
async fn sentinels_promote_the_replica_of_a_primary_that_was_killed() {
    let mut replication = Replication::start().await;
    let scene = Scene::with(&replication.url()).await;
    let killed = Instant::now();
    replication.servers[0].kill();
    replication.becomes(1).await;
    println!("sentinels: another primary {:?} after the kill", killed.elapsed());
    scene.ends_well("sentinel fail-over").await;
}

#[tokio::test]
async fn a_cluster_promotes_the_replica_of_the_master_that_was_killed() {
    let mut cluster = Cluster::start().await;
    let scene = Scene::with(&cluster.url()).await;
    let slot: u16 = cluster.servers[0].command("CLUSTER KEYSLOT {larder}:log:head").await;
    let master = cluster.master_of(slot).await;
    let replica = cluster.replica_of(master).await;
    let killed = Instant::now();
    cluster.servers[master].kill();
    cluster.servers[replica].says("ROLE", "master").await;
    println!("cluster: another master {:?} after the kill", killed.elapsed());
    scene.ends_well("cluster fail-over").await;
}

#[tokio::test]
async fn a_fail_over_that_loses_the_last_purges_loses_none() {
    const PAGES: usize = 20;
    let mut primary = RedisServer::start().await;
    let mut between = Tap::before(primary.port()).await;
    let replica = RedisServer::builder().line(format!("replicaof 127.0.0.1 {}", between.port()));
    let replica = replica.start().await;
    replica.says("INFO replication", "master_link_status:up").await;
    let front = Tap::before(primary.port()).await;
    let origin = Origin::start().await;
    // Blind for long, so that nothing but the purges themselves can make an old reply go.
    let builder = Larder::before(&origin)
        .redis_with(&front.url(), "timeout: 5s")
        .rules("invalidation: { blind_limit: 10m }");
    let fleet = nodes(2, &builder).await;
    let (pages, survivors) = (Pages::at(&origin), at(&fleet));
    let paths: Vec<_> = (0..PAGES).map(|number| format!("/{number}")).collect();
    for path in &paths {
        for node in &survivors {
            assert_eq!(node.edition(path).await, 0);
        }
    }
    let stored: Vec<String> = primary.command("KEYS larder:e1:*").await;
    assert_eq!(stored.len(), PAGES);
    polled("the replica has all replies", async || {
        replica.command::<Vec<String>>("KEYS larder:e1:*").await.len() == PAGES
    })
    .await;

    between.refuse().await;
    between.cut();
    for (number, path) in paths.iter().enumerate() {
        pages.edit(path);
        assert!(survivors[number % 2].purge(&tagged(path)).await.is_some(), "the primary took it");
    }
    // Of a log that was just born nobody knows for as long as that who else follows it.
    primary.command::<()>("HDEL {larder}:log:head born").await;
    survivors[0].purge_everywhere(&tagged("/else")).await;
    primary.kill();
    replica.command::<()>("REPLICAOF NO ONE").await;
    front.lead_to(replica.port());
    front.cut();
    let promoted = Instant::now();

    // Whoever comes now has only the server's word, and finds the old replies there.
    let fresh = start(builder).await;
    for path in &paths {
        polled("a lost purge is appended again", || async { At::from(&fresh).edition(path).await == 1 })
            .await;
    }
    println!("{PAGES} purges lost with a primary: known again {:?} after the fail-over", promoted.elapsed());
    for node in &survivors {
        for path in &paths {
            assert_eq!(node.edition(path).await, 1, "{path}: purged, and never again");
        }
    }
}

#[tokio::test]
async fn a_planned_fail_over_is_hardly_noticed() {
    let replication = Replication::start().await;
    let origin = Origin::start().await;
    let mut fleet = Vec::new();
    for _ in 0..3 {
        fleet.push(start(builder(&origin, &replication.url())).await);
    }
    let scene = Scene::of(origin, fleet).await;
    replication.fail_over().await;
    scene.ends_well("planned fail-over").await;
}
