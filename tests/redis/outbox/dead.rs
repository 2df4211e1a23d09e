//! Dead letters.

use super::{EDGE, QUEUE, everything, ids, leader, purge, purged, tag};
use larder::cdn::{Job, JobId, Outbox, Wait};
use larder::redis::OutboxEvent;

#[tokio::test]
async fn a_dead_letter_is_kept_with_its_reason_and_can_be_queued_again() {
    let (server, node, epoch) = leader().await;
    let positions = purge(&node, epoch, 0..3).await;
    let (outbox, jobs) = (&node.outbox, node.next().await);
    outbox.bury(EDGE, &ids(&jobs)[..2], "403 Forbidden: no such key").await.unwrap();
    outbox.bury(EDGE, &ids(&jobs)[1..2], "twice").await.unwrap();
    assert_eq!(node.recover().await, jobs[2..]);
    let backlog = outbox.backlog(EDGE).await.unwrap();
    assert_eq!((backlog.waiting, backlog.dead), (1, 2));
    let dead: Vec<_> = backlog.last_dead.iter().map(|letter| (letter.job.clone(), &*letter.reason)).collect();
    let reason = "403 Forbidden: no such key";
    assert_eq!(dead, [(jobs[1].clone(), reason), (jobs[0].clone(), reason)], "newest first");
    assert!(backlog.last_dead[0].buried >= jobs[1].at);
    let dead = Wait::Dead(reason.to_owned());
    assert_eq!(outbox.standing(EDGE, positions[0]).await.unwrap(), dead);
    assert_eq!(outbox.standing(EDGE, positions[2]).await.unwrap(), Wait::Outstanding);
    outbox.settle(EDGE, &ids(&jobs)).await.unwrap();
    assert_eq!(outbox.standing(EDGE, positions[1]).await.unwrap(), dead);
    assert_eq!(outbox.standing(EDGE, positions[2]).await.unwrap(), Wait::Delivered);

    assert_eq!(outbox.retry(EDGE).await.unwrap(), 2);
    assert_eq!(outbox.retry(EDGE).await.unwrap(), 0);
    assert_eq!(outbox.standing(EDGE, positions[0]).await.unwrap(), Wait::Outstanding);
    let again = node.next().await;
    assert_eq!(purged(&again), [vec![tag(0)], vec![tag(1)]]);
    assert_eq!(again.iter().map(|job| job.position).collect::<Vec<_>>(), positions[..2]);
    assert!(again[0].id > jobs[2].id && again[1].id > again[0].id, "the newest jobs");
    assert!(again[0].at >= jobs[0].at);
    // Jobs that are appended next stand behind them.
    let next = purge(&node, epoch, 3..4).await;
    let last: Vec<Job> = node.next().await;
    assert!(last[0].id > again[1].id && last[0].position == next[0]);
    assert_eq!(server.command::<usize>(&format!("EXISTS {QUEUE}:dead")).await, 0);
}

#[tokio::test]
async fn dead_letters_are_bounded() {
    let (server, node, epoch) = leader().await;
    let first = purge(&node, epoch, 0..1).await[0];
    let millis = (first.as_u64() >> 20) + 1;
    let fill = format!(
        "for i = 1, 1100 do redis.call('XADD', KEYS[1], '{millis}-' .. i, 'names', '[\"tag\",\"hard\",\"' .. i .. '\"]') end"
    );
    let mut command = redis::cmd("EVAL");
    command.arg(fill).arg(1).arg(QUEUE);
    command.query_async::<()>(&mut server.connect().await).await.unwrap();
    let mut jobs = node.outbox.next(EDGE, 2000, std::time::Duration::ZERO).await.unwrap();
    assert_eq!(jobs.len(), 1101);
    let unknown = JobId(1);
    node.outbox.bury(EDGE, &[&[unknown], &ids(&jobs)[..1100]].concat(), "no").await.unwrap();
    node.outbox.bury(EDGE, &ids(&jobs)[1100..], "never").await.unwrap();
    let dropped: u64 = node.told.0.lock().unwrap().iter().map(|(_, _, count)| count).sum();
    assert_eq!(dropped, 102);
    assert!(node.told.events().iter().all(|event| *event == OutboxEvent::Dropped));
    let backlog = node.outbox.backlog(EDGE).await.unwrap();
    assert_eq!((backlog.waiting, backlog.dead, backlog.last_dead.len()), (0, 1000, 10));
    // What had no room is purged for all the same, once somebody has it tried again.
    let newest = &backlog.last_dead[..2];
    assert_eq!((&newest[0].job.purges, &*newest[1].reason), (&everything(), "never"));
    assert!(
        newest[0].reason.ends_with("in place of the oldest; the last of them: no"),
        "{}",
        newest[0].reason
    );
    assert_eq!(newest[0].reason.matches("too many").count(), 1);
    let gone = node.outbox.standing(EDGE, jobs[0].position).await.unwrap();
    assert_eq!(gone, Wait::Dead(newest[0].reason.clone()));
    assert_eq!(node.outbox.retry(EDGE).await.unwrap(), 1000);
    let again = node.outbox.next(EDGE, 2000, std::time::Duration::ZERO).await.unwrap();
    jobs.drain(..102);
    assert_eq!(purged(&again[..999]), purged(&jobs));
    assert_eq!(purged(&again[999..]), [everything()]);
    node.outbox.settle(EDGE, &ids(&again)[..999]).await.unwrap();
    let outstanding = node.outbox.standing(EDGE, first).await.unwrap();
    assert_eq!(outstanding, Wait::Outstanding, "everything was not told yet");
}
