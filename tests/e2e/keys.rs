//! Which requests share a reply, and which never do.

use crate::support::{Larder, Origin, Reply, Seen};
use serde_json::json;

/// A reply that says which request it was made for.
fn mirror(seen: &Seen) -> Reply {
    let host = seen.fields.get("x-forwarded-host").or(seen.fields.get("host")).unwrap_or_default();
    Reply::fresh(60, format!("{host} {}", seen.target))
}

#[tokio::test]
async fn targets_that_differ_in_a_byte_never_share_a_reply_and_reach_the_origin_as_sent() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.otherwise(|seen| Reply::fresh(60, seen.target.clone()));

    let targets = [
        "/a/b",
        "/a%2fb",
        "/a%2Fb",
        "/a//b",
        "//a/b",
        "/a/./b",
        "/a/../b",
        "/b",
        "/a/b/",
        "/a/b;x=1",
        "/a/b;",
        "/a;x/b",
        "/a%00/b",
        "/a%00b",
        "/a/b%00",
        "/a/%2e%2e/b",
        "/a/%62",
        "/A/b",
        "/a/b?",
        "/a/b?x",
        "/a/b?x=",
        "/a/b?x=1",
        "/a/b?x=1&y=2",
        "/a/b%3fx=1",
        "/a/b?x=%31",
        "/a\\b",
        "/a/b%20",
        "/a/b+",
        "/%61/b",
        "/..",
        "/",
        "/a/b?%00",
        "/a%5cb",
        "/a/b//",
        "/a/b?x=1;y=2",
    ];
    for round in 0..2 {
        for target in targets {
            let reply = larder.get(target).send().await;
            assert_eq!((reply.status, reply.text()), (200, target), "round {round}");
        }
    }
    let seen: Vec<_> = origin.requests().into_iter().map(|seen| seen.target).collect();
    for target in targets {
        assert!(seen.iter().any(|seen| seen == target), "{target} did not reach the origin as it is");
    }
}

#[tokio::test]
async fn a_purge_of_a_path_reaches_every_spelling_of_it_and_no_other_path() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.otherwise(|seen| Reply::fresh(60, seen.target.clone()));
    let others = ["/a/bc", "/A/b", "/a", "/b", "/a/b/c", "/?/a/b"];
    // Which of these the origin takes for the same resource only the origin knows.
    let spellings = ["/a/b", "/a/b?x=1", "/a%2fb", "/a/%62", "//a//b", "/a/./b", "/a/b/", "/a/b;v=1"];
    for target in others.iter().chain(&spellings) {
        larder.get(target).send().await;
    }

    larder.purge(json!({"urls": ["http://shop.test/a/b"]})).await;
    for target in others {
        assert!(larder.get(target).send().await.is_hit(), "{target}");
    }
    for target in spellings {
        assert!(!larder.get(target).send().await.is_hit(), "{target}");
    }
}

#[tokio::test]
async fn every_spelling_of_a_host_is_one_key_and_different_hosts_are_not() {
    let origin = Origin::start().await;
    let rules = "host_aliases: { shop.test: [catalog.svc, \"catalog.svc.cluster.local\"] }";
    let larder = Larder::before(&origin).rules(rules).start();
    origin.otherwise(mirror);

    larder.get("/x").host("shop.test").send().await;
    let names = [
        "shop.test",
        "SHOP.test",
        "shop.test:80",
        "shop.test.",
        "catalog.svc",
        "catalog.svc.cluster.local",
        "Catalog.SVC:80",
    ];
    for name in names {
        assert!(larder.get("/x").host(name).send().await.is_hit(), "{name}");
    }
    for name in ["other.test", "shop.test:8080", "www.shop.test", "shop.test.evil"] {
        let reply = larder.get("/x").host(name).send().await;
        assert!(!reply.is_hit(), "{name}");
    }

    // One purge, by any of its names.
    larder.purge(json!({"urls": ["http://catalog.svc/x"]})).await;
    for name in names {
        let first = name == names[0];
        assert_eq!(larder.get("/x").host(name).send().await.is_hit(), !first, "{name}");
    }
}

#[tokio::test]
async fn the_query_counts_as_the_rule_says() {
    let origin = Origin::start().await;
    let rules = "
        routes:
          - { name: only, path: /only, cache: { query: { only: [q, page] } } }
          - { name: unsorted, path: /unsorted, cache: { query: { sort: false } } }
        defaults: { cache: { query: { ignore: [utm_*, fbclid], sort: true } } }";
    let larder = Larder::before(&origin).rules(rules).start();
    origin.otherwise(mirror);

    // One that is stored, another, and whether the other gets its reply.
    let cases = [
        ("/x?a=1&b=2", "/x?b=2&a=1", true),
        ("/x?a=1&b=2", "/x?a=1&b=2&utm_source=mail&fbclid=1", true),
        ("/x?a=1&b=2", "/x?utm_=1&b=2&a=1", true),
        ("/x?a=1&b=2", "/x?a=2&b=1", false),
        ("/x?a=1&b=2", "/x?a=1&b=2&utmost=1", false),
        // Parameters of one name keep their order: it may mean something.
        ("/y?a=1&a=2", "/y?a=2&a=1", false),
        ("/z?utm_source=mail", "/z", true),
        ("/w?a=", "/w?a", false),
        ("/only?q=1&page=2&x=3", "/only?page=2&q=1", true),
        ("/only?q=1&page=2", "/only?q=2&page=2", false),
        ("/unsorted?a=1&b=2", "/unsorted?b=2&a=1", false),
    ];
    for (stored, asked, shared) in cases {
        larder.purge(json!({"all": true})).await;
        larder.get(stored).send().await;
        assert_eq!(larder.get(asked).send().await.is_hit(), shared, "{stored} and {asked}");
    }
    // What is left out of the key still reaches the origin.
    larder.purge(json!({"all": true})).await;
    larder.get("/x?utm_source=mail&a=1").send().await;
    assert_eq!(origin.last("/x").target, "/x?utm_source=mail&a=1");
}

#[tokio::test]
async fn the_first_route_that_matches_governs() {
    let origin = Origin::start().await;
    let rules = "
        routes:
          - { name: cart, path: /shop/cart/**, cache: bypass }
          - { name: item, path: \"/shop/{kind}/{id}\", host: shop.test, cache: { ttl: 60s, tags: [\"{kind}:{id}\"] } }
          - { name: posts, path: /shop/search, methods: [POST], cache: bypass }
          - { name: rest, path: /shop/**, cache: { ttl: 60s, tags: [rest] } }";
    let larder = Larder::before(&origin).rules(rules).start();
    origin.otherwise(|_| Reply::ok("x"));

    let cases = [
        ("shop.test", "/shop/cart/1", false),
        ("shop.test", "/shop/book/7", true),
        ("other.test", "/shop/book/7", true),
        ("shop.test", "/shop/book/7/reviews", true),
        ("shop.test", "/shop/search", true),
        ("shop.test", "/elsewhere", false),
    ];
    for (host, path, stored) in cases {
        larder.get(path).host(host).send().await;
        assert_eq!(larder.get(path).host(host).send().await.is_hit(), stored, "{host}{path}");
    }
    larder.purge(json!({"tags": ["book:7"]})).await;
    assert!(!larder.get("/shop/book/7").send().await.is_hit());
    assert!(larder.get("/shop/book/7").host("other.test").send().await.is_hit(), "governed by another route");
    larder.purge(json!({"tags": ["rest"]})).await;
    assert!(!larder.get("/shop/book/7").host("other.test").send().await.is_hit());
}
