//! What a write purges by rules that look into requests and replies, and what in place of what nobody told.

use crate::support::{Flow, Gate, H2Origin, Larder, Origin, RedisServer, Reply, Request, Tap, eventually};
use bytes::Bytes;

/// Two categories; a write to a product purges the one that it names. Where it is not known, both go: the stand-in is a tag that
/// both bear.
const BY_BODY: &str = r#"
    routes:
      - name: product
        path: /products/{id}
        cache: bypass
        on_write:
          max_body: 1KiB
          purge:
            - { tag: "category:{body./category/id}", on_unknown: { tag: all-categories } }
      - name: category
        path: /categories/{id}
        cache: { ttl: 60s, tags: ["category:{id}", all-categories] }
"#;

const SEVEN: &str = r#"{"name": "x", "category": {"id": 7}}"#;
const EIGHT: &str = r#"{"category": {"id": "8"}}"#;

/// A Larder that has stored `/categories/7`, `/categories/8` and `/else`.
async fn stored(origin: &Origin, rules: &str) -> Larder {
    let larder = Larder::before(origin).rules(rules).listen("h2c: true").start();
    for path in ["/categories/7", "/categories/8", "/else"] {
        origin.on(path, Reply::fresh(60, "x"));
        larder.get(path).send().await;
        assert!(larder.get(path).send().await.is_hit(), "{path}");
    }
    larder
}

/// Which of the categories are gone.
async fn gone(larder: &Larder) -> Vec<u8> {
    let mut gone = Vec::new();
    for id in [7, 8] {
        if !larder.get(&format!("/categories/{id}")).send().await.is_hit() {
            gone.push(id);
        }
    }
    assert!(larder.get("/else").send().await.is_hit(), "nothing names it");
    gone
}

fn json(body: impl Into<Bytes>) -> Reply {
    Reply::ok(body).header("Content-Type", "application/json")
}

fn put(larder: &Larder) -> Request {
    larder.request("PUT", "/products/1").header("Content-Type", "application/json")
}

/// Sends what `request` makes of a PUT, answered with `reply`; checks what is gone then.
async fn check(name: &str, request: impl FnOnce(Request) -> Request, reply: Reply, expected: &[u8]) {
    let origin = Origin::start().await;
    let larder = stored(&origin, BY_BODY).await;
    let direct = Origin::start().await;
    origin.on("/products/1", reply.clone());
    direct.on("/products/1", reply);
    let written = request(put(&larder)).send().await;
    assert_eq!(gone(&larder).await, expected, "{name}");

    let bare = crate::support::request_at(direct.address(), "PUT", "/products/1").send().await;
    assert_eq!(
        (written.status, &written.body),
        (bare.status, &bare.body),
        "{name}: the reply passes as it is"
    );
}

fn padded(length: usize) -> String {
    let start = r#"{"category": {"id": 7}, "text": ""#;
    format!("{start}{}\"}}", "x".repeat(length - start.len() - 2))
}

#[tokio::test]
async fn the_body_of_a_reply_names_what_is_purged() {
    let empty = |request: Request| request.body("");
    check("a number", empty, json(SEVEN), &[7]).await;
    check("a text", empty, json(EIGHT), &[8]).await;
    check("in chunks", empty, json(SEVEN).chunked(), &[7]).await;
    check("until the end of the connection", empty, json(SEVEN).until_close(), &[7]).await;
    check(
        "created",
        empty,
        Reply::status(201).header("Content-Type", "application/hal+json").body(SEVEN),
        &[7],
    )
    .await;
    check("as long as may be", empty, json(padded(1024)), &[7]).await;
    check("longer", empty, json(padded(1025)), &[7, 8]).await;
    check("longer, in chunks", empty, json(padded(1025)).chunked(), &[7, 8]).await;
    check("another type", empty, Reply::ok(SEVEN).header("Content-Type", "text/plain"), &[7, 8]).await;
    check("encoded", empty, json(SEVEN).header("Content-Encoding", "gzip"), &[7, 8]).await;
    check("malformed", empty, json(r#"{"category": {"id": 7}"#), &[7, 8]).await;
    check("no such value", empty, json(r#"{"category": 7}"#), &[7, 8]).await;
    check("no text", empty, json(r#"{"category": {"id": null}}"#), &[7, 8]).await;
    check("no body", empty, Reply::status(204), &[7, 8]).await;
    check("an empty one", empty, json(""), &[7, 8]).await;
    check(
        "failed",
        empty,
        Reply::status(500).header("Content-Type", "application/json").body(SEVEN),
        &[7, 8],
    )
    .await;
    check("refused", empty, Reply::status(409).header("Content-Type", "application/json").body(SEVEN), &[])
        .await;
}

#[tokio::test]
async fn the_body_of_a_request_names_what_the_reply_does_not() {
    let done = || Reply::status(204);
    check("with its length", |put| put.body(SEVEN), done(), &[7]).await;
    check("in chunks", |put| put.chunked_body(SEVEN), done(), &[7]).await;
    check("the reply knows better", |put| put.body(SEVEN), json(EIGHT), &[8]).await;
    check("the reply says nothing of it", |put| put.body(SEVEN), json("{}"), &[7]).await;
    check("failed", |put| put.body(SEVEN), Reply::status(502), &[7, 8]).await;
    check("as long as may be", |put| put.body(padded(1024)), done(), &[7]).await;
    check("longer", |put| put.body(padded(1025)), done(), &[7, 8]).await;
    check("longer, in chunks", |put| put.chunked_body(padded(5000)), done(), &[7, 8]).await;
    check("far longer", |put| put.body(padded(300_000)), done(), &[7, 8]).await;
    check("encoded", |put| put.header("Content-Encoding", "gzip").body(SEVEN), done(), &[7, 8]).await;
    check("malformed", |put| put.body("{"), done(), &[7, 8]).await;
    check("two types", |put| put.header("Content-Type", "text/plain").body(SEVEN), done(), &[7, 8]).await;
}

#[tokio::test]
async fn no_byte_of_a_body_that_is_looked_into_changes() {
    let origin = Origin::start().await;
    let larder = stored(&origin, BY_BODY).await;
    origin.on("/products/1", Reply::status(204));
    for length in [40, 1024, 1025, 65_536, 65_537, 300_000] {
        for chunked in [false, true] {
            let body = padded(length);
            let request = if chunked {
                put(&larder).chunked_body(body.clone())
            } else {
                put(&larder).body(body.clone())
            };
            assert_eq!(request.send().await.status, 204, "{length} {chunked}");
            assert_eq!(origin.last("/products/1").body, body, "{length} {chunked}");
        }
    }
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_answered_by_the_origin() {
    let origin = Origin::start().await;
    let larder = stored(&origin, BY_BODY).await;
    origin.on("/products/1", Reply::status(204).after_interim(100, 1));
    let mut client = larder.connect().await;
    let head = format!(
        "PUT /products/1 HTTP/1.1\r\nHost: shop.test\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        SEVEN.len()
    );
    client.write(head).await;
    client.write(SEVEN).await;
    assert_eq!(client.reply("PUT").await.unwrap().status, 204);
    assert_eq!(origin.last("/products/1").body, SEVEN);
    assert_eq!(gone(&larder).await, [7]);
}

#[tokio::test]
async fn a_client_that_is_slow_to_send_passes_as_any_other() {
    let origin = Origin::start().await;
    let larder = stored(&origin, BY_BODY).await;
    origin.on("/products/1", Reply::status(204));
    let mut client = larder.connect().await;
    let length = SEVEN.len();
    client
        .write(format!(
            "PUT /products/1 HTTP/1.1\r\nHost: shop.test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{}",
            &SEVEN[..10]
        ))
        .await;
    // The first bytes reach the origin although the rest does not come.
    origin.received("/products/1", 10).await;
    client.write(&SEVEN[10..]).await;
    assert_eq!(client.reply("PUT").await.unwrap().status, 204);
    assert_eq!(origin.last("/products/1").body, SEVEN);
    assert_eq!(gone(&larder).await, [7]);
}

#[tokio::test]
async fn clients_of_http2_are_served_alike() {
    for (announced, in_reply, expected) in
        [(true, false, 7), (false, false, 7), (true, true, 8), (false, true, 8)]
    {
        let origin = Origin::start().await;
        let larder = stored(&origin, BY_BODY).await;
        origin.on("/products/1", if in_reply { json(EIGHT) } else { Reply::status(204) });
        let mut client = larder.connect_h2().await;
        let mut head = client.head("PUT", "/products/1");
        head.headers_mut().insert("content-type", "application/json".parse().unwrap());
        if announced {
            head.headers_mut().insert("content-length", SEVEN.len().into());
        }
        let (reply, mut body) = client.send(head, false).await;
        body.send_data(SEVEN.into(), true).unwrap();
        let reply = reply.whole().await;
        assert_eq!(reply.body, if in_reply { EIGHT } else { "" });
        assert_eq!(gone(&larder).await, [expected], "{announced} {in_reply}");
        assert_eq!(origin.last("/products/1").body, SEVEN);
    }
}

#[tokio::test]
async fn an_origin_of_http2_tells_by_a_body_that_ends_with_trailers() {
    let rules = r#"
        routes:
          - name: product
            path: /products/{id}
            cache: bypass
            on_write: { purge: [{ url: "/categories/{reply.body./category/id}", on_unknown: all }] }
          - { name: category, path: "/categories/{id}", cache: { ttl: 60s } }
    "#;
    let origin = H2Origin::start().await;
    let larder = Larder::before_h2(&origin).rules(rules).start();
    for id in [7, 8] {
        larder.get(&format!("/categories/{id}")).send().await;
        assert!(larder.get(&format!("/categories/{id}")).send().await.is_hit());
    }
    let reply = put(&larder).body(SEVEN).send().await;
    assert_eq!(reply.text(), SEVEN, "it sends back what it gets");
    assert!(!larder.get("/categories/7").send().await.is_hit());
    assert!(larder.get("/categories/8").send().await.is_hit());
}

#[tokio::test]
async fn a_reply_that_does_not_come_whole_leaves_the_stand_in() {
    for (name, reply) in [
        ("cut", json(SEVEN).cut_at(10)),
        ("reset", json(SEVEN).reset_at(10)),
        ("cut in chunks", json(SEVEN).chunked().cut_at(10)),
        ("shorter than announced", json(SEVEN).announcing(500)),
    ] {
        let origin = Origin::start().await;
        let larder = stored(&origin, BY_BODY).await;
        origin.on("/products/1", reply);
        assert!(put(&larder).body("").try_send().await.is_err(), "{name}");
        assert_eq!(gone(&larder).await, [7, 8], "{name}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_amid_the_reply_leaves_the_stand_in() {
    let origin = Origin::start().await;
    let larder = stored(&origin, BY_BODY).await;
    let gate = Gate::shut();
    origin.on("/products/1", json(SEVEN).hold_at(10, &gate));
    let mut client = put(&larder).body("").launch().await;
    client.head().await.unwrap();
    gate.reached().await;
    client.reset();
    eventually("what it may have changed is purged", || async {
        larder.get("/categories/7").send().await;
        larder.get("/categories/8").send().await;
        origin.count("/categories/7") > 1 && origin.count("/categories/8") > 1
    })
    .await;
    gate.open();
    assert!(larder.get("/else").send().await.is_hit());
}

#[tokio::test]
async fn every_part_of_an_exchange_can_name_what_is_purged() {
    let rules = r#"
        region: { header: X-Country, map: { eu: [DE] }, default: us }
        routes:
          - name: product
            path: /products/{id}
            on_write:
              purge:
                - { url: "/q/{query.page}" }
                - { url: "/h/{header.X-Store}" }
                - { url: "/r/{reply.X-Shelf}" }
                - { url: "/b/{request.body./path}" }
                - { prefix: "/region/{region}" }
    "#;
    let gone = ["/q/a%20b", "/h/north", "/r/top", "/b/x%2Fy", "/region/eu/1"];
    let kept = ["/q/2", "/h/south", "/r/low", "/b/x", "/region/us/1"];
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(rules).start();
    for path in gone.iter().chain(&kept) {
        origin.on(path, Reply::fresh(60, "x"));
        larder.get(path).send().await;
    }
    origin.on("/products/1", Reply::ok("done").header("X-Shelf", "top"));
    let write =
        larder.request("POST", "/products/1?page=a+b").header("X-Store", "north").header("X-Country", "de");
    write.json(&serde_json::json!({ "path": "x/y" })).send().await;
    for path in gone {
        assert!(!larder.get(path).send().await.is_hit(), "{path}");
    }
    for path in kept {
        assert!(larder.get(path).send().await.is_hit(), "{path}");
    }
}

#[tokio::test]
async fn a_value_cannot_climb_out_of_its_folder() {
    let rules = r#"
        routes:
          - { name: product, path: "/products/{id}", on_write: { purge: [{ prefix: "/shop/{body./path}" }] } }
    "#;
    for path in ["..", "../..", "%2e%2e", "x/../..", "..;x", "\\..\\.."] {
        let origin = Origin::start().await;
        let larder = Larder::before(&origin).rules(rules).start();
        for path in ["/shop/1", "/else"] {
            origin.on(path, Reply::fresh(60, "x"));
            larder.get(path).send().await;
        }
        origin.on("/products/1", Reply::status(204));
        larder.request("PUT", "/products/1").json(&serde_json::json!({ "path": path })).send().await;
        assert!(!larder.get("/shop/1").send().await.is_hit(), "{path}: the folder goes");
        assert!(larder.get("/else").send().await.is_hit(), "{path}: nothing beside it");
    }
}

#[tokio::test]
async fn a_path_cannot_climb_out_of_the_folder_of_a_rule() {
    let rules = r#"
        routes:
          - { name: any, path: "/c/{rest...}", on_write: { purge: [{ prefix: "/shop/{rest}" }] } }
    "#;
    for rest in ["..", "%2e%2e", "../..", "x/../../..", "%2e%2e%2f.."] {
        let origin = Origin::start().await;
        let larder = Larder::before(&origin).rules(rules).start();
        for path in ["/shop/1", "/else"] {
            origin.on(path, Reply::fresh(60, "x"));
            larder.get(path).send().await;
        }
        larder.request("PUT", &format!("/c/{rest}")).body("data").send().await;
        assert!(larder.get("/else").send().await.is_hit(), "{rest}: nothing beside the folder");
    }
}

/// Sends a write to `path`, which is done; checks what is gone then.
async fn check_path(rules: &str, path: &str, expected: &[u8]) {
    let origin = Origin::start().await;
    origin.otherwise(|_| Reply::ok("done"));
    let larder = stored(&origin, rules).await;
    larder.request("PUT", path).body("data").send().await;
    assert_eq!(gone(&larder).await, expected, "{path}");
}

#[tokio::test]
async fn a_write_whose_path_is_spelled_oddly_purges_what_its_plain_spelling_does() {
    let rules = r#"
        routes:
          - name: product
            path: /products/{id}
            cache: bypass
            on_write:
              purge: [{ url: "/categories/{id}" }]
          - { name: category, path: "/categories/{id}", cache: { ttl: 60s } }
          - name: rest
            path: /**
            on_write:
              purge: [{ url: /categories/8 }]
    "#;
    for (path, expected) in [
        ("/products/7", &[7][..]),
        ("/products/%37", &[7]),
        // The route by which it passes is the other one, and counts as well.
        ("/products/7/", &[7, 8]),
        ("//products/7", &[7, 8]),
        ("/x/../products/7", &[7, 8]),
        ("/products/7;v=1", &[7]),
        ("/products/7/x", &[8]),
    ] {
        check_path(rules, path, expected).await;
    }
}

#[tokio::test]
async fn a_route_that_takes_both_spellings_of_a_path_purges_for_both() {
    let rules = r#"
        routes:
          - { name: category, path: "/categories/{id}", methods: [GET], cache: { ttl: 60s } }
          - name: any
            path: /{kind}/{id}/**
            on_write:
              purge: [{ url: "/categories/{id}" }]
    "#;
    for (path, expected) in
        [("/products/7/x", &[7][..]), ("/products/8/../7/x", &[7, 8]), ("/products/;a/7/x", &[7])]
    {
        check_path(rules, path, expected).await;
    }
}

#[tokio::test]
async fn conditions_are_judged_by_the_reply_and_hold_where_there_is_none() {
    let rules = r#"
        routes:
          - name: product
            path: /products/{id}
            cache: bypass
            on_write:
              purge:
                - { url: /categories/7, when: { status: [201, 3xx] } }
                - { url: /categories/8, when: { header: [X-Moved, "X-Mode: full"] } }
    "#;
    let moved = |reply: Reply, mode: &str| reply.header("X-Moved", "").header("X-Mode", mode);
    for (name, reply, expected) in [
        ("neither", Reply::status(200), &[][..]),
        ("a status", Reply::status(201), &[7]),
        ("a class", Reply::status(303), &[7]),
        ("fields", moved(Reply::status(200), "full"), &[8]),
        ("another value", moved(Reply::status(200), "half"), &[]),
        ("both", moved(Reply::status(201), "full"), &[7, 8]),
        ("failed", Reply::status(503), &[7, 8]),
        ("lost", Reply::raw(""), &[7, 8]),
        ("refused", moved(Reply::status(404), "full"), &[]),
    ] {
        let origin = Origin::start().await;
        let larder = stored(&origin, rules).await;
        origin.on("/products/1", reply);
        put(&larder).body("").send().await;
        assert_eq!(gone(&larder).await, expected, "{name}");
    }
}

#[tokio::test]
async fn softness_can_be_said_of_one_purge() {
    let rules = r#"
        routes:
          - name: product
            path: /products/{id}
            cache: bypass
            on_write:
              soft: true
              purge:
                - { url: /categories/7 }
                - { url: /categories/8, soft: false }
          - { name: category, path: "/categories/{id}", cache: { stale_while_revalidate: 60s } }
    "#;
    let origin = Origin::start().await;
    let larder = stored(&origin, rules).await;
    origin.on("/products/1", Reply::status(204));
    origin.on("/categories/7", Reply::fresh(60, "new")).on("/categories/8", Reply::fresh(60, "new"));
    put(&larder).body("").send().await;
    assert_eq!(larder.get("/categories/7").send().await.text(), "x", "served while it is revalidated");
    assert_eq!(larder.get("/categories/8").send().await.text(), "new");
}

#[tokio::test]
async fn a_reply_that_nobody_saw_has_a_stand_in_for_its_location() {
    let rules = r#"
        routes:
          - { name: new, path: /products, cache: bypass, on_write: { on_unknown: { prefix: /categories } } }
    "#;
    for (reply, expected) in [
        (Reply::status(201).header("Location", "/categories/7"), &[7][..]),
        (Reply::status(204), &[]),
        (Reply::status(500), &[7, 8]),
        (Reply::raw(""), &[7, 8]),
    ] {
        let origin = Origin::start().await;
        let larder = stored(&origin, rules).await;
        origin.on("/products", reply);
        larder.request("POST", "/products").body("data").send().await;
        assert_eq!(gone(&larder).await, expected);
    }
}

#[tokio::test]
async fn the_end_of_a_reply_waits_until_what_its_body_tells_is_appended() {
    let redis = RedisServer::start().await;
    let tap = Tap::before(redis.port()).await;
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).redis(&tap.url()).rules(BY_BODY).start();
    eventually("it follows the log", || async {
        let ready = larder.admin("GET", "/readyz").send().await;
        let said: serde_json::Value = serde_json::from_slice(&ready.body).unwrap();
        said["degraded"].as_array().unwrap().is_empty()
    })
    .await;
    let gate = Gate::shut();
    origin.on("/products/1", json(SEVEN).hold_at(10, &gate));
    let mut client = put(&larder).body("").launch().await;
    client.head().await.unwrap();
    let length = || redis.command::<u64>("XLEN {larder}:log:stream");
    let before = length().await;
    tap.up(Flow::Delay(std::time::Duration::from_secs(1)));
    gate.open();
    client.exactly(SEVEN.len()).await;
    assert_eq!(length().await, before + 1, "the purge stood in the log before the client had the end");
}

#[tokio::test]
async fn a_client_that_hangs_up_purges_no_more_than_its_path_says() {
    let rules = r#"
        routes:
          - name: inventory
            path: /inventory/{sku}
            cache: { ttl: 60s, tags: ["stock:{sku}"] }
            on_write: { purge: [{ tag: "stock:{sku}" }, { url: "/levels/{sku}" }] }
          - { name: shelf, path: "/shelves/{sku}", cache: { tags: ["stock:{sku}"] } }
    "#;
    let origin = Origin::start().await;
    let larder = stored(&origin, rules).await;
    let long = "A".repeat(2100);
    let [own, shelf, level] = ["inventory", "shelves", "levels"].map(|folder| format!("/{folder}/{long}"));
    for path in [&*own, &shelf, &level, "/levels/7"] {
        origin.on(path, Reply::fresh(60, "x"));
        larder.get(path).send().await;
        assert!(larder.get(path).send().await.is_hit());
    }
    let gate = Gate::shut();
    origin.on(&own, Reply::status(401).hold_head(&gate));
    let leaving = larder.request("PUT", &own).body("data").launch().await;
    gate.reached().await;
    leaving.reset();
    eventually("what it may have changed is purged", || async {
        larder.get(&shelf).send().await;
        larder.get(&level).send().await;
        origin.count(&shelf) > 1 && origin.count(&level) > 1
    })
    .await;
    gate.open();
    assert!(gone(&larder).await.is_empty(), "no other route is purged");
    assert!(larder.get("/levels/7").send().await.is_hit());
}
