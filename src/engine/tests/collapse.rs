//! One request a cold key, whatever becomes of it.

use super::harness::{Got, Node};
use crate::engine::{Failure, Outcome};
use crate::origin::FetchError;
use crate::semantics::FreshnessRule;
use std::time::Duration;

const HOUR: &[(&str, &str)] = &[("cache-control", "max-age=3600")];

#[tokio::test(start_paused = true)]
async fn four_hundred_clients_cost_one_request_and_read_along() {
    let mut node = Node::new();
    let mut clients: Vec<_> = (0..400).map(|_| node.get("/cold")).collect();
    let giving = node.asked().await.head(200, HOUR);
    node.quiet().await;
    giving.piece(b"first ");
    for client in &mut clients {
        assert_eq!(client.pieces.recv().await.unwrap(), "first ", "before the origin gave the last");
    }
    giving.piece(b"last");
    drop(giving);
    let mut misses = 0;
    for client in clients {
        let got = client.got().await;
        assert_eq!(got.body(), "first last");
        misses += u32::from(got.outcome() == Outcome::Miss);
    }
    assert_eq!(misses, 1);
    node.quiet().await;
    assert_eq!(node.get("/cold").got().await.outcome(), Outcome::Hit);
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_reads_from_the_first_byte() {
    let mut node = Node::new();
    let first = node.get("/page");
    let giving = node.asked().await.head(200, HOUR);
    giving.piece(b"one ");
    node.quiet().await;
    let second = node.get("/page");
    giving.piece(b"two");
    drop(giving);
    assert_eq!(first.got().await.body(), "one two");
    assert_eq!(second.got().await.body(), "one two");
}

#[tokio::test(start_paused = true)]
async fn who_comes_when_the_arriving_reply_is_stale_asks_anew() {
    let mut node = Node::new();
    let first = node.get("/page");
    let giving = node.asked().await.head(200, &[("cache-control", "max-age=1")]);
    giving.piece(b"old");
    node.quiet().await;
    tokio::time::advance(Duration::from_secs(2)).await;
    let second = node.get("/page");
    node.asked().await.reply(200, HOUR, "new");
    assert_eq!(second.got().await.body(), "new");
    drop(giving);
    assert_eq!(first.got().await.body(), "old");
    assert_eq!(node.get("/page").got().await.body(), "new", "the older fill did not replace the newer");
}

#[tokio::test(start_paused = true)]
async fn the_fill_goes_on_when_all_clients_leave() {
    let mut node = Node::new();
    let client = node.get("/page");
    let giving = node.asked().await.head(200, HOUR);
    client.task.abort();
    node.quiet().await;
    giving.piece(b"kept");
    drop(giving);
    node.engine.idle().await;
    assert_eq!(node.get("/page").got().await.body(), "kept");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_not_storable_releases_those_who_wait_and_is_remembered() {
    let mut node = Node::new();
    let first = node.get("/private");
    let asked = node.asked().await;
    let others: Vec<_> = (0..20).map(|_| node.get("/private")).collect();
    node.quiet().await;
    let giving = asked.head(200, &[("cache-control", "no-store")]);
    for other in others {
        assert!(other.got().await.is_pass(), "goes alone, before the first is through");
    }
    giving.piece(b"yours");
    drop(giving);
    let got = first.got().await;
    assert_eq!((got.body(), got.outcome()), ("yours", Outcome::Miss));
    assert!(matches!(node.get("/private").got().await, Got::Pass(Some("no_store"))), "remembered");
    node.quiet().await;
    tokio::time::advance(Duration::from_secs(61)).await;
    let later = node.get("/private");
    node.asked().await.reply(200, HOUR, "shared now");
    assert_eq!(later.got().await.body(), "shared now");
}

#[tokio::test(start_paused = true)]
async fn variants_are_told_apart_when_the_head_arrives() {
    let mut node = Node::new();
    let german = node.get_with("/page", &[("accept-language", "de")]);
    let asked = node.asked().await;
    let english = node.get_with("/page", &[("accept-language", "en")]);
    let german_too = node.get_with("/page", &[("accept-language", "de")]);
    node.quiet().await;
    let giving = asked.head(200, &[("cache-control", "max-age=60"), ("vary", "Accept-Language")]);
    let asked = node.asked().await;
    assert_eq!(asked.field("accept-language"), Some("en"));
    // One that comes while the German reply is still arriving joins it, under the variant's key.
    let german_late = node.get_with("/page", &[("accept-language", "de")]);
    node.quiet().await;
    giving.piece(b"Hallo");
    drop(giving);
    asked.reply(200, &[("cache-control", "max-age=60"), ("vary", "Accept-Language")], "Hello");
    for (client, body) in
        [(german, "Hallo"), (german_too, "Hallo"), (german_late, "Hallo"), (english, "Hello")]
    {
        assert_eq!(client.got().await.body(), body);
    }
    node.engine.idle().await;
    assert_eq!(node.get_with("/page", &[("accept-language", "de")]).got().await.body(), "Hallo");
    assert_eq!(node.get_with("/page", &[("accept-language", "en")]).got().await.body(), "Hello");
    node.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn requests_with_credentials_wait_apart() {
    let mut node =
        Node::with(FreshnessRule { ttl: Some(Duration::from_secs(60)), ..FreshnessRule::default() });
    let user = node.get_with("/page", &[("cookie", "session=1")]);
    let asked = node.asked().await;
    let anonymous = node.get("/page");
    node.asked().await.reply(200, &[], "for all");
    assert_eq!(anonymous.got().await.body(), "for all");
    asked.reply(200, &[], "for one");
    assert_eq!(user.got().await.body(), "for one");
    assert!(node.get_with("/page", &[("cookie", "session=2")]).got().await.is_pass());
    assert_eq!(node.get("/page").got().await.body(), "for all");
}

#[tokio::test(start_paused = true)]
async fn a_failed_fill_answers_everybody() {
    for (error, expected) in [
        (FetchError::Timeout, Failure::GatewayTimeout),
        (FetchError::Connect("refused".to_owned()), Failure::BadGateway),
        (FetchError::Malformed("garbage".to_owned()), Failure::BadGateway),
        (
            FetchError::Busy { retry_after: Duration::from_secs(1) },
            Failure::Busy { retry_after: Duration::from_secs(1) },
        ),
    ] {
        let mut node = Node::new();
        let clients: Vec<_> = (0..10).map(|_| node.get("/page")).collect();
        node.asked().await.fail(error);
        for client in clients {
            match client.got().await {
                Got::Failed(failure) => assert_eq!(failure, expected),
                other => panic!("{other:?}"),
            }
        }
        node.quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_tried_once_more_for_those_who_waited() {
    let mut node = Node::new();
    let first = node.get("/page");
    let asked = node.asked().await;
    let second = node.get("/page");
    node.quiet().await;
    asked.fail(FetchError::Broken("reset".to_owned()));
    assert!(matches!(first.got().await, Got::Failed(Failure::BadGateway)));
    node.asked().await.reply(200, HOUR, "better");
    assert_eq!(second.got().await.body(), "better");
}

#[tokio::test(start_paused = true)]
async fn a_fill_that_panics_is_replaced() {
    let mut node = Node::new();
    let client = node.get("/page");
    node.asked().await.panic();
    node.asked().await.reply(200, HOUR, "whole");
    assert_eq!(client.got().await.body(), "whole");
    assert_eq!(node.engine.stats().flights, 0);
}

#[tokio::test(start_paused = true)]
async fn without_collapsing_everybody_asks() {
    let mut node = Node::new();
    let mut route = (*node.route).clone();
    route.cache.as_mut().unwrap().collapse = crate::engine::Collapse::Off;
    node.route = route.into();
    let (first, second) = (node.get("/page"), node.get("/page"));
    node.asked().await.reply(200, HOUR, "one");
    node.asked().await.reply(200, HOUR, "two");
    assert_eq!((first.got().await.body(), second.got().await.body()), ("one", "two"));
}
