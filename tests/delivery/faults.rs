//! The CDN throttles, fails, hangs and recovers; Larder is killed in between. Nothing is lost.

use crate::cdn::{Cdn, Event, Mood};
use crate::shop::{Keeper, Shop, hang, until, write};
use crate::support::{Data, Process, RedisServer};
use nix::sys::signal::Signal;

/// Every mood that passes, in the order in which an outage shows them.
const OUTAGE: [Mood; 4] = [Mood::Well, Mood::Throttling, Mood::Failing, Mood::Hanging];

/// Writes while the CDN goes through its moods; `killed`: Larder dies in the middle of each.
async fn check(keeper: Keeper, killed: bool) {
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let builder = shop.larder(&keeper, &cdn.yaml(""));
    let mut process = Process::run(&builder).await;
    for (round, mood) in OUTAGE.into_iter().enumerate() {
        cdn.is(mood);
        let calls = cdn.calls();
        for page in 0..20 {
            // Some pages are written to in every round, some in one alone.
            write(&process, &format!("/page/{}", page * (1 + round % 2))).await;
        }
        cdn.asked_since(calls).await;
        if killed {
            process.signal(Signal::SIGKILL);
            process.exited().await;
            process = Process::run(&builder).await;
        }
    }
    cdn.is(Mood::Well);
    cdn.story.settled().await;
    until(&process, "the queue is empty", |figures| figures["waiting"] == 0).await;
    let figures = crate::shop::figures(&process).await;
    assert_eq!(figures["dead_letters"], 0, "{}: {figures:#}", keeper.name());
    assert!(!cdn.story.events().contains(&Event::Purged("/everything".into())), "nothing had to be widened");
}

#[tokio::test]
async fn an_outage_loses_nothing_with_redis() {
    check(Keeper::redis().await, false).await;
}

#[tokio::test]
async fn an_outage_loses_nothing_with_the_spool() {
    check(Keeper::spool(), false).await;
}

#[tokio::test]
async fn kills_in_an_outage_lose_nothing_with_redis() {
    check(Keeper::redis().await, true).await;
}

#[tokio::test]
async fn kills_in_an_outage_lose_nothing_with_the_spool() {
    check(Keeper::spool(), true).await;
}

/// Kills Larder after the origin committed a write and before it answered.
async fn killed_in_a_write(keeper: Keeper) {
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let builder = shop.larder(&keeper, &cdn.yaml(""));
    let mut process = Process::run(&builder).await;
    // What is known of the log before the write can be announced in it.
    write(&process, "/page/1").await;
    cdn.story.settled().await;
    let client = hang(&shop, process.request("PUT", "/held/7")).await;
    process.signal(Signal::SIGKILL);
    process.exited().await;
    assert!(!client.await.unwrap(), "nobody can have answered");
    let _process = Process::run(&builder).await;
    cdn.story.settled().await;
}

#[tokio::test]
async fn a_write_that_larder_did_not_survive_is_purged_for_with_redis() {
    killed_in_a_write(Keeper::redis().await).await;
}

#[tokio::test]
async fn a_write_that_larder_did_not_survive_is_purged_for_with_the_spool() {
    killed_in_a_write(Keeper::spool()).await;
}

#[tokio::test]
async fn what_stands_in_the_spool_moves_to_redis_with_larder() {
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let spool = Keeper::spool();
    let mut process = Process::run(&shop.larder(&spool, &cdn.yaml(""))).await;
    cdn.is(Mood::Refusing);
    write(&process, "/given/up").await;
    until(&process, "a dead letter", |figures| figures["dead_letters"] == 1).await;
    cdn.is(Mood::Failing);
    for page in 0..20 {
        write(&process, &format!("/page/{page}")).await;
    }
    let client = hang(&shop, process.request("PUT", "/held/7")).await;
    process.signal(Signal::SIGKILL);
    process.exited().await;
    assert!(!client.await.unwrap(), "nobody can have answered");

    // Redis is not there yet, and the process that waits for it dies.
    let mut redis = RedisServer::builder().absent();
    let moved = shop.larder_moved(&spool, &redis.url(), &cdn.yaml(""));
    let mut waiting = Process::run(&moved).await;
    let ready = waiting.admin("GET", "/readyz").send().await;
    assert!(ready.text().contains("being handed over to Redis"), "{}", ready.text());
    waiting.signal(Signal::SIGKILL);
    waiting.exited().await;
    redis.restart(Data::Lost).await;
    cdn.is(Mood::Well);
    let process = Process::run(&moved).await;
    cdn.story.settled().await;
    process.logged(&["stands in Redis now"]).await;
    crate::shop::well(&process).await;
}

#[tokio::test]
async fn what_redis_did_not_take_is_told_by_the_next_larder_with_that_folder() {
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let mut redis = RedisServer::builder().appendonly().start().await;
    let spool = Keeper::spool();
    let builder = shop.larder_moved(&spool, &redis.url(), &cdn.yaml(""));
    let mut process = Process::run(&builder).await;
    write(&process, "/page/1").await;
    cdn.story.settled().await;
    redis.kill();
    write(&process, "/page/2").await;
    process.signal(Signal::SIGKILL);
    process.exited().await;
    redis.restart(Data::Kept).await;
    let _process = Process::run(&builder).await;
    cdn.story.settled().await;
}

/// Ends Larder as an orchestrator does while purges wait.
async fn ended(keeper: Keeper) {
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let builder = shop.larder(&keeper, &cdn.yaml(""));
    let mut process = Process::run(&builder).await;
    cdn.is(Mood::Failing);
    for page in 0..20 {
        write(&process, &format!("/page/{page}")).await;
    }
    process.signal(Signal::SIGTERM);
    assert!(process.exited().await.success());
    cdn.is(Mood::Well);
    let _process = Process::run(&builder).await;
    cdn.story.settled().await;
}

#[tokio::test]
async fn the_queue_outlives_a_shutdown_with_redis() {
    ended(Keeper::redis().await).await;
}

#[tokio::test]
async fn the_queue_outlives_a_shutdown_with_the_spool() {
    ended(Keeper::spool()).await;
}
