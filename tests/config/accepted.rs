//! What is accepted, and that it is honoured.

use crate::{env, parse};
use larder::config::{self, ListenSettings, Settings, SharedLogSettings, TlsFiles};
use larder::engine::Collapse;
use larder::engine::{CacheRule, Route};
use larder::invalidation::{Mode, PurgeRule, Selector, Statuses, Template, Variable, When, WriteRule};
use larder::key::{HostAliases, KeyRule, NamePattern, QueryRule, VaryInput};
use larder::observe::{AccessLogSettings, Format};
use larder::origin::{Balance, HealthCheckSettings, OriginSettings, Protocol, ServerAddress};
use larder::redis::{RedisServers, RedisSettings, WriteMode};
use larder::secret::Secret;
use larder::semantics::{ClientDirectives, Cookies, FreshnessRule, SetCookie};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

const MS: fn(u64) -> Duration = Duration::from_millis;
const S: fn(u64) -> Duration = Duration::from_secs;

fn server(tls: bool, host: &str, port: u16) -> ServerAddress {
    ServerAddress { tls, host: host.into(), port }
}

fn template(text: &str) -> Template<Variable> {
    Template::parse(text).unwrap().resolve().unwrap()
}

fn named<'s>(settings: &'s Settings, name: &str) -> &'s Route {
    settings.routes.iter().find(|route| &*route.name == name).unwrap()
}

fn rule<'s>(settings: &'s Settings, name: &str) -> &'s CacheRule {
    named(settings, name).cache.as_ref().unwrap()
}

#[test]
fn one_line_is_a_caching_proxy() {
    let settings = parse("origin: http://127.0.0.1:3000").unwrap();
    assert!(settings.threads >= 1);
    let listen = ListenSettings { address: "0.0.0.0:8080".parse().unwrap(), tls: None, h2c: false };
    assert_eq!(settings.listen, [listen]);
    assert_eq!(settings.admin.address, "127.0.0.1:9090".parse().unwrap());
    assert!(settings.admin.token.is_none());
    assert!(settings.trusted_proxies.is_empty());
    assert_eq!(settings.host_aliases, HostAliases::default());
    let origin = OriginSettings {
        name: "default".into(),
        servers: vec![server(false, "127.0.0.1", 3000)],
        balance: Balance::RoundRobin,
        connect_timeout: S(1),
        read_timeout: S(30),
        keepalive: 128,
        retries: 1,
        protocol: Protocol::Auto,
        max_in_flight: 1024,
        health_check: None,
        ca: None,
    };
    assert_eq!(settings.origins, [origin]);
    assert_eq!((settings.memory.max_size, settings.memory.max_object), (256 << 20, 8 << 20));
    assert_eq!((settings.ledger.memory, settings.ledger.table_slots), (32 << 20, 1 << 20));
    assert_eq!(settings.settle, Duration::ZERO);
    assert_eq!(settings.access_log, AccessLogSettings { hits: 0.0, others: 1.0, format: Format::Json });

    let [route] = settings.routes.as_slice() else { panic!("{:?}", settings.routes) };
    assert_eq!((&*route.name, route.index, &*route.origin), ("default", 0, "default"));
    assert!(route.pattern.is_none());
    assert_eq!(route.on_write, WriteRule::default());
    let rule = route.cache.as_ref().unwrap();
    assert_eq!(rule.freshness, FreshnessRule::default());
    assert_eq!(rule.key, KeyRule::default());
    assert_eq!((rule.tags.len(), rule.memory_ttl, rule.collapse), (0, None, Collapse::Process));
}

#[test]
fn a_log_that_is_not_shared_or_was_not_may_have_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.yaml");
    for (spool, expected) in [("spool", folder.path().join("spool")), ("/var/spool", "/var/spool".into())] {
        fs::write(&file, format!("origin: http://a\ninvalidation: {{ spool: {spool} }}")).unwrap();
        let settings = config::load(&file, &env).unwrap();
        assert_eq!(settings.spool, Some(expected));
    }
    let moved = "origin: http://a\nredis: redis://a\ninvalidation: { spool: /var/spool }";
    assert_eq!(parse(moved).unwrap().spool, Some("/var/spool".into()));
    assert!(!folder.path().join("spool").exists(), "whoever checks a file makes nothing");
    assert_eq!(parse("origin: http://a").unwrap().spool, None);
}

fn redis_at(host: &str, port: u16) -> larder::redis::ServerAddress {
    larder::redis::ServerAddress { host: host.into(), port }
}

#[test]
fn redis_is_set_up_by_its_url_alone() {
    let settings = parse("origin: http://a\nredis: redis://redis").unwrap();
    let redis = RedisSettings {
        servers: RedisServers::Single(redis_at("redis", 6379)),
        tls: false,
        ca: None,
        database: 0,
        username: None,
        password: None,
        sentinel_password: None,
        namespace: "larder".into(),
        timeout: MS(50),
        write: WriteMode::Behind,
        compress: true,
        max_object: 1 << 20,
    };
    assert_eq!(settings.redis.as_ref(), Some(&redis));
    assert_eq!(settings.log.redis, Some(redis), "the log lies there too");
    let SharedLogSettings { redis: _, blind_limit, min_replicas, write_bound } = settings.log;
    assert_eq!((blind_limit, min_replicas, write_bound), (S(5), 0, S(60)));
    let rule = rule(&settings, "default");
    assert_eq!((rule.collapse, rule.memory, rule.remote, rule.sliding), (Collapse::Fleet, true, true, None));
    assert!(parse("origin: http://a").unwrap().redis.is_none());
    assert!(parse("origin: http://a").unwrap().log.redis.is_none());
}

#[test]
fn everything_of_redis_is_honoured() {
    let folder = tempfile::tempdir().unwrap();
    let settings = everything(folder.path());
    let secret = || Some(Secret::new("hunter2 {oops"));
    let redis = RedisSettings {
        servers: RedisServers::Sentinel {
            sentinels: vec![redis_at("s1", 26379), redis_at("s2", 26379)],
            service: "mymaster".into(),
        },
        tls: true,
        ca: Some(fs::read(folder.path().join("server.crt")).unwrap()),
        database: 2,
        username: Some("larder".into()),
        password: secret(),
        sentinel_password: secret(),
        namespace: "shop:eu".into(),
        timeout: MS(30),
        write: WriteMode::Through,
        compress: false,
        max_object: 2_000_000,
    };
    assert_eq!(settings.redis, Some(redis));
    assert!(!format!("{settings:?}").contains("hunter2"));
    let SharedLogSettings { redis, blind_limit, min_replicas, write_bound } = settings.log;
    let redis = redis.unwrap();
    assert_eq!(redis.servers, RedisServers::Cluster(vec![redis_at("a", 7000), redis_at("::1", 7001)]));
    assert_eq!((redis.namespace.as_str(), redis.timeout, redis.password), ("shop:eu", MS(30), None));
    assert_eq!((blind_limit, min_replicas, write_bound), (S(7), 2, S(30)));
}

/// `all.yaml` in a folder with a certificate and its key.
pub(crate) fn everything(folder: &Path) -> Settings {
    let pair = rcgen::generate_simple_self_signed(["shop.example.com".to_owned()]).unwrap();
    fs::write(folder.join("server.crt"), pair.cert.pem()).unwrap();
    fs::write(folder.join("server.key"), pair.signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("all.yaml"), include_str!("all.yaml")).unwrap();
    config::load(&folder.join("all.yaml"), &env).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn everything_around_the_routes_is_honoured() {
    let folder = tempfile::tempdir().unwrap();
    let settings = everything(folder.path());
    assert_eq!(settings.threads, 3);
    let tls =
        TlsFiles { certificate: folder.path().join("server.crt"), key: folder.path().join("server.key") };
    let listen = [
        ListenSettings { address: "127.0.0.1:8443".parse().unwrap(), tls: Some(tls), h2c: false },
        ListenSettings { address: "[::1]:8080".parse().unwrap(), tls: None, h2c: true },
    ];
    assert_eq!(settings.listen, listen);
    let networks: Vec<_> = settings.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8"]);
    let aliases = ["catalog.svc", "catalog.svc.cluster.local"];
    let aliases = aliases.map(|alias| (alias.to_owned(), "shop.example.com".to_owned()));
    assert_eq!(settings.host_aliases, HostAliases::new(aliases));
    assert_eq!(settings.admin.address, "0.0.0.0:9091".parse().unwrap());
    assert_eq!(settings.admin.token.as_ref().unwrap().expose(), "open-sesame");
    assert!(!format!("{settings:?}").contains("open-sesame"));
    assert_eq!((settings.memory.max_size, settings.memory.max_object), (64 << 20, 2_000_000));
    assert_eq!((settings.ledger.memory, settings.settle), (16 << 20, S(2)));
    assert_eq!(settings.access_log, AccessLogSettings { hits: 0.01, others: 0.5, format: Format::Text });
}

#[test]
fn everything_of_origins_is_honoured() {
    let folder = tempfile::tempdir().unwrap();
    let settings = everything(folder.path());
    let health = HealthCheckSettings { path: "/healthz?deep=1".into(), interval: S(3), timeout: MS(500) };
    let default = OriginSettings {
        name: "default".into(),
        servers: vec![server(false, "127.0.0.1", 3000), server(false, "::1", 3001)],
        balance: Balance::ConsistentHash,
        connect_timeout: MS(250),
        read_timeout: S(90),
        keepalive: 64,
        retries: 2,
        protocol: Protocol::H2c,
        max_in_flight: 77,
        health_check: Some(health),
        ca: None,
    };
    let search = OriginSettings {
        name: "search".into(),
        servers: vec![server(true, "search.svc", 443)],
        balance: Balance::LeastConnections,
        connect_timeout: S(1),
        read_timeout: S(30),
        keepalive: 128,
        retries: 1,
        protocol: Protocol::H2,
        max_in_flight: 1024,
        health_check: None,
        ca: Some(folder.path().join("server.crt")),
    };
    assert_eq!(settings.origins, [default, search]);
}

#[test]
fn everything_of_routes_is_honoured() {
    let folder = tempfile::tempdir().unwrap();
    let settings = everything(folder.path());
    let names: Vec<_> = settings.routes.iter().map(|route| (&*route.name, route.index)).collect();
    assert_eq!(names, [("product", 0), ("list", 1), ("cart", 2), ("default", 3)]);

    let product = named(&settings, "product");
    let pattern = product.pattern.as_ref().unwrap();
    assert_eq!(pattern.host.as_ref().unwrap().to_string(), "*.example.com");
    assert_eq!(pattern.path.as_str(), "/api/{version}/products/{id}");
    assert_eq!(pattern.methods, None);
    assert_eq!(&*product.origin, "search");
    assert_eq!(product.purge_from, ["10.0.0.0/8".parse().unwrap(), "2001:db8::1/128".parse().unwrap()]);
    let rule = rule(&settings, "product");
    let freshness = FreshnessRule {
        ttl: Some(S(3600)),
        override_origin: true,
        stale_while_revalidate: Some(S(30)),
        stale_if_error: Some(S(86_400)),
        // The rule's 404 stands over that of the defaults, whose 410 stays.
        statuses: BTreeMap::from([(404, S(10)), (410, S(60))]),
        cookies: Cookies::Ignore,
        set_cookie: SetCookie::Strip,
        client_directives: ClientDirectives::Obey,
        cdn_ttl: Some(S(7 * 24 * 3600)),
    };
    assert_eq!(rule.freshness, freshness);
    let vary = [
        VaryInput::Region,
        VaryInput::Header("accept".parse().unwrap()),
        VaryInput::Cookie("currency".into()),
    ];
    assert_eq!(rule.key.vary(), vary);
    // `only` replaces the `ignore` of the defaults, whose `sort` stays.
    let only = vec![NamePattern::Exact("page".into()), NamePattern::StartsWith("sort_".into())];
    assert_eq!(*rule.key.query(), QueryRule { ignore: vec![], only, sort: true });
    let region = rule.key.region().unwrap();
    assert_eq!(region.header, "cloudfront-viewer-country");
    assert_eq!(region.default, "world");
    let mut countries: Vec<_> = region.map.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    countries.sort_unstable();
    assert_eq!(countries, [("DE", "eu"), ("NO", "eu"), ("US", "us")]);
    let tags = ["product:{id}", "catalog", "{query.page}:{region}:{header.accept}:{reply.x-category}"];
    assert_eq!(rule.tags, tags.map(template));
    assert_eq!((rule.memory_ttl, rule.collapse), (Some(S(300)), Collapse::Off));
    assert_eq!((rule.memory, rule.remote, rule.sliding), (false, true, Some(S(2 * 24 * 3600))));
    let purge = [
        Selector::SelfUrl,
        Selector::Url(template("/api/{version}/products")),
        Selector::Tag(template("product:{id}")),
        Selector::Prefix(template("https://cdn.example.com/{id}")),
        Selector::Route("list".into()),
        Selector::All,
    ];
    let purge = purge.map(|selector| PurgeRule::new(selector, Mode::Soft)).to_vec();
    assert_eq!(product.on_write, WriteRule { purge, mode: Mode::Soft, ..WriteRule::default() });
}

#[test]
fn defaults_lie_under_every_route_and_under_none() {
    let folder = tempfile::tempdir().unwrap();
    let settings = everything(folder.path());
    let list = named(&settings, "list");
    let pattern = list.pattern.as_ref().unwrap();
    assert_eq!(pattern.path.as_str(), "/**");
    let methods: Vec<_> = pattern.methods.iter().flatten().map(http::Method::as_str).collect();
    assert_eq!(methods, ["GET", "HEAD", "PURGE"]);
    assert_eq!(rule(&settings, "list").freshness.set_cookie, SetCookie::Store);
    let list = rule(&settings, "list");
    assert_eq!((list.collapse, list.memory, list.remote), (Collapse::Process, true, false));
    assert_eq!(list.sliding, Some(S(7 * 24 * 3600)), "a week unless said otherwise");
    assert!(named(&settings, "cart").cache.is_none());
    for name in ["list", "default"] {
        let rule = rule(&settings, name);
        assert_eq!(rule.freshness.stale_if_error, Some(S(3600)), "{name}");
        assert_eq!(rule.freshness.statuses, BTreeMap::from([(404, S(5)), (410, S(60))]), "{name}");
        assert_eq!(rule.key.vary(), [VaryInput::Header("accept-language".parse().unwrap())], "{name}");
        assert_eq!(rule.key.query().ignore, [NamePattern::StartsWith("utm_".into())], "{name}");
        assert_eq!(rule.tags, [template("shop")], "{name}");
    }
}

#[test]
fn a_default_of_bypass_leaves_what_routes_name() {
    let settings = parse(
        "origin: http://a\n\
         defaults: { cache: bypass }\n\
         routes:\n\
         - { name: some, path: /a, cache: { ttl: 1m } }\n\
         - { name: other, path: /b }",
    );
    let settings = settings.unwrap();
    assert_eq!(rule(&settings, "some").freshness.ttl, Some(S(60)));
    assert!(named(&settings, "other").cache.is_none());
    assert!(named(&settings, "default").cache.is_none());
}

#[test]
fn values_are_read_as_what_they_should_be() {
    // A port from the environment, quoted numbers, a country that YAML 1.1 takes for `false`.
    let settings = parse(
        "threads: '2'\n\
         listen: [{ address: '127.0.0.1:${PORT}' }, { address: '127.0.0.1:${NOPE:-8082}' }]\n\
         origin: ${NOPE:-http://a}\n\
         memory: { max_size: '${EMPTY:-1GiB}' }\n\
         region: { header: X-Country, map: { north: [NO, on] } }\n\
         routes: [{ name: 404, path: /a, cache: { vary: [region], tags: [1, true] } }]",
    );
    let settings = settings.unwrap();
    assert_eq!(settings.threads, 2);
    assert_eq!(settings.listen[0].address.port(), 8081);
    assert_eq!(settings.listen[1].address.port(), 8082);
    assert_eq!(settings.memory.max_size, 1 << 30);
    let rule = rule(&settings, "404");
    assert!(rule.key.region().unwrap().map.contains_key("NO"));
    assert_eq!(rule.tags, [template("1"), template("true")]);
}

#[test]
fn aliases_share_what_is_written_once() {
    let settings = parse(
        "origin: http://a\n\
         routes:\n\
         - { name: a, path: /a, cache: &rule { ttl: 1h, tags: [x] } }\n\
         - { name: b, path: /b, cache: *rule }",
    );
    assert_eq!(rule(&settings.unwrap(), "b").freshness.ttl, Some(S(3600)));
}

#[test]
fn a_small_memory_takes_smaller_objects() {
    let settings = parse("origin: http://a\nmemory: { max_size: 1MiB }").unwrap();
    assert_eq!((settings.memory.max_size, settings.memory.max_object), (1 << 20, 1 << 20));
}

#[test]
fn the_shipped_example_holds() {
    let settings = config::parse(include_str!("../../proxy.yaml"), "proxy.yaml", &|_| None);
    let settings = settings.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(settings.listen[0].address, "0.0.0.0:8080".parse().unwrap());
    assert_eq!(settings.origins[0].servers, [server(false, "127.0.0.1", 3000)]);
    for name in ["session", "cart", "checkout"] {
        assert!(named(&settings, name).cache.is_none(), "{name} is bypassed");
    }
    for name in ["profile", "order-history"] {
        let freshness = &rule(&settings, name).freshness;
        assert_eq!((freshness.ttl, freshness.cookies), (None, Cookies::Bypass), "{name} is for one person");
    }
    assert!(settings.routes.len() > 12);
}

#[test]
fn purges_by_what_is_seen_of_a_write() {
    let yaml = r#"
origin: http://a
region: { header: X-Country }
routes:
  - name: a
    path: /a/{id}
    on_write:
      soft: true
      on_unknown: all
      max_body: 1MiB
      purge:
        - tag: "c:{body./c/id}:{region}"
          on_unknown: { prefix: "/c/{request.body./c/id}" }
          soft: false
          when: { status: [201, 3xx], header: [X-Moved, "X-Mode: full"] }
        - { url: "/q/{query.page}/{header.X-Store}", on_unknown: { url: self } }
        - { prefix: "/r/{reply.X-Shelf}/{reply.body./a~1b}" }
"#;
    let settings =
        larder::config::parse(yaml, "proxy.yaml", &|_| None).unwrap_or_else(|faults| panic!("{faults}"));
    let route = named(&settings, "a");
    assert_eq!(route.region.as_ref().map(|region| region.header.as_str()), Some("x-country"));
    let when = When {
        statuses: vec![Statuses::One(201), Statuses::Class(3)],
        fields: vec![("X-Moved".parse().unwrap(), None), ("X-Mode".parse().unwrap(), Some("full".into()))],
    };
    let first = PurgeRule {
        selector: Selector::Tag(template("c:{body./c/id}:{region}")),
        mode: Mode::Hard,
        when,
        on_unknown: Some(Selector::Prefix(template("/c/{request.body./c/id}"))),
    };
    let second = PurgeRule {
        on_unknown: Some(Selector::SelfUrl),
        ..PurgeRule::new(Selector::Url(template("/q/{query.page}/{header.X-Store}")), Mode::Soft)
    };
    let third =
        PurgeRule::new(Selector::Prefix(template("/r/{reply.X-Shelf}/{reply.body./a~1b}")), Mode::Soft);
    let rule = WriteRule {
        purge: vec![first, second, third],
        mode: Mode::Soft,
        on_unknown: Some(Selector::All),
        max_body: 1 << 20,
    };
    assert_eq!(route.on_write, rule);
}
