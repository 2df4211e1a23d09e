//! What is handed over to a log that is shared, when it is taken out, and what stays.

use super::shared::{Fleet, Node};
use super::{Life, names, tag};
use crate::cdn::JobId;
use crate::invalidation::{Log, Position};
use crate::spool::record::Record;
use crate::spool::state::State;
use std::time::Duration;
use tempfile::TempDir;

/// Longer than anything takes here, but for what is waited for on purpose; and what an impatient operator waits.
const LONG: Duration = Duration::from_secs(30);
const HOUR: Duration = Duration::from_secs(3600);

/// A folder in which a process for the CDNs `a` and `b` left a job for each, one for `b` alone, a dead letter and an announced
/// write; at 1,000 s.
async fn left() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let life = Life::begin(Some(folder.path()), &["a", "b"], 1000);
    let outbox = life.log.outbox();
    for (name, taken_by) in
        [("refused", ["a"].as_slice()), ("both", &[]), ("b alone", &["a"]), ("told", &["a", "b"])]
    {
        let job = JobId(life.purge(name).await.as_u64());
        for cdn in taken_by {
            outbox.settle(cdn, &[job]).await.unwrap();
        }
        if name == "refused" {
            outbox.bury("b", &[job], "no").await.unwrap();
        }
    }
    life.log.intend(&tag("announced")).await.unwrap();
    folder
}

#[tokio::test(start_paused = true)]
async fn everything_is_handed_over_and_then_taken_out() {
    let folder = left().await;
    // Its time is over.
    let node = Node::at(folder.path(), &["a", "b"], 2000, Fleet::refusing(0));
    assert!(
        node.log.degraded()[0].contains("4 purges for CDNs and 1 announced"),
        "{:?}",
        node.log.degraded()
    );
    node.runs(LONG).await;
    assert_eq!(node.fleet.tags(), ["announced", "both", "b alone", "refused", "announced"]);
    assert!(node.log.degraded().is_empty());
    assert_eq!(node.told.count("handed_over"), 1);
    assert_eq!(node.ends().left(), (0, 0));
    // The folder is free, and there is nothing to do in it.
    let again = Node::at(folder.path(), &["a", "b"], 2000, Fleet::refusing(0));
    assert!(again.log.degraded().is_empty());
    again.runs(LONG).await;
    assert_eq!(again.fleet.tags(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_announced_write_is_purged_for_at_once_and_when_its_time_is_over() {
    let folder = left().await;
    let node = Node::at(folder.path(), &["a", "b"], 1000, Fleet::refusing(0));
    node.runs(HOUR).await;
    assert_eq!(node.fleet.tags().len(), 4, "by the clock nothing is due yet");
    node.clock.set(1061);
    node.runs(LONG).await;
    assert_eq!(node.fleet.tags()[4..], ["announced"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_out_before_the_log_has_it() {
    let folder = left().await;
    for kept in 0..3 {
        let node = Node::at(folder.path(), &["a", "b"], 1000, Fleet::refusing(usize::MAX));
        node.runs(HOUR).await;
        let appends = node.fleet.appends();
        assert!((10..1000).contains(&appends), "{appends} in an hour");
        assert_eq!(node.ends().left(), (4, 1), "{kept}");
    }
    let node = Node::at(folder.path(), &["a", "b"], 2000, Fleet::refusing(3));
    node.runs(LONG).await;
    // The last of what it may not have stands for all before.
    let again = ["announced"; 4];
    assert_eq!(node.fleet.tags(), [&again[..], &["both", "b alone", "refused", "announced"]].concat());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_cdn_that_is_not_set_up_stays() {
    let folder = left().await;
    let node = Node::at(folder.path(), &["a"], 2000, Fleet::refusing(0));
    node.runs(LONG).await;
    assert_eq!(node.fleet.tags(), ["announced", "both", "announced"]);
    assert_eq!(node.ends().deserted().collect::<Vec<_>>(), [("b", 2)]);
    let node = Node::at(folder.path(), &["b"], 2000, Fleet::refusing(0));
    node.runs(LONG).await;
    assert_eq!(node.fleet.tags(), ["both", "b alone", "refused"]);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_is_in_use_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let life = Life::begin(Some(folder.path()), &["a"], 1000);
    let node = Node::at(folder.path(), &["a"], 1000, Fleet::refusing(usize::MAX));
    assert!(node.log.degraded()[0].contains("another process"), "{:?}", node.log.degraded());
    node.purge("own").await;
    life.purge("late").await;
    drop(life);
    node.runs(LONG).await;
    let left = node.ends();
    assert_eq!(left.left(), (1, 1));
    assert_eq!(left.announced(), names("own"), "what waited in memory is kept there, too");
}

#[test]
fn what_is_handed_over_together_fits_into_a_record() {
    let mut state = State::default();
    let mut apply = |record| _ = state.apply(&record);
    apply(Record::Cdns(vec!["a".into(), "b".into()]));
    let append = |id, name: &str| Record::Append {
        id,
        position: Position::from_u64(id),
        at: crate::time::Timestamp::ZERO,
        names: names(name),
        settles: Vec::new(),
    };
    let long = "x".repeat(3 << 20);
    for id in 1..6 {
        apply(append(id, if id == 4 { &long } else { "x" }));
    }
    apply(append(6, &format!("{long}y")));
    apply(Record::Settle { cdn: "a".into(), jobs: vec![1] });
    let ids = |limit| state.first_jobs(limit).0;
    assert_eq!(ids(2), [1, 2]);
    assert_eq!(ids(9), [1, 2, 3, 4, 5], "both of the long ones are too much");
    assert_eq!(state.first_jobs(2).1, names("x"));
}
