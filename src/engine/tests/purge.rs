//! Nothing read before a purge reaches a request that came after it.

use super::harness::{Got, Node};
use crate::engine::Outcome;
use crate::invalidation::{Matcher, Mode};
use crate::semantics::{CacheStatus, FreshnessRule};
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

/// What a reply says to CDNs in front.
#[derive(Debug, PartialEq)]
enum Said {
    /// To keep it for a day.
    Keep,
    /// To use it once.
    Once,
    /// What the origin said.
    Nothing,
}

fn said(got: &Got) -> (Said, &CacheStatus) {
    let Got::Reply { headers, head, .. } = got else { panic!("no reply: {got:?}") };
    let once = headers.get("cache-control").is_some_and(|value| value == "s-maxage=0");
    let said = match headers.get("cdn-cache-control").map(|value| value.to_str().unwrap()) {
        Some("max-age=86400") if !once => Said::Keep,
        Some("max-age=0") | None if once => Said::Once,
        None => Said::Nothing,
        other => panic!("{other:?} and {headers:?}"),
    };
    (said, &head.cache_status)
}

fn cdns_in_front() -> FreshnessRule {
    FreshnessRule { cdn_ttl: Some(Duration::from_secs(86_400)), ..FreshnessRule::default() }
}

#[tokio::test(start_paused = true)]
async fn what_a_purge_overtakes_on_its_way_is_kept_by_no_cdn() {
    async fn check(matcher: Matcher, mode: Mode, reply: &[(&'static str, &str)], wanted: (Said, bool)) {
        let mut node = Node::with(cdns_in_front());
        let (first, waits) = (node.get("/a/page"), node.get("/a/page"));
        let asked = node.asked().await;
        node.purge(matcher.clone(), mode).await;
        asked.reply(200, reply, "old");
        let (first, waits) = (first.got().await, waits.got().await);
        let (said_first, status) = said(&first);
        assert_eq!((said_first, status.stored), wanted, "{matcher:?} {mode:?} {reply:?}");
        let purged = wanted == (Said::Once, false) && reply == HOUR;
        assert_eq!(status.detail == Some("purged"), purged, "{matcher:?} {mode:?}");
        if !waits.is_pass() {
            let (said_second, status) = said(&waits);
            assert_eq!((said_second, status.stored), (wanted.0, false), "{matcher:?} {mode:?} {reply:?}");
        }
        node.engine.idle().await;
        assert_eq!(node.told().contains(&"fill purged".to_owned()), purged, "{matcher:?} {mode:?}");
    }
    let path = |path: &str| Matcher::Path { authority: "shop.example".into(), path: path.into() };
    let reaching = [
        path("/a/page"),
        Matcher::Prefix { authority: "shop.example".into(), path: "/a".into() },
        Matcher::Tag("tagged".into()),
        Matcher::Route("test".into()),
        Matcher::All,
    ];
    let many = (0..300).map(|n| format!("t{n}")).collect::<Vec<_>>().join(" ");
    let too_many = [("cache-control", "max-age=3600"), ("surrogate-key", many.as_str())];
    let not_stored = [("cache-control", "no-store")];
    for matcher in reaching {
        check(matcher.clone(), Mode::Hard, HOUR, (Said::Once, false)).await;
        // It is stored, to be revalidated; a CDN would take it for new.
        check(matcher.clone(), Mode::Soft, HOUR, (Said::Once, true)).await;
        check(matcher, Mode::Soft, &not_stored, (Said::Once, false)).await;
    }
    for matcher in [path("/a/other"), Matcher::Tag("other".into())] {
        check(matcher.clone(), Mode::Hard, HOUR, (Said::Keep, true)).await;
        check(matcher.clone(), Mode::Hard, &not_stored, (Said::Nothing, false)).await;
        check(matcher, Mode::Hard, &too_many, (Said::Once, false)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_after_the_head_overtakes_those_who_join_then() {
    let mut node = Node::with(cdns_in_front());
    let first = node.get("/page");
    let giving = node.asked().await.head(200, HOUR);
    node.quiet().await;
    node.purge_path_softly("/page").await;
    let joins = node.get("/page");
    node.quiet().await;
    drop(giving);
    assert_eq!(said(&first.got().await).0, Said::Keep, "its head was gone");
    assert_eq!(said(&joins.got().await).0, Said::Once);
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_a_purge_overtakes_is_kept_by_no_cdn() {
    for (tag, wanted) in [("tagged", Said::Once), ("other", Said::Keep)] {
        for mode in [Mode::Hard, Mode::Soft] {
            let mut node = Node::with(cdns_in_front());
            let short = [("cache-control", "max-age=1"), ("etag", "\"1\"")];
            node.fill("/page", &short, "old").await;
            tokio::time::advance(Duration::from_secs(2)).await;
            let client = node.get("/page");
            let asked = node.asked().await;
            node.purge(Matcher::Tag(tag.into()), mode).await;
            asked.reply(304, &short, "");
            let got = client.got().await;
            assert_eq!(got.outcome(), Outcome::Revalidated);
            assert_eq!(said(&got).0, wanted, "{tag} {mode:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_cdn_is_told_a_reply_stays_as_the_origin_made_it() {
    let mut node = Node::new();
    let client = node.get("/page");
    let asked = node.asked().await;
    node.purge_path("/page").await;
    asked.reply(200, HOUR, "old");
    let got = client.got().await;
    let (said, status) = said(&got);
    assert_eq!((said, status.stored, status.detail), (Said::Nothing, false, Some("purged")));
}

impl Node {
    async fn purge_path_softly(&self, path: &str) {
        self.purge(Matcher::Path { authority: "shop.example".into(), path: path.into() }, Mode::Soft).await;
    }
}
