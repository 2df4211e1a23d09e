//! Records: their order, what an append brings back, what the tables say afterwards.

use super::{append, append_all, fresh, hard, ids, log_at, log_with, purge, read, record, settings};
use crate::support::{RedisServer, within};
use larder::fleet::{Append, Head, LogStore, RecordId, StoreError, TABLE_CHUNK, TABLE_SLOTS};
use larder::invalidation::{Epoch, Kind, Mode, Position, Purge, table_slots};
use larder::redis::RedisLog;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_many_stand_in_one_order() {
    const NODES: u64 = 8;
    const EACH: u64 = 250;
    let (server, log, head) = fresh().await;
    let epoch = head.epoch();
    let begun = Instant::now();
    let nodes = (0..NODES).map(|node| {
        let log = log_at(&server.url());
        tokio::spawn(async move {
            let mut positions = Vec::new();
            let mut after = Position::START;
            for number in node * EACH..(node + 1) * EACH {
                let (position, between) = append(&log, epoch, &record(number, after)).await;
                assert!(position > after);
                positions.push(position);
                // Whoever is behind by more than one answer holds takes what came.
                after = between.last().unwrap().position;
            }
            positions
        })
    });
    let nodes: Vec<_> = nodes.collect();
    let mut positions = HashSet::new();
    for node in nodes {
        positions.extend(node.await.unwrap());
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{:.0} appends a second by {NODES} nodes", (NODES * EACH) as f64 / seconds);
    assert_eq!(positions.len(), (NODES * EACH) as usize);

    let (mut after, mut seen) = (Position::START, HashSet::new());
    loop {
        let records = read(&log, epoch, after).await;
        for record in &records {
            assert_eq!(record.previous, after, "each names the one before it");
            assert!(record.position > after);
            after = record.position;
            assert!(positions.contains(&after) && seen.insert(record.id));
        }
        if records.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), positions.len());
}

#[tokio::test]
async fn an_append_brings_what_was_between() {
    let (_server, log, head) = fresh().await;
    let epoch = head.epoch();
    let first = append_all(&log, epoch, 0..1).await;
    append_all(&log, epoch, 1..4).await;
    let (position, between) = append(&log, epoch, &record(4, first)).await;
    assert_eq!(ids(&between), [1, 2, 3, 4]);
    assert_eq!(between.last().unwrap().position, position);
    assert_eq!(between, read(&log, epoch, first).await, "as the others read it");
    let (_, between) = append(&log, epoch, &record(5, position)).await;
    assert_eq!(ids(&between), [5]);
    // Too many: the first of them, and not the own one behind a gap.
    append_all(&log, epoch, 6..306).await;
    let (_, between) = append(&log, epoch, &record(306, position)).await;
    assert_eq!(ids(&between), (5..261).collect::<Vec<_>>());
}

#[tokio::test]
async fn positions_are_later_than_the_clock_the_log_and_the_caller_know() {
    let (server, log, head) = fresh().await;
    let epoch = head.epoch();
    let (first, _) = append(&log, epoch, &record(0, Position::START)).await;
    let time: (u64, u64) = server.command("TIME").await;
    let age = time.0 - first.time().as_millis() / 1000;
    assert!(age < 60, "a position of the server's clock, not {first:?}");
    // At the end of a millisecond in the future: the sequence carries.
    let ahead = Position::from_u64((first.as_u64() >> 20 << 20) + (1 << 36) + (1 << 20) - 1);
    let seen = Append { seen: ahead, ..record(1, first) };
    assert_eq!(append(&log, epoch, &seen).await.0.as_u64(), ahead.as_u64() + 1);
    assert_eq!(append(&log, epoch, &record(2, first)).await.0.as_u64(), ahead.as_u64() + 2);
    assert_eq!(ids(&read(&log, epoch, Position::START).await), [0, 1, 2]);
    assert_eq!(ids(&read(&log, epoch, ahead).await), [1, 2], "across the end of a millisecond");
    let end = Append { seen: Position::from_u64(u64::MAX), ..record(3, first) };
    assert!(matches!(log.append(epoch, &end).await, Err(StoreError::Unavailable(_))));
    assert_eq!(append(&log, epoch, &record(4, first)).await.0.as_u64(), ahead.as_u64() + 3);
}

#[tokio::test]
async fn a_blocked_read_wakes_with_the_append() {
    let (_server, log, head) = fresh().await;
    let epoch = head.epoch();
    let after = append_all(&log, epoch, 0..1).await;
    let reader = tokio::spawn({
        let log = Arc::clone(&log);
        async move { log.read(epoch, after, Duration::from_secs(15)).await.unwrap() }
    });
    let urgent = Append { urgent: true, ..record(1, after) };
    append(&log, epoch, &urgent).await;
    let records = within("the record", reader).await.unwrap();
    assert_eq!((ids(&records), records[0].urgent), (vec![1], true));
    assert_eq!(log.read(epoch, records[0].position, Duration::from_millis(20)).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_read_that_was_given_up_does_not_answer_the_next() {
    let (_server, log, head) = fresh().await;
    let epoch = head.epoch();
    let first = append_all(&log, epoch, 0..1).await;
    for number in 1..20 {
        let read = log.read(epoch, Position::from_u64(u64::MAX >> 1), Duration::from_secs(15));
        assert!(tokio::time::timeout(Duration::from_millis(number), read).await.is_err());
        let records = log.read(epoch, first, Duration::from_millis(1)).await.unwrap();
        assert_eq!(ids(&records), (1..u128::from(number)).collect::<Vec<_>>());
        append(&log, epoch, &record(number, first)).await;
    }
}

#[tokio::test]
async fn a_trimmed_stream_shows_a_gap() {
    let (server, log, head) = fresh().await;
    let epoch = head.epoch();
    append_all(&log, epoch, 0..10).await;
    let records = read(&log, epoch, Position::START).await;
    server.command::<()>("XTRIM {shop}:log:stream MAXLEN 3").await;
    let left = read(&log, epoch, records[1].position).await;
    assert_eq!(left, records[7..]);
    assert!(left[0].previous > records[1].position);
    let (_, between) = append(&log, epoch, &record(10, records[1].position)).await;
    assert_eq!(between[0].previous, records[6].position);
}

#[tokio::test]
async fn the_tables_say_when_each_was_last_purged() {
    let (_server, log, head) = fresh().await;
    let epoch = head.epoch();
    assert_eq!(log.table(epoch, Mode::Hard, 0).await, Ok(Vec::new()));
    let mut model = [vec![0; TABLE_SLOTS], vec![0; TABLE_SLOTS]];
    let mut last = Position::START;
    for number in 0..3000_u64 {
        // Some again and again, one purge or several, of both kinds.
        let purges: Vec<_> = (0..=number % 3)
            .map(|n| purge((number * 7 + n * 1009) % 2000, if n == 1 { Mode::Soft } else { Mode::Hard }))
            .collect();
        let record = Append { purges: purges.clone().into(), ..record(number, last) };
        last = append(&log, epoch, &record).await.0;
        for purge in purges {
            let table = &mut model[usize::from(purge.mode == Mode::Soft)];
            table_slots(purge.hash, TABLE_SLOTS).for_each(|slot| table[slot] = last.as_u64());
        }
    }
    for (mode, model) in [Mode::Hard, Mode::Soft].into_iter().zip(model) {
        let table = table(&log, epoch, mode).await;
        assert_eq!(table.len(), TABLE_SLOTS);
        assert!(table.iter().map(|position| position.as_u64()).eq(model), "{}", mode.as_str());
    }
    assert_eq!(log.table(epoch, Mode::Hard, TABLE_SLOTS / TABLE_CHUNK).await, Ok(Vec::new()));
    assert_eq!(log.table(epoch, Mode::Hard, usize::MAX).await, Ok(Vec::new()));
}

async fn table(log: &RedisLog, epoch: Epoch, mode: Mode) -> Vec<Position> {
    let mut table = Vec::new();
    for chunk in 0..TABLE_SLOTS / TABLE_CHUNK {
        table.extend(log.table(epoch, mode, chunk).await.unwrap());
    }
    table
}

#[tokio::test]
async fn the_head_knows_when_everything_was_purged() {
    let (_server, log, head) = fresh().await;
    assert_eq!(all_of(&head), [Position::START; 2]);
    let epoch = head.epoch();
    let everything = Purge::everything();
    let soft = Purge { mode: Mode::Soft, ..everything };
    let all =
        |purge, number| Append { purges: Arc::from([purge, hard(1)]), ..record(number, Position::START) };
    let (first, _) = append(&log, epoch, &all(everything, 0)).await;
    assert_eq!(all_of(&log.open(Position::START, None).await.unwrap()), [first, Position::START]);
    let (second, _) = append(&log, epoch, &all(soft, 1)).await;
    let head = log.open(Position::START, None).await.unwrap();
    assert_eq!((all_of(&head), head.last, head.epoch()), ([first, second], second, epoch));
}

#[tokio::test]
async fn a_record_takes_as_many_purges_as_it_may() {
    let (_server, log, head) = fresh().await;
    let purges: Arc<[Purge]> = (0..larder::fleet::MAX_PURGES as u64).map(hard).collect();
    let full = Append { id: RecordId(u128::MAX), purges: purges.clone(), ..record(0, Position::START) };
    append(&log, head.epoch(), &full).await;
    let records = read(&log, head.epoch(), Position::START).await;
    assert_eq!((records[0].id, &records[0].purges), (full.id, &purges));
}

#[tokio::test]
async fn namespaces_know_nothing_of_each_other() {
    let (server, log, head) = fresh().await;
    append_all(&log, head.epoch(), 0..3).await;
    let other = larder::redis::RedisLogSettings { namespace: "other".to_owned(), ..settings() };
    let other = log_with(&server.url(), other);
    let its_head = other.open(Position::START, None).await.unwrap();
    assert_ne!(its_head.birth, head.birth);
    assert_eq!(read(&other, its_head.epoch(), Position::START).await, []);
    assert_eq!(other.append(head.epoch(), &record(9, Position::START)).await, Err(StoreError::Moved));
    append_all(&other, its_head.epoch(), 10..12).await;
    assert_eq!(ids(&read(&log, head.epoch(), Position::START).await), [0, 1, 2]);
    let keys: Vec<String> = server.command("KEYS *").await;
    assert!(
        keys.iter().all(|key| key.starts_with("{shop}:log:") || key.starts_with("{other}:log:")),
        "{keys:?}"
    );
}

#[tokio::test]
async fn a_thousand_appends_a_second() {
    let server = RedisServer::start().await;
    let log = log_at(&server.url());
    let epoch = log.open(Position::START, None).await.unwrap().epoch();
    let begun = Instant::now();
    append_all(&log, epoch, 0..2000).await;
    println!("{:.0} appends a second, one after the other", 2000.0 / begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let mut last = log.open(Position::START, None).await.unwrap().last;
    for number in 0..100 {
        let purges = (0..256).map(|n| hard(number * 256 + n)).collect();
        last = append(&log, epoch, &Append { purges, ..record(number, last) }).await.0;
    }
    println!("{:.2} ms an append of 256 purges", begun.elapsed().as_secs_f64() * 10.0);
}

/// When everything was purged.
fn all_of(head: &Head) -> [Position; 2] {
    head.marks.map(|marks| marks[Kind::All as usize])
}

#[tokio::test]
async fn the_head_tells_when_each_kind_was_purged() {
    let (_server, log, head) = fresh().await;
    assert_eq!(head.marks, [[Position::START; 5]; 2]);
    let position = append_all(&log, head.epoch(), 0..1).await;
    let marks = log.open(Position::START, None).await.unwrap().marks;
    let kind = hard(0).kind;
    for each in Kind::EACH {
        let expected = if each == kind { position } else { Position::START };
        assert_eq!(
            (marks[0][each as usize], marks[1][each as usize]),
            (expected, Position::START),
            "{each:?}"
        );
    }
}
