//! The port of the queues, as those who deliver use it.

use super::Life;
use crate::cdn::{JobId, OutboxError, Wait};
use crate::invalidation::Position;
use std::time::Duration;

fn life() -> Life {
    Life::begin(None, &["a", "b"], 1000)
}

#[tokio::test]
async fn whoever_delivers_waits_for_jobs() {
    let life = life();
    let outbox = life.log.outbox();
    assert_eq!(outbox.lead("a", Duration::ZERO).await, Ok(true));
    let next = outbox.next("a", 10, Duration::from_secs(60));
    let (jobs, position) = tokio::join!(next, life.purge("x"));
    let [job] = &jobs.unwrap()[..] else { panic!("one was queued") };
    assert_eq!((job.id, job.position), (JobId(position.as_u64()), position));
    assert_eq!(outbox.recover("a", None, 10).await.unwrap(), std::slice::from_ref(job));
    outbox.settle("a", &[job.id]).await.unwrap();
    assert_eq!(outbox.recover("a", None, 10).await, Ok(vec![]));
    assert_eq!(outbox.standing("a", position).await, Ok(Wait::Delivered));
    assert_eq!(outbox.standing("b", position).await, Ok(Wait::Outstanding));
    outbox.resign("a").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_of_waiting_too_long() {
    let life = life();
    assert_eq!(life.log.outbox().next("a", 10, Duration::from_secs(5)).await, Ok(vec![]));
}

#[tokio::test]
async fn dead_letters_are_shown_and_tried_again() {
    let life = life();
    let outbox = life.log.outbox();
    let first = life.purge("x").await;
    life.purge("y").await;
    life.next("a").await;
    outbox.bury("a", &[JobId(first.as_u64())], "refused").await.unwrap();
    assert_eq!(outbox.standing("a", first).await, Ok(Wait::Dead("refused".to_owned())));
    let backlog = outbox.backlog("a").await.unwrap();
    assert_eq!((backlog.waiting, backlog.dead, backlog.last_dead.len()), (1, 1, 1));
    let retried = outbox.next("a", 10, Duration::from_secs(60));
    let (jobs, count) = tokio::join!(retried, outbox.retry("a"));
    assert_eq!(count, Ok(1));
    assert!(jobs.unwrap()[0].id > JobId(first.as_u64()));
    assert_eq!(outbox.standing("a", first).await, Ok(Wait::Outstanding));
    assert_eq!(outbox.retry("a").await, Ok(0));
}

#[tokio::test]
async fn a_cdn_without_a_queue_is_named() {
    let life = life();
    let outbox = life.log.outbox();
    let unknown = OutboxError("there is none for `c`".to_owned());
    assert_eq!(outbox.next("c", 1, Duration::ZERO).await, Err(unknown.clone()));
    assert_eq!(outbox.retry("c").await, Err(unknown.clone()));
    assert_eq!(outbox.settle("c", &[]).await, Err(unknown.clone()));
    assert_eq!(outbox.backlog("c").await, Err(unknown));
}

#[tokio::test]
async fn a_wait_goes_by_the_job_itself() {
    let life = life();
    let outbox = life.log.outbox();
    let (held_up, told, settled) = (life.purge("x").await, life.purge("y").await, life.purge("z").await);
    let id = |position: Position| JobId(position.as_u64());
    outbox.told("a", &[id(told)]).await.unwrap();
    outbox.settle("a", &[id(settled)]).await.unwrap();
    assert_eq!(outbox.standing("a", held_up).await, Ok(Wait::Outstanding));
    assert_eq!(outbox.standing("a", told).await, Ok(Wait::Delivered));
    assert_eq!(outbox.standing("a", settled).await, Ok(Wait::Delivered));
    assert_eq!(outbox.standing("b", told).await, Ok(Wait::Outstanding), "another CDN");
    assert_eq!(outbox.backlog("a").await.unwrap().waiting, 2, "what was told stays");
    // A position without a job of its own: those before it, of which one waits.
    let nobody = Position::from_u64(settled.as_u64() + 1);
    assert_eq!(outbox.standing("a", nobody).await, Ok(Wait::Outstanding));
    outbox.settle("a", &[id(held_up)]).await.unwrap();
    assert_eq!(outbox.standing("a", nobody).await, Ok(Wait::Delivered));
}
