//! Real folders: whose they are, what is in them, and what becomes of a bad one.

use super::{Life, SetClock, eventually, journal, settings, tag};
use crate::invalidation::Log;
use crate::spool::journal::{Spool, SpoolError};
use crate::spool::record::Record;
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn open(path: &Path) -> Result<Arc<Spool>, SpoolError> {
    Spool::open(&settings(Some(path), &["a"]), SetClock::at(1000), Arc::new(()))
}

#[tokio::test]
async fn a_folder_belongs_to_one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made/on the way");
    let first = open(&path).unwrap();
    let second = open(&path).unwrap_err();
    assert!(matches!(&second, SpoolError::Locked(at) if *at == path), "{second}");
    drop(first);
    open(&path).unwrap();
}

#[test]
fn what_is_not_its_own_is_left_as_it_is() {
    #[track_caller]
    fn check(content: &[u8], words: &str) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal");
        fs::write(&file, content).unwrap();
        let error = open(folder.path()).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("journal"), "{error}");
        assert_eq!(fs::read(&file).unwrap(), content);
    }
    check(b"precious", "was not written by Larder");
    check(b"larder-sp", "was not written by Larder");
    check(b"larder-spool\x09\0\0\0", "version 9");
}

#[test]
fn what_cannot_be_opened_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = open(&file.join("below")).unwrap_err().to_string();
    assert!(error.starts_with("cannot create") && error.contains("below"), "{error}");
    fs::create_dir(folder.path().join("journal")).unwrap();
    let error = open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("it is not a file"), "{error}");
}

#[tokio::test]
async fn an_empty_file_is_a_new_journal() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("journal"), "").unwrap();
    let life = Life::begin(Some(folder.path()), &["a"], 1000);
    life.purge("x").await;
    drop(life);
    assert_eq!(Life::begin(Some(folder.path()), &["a"], 1000).next("a").await, ["x"]);
}

#[tokio::test]
async fn a_torn_end_costs_nothing_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal");
    let life = Life::begin(Some(folder.path()), &["a"], 1000);
    life.purge("x").await;
    drop(life);
    let whole = fs::read(&file).unwrap();
    let torn = journal(&[Record::Last { job: u64::MAX, intent: 0 }]);
    fs::write(&file, [&whole[..], &torn[16..torn.len() - 1]].concat()).unwrap();
    let life = Life::begin(Some(folder.path()), &["a"], 1000);
    assert_eq!((life.told.count("torn"), life.told.count("damaged")), (1, 0));
    life.purge("y").await;
    drop(life);
    let life = Life::begin(Some(folder.path()), &["a"], 1000);
    assert_eq!(life.told.count("torn"), 0);
    assert_eq!(life.next("a").await, ["x", "y"]);
}

#[tokio::test]
async fn damage_in_the_middle_purges_everything_in_place_of_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal");
    let life = Life::begin(Some(folder.path()), &["a"], 1000);
    for name in ["first", "second", "third"] {
        life.purge(name).await;
    }
    drop(life);
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(6).position(|window| window == b"second").unwrap();
    bytes[at] ^= 1;
    fs::write(&file, bytes).unwrap();
    let life = Life::begin(Some(folder.path()), &["a"], 1000);
    assert_eq!(life.told.count("damaged"), 1);
    assert_eq!(life.next("a").await, ["first", "all"]);
    life.clock.set(1060);
    life.log.purge_due(crate::time::Clock::now(&*life.clock));
    assert_eq!(life.next("a").await, ["all"], "and for writes that are forgotten, when they are over");
    drop(life);
    let life = Life::begin(Some(folder.path()), &["a"], 1100);
    assert_eq!(life.told.count("damaged"), 0);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    // In the way of the new journal, whoever runs this.
    let obstacle = folder.path().join("journal.new");
    fs::create_dir(&obstacle).unwrap();
    let life = Life::begin(Some(folder.path()), &["a"], 1000);
    life.log.intend(&tag("x")).await.unwrap();
    life.purge("y").await;
    assert_eq!(life.log.degraded().len(), 1);
    assert_eq!(life.told.count("unannounced"), 1);
    fs::remove_dir(&obstacle).unwrap();
    eventually("it is written", || life.log.degraded().is_empty());
    life.log.finish().await;
    drop(life);
    let life = Life::begin(Some(folder.path()), &["a"], 1000);
    assert_eq!(life.next("a").await, ["y", "x"]);
}
