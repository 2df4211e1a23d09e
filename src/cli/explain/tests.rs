use super::*;
use crate::config;
use crate::invalidation::Matcher;

const SHOP: &str = r#"
origins:
  default: { servers: ["http://10.0.0.1:3000", "http://10.0.0.2:3000"] }
host_aliases: { shop.example.com: [catalog.svc] }
region:
  header: CloudFront-Viewer-Country
  map: { eu: [DE, FR] }
  default: us
routes:
  - name: static
    path: /static/**
    cache: { ttl: 1d, override: true, set_cookie: strip }
  - name: api-host
    host: api.example.com
    path: /api/v1/products/{id}
    cache: { ttl: 1d }
  - name: product-new
    path: /api/v1/products/{id}
    methods: [POST]
    cache: bypass
  - name: product
    path: /api/v1/products/{id}
    cache:
      ttl: 1h
      memory_ttl: 5m
      stale_while_revalidate: 30s
      stale_if_error: 1d
      statuses: { 404: 10s }
      vary: [region, "header:Accept-Language", "cookie:currency"]
      query: { ignore: [utm_*, fbclid], sort: true }
      tags: ["product:{id}", catalog]
    on_write:
      purge:
        - { tag: "product:{id}" }
        - { prefix: /api/v1/categories }
        - { url: "https://www.example.com/p/{id}" }
        - { route: static }
  - name: stock
    path: /api/v1/stock/{sku}
    cache: bypass
    on_write:
      on_unknown: { prefix: /api/v1/stock }
      purge:
        - tag: "category:{body./category/id}"
          on_unknown: { tag: "stock:{sku}" }
          soft: true
        - { tag: "sku:{request.body./sku}", on_unknown: all }
        - { url: "/api/v1/{region}/offers/{reply.X-Offer}", on_unknown: { route: static } }
        - { tag: moved, when: { status: [201, 3xx], header: [X-Moved, "X-Mode: full"] } }
        - { tag: "store:{header.X-Store}:{query.page}", on_unknown: all }
  - name: cart
    path: /api/v1/carts/**
    purge_from: [10.0.0.0/8, 192.0.2.1]
    cache: bypass
    on_write:
      purge: [{ all: true }]
      soft: true
"#;

/// What is printed. The line of the rule's hash is left out: it is a number without a meaning to people.
fn explain(method: &str, url: &str, headers: &[&str]) -> String {
    explain_by(SHOP, method, url, headers, None)
}

fn explain_data(method: &str, url: &str, headers: &[&str], data: Option<&str>) -> String {
    explain_by(SHOP, method, url, headers, data)
}

fn explain_by(yaml: &str, method: &str, url: &str, headers: &[&str], data: Option<&str>) -> String {
    let settings = config::parse(yaml, "proxy.yaml", &|_| None).unwrap();
    let rules = Rules::new(settings.routes, settings.host_aliases);
    let rules = match tag_fields(&settings.cdns).unwrap() {
        Some(fields) => rules.telling(&fields),
        None => rules,
    };
    let headers: Vec<_> = headers.iter().map(|line| (*line).to_owned()).collect();
    let request = Request::parse(method, url, &headers, data, rules.aliases()).unwrap();
    let text = page(&rules, &settings.origins, &request);
    text.lines()
        .filter(|line| !line.trim_start().starts_with("rule "))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[track_caller]
fn check(method: &str, url: &str, headers: &[&str], want: &str) {
    let got = explain(method, url, headers);
    assert_eq!(got, want, "got:\n{got}");
}

#[test]
fn a_purge() {
    check(
        "purge",
        "http://catalog.svc/api/v1/products/4?a=1",
        &[],
        "\
request     PURGE http://catalog.svc/api/v1/products/4?a=1
canonical   PURGE http://shop.example.com/api/v1/products/4?a=1
route       product, the first that matches: path /api/v1/products/{id}, id = 4
not         api-host: its host is api.example.com
            product-new: it takes POST, not GET
            static: its path is /static/**
purges      nothing: it is refused with 405, since the route has no `purge_from`
",
    );
    let allowed = explain("PURGE", "http://shop.example.com/api/v1/carts/1?a=1", &[]);
    let wanted = "\
purges      url shop.example.com/api/v1/carts/1, with every query and variant
when        the client is in 10.0.0.0/8, 192.0.2.1/32; others are refused with 405
";
    assert!(allowed.ends_with(wanted), "{allowed}");
}

#[test]
fn a_read() {
    check(
        "GET",
        "http://catalog.svc/api/v1/products/4%202?b=2&a=1&utm_source=mail",
        &["Accept-Language: de", "CloudFront-Viewer-Country: DE", "Cookie: currency=EUR"],
        "\
request     GET http://catalog.svc/api/v1/products/4%202?b=2&a=1&utm_source=mail
canonical   GET http://shop.example.com/api/v1/products/4%202?b=2&a=1&utm_source=mail
route       product, the first that matches: path /api/v1/products/{id}, id = 4%202
not         api-host: its host is api.example.com
            product-new: it takes POST, not GET
            static: its path is /static/**
origin      default, at http://10.0.0.1:3000, http://10.0.0.2:3000
key         scheme                  http
            authority               shop.example.com
            path                    /api/v1/products/4%202
            query                   a=1&b=2
            region                  eu
            header:accept-language  de
            cookie:currency         EUR
            and whatever the origin's Vary names
lifetime    200                          stored for 1h by the rule, then 30s while it is revalidated, 1d if the origin fails
            200 with max-age=60          stored for 1m by the origin, then 30s while it is revalidated, 1d if the origin fails
            200 with public, max-age=60  stored for 1m by the origin, then 30s while it is revalidated, 1d if the origin fails
            200 with no-cache and ETag   stored, revalidated before every use
            200 with private             not stored: private
            200 with no-store            not stored: no_store
            200 with Set-Cookie          not stored: set_cookie
            404                          stored for 10s by the rule, then 30s while it is revalidated, 1d if the origin fails
memory      asks further after 5m
collapse    requests for one key that come at once share one request to the origin at each node
tags        product:4 2, catalog
            and those of Surrogate-Key, Cache-Tag, xkey and Cache-Groups in the origin's reply
purged by   larder purge http://shop.example.com/api/v1/products/4%202
            larder purge --tag 'product:4 2'
            larder purge --tag catalog
            larder purge --route product
            a write to it; see `larder explain PUT URL`
",
    );
}

#[test]
fn credentials_and_departures() {
    let cookies = explain("GET", "http://shop.example.com/api/v1/products/42", &["Cookie: sid=1"]);
    assert!(cookies.contains("credentials cookies that are no part of the key"), "{cookies}");
    assert!(cookies.contains("            200 with public, max-age=60  stored"), "{cookies}");
    assert!(cookies.contains("lifetime    200                          not stored: cookie\n"), "{cookies}");

    let login = explain("GET", "http://shop.example.com/api/v1/products/42", &["Authorization: Basic YTpi"]);
    assert!(login.contains("credentials Authorization: shared only if"), "{login}");
    assert!(login.contains("200 with max-age=60          not stored: authorization"), "{login}");

    let overridden = explain("GET", "http://shop.example.com/static/a.css", &[]);
    assert!(
        overridden.contains(
            "200 with no-store            stored for 1d by the rule; not what the origin said (`override`)"
        ),
        "{overridden}"
    );
    assert!(overridden.contains("\ntags        those of Surrogate-Key, Cache-Tag"), "{overridden}");
}

#[test]
fn tags_and_what_cdns_are_told() {
    let yaml = r#"
origin: http://10.0.0.1:3000
region: { header: X-Country, map: { eu: [DE] }, default: us }
cdn: [{ name: edge, akamai: { host: a.example.com, client_token: t, client_secret: t, access_token: t } }]
routes:
  - name: list
    path: /list
    cache: { cdn_ttl: 1d, vary: [region, "header:X-Shop"], tags: [catalog, "{query.page}{region}", "{header.X-Shop}", "of:{reply.X-Category}"] }
"#;
    let got = explain_by(yaml, "GET", "http://shop.example.com/list?page=2", &["X-Country: DE"], None);
    let word = |matcher: Matcher| format!("larder-{:016x}", matcher.hash().as_u64());
    let words = [
        word(Matcher::path("shop.example.com", "/list")),
        word(Matcher::prefix("shop.example.com", "/")),
        word(Matcher::prefix("shop.example.com", "/list")),
        word(Matcher::Route("list".into())),
        word(Matcher::All),
    ];
    let words = words.join(",");
    let want = format!(
        "\
tags        catalog, 2eu
            {{header.x-shop}} is left out: the request lacks its value
            of:{{reply.x-category}} for each value in the reply
            and those of Surrogate-Key, Cache-Tag, xkey and Cache-Groups in the origin's reply
to CDNs     edge-cache-tag: catalog,2eu,{words}
            and the tags that the reply adds; larder-… stands for what a CDN does not take as it is
"
    );
    assert!(got.contains(&want), "{got}\nlacks\n{want}");
    assert!(got.contains("stored for 1m by the origin; CDNs may keep it for 1d (`cdn_ttl`)\n"), "{got}");
    let personal = explain_by(yaml, "GET", "http://shop.example.com/list", &["Authorization: me"], None);
    assert!(!personal.contains("200 with max-age=60          stored"), "{personal}");
}

#[test]
fn what_is_not_cached() {
    check(
        "GET",
        "https://shop.example.com/api/v1/carts/7",
        &[],
        "\
request     GET https://shop.example.com/api/v1/carts/7
canonical   GET https://shop.example.com/api/v1/carts/7
route       cart, the first that matches: path /api/v1/carts/**
not         static: its path is /static/**
            api-host: its path is /api/v1/products/{id}
            product-new: its path is /api/v1/products/{id}
            product: its path is /api/v1/products/{id}
            stock: its path is /api/v1/stock/{sku}
origin      default, at http://10.0.0.1:3000, http://10.0.0.2:3000
cache       bypass: never stored, never collapsed, never stale
",
    );
    let ambiguous = explain("GET", "http://shop.example.com/a/../b", &[]);
    assert!(ambiguous.contains("route       default, since no other matches"), "{ambiguous}");
    assert!(ambiguous.contains("cache       the path is ambiguous (dot-segment)"), "{ambiguous}");
    let options = explain("OPTIONS", "http://shop.example.com/", &[]);
    assert!(options.contains("cache       OPTIONS goes to the origin"), "{options}");
    assert!(!options.contains("purges"), "{options}");
}

#[test]
fn a_write() {
    check(
        "PUT",
        "http://shop.example.com/api/v1/products/42",
        &[],
        "\
request     PUT http://shop.example.com/api/v1/products/42
canonical   PUT http://shop.example.com/api/v1/products/42
route       product, the first that matches: path /api/v1/products/{id}, id = 42
not         api-host: its host is api.example.com
            product-new: it takes POST, not PUT
            static: its path is /static/**
origin      default, at http://10.0.0.1:3000, http://10.0.0.2:3000
cache       PUT goes to the origin; only GET and HEAD are answered from the cache
purges      url shop.example.com/api/v1/products/42    the target of a write (RFC 9111, 4.4)
            tag product:42                             on_write { tag: \"product:{id}\" }
            prefix shop.example.com/api/v1/categories  on_write { prefix: \"/api/v1/categories\" }
            url www.example.com/p/42                   on_write { url: \"https://www.example.com/p/{id}\" }
            route static                               on_write { route: static }
            and what Location and Content-Location of the reply name on the same host
when        the origin has answered, unless with 4xx; also when it fails or the outcome is unknown
",
    );
    let odd = explain("PUT", "http://shop.example.com//api/v1/products/42", &[]);
    let and = "and         what a write to /api/v1/products/42 purges by the route product, since the origin may read the path so\n";
    assert!(odd.ends_with(and), "{odd}");
    let soft = explain("POST", "http://shop.example.com/api/v1/carts/7", &[]);
    assert!(
        soft.contains("            everything (soft)                    on_write { all: true }\n"),
        "{soft}"
    );
}

/// The part of the page that a write adds.
fn purges(headers: &[&str], data: Option<&str>) -> String {
    let text = explain_data("PATCH", "http://shop.example.com/api/v1/stock/x1?page=2", headers, data);
    text.lines().skip_while(|line| !line.starts_with("purges")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn what_only_a_reply_tells() {
    let got = purges(&["X-Store: north"], None);
    let want = "\
purges      url shop.example.com/api/v1/stock/x1                   the target of a write (RFC 9111, 4.4)
            tag category:{body./category/id} (soft)                on_write { tag: \"category:{body./category/id}\" }, as the body of the reply says, or else that of the request
            tag sku:{request.body./sku}                            on_write { tag: \"sku:{request.body./sku}\" }, as the body of the request says (see --data)
            url shop.example.com/api/v1/us/offers/{reply.x-offer}  on_write { url: \"/api/v1/{region}/offers/{reply.x-offer}\" }, as the reply says
            tag moved                                              on_write { tag: \"moved\" }, when the status is 201 or 3xx, when the reply has x-moved, when the reply has x-mode: full
            tag store:north:2                                      on_write { tag: \"store:{header.x-store}:{query.page}\" }
            and what Location and Content-Location of the reply name on the same host
in doubt    prefix shop.example.com/api/v1/stock                   in place of Location and Content-Location: on_unknown of on_write
            tag stock:x1 (soft)                                    in place of tag category:{body./category/id}, where that is not told: its on_unknown
            everything                                             in place of tag sku:{request.body./sku}, where that is not told: its on_unknown
            route static                                           in place of url shop.example.com/api/v1/us/offers/{reply.x-offer}, where that is not told: its on_unknown
when        the origin has answered, unless with 4xx; also when it fails or the outcome is unknown
";
    assert_eq!(got, want, "got:\n{got}");
}

#[test]
fn what_the_request_tells() {
    let got = purges(&[], Some(r#"{"sku": "x 1", "category": {"id": 7}}"#));
    let want = "\
purges      url shop.example.com/api/v1/stock/x1                   the target of a write (RFC 9111, 4.4)
            tag category:7 (soft)                                  on_write { tag: \"category:{body./category/id}\" }, unless the reply says something else
            tag sku:x 1                                            on_write { tag: \"sku:{request.body./sku}\" }
            url shop.example.com/api/v1/us/offers/{reply.x-offer}  on_write { url: \"/api/v1/{region}/offers/{reply.x-offer}\" }, as the reply says
            tag moved                                              on_write { tag: \"moved\" }, when the status is 201 or 3xx, when the reply has x-moved, when the reply has x-mode: full
            everything                                             on_write { tag: \"store:{header.x-store}:{query.page}\" }, since the request has no {header.x-store}
            and what Location and Content-Location of the reply name on the same host
in doubt    prefix shop.example.com/api/v1/stock                   in place of Location and Content-Location: on_unknown of on_write
            tag stock:x1 (soft)                                    besides tag category:7 (soft), since the reply might have said something else: its on_unknown
            route static                                           in place of url shop.example.com/api/v1/us/offers/{reply.x-offer}, where that is not told: its on_unknown
when        the origin has answered, unless with 4xx; also when it fails or the outcome is unknown
";
    assert_eq!(got, want, "got:\n{got}");
}

#[test]
fn shells_read_back_what_is_quoted() {
    for (text, want) in
        [("a:b/c?d=e", "'a:b/c?d=e'"), ("product:42", "product:42"), ("", "''"), ("it's", r"'it'\''s'")]
    {
        assert_eq!(quoted(text), want);
    }
}
