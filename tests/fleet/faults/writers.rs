//! A node that dies between the origin's commit of a write and its purge.

use crate::harness::{At, Pages, polled, start};
use crate::support::{Gate, Larder, LarderBuilder, Origin, Process, RedisServer, Reply};
use nix::sys::signal::Signal;

/// A write to a product purges the category that it names, and each list; `/else` nothing names.
const RULES: &str = r#"
    invalidation: { blind_limit: 10m }
    routes:
      - name: product
        path: /products/{id}
        cache: bypass
        on_write:
          on_unknown: { prefix: /new }
          purge:
            - { url: "/by-request/{request.body./category}", on_unknown: all }
            - { url: "/by-reply/{reply.body./category}", on_unknown: { prefix: "/by-reply/{query.shop}" } }
            - { url: "/by-field/{reply.X-Shelf}" }
            - { url: /conditional, when: { status: [201] } }
"#;

const GONE: [&str; 7] = [
    "/products/1",
    "/by-request/7",
    "/by-reply/north/7",
    "/by-reply/north/8",
    "/by-field/7",
    "/conditional",
    "/new/1",
];

const KEPT: [&str; 4] = ["/products/2", "/by-request/8", "/by-reply/south/7", "/else"];

fn builder(origin: &Origin, redis: &RedisServer) -> LarderBuilder {
    Larder::before(origin).redis(&redis.url()).rules(RULES)
}

/// Stores all pages at `node`, and publishes the next edition of each behind its back.
async fn stored_and_edited(node: At, pages: &Pages) {
    for path in GONE.iter().chain(&KEPT) {
        assert_eq!(node.edition(path).await, 0, "{path}");
        pages.edit(path);
    }
}

#[tokio::test]
async fn what_it_may_have_changed_is_purged_by_the_others() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let survivor = start(builder(&origin, &redis)).await;
    let survivor = At::from(&survivor);
    let pages = Pages::at(&origin);
    let writer = Process::run(&builder(&origin, &redis)).await;
    At::from(&writer).well().await;
    stored_and_edited(survivor, &pages).await;

    // The application has changed it, and the reply is not sent before the node is dead.
    let gate = Gate::shut();
    let held = gate.clone();
    origin.on_request("/products/1", move |_| Reply::status(201).hold_head(&held));
    let write = writer.request("POST", "/products/1?shop=north").json(&serde_json::json!({ "category": 7 }));
    let write = write.launch().await;
    gate.reached().await;
    writer.signal(Signal::SIGKILL);
    drop(write);

    for path in &GONE[1..] {
        polled(path, || async { survivor.edition(path).await == 1 }).await;
    }
    for path in KEPT.iter().filter(|path| !path.starts_with("/products")) {
        assert_eq!(survivor.edition(path).await, 0, "{path}: what is known is not widened");
    }
    gate.open();
}

#[tokio::test]
async fn dying_amid_the_reply_it_leaves_what_the_body_would_have_told_to_the_others() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let survivor = start(builder(&origin, &redis)).await;
    let survivor = At::from(&survivor);
    let pages = Pages::at(&origin);
    let writer = Process::run(&builder(&origin, &redis)).await;
    At::from(&writer).well().await;
    stored_and_edited(survivor, &pages).await;

    let gate = Gate::shut();
    let reply = Reply::ok(r#"{"category": 7}"#).header("Content-Type", "application/json");
    origin.on("/products/1", reply.header("X-Shelf", "7").hold_at(5, &gate));
    let write = writer.request("POST", "/products/1?shop=north").json(&serde_json::json!({ "category": 7 }));
    let mut write = write.launch().await;
    write.head().await.expect("the head comes before the gate");
    // Its head told this much, and the purge of that stands in the log.
    for path in ["/by-request/7", "/by-field/7"] {
        polled(path, || async { survivor.edition(path).await == 1 }).await;
    }
    assert_eq!(survivor.edition("/conditional").await, 0, "it was not 201");
    gate.reached().await;
    writer.signal(Signal::SIGKILL);
    for path in ["/by-reply/north/7", "/by-reply/north/8"] {
        polled(path, || async { survivor.edition(path).await == 1 }).await;
    }
    for path in ["/by-request/8", "/by-reply/south/7", "/else"] {
        assert_eq!(survivor.edition(path).await, 0, "{path}");
    }
    gate.open();
}

#[tokio::test]
async fn what_the_body_of_a_reply_tells_is_purged_everywhere() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = [start(builder(&origin, &redis)).await, start(builder(&origin, &redis)).await];
    let [writer, other] = [At::from(&fleet[0]), At::from(&fleet[1])];
    let pages = Pages::at(&origin);
    for node in [writer, other] {
        for path in GONE.iter().chain(&KEPT).filter(|path| !path.starts_with("/products")) {
            assert_eq!(node.edition(path).await, 0, "{path}");
        }
    }
    for path in GONE.iter().chain(&KEPT) {
        pages.edit(path);
    }
    // A slash within a value is a character like any other, and no page's path differs by how it is spelled.
    let body = r#"{"category": "north/7"}"#;
    origin
        .on("/products/1", Reply::ok(body).header("Content-Type", "application/json").header("X-Shelf", "7"));
    let write = crate::support::request_at(writer.address(), "POST", "/products/1");
    let reply = write.json(&serde_json::json!({ "category": 7 })).send().await;
    assert_eq!(reply.text(), body);
    for path in ["/by-request/7", "/by-reply/north/7", "/by-field/7"] {
        assert_eq!(writer.edition(path).await, 1, "{path}: here at once");
        polled(path, || async { other.edition(path).await == 1 }).await;
    }
    for node in [writer, other] {
        for path in ["/by-reply/north/8", "/conditional", "/new/1", "/else"] {
            assert_eq!(node.edition(path).await, 0, "{path}: all was told");
        }
    }
}
