//! The admin listener: health, figures, and who may use it.

use crate::support::{Gate, Larder, Origin, Reply};
use serde_json::{Value, json};

#[tokio::test]
async fn health_and_readiness_are_told() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    assert_eq!(larder.admin("GET", "/healthz").send().await.status, 200);
    let ready = larder.admin("GET", "/readyz").send().await;
    assert_eq!(ready.status, 200);
    let report: Value = serde_json::from_slice(&ready.body).expect("JSON");
    assert!(report.to_string().contains('['), "a list of what is degraded: {report}");
}

#[tokio::test]
async fn every_metric_that_applies_is_there_and_counts() {
    let origin = Origin::start().await;
    let rules = "
        routes:
          - { name: product, path: \"/products/{id}\", cache: { ttl: 60s } }
          - { name: cart, path: /cart/**, cache: bypass }";
    let larder = Larder::before(&origin).rules(rules).start();
    origin.otherwise(|_| Reply::ok("x").header("ETag", "\"a\""));
    for target in ["/products/1", "/products/1", "/products/1?secret=yes", "/cart/1", "/unmatched"] {
        larder.get(target).send().await;
    }
    larder.put("/products/1", "data").send().await;
    origin.on("/products/stale", Reply::expired("stale-while-revalidate=60", "x"));
    for _ in 0..2 {
        larder.get("/products/stale").send().await;
    }
    origin.on("/products/broken", Reply::raw(""));
    larder.get("/products/broken").send().await;
    let gate = Gate::shut();
    origin.on("/products/slow", Reply::ok("first last").hold_at(6, &gate));
    let both = [larder.get("/products/slow").begin().await, larder.get("/products/slow").begin().await];
    gate.open();
    for reply in both {
        reply.rest().await.unwrap();
    }
    larder.purge(json!({"tags": ["a tag"], "all": true})).await;

    let page = larder.admin("GET", "/metrics").send().await;
    assert!(page.field("content-type").starts_with("text/plain"), "{}", page.field("content-type"));
    let names = [
        "larder_requests_total",
        "larder_request_seconds",
        "larder_hits_total",
        "larder_misses_total",
        "larder_fills_total",
        "larder_collapsed_total",
        "larder_stale_served_total",
        "larder_memory_bytes",
        "larder_memory_entries",
        "larder_evictions_total",
        "larder_invalidations_total",
        "larder_origin_seconds",
        "larder_origin_errors_total",
        "process_resident_memory_bytes",
    ];
    for name in names {
        assert!(page.text().contains(&format!("# TYPE {name} ")), "{name} is missing");
    }
    assert_eq!(larder.metric_where("larder_hits_total", "route=\"product\"").await, 2.0);
    assert_eq!(larder.metric_where("larder_collapsed_total", "route=\"product\"").await, 1.0);
    assert_eq!(larder.metric_where("larder_stale_served_total", "route=\"product\"").await, 1.0);
    assert_eq!(larder.metric_where("larder_requests_total", "route=\"product\"").await, 9.0);
    assert_eq!(larder.metric_where("larder_requests_total", "route=\"cart\"").await, 1.0);
    assert!(larder.metric_where("larder_fills_total", "result=\"stored\"").await >= 4.0);
    assert!(larder.metric_where("larder_invalidations_total", "kind=").await >= 3.0);
}

#[tokio::test]
async fn no_url_host_or_header_of_a_client_is_a_label() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules("defaults: { cache: { ttl: 60s } }").start();
    origin.otherwise(|_| Reply::ok("x"));
    for number in 0..50 {
        let request = larder.get(&format!("/secret-path/{number}?secret-query={number}"));
        request.host("secret-host.test").header("X-Secret", "secret-value").send().await;
        larder.request(&format!("SECRET{number}"), "/x").send().await;
    }
    larder.purge(json!({"tags": ["secret-tag"], "urls": ["http://secret-host.test/secret-path/1"]})).await;
    let page = larder.admin("GET", "/metrics").send().await;
    assert!(!page.text().to_ascii_lowercase().contains("secret"), "{}", page.text());
    let lines = page.text().lines().filter(|line| line.starts_with("larder_")).count();
    assert!(lines < 400, "{lines} lines after 100 different requests");
}

#[tokio::test]
async fn memory_is_told_as_it_fills_and_empties() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules("memory: { max_size: 1MiB, max_object: 200KiB }").start();
    origin.otherwise(|_| Reply::fresh(60, vec![b'x'; 100_000]));
    for number in 0..5 {
        larder.get(&format!("/{number}")).send().await;
    }
    let bytes = larder.metric("larder_memory_bytes").await;
    assert!((500_000.0..600_000.0).contains(&bytes), "{bytes} bytes for five entries of 100 kB");
    assert_eq!(larder.metric("larder_memory_entries").await, 5.0);

    for number in 0..50 {
        larder.get(&format!("/{number}")).send().await;
    }
    let bytes = larder.metric("larder_memory_bytes").await;
    assert!(bytes <= 1_100_000.0, "{bytes} bytes in a cache of 1 MiB");
    let stats: Value =
        serde_json::from_slice(&larder.admin("GET", "/stats").send().await.body).expect("JSON");
    assert!(stats.is_object(), "{stats}");
}

#[tokio::test]
async fn a_token_guards_what_changes_something() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).admin_token("correct-horse").start();
    origin.on("/x", Reply::fresh(60, "x"));
    larder.get("/x").send().await;

    let purge = || larder.admin("POST", "/purge").json(&json!({"all": true}));
    for wrong in [
        None,
        Some("Bearer wrong"),
        Some("Basic correct-horse"),
        Some("Bearer correct-hors"),
        Some("correct-horse"),
    ] {
        let request = wrong.iter().fold(purge(), |request, value| request.header("Authorization", *value));
        assert_eq!(request.send().await.status, 401, "{wrong:?}");
        assert!(larder.get("/x").send().await.is_hit(), "{wrong:?}");
    }
    assert_eq!(purge().header("Authorization", "Bearer correct-horse").send().await.status, 202);
    assert!(!larder.get("/x").send().await.is_hit());
}

#[tokio::test]
async fn what_the_listener_does_not_know_is_a_json_error() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let cases = [
        ("GET", "/nothing", 404),
        ("GET", "/purge", 405),
        ("POST", "/healthz", 405),
        ("DELETE", "/metrics", 405),
    ];
    for (method, path, status) in cases {
        let reply = larder.admin(method, path).send().await;
        assert_eq!(reply.status, status, "{method} {path}");
        serde_json::from_slice::<Value>(&reply.body)
            .unwrap_or_else(|_| panic!("{method} {path}: {reply:#?}"));
    }
}

#[tokio::test]
async fn the_admin_listener_survives_nonsense() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let huge = format!("POST /purge HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", u64::MAX);
    for bytes in [
        "\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        &huge,
        "POST /purge HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{",
    ] {
        let mut connection = crate::support::Connection::open(larder.admin_address()).await;
        connection.write(bytes).await;
        connection.finish_writing().await;
        connection.everything().await;
    }
    assert_eq!(larder.admin("GET", "/healthz").send().await.status, 200);
}
