//! Fail-overs: behind one address, found by sentinels, in a cluster.

use super::{append, append_all, ids, log_at, log_in, read, record, server_at, settings};
use crate::support::{Cluster, RedisServer, Replication, Tap};
use larder::fleet::{Head, LogStore, NODE_TIMEOUT, NodeId, StoreError};
use larder::invalidation::{Epoch, Position, Term};
use larder::redis::{RedisLog, RedisServers};
use std::time::Duration;

#[tokio::test]
async fn a_promoted_replica_goes_on_from_what_it_inherited() {
    let primary = RedisServer::start().await;
    let follows = format!("replicaof 127.0.0.1 {}", primary.port());
    let replica = RedisServer::builder().line(follows).start().await;
    replica.says("INFO replication", "master_link_status:up").await;
    let log = log_at(&primary.url());
    let first = log.open(Position::START, None).await.unwrap();
    let inherited = append_all(&log, first.epoch(), 0..3).await;
    replica.says("XLEN {shop}:log:stream", "3").await;

    // A replica is nobody to be asked, as long as it is one.
    let other = log_at(&replica.url());
    let refused = other.read(first.epoch(), Position::START, Duration::ZERO).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(matches!(other.open(Position::START, None).await, Err(StoreError::Unavailable(_))));
    let refused = other.beat(first.epoch(), NodeId(1), Position::START, NODE_TIMEOUT).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");

    // It is cut off, and then misses two.
    replica.command::<()>("REPLICAOF NO ONE").await;
    let other = log_at(&replica.url());
    let lost = append_all(&log, first.epoch(), 3..5).await;
    let refused = other.append(first.epoch(), &record(9, lost)).await;
    assert_eq!(refused, Err(StoreError::Moved), "nothing slips into the old term");
    assert_eq!(other.read(first.epoch(), lost, Duration::from_secs(10)).await, Err(StoreError::Moved));

    let second = other.open(lost, Some(first.epoch())).await.unwrap();
    assert_eq!((second.birth, second.term), (first.birth, Term(2)));
    assert_eq!((&second.ends[..], second.last), (&[inherited][..], lost));
    let (position, between) = append(&other, second.epoch(), &record(3, inherited)).await;
    assert!(position > lost);
    assert_eq!((ids(&between), between[0].previous), (vec![3], inherited));

    // Demoted, the old one has what the new one has.
    primary.command::<()>(&format!("REPLICAOF 127.0.0.1 {}", replica.port())).await;
    primary.says("INFO replication", "master_link_status:up").await;
    let refused = log.read(second.epoch(), Position::START, Duration::ZERO).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_is_demoted_under_a_waiting_read_ends_it() {
    let primary = RedisServer::start().await;
    let other = RedisServer::start().await;
    let log = log_at(&primary.url());
    let epoch = log.open(Position::START, None).await.unwrap().epoch();
    let read = tokio::spawn({
        let log = log.clone();
        async move { while log.read(epoch, Position::START, Duration::from_secs(1)).await.is_ok() {} }
    });
    primary.command::<()>(&format!("REPLICAOF 127.0.0.1 {}", other.port())).await;
    crate::support::within("the reads end", read).await.unwrap();
}

#[tokio::test]
async fn another_server_behind_the_same_address_takes_nothing_for_the_old_log() {
    let one = RedisServer::start().await;
    let log = log_at(&one.url());
    let head = log.open(Position::START, None).await.unwrap();
    append_all(&log, head.epoch(), 0..2).await;
    // Its data on another server, as a snapshot would bring it there: the log is the same, the history is not.
    let two = RedisServer::start().await;
    two.command::<()>(&format!("REPLICAOF 127.0.0.1 {}", one.port())).await;
    two.says("INFO replication", "master_link_status:up").await;
    two.command::<()>("REPLICAOF NO ONE").await;
    let tap = Tap::before(two.port()).await;
    let log = log_at(&tap.url());
    assert_eq!(log.append(head.epoch(), &record(2, Position::START)).await, Err(StoreError::Moved));
    assert_eq!(two.command::<usize>("XLEN {shop}:log:stream").await, 2);
    let next = log.open(Position::START, Some(head.epoch())).await.unwrap();
    assert_eq!((next.birth, next.term), (head.birth, Term(2)));
    assert_eq!(ids(&read(&log, next.epoch(), Position::START).await), [0, 1]);
}

/// Follows the log as a node does, until it is in another term.
async fn next_term(log: &RedisLog, known: Epoch) -> Head {
    let end = tokio::time::Instant::now() + crate::support::DEADLINE;
    loop {
        let read = log.read(known, Position::START, Duration::from_millis(50)).await;
        if read.is_err()
            && let Ok(head) = log.open(Position::START, Some(known)).await
            && head.epoch() != known
        {
            return head;
        }
        assert!(tokio::time::Instant::now() < end, "it follows the old one: {read:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A fail-over by sentinels or a cluster, to be followed without a word to the log.
async fn followed(log: &RedisLog, fail_over: impl AsyncFnOnce()) {
    let first = log.open(Position::START, None).await.unwrap();
    let last = append_all(log, first.epoch(), 0..3).await;
    assert_eq!(read(log, first.epoch(), Position::START).await.len(), 3);
    log.beat(first.epoch(), NodeId(1), last, NODE_TIMEOUT).await.unwrap();
    fail_over().await;
    let second = next_term(log, first.epoch()).await;
    assert_eq!((second.birth, second.term, &second.ends[..]), (first.birth, Term(2), &[last][..]));
    let peers = log.beat(second.epoch(), NodeId(2), last, NODE_TIMEOUT).await.unwrap().peers;
    let old = peers.iter().find(|peer| peer.node == NodeId(1)).unwrap();
    assert_eq!(old.applied, Position::START, "it says anew what it has of this term");
    append(log, second.epoch(), &record(3, last)).await;
    assert_eq!(ids(&read(log, second.epoch(), Position::START).await), [0, 1, 2, 3]);
}

#[tokio::test]
async fn sentinels_lead_to_the_next_term() {
    let replication = Replication::start().await;
    let servers = RedisServers::Sentinel {
        sentinels: replication.sentinels.iter().map(|sentinel| server_at(&sentinel.address())).collect(),
        service: "mymaster".to_owned(),
    };
    let log = log_in(servers, None, settings());
    followed(&log, async || {
        replication.servers[1].says("XLEN {shop}:log:stream", "3").await;
        replication.fail_over().await;
    })
    .await;
}

#[tokio::test]
async fn a_cluster_leads_to_the_next_term() {
    let cluster = Cluster::start().await;
    let servers = cluster.servers.iter().map(|server| server_at(&server.address())).collect();
    let log = log_in(RedisServers::Cluster(servers), None, settings());
    followed(&log, async || {
        let slot: u16 = cluster.servers[0].command("CLUSTER KEYSLOT {shop}:log:head").await;
        let master = cluster.master_of(slot).await;
        let replica = cluster.replica_of(master).await;
        let (primary, replica) = (&cluster.servers[master], &cluster.servers[replica]);
        let offset = primary.info("replication", "master_repl_offset").await.unwrap();
        assert!(offset.parse::<u64>().unwrap() > 0);
        // It hands over when the replica has everything.
        replica.says("INFO replication", "master_link_status:up").await;
        cluster.fail_over(master).await;
    })
    .await;
}
