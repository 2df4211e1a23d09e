//! Disks that hang, fail and come back; what is synced and who waits for it.

use super::{FakeDisk, Life, PATIENT, answering, eventually, tag};
use crate::invalidation::{Appending, IntentId, Invalidation, Log, Matcher};
use crate::spool::queue::MAX_DEAD;
use std::time::Duration;

/// Short, where a test waits for it to be over.
const SHORT: Duration = Duration::from_millis(20);

async fn announced(life: &Life, name: &str) -> Option<IntentId> {
    life.log.intend(&tag(name)).await
}

#[tokio::test]
async fn an_intent_is_on_the_disk_before_the_write_goes_out() {
    let disk = FakeDisk::default();
    let life = Life::fake(&disk, &["a"], PATIENT);
    announced(&life, "x").await.unwrap();
    assert_eq!(disk.state().intents(), 1);
    assert_eq!(life.told.count("unannounced"), 0);
}

#[tokio::test]
async fn a_purge_that_was_announced_waits_for_no_second_sync() {
    let disk = FakeDisk::default();
    let life = Life::fake(&disk, &["a"], PATIENT);
    let intent = announced(&life, "x").await;
    disk.set(|platter| platter.hangs = true);
    // Were it waited for, it would be for a minute.
    life.log.append(answering("x", intent)).await.unwrap();
    assert_eq!(disk.state().intents(), 1, "until then the intent stands in for it");
    disk.set(|platter| platter.hangs = false);
    eventually("the purge is written", || disk.state().intents() == 0);
    assert_eq!(disk.state().backlog("a").waiting, 1);
    assert_eq!(life.told.count("unsynced"), 0);
}

#[tokio::test]
async fn what_no_intent_names_is_synced_for_cdns_alone() {
    async fn check(cdns: &[&str], announce: Option<&str>, purge: &str, in_doubt: bool, synced: bool) {
        let disk = FakeDisk::default();
        let life = Life::fake(&disk, cdns, PATIENT);
        let intent = match announce {
            Some(name) => announced(&life, name).await,
            None => None,
        };
        life.spool.finish().await;
        let before = disk.get(|platter| platter.syncs);
        let appending = Appending { in_doubt, ..answering(purge, intent) };
        life.log.append(appending).await.unwrap();
        let syncs = disk.get(|platter| platter.syncs) - before;
        assert_eq!(syncs > 0, synced, "{cdns:?} {announce:?} {purge} {in_doubt}");
    }
    check(&["a"], None, "x", false, true).await;
    check(&["a"], Some("x"), "x", false, false).await;
    check(&["a"], Some("x"), "x", true, false).await;
    check(&["a"], Some("x"), "y", false, true).await;
    check(&[], None, "x", false, false).await;
    check(&[], Some("x"), "y", false, false).await;
}

#[tokio::test]
async fn a_hanging_disk_costs_a_write_its_patience_once() {
    let disk = FakeDisk::default();
    let life = Life::fake(&disk, &["a"], SHORT);
    disk.set(|platter| platter.hangs = true);
    let first = announced(&life, "x").await.unwrap();
    assert_eq!(life.told.count("unannounced"), 1);
    assert_eq!(life.log.degraded().len(), 1);
    let second = std::pin::pin!(announced(&life, "y"));
    assert!(futures_util::poll!(second).is_ready(), "nobody else waits in vain");
    life.purge("z").await;
    assert_eq!((life.told.count("unannounced"), life.told.count("unsynced")), (2, 1));
    // It may have got to the disk all the same, so it is settled like any other.
    life.log.append(answering("x", Some(first))).await.unwrap();
    assert_eq!(life.next("a").await, ["z", "x"]);
    disk.set(|platter| platter.hangs = false);
    eventually("all is written", || life.log.degraded().is_empty());
    life.spool.finish().await;
    assert_eq!((disk.state().intents(), disk.state().backlog("a").waiting), (1, 2));
}

#[tokio::test]
async fn a_failed_disk_is_told_once_and_written_anew_when_it_is_back() {
    let disk = FakeDisk::default();
    let life = Life::fake(&disk, &["a"], PATIENT);
    life.purge("before").await;
    disk.set(|platter| platter.fails = true);
    life.purge("meanwhile").await;
    let degraded = life.log.degraded();
    assert!(degraded.len() == 1 && degraded[0].contains("no space left"), "{degraded:?}");
    // Nobody waits any more, although the patience is a minute.
    announced(&life, "x").await.unwrap();
    let intent = announced(&life, "y").await.unwrap();
    life.log.withdraw(intent);
    assert_eq!((life.told.count("unannounced"), life.told.count("unsynced")), (2, 1));
    assert!(life.told.count("error") >= 1);
    disk.set(|platter| platter.fails = false);
    eventually("the disk is tried again", || life.log.degraded().is_empty());
    assert_eq!((disk.state().intents(), disk.state().backlog("a").waiting), (1, 2));
    life.purge("after").await;
    assert_eq!(disk.state().backlog("a").waiting, 3);
}

#[tokio::test]
async fn more_than_may_wait_for_the_disk_is_written_as_a_whole() {
    let disk = FakeDisk::default();
    let life = Life::fake(&disk, &["a"], SHORT);
    life.spool.finish().await;
    let before = disk.get(|platter| platter.replaced);
    disk.set(|platter| platter.hangs = true);
    for number in 0..12 {
        let long = Matcher::Tag(format!("{number}-{}", "x".repeat(1 << 20)).into());
        life.log.append(vec![Invalidation::hard(long)].into()).await.unwrap();
    }
    disk.set(|platter| platter.hangs = false);
    eventually("all is written", || life.log.degraded().is_empty());
    eventually("anew", || disk.get(|platter| platter.replaced) > before);
    assert_eq!(disk.state().backlog("a").waiting, 12);
}

#[tokio::test]
async fn a_journal_that_is_mostly_garbage_is_written_anew() {
    let disk = FakeDisk::default();
    let life = Life::fake(&disk, &["a"], PATIENT);
    let long = "x".repeat(1 << 20);
    for _ in 0..6 {
        let position = life.purge(&long).await;
        let outbox = life.log.outbox();
        outbox.settle("a", &[crate::cdn::JobId(position.as_u64())]).await.unwrap();
    }
    life.purge("kept").await;
    life.spool.finish().await;
    let (length, replaced) = disk.get(|platter| (platter.bytes.len(), platter.replaced));
    assert!(length < 5 << 20 && replaced >= 2, "{length} bytes, written anew {replaced} times");
    assert_eq!(disk.state().backlog("a").waiting, 1);
}

#[tokio::test]
async fn a_journal_that_is_mostly_reasons_is_not_written_anew_for_ever() {
    let disk = FakeDisk::default();
    let cdns = ["a", "b", "c", "d", "e", "f"];
    let life = Life::fake(&disk, &cdns, PATIENT);
    let outbox = life.log.outbox();
    // As long as a reason may be, and some of them such that it takes six times as much in the journal.
    let reasons = ["x", "\"", "\u{1}"].map(|text| text.repeat(1 << 10));
    for number in 0..MAX_DEAD {
        let job = crate::cdn::JobId(life.purge("x").await.as_u64());
        for (cdn, reason) in cdns.iter().zip(reasons.iter().cycle()) {
            outbox.bury(cdn, &[job], reason).await.unwrap();
        }
        // The writer looks at what there is to do time and again, not once when all is there.
        if number % 100 == 0 {
            life.spool.finish().await;
        }
    }
    for _ in 0..100 {
        life.purge("y").await;
    }
    life.spool.finish().await;
    let (length, replaced) = disk.get(|platter| (platter.bytes.len(), platter.replaced));
    assert!(length > 10 << 20 && replaced < 10, "{length} bytes, written anew {replaced} times");
    assert!(cdns.iter().all(|cdn| disk.state().dead(cdn) == MAX_DEAD));
    let state = disk.state();
    assert!(state.encode().len() < 2 * state.weight(), "it weighs {} of {length} bytes", state.weight());
}

#[tokio::test]
async fn many_who_wait_share_a_sync() {
    let disk = FakeDisk::default();
    let life = Life::fake(&disk, &["a"], PATIENT);
    life.spool.finish().await;
    let before = disk.get(|platter| platter.syncs);
    disk.set(|platter| platter.hangs = true);
    let unhang = async {
        tokio::task::yield_now().await;
        disk.set(|platter| platter.hangs = false);
    };
    let names: Vec<_> = (0..500).map(|number| number.to_string()).collect();
    let each = names.iter().map(|name| announced(&life, name));
    let (announced, ()) = tokio::join!(futures_util::future::join_all(each), unhang);
    assert_eq!(announced.len(), 500);
    let syncs = disk.get(|platter| platter.syncs) - before;
    assert!(syncs <= 2, "{syncs}: one for the first, one for all others");
    assert_eq!(disk.state().intents(), 500);
}

#[tokio::test]
async fn whoever_leaves_while_the_disk_is_waited_for_leaves_no_intent() {
    let disk = FakeDisk::default();
    let life = Life::fake(&disk, &["a"], PATIENT);
    life.spool.finish().await;
    disk.set(|platter| platter.hangs = true);
    {
        let intend = announced(&life, "x");
        tokio::pin!(intend);
        assert!(futures_util::poll!(intend).is_pending());
    }
    disk.set(|platter| platter.hangs = false);
    life.spool.finish().await;
    assert_eq!(disk.state().intents(), 0);
}

#[tokio::test]
async fn the_end_of_the_process_writes_what_is_left() {
    let disk = FakeDisk::default();
    let life = Life::fake(&disk, &["a"], PATIENT);
    let intent = announced(&life, "x").await;
    life.log.append(answering("x", intent)).await.unwrap();
    drop(life);
    assert_eq!((disk.state().intents(), disk.state().backlog("a").waiting), (0, 1));
}
