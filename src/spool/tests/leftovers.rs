//! What is handed over to a log that is shared, when it is taken out, and what stays.

use super::{Life, SetClock, Told, names, settings, tag, tags};
use crate::cdn::JobId;
use crate::invalidation::{Appending, Log, LogError, Place, Places, Position, Reach};
use crate::spool::Leftovers;
use crate::spool::record::{self, Record};
use crate::spool::state::State;
use async_trait::async_trait;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A log that takes nothing as long as it is told so, and remembers what it was handed.
#[derive(Default)]
struct Shared(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    /// So many appends are not taken in time.
    refuses: usize,
    tags: Vec<String>,
    appends: usize,
}

impl Shared {
    fn refusing(refuses: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Taken { refuses, ..Taken::default() })))
    }

    fn tags(&self) -> Vec<String> {
        self.0.lock().unwrap().tags.clone()
    }
}

#[async_trait]
impl Log for Shared {
    async fn append(&self, Appending { batch, .. }: Appending) -> Result<Places, LogError> {
        let mut taken = self.0.lock().unwrap();
        taken.appends += 1;
        taken.tags.extend(tags(&batch));
        if taken.refuses > 0 {
            taken.refuses -= 1;
            return Err(LogError::Unavailable("not now".to_owned()));
        }
        Ok(Place { epoch: None, position: Position::START }.into())
    }

    async fn reach(&self, _place: Place) -> Reach {
        Reach::Unknown
    }
}

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

fn find(folder: &Path, cdns: &[&str], seconds: u64) -> (Arc<Leftovers>, Arc<SetClock>) {
    let clock = SetClock::at(seconds);
    let found =
        Leftovers::find(settings(Some(folder), cdns), Arc::clone(&clock) as _, Arc::<Told>::default());
    (found.unwrap(), clock)
}

/// What stands in a folder.
fn state(folder: &Path) -> State {
    let mut state = State::default();
    let bytes = std::fs::read(folder.join("journal")).unwrap();
    record::decode(&bytes, |record| _ = state.apply(record)).unwrap();
    state
}

#[tokio::test(start_paused = true)]
async fn everything_is_handed_over_and_then_taken_out() {
    let folder = left().await;
    // Its time is over.
    let (found, _) = find(folder.path(), &["a", "b"], 2000);
    assert!(found.degraded()[0].contains("4 purges for CDNs and 1 announced"), "{:?}", found.degraded());
    let log = Shared::refusing(0);
    Arc::clone(&found).run(Arc::clone(&log) as _).await;
    assert_eq!(log.tags(), ["announced", "both", "b alone", "refused", "announced"]);
    assert!(found.degraded().is_empty());
    assert_eq!(state(folder.path()).left(), (0, 0));
    // The folder is free, and there is nothing to do in it.
    let (again, _) = find(folder.path(), &["a", "b"], 2000);
    let log = Shared::refusing(0);
    assert!(again.degraded().is_empty());
    again.run(Arc::clone(&log) as _).await;
    assert_eq!(log.tags(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_announced_write_is_purged_for_at_once_and_when_its_time_is_over() {
    let folder = left().await;
    let (found, clock) = find(folder.path(), &["a", "b"], 1000);
    let log = Shared::refusing(0);
    let running = tokio::spawn(Arc::clone(&found).run(Arc::clone(&log) as _));
    let handed_over = async |count| {
        while log.tags().len() < count {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    handed_over(4).await;
    tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
    assert_eq!(log.tags().len(), 4, "by the clock nothing is due yet");
    clock.set(1061);
    running.await.unwrap();
    assert_eq!(log.tags()[4..], ["announced"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_out_before_the_log_has_it() {
    let folder = left().await;
    for kept in 0..3 {
        let (found, _) = find(folder.path(), &["a", "b"], 1000);
        let log = Shared::refusing(usize::MAX);
        let run = Arc::clone(&found).run(Arc::clone(&log) as _);
        let gave_up = tokio::time::timeout(std::time::Duration::from_secs(3600), run).await;
        assert!(gave_up.is_err(), "it is never told that the log has it");
        let appends = log.0.lock().unwrap().appends;
        assert!((10..1000).contains(&appends), "{appends} in an hour");
        found.close();
        drop(found);
        assert_eq!(state(folder.path()).left(), (4, 1), "{kept}");
    }
    let (found, _) = find(folder.path(), &["a", "b"], 2000);
    let log = Shared::refusing(3);
    found.run(Arc::clone(&log) as _).await;
    // The last of what it may not have stands for all before.
    let again = ["announced"; 4];
    assert_eq!(log.tags(), [&again[..], &["both", "b alone", "refused", "announced"]].concat());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_cdn_that_is_not_set_up_stays() {
    let folder = left().await;
    let (found, _) = find(folder.path(), &["a"], 2000);
    let log = Shared::refusing(0);
    found.run(Arc::clone(&log) as _).await;
    assert_eq!(log.tags(), ["announced", "both", "announced"]);
    assert_eq!(state(folder.path()).deserted().collect::<Vec<_>>(), [("b", 2)]);
    let (found, _) = find(folder.path(), &["b"], 2000);
    let log = Shared::refusing(0);
    found.run(Arc::clone(&log) as _).await;
    assert_eq!(log.tags(), ["both", "b alone", "refused"]);
}

#[tokio::test]
async fn a_folder_that_is_in_use_is_waited_for_and_none_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool");
    let (nothing, _) = find(&path, &["a"], 1000);
    nothing.run(Shared::refusing(0)).await;
    assert!(!path.exists());

    let life = Life::begin(Some(&path), &["a"], 1000);
    life.spool.finish().await;
    let (found, _) = find(&path, &["a"], 1000);
    assert!(found.degraded()[0].contains("another process"), "{:?}", found.degraded());
    let log = Shared::refusing(0);
    let running = tokio::spawn(Arc::clone(&found).run(Arc::clone(&log) as _));
    life.purge("late").await;
    drop(life);
    running.await.unwrap();
    assert_eq!(log.tags(), ["late"]);
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
