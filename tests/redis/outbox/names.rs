//! How purges come into queues: by the append, whoever makes it.

use super::{EDGE, Node, OTHER, QUEUE, everything, ids, leader, named, purge, purged, tag};
use crate::log::{append, log_at, read, record};
use crate::support::within;
use larder::cdn::{JobId, Outbox, Wait};
use larder::fleet::{Append, Appended, Due, Intent, LogStore, NODE_TIMEOUT, NodeId, RecordId, Settle};
use larder::invalidation::{IntentId, Names, Position};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn an_append_queues_its_names_for_every_cdn() {
    let (server, node, epoch) = leader().await;
    let positions = purge(&node, epoch, 0..3).await;
    let jobs = node.next().await;
    assert_eq!(jobs.iter().map(|job| job.position).collect::<Vec<_>>(), positions);
    assert_eq!(ids(&jobs), positions.iter().map(|at| JobId(at.as_u64())).collect::<Vec<_>>());
    assert_eq!(purged(&jobs), (0..3).map(|number| vec![tag(number)]).collect::<Vec<_>>());
    let (seconds, _): (u64, u64) = server.command("TIME").await;
    assert!(jobs.iter().all(|job| seconds - job.at.as_secs() < 60));
    assert!(node.outbox.lead(OTHER, super::TERM).await.unwrap());
    assert_eq!(node.outbox.next(OTHER, 100, Duration::ZERO).await.unwrap(), jobs);
    append(&node.log, epoch, &record(3, Position::START)).await;
    assert_eq!(purged(&node.next().await), [everything()], "too much, where there are no names");
    assert!(node.outbox.next("unknown", 1, Duration::ZERO).await.is_err());
    assert_eq!(node.told.events(), []);
}

#[tokio::test]
async fn records_tell_their_names_to_nodes_that_tell_cdns() {
    let (server, node, epoch) = leader().await;
    let positions = purge(&node, epoch, 0..2).await;
    append(&node.log, epoch, &record(2, positions[1])).await;
    let names = |number| Names::of(&[tag(number)]);
    let records = read(&node.log, epoch, Position::START).await;
    let read_names: Vec<_> = records.iter().map(|record| record.names.clone()).collect();
    assert_eq!(read_names, [names(0), names(1), Names::everything()]);
    let (_, between) = append(&node.log, epoch, &named(3, positions[0])).await;
    let between: Vec<_> = between.iter().map(|record| record.names.clone()).collect();
    assert_eq!(between, [names(1), Names::everything(), names(3)]);

    // So has a read that waits for them.
    let after = read(&node.log, epoch, Position::START).await.last().unwrap().position;
    let waiting = node.log.read(epoch, after, super::LONG);
    let appending = async {
        server.says("CLIENT LIST", "cmd=xread").await;
        append(&node.log, epoch, &named(5, after)).await
    };
    let (records, _) = within("the record", async { tokio::join!(waiting, appending) }).await;
    assert_eq!(records.unwrap()[0].names, names(5));

    // A node without CDNs reads the same records.
    let plain = log_at(&server.url());
    assert_eq!(plain.open(Position::START, None).await.unwrap().epoch(), epoch);
    let records = read(&plain, epoch, Position::START).await;
    assert!(records.len() == 5 && records.iter().all(|record| !record.names.is_empty()));
    let fields: usize = server
        .command::<Vec<(String, Vec<redis::Value>)>>("XRANGE {shop}:log:stream - +")
        .await
        .iter()
        .map(|(_, fields)| fields.len())
        .sum();
    assert_eq!(fields, 5 * 10, "every record has the five fields that every version reads");
    append(&plain, epoch, &record(4, positions[0])).await;
    assert_eq!(node.next().await.len(), 6);
    assert_eq!(read(&node.log, epoch, Position::START).await.len(), 6);
}

#[tokio::test]
async fn names_that_belong_to_no_record_hold_nobody_up() {
    let (server, node, epoch) = leader().await;
    for set in ["XADD {shop}:log:names 99999999999999-0 a b", "SET {shop}:log:names x"] {
        server.command::<()>("DEL {shop}:log:names").await;
        server.command::<redis::Value>(set).await;
        let node = Node::at(&server.url(), 2);
        let epoch = node.open(Some(epoch)).await;
        let after = purge(&node, epoch, 0..1).await[0];
        assert_eq!(read(&node.log, epoch, Position::START).await.last().unwrap().names, Names::of(&[tag(0)]));
        server.command::<()>("XADD {shop}:log:names 99999999999999-1 a b").await;
        let waits = node.log.read(epoch, after, Duration::from_millis(50));
        assert_eq!(within("the read ends", waits).await, Ok(Vec::new()), "and none of it is a record");
    }
    drop(node);
}

#[tokio::test]
async fn intents_keep_their_names_until_they_are_swept() {
    let (server, node, epoch) = leader().await;
    let intent = |id: u128, within| Intent {
        id: IntentId(id),
        node: Some(NodeId(7)),
        purges: record(id as u64, Position::START).purges,
        names: Names::of(&[tag(id as u64)]),
        within,
    };
    let long = Duration::from_secs(600);
    for id in 0..4 {
        node.log.intend(epoch, &intent(id, long)).await.unwrap();
    }
    node.log.withdraw(epoch, IntentId(1)).await.unwrap();
    let done = Append { settles: vec![Settle::Done(IntentId(2))], ..named(2, Position::START) };
    append(&node.log, epoch, &done).await;
    assert_eq!(server.command::<usize>("HLEN {shop}:log:intents").await, 1 + 2 * 2, "none is left behind");

    // Whoever sweeps has them, also from a log that was born meanwhile.
    server.command::<()>("DEL {shop}:log:table:hard").await;
    let epoch = node.open(Some(epoch)).await;
    server.command::<()>("HDEL {shop}:log:nodes 7").await;
    let mut due = node.log.beat(epoch, NodeId(1), Position::START, NODE_TIMEOUT).await.unwrap().due;
    due.sort_by_key(|due| due.id);
    let names: Vec<_> = due.iter().map(|due| (due.id.0, due.names.clone())).collect();
    assert_eq!(names, [(0, Names::of(&[tag(0)])), (3, Names::of(&[tag(3)]))]);
    let Due { id, purges, names, .. } = due[0].clone();
    let settles = vec![Settle::Sweep(id)];
    let sweep = |id| Append {
        id: RecordId(id),
        purges: purges.clone(),
        names: names.clone(),
        settles: settles.clone(),
        ..named(9, Position::START)
    };
    assert!(matches!(node.log.append(epoch, &sweep(1)).await, Ok(Appended::At { .. })));
    assert_eq!(node.log.append(epoch, &sweep(2)).await, Ok(Appended::Swept));
    assert_eq!(purged(&node.next().await), [vec![tag(2)], vec![tag(0)]], "queued once, by who was first");

    // Of those that are known by their deadline alone everything is purged, and CDNs are told so.
    for id in [0, 3] {
        node.log.withdraw(epoch, IntentId(id)).await.unwrap();
    }
    node.log.intend(epoch, &intent(5, Duration::ZERO)).await.unwrap();
    server.command::<()>("DEL {shop}:log:intents").await;
    let epoch = node.open(Some(epoch)).await;
    let due = node.log.beat(epoch, NodeId(1), Position::START, NODE_TIMEOUT).await.unwrap().due;
    assert_eq!(due.iter().map(|due| due.names.clone()).collect::<Vec<_>>(), [Names::everything()]);
}

#[tokio::test]
async fn what_waits_is_outstanding_and_what_is_settled_is_delivered() {
    let (server, node, epoch) = leader().await;
    let positions = purge(&node, epoch, 0..3).await;
    let outbox = &node.outbox;
    let standing = async || {
        let mut each = Vec::new();
        for position in &positions {
            each.push(outbox.standing(EDGE, *position).await.unwrap());
        }
        each
    };
    let waits = || Wait::Outstanding;
    assert_eq!(standing().await, [waits(), waits(), waits()]);
    let backlog = outbox.backlog(EDGE).await.unwrap();
    let jobs = node.next().await;
    assert_eq!((backlog.waiting, backlog.oldest, backlog.dead), (3, Some(jobs[0].at), 0));
    outbox.settle(EDGE, &ids(&jobs)[..1]).await.unwrap();
    assert_eq!(standing().await, [Wait::Delivered, waits(), waits()]);
    outbox.settle(EDGE, &ids(&jobs)[..2]).await.unwrap();
    outbox.settle(EDGE, &ids(&jobs)[..2]).await.unwrap();
    assert_eq!(standing().await, [Wait::Delivered, Wait::Delivered, waits()]);
    assert_eq!(node.recover().await, jobs[2..], "handed out, and not settled");
    outbox.settle(EDGE, &ids(&jobs)).await.unwrap();
    assert_eq!(standing().await, [Wait::Delivered, Wait::Delivered, Wait::Delivered]);
    assert_eq!(outbox.backlog(EDGE).await.unwrap(), larder::cdn::Backlog::default());
    let pending: Vec<redis::Value> = server.command(&format!("XPENDING {QUEUE} larder")).await;
    assert_eq!(pending[0], redis::Value::Int(0));
}

#[tokio::test]
async fn a_wait_goes_by_the_job_itself() {
    let (server, node, epoch) = leader().await;
    let positions = purge(&node, epoch, 0..4).await;
    let outbox = &node.outbox;
    let jobs = ids(&node.next().await);
    let standing = async |position| outbox.standing(EDGE, position).await.unwrap();
    outbox.told(EDGE, &jobs[1..2]).await.unwrap();
    outbox.told(EDGE, &[jobs[1], JobId(7)]).await.unwrap();
    outbox.settle(EDGE, &jobs[2..3]).await.unwrap();
    assert_eq!(standing(positions[0]).await, Wait::Outstanding, "held up");
    assert_eq!(standing(positions[1]).await, Wait::Delivered, "told, and to be told again");
    assert_eq!(standing(positions[2]).await, Wait::Delivered, "whatever is before it");
    assert_eq!(standing(positions[3]).await, Wait::Outstanding);
    assert_eq!(outbox.standing(super::OTHER, positions[1]).await.unwrap(), Wait::Outstanding, "another CDN");
    assert_eq!(node.recover().await.len(), 3, "what was told stays");
    // A position without a job of its own: those before it.
    let nobody = Position::from_u64(positions[3].as_u64() + 1);
    outbox.settle(EDGE, &jobs[3..]).await.unwrap();
    assert_eq!(standing(nobody).await, Wait::Outstanding, "the first waits");
    outbox.told(EDGE, &jobs[..1]).await.unwrap();
    assert_eq!(standing(nobody).await, Wait::Delivered);
    // A dead letter that is tried again is told anew.
    let last = purge(&node, epoch, 4..6).await;
    let jobs = ids(&node.next().await);
    outbox.bury(EDGE, &jobs[..1], "no").await.unwrap();
    assert_eq!(standing(last[0]).await, Wait::Dead("no".to_owned()));
    outbox.retry(EDGE).await.unwrap();
    assert_eq!(standing(last[0]).await, Wait::Outstanding, "behind another one");
    let again = ids(&node.next().await);
    outbox.settle(EDGE, &again).await.unwrap();
    assert_eq!(standing(last[0]).await, Wait::Delivered);
    // Somebody else's key is in the way.
    server.command::<()>(&format!("SET {QUEUE}:told x")).await;
    assert_eq!(standing(last[1]).await, Wait::Outstanding);
    outbox.told(EDGE, &jobs[1..]).await.unwrap();
    assert_eq!(standing(last[1]).await, Wait::Delivered);
    assert!(server.command::<i64>(&format!("PTTL {QUEUE}:told")).await > 0, "it goes in time");
}

#[tokio::test]
async fn a_wait_ends_with_the_append() {
    let (_server, node, epoch) = leader().await;
    let waiting = tokio::spawn({
        let outbox = Arc::clone(&node.outbox);
        async move { outbox.next(EDGE, 100, super::LONG).await.unwrap() }
    });
    purge(&node, epoch, 0..1).await;
    assert_eq!(purged(&within("the job", waiting).await.unwrap()), [vec![tag(0)]]);
    let empty = node.outbox.next(EDGE, 100, Duration::from_millis(20)).await.unwrap();
    assert_eq!(empty, []);
}

#[tokio::test]
async fn a_queue_that_grows_too_long_says_everything() {
    for fill in [
        "for i = 1, 200000 do redis.call('XADD', KEYS[1], '1-' .. i, 'names', 'x') end",
        "for i = 1, 70 do redis.call('XADD', KEYS[1], '1-' .. i, 'names', string.rep('x', 1048576)) end",
    ] {
        let (server, node, epoch) = leader().await;
        let first = purge(&node, epoch, 0..1).await[0];
        // Behind the first, as jobs are.
        let millis = (first.as_u64() >> 20) + 1;
        let mut command = redis::cmd("EVAL");
        command.arg(fill.replace("'1-' ..", &format!("'{millis}-' .."))).arg(1).arg(QUEUE);
        command.query_async::<()>(&mut server.connect().await).await.unwrap();
        let last = append(&node.log, epoch, &named(1, first)).await.0;
        let jobs = node.next().await;
        assert_eq!((purged(&jobs), jobs[0].position), (vec![everything()], last));
        assert_eq!(node.told.events(), [larder::redis::OutboxEvent::Overflow]);
        assert_eq!(node.outbox.standing(EDGE, first).await.unwrap(), Wait::Outstanding, "it stands for all");
        node.outbox.settle(EDGE, &ids(&jobs)).await.unwrap();
        assert_eq!(node.outbox.standing(EDGE, first).await.unwrap(), Wait::Delivered);
        purge(&node, epoch, 2..3).await;
        assert_eq!(purged(&node.next().await), [vec![tag(2)]]);
        assert_eq!(server.command::<usize>("XLEN {shop}:log:cdn:other").await, 3, "the others go on");
    }
}
