//! What the user that Larder is to Redis has to be allowed, as the reference says it.

use crate::cdn::{Cdn, Event, Mood};
use crate::shop::{Shop, figures, until, well, write};
use crate::support::{Process, RedisServer};
use nix::sys::signal::Signal;
use serde_json::json;

const REFERENCE: &str = include_str!("../../docs/configuration.md");

/// The line that makes the user, for the namespace that is the default.
fn user() -> String {
    let (_, begun) = REFERENCE.split_once("```acl\n").expect("the reference has the line");
    let line = begun.split("```").next().expect("a first piece").trim();
    line.replace("~shop:", "~larder:").replace("~{shop}:", "~{larder}:").replace("&shop:", "&larder:")
}

#[tokio::test]
async fn the_user_of_the_reference_may_do_all_that_is_done() {
    let redis = RedisServer::start().await;
    redis.command::<()>(&user()).await;
    let url = redis.url().replace("redis://", "redis://larder:secret@");
    let cdn = Cdn::start().await;
    let shop = Shop::start(&cdn.story).await;
    let builder = shop.larder_at(&url, &cdn.yaml(""));
    let mut nodes = vec![Process::run(&builder).await, Process::run(&builder).await];
    for node in &nodes {
        well(node).await;
    }
    for path in ["/page/1", "/page/2"] {
        let (first, second) = tokio::join!(nodes[0].get(path).send(), nodes[1].get(path).send());
        assert_eq!((first.status, second.status), (200, 200), "{path}");
    }
    cdn.is(Mood::Refusing);
    write(&nodes[0], "/page/1").await;
    until(&nodes[0], "a dead letter", |figures| figures["dead_letters"] == 1).await;
    cdn.is(Mood::Well);
    let reply = nodes[0].admin("POST", "/cdn/retry").send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    cdn.story.settled().await;
    let what = json!({ "urls": ["http://shop.test/page/3"] });
    let reply = nodes[1].admin("POST", "/purge?wait=cdn").json(&what).send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());

    // Whichever had the lead: one node dies in the middle of a write, and the other makes its purge and all that follow.
    let delivers = |state: &serde_json::Value| state == "delivering" || state == "waiting";
    let leads = usize::from(delivers(&figures(&nodes[1]).await["state"]));
    let dead = nodes.remove(leads);
    let known = cdn.story.events().len();
    let mut cut = std::pin::pin!(dead.request("PUT", "/held/1").body("new").send());
    let begun = cdn
        .story
        .until("the write is begun", |events| events[known..].contains(&Event::Written("/held/1".into())));
    tokio::select! {
        _ = &mut cut => panic!("nobody answers it"),
        () = begun => {}
    }
    dead.signal(Signal::SIGKILL);
    cdn.story.settled().await;
    write(&nodes[0], "/page/4").await;
    cdn.story.settled().await;
    nodes[0].signal(Signal::SIGTERM);
    nodes[0].exited().await;
    let refused: redis::Value = redis.command("ACL LOG").await;
    assert_eq!(refused, redis::Value::Array(vec![]), "no command, key or channel was refused");
}
