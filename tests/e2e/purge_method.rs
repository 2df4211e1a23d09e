//! `PURGE` on the listener of clients: a power that a route gives to networks, and nobody has by himself.

use crate::support::{Larder, Origin, Reply};

/// `PURGE` may come from this machine for products, from elsewhere for orders, and from nowhere for the rest.
const RULES: &str = "
routes:
  - { name: product, path: \"/products/{id}\", methods: [GET, HEAD], purge_from: [127.0.0.0/8], cache: { ttl: 60s } }
  - { name: order, path: /orders/**, purge_from: [192.0.2.0/24], cache: { ttl: 60s } }
  - { name: rest, path: /**, cache: { ttl: 60s } }";

async fn start(more: &str) -> (Origin, Larder) {
    let origin = Origin::start().await;
    origin.otherwise(|_| Reply::ok("x"));
    let larder = Larder::before(&origin).rules(&format!("{more}{RULES}")).start();
    (origin, larder)
}

/// Whether `path` is stored.
async fn is_kept(larder: &Larder, path: &str) -> bool {
    larder.get(path).header("Cache-Control", "only-if-cached").send().await.status == 200
}

#[tokio::test]
async fn a_url_is_purged_with_all_its_queries_for_those_who_may() {
    let (origin, larder) = start("defaults: { cache: { client_directives: obey } }").await;
    for path in ["/products/1", "/products/1?page=2", "/products/2"] {
        larder.get(path).send().await;
    }
    let reply = larder.request("PURGE", "/products/1?any=query").send().await;
    assert_eq!(reply.status, 200, "{reply:#?}");
    let position = reply.field("larder-position").to_owned();
    assert_eq!(reply.text(), format!("{{\"position\":\"{position}\"}}"));
    assert_eq!(reply.field("cache-control"), "no-store");
    for (path, kept) in [("/products/1", false), ("/products/1?page=2", false), ("/products/2", true)] {
        assert_eq!(is_kept(&larder, path).await, kept, "{path}");
    }
    assert!(origin.requests().iter().all(|request| request.method == "GET"), "the origin sees none of it");
    assert_eq!(larder.metric_where("larder_requests_total", "outcome=\"purge\"").await, 1.0);
}

#[tokio::test]
async fn it_is_refused_to_everybody_else() {
    let (origin, larder) = start("").await;
    for path in ["/orders/1", "/x"] {
        larder.get(path).send().await;
        // Whoever is no trusted proxy speaks for nobody.
        let reply = larder.request("PURGE", path).header("X-Forwarded-For", "192.0.2.7").send().await;
        assert_eq!(reply.status, 405, "{path}: {reply:#?}");
        assert!(larder.get(path).send().await.is_hit(), "{path}");
    }
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test]
async fn behind_a_proxy_it_is_the_client_who_counts() {
    let (_origin, larder) = start("trusted_proxies: [127.0.0.0/8]").await;
    for (path, client, status) in [
        // Every spelling of an order is one, and is not purged by what may be purged of products.
        ("//orders/1", "198.51.100.1", 405),
        ("/products/../orders/1", "", 405),
        ("//orders/1", "192.0.2.7", 405),
        ("/orders/./1", "192.0.2.7", 200),
        ("/orders/1", "192.0.2.7", 200),
        ("/orders/1", "198.51.100.1", 405),
        ("/orders/1", "192.0.2.7, 198.51.100.1", 405),
        ("/products/1", "198.51.100.1", 405),
        ("/products/1", "", 200),
    ] {
        let request = larder.request("PURGE", path);
        let request = if client.is_empty() { request } else { request.header("X-Forwarded-For", client) };
        assert_eq!(request.send().await.status, status, "{path} from {client:?}");
    }
}
