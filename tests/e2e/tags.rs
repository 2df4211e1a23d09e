//! Tags that rules give replies, and what replies tell the CDNs in front.

use crate::support::{Gate, Larder, LarderBuilder, Origin, Process, Reply, Request, Response, eventually};
use larder::invalidation::Matcher;
use serde_json::json;

/// Two CDNs that take tags: one as nearly all are, one without colons. Nobody answers where their APIs are.
const CDNS: &str = "
cdn:
  - { name: fast, fastly: { service: s, token: t, endpoint: \"http://127.0.0.1:9\" } }
  - { name: edge, akamai: { host: a.example.com, client_token: t, client_secret: t, access_token: t, endpoint: \"http://127.0.0.1:9\" } }
";

fn before(origin: &Origin, routes: &str) -> LarderBuilder {
    Larder::before(origin).rules(&format!("{CDNS}{routes}"))
}

/// The word of a matcher that a CDN has no name for.
fn word(matcher: &Matcher) -> String {
    format!("larder-{:016x}", matcher.hash().as_u64())
}

fn tag(name: &str) -> String {
    word(&Matcher::Tag(name.into()))
}

/// What a reply tells the first of the two CDNs, and the second.
fn told(reply: &Response) -> (Vec<&str>, Vec<&str>) {
    let words = |name, separator: char| match reply.fields.get(name) {
        Some(value) => value.split(separator).collect(),
        None => Vec::new(),
    };
    (words("surrogate-key", ' '), words("edge-cache-tag", ','))
}

#[tokio::test]
async fn tags_of_every_source_are_purged_by_name() {
    let origin = Origin::start().await;
    let rules = "
region: { header: X-Country, map: { eu: [DE] }, default: us }
routes:
  - name: list
    path: /list/{id}
    cache:
      ttl: 60s
      vary: [region, \"header:X-Shop\"]
      tags: [\"id:{id}\", \"page:{query.page}\", \"in:{region}\", \"for:{header.X-Shop}\", \"of:{reply.X-Category}\", \"{query.none}{id}\"]";
    let larder = Larder::before(&origin).rules(rules).start();
    let reply = Reply::ok("x").header("X-Category", "shoes, big boots").header("X-Category", "hats");
    origin.on("/list/7", reply.header("xkey", "own"));
    let get = || {
        let request = larder.get("/list/7?page=2&page=3").header("X-Country", "de");
        request.header("X-Shop", "north").send()
    };
    #[rustfmt::skip]
    let reaching = [
        "id:7", "page:2", "page:3", "in:eu", "for:north", "own",
        "of:shoes", "of:big boots", "of:hats", "of:shoes, big boots, hats",
    ];
    for tag in reaching {
        get().await;
        assert!(get().await.is_hit());
        larder.purge(json!({"tags": [tag]})).await;
        assert!(!get().await.is_hit(), "{tag}");
    }
    for tag in ["page:", "page:4", "in:us", "of:boots", "7", "{query.none}7", "for:"] {
        larder.purge(json!({"tags": [tag]})).await;
        assert!(get().await.is_hit(), "{tag}");
    }
}

const PRODUCTS: &str = "
routes:
  - { name: product, path: \"/products/{id}\", cache: { ttl: 60s, tags: [\"product:{id}\", catalog] } }
  - { name: basket, path: /basket/**, cache: bypass }";

#[tokio::test]
async fn cdns_are_told_what_reaches_a_reply() {
    let origin = Origin::start().await;
    let larder = before(&origin, PRODUCTS).start();
    let reply = Reply::ok("a body").header("ETag", "\"1\"").header("Surrogate-Key", "own größe");
    origin.on("/products/7", reply.header("Edge-Cache-Tag", "known"));
    let get = || larder.get("/products/7");
    let requests: [(&str, Request, u16); 5] = [
        ("miss", get(), 200),
        ("hit", get(), 200),
        ("hit", larder.request("HEAD", "/products/7"), 200),
        ("hit", get().header("Range", "bytes=0-1"), 206),
        ("hit", get().header("If-None-Match", "\"1\""), 304),
    ];
    let (path, host) = ("/products/7", larder.address().to_string());
    let host = host.as_str();
    let known = [
        word(&Matcher::Route("product".into())),
        word(&Matcher::path(host, path)),
        word(&Matcher::prefix(host, "/")),
        word(&Matcher::prefix(host, "/products")),
        word(&Matcher::prefix(host, path)),
    ];
    for (what, request, status) in requests {
        let reply = request.host(host).send().await;
        assert_eq!((reply.status, reply.is_hit()), (status, what == "hit"));
        let (fastly, akamai) = told(&reply);
        for wanted in ["product:7", "catalog", "own", "known", &tag("größe")]
            .into_iter()
            .chain(known.iter().map(String::as_str))
        {
            assert!(fastly.contains(&wanted), "{what} {status}: {wanted} in {fastly:?}");
        }
        for wanted in ["catalog", "own", "known", &tag("product:7"), &known[0]] {
            assert!(akamai.contains(&wanted), "{what} {status}: {wanted} in {akamai:?}");
        }
        for field in ["cache-tag", "cache-groups", "xkey"] {
            assert_eq!(reply.fields.get(field), None);
        }
    }
}

#[tokio::test]
async fn replies_that_pass_tell_cdns_too() {
    let origin = Origin::start().await;
    let larder = before(&origin, PRODUCTS).start();
    let reply = || Reply::ok("x").header("Cache-Tag", "own");
    origin.on("/basket/1", reply()).on("/products/private", reply().header("Cache-Control", "private"));
    origin.on("/products/gone", Reply::status(404)).on("/basket/none", Reply::not_modified());
    origin.on("/basket/tagged", Reply::not_modified().header("Cache-Tag", "own"));
    let words = |reply: &Response| -> Vec<String> { told(reply).0.into_iter().map(str::to_owned).collect() };
    #[rustfmt::skip]
    let cases: [(Request, &[&str], &[&str]); 6] = [
        (larder.get("/basket/1"), &["own"], &["catalog"]),
        (larder.get("/products/private"), &["own", "catalog", "product:private"], &[]),
        (larder.get("/products/private").header("Authorization", "me"), &["own", "catalog"], &[]),
        (larder.get("/products/gone"), &["catalog"], &["own"]),
        (larder.get("/basket//x").header("X", "1"), &[], &["catalog"]),
        (larder.request("POST", "/basket/1"), &[], &["own"]),
    ];
    for (request, with, without) in cases {
        let name = request.name();
        let posted = name.starts_with("POST");
        let reply = request.send().await;
        let words = words(&reply);
        assert_eq!(words.is_empty(), posted, "{name}: {reply:#?}");
        assert!(with.iter().all(|word| words.iter().any(|known| known == word)), "{name}: {words:?}");
        assert!(!without.iter().any(|word| words.iter().any(|known| known == word)), "{name}: {words:?}");
    }
    // Of a 304 that names no tags a CDN keeps what it knows; of one that does it cannot know all of them.
    let conditional = |path: &str| larder.get(path).header("If-None-Match", "\"1\"").send();
    let reply = conditional("/basket/none").await;
    assert_eq!((reply.status, words(&reply)), (304, Vec::new()));
    let reply = conditional("/basket/tagged").await;
    let words = words(&reply);
    assert!(reply.status == 304 && words.iter().any(|word| word == "own"), "{reply:#?}");
    assert!(words.iter().any(|word| word == "larder-overflow"), "{words:?}");
}

#[tokio::test]
async fn a_confirmed_reply_bears_its_old_tags_and_new_ones() {
    let origin = Origin::start().await;
    let larder = before(&origin, PRODUCTS).start();
    let first =
        Reply::ok("x").header("ETag", "\"1\"").header("Cache-Control", "no-cache").header("Cache-Tag", "old");
    let silent = Reply::not_modified().header("ETag", "\"1\"");
    let tagged = silent.clone().header("Cache-Tag", "new");
    origin.on_each("/products/1", [first, silent, tagged]);
    larder.get("/products/1").send().await;
    for wanted in [&["old", "catalog"][..], &["old", "new", "product:1"]] {
        let reply = larder.get("/products/1").send().await;
        assert!(reply.says("fwd-status=304"), "{reply:#?}");
        let (fastly, akamai) = told(&reply);
        assert!(wanted.iter().all(|word| fastly.contains(word)), "{wanted:?} in {fastly:?}");
        assert!(!fastly.contains(&"larder-overflow") && akamai.contains(&"old"), "{fastly:?} {akamai:?}");
    }
    for tag in ["old", "new"] {
        larder.purge(json!({"tags": [tag]})).await;
    }
    assert!(!larder.get("/products/1").send().await.says("fwd-status=304"));
}

#[tokio::test]
async fn an_origin_that_names_no_end_of_tags_is_passed_on_with_one_word() {
    let origin = Origin::start().await;
    let larder = before(&origin, PRODUCTS).start();
    let many = (0..9000).map(|n| format!("t{n}")).collect::<Vec<_>>().join(" ");
    origin.on("/products/many", Reply::fresh(60, "x").header("Surrogate-Key", &many));
    origin.on("/products/one", Reply::fresh(60, "x").header("Surrogate-Key", "a ".repeat(25_000)));
    for path in ["/products/many", "/products/one"] {
        for _ in 0..2 {
            let reply = larder.get(path).send().await;
            assert!(reply.status == 200 && reply.says("detail=too_many_tags"), "{}", reply.cache_status());
            let (fastly, akamai) = told(&reply);
            assert!(fastly.contains(&"larder-overflow") && akamai.contains(&"larder-overflow"), "{path}");
            assert!(reply.field("surrogate-key").len() <= 16_384 && akamai.len() <= 128);
        }
    }
}

const KEPT: &str = "
routes:
  - name: kept
    path: /{rest...}
    cache: { ttl: 60s, cdn_ttl: 1d, statuses: { 410: 60s }, stale_while_revalidate: 1h, stale_if_error: 1h }";

#[tokio::test]
async fn cdns_are_told_how_long_to_keep_what_may_be_kept() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(KEPT).start();
    origin.on("/plain", Reply::ok("x").header("ETag", "\"1\""));
    origin.on("/short", Reply::fresh(10, "x"));
    origin.on("/own", Reply::fresh(10, "x").header("CDN-Cache-Control", "max-age=5"));
    origin.on("/private", Reply::ok("x").header("Cache-Control", "private"));
    origin.on("/no-store", Reply::ok("x").header("Cache-Control", "no-store"));
    origin.on("/no-cache", Reply::ok("x").header("Cache-Control", "no-cache").header("ETag", "\"1\""));
    origin.on("/cookie", Reply::fresh(10, "x").header("Set-Cookie", "a=b"));
    origin.on("/gone", Reply::status(410)).on("/fails", Reply::status(500));
    origin.on("/large", Reply::fresh(10, vec![b'x'; 9 << 20]));
    let check = |request: Request, status: u16, wanted: Option<&'static str>| async move {
        let name = request.name();
        let reply = request.send().await;
        assert_eq!(reply.status, status, "{name}");
        assert_eq!(reply.fields.get("cdn-cache-control"), wanted, "{name}: {:#?}", reply.fields.0);
    };
    let day = Some("max-age=86400");
    for _ in 0..2 {
        check(larder.get("/plain"), 200, day).await;
        check(larder.get("/plain").header("If-None-Match", "\"1\""), 304, day).await;
        check(larder.get("/short"), 200, day).await;
        check(larder.get("/own"), 200, Some("max-age=5")).await;
        for path in ["/private", "/no-store", "/no-cache", "/cookie"] {
            check(larder.get(path), 200, None).await;
        }
        check(larder.get("/gone"), 410, None).await;
        check(larder.get("/fails"), 500, None).await;
        // It has no place here, but in a CDN perhaps.
        check(larder.get("/large"), 200, day).await;
        // One user's, and what is not what it seems.
        check(larder.get("/short?mine").header("Authorization", "me"), 200, None).await;
        check(larder.get("/short//").header("Cookie", "a=b"), 404, None).await;
    }
}

#[tokio::test]
async fn a_stale_reply_is_kept_by_no_cdn() {
    let origin = Origin::start().await;
    let larder = before(&origin, KEPT.trim_start()).start();
    let reply = Reply::ok("old").header("Cache-Control", "public, max-age=600").header("ETag", "\"1\"");
    origin.on_each(
        "/x",
        [
            reply
                .header("Surrogate-Control", "max-age=600")
                .header("Cloudflare-CDN-Cache-Control", "max-age=999"),
            Reply::status(500),
        ],
    );
    let fresh = larder.get("/x").send().await;
    assert_eq!(fresh.field("cache-control"), "public, max-age=600");
    assert_eq!(fresh.fields.get("cdn-cache-control"), None);

    // The rule lets it be served while it is revalidated; what reaches a CDN meanwhile is young, and old all the same.
    larder.purge(json!({"all": true, "soft": true})).await;
    let requests = [
        larder.get("/x"),
        larder.get("/x").header("If-None-Match", "\"1\""),
        larder.get("/x").header("Range", "bytes=0-0"),
    ];
    for request in requests {
        let stale = request.send().await;
        assert!(stale.is_hit() && stale.age() < 60, "{stale:#?}");
        for field in ["surrogate-control", "cloudflare-cdn-cache-control"] {
            assert_eq!(stale.field(field), "max-age=0");
        }
        let control: Vec<_> = stale.fields.all("cache-control").collect();
        assert_eq!(control, ["s-maxage=0", "public, max-age=600"]);
        assert!(!told(&stale).0.is_empty());
    }
    origin.on("/x", Reply::fresh(600, "new"));
    eventually("it is refreshed", || async { larder.get("/x").send().await.text() == "new" }).await;
    assert_eq!(larder.get("/x").send().await.field("cdn-cache-control"), "max-age=86400");
}

const BOTH_WAYS: &str = "
routes:
  - { name: kept, path: /kept/**, cache: { ttl: 60s, cdn_ttl: 1d } }
  - { name: passing, path: /passing/**, cache: bypass }
  - { name: unstored, path: /unstored/**, cache: { ttl: 60s, cdn_ttl: 1d } }";

#[tokio::test]
async fn a_reply_that_a_write_overtakes_is_kept_by_no_cdn() {
    let origin = Origin::start().await;
    let larder = before(&origin, BOTH_WAYS.trim_start()).start();
    let lifetime = |reply: &Response| -> Vec<String> {
        let names = ["cdn-cache-control", "cache-control", "surrogate-control"];
        names.iter().flat_map(|name| reply.fields.all(name).map(str::to_owned)).collect()
    };
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    // How a request goes, and what is said of its reply when nothing comes between, and when a write does.
    #[rustfmt::skip]
    let ways: [(&str, &[&str], &[&str]); 3] = [
        ("/kept/x", &["max-age=600", "max-age=700"], &["s-maxage=0", "max-age=600", "max-age=0"]),
        ("/passing/x", &["max-age=600", "max-age=700"], &["s-maxage=0", "max-age=600", "max-age=0"]),
        ("/unstored/x", &["max-age=600", "max-age=700"], &["s-maxage=0", "max-age=600", "max-age=0"]),
    ];
    for (path, kept, once) in ways {
        for (between, wanted) in [(None, kept), (Some("/elsewhere"), kept), (Some(path), once)] {
            let gate = Gate::shut();
            let slow = Reply::fresh(600, "old").header("Surrogate-Control", "max-age=700").hold_head(&gate);
            let slow = match path {
                // One that is found to be too large passes on the second time, and carries its lifetime all the same.
                "/unstored/x" => slow.body(vec![b'x'; 9 << 20]),
                _ => slow,
            };
            let held = slow.clone();
            origin.on_request(path, move |seen| match seen.method.as_str() {
                "GET" => held.clone(),
                _ => Reply::status(204),
            });
            origin.on("/elsewhere", Reply::status(204));
            let get = tokio::spawn(larder.get(path).send());
            gate.reached().await;
            if let Some(written) = between {
                assert_eq!(larder.put(written, "new").send().await.status, 204);
            }
            gate.open();
            let reply = get.await.unwrap();
            let what = format!("{path} and {between:?}: {:#?}", reply.fields.0);
            assert_eq!(lifetime(&reply), words(wanted), "{what}");
            assert!(!told(&reply).0.is_empty(), "{what}");
            let stored = path == "/kept/x" && between != Some(path);
            assert_eq!(reply.says("stored"), stored, "{what}");
            larder.purge(json!({"all": true})).await;
        }
    }
}

const TAGLESS: &str = "
cdn:
  - { name: edge, fastly: { service: s, token: t, tags: false, endpoint: \"http://127.0.0.1:9\" } }
routes:
  - { name: kept, path: /kept/**, cache: { ttl: 60s, stale_while_revalidate: 60s } }
  - { name: passing, path: /passing/**, cache: bypass }";

#[tokio::test]
async fn a_cdn_that_takes_no_tags_is_told_as_well_what_not_to_keep() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(TAGLESS).start();
    let once = ["s-maxage=0", "max-age=600"];
    for path in ["/kept/x", "/passing/x"] {
        let gate = Gate::shut();
        let slow = Reply::fresh(600, "old").hold_head(&gate);
        origin.on_request(path, move |seen| match seen.method.as_str() {
            "GET" => slow.clone(),
            _ => Reply::status(204),
        });
        let get = tokio::spawn(larder.get(path).send());
        gate.reached().await;
        assert_eq!(larder.put(path, "new").send().await.status, 204);
        gate.open();
        let overtaken = get.await.unwrap();
        assert_eq!(overtaken.fields.all("cache-control").collect::<Vec<_>>(), once, "{path}");
    }
    origin.on_each("/kept/y", [Reply::fresh(600, "old"), Reply::status(500)]);
    assert_eq!(larder.get("/kept/y").send().await.field("cache-control"), "max-age=600");
    larder.purge(json!({"all": true, "soft": true})).await;
    let stale = larder.get("/kept/y").send().await;
    assert!(stale.is_hit(), "{stale:#?}");
    assert_eq!(stale.fields.all("cache-control").collect::<Vec<_>>(), once);
}

/// A client that says `no-cache` has the stored reply confirmed.
const CONFIRMED: &str = "
routes:
  - { name: kept, path: \"/{rest...}\", cache: { ttl: 60s, cdn_ttl: 1d, override: false, client_directives: obey } }";

#[tokio::test]
async fn what_the_rule_told_cdns_is_never_the_word_of_the_origin() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(CONFIRMED).start();
    let whole = |control: &str| Reply::ok("x").header("ETag", "\"1\"").header("Cache-Control", control);
    let same = |control: &str| Reply::not_modified().header("ETag", "\"1\"").header("Cache-Control", control);
    let own = |reply: Reply, value: &str| reply.header("CDN-Cache-Control", value);
    let (minute, day) = ("max-age=60", Some("max-age=86400"));
    // What the origin sends, one after the other, and what CDNs are told then.
    type Case = (&'static str, Vec<(Reply, Option<&'static str>)>);
    #[rustfmt::skip]
    let cases: [Case; 4] = [
        ("/checked", vec![(whole(minute), day), (same("no-cache"), None), (same(minute), day)]),
        ("/said", vec![(whole(minute), day), (own(same(minute), "no-store"), Some("no-store")), (same(minute), Some("no-store"))]),
        ("/kept", vec![(own(whole(minute), "max-age=5"), Some("max-age=5")), (same(minute), Some("max-age=5"))]),
        ("/surrogate", vec![(whole(minute), day), (same(minute).header("Surrogate-Control", "no-store"), None)]),
    ];
    for (path, script) in cases {
        let (replies, told): (Vec<_>, Vec<_>) = script.into_iter().unzip();
        origin.on_each(path, replies);
        for (number, wanted) in told.into_iter().enumerate() {
            let reply = larder.get(path).header("Cache-Control", "no-cache").send().await;
            assert_eq!(reply.says("fwd-status=304"), number > 0, "{path} {number}: {reply:#?}");
            assert_eq!(reply.fields.get("cdn-cache-control"), wanted, "{path} {number}: {reply:#?}");
        }
    }
}

#[tokio::test]
async fn a_word_that_was_replaced_is_asked_for_once_it_counts() {
    let origin = Origin::start().await;
    let rules = CONFIRMED.replace("override: false", "override: true");
    let larder = Process::run(&Larder::before(&origin).rules(&rules)).await;
    origin.otherwise(|seen| {
        let reply = if seen.fields.get("if-none-match").is_some() {
            Reply::not_modified()
        } else {
            Reply::ok("x").header("CDN-Cache-Control", "max-age=5").header("Surrogate-Control", "max-age=5")
        };
        reply.header("ETag", "\"1\"")
    });
    let check = |confirmed: bool, wanted: &'static str| {
        let larder = &larder;
        async move {
            let reply = larder.get("/x").header("Cache-Control", "no-cache").send().await;
            assert_eq!(reply.says("fwd-status=304"), confirmed, "{reply:#?}");
            assert_eq!(reply.field("cdn-cache-control"), wanted, "{reply:#?}");
            reply
        }
    };
    // Some CDNs read another field first.
    assert_eq!(check(false, "max-age=86400").await.field("surrogate-control"), "max-age=86400");
    check(true, "max-age=86400").await;
    check(true, "max-age=86400").await;
    larder.edit("override: true", "override: false");
    larder.admin("POST", "/reload").send().await;
    check(false, "max-age=5").await;
    check(true, "max-age=5").await;
}

#[tokio::test]
async fn a_cdn_that_keeps_by_the_rule_is_told_what_the_key_has() {
    let origin = Origin::start().await;
    let rules = "
region: { header: X-Country }
routes:
  - name: prices
    path: /prices/**
    cache: { ttl: 60s, cdn_ttl: 1d, cookies: ignore, client_directives: obey, vary: [region, \"header:X-Shop\", \"cookie:currency\", \"cookie:size\"] }
  - { name: plain, path: /plain, cache: { ttl: 60s, cdn_ttl: 1d } }
  - { name: own, path: /own, cache: { ttl: 60s, vary: [region] } }";
    let larder = Larder::before(&origin).rules(rules).start();
    origin.otherwise(|_| Reply::ok("x").header("ETag", "\"1\""));
    origin.on_each(
        "/prices/1",
        [
            Reply::ok("x").header("ETag", "\"1\"").header("Vary", "Accept, x-shop"),
            Reply::not_modified().header("ETag", "\"1\""),
            Reply::not_modified().header("ETag", "\"1\"").header("Vary", "Accept"),
        ],
    );
    origin.on("/prices/large", Reply::ok(vec![b'x'; 9 << 20]).header("Vary", "Accept"));
    origin.on("/prices/said", Reply::fresh(60, "x").header("CDN-Cache-Control", "max-age=5"));
    let varies = |reply: &Response| reply.fields.all("vary").collect::<Vec<_>>().join(" + ");
    for wanted in [
        "Accept, x-shop + x-country, cookie",
        "Accept, x-shop + x-country, cookie",
        "Accept + x-country, x-shop, cookie",
    ] {
        let get = || larder.get("/prices/1");
        let asks = get().header("Cache-Control", "no-cache");
        for request in [asks, get(), get().header("If-None-Match", "\"1\"")] {
            let reply = request.send().await;
            let told = (varies(&reply), reply.field("cdn-cache-control"));
            assert_eq!(told, (wanted.to_owned(), "max-age=86400"));
        }
    }
    for (path, wanted) in [
        ("/prices/2", "x-country, x-shop, cookie"),
        ("/prices/large", "Accept + x-country, x-shop, cookie"),
        ("/prices/said", ""),
        ("/plain", ""),
        ("/own", ""),
    ] {
        assert_eq!(varies(&larder.get(path).send().await), wanted, "{path}");
    }
    assert_eq!(origin.count("/prices/1"), 3);
}
