//! What a shared log does not take: where it stands, and until when.

use super::names;
use super::shared::{Fleet, Node};
use super::{BOUND, answering, tag};
use crate::invalidation::{Appending, IntentId, Invalidation, Log};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const START: u64 = 1000;
const LONG: Duration = Duration::from_secs(120);

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn node(folder: &TempDir, fleet: Arc<Fleet>) -> Node {
    Node::at(folder.path(), &[], START, fleet)
}

/// Ends a node in whichever way, and tells what the next one purges: at its start, and when all time is over.
async fn next_life(folder: &TempDir, node: Node) -> [Vec<String>; 2] {
    drop(node.ends());
    let next = Node::at(folder.path(), &[], START + 1, Fleet::refusing(0));
    next.runs(LONG).await;
    let start = next.fleet.tags();
    next.clock.set(START + 2 * BOUND.as_secs());
    next.runs(LONG).await;
    let later = next.fleet.tags()[start.len()..].to_vec();
    assert_eq!(next.ends().left(), (0, 0));
    [start, later]
}

#[tokio::test]
async fn nothing_is_written_while_the_log_takes_what_it_is_handed() {
    let folder = folder();
    let node = node(&folder, Fleet::refusing(1));
    assert!(!node.purge("refused").await && node.purge("taken").await);
    assert!(node.log.finish(async { false }).await);
    let before = std::fs::read(folder.path().join("journal")).unwrap();
    let intent = node.log.intend(&tag("x")).await;
    assert!(node.answers("x", intent).await && node.purge("y").await);
    node.log.withdraw(node.log.intend(&tag("z")).await.unwrap());
    assert_eq!(
        (&node.fleet.intents()[2..], node.fleet.withdrawn()),
        (&[intent, None][..], Vec::from_iter(intent))
    );
    node.log.close();
    assert_eq!(std::fs::read(folder.path().join("journal")).unwrap(), before);
}

#[tokio::test]
async fn a_purge_that_the_log_only_queued_is_on_the_disk_until_the_log_has_it() {
    let folder = folder();
    let node = node(&folder, Fleet::refusing(2));
    assert!(!node.purge("x").await);
    assert_eq!(node.kept().announced(), names("x"), "before anybody is answered");
    assert!(!node.purge("y").await);
    assert_eq!(node.kept().left(), (0, 2));
    assert!(node.purge("z").await);
    assert_eq!(node.told.count("unsynced"), 0);
    assert_eq!(node.ends().left(), (0, 0), "it has all that it was handed before");
}

#[tokio::test(start_paused = true)]
async fn it_is_appended_in_the_next_life_and_in_every_one_until_the_log_has_it() {
    let folder = folder();
    let first = node(&folder, Fleet::refusing(2));
    assert!(!first.purge("x").await && !first.purge("y").await);
    assert_eq!(first.ends().left(), (0, 2));
    let second = node(&folder, Fleet::refusing(usize::MAX));
    second.runs(LONG).await;
    assert_eq!(second.fleet.tags()[..2], ["x", "y"]);
    let [start, later] = next_life(&folder, second).await;
    assert_eq!((&start[..2], &later[..]), (&["x".to_owned(), "y".to_owned()][..], &[][..]));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_purges_the_log_is_asked_whether_it_has_all() {
    let folder = folder();
    let node = node(&folder, Fleet::refusing(5));
    node.runs(LONG).await;
    assert!(!node.purge("x").await);
    node.runs(LONG).await;
    assert_eq!(node.fleet.tags(), ["x"; 6]);
    assert_eq!(node.ends().left(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_was_handed_over_before_says_nothing_of_later_ones() {
    let folder = folder();
    let node = node(&folder, Fleet::hanging(0));
    let mut early = node.log.append(tag("early").into());
    assert!(futures_util::poll!(&mut early).is_pending());
    dropped(node.log.append(tag("late").into())).await;
    node.fleet.gate.add_permits(1);
    assert!(early.await.is_ok());
    assert_eq!(node.ends().announced(), names("late"));
}

/// Polled once, and then given up.
async fn dropped<F: Future + Unpin>(mut append: F) {
    assert!(futures_util::poll!(&mut append).is_pending());
}

#[tokio::test(start_paused = true)]
async fn a_purge_whose_caller_went_away_is_kept() {
    let folder = folder();
    let node = node(&folder, Fleet::hanging(0));
    dropped(node.log.append(tag("x").into())).await;
    assert_eq!(node.ends().announced(), names("x"));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_it_is_taken_out_if_the_log_was_emptied() {
    for (emptied, left) in [(true, 0), (false, 1)] {
        let folder = folder();
        let node = node(&folder, Fleet::refusing(1));
        assert!(!node.purge("x").await);
        node.log.finish(async { emptied }).await;
        assert_eq!(node.ends().left(), (0, left));
    }
}

/// What the next life purges of a write that was announced while the log did not take it.
async fn check(end: impl AsyncFnOnce(&Node, Option<IntentId>), expected: [&[&str]; 2]) {
    let folder = folder();
    let node = node(&folder, Fleet::refusing(usize::MAX));
    let intent = node.log.intend(&tag("x")).await;
    assert!(intent.is_some());
    end(&node, intent).await;
    assert_eq!(next_life(&folder, node).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_the_log_cannot_announce_is_announced_in_the_spool() {
    check(async |_, _| {}, [&["x"], &["x"]]).await;
    check(async |node, intent| node.log.withdraw(intent.unwrap()), [&[], &[]]).await;
    // What it purged stands there in its place.
    check(async |node, intent| _ = node.answers("y", intent).await, [&["y", "y"], &[]]).await;
    let doubt = async |node: &Node, intent| {
        let batch: Vec<Invalidation> = tag("y");
        let appending = Appending { batch, in_doubt: true, ..answering("", intent) };
        assert!(node.log.append(appending).await.is_err());
    };
    check(doubt, [&["x", "y", "y"], &["x"]]).await;
    // The log takes what answers it.
    check(
        async |node, intent| {
            node.fleet.refuses(0);
            assert!(node.answers("y", intent).await);
            assert_eq!(node.fleet.intents(), [None], "the log knows nothing of it");
        },
        [&[], &[]],
    )
    .await;
    check(
        async |node, intent| {
            let appending = Appending { batch: Vec::new(), ..answering("", intent) };
            node.fleet.refuses(0);
            node.log.append(appending).await.unwrap();
        },
        [&[], &[]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_doubt_is_purged_again_in_the_same_life() {
    let folder = folder();
    let node = node(&folder, Fleet::refusing(1));
    node.runs(LONG).await;
    let intent = node.log.intend(&tag("x")).await;
    node.fleet.refuses(0);
    let appending = Appending { in_doubt: true, ..answering("x", intent) };
    node.log.append(appending).await.unwrap();
    node.runs(LONG).await;
    assert_eq!(node.fleet.tags(), ["x"]);
    node.clock.set(START + BOUND.as_secs());
    node.runs(LONG).await;
    assert_eq!(node.fleet.tags(), ["x", "x"]);
    assert_eq!(node.ends().left(), (0, 0));
}
