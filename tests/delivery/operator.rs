//! What an operator sees and does: figures, metrics, dead letters, waiting.

use crate::cdn::{Cdn, Event, Mood};
use crate::shop::{Keeper, Shop, figures, until, write};
use crate::support::{Process, command};
use serde_json::{Value, json};

#[tokio::test]
async fn what_the_cdn_refuses_becomes_a_dead_letter_that_can_be_retried() {
    for keeper in [Keeper::redis().await, Keeper::spool()] {
        let cdn = Cdn::start().await;
        let shop = Shop::start(&cdn.story).await;
        let process = Process::run(&shop.larder(&keeper, &cdn.yaml(""))).await;
        // What is written before the log is followed goes into it together, as one job.
        crate::shop::well(&process).await;
        cdn.is(Mood::Refusing);
        write(&process, "/page/1").await;
        write(&process, "/page/2").await;
        let name = keeper.name();
        until(&process, "two dead letters", |figures| {
            figures["dead_letters"] == 2 && figures["waiting"] == 0
        })
        .await;
        let figures = figures(&process).await;
        let reason = figures["last_dead_letters"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("no such zone"), "{name}: {reason}");
        cdn.is(Mood::Well);
        let admin = process.admin_address().to_string();
        let output = command(&["cdn", "retry", "edge", "--admin", &admin]).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout), "edge: 2 queued again\n", "{name}");
        cdn.story.settled().await;
        until(&process, "no dead letters", |figures| figures["dead_letters"] == 0).await;
        let output = command(&["cdn", "retry", "egde", "--admin", &admin]).await;
        assert_eq!(output.status.code(), Some(1), "{name}");
    }
}

#[tokio::test]
async fn what_waits_too_long_becomes_a_dead_letter() {
    let keeper = Keeper::spool();
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let process = Process::run(&shop.larder(&keeper, &cdn.yaml("give_up_after: 2s"))).await;
    cdn.is(Mood::Failing);
    write(&process, "/page/1").await;
    until(&process, "a dead letter", |figures| figures["dead_letters"] == 1).await;
    let figures = figures(&process).await;
    assert!(figures["last_dead_letters"][0]["reason"].as_str().unwrap().contains("503"), "{figures:#}");
}

#[tokio::test]
async fn a_purge_can_be_waited_for_until_the_cdn_has_it() {
    for keeper in [Keeper::redis().await, Keeper::spool()] {
        let cdn = Cdn::start().await;
        let shop = Shop::start(&cdn.story).await;
        let process = Process::run(&shop.larder(&keeper, &cdn.yaml(""))).await;
        crate::shop::well(&process).await;
        let what = json!({ "urls": ["http://shop.test/page/1"] });
        let reply = process.admin("POST", "/purge?wait=cdn").json(&what).send().await;
        assert!(cdn.story.events().contains(&Event::Purged("/page/1".into())), "{}", keeper.name());
        let said: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((reply.status, &said["outstanding"]), (200, &json!({ "nodes": [], "cdns": [] })));
    }
}

/// A batch that is too much for one record is one to whoever waits for it.
#[tokio::test]
async fn a_large_purge_is_waited_for_as_a_whole() {
    for keeper in [Keeper::redis().await, Keeper::spool()] {
        let cdn = Cdn::start().await;
        let shop = Shop::start(&cdn.story).await;
        let process = Process::run(&shop.larder(&keeper, &cdn.yaml(""))).await;
        crate::shop::well(&process).await;
        cdn.is(Mood::RefusingOne);
        let urls: Vec<_> = (0..600).map(|page| format!("http://shop.test/page/{page}")).collect();
        let reply = process.admin("POST", "/purge?wait=cdn").json(&json!({ "urls": urls })).send().await;
        let said: Value = serde_json::from_slice(&reply.body).unwrap();
        let undelivered = &said["outstanding"]["cdns"][0];
        let told = (reply.status, undelivered["state"].as_str());
        assert_eq!(told, (202, Some("dead")), "{}: {said:#}", keeper.name());
        let reply = process.admin("POST", "/purge?wait=cdn").json(&json!({ "urls": urls[1..] })).send().await;
        assert_eq!(reply.status, 200, "{}: {}", keeper.name(), reply.text());
    }
}

#[tokio::test]
async fn a_service_is_purged_under_every_name_that_the_cdn_knows() {
    async fn check(more: &str, expected: &[&str]) {
        let keeper = Keeper::spool();
        let cdn = Cdn::start().await;
        let shop = Shop::start(&cdn.story).await;
        let yaml = cdn.yaml_with_host(more) + "host_aliases: { shop.test: [www.shop.test, m.shop.test] }\n";
        let process = Process::run(&shop.larder(&keeper, &yaml)).await;
        crate::shop::well(&process).await;
        for host in ["shop.test", "www.shop.test"] {
            let known = cdn.story.events().len();
            let what = json!({ "urls": [format!("http://{host}/page/1")] });
            let reply = process.admin("POST", "/purge?wait=cdn").json(&what).send().await;
            assert_eq!(reply.status, 200, "{more}: {}", reply.text());
            let purged = |name: &&str| Event::Purged(format!("/{name}/page/1"));
            let mut told = cdn.story.events().split_off(known);
            told.sort_by_key(|event| format!("{event:?}"));
            assert_eq!(told, expected.iter().map(purged).collect::<Vec<_>>(), "{more}: {host}");
        }
        let known = cdn.story.events().len();
        let reply = process.request("PUT", "/page/2").host("m.shop.test").body("new").send().await;
        assert_eq!(reply.status, 204, "{}", reply.text());
        let told = |events: &[Event], name: &str| {
            events[known..].contains(&Event::Purged(format!("/{name}/page/2")))
        };
        cdn.story.until("the write is told", |events| expected.iter().all(|name| told(events, name))).await;
    }
    check("", &["m.shop.test", "shop.test", "www.shop.test"]).await;
    check("hosts: [www.shop.test]", &["www.shop.test"]).await;
    check("hosts: [www.shop.test, shop.test, elsewhere.test]", &["shop.test", "www.shop.test"]).await;
}

#[tokio::test]
async fn metrics_tell_of_calls_and_of_the_backlog() {
    let keeper = Keeper::spool();
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let process = Process::run(&shop.larder(&keeper, &cdn.yaml(""))).await;
    cdn.is(Mood::Throttling);
    let calls = cdn.calls();
    write(&process, "/page/1").await;
    cdn.asked_since(calls).await;
    cdn.is(Mood::Well);
    cdn.story.settled().await;
    until(&process, "the queue is empty", |figures| figures["waiting"] == 0).await;
    let page = process.admin("GET", "/metrics").send().await;
    for line in [
        "larder_cdn_backlog{cdn=\"edge\"} 0",
        "larder_cdn_purges_total{cdn=\"edge\",result=\"delivered\"} 1",
        "larder_cdn_delivery_seconds_count{cdn=\"edge\"} 1",
    ] {
        assert!(page.text().lines().any(|found| found == line), "no {line} in\n{}", page.text());
    }
    process.logged(&["edge", "throttled"]).await;
}

/// Nothing is said to be safe that is not.
#[tokio::test]
async fn a_queue_that_is_kept_nowhere_is_complained_of() {
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let process = Process::run(&shop.larder_alone(&cdn.yaml(""))).await;
    write(&process, "/page/1").await;
    cdn.story.settled().await;
    let said = process.admin("GET", "/readyz").send().await;
    assert!(said.text().contains("set `invalidation.spool`, or `redis`"), "{}", said.text());
}

/// Whoever waits is told of the first purge, and not held up by what the CDN does not take of others.
#[tokio::test]
async fn a_wait_for_the_cdn_is_one_for_the_first_purge() {
    for keeper in [Keeper::redis().await, Keeper::spool()] {
        let cdn = Cdn::start().await;
        let shop = Shop::start(&cdn.story).await;
        let process = Process::run(&shop.larder(&keeper, &cdn.yaml("second_purge: 30s"))).await;
        crate::shop::well(&process).await;
        write(&process, "/page/0").await;
        let what = json!({ "urls": ["http://shop.test/page/1"] });
        let reply = process.admin("POST", "/purge?wait=cdn").json(&what).send().await;
        assert_eq!(reply.status, 200, "{}: {}", keeper.name(), reply.text());
        let purged = Event::Purged("/page/1".into());
        assert_eq!(
            cdn.story.events().iter().filter(|event| **event == purged).count(),
            1,
            "{}",
            keeper.name()
        );
        until(&process, "both stay", |figures| figures["waiting"] == 2).await;
    }
}

/// A second purge comes after its delay, and the job stays in the queue until then.
#[tokio::test]
async fn behind_a_shield_everything_is_purged_twice() {
    let keeper = Keeper::spool();
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let process = Process::run(&shop.larder(&keeper, &cdn.yaml("second_purge: 1s"))).await;
    write(&process, "/page/1").await;
    let purged = Event::Purged("/page/1".into());
    let twice = |events: &[Event]| events.iter().filter(|event| **event == purged).count() == 2;
    cdn.story.until("a second purge", twice).await;
    until(&process, "the queue is empty", |figures| figures["waiting"] == 0).await;
}
