//! What others do to the keys of a queue.

use super::{EDGE, Node, QUEUE, everything, ids, leader, named, purge, purged, tag};
use crate::log::append;
use crate::support::RedisServer;
use larder::cdn::{JobId, Outbox, Wait};
use larder::invalidation::Position;
use larder::redis::OutboxEvent;
use std::time::Duration;

#[tokio::test]
async fn what_is_put_in_by_hand_is_delivered_or_everything_is() {
    let (server, node, epoch) = leader().await;
    let mut add = redis::cmd("XADD");
    add.arg(QUEUE).arg("*").arg("names").arg("[\"tag\",\"hard\",\"t5\"]");
    add.query_async::<()>(&mut server.connect().await).await.unwrap();
    server.command::<()>(&format!("XADD {QUEUE} * a b")).await;
    let positions = purge(&node, epoch, 0..1).await;
    let jobs = node.next().await;
    assert_eq!(purged(&jobs), [vec![tag(5)], everything(), vec![tag(0)]]);
    assert_eq!((jobs[0].position, jobs[2].position), (Position::START, positions[0]));
    assert_eq!(node.told.events(), [OutboxEvent::Unreadable]);
    node.outbox.bury(EDGE, &ids(&jobs)[..2], "no").await.unwrap();
    assert_eq!(node.outbox.retry(EDGE).await.unwrap(), 2);
    assert_eq!(purged(&node.next().await), [vec![tag(5)], everything()]);

    // More fields than Lua's stack takes.
    let mut add = redis::cmd("XADD");
    add.arg(QUEUE).arg("*");
    (0..20_000).for_each(|field| {
        add.arg(field);
    });
    add.query_async::<()>(&mut server.connect().await).await.unwrap();
    let jobs = node.next().await;
    assert_eq!(purged(&jobs), [everything()]);
    node.outbox.bury(EDGE, &ids(&jobs), "no").await.unwrap();
    assert_eq!(node.outbox.retry(EDGE).await.unwrap(), 1);
    assert_eq!(purged(&node.next().await), [everything()]);
}

#[tokio::test]
async fn an_id_that_leaves_no_room_gives_way_to_everything() {
    for id in ["18446744073709551615-5", "17592186044415-18446744073709551615", "99999999999999-0"] {
        let (server, node, epoch) = leader().await;
        purge(&node, epoch, 0..1).await;
        server.command::<()>(&format!("XADD {QUEUE} {id} a b")).await;
        assert_eq!(node.next().await, [], "found by who hands out");
        let jobs = node.next().await;
        assert_eq!(
            (purged(&jobs), node.told.events()),
            (vec![everything()], vec![OutboxEvent::Foreign]),
            "{id}"
        );
        node.outbox.settle(EDGE, &ids(&jobs)).await.unwrap();

        server.command::<()>(&format!("XADD {QUEUE} {id} a b")).await;
        let at = append(&node.log, epoch, &named(1, Position::START)).await.0;
        let jobs = node.next().await;
        assert_eq!(
            (purged(&jobs), jobs[0].id),
            (vec![everything()], JobId(at.as_u64())),
            "found by an append"
        );
        purge(&node, epoch, 2..3).await;
        assert_eq!(purged(&node.next().await), [vec![tag(2)]]);
    }
}

#[tokio::test]
async fn keys_of_another_type_are_replaced() {
    let (server, node, epoch) = leader().await;
    let positions = purge(&node, epoch, 0..1).await;
    server.command::<()>(&format!("SET {QUEUE} x")).await;
    assert_eq!(node.outbox.standing(EDGE, positions[0]).await.unwrap(), Wait::Outstanding);
    assert_eq!(node.outbox.backlog(EDGE).await.unwrap().waiting, 0);
    assert_eq!(node.recover().await, []);
    node.outbox.settle(EDGE, &[JobId(1)]).await.unwrap();
    node.outbox.bury(EDGE, &[JobId(1)], "no").await.unwrap();
    assert_eq!(purged(&node.next().await), [everything()]);
    server.command::<()>(&format!("SET {QUEUE} x")).await;
    purge(&node, epoch, 1..2).await;
    assert_eq!(purged(&node.next().await), [everything()]);

    server.command::<()>(&format!("SET {QUEUE}:dead x")).await;
    assert_eq!(node.outbox.retry(EDGE).await.unwrap(), 0);
    purge(&node, epoch, 2..3).await;
    let jobs = node.next().await;
    node.outbox.bury(EDGE, &ids(&jobs), "no").await.unwrap();
    assert_eq!(node.outbox.backlog(EDGE).await.unwrap().dead, 1);

    server.command::<()>(&format!("DEL {QUEUE}:lead")).await;
    server.command::<()>(&format!("SADD {QUEUE}:lead x")).await;
    assert!(node.outbox.next(EDGE, 1, Duration::ZERO).await.is_err());
    node.outbox.resign(EDGE).await.unwrap();
    assert!(node.leads().await);
    assert_eq!(node.next().await, []);
}

#[tokio::test]
async fn a_group_that_somebody_removed_is_made_again() {
    let (server, node, epoch) = leader().await;
    purge(&node, epoch, 0..2).await;
    let jobs = node.next().await;
    node.outbox.settle(EDGE, &ids(&jobs)[..1]).await.unwrap();
    server.command::<()>(&format!("XGROUP DESTROY {QUEUE} larder")).await;
    assert_eq!(node.recover().await, []);
    node.outbox.settle(EDGE, &[JobId(1)]).await.unwrap();
    assert_eq!(node.next().await, jobs[1..], "handed out once more");
}

#[tokio::test]
async fn a_full_server_still_moves_jobs() {
    let server = RedisServer::builder().maxmemory("10mb", "noeviction").start().await;
    let node = Node::at(&server.url(), 1);
    let epoch = node.open(None).await;
    let mut connection = server.connect().await;
    let block = vec![b'x'; 1 << 16];
    let mut number = 0;
    while redis::cmd("SET").arg(number).arg(&block).query_async::<()>(&mut connection).await.is_ok() {
        number += 1;
    }
    purge(&node, epoch, 0..3).await;
    assert!(node.leads().await);
    let jobs = node.next().await;
    assert_eq!(jobs.len(), 3);
    node.outbox.settle(EDGE, &ids(&jobs)[..1]).await.unwrap();
    node.outbox.bury(EDGE, &ids(&jobs)[1..], "no").await.unwrap();
    assert_eq!(node.outbox.retry(EDGE).await.unwrap(), 2);
    node.outbox.resign(EDGE).await.unwrap();
}
