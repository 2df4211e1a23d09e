//! `cdn`: what is accepted of each provider, and what is wrong with the rest.

use crate::parse;
use larder::cdn::providers::akamai::AkamaiNetwork;
use larder::cdn::providers::azure::AzureCredentials;
use larder::cdn::{CdnSettings, ProviderSettings, Rate, Separator};
use std::time::Duration;

fn cdns(yaml: &str) -> Vec<CdnSettings> {
    let yaml = format!("origin: http://a\nredis: redis://a\ncdn:\n{yaml}");
    parse(&yaml).unwrap_or_else(|faults| panic!("{faults}")).cdns
}

fn only(yaml: &str) -> CdnSettings {
    <[_; 1]>::try_from(cdns(yaml)).expect("one CDN")[0].clone()
}

#[test]
#[cfg(feature = "cloudfront")]
fn the_least_is_a_name_and_a_provider() {
    let cdn = only("  - name: edge\n    cloudfront: { distribution: E123EXAMPLE }\n");
    let CdnSettings { name, provider, hosts, public_url, gather, second_purge, give_up_after, timeout, rate } =
        cdn;
    assert_eq!((&*name, hosts.len(), public_url, second_purge, rate), ("edge", 0, None, None, None));
    assert_eq!((gather, timeout), (Duration::from_millis(200), Duration::from_secs(10)));
    assert_eq!(give_up_after, Duration::from_secs(86_400));
    let ProviderSettings::Cloudfront(cloudfront) = provider else { panic!("{provider:?}") };
    assert_eq!((&*cloudfront.distribution, &*cloudfront.region), ("E123EXAMPLE", "us-east-1"));
    assert_eq!((cloudfront.query_strings, cloudfront.tags, cloudfront.endpoint), (false, None, None));
}

#[test]
fn every_key_is_honoured() {
    let cdn = only(
        r#"  - name: edge
    bunny: { pull_zone: 12, access_key: "${LARDER_ADMIN_TOKEN}", tags: false, endpoint: "http://127.0.0.1:9/" }
    hosts: [Shop.example.com]
    public_url: https://www.shop.example.com
    gather: 1s
    second_purge: 30s
    give_up_after: 1h
    timeout: 3s
    rate: 300/m
"#,
    );
    assert_eq!(cdn.hosts.concat(), "shop.example.com");
    assert_eq!(cdn.public_url.as_deref(), Some("https://www.shop.example.com"));
    assert_eq!((cdn.gather, cdn.second_purge), (Duration::from_secs(1), Some(Duration::from_secs(30))));
    assert_eq!((cdn.give_up_after, cdn.timeout), (Duration::from_secs(3600), Duration::from_secs(3)));
    assert_eq!(cdn.rate, Some(Rate { calls: 300, per: Duration::from_secs(60), burst: 300 }));
    assert!(!format!("{cdn:?}").contains("open-sesame"));
    let ProviderSettings::Bunny(bunny) = cdn.provider else { panic!("{:?}", cdn.provider) };
    assert_eq!((bunny.pull_zone, bunny.access_key.expose(), bunny.tags), (12, "open-sesame", false));
    assert_eq!(bunny.endpoint.as_deref(), Some("http://127.0.0.1:9"));
}

#[test]
fn every_provider_is_known() {
    let made = cdns(
        r#"  - { name: a, fastly: { service: S1, token: "${LARDER_ADMIN_TOKEN}" } }
  - { name: b, cloudflare: { zone: Z1, token: "${LARDER_ADMIN_TOKEN}", query_strings: false, variants: [{ CF-IPCountry: DE }, { CF-IPCountry: FR }] } }
  - { name: c, akamai: { host: akab-1.purge.akamaiapis.net, client_token: a, client_secret: "${LARDER_ADMIN_TOKEN}", access_token: b, network: staging, delete: true, cp_codes: [7] } }
  - { name: d, google: { project: p, url_map: m, credentials: key.json } }
  - { name: e, azure: { subscription: s, resource_group: g, profile: p, endpoint_name: e, tenant: t, client_id: c, client_secret: "${LARDER_ADMIN_TOKEN}" } }
  - { name: f, azure: { subscription: s, resource_group: g, profile: p, endpoint_name: e } }
  - name: g
    http:
      url: { method: PURGE, url: "http://varnish:6081{path}", headers: { Host: "{host}" }, done: [404, 412] }
      tag: { method: BAN, url: "http://varnish:6081/", headers: { xkey-purge: "{targets}" }, item: "{tag}", join: " " }
      tag_header: { name: xkey, separator: comma }
      queries: false
"#,
    );
    let mut kinds = Vec::new();
    for cdn in made {
        assert!(!format!("{cdn:?}").contains("open-sesame"), "{cdn:?}");
        kinds.push(match cdn.provider {
            ProviderSettings::Fastly(it) => (it.tags, it.token.expose() == "open-sesame"),
            ProviderSettings::Cloudflare(it) => (!it.query_strings, it.variants.len() == 2),
            ProviderSettings::Akamai(it) => {
                (it.delete, it.network == AkamaiNetwork::Staging && it.cp_codes == [7])
            }
            ProviderSettings::Google(it) => (!it.tags, it.credentials.is_some()),
            ProviderSettings::Azure(it) => match it.credentials {
                AzureCredentials::Client { client_secret, .. } => {
                    (true, client_secret.expose() == "open-sesame")
                }
                AzureCredentials::ManagedIdentity { client_id } => (client_id.is_none(), true),
            },
            ProviderSettings::Http(it) => {
                let header = it.tag_header.as_ref();
                (
                    it.url.is_some_and(|url| url.done.len() == 2) && it.prefix.is_none(),
                    header.is_some_and(|it| it.separator == Separator::Comma),
                )
            }
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(kinds, [(true, true); 7]);
}

/// `yaml`, which begins at line 4, has exactly these faults.
#[track_caller]
fn check(yaml: &str, expected: &[&str]) {
    let faults = parse(&format!("origin: http://a\nredis: redis://a\ncdn:\n{yaml}")).expect_err(yaml);
    let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let expected: Vec<_> = expected.iter().map(|fault| format!("f.yaml:{fault}")).collect();
    assert_eq!(lines, expected, "{yaml}\n{faults}");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    check(
        "  - { name: a }
  - { name: a, fastly: { service: S1, token: x }, bunny: { pull_zone: 1, access_key: x } }
  - { fastly: { service: \"a/b\" } }
  - { name: c, fastly: { service: S1, token: x }, timeout: 1h, give_up_after: 0s, rate: fast, endpoint: http://a }
",
        &[
            "4:5: cdn[0]: does not say whose CDN it is; add one of `cloudfront`, `fastly`, `cloudflare`, `akamai`, `google`, `azure`, `bunny`, `http`",
            "5:5: cdn[1]: is several CDNs at once: fastly, bunny; write an item of the list for each",
            "5:13: cdn[1].name: `a` is the name of another CDN, in line 4; give each its own",
            "6:5: cdn[2].name: is missing; write a name for metrics and logs, such as `name: edge`",
            "6:15: cdn[2].fastly.token: is missing; write `token: ${FASTLY_TOKEN}`",
            "6:26: cdn[2].fastly.service: `a/b` is not an ID or a name of letters, digits, `-`, `_` and `.`; write an ID or a name of letters, digits, `-`, `_` and `.`",
            "7:60: cdn[3].timeout: `1h` is longer than 2m; write a shorter time",
            "7:79: cdn[3].give_up_after: is zero; write a longer time, such as `1s`",
            "7:89: cdn[3].rate: `fast` is not a rate; write a rate such as `5/s`, `300/m` or `1000/h`",
            "7:95: cdn[3].endpoint: `endpoint` does not belong here; write it under the CDN it belongs to: `cloudfront: { distribution: … }`",
        ],
    );
}

#[test]
fn faults_of_providers() {
    check(
        "  - { name: a, azure: { subscription: s, resource_group: g, profile: p, endpoint_name: e, tenant: t } }
  - { name: b, http: {} }
  - { name: c, http: { tag: { url: http://a, batch: 5, body: \"{tog}\" } } }
  - { name: d, http: { url: { url: \"http://a{path}\", headers: { \"a b\": x } }, tag_header: { name: xkey } } }
  - { name: e, cloudflare: { zone_id: z, token: \"a b\" } }
  - { name: g, http: { tag: { url: http://a, headers: { k: \"{tag}\" } }, tag_header: { separator: space } } }
  - { name: h, http: { all: { url: http://a, done: [404, 429], ok: [412] } }, gather: 200 }
",
        &[
            "4:23: cdn[0].azure: has credentials that are not whole; write all of `tenant`, `client_id` and `client_secret`; or none of them, for the identity of the machine",
            "5:22: cdn[1].http: purges nothing; add `url`, `prefix`, `tag` or `all`, such as `url: { method: PURGE, url: \"http://varnish:6081{path}\" }`",
            "6:29: cdn[2].http.tag: replies do not tell it their tags; add `tag_header: { name: xkey }` beside it",
            "6:29: cdn[2].http.tag: has a `batch`, but names only one target; write `{targets}` in `body`, or remove `batch`",
            "6:62: cdn[2].http.tag.body: `{tog}` is not known here; the names are `{tag}`, `{id}`, `{targets}`",
            "7:29: cdn[3].http.url: does not say what becomes of queries; add `queries: true` beside it if one request reaches a URL with every query, else `queries: false`",
            "7:65: cdn[3].http.url.headers[\"a b\"]: `a b` is not the name of a header; write a name such as `Authorization`",
            "7:91: cdn[3].http.tag_header: there is no `tag` that tells how tags are purged; add it, or remove this",
            "8:30: cdn[4].cloudflare.zone_id: `zone_id` is not a known key; did you mean `zone`?",
            "8:49: cdn[4].cloudflare.token: holds characters that a header cannot carry; use visible ASCII characters without spaces",
            "9:85: cdn[5].http.tag_header.name: is missing; write the name of the header, such as `xkey`",
            "10:58: cdn[6].http.all.done[1]: `429` asks for the call to be made again, and a purge would be lost; remove it",
            "10:64: cdn[6].http.all.ok: `ok` is not a known key; did you mean `done`?",
            "10:87: cdn[6].gather: `200` has no unit; write `200ms` if that is meant, or one of ms, s, m, h, d, w",
        ],
    );
}
