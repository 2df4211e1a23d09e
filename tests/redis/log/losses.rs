//! What is lost is noticed: another birth, another term or a gap, and nothing done in the meantime.

use super::{append_all, fresh, hard, ids, log_at, read, record};
use crate::support::{Data, RedisServer};
use larder::fleet::{Append, Intent, LogStore, NODE_TIMEOUT, NodeId, StoreError};
use larder::invalidation::{Epoch, IntentId, Mode, Names, Position, Purge, Term};
use larder::redis::RedisLog;
use std::sync::Arc;
use std::time::Duration;

const PARTS: [&str; 8] = ["head", "stream", "table:hard", "table:soft", "intents", "due", "owned", "nodes"];

/// A log with something in every part of it.
async fn furnished() -> (RedisServer, Arc<RedisLog>, Epoch) {
    let (server, log, head) = fresh().await;
    let epoch = head.epoch();
    let last = append_all(&log, epoch, 0..3).await;
    let soft = Append { purges: Arc::from([super::purge(3, Mode::Soft)]), ..record(3, last) };
    super::append(&log, epoch, &soft).await;
    log.beat(epoch, NodeId(1), last, NODE_TIMEOUT).await.unwrap();
    log.intend(epoch, &intent(7)).await.unwrap();
    (server, log, epoch)
}

fn intent(id: u128) -> Intent {
    Intent {
        id: IntentId(id),
        node: Some(NodeId(1)),
        purges: Arc::from([hard(id as u64)]),
        names: Names::NONE,
        within: Duration::from_secs(60),
    }
}

/// Everything that a node may ask is refused.
async fn moved(log: &RedisLog, epoch: Epoch, why: &str) {
    let start = Position::START;
    assert_eq!(log.append(epoch, &record(99, start)).await, Err(StoreError::Moved), "append, {why}");
    let block = Duration::from_secs(15);
    assert_eq!(log.read(epoch, start, block).await, Err(StoreError::Moved), "read, {why}");
    assert_eq!(log.table(epoch, Mode::Hard, 0).await, Err(StoreError::Moved), "table, {why}");
    assert_eq!(log.beat(epoch, NodeId(1), start, NODE_TIMEOUT).await, Err(StoreError::Moved), "beat, {why}");
    assert_eq!(log.intend(epoch, &intent(8)).await, Err(StoreError::Moved), "intend, {why}");
    assert_eq!(log.withdraw(epoch, IntentId(7)).await, Err(StoreError::Moved), "withdraw, {why}");
}

#[tokio::test]
async fn each_lost_part_gives_birth_to_another_log() {
    for part in PARTS {
        for loss in ["DEL {key}", "MOVE {key} 1", "RENAME {key} elsewhere"] {
            let (server, log, epoch) = furnished().await;
            let before: Vec<String> = server.command("KEYS *").await;
            server.command::<redis::Value>(&loss.replace("{key}", &format!("{{shop}}:log:{part}"))).await;
            moved(&log, epoch, &format!("{part}: {loss}")).await;
            let mut after: Vec<String> = server.command("KEYS {shop}*").await;
            after.push(format!("{{shop}}:log:{part}"));
            assert_eq!(after.len(), before.len(), "{part}: nothing was written");

            let head = log.open(Position::from_u64(1 << 60), Some(epoch)).await.unwrap();
            assert!(head.birth != epoch.birth && head.term == Term(1) && head.ends.is_empty(), "{part}");
            assert!(head.last > Position::from_u64(1 << 60));
            assert_eq!(log.open(Position::START, None).await.as_ref(), Ok(&head), "{part}: it stays");
            assert_eq!(read(&log, head.epoch(), Position::START).await, [], "{part}");
            let position = append_all(&log, head.epoch(), 20..21).await;
            assert!(position > head.last);
            assert_eq!(ids(&read(&log, head.epoch(), head.last).await), [20]);
        }
    }
}

#[tokio::test]
async fn a_part_of_another_type_or_of_another_log_is_lost() {
    for part in PARTS {
        for other in ["SET {key} x", "SADD {key} x"] {
            let (server, log, epoch) = furnished().await;
            let key = format!("{{shop}}:log:{part}");
            server.command::<()>(&format!("DEL {key}")).await;
            server.command::<()>(&other.replace("{key}", &key)).await;
            moved(&log, epoch, part).await;
            assert_ne!(log.open(Position::START, Some(epoch)).await.unwrap().birth, epoch.birth, "{part}");
        }
    }
    // A part of an earlier birth in the place of the present one's.
    for part in ["table:hard", "table:soft", "intents", "due", "owned", "nodes"] {
        let (server, log, epoch) = furnished().await;
        let key = format!("{{shop}}:log:{part}");
        server.command::<()>(&format!("COPY {key} kept")).await;
        server.command::<()>("DEL {shop}:log:head").await;
        let head = log.open(Position::START, Some(epoch)).await.unwrap();
        append_all(&log, head.epoch(), 0..2).await;
        let soft = Append { purges: Arc::from([super::purge(3, Mode::Soft)]), ..record(3, Position::START) };
        super::append(&log, head.epoch(), &soft).await;
        server.command::<()>(&format!("COPY kept {key} REPLACE")).await;
        moved(&log, head.epoch(), part).await;
    }
}

#[tokio::test]
async fn a_stream_that_others_changed_is_noticed() {
    for change in ["XTRIM {key} MAXLEN 0", "XADD {key} * a b", "DEL {key}"] {
        let (server, log, epoch) = furnished().await;
        server.command::<redis::Value>(&change.replace("{key}", "{shop}:log:stream")).await;
        let read = log.read(epoch, Position::START, Duration::from_millis(20)).await;
        assert_eq!(read, Err(StoreError::Moved), "{change}");
        assert_ne!(log.open(Position::START, Some(epoch)).await.unwrap().birth, epoch.birth, "{change}");
    }
    // The newest one taken out: to be noticed by who has not read it, as nobody else misses anything.
    let (server, log, epoch) = furnished().await;
    let records = read(&log, epoch, Position::START).await;
    let id = |at: Position| format!("{}-{}", at.as_u64() >> 20, at.as_u64() & ((1 << 20) - 1));
    server.command::<()>(&format!("XDEL {{shop}}:log:stream {}", id(records[3].position))).await;
    let read = log.read(epoch, records[2].position, Duration::from_millis(20)).await;
    assert_eq!(read, Err(StoreError::Moved));
    assert_ne!(log.open(Position::START, Some(epoch)).await.unwrap().birth, epoch.birth);
}

#[tokio::test]
async fn a_record_that_no_node_wrote_ends_the_log() {
    let (server, log, epoch) = furnished().await;
    let last = read(&log, epoch, Position::START).await[3].position;
    let (millis, sequence) = (last.as_u64() >> 20, last.as_u64() & ((1 << 20) - 1));
    let id = format!("{millis}-{}", sequence + 1);
    server.command::<()>(&format!("XADD {{shop}}:log:stream {id} previous 0-0 id x")).await;
    server.command::<()>(&format!("HSET {{shop}}:log:head tip {id} last {id}")).await;
    assert_eq!(log.read(epoch, last, Duration::ZERO).await, Err(StoreError::Moved));
    assert_ne!(log.open(Position::START, Some(epoch)).await.unwrap().birth, epoch.birth);
}

#[tokio::test]
async fn everything_flushed_is_another_log() {
    let (server, log, epoch) = furnished().await;
    let waiting = tokio::spawn({
        let log = Arc::clone(&log);
        async move {
            let mut after = Position::START;
            loop {
                match log.read(epoch, after, Duration::from_millis(200)).await {
                    Ok(records) => after = records.last().map_or(after, |record| record.position),
                    Err(error) => return error,
                }
            }
        }
    });
    server.command::<()>("FLUSHALL").await;
    assert_eq!(crate::support::within("it notices", waiting).await.unwrap(), StoreError::Moved);
    moved(&log, epoch, "flushed").await;
    assert_eq!(server.command::<usize>("DBSIZE").await, 0);
    assert_ne!(log.open(Position::START, Some(epoch)).await.unwrap().birth, epoch.birth);
}

#[tokio::test]
async fn an_empty_server_is_another_log_and_one_with_its_data_another_term() {
    let mut server = RedisServer::builder().appendonly().start().await;
    let log = log_at(&server.url());
    let first = log.open(Position::START, None).await.unwrap();
    let last = append_all(&log, first.epoch(), 0..3).await;

    server.restart(Data::Kept).await;
    let log = log_at(&server.url());
    moved(&log, first.epoch(), "restarted").await;
    let seen = Position::from_u64(last.as_u64() + 77);
    // Many at once: one term.
    let known = first.epoch();
    let opens = (0..8).map(|_| {
        let log = log_at(&server.url());
        tokio::spawn(async move { log.open(seen, Some(known)).await.unwrap() })
    });
    let mut heads = Vec::new();
    for open in opens.collect::<Vec<_>>() {
        heads.push(open.await.unwrap());
    }
    let second = heads[0].clone();
    assert!(heads.iter().all(|head| *head == second));
    assert_eq!((second.birth, second.term), (first.birth, Term(2)));
    assert_eq!((&second.ends[..], second.last), (&[last][..], seen));
    moved(&log, first.epoch(), "of the term before").await;
    let position = append_all(&log, second.epoch(), 3..4).await;
    assert!(position > seen);
    let records = read(&log, second.epoch(), Position::START).await;
    assert_eq!(ids(&records), [0, 1, 2, 3], "it inherited the first three");
    assert_eq!(records[3].previous, last);

    server.restart(Data::Lost).await;
    let log = log_at(&server.url());
    moved(&log, second.epoch(), "empty").await;
    let third = log.open(position, Some(second.epoch())).await.unwrap();
    assert_ne!(third.birth, first.birth);
    assert!(third.term == Term(1) && third.last > position);
}

#[tokio::test]
async fn a_term_begins_beyond_those_that_were_lost() {
    let mut server = RedisServer::builder().appendonly().start().await;
    let log = log_at(&server.url());
    let first = log.open(Position::START, None).await.unwrap();
    let last = append_all(&log, first.epoch(), 0..3).await;
    server.restart(Data::Kept).await;
    let log = log_at(&server.url());
    let known = Epoch { term: Term(4), ..first.epoch() };
    let head = log.open(last, Some(known)).await.unwrap();
    assert_eq!((head.birth, head.term, head.ends), (first.birth, Term(5), vec![last; 4]));
    server.restart(Data::Kept).await;
    let log = log_at(&server.url());
    // Of another log: says nothing of this one.
    let known = Epoch { birth: larder::invalidation::Birth(1), term: Term(4000) };
    assert_eq!(log.open(last, Some(known)).await.unwrap().term, Term(6));
    server.restart(Data::Kept).await;
    let log = log_at(&server.url());
    let known = Epoch { term: Term(u32::MAX - 1), ..first.epoch() };
    let head = log.open(last, Some(known)).await.unwrap();
    assert!(head.birth != first.birth && head.term == Term(1), "too many terms");
}

#[tokio::test]
async fn another_layout_is_left_alone() {
    let (server, log, epoch) = furnished().await;
    server.command::<()>("HSET {shop}:log:head layout 2").await;
    assert_eq!(log.open(Position::START, None).await, Err(StoreError::Layout(2)));
    assert_eq!(log.append(epoch, &record(9, Position::START)).await, Err(StoreError::Layout(2)));
    assert_eq!(log.read(epoch, Position::START, Duration::ZERO).await, Err(StoreError::Layout(2)));
    log.leave(NodeId(1)).await.unwrap();
    server.command::<()>("HSET {shop}:log:head layout 1").await;
    assert_eq!(log.open(Position::START, None).await.unwrap().epoch(), epoch);
    let nodes = async || log.beat(epoch, NodeId(2), Position::START, NODE_TIMEOUT).await.unwrap().peers.len();
    assert_eq!(nodes().await, 2);
    log.leave(NodeId(1)).await.unwrap();
    assert_eq!(nodes().await, 1);
}

#[tokio::test]
async fn intents_outlive_the_log() {
    let (server, log, epoch) = furnished().await;
    server.command::<()>("DEL {shop}:log:table:hard").await;
    let head = log.open(Position::START, Some(epoch)).await.unwrap();
    let due = log.beat(head.epoch(), NodeId(2), Position::START, NODE_TIMEOUT).await.unwrap().due;
    assert_eq!(due, [], "its node lives");
    server.command::<()>("DEL {shop}:log:nodes").await;
    let head = log.open(Position::START, None).await.unwrap();
    let due = log.beat(head.epoch(), NodeId(2), Position::START, NODE_TIMEOUT).await.unwrap().due;
    assert_eq!((due[0].id, &due[0].purges[..], due[0].last), (IntentId(7), &[hard(7)][..], false));

    // What it would have purged is lost, its deadline is not.
    let soon = Intent { within: Duration::ZERO, ..intent(8) };
    log.intend(head.epoch(), &soon).await.unwrap();
    log.withdraw(head.epoch(), IntentId(7)).await.unwrap();
    server.command::<()>("DEL {shop}:log:intents").await;
    let head = log.open(Position::START, None).await.unwrap();
    let due = log.beat(head.epoch(), NodeId(2), Position::START, NODE_TIMEOUT).await.unwrap().due;
    assert_eq!(due.len(), 1);
    assert_eq!((&due[0].purges[..], due[0].last), (&[Purge::everything()][..], true));
}

#[tokio::test]
async fn a_term_that_the_server_never_heard_of_is_outgrown_when_it_is_taken_for_lost() {
    let (_server, log, epoch) = furnished().await;
    let known = Epoch { term: Term(4), ..epoch };
    let head = log.open(Position::START, Some(known)).await.unwrap();
    assert_eq!(head.epoch(), epoch, "it may be the primary of before, which gives way soon");
    let head = log.outgrow(Position::START, known).await.unwrap();
    assert_eq!((head.birth, head.term, head.ends.len()), (epoch.birth, Term(5), 4));
    assert!(head.ends.windows(2).all(|ends| ends[0] <= ends[1]));
    moved(&log, epoch, "the term is over").await;
    // Another node that knew of it finds that done.
    assert_eq!(log.outgrow(Position::START, known).await.unwrap().epoch(), head.epoch());
}
