//! Lives of a process, one after another on one folder.

use super::{BOUND, Life, answering, tag};
use crate::invalidation::{Appending, Bearings, Fence, Log, Verdict};
use crate::time::Clock;
use std::path::Path;
use std::time::Duration;

const START: u64 = 1000;
/// When a second life begins: before what the first announced is due.
const LATER: u64 = START + 10;
const DUE: u64 = START + BOUND.as_secs();

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn second(folder: &Path) -> Life {
    Life::begin(Some(folder), &["a"], LATER)
}

/// Moves the clock, and purges what is due then.
fn pass(life: &Life, seconds: u64) {
    life.clock.set(seconds);
    life.log.purge_due(life.clock.now());
}

#[tokio::test]
async fn a_write_that_was_never_settled_is_purged_at_the_start_and_at_its_deadline() {
    let folder = folder();
    let life = Life::begin(Some(folder.path()), &["a"], START);
    life.log.intend(&tag("x")).await.unwrap();
    drop(life);
    let life = second(folder.path());
    assert_eq!(life.told.count("recovered"), 1);
    assert_eq!(life.next("a").await, ["x"]);

    // What was filled since then, before the origin committed, dies at the deadline.
    let bearings = Bearings::new("h", "/", "r", ["x"]).unwrap();
    let fence = Fence::at(life.ledger.applied());
    pass(&life, DUE - 1);
    assert_eq!(life.ledger.judge(fence, &bearings), Verdict::Live);
    assert_eq!(life.next("a").await, [""; 0]);
    pass(&life, DUE);
    assert_eq!(life.ledger.judge(fence, &bearings), Verdict::Dead);
    assert_eq!(life.next("a").await, ["x"]);
    drop(life);

    let life = Life::begin(Some(folder.path()), &["a"], DUE + 1);
    assert_eq!(life.told.count("recovered"), 0, "it is settled");
    assert_eq!(life.next("a").await, ["x", "x"], "and no CDN has taken either purge");
}

#[tokio::test]
async fn what_became_of_a_write_tells_what_is_left_of_its_intent() {
    async fn check(end: impl AsyncFnOnce(&Life), start: &[&str], deadline: &[&str]) {
        let folder = folder();
        let life = Life::begin(Some(folder.path()), &["a"], START);
        end(&life).await;
        drop(life);
        let life = second(folder.path());
        assert_eq!(life.next("a").await, start);
        pass(&life, DUE);
        assert_eq!(life.next("a").await, deadline);
    }
    check(
        async |life| {
            let intent = life.log.intend(&tag("x")).await;
            life.log.append(answering("x", intent)).await.unwrap();
        },
        &["x"],
        &[],
    )
    .await;
    check(
        async |life| {
            let intent = life.log.intend(&tag("x")).await;
            life.log.append(Appending { in_doubt: true, ..answering("x", intent) }).await.unwrap();
        },
        &["x", "x"],
        &["x"],
    )
    .await;
    check(async |life| life.log.withdraw(life.log.intend(&tag("x")).await.unwrap()), &[], &[]).await;
    check(
        async |life| {
            let intent = life.log.intend(&tag("x")).await;
            life.log.append(Appending { intent, ..Appending::default() }).await.unwrap();
        },
        &[],
        &[],
    )
    .await;
    check(async |life| life.log.repeat(&tag("x"), Duration::from_secs(30)).await, &["x"], &["x"]).await;
    check(async |life| _ = life.purge("x").await, &["x"], &[]).await;
}

#[tokio::test]
async fn a_doubt_is_purged_again_in_the_same_life() {
    let folder = folder();
    let life = Life::begin(Some(folder.path()), &["a"], START);
    let intent = life.log.intend(&tag("x")).await;
    life.log.append(Appending { in_doubt: true, ..answering("x", intent) }).await.unwrap();
    assert_eq!(life.next("a").await, ["x"]);
    pass(&life, DUE);
    assert_eq!(life.next("a").await, ["x"]);
    pass(&life, DUE + 100);
    assert_eq!(life.next("a").await, [""; 0]);
}

#[tokio::test]
async fn positions_and_jobs_go_on_where_they_were_although_the_clock_went_back() {
    let folder = folder();
    let life = Life::begin(Some(folder.path()), &["a"], START);
    let mut last = life.purge("1").await;
    life.log.outbox().bury("a", &[crate::cdn::JobId(last.as_u64())], "no").await.unwrap();
    life.log.outbox().retry("a").await.unwrap();
    drop(life);
    for (seconds, name) in [(START - 500, "2"), (START - 900, "3")] {
        let life = Life::begin(Some(folder.path()), &["a"], seconds);
        let position = life.purge(name).await;
        assert!(position > last, "{name}");
        last = position;
    }
    let life = Life::begin(Some(folder.path()), &["a"], 1);
    assert_eq!(life.next("a").await, ["1", "2", "3"]);
}

#[tokio::test]
async fn without_a_folder_there_are_queues_and_nothing_else() {
    let life = Life::begin(None, &["a"], START);
    assert_eq!(life.log.intend(&tag("x")).await, None);
    life.log.repeat(&tag("x"), BOUND).await;
    life.purge("y").await;
    assert_eq!(life.next("a").await, ["y"]);
    pass(&life, DUE);
    assert_eq!(life.next("a").await, [""; 0]);
    life.log.finish().await;
    assert!(life.log.degraded().is_empty() && life.told.count("unsynced") == 0);
}

#[tokio::test]
async fn a_cdn_that_went_keeps_what_it_was_never_told() {
    let folder = folder();
    let life = Life::begin(Some(folder.path()), &["a", "b"], START);
    life.purge("x").await;
    drop(life);
    let life = Life::begin(Some(folder.path()), &["b"], LATER);
    life.purge("y").await;
    drop(life);
    let life = Life::begin(Some(folder.path()), &["a", "b"], LATER);
    assert_eq!(
        (life.next("a").await, life.next("b").await),
        (vec!["x".to_owned()], vec!["x".to_owned(), "y".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_due_is_purged_by_whoever_runs() {
    let life = Life::begin(Some(folder().path()), &["a"], START);
    life.log.repeat(&tag("x"), Duration::from_secs(30)).await;
    life.clock.set(START + 31);
    let run = std::sync::Arc::clone(&life.log).run();
    assert!(tokio::time::timeout(Duration::from_secs(5), run).await.is_err());
    assert_eq!(life.next("a").await, ["x"]);
    assert_eq!(life.told.count("due"), 1);
}
