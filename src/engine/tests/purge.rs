//! Nothing read before a purge reaches a request that came after it.

use super::harness::{Got, Node};
use crate::engine::Outcome;
use crate::invalidation::{Matcher, Mode};
use crate::semantics::FreshnessRule;
use std::time::Duration;

const HOUR: &[(&str, &str)] = &[("cache-control", "max-age=3600")];

#[tokio::test(start_paused = true)]
async fn a_purge_while_the_origin_is_asked_is_not_undone_by_its_answer() {
    let mut node = Node::new();
    let before = node.get("/page");
    let asked = node.asked().await;
    node.purge_path("/page").await;
    let after = node.get("/page");
    let second = node.asked().await;
    asked.reply(200, HOUR, "old");
    second.reply(200, HOUR, "new");
    assert_eq!(before.got().await.body(), "old", "it came before the purge");
    assert_eq!(after.got().await.body(), "new");
    node.engine.idle().await;
    assert_eq!(node.get("/page").got().await.body(), "new");
    assert!(node.told().contains(&"fill purged".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_purge_while_the_body_arrives_is_not_undone_by_its_end() {
    let mut node = Node::new();
    let before = node.get("/page");
    let giving = node.asked().await.head(200, HOUR);
    giving.piece(b"old");
    node.quiet().await;
    node.purge(Matcher::Tag("tagged".into()), Mode::Hard).await;
    let after = node.get("/page");
    node.asked().await.reply(200, HOUR, "new");
    assert_eq!(after.got().await.body(), "new");
    drop(giving);
    assert_eq!(before.got().await.body(), "old");
    node.engine.idle().await;
    assert_eq!(node.get("/page").got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn one_who_waits_since_before_a_purge_by_tag_is_served_and_one_who_came_after_is_not() {
    let mut node = Node::new();
    let starter = node.get("/page");
    let asked = node.asked().await;
    node.purge(Matcher::Tag("tagged".into()), Mode::Hard).await;
    // The tag is known only when the head arrives, so this one waits with the other.
    let after = node.get("/page");
    node.quiet().await;
    asked.reply(200, HOUR, "old");
    assert_eq!(starter.got().await.body(), "old");
    node.asked().await.reply(200, HOUR, "new");
    assert_eq!(after.got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn every_matcher_reaches_what_is_stored() {
    let authority = || "shop.example".into();
    let matchers = [
        Matcher::Path { authority: authority(), path: "/a/page".into() },
        Matcher::Prefix { authority: authority(), path: "/a".into() },
        Matcher::Tag("tagged".into()),
        Matcher::Route("test".into()),
        Matcher::All,
    ];
    for matcher in matchers {
        let mut node = Node::new();
        node.fill("/a/page", HOUR, "old").await;
        node.purge(matcher.clone(), Mode::Hard).await;
        let client = node.get("/a/page");
        node.asked().await.reply(200, HOUR, "new");
        assert_eq!(client.got().await.body(), "new", "{matcher:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_pages_stay() {
    let mut node = Node::new();
    node.fill("/a", HOUR, "a").await;
    node.purge_path("/b").await;
    node.purge(Matcher::Tag("other".into()), Mode::Hard).await;
    assert_eq!(node.get("/a").got().await.outcome(), Outcome::Hit);
    node.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_soft_purge_makes_stale_and_a_304_by_a_strong_validator_confirms() {
    let swr = Some(Duration::from_secs(60));
    let mut node = Node::with(FreshnessRule { stale_while_revalidate: swr, ..FreshnessRule::default() });
    node.fill("/page", &[("cache-control", "max-age=3600"), ("etag", "\"1\"")], "kept").await;
    node.purge_path_softly("/page").await;
    match node.get("/page").got().await {
        Got::Reply { outcome, body, head, .. } => {
            assert_eq!((outcome, body.as_str()), (Outcome::Stale, "kept"));
            assert_eq!(head.cache_status.ttl, Some(0), "not fresh any more");
        }
        other => panic!("{other:?}"),
    }
    let asked = node.asked().await;
    assert_eq!(asked.field("if-none-match"), Some("\"1\""));
    asked.reply(304, &[("etag", "\"1\""), ("cache-control", "max-age=3600")], "");
    node.engine.idle().await;
    assert_eq!(node.get("/page").got().await.outcome(), Outcome::Hit);
}

#[tokio::test(start_paused = true)]
async fn a_soft_purge_is_not_undone_by_a_weak_validator() {
    let mut node = Node::new();
    let modified = crate::semantics::http_date(node.now());
    node.fill("/page", &[("cache-control", "max-age=3600"), ("last-modified", &modified)], "old").await;
    node.purge_path_softly("/page").await;
    let client = node.get("/page");
    let asked = node.asked().await;
    assert_eq!(
        asked.field("if-modified-since"),
        None,
        "a date of the same second would confirm an edited page"
    );
    asked.reply(200, HOUR, "new");
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_purge_between_the_look_up_and_the_fence_forbids_a_304() {
    let mut node = Node::new();
    node.fill("/page", &[("cache-control", "max-age=1"), ("etag", "\"1\"")], "old").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    // In this order: the client finds the stale reply and starts a fill, the purge comes, the fill takes its fence.
    let client = node.get("/page");
    let engine = std::sync::Arc::clone(&node.engine);
    let matcher = Matcher::Path { authority: "shop.example".into(), path: "/page".into() };
    let purge = crate::invalidation::Invalidation { matcher, mode: Mode::Hard };
    let purge = tokio::spawn(async move { engine.invalidate(vec![purge]).await });
    let asked = node.asked().await;
    purge.await.unwrap().unwrap();
    assert_eq!(
        asked.field("if-none-match"),
        None,
        "its fence is behind the purge: a 304 would revive what that reached"
    );
    asked.reply(200, HOUR, "new");
    assert_eq!(client.got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_stale_reply_that_a_purge_reached_is_not_served_when_the_origin_fails() {
    let mut node = Node::new();
    node.fill("/page", &[("cache-control", "max-age=1, stale-if-error=600")], "old").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    let client = node.get("/page");
    let asked = node.asked().await;
    node.purge_path("/page").await;
    asked.fail(crate::origin::FetchError::Timeout);
    assert!(matches!(client.got().await, Got::Failed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_write_in_doubt_is_purged_at_once_and_again_when_it_is_surely_over() {
    let mut node = Node::new();
    let upkeep = tokio::spawn(std::sync::Arc::clone(&node.engine).upkeep());
    node.fill("/page", HOUR, "v1").await;
    let matcher = Matcher::Path { authority: "shop.example".into(), path: "/page".into() };
    node.engine.in_doubt(&[crate::invalidation::Invalidation { matcher, mode: Mode::Hard }]);
    node.quiet().await;
    node.fill("/page", HOUR, "v1 again").await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    node.fill("/page", HOUR, "v2").await;
    upkeep.abort();
}

impl Node {
    async fn purge_path_softly(&self, path: &str) {
        self.purge(Matcher::Path { authority: "shop.example".into(), path: path.into() }, Mode::Soft).await;
    }
}
