//! Several nodes before one CDN: who delivers, and when the CDN may be told.

use crate::cdn::{Cdn, Event, Mood};
use crate::shop::{Keeper, PACE, Shop, figures, until, write};
use crate::support::{Flow, Process, RedisServer, Tap, within};
use nix::sys::signal::Signal;
use serde_json::json;

/// The one of `nodes` that has the lead.
async fn leader(nodes: &[Process]) -> usize {
    let looking = async {
        loop {
            for (index, node) in nodes.iter().enumerate() {
                let figures = figures(node).await;
                if ["delivering", "waiting"].iter().any(|state| figures["state"] == *state) {
                    return index;
                }
            }
            tokio::time::sleep(PACE).await;
        }
    };
    within("a node takes the lead", looking).await
}

#[tokio::test]
async fn when_the_node_that_delivers_dies_another_goes_on() {
    let keeper = Keeper::redis().await;
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let builder = shop.larder(&keeper, &cdn.yaml(""));
    let mut nodes = vec![Process::run(&builder).await, Process::run(&builder).await];
    write(&nodes[0], "/page/0").await;
    cdn.story.settled().await;
    let leader = leader(&nodes).await;
    cdn.is(Mood::Hanging);
    let calls = cdn.calls();
    for page in 0..50 {
        write(&nodes[page % 2], &format!("/page/{page}")).await;
    }
    // It dies with a call under way, the rest read and not settled.
    cdn.asked_since(calls).await;
    let mut dead = nodes.remove(leader);
    dead.signal(Signal::SIGKILL);
    dead.exited().await;
    cdn.is(Mood::Well);
    cdn.story.settled().await;
    until(&nodes[0], "the queue is empty", |figures| figures["waiting"] == 0).await;
}

#[tokio::test]
async fn a_node_that_is_not_the_leader_has_its_purges_delivered() {
    let keeper = Keeper::redis().await;
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let builder = shop.larder(&keeper, &cdn.yaml(""));
    let nodes = [Process::run(&builder).await, Process::run(&builder).await, Process::run(&builder).await];
    for (page, node) in nodes.iter().cycle().take(30).enumerate() {
        write(node, &format!("/page/{page}")).await;
    }
    cdn.story.settled().await;
}

/// A CDN that is told too early fills itself from a node that does not know of the purge.
#[tokio::test]
async fn the_cdn_is_told_when_no_node_serves_what_was_purged() {
    let Keeper::Redis(server) = Keeper::redis().await else { unreachable!("it was just made so") };
    let tap = Tap::before(server.port()).await;
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let near = Process::run(&shop.larder_at(&server.url(), &cdn.yaml(""))).await;
    let far = Process::run(&shop.larder_at(&tap.url(), &cdn.yaml(""))).await;
    for node in [&near, &far] {
        crate::shop::well(node).await;
        node.get("/page/1").send().await;
        assert!(node.get("/page/1").send().await.is_hit());
    }
    // It hears nothing any more, and does not know yet.
    tap.both(Flow::Hold);
    write(&near, "/page/1").await;
    cdn.story.until("the CDN is told", |events| events.contains(&Event::Purged("/page/1".into()))).await;
    assert!(!far.get("/page/1").send().await.is_hit(), "the CDN could have filled itself with the old page");
    tap.both(Flow::Pass);
    tap.cut();
}

/// Nodes say that they have applied a purge when they have, so whoever delivers need not ask for it again and again.
#[tokio::test]
async fn to_know_that_all_nodes_applied_a_purge_takes_few_commands() {
    const PURGES: u64 = 10;
    let Keeper::Redis(server) = Keeper::redis().await else { unreachable!("it was just made so") };
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let builder = shop.larder_at(&server.url(), &cdn.yaml(""));
    let nodes = [Process::run(&builder).await, Process::run(&builder).await];
    for node in &nodes {
        crate::shop::well(node).await;
    }
    leader(&nodes).await;
    let before = scripts(&server).await;
    for page in 0..PURGES {
        write(&nodes[0], &format!("/page/{page}")).await;
        cdn.story.settled().await;
    }
    let each = (scripts(&server).await - before) / PURGES;
    // Some fifteen on a quiet machine, where heartbeats in a row would be two or three hundred.
    assert!(each < 80, "{each} scripts for each purge");
}

/// How many scripts the server ran.
async fn scripts(server: &RedisServer) -> u64 {
    let said: String = server.command("INFO commandstats").await;
    let calls = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")))?;
        line.split(',').next()?.parse::<u64>().ok()
    };
    calls("evalsha").unwrap_or(0) + calls("evalsha_ro").unwrap_or(0)
}

/// Each node appends again what it knows of the log that is gone, a purge of everything too.
#[tokio::test]
async fn an_emptied_redis_has_the_cdn_told_everything_once() {
    let Keeper::Redis(server) = Keeper::redis().await else { unreachable!("it was just made so") };
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let builder = shop.larder_at(&server.url(), &cdn.yaml(""));
    let nodes = [Process::run(&builder).await, Process::run(&builder).await, Process::run(&builder).await];
    for node in &nodes {
        crate::shop::well(node).await;
    }
    let reply = nodes[0].admin("POST", "/purge?wait=cdn").json(&json!({ "all": true })).send().await;
    assert!(reply.text().contains("\"position\""), "{}", reply.text());
    write(&nodes[1], "/page/1").await;
    cdn.story.settled().await;
    let everything = |events: &[Event]| {
        events.iter().filter(|event| **event == Event::Purged("/everything".into())).count()
    };
    assert_eq!(everything(&cdn.story.events()), 1);
    server.command::<()>("FLUSHALL").await;
    cdn.story.until("the CDN is told everything", |events| everything(events) == 2).await;
    for node in &nodes {
        crate::shop::well(node).await;
        until(node, "the queue is empty", |figures| figures["waiting"] == 0).await;
        write(node, "/page/2").await;
        cdn.story.settled().await;
    }
    assert_eq!(everything(&cdn.story.events()), 2, "{:?}", cdn.story.events());
}
