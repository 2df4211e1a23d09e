//! Queues that are lost: their CDNs are told everything, once.

use super::{EDGE, Node, QUEUE, TERM, everything, ids, leader, link_at, purge, purged, tag};
use crate::log::{append, record};
use larder::cdn::{Outbox, Wait};
use larder::invalidation::Position;
use larder::redis::OutboxEvent;
use std::time::Duration;

#[tokio::test]
async fn whoever_knew_of_a_flushed_log_has_cdns_told_everything_once() {
    let (server, first, epoch) = leader().await;
    let second = Node::at(&server.url(), 2);
    second.open(None).await;
    purge(&first, epoch, 0..2).await;
    server.command::<()>("FLUSHALL").await;
    let born = first.open(Some(epoch)).await;
    assert_ne!(born.birth, epoch.birth);
    second.open(Some(epoch)).await;
    first.open(Some(born)).await;
    assert!(first.leads().await);
    let jobs = first.next().await;
    assert_eq!(purged(&jobs), [everything()]);
    assert_eq!(first.told.events(), [OutboxEvent::Lost]);
    assert_eq!(first.outbox.standing(EDGE, Position::from_u64(1)).await.unwrap(), Wait::Outstanding);
    assert_eq!(first.recover().await, jobs);
    assert_eq!(first.told.events(), [OutboxEvent::Lost], "it is the same one");
    first.outbox.settle(EDGE, &ids(&jobs)).await.unwrap();
    // What survivors append again comes behind it.
    purge(&second, born, 5..6).await;
    assert_eq!(purged(&first.next().await), [vec![tag(5)]]);
}

/// Whoever is told of the loss at once is told again for each node that appends again what it knows.
#[tokio::test]
async fn what_stands_for_a_lost_queue_waits_for_what_is_appended_again() {
    let (server, first, epoch) = leader().await;
    purge(&first, epoch, 0..2).await;
    server.command::<()>("FLUSHALL").await;
    let patient = Node::patient(link_at(&server.url()), 1, TERM);
    let born = patient.open(Some(epoch)).await;
    assert!(patient.leads().await);
    assert_eq!(patient.next().await, []);
    purge(&patient, born, 1..2).await;
    assert_eq!(patient.next().await, []);
    assert_eq!(patient.recover().await, [], "nothing was handed out");
    assert_eq!(purged(&first.next().await), [everything(), vec![tag(1)]], "as soon as it has waited");
}

#[tokio::test]
async fn it_does_not_matter_who_opens_a_flushed_log_first() {
    let (server, first, epoch) = leader().await;
    purge(&first, epoch, 0..2).await;
    server.command::<()>("FLUSHALL").await;
    let fresh = Node::at(&server.url(), 3);
    let born = fresh.open(None).await;
    assert_eq!(server.command::<usize>(&format!("XLEN {QUEUE}")).await, 0, "it knows of nothing");
    purge(&fresh, born, 2..3).await;
    first.open(Some(epoch)).await;
    first.open(Some(epoch)).await;
    assert!(fresh.leads().await);
    assert_eq!(purged(&fresh.next().await), [everything()], "in the place of what was there");
}

#[tokio::test]
async fn queues_outlive_the_log() {
    let (server, node, epoch) = leader().await;
    purge(&node, epoch, 0..2).await;
    let jobs = node.outbox.next(EDGE, 1, Duration::ZERO).await.unwrap();
    for part in ["head", "stream", "names", "nodes"] {
        server.command::<()>(&format!("DEL {{shop}}:log:{part}")).await;
        node.open(Some(epoch)).await;
    }
    assert_eq!(node.recover().await, jobs);
    assert_eq!(purged(&node.next().await), [vec![tag(1)]]);
    assert_eq!(node.told.events(), []);
}

#[tokio::test]
async fn a_queue_that_is_lost_alone_says_everything() {
    let (server, node, epoch) = leader().await;
    purge(&node, epoch, 0..2).await;
    assert_eq!(node.next().await.len(), 2);
    for (loss, named) in [("DEL", false), ("DEL", true), ("UNLINK", false)] {
        server.command::<()>(&format!("{loss} {QUEUE}")).await;
        if named {
            purge(&node, epoch, 2..3).await;
        } else {
            append(&node.log, epoch, &record(3, Position::START)).await;
        }
        assert_eq!(node.outbox.standing(EDGE, Position::from_u64(1)).await.unwrap(), Wait::Outstanding);
        let jobs = node.next().await;
        assert_eq!(purged(&jobs), [everything()], "{loss} {named}");
        node.outbox.settle(EDGE, &ids(&jobs)).await.unwrap();
    }
    server.command::<()>(&format!("DEL {QUEUE}")).await;
    node.open(Some(epoch)).await;
    assert_eq!(purged(&node.next().await), [everything()], "found by who opens the log");
    assert_eq!(node.told.events(), [OutboxEvent::Lost; 4]);
}

#[tokio::test]
async fn a_cdn_that_is_new_to_the_log_is_told_nothing() {
    let server = crate::support::RedisServer::start().await;
    let plain = crate::log::log_at(&server.url());
    let epoch = larder::fleet::LogStore::open(&*plain, Position::START, None).await.unwrap().epoch();
    append(&plain, epoch, &record(1, Position::START)).await;
    let node = Node::at(&server.url(), 1);
    assert!(node.leads().await);
    assert_eq!(
        node.outbox.next(EDGE, 1, Duration::from_millis(20)).await.unwrap(),
        [],
        "there is no queue yet"
    );
    node.open(None).await;
    assert_eq!(node.next().await, []);
    purge(&node, epoch, 0..1).await;
    assert_eq!(purged(&node.next().await), [vec![tag(0)]]);
}
