//! A cold key costs the origin one request, among all nodes, and nobody waits for a node that died.

use crate::harness::{At, nodes, start};
use crate::support::{Gate, Larder, Origin, Process, RedisServer, Reply, all, pattern};
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};

/// Clients at each of three nodes.
const CLIENTS: usize = 30;

/// How long a lease outlives its holder.
const LEASE: Duration = Duration::from_secs(1);

/// What a machine that does other things may add to a wait.
const SLACK: Duration = Duration::from_secs(10);

#[tokio::test]
async fn ninety_clients_of_three_nodes_cost_the_origin_one_request() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = nodes(3, &Larder::before(&origin).redis(&redis.url())).await;
    let body = pattern(200_000);
    let gate = Gate::shut();
    origin.on("/cold", Reply::fresh(600, body.clone()).hold_head(&gate));

    let clients = |larder: &Larder| (0..CLIENTS).map(|_| tokio::spawn(larder.get("/cold").send())).collect();
    let clients: Vec<Vec<_>> = fleet.iter().map(clients).collect();
    for larder in &fleet {
        At::from(larder).filling(1).await;
    }
    gate.reached().await;
    let opened = Instant::now();
    gate.open();
    let mut by_redis = 0;
    for clients in clients {
        let replies = all(clients).await;
        assert!(replies.iter().all(|reply| reply.status == 200 && reply.body == body));
        by_redis += usize::from(replies.iter().all(|reply| reply.says("detail=redis")));
    }
    println!("90 clients at 3 nodes: whole {:?} after the origin answered", opened.elapsed());
    assert_eq!(by_redis, 2, "two nodes have it from the third");
    assert_eq!(origin.count("/cold"), 1);
}

#[tokio::test]
async fn a_reply_that_is_not_to_be_stored_releases_all_nodes_at_once() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = nodes(3, &Larder::before(&origin).redis(&redis.url())).await;
    let (head, tail) = (Gate::shut(), Gate::shut());
    let reply = Reply::ok("private").header("Cache-Control", "private");
    origin.on("/x", reply.hold_head(&head).hold_at(3, &tail));

    let clients: Vec<_> = fleet
        .iter()
        .flat_map(|larder| (0..CLIENTS).map(|_| tokio::spawn(larder.get("/x").begin())))
        .collect();
    for larder in &fleet {
        At::from(larder).filling(1).await;
    }
    head.reached().await;
    assert_eq!(origin.count("/x"), 1);
    let opened = Instant::now();
    head.open();
    // No reply has ended by then: whoever waited for another one's end would wait for ever.
    let replies = all(clients).await;
    println!("90 clients at 3 nodes: released {:?} after the origin answered", opened.elapsed());
    tail.open();
    for reply in replies {
        assert_eq!(reply.rest().await.unwrap(), "private");
    }
    assert_eq!(origin.count("/x"), 3 * CLIENTS);
}

#[tokio::test]
async fn a_holder_that_is_killed_is_followed_by_another_node() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let builder = Larder::before(&origin).redis(&redis.url());
    let holder = Process::run(&builder).await;
    let fleet = [start(builder.clone()).await, start(builder).await];
    let never = Gate::shut();
    let body = pattern(50_000);
    let whole = Reply::fresh(600, body.clone());
    origin.on_each("/x", [whole.clone().hold_at(20_000, &never), whole]);

    let mut lost = holder.get("/x").begin().await;
    assert_eq!(lost.bytes(20_000).await, body[..20_000]);
    let clients: Vec<_> =
        fleet.iter().flat_map(|larder| (0..CLIENTS).map(|_| tokio::spawn(larder.get("/x").send()))).collect();
    for larder in &fleet {
        At::from(larder).filling(1).await;
    }
    assert_eq!(origin.count("/x"), 1);
    let killed = Instant::now();
    holder.signal(Signal::SIGKILL);
    assert!(lost.rest().await.is_err(), "its own client sees that the reply broke off");
    for reply in all(clients).await {
        assert_eq!((reply.status, reply.body == body), (200, true));
    }
    let took = killed.elapsed();
    println!("60 clients at 2 nodes: whole {took:?} after the holder of the lease was killed");
    assert!(took < LEASE + SLACK, "{took:?}");
    assert_eq!(origin.count("/x"), 2);
}
