//! Larder ends in the middle of things: what is under way is cut, what waits is delivered, kept, or said to be lost.

use crate::cdn::{Cdn, Event, Mood, unpurged};
use crate::shop::{Keeper, Shop, hang, write};
use crate::support::{Process, eventually};
use larder::app::Options;
use nix::sys::signal::Signal;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Much shorter than the write that is cut takes.
const DEADLINE: Duration = Duration::from_millis(200);

/// Entries of the log in the Redis of a keeper.
async fn records(keeper: &Keeper) -> Option<usize> {
    let Keeper::Redis(server) = keeper else { return None };
    Some(server.command("XLEN {larder}:log:stream").await)
}

async fn cut_at_the_deadline(keeper: Keeper) {
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let builder = shop.larder(&keeper, &cdn.yaml(""));
    let larder = builder.clone().start_with(Options { drain_deadline: DEADLINE, ..Options::default() });
    let first = larder.put("/page/1", "new").send().await;
    assert_eq!(first.status, 204);
    cdn.story.settled().await;
    let client = hang(&shop, larder.put("/held/7", "")).await;
    let before = records(&keeper).await;
    larder.drained().await;
    assert!(!client.await.unwrap(), "nobody can have answered");
    // Others need not wait until somebody finds the announcement.
    assert!(
        before.is_none() || records(&keeper).await > before,
        "{}: the purge is in the log",
        keeper.name()
    );
    drop(larder);
    let _process = Process::run(&builder).await;
    cdn.story.settled().await;
}

#[tokio::test]
async fn a_write_that_is_cut_at_the_deadline_is_purged_for_with_redis() {
    cut_at_the_deadline(Keeper::redis().await).await;
}

#[tokio::test]
async fn a_write_that_is_cut_at_the_deadline_is_purged_for_with_the_spool() {
    cut_at_the_deadline(Keeper::spool()).await;
}

#[tokio::test]
async fn a_write_that_is_cut_at_the_deadline_is_purged_for_before_the_end_where_nothing_is_kept() {
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let options = Options { drain_deadline: DEADLINE, ..Options::default() };
    let larder = shop.larder_alone(&cdn.yaml("")).start_with(options);
    let client = hang(&shop, larder.put("/held/7", "")).await;
    larder.drained().await;
    assert!(!client.await.unwrap(), "nobody can have answered");
    assert_eq!(unpurged(&cdn.story.events()), [""; 0]);
}

/// Ends Larder by two signals in the middle of a write, and of a call that hangs.
async fn cut_by_a_second_signal(keeper: Keeper) {
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let builder = shop.larder(&keeper, &cdn.yaml(""));
    let mut process = Process::run(&builder).await;
    write(&process, "/page/1").await;
    cdn.story.settled().await;
    cdn.is(Mood::Hanging);
    write(&process, "/page/2").await;
    let client = hang(&shop, process.request("PUT", "/held/7")).await;
    process.signal(Signal::SIGTERM);
    eventually("it drains", async || TcpStream::connect(process.address()).await.is_err()).await;
    assert!(!process.has_exited(), "a write is under way");
    process.signal(Signal::SIGTERM);
    assert!(process.exited().await.success());
    assert!(!client.await.unwrap(), "nobody can have answered");
    cdn.is(Mood::Well);
    let _process = Process::run(&builder).await;
    cdn.story.settled().await;
}

#[tokio::test]
async fn a_second_signal_loses_nothing_with_redis() {
    cut_by_a_second_signal(Keeper::redis().await).await;
}

#[tokio::test]
async fn a_second_signal_loses_nothing_with_the_spool() {
    cut_by_a_second_signal(Keeper::spool()).await;
}

#[tokio::test]
async fn what_waits_in_memory_alone_is_delivered_before_the_end() {
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let mut process = Process::run(&shop.larder_alone(&cdn.yaml(""))).await;
    cdn.is(Mood::Throttling);
    let calls = cdn.calls();
    for page in 0..20 {
        write(&process, &format!("/page/{page}")).await;
    }
    // It is asked again in a second, and the process has nothing else to do.
    cdn.asked_since(calls).await;
    cdn.is(Mood::Well);
    process.signal(Signal::SIGTERM);
    assert!(process.exited().await.success());
    assert_eq!(unpurged(&cdn.story.events()), [""; 0]);
    assert_eq!(process.lines_with(&["are lost"]), 0, "{:#?}", process.lines());
}

#[tokio::test]
async fn what_cannot_be_delivered_before_the_end_is_said_to_be_lost() {
    for signals in [1, 2] {
        let cdn = Cdn::start().await;
        let shop = Shop::start(&cdn.story).await;
        let mut process = Process::run(&shop.larder_alone(&cdn.yaml(""))).await;
        write(&process, "/page/1").await;
        cdn.story.settled().await;
        cdn.is(Mood::Failing);
        for page in 2..5 {
            write(&process, &format!("/page/{page}")).await;
        }
        process.signal(Signal::SIGTERM);
        eventually("it drains", async || TcpStream::connect(process.address()).await.is_err()).await;
        for _ in 1..signals {
            process.signal(Signal::SIGTERM);
        }
        assert!(process.exited().await.success());
        process.logged(&["are lost", "edge: 3"]).await;
        assert_eq!(cdn.story.events().iter().filter(|event| matches!(event, Event::Purged(_))).count(), 1);
    }
}

/// Not even a CDN that is away holds up the end when nothing waits for it.
#[tokio::test]
async fn nobody_waits_for_a_cdn_that_has_all() {
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let mut process = Process::run(&shop.larder_alone(&cdn.yaml(""))).await;
    write(&process, "/page/1").await;
    cdn.story.settled().await;
    cdn.is(Mood::Hanging);
    let began = Instant::now();
    process.signal(Signal::SIGTERM);
    assert!(process.exited().await.success());
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}
