//! What is wrong, where, and what to write instead: a table of files and of all that is said of them.

use crate::parse;

/// `yaml` has exactly these faults, in this order; each without the name of the file.
#[track_caller]
fn check(yaml: &str, expected: &[&str]) {
    let faults = parse(yaml).expect_err(yaml);
    let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let expected: Vec<_> = expected.iter().map(|fault| format!("f.yaml:{fault}")).collect();
    assert_eq!(lines, expected, "{yaml}\n{faults}");
    assert_eq!(faults.to_string(), lines.join("\n"));
}

#[test]
fn five_faults_are_five_lines() {
    check(
        r#"origin: http://127.0.0.1:3000
listen:
  - address: localhost:8080
routes:
  - name: product
    path: /api/v1/products/{id}
    cache:
      tll: 1h
      stale_if_error: 30
      tags: ["product:{sku}"]
  - name: product
    path: /api/v1/categories
"#,
        &[
            "3:14: listen[0].address: `localhost:8080` is not an address to listen on; write `127.0.0.1:8080`",
            "8:7: routes[0].cache.tll: `tll` is not a known key; did you mean `ttl`?",
            "9:23: routes[0].cache.stale_if_error: `30` has no unit; write `30s` if that is meant, or one of ms, s, m, h, d, w",
            "10:14: routes[0].cache.tags[0]: `product:{sku}` names `{sku}`, which `path` does not capture; the captures are `{id}`",
            "11:11: routes[1].name: `product` is the name of the route on line 5 already; give every route a name of its own",
        ],
    );
}

#[test]
fn what_is_not_yaml() {
    check("", &["1:1: file: is empty; write at least where the origin is: `origin: http://127.0.0.1:3000`"]);
    check(
        "nonsense",
        &[
            "1:1: file: is a single value; write a mapping with the keys threads, listen, trusted_proxies, host_aliases, admin, origin, origins, memory, redis, region, invalidation, cdn, access_log, defaults, routes, events",
        ],
    );
    check("origin:http://a", &["1:1: file: is a single value; write a space after the `:`"]);
    check(
        "origin: [",
        &[
            "2:1: origin[0]: is not YAML: while parsing a node, did not find expected node content; check the indentation, the quotes and the brackets before this place",
        ],
    );
    check(
        "origin: http://a
routes:
  - name: a
   path: /
",
        &[
            "4:4: routes[1]: is not YAML: while parsing a block collection, did not find expected `-` indicator; begin every item of the list with `- `, indented like its neighbours",
        ],
    );
    check(
        "origin: http://a\nroutes:\n\t- name: a",
        &[
            "3:2: routes: is not YAML: tabs disallowed within this context (block indentation); indent with spaces",
        ],
    );
    check(
        "origin: http://a
routes: [{ name: a: b }]
",
        &[
            "2:19: routes[0]: is not YAML: while parsing a flow mapping, did not find expected `,` or `}`; separate the entries by commas and close the `}`",
        ],
    );
    check(
        "origin: http://a
defaults: { cache: { query: { ignore: [*] } } }
",
        &[
            "2:40: defaults.cache.query.ignore[0]: is not YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character; quote a value that begins with `*` or `&`",
        ],
    );
    check(
        "origin: http://a
admin: { token: ${LARDER_ADMIN_TOKEN} }
",
        &[
            r#"2:18: admin: is not YAML: while parsing a flow mapping, did not find expected `,` or `}`; quote a value with `${…}` in it: `"${NAME}"`"#,
        ],
    );
    check(
        "origin: @a",
        &[
            "1:9: origin: is not YAML: unexpected character: `@`; quote a value that begins with this character",
        ],
    );
    check(
        r#"origin: "http://a"#,
        &[
            "1:9: origin: is not YAML: while scanning a quoted scalar, found unexpected end of stream; close the quote",
        ],
    );
    check(
        "origin: http://a # \0",
        &["1:20: file: is not YAML: found unprintable character; remove the character"],
    );
    check(
        "origin: *nope",
        &[
            "1:9: origin: is not YAML: while parsing node, found unknown anchor; quote a value that begins with `*`, or define the anchor above",
        ],
    );
}

#[test]
fn what_yaml_has_and_a_configuration_has_not() {
    check(
        "origin: http://a
memory: { max_size: 1GiB, max_size: 2GiB }
origin: http://b
",
        &[
            "2:27: memory.max_size: `max_size` is written twice; it stands on line 2 already; keep one of the two",
            "3:1: origin: `origin` is written twice; it stands on line 1 already; keep one of the two",
        ],
    );
    check(
        "origin: http://a
---
origin: http://b
",
        &["2:1: file: a second document begins here; keep one document: remove the `---` before it"],
    );
    check(
        "origin: !!str http://a",
        &[
            "1:9: origin: has a YAML tag; remove the `!…` before the value (quote the value if it begins with `!`)",
        ],
    );
    check(
        "origin: http://a
x: &x { ttl: 1h }
routes: [{ name: a, path: /, cache: { <<: *x } }]
",
        &[
            "2:1: x: `x` is not a known key; the keys known here are threads, listen, trusted_proxies, host_aliases, admin, origin, origins, memory, redis, region, invalidation, cdn, access_log, defaults, routes, events",
            r#"3:39: routes[0].cache["<<"]: `<<` is not a known key; share the whole mapping by an alias, or its values by `defaults.cache`"#,
        ],
    );
    check(
        "origin: http://a
? [a]
: b
",
        &["2:3: file: a list stands where a key belongs; write a name before the `:`"],
    );
}

#[test]
fn values_of_another_kind() {
    check(
        "origin: { servers: [a] }
listen: 0.0.0.0:8080
trusted_proxies: 10.0.0.0/8
routes: { name: a }
memory: 256MiB
threads: [1]
",
        &[
            "1:9: origin: is a mapping; write the URL of a server such as `http://127.0.0.1:3000`",
            "2:9: listen: is a single value where a list belongs; write `[0.0.0.0:8080]`",
            "3:18: trusted_proxies: is a single value where a list belongs; write `[10.0.0.0/8]`",
            "4:9: routes: is a mapping; write a list: every item begins with `- `",
            "5:9: memory: is a single value; write a mapping with the keys max_size, max_object",
            "6:10: threads: is a list; write `auto` or a number of threads such as `4`",
        ],
    );
    check(
        "origin: http://a
threads:
listen:
admin:
routes:
  - name:
    path: /
    cache:
",
        &[
            "2:1: threads: has no value; write `auto` or a number of threads such as `4`",
            "3:1: listen: has no value; write a list: every item begins with `- `",
            "4:1: admin: has no value; write one of its keys (address, token)",
            "6:5: routes[0].name: has no value; write a name of letters, digits, `-`, `_` and `.`",
            "8:5: routes[0].cache: has no value; write `bypass`, or a mapping such as `{ ttl: 1h }`",
        ],
    );
    check(
        "origin:",
        &["1:1: origin: has no value; write the URL of a server such as `http://127.0.0.1:3000`"],
    );
}

#[test]
fn keys_that_are_not_known() {
    check(
        "orgin: http://a
lisen: []
frobnicate: 1
valkey: { url: redis://a }
cdns: []
events: {}
ttl: 1h
servers: [http://a]
connect_timeout: 1s
cache: {}
",
        &[
            "1:1: orgin: `orgin` is not a known key; did you mean `origin`?",
            "2:1: lisen: `lisen` is not a known key; did you mean `listen`?",
            "3:1: frobnicate: `frobnicate` is not a known key; the keys known here are threads, listen, trusted_proxies, host_aliases, admin, origin, origins, memory, redis, region, invalidation, cdn, access_log, defaults, routes, events",
            "4:1: valkey: `valkey` is not a known key; did you mean `redis`?",
            "5:1: cdns: `cdns` is not a known key; did you mean `cdn`?",
            "7:1: ttl: `ttl` does not belong here; write it under `defaults.cache`",
            "8:1: servers: `servers` does not belong here; write it under `origins.default`",
            "9:1: connect_timeout: `connect_timeout` does not belong here; write it under `origins.default`",
            "10:1: cache: `cache` does not belong here; write it under `defaults`",
        ],
    );
    check(
        "origin: http://a
routes:
  - name: a
    path: /a
    ttl: 1h
    method: GET
    cache: { sliding: true, max_ttl: 1d, memory: true, redis: false, staleWhileRevalidate: 1s, bypass: true, on_write: {} }
    on_write: { purges: [] }
invalidation: { blind_limits: 5s }
defaults: { ttl: 1h, origin: a }
listen: [{ address: 0.0.0.0:80, port: 80, cert: x, tls: { crt: a } }]
",
        &[
            "5:5: routes[0].ttl: `ttl` does not belong here; write it under `cache`",
            "6:5: routes[0].method: `method` does not belong here; write `methods: [GET, HEAD]`",
            "7:70: routes[0].cache.staleWhileRevalidate: `staleWhileRevalidate` is not a known key; did you mean `stale_while_revalidate`?",
            "7:96: routes[0].cache.bypass: `bypass` does not belong here; write `cache: bypass`",
            "7:110: routes[0].cache.on_write: `on_write` does not belong here; write it beside `cache`, not in it",
            "8:17: routes[0].on_write.purges: `purges` is not a known key; did you mean `purge`?",
            "9:17: invalidation.blind_limits: `blind_limits` is not a known key; did you mean `blind_limit`?",
            "10:13: defaults.ttl: `ttl` does not belong here; write it under `cache`",
            "10:22: defaults.origin: `origin` does not belong here; write `origin` at the top of the file",
            "11:33: listen[0].port: `port` does not belong here; write both in one: `address: 0.0.0.0:8080`",
            "11:43: listen[0].cert: `cert` does not belong here; write it under `tls`",
            "11:57: listen[0].tls.key: is missing; write the path of a PEM file",
            "11:59: listen[0].tls.crt: `crt` is not a known key; did you mean `certificate`?",
        ],
    );
    check(
        "origin: http://a
routes:
  - name: a
    path: /a
    cache: bypass
    ttl: 1h
    vary: [region]
",
        &[
            "6:5: routes[0].ttl: `ttl` does not belong here; write it under `cache`",
            "7:5: routes[0].vary: `vary` does not belong here; write it under `cache`",
        ],
    );
}

#[test]
fn what_cannot_be_filled_in_and_what_was_is_never_shown() {
    check(
        r#"origin: ${NOPE}
threads: ${SECRET}
listen: [{ address: "0.0.0.0:${SECRET}" }]
admin: { token: "${EMPTY}" }
region: { header: "${SECRET}" }
host_aliases: { shop: ["${SECRET}"] }
trusted_proxies: ["${file:none}", "${9}", "${SECRET", "${NOPE:-${PORT}}"]
routes:
  - { name: "${SECRET}", path: "/${SECRET}", host: "${SECRET}", origin: "x${PORT}", cache: { ttl: "${SECRET}", tags: ["${SECRET}", "a${PORT}{id}"] }, on_write: { purge: [{ route: "r${PORT}" }] } }
"#,
        &[
            "1:9: origin: the environment variable `NOPE` is not set; set it, or write a default: `${NOPE:-…}`",
            "2:10: threads: what `${SECRET}` stands for is not `auto` or a number of threads such as `4`; change what it stands for (the value is not shown: it may be secret)",
            "3:21: listen[0].address: what `0.0.0.0:${SECRET}` stands for is not an address such as `0.0.0.0:8080`; change what it stands for (the value is not shown: it may be secret)",
            "4:17: admin.token: what `${EMPTY}` stands for is not a token of visible ASCII characters; change what it stands for (the value is not shown: it may be secret)",
            "5:19: region.header: what `${SECRET}` stands for is not the name of a header such as `Accept-Language`; change what it stands for (the value is not shown: it may be secret)",
            "6:24: host_aliases.shop[0]: what `${SECRET}` stands for is not a host such as `shop.example.com`; change what it stands for (the value is not shown: it may be secret)",
            "7:19: trusted_proxies[0]: the file `none` cannot be read: no such file or directory; name a readable file of text, such as a mounted secret",
            "7:35: trusted_proxies[1]: `9` is no name of an environment variable; write `${NAME}`, `${NAME:-default}` or `${file:/path}`, or `$${` for the text itself",
            "7:43: trusted_proxies[2]: has a `${` without its `}`; close it, or write `$${` where the text itself is meant",
            "7:55: trusted_proxies[3]: the default of `${NOPE}` refers to something itself; write a plain default after `:-`",
            "9:13: routes[0].name: what `${SECRET}` stands for is not a name of letters, digits, `-`, `_` and `.`; change what it stands for (the value is not shown: it may be secret)",
            "9:32: routes[0].path: what `/${SECRET}` stands for is not a path such as `/api/products/{id}` or `/static/**`; change what it stands for (the value is not shown: it may be secret)",
            "9:52: routes[0].host: what `${SECRET}` stands for is not a host such as `shop.example.com` or `*.example.com`; change what it stands for (the value is not shown: it may be secret)",
            "9:73: routes[0].origin: no origin is named `x${PORT}`; add it under `origins`, or write a name from there",
            "9:99: routes[0].cache.ttl: what `${SECRET}` stands for is not a duration such as `30s`, `50ms` or `1h30m`; change what it stands for (the value is not shown: it may be secret)",
            "9:119: routes[0].cache.tags[0]: what `${SECRET}` stands for is not a tag such as `catalog` or `product:{id}`; change what it stands for (the value is not shown: it may be secret)",
        ],
    );
    check(
        r#"origin: http://a
admin: { token: "open sesame" }
"#,
        &[
            "2:17: admin.token: holds characters that a header cannot carry; use visible ASCII characters without spaces",
        ],
    );
}

#[test]
fn listeners() {
    check(
        r#"origin: http://a
listen:
  - address: 0.0.0.0:8080
  - address: 127.0.0.1:8080
  - address: "[::1]:9090"
  - address: 127.0.0.1:9090
  - address: :8081
  - { address: 0.0.0.0:8443, h2c: true, tls: { certificate: none.crt, key: none.key } }
  - { address: 0.0.0.0:8444, tls: { certificate: none.crt } }
  - { address: 127.0.0.1:0, h2c: yes }
  - { address: 127.0.0.1:0 }
"#,
        &[
            "4:14: listen[1].address: `127.0.0.1:8080` is in the way of `0.0.0.0:8080` on line 3; choose another port, or remove one of them",
            "6:14: listen[3].address: `127.0.0.1:9090` is in the way of the admin listener; choose another port here or in `admin.address`",
            "7:14: listen[4].address: `:8081` is not an address to listen on; write `0.0.0.0:8081`",
            "8:35: listen[5].h2c: is HTTP/2 without TLS, on a listener with TLS; remove it: with TLS, clients choose HTTP/2 by themselves",
            "8:61: listen[5].tls.certificate: `none.crt` cannot be read: no such file or directory; write the path of a readable file; a relative one starts at this file's folder",
            "8:76: listen[5].tls.key: `none.key` cannot be read: no such file or directory; write the path of a readable file; a relative one starts at this file's folder",
            "9:35: listen[6].tls.key: is missing; write the path of a PEM file",
            "10:34: listen[7].h2c: `yes` is neither `true` nor `false`; write `true`",
        ],
    );
    check(
        "origin: http://a
listen: []
admin: { address: 0.0.0.0:9090 }
",
        &[
            "2:9: listen: is empty; write `- address: 0.0.0.0:8080`, or leave it out",
            "3:19: admin.address: `0.0.0.0:9090` can be reached from elsewhere, and there is no token; write `token: ${LARDER_ADMIN_TOKEN}` beside it, or listen on 127.0.0.1",
        ],
    );
    check(
        "origin: http://a
admin: { address: 127.0.0.1:8080 }
",
        &[
            "2:19: admin.address: `127.0.0.1:8080` is in the way of the listener on `0.0.0.0:8080`; choose another port here or under `listen`",
        ],
    );
}

#[test]
fn origins() {
    check(
        "threads: 0",
        &[
            "1:1: origin: is missing; write where requests go: `origin: http://127.0.0.1:3000`",
            "1:10: threads: `0` is not from 1 to 1024; write `auto` for one a core",
        ],
    );
    check(
        r#"origin: http://a
origins:
  default: { servers: [http://a] }
  b: { servers: [] }
  c: {}
  d: { servers: [http://a, "https://a", http://a], protocol: h2c, connect_timeout: 0s, retries: 99, max_in_flight: 0, health_check: { path: healthz, interval: 1s, timeout: 2s } }
  e: { servers: [http://a], protocol: h2, ca: none.pem, balance: round-robin, keepalive: -1 }
  f: { servers: [a.svc:80, http://a/api, ftp://a, "http://u:p@a"], protocol: http2 }
"#,
        &[
            "3:3: origins.default: is set by `origin` as well; keep one of the two",
            r#"4:17: origins.b.servers: is empty; write at least one: `servers: ["http://127.0.0.1:3000"]`"#,
            r#"5:6: origins.c.servers: is missing; write `servers: ["http://127.0.0.1:3000"]`"#,
            "6:41: origins.d.servers[2]: `http://a` is in the list already; write every server once",
            "6:62: origins.d.protocol: `h2c` is without TLS, and a server is `https://`; write `h2`, or `http://` servers",
            "6:84: origins.d.connect_timeout: is zero; write a longer time, such as `1s`",
            "6:97: origins.d.retries: `99` is not from 0 to 10; write `1`, or another number in that range",
            "6:116: origins.d.max_in_flight: `0` is not from 1 to 1000000; write `1024`, or another number in that range",
            "6:141: origins.d.health_check.path: `healthz` is not the path of a request; write a path that begins with `/`, such as `/healthz`",
            "6:173: origins.d.health_check.timeout: `2s` is longer than the interval of the checks; write a shorter time, or a longer `interval`",
            "7:39: origins.e.protocol: `h2` needs TLS, and a server is `http://`; write `h2c`, or `https://` servers",
            "7:47: origins.e.ca: no server of this origin uses TLS; remove it, or write `https://` servers",
            "7:66: origins.e.balance: `round-robin` is not `round_robin`, `consistent_hash` or `least_connections`; did you mean `round_robin`?",
            "7:90: origins.e.keepalive: `-1` is not a whole number; write a whole number such as `128`",
            "8:18: origins.f.servers[0]: `a.svc:80` is not a URL; write `http://a.svc:80`",
            "8:28: origins.f.servers[1]: `http://a/api` has a path, but the path of a request is never changed; write `http://a`",
            "8:42: origins.f.servers[2]: `ftp://a` has a scheme other than http and https; write `http://` or `https://` (HTTP/2 is chosen by `protocol`)",
            "8:51: origins.f.servers[3]: has a user name in it, which Larder would not send; remove everything up to the `@`",
            "8:78: origins.f.protocol: `http2` is not `auto`, `http1`, `h2` or `h2c`; did you mean `http1`?",
        ],
    );
    check(
        "origins: { shop: { servers: [http://a] } }
routes: [{ name: a, path: /, origin: shp }]
",
        &[
            "1:10: origins: has no `default`, which takes the requests of all routes that name no origin; name one of them `default`, or write `origin: http://127.0.0.1:3000`",
            "2:38: routes[0].origin: no origin is named `shp`; did you mean `shop`?",
        ],
    );
}

#[test]
fn hosts_and_regions() {
    check(
        r#"origin: http://a
host_aliases:
  shop: [catalog, Shop, "*.svc"]
  other: [catalog, shop]
  "bad host": [x]
routes: [{ name: a, path: /, host: Catalog }]
"#,
        &[
            "3:19: host_aliases.shop[1]: `Shop` is the name itself; remove it from the list",
            "3:25: host_aliases.shop[2]: `*.svc` is not the name of one host; write every name out",
            "4:11: host_aliases.other[0]: `catalog` is an alias of `shop` already; keep one of the two",
            "4:20: host_aliases.other[1]: `shop` has aliases of its own; move them to `other`",
            r#"5:3: host_aliases["bad host"]: `bad host` is not a host; write `shop.example.com`, `*.example.com` or `shop.example.com:8080`"#,
            "6:36: routes[0].host: `Catalog` is an alias, so no request is matched under this name; write `other`",
        ],
    );
    check(
        "origin: http://a
region: { map: { eu: [DE, DE], us: [DE] } }
routes: [{ name: a, path: /, cache: { vary: [region] } }]
",
        &[
            "2:9: region.header: is missing; write the header that names the client's country, such as `CloudFront-Viewer-Country`",
            "2:27: region.map.eu[1]: `DE` is in the region `eu` already; keep it in one region",
            "2:37: region.map.us[0]: `DE` is in the region `eu` already; keep it in one region",
        ],
    );
    check(
        r#"origin: http://a
routes: [{ name: a, path: /, cache: { vary: [region, region, Accept, "header:X Y", "cookie:", "header:Cookie"] } }]
"#,
        &[
            "2:46: routes[0].cache.vary[0]: `region` is not set up; write `region: { header: CloudFront-Viewer-Country }` at the top of the file",
            "2:54: routes[0].cache.vary[1]: `region` is in the list already; write every input once",
            "2:62: routes[0].cache.vary[2]: `Accept` is not `region`, `header:Name` or `cookie:name`; write `header:Accept`, or `cookie:…` for a cookie",
            "2:70: routes[0].cache.vary[3]: `X Y` is not the name of a header; write `X-Y`",
            "2:84: routes[0].cache.vary[4]: `` is not the name of a cookie; write a name such as `cookie:currency`",
            "2:95: routes[0].cache.vary[5]: `Cookie` as a whole differs from client to client; name the cookies that matter: `cookie:currency`",
        ],
    );
}

#[test]
fn where_redis_is() {
    check(
        "origin: http://a
redis: redis://joe:secret@a,b
",
        &[
            "2:8: redis: `redis://…@a,b` names several servers; write `redis-cluster://` for the nodes of a cluster, or `redis-sentinel://` for sentinels",
        ],
    );
    check(
        "origin: http://a
redis: { namespace: 'a{b}', timeout: 0s, max_object: 0B, write: later, host: a, tls: true, db: 1 }
",
        &[
            "2:8: redis.url: is missing; write where Redis is: `url: redis://127.0.0.1:6379`",
            "2:21: redis.namespace: `a{b}` is not a name of letters, digits, `-`, `_`, `.` and `:`; write one such as `larder` or `shop:eu`",
            "2:38: redis.timeout: is zero; write a longer time, such as `1s`",
            "2:54: redis.max_object: is zero; write a size such as `1MiB`",
            "2:65: redis.write: `later` is not `behind` or `through`; write `behind` or `through`",
            "2:72: redis.host: `host` does not belong here; write `url: redis://127.0.0.1:6379`",
            "2:81: redis.tls: `tls` does not belong here; write `url: rediss://…`",
            "2:92: redis.db: `db` does not belong here; write it at the end of `url`: `redis://127.0.0.1:6379/1`",
        ],
    );
    check(
        "origin: http://a
redis: { url: redis://joe:secret@a, username: joe, password: other, sentinel_password: x, ca: ca.pem, timeout: 1m, max_object: 1GiB }
invalidation: { redis: { url: redis://joe@b, write: behind, compress: true, max_object: 1MiB }, blind_limit: 0s, write_bound: 0s, min_replicas: 99 }
",
        &[
            "2:47: redis.username: is in `url` as well; keep one of the two",
            "2:62: redis.password: is in `url` as well; keep one of the two",
            "2:88: redis.sentinel_password: there are no sentinels; remove it, or write `url: redis-sentinel://…`",
            "2:95: redis.ca: `url` is without TLS; remove it, or write `rediss://` in `url`",
            "2:112: redis.timeout: `1m` is longer than 5s, and requests wait for it; write a time that a client would wait, such as `50ms`",
            "2:128: redis.max_object: `1GiB` is more than a value of Redis may have, 512MiB; write a size such as `1MiB`",
            "3:31: invalidation.redis.url: has a user without a password; write `password: ${REDIS_PASSWORD}` beside it",
            "3:53: invalidation.redis.write: is about replies, and here is none; write it under `redis`",
            "3:71: invalidation.redis.compress: is about replies, and here is none; write it under `redis`",
            "3:89: invalidation.redis.max_object: is about replies, and here is none; write it under `redis`",
            "3:110: invalidation.blind_limit: is zero; write a longer time, such as `1s`",
            "3:127: invalidation.write_bound: is zero; write a longer time, such as `1s`",
            "3:145: invalidation.min_replicas: `99` is not from 0 to 16; write `0`, or another number in that range",
        ],
    );
    check(
        "origin: http://a
invalidation: { redis: { url: redis://b }, blind_limit: 601s }
",
        &[
            "2:57: invalidation.blind_limit: `601s` is longer than 10m, and CDNs wait as long for a node that died; write how old a reply may be that nobody can vouch for, such as `5s`",
        ],
    );
    check(
        "origin: http://a
redis: { url: rediss://a, username: joe, ca: nowhere.pem }
",
        &[
            "2:37: redis.username: has no password; write `password: ${REDIS_PASSWORD}` beside it",
            "2:46: redis.ca: `nowhere.pem` cannot be read: no such file or directory; write the path of a readable file; a relative one starts at this file's folder",
        ],
    );
    check(
        "origin: http://a
invalidation: { min_replicas: 1 }
",
        &[
            "2:31: invalidation.min_replicas: there is no Redis that could have replicas; remove it, or set up `redis`",
        ],
    );
    check(
        "origin: http://a
invalidation: { spool: /dev/null }
",
        &[
            "2:24: invalidation.spool: `/dev/null` is not a folder; write the path of a folder; a relative one starts at this file's folder",
        ],
    );
    check(
        "origin: http://a
redis: 'redis://joe:hunter3@${SECRET}'
",
        &[
            "2:8: redis: what this stands for is not the URL of Redis such as `redis://127.0.0.1:6379`; change what it stands for (the value is not shown: it may be secret)",
        ],
    );
}

#[test]
fn sizes_and_shares() {
    check(
        "origin: http://a
memory: { max_size: 1MiB, max_object: 2MiB }
invalidation: { memory: 0B, settle: 5 }
",
        &[
            "2:39: memory.max_object: `2MiB` is more than the whole memory, `1MiB`; write less, or raise `memory.max_size`",
            "3:25: invalidation.memory: is zero; write a size such as `32MiB`",
            "3:37: invalidation.settle: `5` has no unit; write `5s` if that is meant, or one of ms, s, m, h, d, w",
        ],
    );
    check(
        "origin: http://a
memory: { max_size: 0B, max_object: 300MiB }
",
        &["2:21: memory.max_size: is zero; write a size such as `256MiB`"],
    );
    check(
        "origin: http://a
access_log: { hits: 5%, others: 2, format: xml }
",
        &[
            "2:21: access_log.hits: `5%` is not a share from 0 to 1; write `0.05`",
            "2:33: access_log.others: `2` is not a share from 0 to 1; write a share from `0.0` (none) to `1.0` (all)",
            "2:44: access_log.format: `xml` is not `json` or `text`; write `json` or `text`",
        ],
    );
}

#[test]
fn names_of_routes() {
    check(
        r#"origin: http://a
routes:
  - { path: /a }
  - { name: default, path: /b }
  - { name: x, path: /c }
  - { name: x, path: /d }
  - { name: "a b", path: /e }
  - [x]
"#,
        &[
            "3:5: routes[0].name: is missing; write a name for metrics, logs and purges, such as `name: product`",
            "4:13: routes[1].name: `default` is the route of requests that no other matches; choose another name; what that route does is written under `defaults`",
            "6:13: routes[3].name: `x` is the name of the route on line 5 already; give every route a name of its own",
            "7:13: routes[4].name: `a b` is not a name of letters, digits, `-`, `_` and `.`; write `a-b`",
            "8:5: routes[5]: is a list; write a mapping with the keys name, path, host, methods, origin, cache, on_write, purge_from",
        ],
    );
    check(
        "origin: http://a
routes: [{ name: x, path: /a }, { name: x, path: /b }]
",
        &[
            "2:41: routes[1].name: `x` is the name of the route on line 2 already; give every route a name of its own",
        ],
    );
}

#[test]
fn patterns_of_routes() {
    check(
        r#"origin: http://a
routes:
  - { name: a, path: api }
  - { name: b, path: "/a/{id}/{id}" }
  - { name: c, path: "http://shop/a" }
  - { name: d, path: "/a/{id" }
  - { name: e, path: "/a?b" }
  - { name: f, host: "http://shop/" }
  - { name: g, host: "*" }
  - { name: h, path: "/a\nb" }
"#,
        &[
            "3:22: routes[0].path: `api` does not begin with `/`; write `/api`",
            "4:22: routes[1].path: the capture `id` stands there twice; give each a name of its own",
            "5:22: routes[2].path: `http://shop/a` is a URL, not a path; write `/a`, and the host under `host`",
            "6:22: routes[3].path: the braces in `{id` do not pair up; write `{name}` for a segment and `{name...}` for the rest",
            "7:22: routes[4].path: `/a?b` holds a query or a fragment; end the path before `?` and `#`",
            "8:22: routes[5].host: `http://shop/` is a URL, not a host; write `shop`",
            "9:22: routes[6].host: `*` is every host; leave `host` out",
            r#"10:22: routes[7].path: `/a\u{a}b` never matches a path that may be cached (control-character); leave it out"#,
        ],
    );
    check(
        r#"origin: http://a
routes:
  - { name: all, path: /api/** }
  - { name: one, path: "/api/{id}" }
  - { name: get, path: /x, methods: [GET] }
  - { name: put, path: /x, methods: [PUT] }
  - { name: both, path: /x, methods: [GET, PUT] }
"#,
        &[
            "4:24: routes[1].path: is never reached: the route `all` on line 3 takes its requests; move it before that route, or remove it",
        ],
    );
    check(
        "origin: http://a
routes:
  - { name: a, path: /a, methods: [get, GTE] }
  - { name: b, path: /b, methods: [] }
  - { name: c, path: /c, methods: GET }
  - { name: d, path: /d, methods: [GET, HEAD], on_write: { purge: [] } }
  - { name: e, path: /e, methods: [POST], cache: { ttl: 1h } }
",
        &[
            "3:36: routes[0].methods[0]: `get` is no method; write `GET`",
            "3:41: routes[0].methods[1]: `GTE` is no method; write `GET`",
            "4:35: routes[1].methods: is empty, so the route matches nothing; write `[GET, HEAD]`, or leave it out",
            "5:35: routes[2].methods: is a single value where a list belongs; write `[GET]`",
            "6:58: routes[3].on_write: no write comes under this route: all of its `methods` are safe; add the methods of writes, such as PUT, or leave `methods` out",
            "7:50: routes[4].cache: is never used: none of the `methods` of this route can be answered from a cache; add GET to `methods`, or write `cache: bypass`",
        ],
    );
}

#[test]
fn tags_are_made_of_what_is_known_with_the_head_of_a_reply() {
    check(
        r#"origin: http://a
routes:
  - { name: a, path: "/a/{id}", cache: { tags: ["{body./id}", "{reply.body./id}{id}", "{region}", "{query.page}", "{reply.X-Id}", "{header.X-Id}"], vary: ["header:x-id"] } }
  - { name: b, path: "/b/{region}", cache: { tags: ["{region}", "{query.utm_source}", "{query.page}"], query: { ignore: [utm_*] } } }
  - { name: c, path: /c, cache: { tags: ["{query.page}", "{query.sort}"], query: { only: [page] } } }
  - { name: d, path: /d, cache: { tags: ["{query.page}", "{query.ref}"], cdn_ttl: 500ms } }
defaults: { cache: { query: { ignore: [ref] }, tags: ["{region}", "{query.ref}", "{query.page}"] } }
"#,
        &[
            "3:49: routes[0].cache.tags[0]: `{body./id}` names a value in a body, but the tags of a reply must be known with its head; name a field that the origin sends, such as `{reply.X-Category}`",
            "3:63: routes[0].cache.tags[1]: `{reply.body./id}{id}` names a value in a body, but the tags of a reply must be known with its head; name a field that the origin sends, such as `{reply.X-Category}`",
            "3:87: routes[0].cache.tags[2]: `{region}` names the region, which is not set up; write `region: { header: CloudFront-Viewer-Country }` at the top of the file",
            "4:65: routes[1].cache.tags[1]: `{query.utm_source}` names a parameter that `query` leaves out of the key; keep the parameter in the key, or make the tag of something else",
            "5:58: routes[2].cache.tags[1]: `{query.sort}` names a parameter that `query` leaves out of the key; keep the parameter in the key, or make the tag of something else",
            "6:58: routes[3].cache.tags[1]: `{query.ref}` names a parameter that `query` leaves out of the key; keep the parameter in the key, or make the tag of something else",
            "6:83: routes[3].cache.cdn_ttl: is less than the second that CDNs count in; write how long CDNs may keep a reply, such as `1d`, or leave it out",
            "7:55: defaults.cache.tags[0]: `{region}` names the region, which is not set up; write `region: { header: CloudFront-Viewer-Country }` at the top of the file",
            "7:67: defaults.cache.tags[1]: `{query.ref}` names a parameter that `query` leaves out of the key; keep the parameter in the key, or make the tag of something else",
        ],
    );
}

#[test]
fn tags_are_made_of_what_the_key_has() {
    check(
        r#"origin: http://a
region: { header: X-Country }
routes:
  - { name: a, path: /a, cache: { tags: ["{region}", "{header.X-Shop}", "{header.X-Id}"], vary: ["header:x-shop"] } }
  - { name: b, path: "/b/{region}", cache: { tags: ["{region}:{header.X-Id}", "{reply.X-Id}"] } }
  - { name: c, path: /c, cache: { tags: ["{region}{header.cookie}"], vary: [region, "cookie:a"] } }
  - { name: d, path: /d, cache: { vary: ["cookie:a"], query: { ignore: [page] } } }
  - { name: e, path: /e, cache: { vary: [region], ttl: 1m } }
  - { name: f, path: /f, cache: { ttl: 1m } }
defaults: { cache: { tags: ["{region}", "{query.page}"], vary: [region] } }
"#,
        &[
            "4:42: routes[0].cache.tags[0]: `{region}` names what is no part of the key: all would get the tag of whoever asks first; add `region` to `vary`, or make the tag of something else",
            "4:73: routes[0].cache.tags[2]: `{header.X-Id}` names what is no part of the key: all would get the tag of whoever asks first; add `header:x-id` to `vary`, or make the tag of something else",
            "5:53: routes[1].cache.tags[0]: `{region}:{header.X-Id}` names what is no part of the key: all would get the tag of whoever asks first; add `header:x-id` to `vary`, or make the tag of something else",
            "6:42: routes[2].cache.tags[0]: `{region}{header.cookie}` names what is no part of the key: all would get the tag of whoever asks first; add `header:cookie` to `vary`, or make the tag of something else",
            "7:41: routes[3].cache.vary: the tag `{region}` of `defaults` names what is no part of the key: all would get the tag of whoever asks first; add `region` to `vary`, or make the tag of something else",
            "7:62: routes[3].cache.query: the tag `{query.page}` of `defaults` names a parameter that `query` leaves out of the key; keep the parameter in the key, or make the tag of something else",
        ],
    );
}

#[test]
fn cache_rules() {
    check(
        r#"origin: http://a
routes:
  - { name: a, path: /a, cache: off }
  - { name: b, path: /b, cache: { override: true } }
  - { name: c, path: /c, cache: { ttl: 5min, memory_ttl: 0s, statuses: { 4xx: 1s, 404: 5, 99: 1s, 206: 1s } } }
  - { name: d, path: /d, cache: { query: { only: [a], ignore: [b], sort: yes } } }
  - { name: e, path: /e, cache: { query: { ignore: ["a*b"] }, cookies: strip, set_cookie: ignore, collapse: true, client_directives: follow, max_ttl: 0s } }
  - { name: f, path: "/f/{id}", cache: { tags: ["a b", "p:{ID}", "p:{", "p:{}", "{id}"] } }
  - { name: g, path: /g, cache: { tags: ["p:{id}"], ttl: bad, override: true } }
  - { name: h, path: /h, origin: search }
defaults: { cache: { tags: ["x:{id}"], override: true } }
"#,
        &[
            "3:33: routes[0].cache: `off` is not `bypass`; write `bypass`",
            "4:45: routes[1].cache.override: there is no `ttl` to replace what the origin says; write `ttl: 1h` beside it, or remove it",
            "5:40: routes[2].cache.ttl: `5min` is not a duration; write `5m`",
            "5:58: routes[2].cache.memory_ttl: is zero; write `cache: bypass` to store nothing, or leave it out",
            "5:74: routes[2].cache.statuses.4xx: `4xx` is a class of statuses; write every status out, such as `404` and `410`",
            "5:88: routes[2].cache.statuses.404: `5` has no unit; write `5s` if that is meant, or one of ms, s, m, h, d, w",
            "5:91: routes[2].cache.statuses.99: `99` is not a status; write one from 200 to 599, such as `404`",
            "5:99: routes[2].cache.statuses.206: `206` is never stored by itself; give the lifetime of the whole reply by `ttl`",
            "6:63: routes[3].cache.query.ignore: `only` leaves out every other parameter already; keep either `only` or `ignore`",
            "6:74: routes[3].cache.query.sort: `yes` is neither `true` nor `false`; write `true`",
            "7:53: routes[4].cache.query.ignore[0]: `a*b` is not the name of a parameter; write a name such as `page`, with `*` only at its end",
            "7:72: routes[4].cache.cookies: `strip` is not `bypass` or `ignore`; write `bypass` or `ignore`",
            "7:91: routes[4].cache.set_cookie: `ignore` is not `bypass`, `strip` or `store`; write `bypass`, `strip` or `store`",
            "7:109: routes[4].cache.collapse: `true` is not `fleet`, `process` or `off`; write `fleet`",
            "7:134: routes[4].cache.client_directives: `follow` is not `ignore` or `obey`; write `ignore` or `obey`",
            "7:151: routes[4].cache.max_ttl: is zero; write how old a reply may get, such as `7d`",
            "8:49: routes[5].cache.tags[0]: `a b` is not one tag; write `[a, b]` for several",
            "8:56: routes[5].cache.tags[1]: `p:{ID}` names `{ID}`, which `path` does not capture; did you mean `{id}`?",
            "8:66: routes[5].cache.tags[2]: `p:{` has a brace without its partner; write `{name}` for a capture of the path, and `{{` or `}}` for a brace itself",
            "8:73: routes[5].cache.tags[3]: `{}` is not a capture; write `{name}` for a capture of the path, and `{{` or `}}` for a brace itself",
            "9:42: routes[6].cache.tags[0]: `p:{id}` names `{id}`, which `path` does not capture; write `{id}` in the path, or a text without it here",
            "9:58: routes[6].cache.ttl: `bad` is not a duration; write a duration such as `30s`, `50ms` or `1h30m`",
            "10:34: routes[7].origin: no origin is named `search`; add it under `origins`, or write a name from there",
            "11:29: defaults.cache.tags[0]: has a capture, but `defaults` also holds for requests that no route matches; write the tag in the routes whose path has the capture",
            "11:50: defaults.cache.override: there is no `ttl` to replace what the origin says; write `ttl: 1h` beside it, or remove it",
        ],
    );
}

#[test]
fn purges_of_writes() {
    check(
        r#"origin: http://a
routes:
  - name: a
    path: /a/{id}
    on_write:
      purge:
        - self
        - { url: "/a/{sku}", tag: x }
        - { url: "/b/{sku}" }
        - { url: "/b?x" }
        - { url: "/b/*" }
        - { prefix: /b/** }
        - { prefix: b }
        - { tag: "x:{id" }
        - { route: b }
        - { route: aa }
        - { all: false }
        - { tags: [a] }
        - {}
        - { route: default }
      soft: maybe
"#,
        &[
            "7:11: routes[0].on_write.purge[0]: is a single value; write a selector such as `{ url: self }` or `{ tag: catalog }`",
            "8:11: routes[0].on_write.purge[1]: names several things in one item; write an item of the list for each, such as `- { url: self }`",
            "9:18: routes[0].on_write.purge[2].url: `/b/{sku}` names `{sku}`, which `path` does not capture; the captures are `{id}`",
            "10:18: routes[0].on_write.purge[3].url: `/b?x` has a query or a fragment, but every query under a path is purged; write `/b`",
            "11:18: routes[0].on_write.purge[4].url: `/b/*` names more than one URL; write `prefix: /b`",
            "12:21: routes[0].on_write.purge[5].prefix: `/b/**` has a `*`, but a prefix reaches everything below it already; write `/b`",
            "13:21: routes[0].on_write.purge[6].prefix: `b` is neither a path nor a URL; write `/b`",
            "14:18: routes[0].on_write.purge[7].tag: `x:{id` has a brace without its partner; write `{name}` for a capture of the path, and `{{` or `}}` for a brace itself",
            "15:20: routes[0].on_write.purge[8].route: no route is named `b`; write the `name` of a route",
            "16:20: routes[0].on_write.purge[9].route: no route is named `aa`; did you mean `a`?",
            "17:18: routes[0].on_write.purge[10].all: purges nothing; write `all: true`, or leave it out",
            "18:13: routes[0].on_write.purge[11].tags: `tags` does not belong here; write an item for each: `- { tag: … }`",
            "19:11: routes[0].on_write.purge[12]: names nothing; write an item of the list for each, such as `- { url: self }`",
            "21:13: routes[0].on_write.soft: `maybe` is neither `true` nor `false`; write `true` or `false`",
        ],
    );
}

#[test]
fn purges_by_what_is_seen_of_a_write() {
    check(
        r#"origin: http://a
routes:
  - name: a
    path: /a/{id}
    on_write:
      when: {}
      purge:
        - { tag: "{region}" }
        - { tag: "{qeury.page}" }
        - { tag: "{body.id}" }
        - { url: "/{request.X-Store}" }
        - { url: self, soft: true, when: { status: [201] }, on_unknown: all }
        - { tag: "{id}", on_unknown: all }
        - { tag: "{body./a}", on_unknown: { tag: "{reply.X-A}" } }
        - { tag: "{body./a}", on_unknown: { tag: "{body./a}" } }
        - { tag: "{body./a}", on_unknown: { tag: "{sku}" } }
        - { tag: "{body./a}", on_unknown: everything }
        - { tag: "{body./a}", on_unknown: { tag: a, url: /b } }
        - { tag: t, onUnknown: all }
        - { tag: t, when: {} }
        - { tag: t, when: { status: [] } }
        - { tag: t, when: { status: [404, 5xx, 600, 101], header: ["X Y", "X-Y:"] } }
        - { tag: t, when: { statuses: [201], methods: [PUT] } }
        - { tag: t, when: { status: 201 } }
        - { tag: t, status: [201] }
      on_unknown: { tag: "{reply.X-A}" }
      max_body: 8MiB
  - { name: b, path: /b, on_write: { purge: [{ all: true }], max_body: 1KiB, soft: false } }
  - { name: c, path: "/c/{region}", on_write: { purge: [{ tag: "{region}" }], max_body: 0B } }
"#,
        &[
            "6:7: routes[0].on_write.when: `when` does not belong here; write it in the items of `purge` that depend on it",
            "8:18: routes[0].on_write.purge[0].tag: `{region}` names the region, which is not set up; write `region: { header: CloudFront-Viewer-Country }` at the top of the file",
            "9:18: routes[0].on_write.purge[1].tag: `{qeury.page}` says of no known place where its value stands; did you mean `query`?",
            "10:18: routes[0].on_write.purge[2].tag: `{body.id}` is no pointer into JSON; write `{body./id}`",
            "11:18: routes[0].on_write.purge[3].url: `{request.X-Store}` names nothing of a request; write `{header.X-Store}` for a field",
            "12:30: routes[0].on_write.purge[4].soft: the target of a write dies in any case (RFC 9111, 4.4); remove `soft`",
            "12:42: routes[0].on_write.purge[4].when: the target of a write dies in any case (RFC 9111, 4.4); remove `when`",
            "12:73: routes[0].on_write.purge[4].on_unknown: the target of a write dies in any case (RFC 9111, 4.4); remove `on_unknown`",
            "13:38: routes[0].on_write.purge[5].on_unknown: is never used: all that the purge names is known; remove it",
            "14:43: routes[0].on_write.purge[6].on_unknown: names a value that is not known without a reply either; write what the request tells, such as `{ prefix: /api/categories }`, or `all`",
            "15:43: routes[0].on_write.purge[7].on_unknown: names a value that is not known without a reply either; write what the request tells, such as `{ prefix: /api/categories }`, or `all`",
            "16:50: routes[0].on_write.purge[8].on_unknown.tag: `{sku}` names `{sku}`, which `path` does not capture; the captures are `{id}`",
            "17:43: routes[0].on_write.purge[9].on_unknown: is a single value; write a selector such as `{ url: self }` or `{ tag: catalog }`",
            "18:43: routes[0].on_write.purge[10].on_unknown: names several things in one item; write an item of the list for each, such as `- { url: self }`",
            "19:21: routes[0].on_write.purge[11].onUnknown: `onUnknown` is not a known key; did you mean `on_unknown`?",
            "20:27: routes[0].on_write.purge[12].when: names no condition; write one such as `{ status: [201] }` or `{ header: [X-Moved] }`, or remove it",
            "21:27: routes[0].on_write.purge[13].when: names no condition; write one such as `{ status: [201] }` or `{ header: [X-Moved] }`, or remove it",
            "22:38: routes[0].on_write.purge[14].when.status[0]: `404` refuses a write, which then purges nothing; remove it",
            "22:43: routes[0].on_write.purge[14].when.status[1]: `5xx` leaves open whether a write was done, which then purges whatever `when` says; remove it",
            "22:48: routes[0].on_write.purge[14].when.status[2]: `600` is not a status; write a status such as `201`, or a class of them such as `2xx`",
            "22:53: routes[0].on_write.purge[14].when.status[3]: `101` does not tell what became of a write; remove it",
            "22:68: routes[0].on_write.purge[14].when.header[0]: `X Y` is not the name of a header; write `X-Y`",
            "22:75: routes[0].on_write.purge[14].when.header[1]: `X-Y:` names no value; write `X-Y` if any will do",
            "23:29: routes[0].on_write.purge[15].when.statuses: `statuses` is not a known key; did you mean `status`?",
            "23:46: routes[0].on_write.purge[15].when.methods: `methods` does not belong here; write a route with these `methods`",
            "24:37: routes[0].on_write.purge[16].when.status: is a single value where a list belongs; write `[201]`",
            "25:21: routes[0].on_write.purge[17].status: `status` does not belong here; write it under `when`: `when: { status: [201] }`",
            "26:19: routes[0].on_write.on_unknown: names a value that is not known without a reply either; write what the request tells, such as `{ prefix: /api/categories }`, or `all`",
            "27:17: routes[0].on_write.max_body: `8MiB` is not from 1B to 1MiB; write `64KiB`, or another size in that range",
            "28:72: routes[1].on_write.max_body: no purge looks into a body; remove it, or name a value there: `{body./category/id}`",
            "29:89: routes[2].on_write.max_body: `0B` is not from 1B to 1MiB; write `64KiB`, or another size in that range",
        ],
    );
}

#[test]
fn what_a_write_may_lack_has_a_stand_in() {
    check(
        r#"origin: http://a
routes:
  - name: a
    path: /a/{id}
    on_write:
      purge:
        - { tag: "{id}:{query.q}" }
        - { prefix: "https://{header.X-Shop}/" }
        - { url: "//a{body./x}/" }
        - { tag: "{reply.X-A}", on_unknown: { tag: "{query.q}" } }
        - { url: "/{body./x}" }
        - { prefix: "https://a/{query.q}", on_unknown: { prefix: "https://{id}/{query.q}" } }
      on_unknown: { url: "//{query.q}/" }
"#,
        &[
            "7:18: routes[0].on_write.purge[0].tag: `{id}:{query.q}` names `{query.q}`, which a write may lack, and everything would be purged then; say what goes in its place, such as `on_unknown: { prefix: /api/categories }`, or `on_unknown: all`",
            "8:21: routes[0].on_write.purge[1].prefix: `https://{header.X-Shop}/` names `{header.x-shop}`, which a write may lack, and everything would be purged then; say what goes in its place, such as `on_unknown: { prefix: /api/categories }`, or `on_unknown: all`",
            "9:18: routes[0].on_write.purge[2].url: `//a{body./x}/` names `{body./x}`, which a write may lack, and everything would be purged then; say what goes in its place, such as `on_unknown: { prefix: /api/categories }`, or `on_unknown: all`",
            "10:45: routes[0].on_write.purge[3].on_unknown: names a value that a write may lack as well; write what every request tells, such as `{ prefix: /api/categories }`, or `all`",
            "13:19: routes[0].on_write.on_unknown: names a value that a write may lack as well; write what every request tells, such as `{ prefix: /api/categories }`, or `all`",
        ],
    );
}

#[test]
fn a_fault_hides_no_other_beside_it() {
    check(
        "origin: http://a
routes:
  - name: a
    path: /a/{id}
    host: a b
    methods: [get]
    cache: { tags: [\"{ids}\"] }
",
        &[
            "5:11: routes[0].host: `a b` is not a host; write `shop.example.com`, `*.example.com` or `shop.example.com:8080`",
            "6:15: routes[0].methods[0]: `get` is no method; write `GET`",
            "7:21: routes[0].cache.tags[0]: `{ids}` names `{ids}`, which `path` does not capture; did you mean `{id}`?",
        ],
    );
}

#[test]
fn names_that_were_filled_in_are_not_suggested() {
    check(
        "origin: http://a
routes:
  - name: r${PORT}
    path: ${PATTERN}
    cache: { tags: [\"{idd}\"] }
    on_write: { purge: [{ route: r8082 }] }
",
        &[
            "5:21: routes[0].cache.tags[0]: `{idd}` names `{idd}`, which `path` does not capture; write `{idd}` in the path, or a text without it here",
            "6:34: routes[0].on_write.purge[0].route: no route is named `r8082`; write the `name` of a route",
        ],
    );
}
