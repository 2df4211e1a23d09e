//! Intents and heartbeats.

use super::{fresh, hard, log_at, record};
use crate::support::RedisServer;
use larder::fleet::{
    Append, Appended, Due, Intent, LogStore, MAX_DUE, NODE_TIMEOUT, NodeId, Settle, StoreError,
};
use larder::invalidation::{IntentId, Names, Position};
use std::sync::Arc;
use std::time::Duration;

const ME: NodeId = NodeId(u128::MAX);
const GONE: NodeId = NodeId(5);
const LONG: Duration = Duration::from_secs(600);

fn intent(id: u128, node: Option<NodeId>, within: Duration) -> Intent {
    Intent { id: IntentId(id), node, purges: Arc::from([hard(id as u64)]), names: Names::NONE, within }
}

fn settling(settles: Vec<Settle>) -> Append {
    Append { settles, ..record(1, Position::START) }
}

fn due(id: u128, last: bool) -> Due {
    Due { id: IntentId(id), purges: Arc::from([hard(id as u64)]), names: Names::NONE, last }
}

#[tokio::test]
async fn an_intent_of_a_node_that_is_gone_is_swept_twice() {
    let (server, log, head) = fresh().await;
    let epoch = head.epoch();
    log.intend(epoch, &intent(1, Some(GONE), LONG)).await.unwrap();
    log.intend(epoch, &intent(2, Some(ME), LONG)).await.unwrap();
    log.intend(epoch, &intent(3, None, LONG)).await.unwrap();
    let beat = log.beat(epoch, ME, Position::START, NODE_TIMEOUT).await.unwrap();
    assert_eq!(beat.due, [due(1, false)], "its node never said that it lives");

    // Two sweepers: one of them wins, each time.
    for (settle, left) in [(Settle::Sweep(IntentId(1)), 1), (Settle::Last(IntentId(1)), 0)] {
        let race = [log_at(&server.url()), log_at(&server.url())].map(|log| {
            tokio::spawn(async move { log.append(epoch, &settling(vec![settle])).await.unwrap() })
        });
        let mut swept = 0;
        for sweeper in race {
            swept += usize::from(sweeper.await.unwrap() == Appended::Swept);
        }
        assert_eq!(swept, 1, "{settle:?}");
        assert_eq!(log.beat(epoch, ME, Position::START, NODE_TIMEOUT).await.unwrap().due, []);
        assert_eq!(server.command::<usize>("ZCARD {shop}:log:due").await, 3 + left);
    }
    assert_eq!(server.command::<usize>("XLEN {shop}:log:stream").await, 2);
}

#[tokio::test]
async fn an_intent_falls_due_at_its_deadline_whoever_lives() {
    let (server, log, head) = fresh().await;
    let epoch = head.epoch();
    log.intend(epoch, &intent(1, Some(ME), Duration::ZERO)).await.unwrap();
    log.intend(epoch, &intent(2, None, Duration::ZERO)).await.unwrap();
    log.intend(epoch, &intent(3, Some(GONE), Duration::ZERO)).await.unwrap();
    let mut all = log.beat(epoch, ME, Position::START, NODE_TIMEOUT).await.unwrap().due;
    all.sort_by_key(|due| due.id);
    assert_eq!(all, [due(1, true), due(2, true), due(3, true)], "each once");
    // Swept before by its node, and it still falls due.
    log.append(epoch, &settling(vec![Settle::Sweep(IntentId(1)), Settle::Last(IntentId(2))])).await.unwrap();
    assert_eq!(log.beat(epoch, ME, Position::START, NODE_TIMEOUT).await.unwrap().due.len(), 2);
    assert_eq!(server.command::<usize>("HLEN {shop}:log:intents").await, 3);
}

#[tokio::test]
async fn an_intent_that_is_done_or_taken_back_is_gone() {
    let (server, log, head) = fresh().await;
    let epoch = head.epoch();
    for id in 1..=3 {
        log.intend(epoch, &intent(id, Some(GONE), LONG)).await.unwrap();
    }
    log.intend(epoch, &intent(3, Some(GONE), LONG)).await.unwrap();
    log.withdraw(epoch, IntentId(2)).await.unwrap();
    log.withdraw(epoch, IntentId(2)).await.unwrap();
    for _ in 0..2 {
        let done =
            log.append(epoch, &settling(vec![Settle::Done(IntentId(1)), Settle::Done(IntentId(3))])).await;
        assert!(matches!(done, Ok(Appended::At { .. })), "it is appended though its intent is gone");
    }
    assert_eq!(log.beat(epoch, ME, Position::START, NODE_TIMEOUT).await.unwrap().due, []);
    for count in ["HLEN {shop}:log:intents", "ZCARD {shop}:log:due", "ZCARD {shop}:log:owned"] {
        assert_eq!(server.command::<usize>(count).await, 1, "{count}");
    }
    // Nobody knows whether it was swept: purged once more, rather than not at all.
    let lost = log.append(epoch, &settling(vec![Settle::Sweep(IntentId(9))])).await;
    assert!(matches!(lost, Ok(Appended::At { .. })));
    assert_eq!(log.append(epoch, &settling(vec![Settle::Last(IntentId(9))])).await, Ok(Appended::Swept));
    // One that was swept takes the others with it.
    log.intend(epoch, &intent(4, Some(GONE), LONG)).await.unwrap();
    let both = vec![Settle::Done(IntentId(4)), Settle::Last(IntentId(9))];
    assert_eq!(log.append(epoch, &settling(both)).await, Ok(Appended::Swept));
    assert_eq!(log.beat(epoch, ME, Position::START, NODE_TIMEOUT).await.unwrap().due, [due(4, false)]);
}

#[tokio::test]
async fn many_intents_are_handed_out_in_parts() {
    let (_server, log, head) = fresh().await;
    let epoch = head.epoch();
    for id in 0..100 {
        log.intend(epoch, &intent(id, Some(NodeId(id % 3)), LONG)).await.unwrap();
    }
    for node in 0..2 {
        log.beat(epoch, NodeId(node), Position::START, NODE_TIMEOUT).await.unwrap();
    }
    // Those of the one node that is gone, found beyond those of the others.
    let beat = log.beat(epoch, ME, Position::START, NODE_TIMEOUT).await.unwrap();
    assert_eq!(beat.due.len(), 33);
    assert!(beat.due.iter().all(|due| due.id.0 % 3 == 2 && !due.last));
    for node in 0..2 {
        log.leave(NodeId(node)).await.unwrap();
    }
    let mut swept = 0;
    loop {
        let beat = log.beat(epoch, ME, Position::START, NODE_TIMEOUT).await.unwrap();
        assert!(beat.due.len() <= MAX_DUE);
        for due in &beat.due {
            log.append(epoch, &settling(vec![Settle::Sweep(due.id)])).await.unwrap();
        }
        swept += beat.due.len();
        if beat.due.is_empty() {
            break;
        }
    }
    assert_eq!(swept, 100);
}

/// Makes the last heartbeat of a node one of some seconds ago, with nothing applied.
pub(crate) async fn silent(server: &RedisServer, node: NodeId, for_seconds: i64) {
    let (seconds, _): (i64, i64) = server.command("TIME").await;
    let mut command = redis::cmd("HSET");
    command.arg("{shop}:log:nodes").arg(&node.0.to_be_bytes()[..]);
    command.arg(format!("0-0 {}", (seconds - for_seconds) * 1000));
    command.query_async::<()>(&mut server.connect().await).await.unwrap();
}

#[tokio::test]
async fn nodes_live_while_they_beat() {
    let (server, log, head) = fresh().await;
    let epoch = head.epoch();
    let last = super::append_all(&log, epoch, 0..2).await;
    log.beat(epoch, GONE, Position::from_u64(7), NODE_TIMEOUT).await.unwrap();
    let beat = log.beat(epoch, ME, last, NODE_TIMEOUT).await.unwrap();
    assert_eq!(beat.last, last);
    let mut peers: Vec<_> = beat.peers.iter().map(|peer| (peer.node, peer.applied)).collect();
    peers.sort();
    assert_eq!(peers, [(GONE, Position::from_u64(7)), (ME, last)]);

    // Silent for long, or timed by a clock that was ahead.
    let seconds = i64::try_from(NODE_TIMEOUT.as_secs()).unwrap() + 10;
    for shift in [-seconds, seconds] {
        log.beat(epoch, GONE, Position::START, NODE_TIMEOUT).await.unwrap();
        silent(&server, GONE, shift).await;
        let beat = log.beat(epoch, ME, last, NODE_TIMEOUT).await.unwrap();
        assert_eq!(beat.peers.iter().map(|peer| peer.node).collect::<Vec<_>>(), [ME]);
    }

    // One that may be serving is waited for, and what it announced is swept all the same.
    log.intend(epoch, &intent(3, Some(GONE), LONG)).await.unwrap();
    silent(&server, GONE, seconds).await;
    let beat = log.beat(epoch, ME, last, Duration::from_secs(600)).await.unwrap();
    assert_eq!(beat.peers.len(), 2);
    assert_eq!(beat.due, [due(3, false)]);

    log.leave(ME).await.unwrap();
    assert_eq!(log.beat(epoch, GONE, last, NODE_TIMEOUT).await.unwrap().peers.len(), 1);
}

#[tokio::test]
async fn a_node_that_left_is_gone_whatever_comes_of_it_later() {
    let (server, log, head) = fresh().await;
    let beat = async |epoch, node| -> Vec<_> {
        let beat = log.beat(epoch, node, Position::START, NODE_TIMEOUT).await.unwrap();
        beat.peers.iter().map(|peer| peer.node).collect()
    };
    log.intend(head.epoch(), &intent(1, Some(GONE), LONG)).await.unwrap();
    beat(head.epoch(), GONE).await;
    log.leave(GONE).await.unwrap();
    // A heartbeat that was under way.
    assert_eq!(beat(head.epoch(), GONE).await, []);
    let next = log.beat(head.epoch(), ME, Position::START, NODE_TIMEOUT).await.unwrap();
    assert_eq!((next.peers.len(), next.due), (1, vec![due(1, false)]), "what it announced is swept at once");
    // Neither does another log bring it back.
    server.command::<()>("DEL {shop}:log:stream {shop}:log:table:hard {shop}:log:due").await;
    let head = log.open(Position::START, None).await.unwrap();
    assert_eq!(beat(head.epoch(), ME).await, [ME]);
    assert_eq!(beat(head.epoch(), GONE).await, [ME]);
    assert_eq!(server.command::<usize>("HLEN {shop}:log:nodes").await, 3);
    // Its end is forgotten in time.
    let (seconds, _): (u64, u64) = server.command("TIME").await;
    let mut command = redis::cmd("HSET");
    command.arg("{shop}:log:nodes").arg(&GONE.0.to_be_bytes()[..]);
    command.arg(format!("left {}", (seconds - NODE_TIMEOUT.as_secs() - 10) * 1000));
    command.query_async::<()>(&mut server.connect().await).await.unwrap();
    assert_eq!(beat(head.epoch(), ME).await, [ME]);
    assert_eq!(server.command::<usize>("HLEN {shop}:log:nodes").await, 2);
}

#[tokio::test]
async fn intents_are_bounded() {
    let (server, log, head) = fresh().await;
    let fill = "for i = 1, 100000 do redis.call('HSET', KEYS[1], string.format('%016d', i), 'x') end";
    let mut command = redis::cmd("EVAL");
    command.arg(fill).arg(1).arg("{shop}:log:intents");
    command.query_async::<()>(&mut server.connect().await).await.unwrap();
    let refused = log.intend(head.epoch(), &intent(1, Some(ME), LONG)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    // What is kept is no intent, and a new log is rid of it.
    server.command::<()>("DEL {shop}:log:head").await;
    let head = log.open(Position::START, None).await.unwrap();
    log.intend(head.epoch(), &intent(1, Some(ME), LONG)).await.unwrap();
    assert_eq!(server.command::<usize>("HLEN {shop}:log:intents").await, 2);
}
