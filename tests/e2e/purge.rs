//! Purges by the admin listener: what they reach, what they leave, and that nothing read before them comes back.

use crate::support::{Document, Gate, Larder, Origin, Reply, eventually};
use serde_json::{Value, json};

/// Two hosts and a few paths, all stored, each with tags by one of the header names that are read.
async fn filled() -> (Origin, Larder) {
    let origin = Origin::start().await;
    let rules = "
        routes:
          - { name: products, path: \"/products/{id}\", cache: { ttl: 60s, tags: [\"product:{id}\", catalog] } }
          - { name: rest, path: /**, cache: { ttl: 60s } }";
    let larder = Larder::before(&origin).rules(rules).start();
    origin.otherwise(|_| Reply::ok("x").header("ETag", "\"a\""));
    let tagged = |name: &str, value: &str| Reply::ok("x").header(name, value);
    origin.on("/t/surrogate", tagged("Surrogate-Key", "red green"));
    origin.on("/t/cache-tag", tagged("Cache-Tag", "red, blue"));
    origin.on("/t/groups", tagged("Cache-Groups", "\"red\", \"with space\""));
    for url in URLS {
        get(&larder, url).await;
    }
    (origin, larder)
}

const URLS: [&str; 12] = [
    "shop.test/",
    "shop.test/products/1",
    "shop.test/products/1?currency=EUR",
    "shop.test/products/12",
    "shop.test/a",
    "shop.test/a/b",
    "shop.test/a/b/c?x=1",
    "shop.test/ab",
    "other.test/products/1",
    "shop.test/t/surrogate",
    "shop.test/t/cache-tag",
    "shop.test/t/groups",
];

async fn get(larder: &Larder, url: &str) -> bool {
    let (host, path) = url.split_at(url.find('/').unwrap());
    larder.get(path).host(host).send().await.is_hit()
}

/// Purges `what` in a filled cache and fails unless `gone` is what is missed afterwards, and nothing else.
async fn check(what: Value, gone: &[&str]) {
    let (_origin, larder) = filled().await;
    larder.purge(what.clone()).await;
    for url in URLS {
        assert_eq!(get(&larder, url).await, !gone.contains(&url), "{url} after {what}");
    }
}

#[tokio::test]
async fn a_url_is_purged_with_all_its_queries() {
    let gone = ["shop.test/products/1", "shop.test/products/1?currency=EUR"];
    check(json!({"urls": ["http://shop.test/products/1"]}), &gone).await;
    check(json!({"urls": ["http://shop.test/a", "http://shop.test/ab"]}), &["shop.test/a", "shop.test/ab"])
        .await;
    check(json!({"urls": ["http://shop.test/nothing"]}), &[]).await;
}

#[tokio::test]
async fn a_prefix_is_purged_at_segment_boundaries() {
    let below_a = ["shop.test/a", "shop.test/a/b", "shop.test/a/b/c?x=1"];
    check(json!({"prefixes": ["http://shop.test/a"]}), &below_a).await;
    check(json!({"prefixes": ["http://shop.test/a/b"]}), &["shop.test/a/b", "shop.test/a/b/c?x=1"]).await;
    let products = ["shop.test/products/1", "shop.test/products/1?currency=EUR", "shop.test/products/12"];
    check(json!({"prefixes": ["http://shop.test/products"]}), &products).await;
    check(json!({"prefixes": ["http://other.test/"]}), &["other.test/products/1"]).await;
}

#[tokio::test]
async fn a_tag_is_purged_wherever_it_stands() {
    check(
        json!({"tags": ["red"]}),
        &["shop.test/t/surrogate", "shop.test/t/cache-tag", "shop.test/t/groups"],
    )
    .await;
    check(json!({"tags": ["green", "with space"]}), &["shop.test/t/surrogate", "shop.test/t/groups"]).await;
    check(json!({"tags": ["blue", "re", "product"]}), &["shop.test/t/cache-tag"]).await;
    let first = ["shop.test/products/1", "shop.test/products/1?currency=EUR", "other.test/products/1"];
    check(json!({"tags": ["product:1"]}), &first).await;
}

#[tokio::test]
async fn a_tag_made_of_an_escaped_path_is_purged_by_what_it_says() {
    let (_origin, larder) = filled().await;
    for path in ["/products/a%20b", "/products/%C3%A9"] {
        larder.get(path).send().await;
        assert!(larder.get(path).send().await.is_hit(), "{path}");
    }
    larder.purge(json!({"tags": ["product:a b", "product:é"]})).await;
    for path in ["/products/a%20b", "/products/%C3%A9"] {
        assert!(!larder.get(path).send().await.is_hit(), "{path}");
    }
}

#[tokio::test]
async fn a_route_is_purged_and_no_other() {
    let products: Vec<_> = URLS.into_iter().filter(|url| url.contains("/products/")).collect();
    check(json!({"routes": ["products"]}), &products).await;
}

#[tokio::test]
async fn everything_is_purged() {
    check(json!({"all": true}), &URLS).await;
}

#[tokio::test]
async fn several_selectors_are_one_purge_with_one_position() {
    let (_origin, larder) = filled().await;
    let what = json!({"urls": ["http://shop.test/a"], "tags": ["green"], "prefixes": ["http://other.test/"]});
    let reply: Value = serde_json::from_slice(&larder.purge(what).await.body).unwrap();
    let position: u64 = reply["position"].as_str().expect("a position").parse().expect("a number");
    for url in ["shop.test/a", "shop.test/t/surrogate", "other.test/products/1"] {
        assert!(!get(&larder, url).await, "{url}");
    }
    let later: Value = serde_json::from_slice(&larder.purge(json!({"all": true})).await.body).unwrap();
    assert!(later["position"].as_str().unwrap().parse::<u64>().unwrap() > position);
}

#[tokio::test]
async fn a_purge_that_cannot_be_understood_purges_nothing_and_says_why() {
    let (_origin, larder) = filled().await;
    let bad = [
        "",
        "[]",
        "{}",
        "not json",
        "{\"all\": false}",
        "{\"tags\": \"red\"}",
        "{\"tag\": [\"red\"]}",
        "{\"urls\": [\"a b\"]}",
        "{\"urls\": [\"ftp://shop.test/a\"]}",
        "{\"routes\": [\"no such route\"]}",
        "{\"all\": true, \"colour\": 1}",
    ];
    for body in bad {
        let reply =
            larder.admin("POST", "/purge").header("Content-Type", "application/json").body(body).send().await;
        assert!((400..=422).contains(&reply.status), "{body}: {reply:#?}");
        serde_json::from_slice::<Value>(&reply.body).unwrap_or_else(|_| panic!("{body}: {reply:#?}"));
    }
    for url in URLS {
        assert!(get(&larder, url).await, "{url}");
    }
}

#[tokio::test]
async fn tags_are_not_sent_on() {
    let (_origin, larder) = filled().await;
    for (path, name) in
        [("/t/surrogate", "surrogate-key"), ("/t/cache-tag", "cache-tag"), ("/t/groups", "cache-groups")]
    {
        for reply in [larder.get(path).send().await, larder.get(&format!("{path}?cold")).send().await] {
            assert!(!reply.fields.has(name), "{name}: {reply:#?}");
        }
    }
}

#[tokio::test]
async fn a_soft_purge_leaves_a_reply_that_is_validated_and_revived() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let document = Document::new("body", "max-age=60");
    origin.on_request("/x", move |seen| document.answer(seen));

    larder.get("/x").send().await;
    larder.purge(json!({"urls": ["http://shop.test/x"], "soft": true})).await;
    let stale = larder.get("/x").send().await;
    assert_eq!(stale.text(), "body");
    origin.asked("/x", 2).await;
    assert_eq!(origin.last("/x").fields.get("if-none-match"), Some("\"1\""));
    eventually("it is fresh again", || async {
        larder.metric_where("larder_fills_total", "not_modified").await == 1.0
    })
    .await;
    for _ in 0..3 {
        let reply = larder.get("/x").send().await;
        assert_eq!((reply.text(), reply.is_hit()), ("body", true));
    }
    assert_eq!(origin.count("/x"), 2, "what was validated is fresh");
}

#[tokio::test]
async fn a_soft_purge_never_serves_the_old_edition_past_must_revalidate() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let document = Document::new("old", "max-age=60, must-revalidate");
    let application = document.clone();
    origin.on_request("/x", move |seen| application.answer(seen));

    larder.get("/x").send().await;
    document.publish("new");
    larder.purge(json!({"urls": ["http://shop.test/x"], "soft": true})).await;
    assert_eq!(larder.get("/x").send().await.text(), "new");
}

#[tokio::test]
async fn a_soft_purge_during_a_fill_makes_its_reply_stale() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let gate = Gate::shut();
    let document = Document::new("old", "max-age=60");
    let (application, held) = (document.clone(), gate.clone());
    origin.on_request("/x", move |seen| application.answer(seen).hold_at(0, &held));

    let filling = larder.get("/x").begin().await;
    document.publish("new");
    larder.purge(json!({"urls": ["http://shop.test/x"], "soft": true})).await;
    gate.open();
    filling.rest().await.unwrap();
    eventually("the new edition", || async { larder.get("/x").send().await.text() == "new" }).await;
}

/// Where in its reply the origin is while the purge comes.
const MOMENTS: [&str; 3] = ["before the head", "at the first byte", "before the last byte"];

fn hold(reply: Reply, moment: &str, gate: &Gate) -> Reply {
    match moment {
        "before the head" => reply.hold_head(gate),
        "at the first byte" => reply.hold_at(0, gate),
        _ => reply.hold_at(2, gate),
    }
}

#[tokio::test]
async fn what_was_read_before_a_purge_is_never_served_after_it() {
    let purges = [
        json!({"urls": ["http://shop.test/x/y"]}),
        json!({"prefixes": ["http://shop.test/x"]}),
        json!({"tags": ["of the reply"]}),
        json!({"tags": ["of-the-rule"]}),
        json!({"routes": ["all"]}),
        json!({"all": true}),
    ];
    let rules = "routes: [{ name: all, path: /**, cache: { ttl: 60s, tags: [of-the-rule] } }]";
    for purge in purges {
        for moment in MOMENTS {
            let origin = Origin::start().await;
            let larder = Larder::before(&origin).rules(rules).start();
            let gate = Gate::shut();
            let document = Document::new("old", "max-age=60");
            let (application, held) = (document.clone(), gate.clone());
            origin.on_request("/x/y", move |seen| {
                let reply = application.answer(seen).header("Cache-Groups", "\"of the reply\"");
                hold(reply, moment, &held)
            });

            let filling = larder.get("/x/y").launch().await;
            gate.reached().await;
            document.publish("new");
            larder.purge(purge.clone()).await;
            // A request that comes after the purge must not join the fill from before it.
            let after = tokio::spawn(larder.get("/x/y").send());
            gate.open();
            assert_eq!(after.await.unwrap().text(), "new", "{purge}, {moment}");
            assert_eq!(larder.get("/x/y").send().await.text(), "new", "{purge}, {moment}");
            drop(filling);
        }
    }
}

#[tokio::test]
async fn a_client_that_asked_before_the_purge_gets_a_whole_reply() {
    for moment in MOMENTS {
        let origin = Origin::start().await;
        let larder = Larder::before(&origin).start();
        let gate = Gate::shut();
        origin.on("/x", hold(Reply::fresh(60, "old"), moment, &gate));
        let mut early = larder.get("/x").launch().await;
        gate.reached().await;
        larder.purge(json!({"all": true})).await;
        gate.open();
        let reply = early.reply("GET").await.unwrap();
        assert_eq!((reply.status, reply.text()), (200, "old"), "{moment}");
    }
}

#[tokio::test]
async fn a_revalidation_that_was_under_way_does_not_revive_what_was_purged() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let gate = Gate::shut();
    let held = gate.clone();
    let fresh = Reply::not_modified().header("Cache-Control", "max-age=60");
    let first = Reply::expired("public", "old").header("ETag", "\"a\"");
    origin.on_each("/x", [first, fresh.hold_head(&held), Reply::fresh(60, "new")]);

    larder.get("/x").send().await;
    let validating = larder.get("/x").launch().await;
    gate.reached().await;
    larder.purge(json!({"all": true})).await;
    gate.open();
    assert_eq!(larder.get("/x").send().await.text(), "new");
    assert_eq!(larder.get("/x").send().await.text(), "new");
    drop(validating);
}
