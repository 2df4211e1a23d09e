//! What one node brought is a hit at the others, by the rules of their routes.

use crate::harness::{nodes, polled, start};
use crate::support::{Flow, Gate, Larder, Origin, RedisServer, Reply, Response, Tap, pattern};
use serde_json::json;
use std::time::Duration;

/// How many replies stand in a namespace.
async fn stored(redis: &RedisServer, namespace: &str) -> usize {
    redis.command::<Vec<String>>(&format!("KEYS {namespace}:e1:*")).await.len()
}

/// What `Cache-Status` says of the freshness that is left.
fn ttl(reply: &Response) -> u64 {
    let ttl = reply.cache_status().split("; ").find_map(|part| part.strip_prefix("ttl="));
    ttl.and_then(|ttl| ttl.parse().ok()).unwrap_or_else(|| panic!("no ttl in {}", reply.cache_status()))
}

/// Status, fields and body, but for what tells of the way to the client.
fn essence(reply: &Response) -> (u16, Vec<(String, String)>, &[u8]) {
    let own = |name: &str| ["age", "cache-status"].iter().any(|own| name.eq_ignore_ascii_case(own));
    let fields = reply.fields.0.iter().filter(|(name, _)| !own(name)).cloned().collect();
    (reply.status, fields, &reply.body)
}

#[tokio::test]
async fn a_hit_in_redis_is_byte_for_byte_what_the_first_node_had() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = nodes(2, &Larder::before(&origin).redis(&redis.url())).await;
    let bodies = [Vec::new(), vec![0], pattern(100_000), b"again and ".repeat(30_000)];
    for (number, body) in bodies.into_iter().enumerate() {
        let path = format!("/{number}");
        let reply = Reply::fresh(600, body).header("X-Twice", "one").header("X-Twice", "two");
        origin.on(&path, reply.header("ETag", "\"tag\"").header("Content-Type", "text/plain; x=\"y\""));
        let first = fleet[0].get(&path).send().await;
        let second = fleet[1].get(&path).send().await;
        assert!(second.is_hit() && second.says("detail=redis"), "{}", second.cache_status());
        let third = fleet[1].get(&path).send().await;
        assert!(third.says("detail=memory"), "{}", third.cache_status());
        assert_eq!(essence(&first), essence(&second), "{path}");
        assert_eq!(essence(&first), essence(&third), "{path}");
        assert_eq!(origin.count(&path), 1);
    }
    let missing = Reply::status(404).body("none").header("Cache-Control", "max-age=60");
    origin.on("/missing", missing);
    assert_eq!(fleet[0].get("/missing").send().await.status, 404);
    assert_eq!(fleet[1].get("/missing").send().await.text(), "none");
    assert_eq!(origin.count("/missing"), 1);
}

#[tokio::test]
async fn rules_say_which_tier_keeps_what() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    origin.otherwise(|_| Reply::ok("x"));
    let rules = "
        defaults: { cache: { ttl: 10m } }
        routes:
          - { name: redis-only, path: /redis-only, cache: { memory: false } }
          - { name: memory-only, path: /memory-only, cache: { redis: false } }
          - { name: short, path: /short, cache: { memory_ttl: 100ms } }
    ";
    let fleet = nodes(2, &Larder::before(&origin).redis(&redis.url()).rules(rules)).await;
    let says = async |node: usize, path: &str, what: &str| {
        let reply = fleet[node].get(path).send().await;
        assert!(reply.says(what), "{path} at node {node}: {}", reply.cache_status());
    };
    says(0, "/redis-only", "fwd=uri-miss").await;
    for node in [0, 0, 1, 1, 0] {
        says(node, "/redis-only", "detail=redis").await;
    }
    assert_eq!(origin.count("/redis-only"), 1);
    assert_eq!(stored(&redis, "larder").await, 1);

    for node in [0, 1] {
        says(node, "/memory-only", "fwd=uri-miss").await;
        says(node, "/memory-only", "detail=memory").await;
    }
    assert_eq!(stored(&redis, "larder").await, 1);

    says(0, "/short", "fwd=uri-miss").await;
    polled("memory asks Redis again", || async { fleet[0].get("/short").send().await.says("detail=redis") })
        .await;
    assert_eq!(origin.count("/short"), 1);
}

#[tokio::test]
async fn what_is_too_large_for_redis_is_not_there() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let builder = Larder::before(&origin).redis_with(&redis.url(), "timeout: 5s, max_object: 4KiB");
    let fleet = nodes(2, &builder).await;
    let noise: Vec<u8> = (0..100_000).map(|_| rand::random()).collect();
    origin.on("/large", Reply::fresh(600, noise)).on("/small", Reply::fresh(600, pattern(100)));
    for (path, asked) in [("/large", 2), ("/small", 1)] {
        for larder in &fleet {
            assert_eq!(larder.get(path).send().await.status, 200);
        }
        assert_eq!(origin.count(path), asked, "{path}");
    }
    assert_eq!(stored(&redis, "larder").await, 1);
}

#[tokio::test]
async fn a_sliding_lifetime_slides_in_redis_up_to_its_end() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    origin.otherwise(|_| Reply::ok("x"));
    let rules = "
        defaults: { cache: { ttl: 60s, sliding: true, memory: false } }
        routes:
          - { name: long, path: /long, cache: { max_ttl: 1h } }
          - { name: short, path: /short, cache: { max_ttl: 61s } }
    ";
    let fleet = nodes(2, &Larder::before(&origin).redis(&redis.url()).rules(rules)).await;
    for path in ["/long", "/short"] {
        fleet[0].get(path).send().await;
    }
    // Long enough to be seen in whole seconds, whatever they are rounded to.
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let [long, short] = [fleet[1].get("/long").send().await, fleet[1].get("/short").send().await];
    assert!(long.says("detail=redis") && short.says("detail=redis"), "{long:#?} {short:#?}");
    assert!(long.age() + ttl(&long) > 60, "{}", long.cache_status());
    assert!(short.age() + ttl(&short) <= 61, "{}", short.cache_status());
    polled("Redis keeps it for longer", || async {
        fleet[1].get("/long").send().await;
        let keys: Vec<String> = redis.command("KEYS larder:e1:*").await;
        let mut longest = 0;
        for key in keys {
            longest = longest.max(redis.command::<i64>(&format!("PTTL {key}")).await);
        }
        longest > 58_500
    })
    .await;
    assert_eq!(origin.requests().len(), 2);
}

#[tokio::test]
async fn variants_are_shared() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let fleet = nodes(3, &Larder::before(&origin).redis(&redis.url())).await;
    origin.on_request("/x", |seen| {
        let language = seen.fields.get("accept-language").unwrap_or("none").to_owned();
        Reply::fresh(600, language).header("Vary", "Accept-Language")
    });
    let ask = async |node: usize, language: &str, what: &str| {
        let reply = fleet[node].get("/x").header("Accept-Language", language).send().await;
        assert_eq!(reply.text(), language);
        assert!(reply.says(what), "{language} at node {node}: {}", reply.cache_status());
    };
    ask(0, "en", "fwd=uri-miss").await;
    ask(1, "de", "stored").await;
    ask(1, "en", "detail=redis").await;
    ask(0, "de", "detail=redis").await;
    ask(2, "de", "detail=redis").await;
    ask(2, "en", "detail=redis").await;
    ask(2, "en", "detail=memory").await;
    assert_eq!(origin.count("/x"), 2);
}

#[tokio::test]
async fn written_through_it_is_there_before_the_clients_last_byte() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let tap = Tap::before(redis.port()).await;
    let larder = start(Larder::before(&origin).redis_with(&tap.url(), "timeout: 5s, write: through")).await;
    let gate = Gate::shut();
    origin.on("/x", Reply::fresh(600, pattern(1000)).hold_at(500, &gate).chunked());
    let mut arriving = larder.get("/x").begin().await;
    arriving.bytes(500).await;
    tap.up(Flow::Hold);
    gate.open();
    let rest = tokio::spawn(arriving.rest());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!rest.is_finished(), "the client has it whole, and Redis does not");
    tap.up(Flow::Pass);
    assert_eq!(rest.await.unwrap().unwrap(), pattern(1000)[500..]);
    assert_eq!(stored(&redis, "larder").await, 1);
}

#[tokio::test]
async fn a_node_that_starts_again_finds_everything_in_redis() {
    const REPLIES: usize = 50;
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    origin.otherwise(|seen| Reply::fresh(600, seen.target.clone()));
    let builder = Larder::before(&origin).redis(&redis.url());
    let first = start(builder.clone()).await;
    for number in 0..REPLIES {
        first.get(&format!("/{number}")).send().await;
    }
    polled("all are written", || async { stored(&redis, "larder").await == REPLIES }).await;
    drop(first);
    let second = start(builder).await;
    for number in 0..REPLIES {
        let path = format!("/{number}");
        let reply = second.get(&path).send().await;
        assert_eq!(reply.text(), path);
        assert!(reply.says("detail=redis"), "{path}: {}", reply.cache_status());
    }
    assert_eq!(origin.requests().len(), REPLIES);
}

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    origin.on("/x", Reply::fresh(600, "x"));
    let within = |name: &str| {
        Larder::before(&origin).redis_with(&redis.url(), format!("timeout: 5s, namespace: {name}"))
    };
    redis.command::<()>("SET other value").await;
    let (one, two) = (start(within("one")).await, start(within("two")).await);
    for larder in [&one, &two] {
        assert!(larder.get("/x").send().await.says("fwd=uri-miss"));
    }
    assert_eq!((stored(&redis, "one").await, stored(&redis, "two").await), (1, 1));
    crate::harness::At::from(&one).purge_everywhere(&json!({ "all": true })).await;
    assert!(one.get("/x").send().await.says("fwd=uri-miss"));
    assert!(two.get("/x").send().await.says("detail=memory"));
    assert!(start(within("two")).await.get("/x").send().await.says("detail=redis"));
    assert_eq!(origin.count("/x"), 3);
    for key in redis.command::<Vec<String>>("KEYS *").await {
        let own = ["one:", "{one}:", "two:", "{two}:", "other"].iter().any(|own| key.starts_with(own));
        assert!(own, "{key}");
    }
}

#[tokio::test]
async fn what_cdns_are_told_comes_along() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let rules = "
        cdn: [{ name: fast, fastly: { service: s, token: t, endpoint: \"http://127.0.0.1:9\" } }]
        routes:
          - { name: rest, path: /rest/**, cache: { ttl: 10m, memory: false } }
          - { name: product, path: \"/{id}\", cache: { ttl: 10m, cdn_ttl: 1d, tags: [\"product:{id}\"] } }";
    let with_cdn = Larder::before(&origin).redis(&redis.url()).rules(rules);
    let without = Larder::before(&origin).redis(&redis.url()).rules(&rules.replace("cdn: ", "# cdn: "));
    let fleet = nodes(2, &with_cdn).await;
    origin.otherwise(|_| Reply::ok("x").header("Surrogate-Key", "own"));
    let get = |node: &Larder, path: &str| node.get(path).host("shop.test").send();
    let first = get(&fleet[0], "/7").await;
    let second = get(&fleet[1], "/7").await;
    assert!(second.says("detail=redis"), "{}", second.cache_status());
    assert_eq!(essence(&first), essence(&second));
    assert!(second.field("surrogate-key").starts_with("product:7 own larder-"), "{second:#?}");
    assert_eq!(second.field("cdn-cache-control"), "max-age=86400");
    fleet[0].purge(json!({"tags": ["product:7"]})).await;
    let third = get(&fleet[0], "/7").await;
    assert!(!third.is_hit() && essence(&third) == essence(&first), "{third:#?}");

    // What was stored before there was a CDN in front does not say what its tags were called. Every purge by tag reaches it.
    let before = start(without).await;
    for path in ["/8", "/rest/8"] {
        assert_eq!(get(&before, path).await.fields.get("surrogate-key"), None);
        for _ in 0..2 {
            let reply = get(&fleet[0], path).await;
            let words: Vec<_> = reply.field("surrogate-key").split(' ').collect();
            assert!(reply.is_hit() && words.contains(&"larder-overflow") && words.len() > 3, "{reply:#?}");
            assert_eq!(reply.text(), "x");
        }
    }
    assert_eq!(origin.count("/8"), 1);
}

#[tokio::test]
async fn what_another_node_told_cdns_is_decided_anew() {
    let (redis, origin) = (RedisServer::start().await, Origin::start().await);
    let before = |cdns: &str, rest: &str, product: &str| {
        let rules = format!(
            "
            cdn: [{cdns}]
            routes:
              - {{ name: rest, path: /rest/**, cache: {{ ttl: 10m, {rest} memory: false }} }}
              - {{ name: product, path: \"/{{id}}\", cache: {{ ttl: 10m, {product} tags: [\"product:{{id}}\"] }} }}"
        );
        start(Larder::before(&origin).redis(&redis.url()).rules(&rules))
    };
    let edge = "{ name: edge, cloudflare: { zone: z, token: t, endpoint: \"http://127.0.0.1:9\" } }";
    let two = format!(
        "{edge}, {{ name: more, fastly: {{ service: s, token: t, endpoint: \"http://127.0.0.1:9\" }} }}"
    );
    let day = "cdn_ttl: 1d,";
    let first = before(edge, day, day).await;
    let others = [before(edge, day, day).await, before(&two, day, day).await];
    let shorter = before(edge, "", "cdn_ttl: 10s,").await;
    origin.otherwise(|seen| match seen.target.ends_with("own") {
        true => Reply::ok("x").header("CDN-Cache-Control", "max-age=5"),
        false => Reply::ok("x"),
    });
    let get = |node: &Larder, path: &str| node.get(path).host("shop.test").send();
    let fields = |reply: &Response| {
        ["cache-tag", "cdn-cache-control"].map(|name| reply.fields.get(name).map(str::to_owned))
    };
    for path in ["/7", "/own", "/rest/7", "/rest/own"] {
        let own = path.ends_with("own");
        let stored = get(&first, path).await;
        let alike = get(&others[0], path).await;
        assert!(alike.says("detail=redis") && fields(&alike) == fields(&stored), "{alike:#?}");
        // There is one more CDN in front, so it is not known what of the words holds.
        let more = get(&others[1], path).await;
        assert!(
            more.says("detail=redis") && more.field("cache-tag").contains("larder-overflow"),
            "{more:#?}"
        );
        assert_eq!(fields(&more)[1], fields(&stored)[1], "{path}");
        let less = get(&shorter, path).await;
        let told = match path {
            _ if own => Some("max-age=5"),
            "/7" => Some("max-age=10"),
            _ => None,
        };
        assert!(less.says("detail=redis"), "{less:#?}");
        assert_eq!(fields(&less), [fields(&stored)[0].clone(), told.map(str::to_owned)], "{path}");
    }
    assert_eq!(origin.count("/7"), 1);
}
