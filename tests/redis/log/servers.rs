//! Servers that are full, frozen, old, or forbid something.

use super::{append, append_all, fresh, hard, log_at, log_with, read, record, settings};
use crate::support::RedisServer;
use larder::fleet::{Append, Intent, LogStore, NODE_TIMEOUT, NodeId, StoreError};
use larder::invalidation::{IntentId, Names, Position};
use larder::redis::RedisLogSettings;
use std::sync::Arc;
use std::time::Duration;

fn intent() -> Intent {
    Intent {
        id: IntentId(1),
        node: None,
        purges: Arc::from([hard(1)]),
        names: Names::NONE,
        within: Duration::from_secs(60),
    }
}

/// Fills a server until it refuses to take more.
async fn fill(server: &RedisServer) {
    let mut connection = server.connect().await;
    let block = vec![b'x'; 1 << 16];
    for number in 0..1000 {
        if redis::cmd("SET").arg(number).arg(&block).query_async::<()>(&mut connection).await.is_err() {
            return;
        }
    }
    panic!("it takes everything");
}

#[tokio::test]
async fn a_full_server_still_takes_purges() {
    let server = RedisServer::builder().maxmemory("10mb", "noeviction").start().await;
    fill(&server).await;
    let log = log_at(&server.url());
    let head = log.open(Position::START, None).await.unwrap();
    // Even the table, which is as large again as all that fits.
    let position = append_all(&log, head.epoch(), 0..10).await;
    assert_eq!(read(&log, head.epoch(), Position::START).await.len(), 10);
    log.intend(head.epoch(), &intent()).await.unwrap();
    assert_eq!(log.beat(head.epoch(), NodeId(1), position, NODE_TIMEOUT).await.unwrap().peers.len(), 1);
    log.withdraw(head.epoch(), IntentId(1)).await.unwrap();
}

#[tokio::test]
async fn scripts_without_flags_take_purges_on_a_full_server_too() {
    let server = RedisServer::builder().maxmemory("10mb", "noeviction").start().await;
    let head = log_at(&server.url()).open(Position::START, None).await.unwrap();
    let epoch = [&head.birth.0.to_be_bytes()[..], &head.term.0.to_be_bytes()[..]].concat();
    fill(&server).await;
    let parts = ["head", "stream", "table:hard", "table:soft", "intents", "due", "owned", "nodes", "names"];
    let guard = concat!(
        include_str!("../../../src/redis/positions.lua"),
        include_str!("../../../src/redis/outbox/queue.lua"),
        include_str!("../../../src/redis/log/guard.lua"),
        "\n",
        include_str!("../../../src/redis/log/cdns.lua")
    );
    let append = include_str!("../../../src/redis/log/append.lua");
    let mut results = Vec::new();
    for already in ["redis.pcall('HDEL', KEYS[5], '')", ""] {
        let mut command = redis::cmd("EVAL");
        command.arg(format!("{guard}\n{already}\n{append}")).arg(parts.len());
        parts.iter().for_each(|part| {
            command.arg(format!("{{shop}}:log:{part}"));
        });
        command
            .arg(&epoch[..])
            .arg("0-1")
            .arg("0-0")
            .arg(&[7_u8; 16][..])
            .arg(0)
            .arg(&hard(1).to_bytes()[..]);
        command.arg(&[0_u8, 0, 0, 16][..]).arg("").arg(0).arg(0).arg(10).arg(10).arg("").arg(10).arg(0);
        let reply = command.query_async::<redis::Value>(&mut server.connect().await).await;
        results.push(reply.map_err(|error| error.to_string()));
    }
    assert!(matches!(&results[0], Ok(redis::Value::Array(reply)) if reply.len() == 5), "{results:?}");
    assert!(
        results[1].as_ref().is_err_and(|error| error.contains("OOM")),
        "nothing else but this: {results:?}"
    );
}

#[tokio::test]
async fn a_frozen_server_holds_nobody_up() {
    let server = RedisServer::start().await;
    let short = Duration::from_millis(300);
    let log = log_with(&server.url(), RedisLogSettings { timeout: short, patience: short, ..settings() });
    let mut opened = log.open(Position::START, None).await;
    while opened.is_err() {
        opened = log.open(Position::START, None).await;
    }
    let epoch = opened.unwrap().epoch();
    server.freeze();
    let begun = std::time::Instant::now();
    assert!(matches!(log.append(epoch, &record(1, Position::START)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(log.read(epoch, Position::START, short).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(
        log.beat(epoch, NodeId(1), Position::START, NODE_TIMEOUT).await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(log.intend(epoch, &intent()).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(log.open(Position::START, None).await, Err(StoreError::Unavailable(_))));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    server.thaw();
    // What it was asked while it was frozen it may still do; nothing of it answers anything else.
    let log = log_at(&server.url());
    assert_eq!(log.open(Position::START, None).await.unwrap().epoch(), epoch);
    append(&log, epoch, &record(2, Position::START)).await;
    let records = read(&log, epoch, Position::START).await;
    assert_eq!(records.last().unwrap().id.0, 2);
}

#[tokio::test]
async fn a_frozen_server_that_thaws_is_read_again() {
    let server = RedisServer::start().await;
    let log = log_with(&server.url(), RedisLogSettings { patience: Duration::from_secs(1), ..settings() });
    let epoch = log.open(Position::START, None).await.unwrap().epoch();
    let first = append_all(&log, epoch, 0..1).await;
    let block = Duration::from_millis(500);
    assert_eq!(log.read(epoch, first, block).await, Ok(Vec::new()));
    server.freeze();
    assert!(log.read(epoch, first, block).await.is_err());
    server.thaw();
    append(&log, epoch, &record(1, first)).await;
    let records = loop {
        if let Ok(records) = log.read(epoch, first, block).await {
            break records;
        }
    };
    assert_eq!(super::ids(&records), [1]);
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_anew() {
    let (server, log, head) = fresh().await;
    let epoch = head.epoch();
    let first = append_all(&log, epoch, 0..1).await;
    read(&log, epoch, first).await;
    server.command::<()>("CLIENT KILL TYPE normal SKIPME yes").await;
    let mut failed = 0;
    while log.read(epoch, first, Duration::from_millis(10)).await.is_err() {
        failed += 1;
        assert!(failed < 3);
    }
    // Scripts that the server forgot are sent again.
    server.command::<()>("SCRIPT FLUSH").await;
    let mut failed = 0;
    while log.read(epoch, first, Duration::from_millis(10)).await.is_err() {
        failed += 1;
        assert!(failed < 3);
    }
}

#[tokio::test]
async fn a_user_who_may_not_ask_for_the_history_can_still_use_the_log() {
    let server = RedisServer::builder().line("user poor on >secret ~* &* +@all -info").start().await;
    let poor = log_at(&format!("redis://poor:secret@{}", server.address()));
    let head = poor.open(Position::START, None).await.unwrap();
    assert!(!poor.sees_fail_overs());
    append_all(&poor, head.epoch(), 0..2).await;
    // Who may ask begins a term of a history that is known; the other one follows it, and begins none.
    let rich = log_at(&server.url());
    let known = rich.open(Position::START, None).await.unwrap();
    assert!(rich.sees_fail_overs() && known.birth == head.birth && known.term > head.term);
    assert_eq!(poor.open(Position::START, None).await.unwrap().epoch(), known.epoch());
    append_all(&poor, known.epoch(), 2..4).await;
    assert_eq!(read(&rich, known.epoch(), Position::START).await.len(), 4);
}

#[tokio::test]
async fn appends_wait_for_replicas() {
    let primary = RedisServer::start().await;
    let settings = |min_replicas| RedisLogSettings { min_replicas, ..settings() };
    let one = log_with(&primary.url(), settings(1));
    let follows = format!("replicaof 127.0.0.1 {}", primary.port());
    let mut replica = RedisServer::builder().line(follows).start().await;
    replica.says("INFO replication", "master_link_status:up").await;
    let epoch = one.open(Position::START, None).await.unwrap().epoch();
    for number in 1..20 {
        append(&one, epoch, &record(number, Position::START)).await;
        assert_eq!(replica.command::<usize>("XLEN {shop}:log:stream").await, number as usize);
    }
    let short = RedisLogSettings { timeout: Duration::from_secs(1), ..settings(2) };
    let two = log_with(&primary.url(), short);
    let append = Append { settles: Vec::new(), ..record(20, Position::START) };
    assert_eq!(two.append(epoch, &append).await, Err(StoreError::Replicas(1)));
    replica.kill();
    assert_eq!(two.append(epoch, &append).await, Err(StoreError::Replicas(0)));
    assert_eq!(read(&one, epoch, Position::START).await.len(), 21, "they are appended all the same");
}

#[tokio::test]
async fn a_server_that_may_evict_the_log_is_told_from_one_that_does_not() {
    for (size, policy, expected) in
        [("100mb", "allkeys-lru", true), ("100mb", "volatile-lru", false), ("0", "allkeys-lru", false)]
    {
        let server = RedisServer::builder().maxmemory(size, policy).start().await;
        let log = log_at(&server.url());
        log.open(Position::START, None).await.unwrap();
        assert_eq!(log.may_be_evicted(), expected, "{size} {policy}");
    }
}
