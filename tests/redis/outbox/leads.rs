//! Who hands out: one at a time, and nothing is lost between two of them.

use super::{EDGE, LONG, Node, QUEUE, TERM, everything, ids, leader, purge, purged, tag};
use crate::support::{Flow, RedisServer, Tap, eventually, within};
use larder::cdn::{JobId, Outbox};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn one_node_leads_until_it_resigns() {
    let (server, first, epoch) = leader().await;
    let second = Node::at(&server.url(), 2);
    assert!(!second.leads().await);
    assert!(first.leads().await, "kept");
    assert!(second.outbox.lead("other", TERM).await.unwrap(), "each CDN has its own");
    second.outbox.resign(EDGE).await.unwrap();
    assert!(!second.leads().await, "nobody resigns for another");
    purge(&first, epoch, 0..3).await;
    assert!(second.outbox.next(EDGE, 10, Duration::ZERO).await.is_err());
    let jobs = first.next().await;
    assert_eq!(jobs.len(), 3);
    first.outbox.settle(EDGE, &ids(&jobs)[1..2]).await.unwrap();
    first.outbox.resign(EDGE).await.unwrap();
    assert!(second.leads().await);
    assert!(first.outbox.next(EDGE, 10, Duration::ZERO).await.is_err(), "it has to ask again");
    purge(&first, epoch, 3..4).await;
    // In parts, oldest first; what was not handed out is not among them.
    let part = second.outbox.recover(EDGE, None, 1).await.unwrap();
    assert_eq!(part, jobs[..1]);
    assert_eq!(second.outbox.recover(EDGE, Some(part[0].id), 1).await.unwrap(), jobs[2..]);
    assert_eq!(second.outbox.recover(EDGE, Some(jobs[2].id), 1).await.unwrap(), []);
    assert_eq!(purged(&second.next().await), [vec![tag(3)]]);
    assert_eq!(second.next().await, []);
}

#[tokio::test]
async fn the_lead_of_a_node_that_is_gone_ends_by_itself() {
    let (server, first, epoch) = leader().await;
    purge(&first, epoch, 0..2).await;
    let jobs = first.next().await;
    assert!(first.outbox.lead(EDGE, Duration::from_millis(200)).await.unwrap());
    drop(first);
    let second = Node::at(&server.url(), 2);
    eventually("the lead ends", || second.leads()).await;
    assert_eq!(second.recover().await, jobs);
    let ttl: i64 = server.command(&format!("PTTL {QUEUE}:lead")).await;
    assert!(ttl > 0 && ttl <= 600_000);
}

#[tokio::test]
async fn a_node_that_lost_the_lead_while_it_waits_takes_no_job_away() {
    let (server, first, epoch) = leader().await;
    let waiting = tokio::spawn({
        let outbox = Arc::clone(&first.outbox);
        async move { outbox.next(EDGE, 10, LONG).await }
    });
    server.says("CLIENT LIST", "cmd=xread").await;
    server.command::<()>(&format!("DEL {QUEUE}:lead")).await;
    let second = Node::at(&server.url(), 2);
    assert!(second.leads().await);
    assert_eq!(second.recover().await, []);
    purge(&second, epoch, 0..1).await;
    assert!(within("the wait ends", waiting).await.unwrap().is_err());
    assert_eq!(purged(&second.next().await), [vec![tag(0)]]);
}

#[tokio::test]
async fn what_was_handed_out_to_nobody_is_handed_out_again() {
    let server = RedisServer::start().await;
    let tap = Tap::before(server.port()).await;
    let (node, other) = (Node::at(&tap.url(), 1), Node::at(&server.url(), 2));
    let epoch = node.open(None).await;
    assert!(node.leads().await);
    purge(&other, epoch, 0..2).await;
    let seen = node.outbox.next(EDGE, 2, Duration::ZERO).await.unwrap();
    assert_eq!(seen.len(), 2);
    purge(&other, epoch, 2..7).await;

    // The server does it, and whoever asked does not hear of it: twice, with something more between.
    for (limit, pending) in [(2, "4"), (1, "5")] {
        tap.down(Flow::Hold);
        let asking = tokio::spawn({
            let outbox = Arc::clone(&node.outbox);
            async move { outbox.next(EDGE, limit, Duration::ZERO).await }
        });
        let command = format!("XPENDING {QUEUE} larder");
        eventually("it is handed out", || async {
            let said: Vec<redis::Value> = server.command(&command).await;
            said[0] == redis::Value::Int(pending.parse().unwrap())
        })
        .await;
        asking.abort();
        let _aborted = asking.await;
        tap.down(Flow::Pass);
    }
    let mut tags = Vec::new();
    loop {
        let jobs = node.outbox.next(EDGE, 2, Duration::ZERO).await.unwrap();
        if jobs.is_empty() {
            break;
        }
        tags.extend(purged(&jobs));
    }
    assert_eq!(tags, (2..7).map(|number| vec![tag(number)]).collect::<Vec<_>>(), "each once, in order");
}

#[tokio::test]
async fn a_connection_that_breaks_while_it_waits_is_made_anew() {
    let server = RedisServer::start().await;
    let tap = Tap::before(server.port()).await;
    let node = Node::at(&tap.url(), 1);
    let epoch = node.open(None).await;
    assert!(node.leads().await);
    let waiting = tokio::spawn({
        let outbox = Arc::clone(&node.outbox);
        async move { outbox.next(EDGE, 10, LONG).await }
    });
    server.says("CLIENT LIST", "cmd=xread").await;
    tap.cut();
    assert!(within("the wait ends", waiting).await.unwrap().is_err());
    let other = Node::at(&server.url(), 2);
    purge(&other, epoch, 0..1).await;
    eventually("the connection is back", || async {
        matches!(node.outbox.next(EDGE, 10, Duration::ZERO).await, Ok(jobs) if ids(&jobs).len() == 1)
    })
    .await;
    assert!(node.outbox.settle(EDGE, &[JobId(1)]).await.is_ok(), "unknown jobs are settled");
}

/// As a command does that comes over a connection which was given up, after its leader looked for what is pending.
#[tokio::test]
async fn what_a_late_command_hands_out_is_given_to_who_leads() {
    let (server, node, epoch) = leader().await;
    assert_eq!(node.recover().await, []);
    purge(&node, epoch, 0..3).await;
    server.command::<()>(&format!("XREADGROUP GROUP larder larder COUNT 2 STREAMS {QUEUE} >")).await;
    assert_eq!(purged(&node.next().await), [vec![tag(0)], vec![tag(1)], vec![tag(2)]]);
    purge(&node, epoch, 3..5).await;
    server.command::<()>(&format!("XREADGROUP GROUP larder larder STREAMS {QUEUE} >")).await;
    assert_eq!(purged(&node.next().await), [vec![tag(3)], vec![tag(4)]]);
    assert_eq!(node.next().await, []);
}

/// The last job that was appended is in hand when the queue is lost.
#[tokio::test]
async fn everything_is_not_taken_for_a_job_in_hand() {
    let (server, node, epoch) = leader().await;
    purge(&node, epoch, 0..1).await;
    let held = node.next().await;
    server.command::<()>(&format!("DEL {QUEUE}")).await;
    let jobs = node.next().await;
    assert_eq!(purged(&jobs), [everything()]);
    assert_ne!(ids(&jobs), ids(&held));
    node.outbox.settle(EDGE, &ids(&held)).await.unwrap();
    assert_eq!(purged(&node.recover().await), [everything()], "it is not settled with the other");
}
