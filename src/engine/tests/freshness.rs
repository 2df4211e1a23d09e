//! Stale replies: refreshed once, served when the origin fails, confirmed by 304.

use super::harness::{Got, Node};
use crate::engine::{Failure, Outcome};
use crate::invalidation::{Matcher, Mode};
use crate::origin::FetchError;
use crate::semantics::{ClientDirectives, FreshnessRule};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_stale_reply_is_refreshed_once_while_all_are_served() {
    let mut node = Node::new();
    node.fill("/page", &[("cache-control", "max-age=1, stale-while-revalidate=60")], "old").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    let mut asked = None;
    for _ in 0..10 {
        let got = node.get("/page").got().await;
        assert_eq!((got.outcome(), got.body()), (Outcome::Stale, "old"));
        if asked.is_none() {
            asked = Some(node.asked().await);
        }
    }
    node.quiet().await;
    asked.unwrap().reply(200, &[("cache-control", "max-age=60")], "new");
    node.engine.idle().await;
    assert_eq!(node.get("/page").got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_304_renews_head_and_lifetime_and_keeps_the_body() {
    let mut node = Node::new();
    let stored = [("cache-control", "max-age=1"), ("etag", "\"1\""), ("x-price", "10")];
    node.fill("/page", &stored, "body").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    let (first, second) = (node.get("/page"), node.get("/page"));
    let asked = node.asked().await;
    assert_eq!(asked.field("if-none-match"), Some("\"1\""));
    asked.reply(304, &[("cache-control", "max-age=60"), ("x-price", "12")], "");
    for (client, outcome) in [(first, Outcome::Revalidated), (second, Outcome::Collapsed)] {
        match client.got().await {
            Got::Reply { outcome: got, body, headers, status, .. } => {
                assert_eq!((got, body.as_str(), status), (outcome, "body", 200));
                assert_eq!(headers["x-price"], "12");
                assert_eq!(headers["etag"], "\"1\"");
            }
            other => panic!("{other:?}"),
        }
    }
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(node.get("/page").got().await.outcome(), Outcome::Hit);
    node.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_304_that_speaks_of_another_reply_is_not_believed() {
    let mut node = Node::new();
    node.fill("/page", &[("cache-control", "max-age=1"), ("etag", "\"1\"")], "old").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    let client = node.get("/page");
    node.asked().await.reply(304, &[("etag", "\"2\"")], "");
    let asked = node.asked().await;
    assert_eq!(asked.field("if-none-match"), None);
    asked.reply(200, &[("cache-control", "max-age=60"), ("etag", "\"2\"")], "new");
    assert_eq!(client.got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn a_304_without_tags_leaves_those_of_the_stored_reply() {
    let mut node = Node::new();
    let stored = [("cache-control", "max-age=1"), ("etag", "\"1\""), ("surrogate-key", "red")];
    node.fill("/page", &stored, "old").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    let client = node.get("/page");
    node.asked().await.reply(304, &[("cache-control", "max-age=600"), ("etag", "\"1\"")], "");
    assert_eq!(client.got().await.outcome(), Outcome::Revalidated);
    node.purge(Matcher::Tag("red".into()), Mode::Hard).await;
    let client = node.get("/page");
    node.asked().await.reply(200, &[("cache-control", "max-age=60")], "new");
    assert_eq!(client.got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn an_unasked_304_is_a_bad_gateway() {
    let mut node = Node::new();
    let client = node.get("/page");
    node.asked().await.reply(304, &[], "");
    assert!(matches!(client.got().await, Got::Failed(Failure::BadGateway)));
}

#[tokio::test(start_paused = true)]
async fn stale_is_served_when_the_origin_fails_and_the_failure_is_remembered_for_a_moment() {
    let mut node = Node::new();
    node.fill("/page", &[("cache-control", "max-age=1, stale-if-error=600")], "old").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    for failure in [Err(FetchError::Timeout), Ok(503)] {
        let client = node.get("/page");
        let asked = node.asked().await;
        match failure {
            Err(error) => asked.fail(error),
            Ok(status) => asked.reply(status, &[], "sorry"),
        }
        let got = client.got().await;
        assert_eq!((got.outcome(), got.body()), (Outcome::Stale, "old"));
        assert_eq!(node.get("/page").got().await.outcome(), Outcome::Stale);
        node.quiet().await;
        tokio::time::advance(Duration::from_secs(3)).await;
    }
    let client = node.get("/page");
    node.asked().await.reply(200, &[("cache-control", "max-age=60")], "new");
    assert_eq!(client.got().await.body(), "new");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_passed_on_where_stale_is_not_allowed() {
    let mut node = Node::new();
    node.fill("/page", &[("cache-control", "max-age=1, must-revalidate, stale-if-error=600")], "old").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    let client = node.get("/page");
    node.asked().await.reply(503, &[], "sorry");
    let got = client.got().await;
    assert_eq!((got.status(), got.body()), (503, "sorry"));
}

#[tokio::test(start_paused = true)]
async fn what_the_origin_no_longer_lets_be_stored_goes() {
    let mut node = Node::new();
    node.fill("/page", &[("cache-control", "max-age=1, stale-while-revalidate=600")], "old").await;
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(node.get("/page").got().await.outcome(), Outcome::Stale);
    node.asked().await.reply(200, &[("cache-control", "private")], "yours");
    node.engine.idle().await;
    assert!(node.get("/page").got().await.is_pass());
}

#[tokio::test(start_paused = true)]
async fn only_if_cached_asks_nobody() {
    let rule = FreshnessRule { client_directives: ClientDirectives::Obey, ..FreshnessRule::default() };
    let mut node = Node::with(rule);
    let client = node.get_with("/page", &[("cache-control", "only-if-cached")]);
    assert!(matches!(client.got().await, Got::Failed(Failure::NotCached)));
    node.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn conditions_and_ranges_of_clients_do_not_reach_the_origin_in_a_fill() {
    let mut node = Node::new();
    let fields =
        [("range", "bytes=0-1"), ("if-none-match", "\"x\""), ("if-range", "\"x\""), ("connection", "te")];
    let client = node.get_with("/page", &fields);
    let asked = node.asked().await;
    for (name, _) in fields {
        assert_eq!(asked.field(name), None, "{name}");
    }
    asked.reply(200, &[("cache-control", "max-age=60"), ("etag", "\"x\"")], "body");
    assert_eq!(client.got().await.status(), 304);
}
