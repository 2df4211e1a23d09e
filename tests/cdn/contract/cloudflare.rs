//! <https://developers.cloudflare.com/api/resources/cache/methods/purge/>

use super::{
    Api, Fault, Making, SECRET, Subject, body, full, hard, list, prefix, provider, refusal, tag, url,
};
use crate::support::{Reply, Seen};
use ::http::HeaderName;
use larder::cdn::providers::cloudflare::CloudflareSettings;
use larder::cdn::{ProviderSettings, Target, TargetKind};
use larder::secret::Secret;
use serde_json::Value;

pub(super) const SUBJECT: Subject =
    Subject { name: "cloudflare", contract, done, settings, purged: &["file https://shop.example.com/a"] };

fn cloudflare(endpoint: &str, secret: &str) -> CloudflareSettings {
    CloudflareSettings {
        zone: "023e105f4ecef8ad9ca31a8372d0c353".to_owned(),
        token: Secret::new(secret),
        tags: true,
        query_strings: true,
        variants: vec![],
        endpoint: Some(endpoint.to_owned()),
    }
}

fn settings(endpoint: &str, secret: &str) -> ProviderSettings {
    ProviderSettings::Cloudflare(cloudflare(endpoint, secret))
}

fn done() -> Reply {
    refusal(
        200,
        r#"{"success":true,"errors":[],"messages":[],"result":{"id":"023e105f4ecef8ad9ca31a8372d0c353"}}"#,
    )
}

fn failed(status: u16, code: u32, message: &str) -> Reply {
    refusal(
        status,
        &format!(
            r#"{{"success":false,"errors":[{{"code":{code},"message":"{message}"}}],"messages":[],"result":null}}"#
        ),
    )
}

fn contract(seen: &Seen) -> Result<Vec<String>, Reply> {
    if seen.fields.get("authorization") != Some(&format!("Bearer {SECRET}")) {
        return Err(failed(403, 10_000, "Authentication error"));
    }
    if (&*seen.method, &*seen.target)
        != ("POST", "/client/v4/zones/023e105f4ecef8ad9ca31a8372d0c353/purge_cache")
    {
        return Err(failed(404, 7003, "Could not route to the path"));
    }
    let body = body(seen)?;
    let only = body.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
    let Some((member, value)) = only else {
        return Err(failed(
            400,
            1012,
            "Request must contain one of purge_everything, files, tags, hosts or prefixes",
        ));
    };
    match &**member {
        "purge_everything" if value == &Value::Bool(true) => Ok(vec!["everything".to_owned()]),
        "files" => {
            let files = value.as_array().filter(|files| (1..=100).contains(&files.len()));
            let files = files.ok_or_else(|| failed(400, 1094, "Too many files"))?;
            files.iter().map(|one| file(one).ok_or_else(|| failed(400, 1016, "Invalid file"))).collect()
        }
        "tags" => {
            let takes = |tag: &str| {
                (1..=1024).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_graphic())
            };
            Ok(list(&body, "tags", 100, takes)?.into_iter().map(|tag| format!("tag {tag}")).collect())
        }
        "prefixes" => {
            let takes = |prefix: &str| {
                !prefix.contains("://")
                    && !prefix.contains(['?', '#'])
                    && !prefix.ends_with('/')
                    && prefix.matches('/').count() <= 31
            };
            Ok(list(&body, "prefixes", 100, takes)?
                .into_iter()
                .map(|prefix| format!("prefix {prefix}"))
                .collect())
        }
        _ => Err(failed(400, 1012, "unknown member")),
    }
}

fn file(file: &Value) -> Option<String> {
    let url = |value: &Value| value.as_str().filter(|url| url.starts_with("http")).map(str::to_owned);
    if let Some(url) = url(file) {
        return Some(format!("file {url}"));
    }
    let object = file.as_object().filter(|object| object.len() == 2)?;
    let headers = object.get("headers")?.as_object()?;
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
    Some(format!("file {} {}", url(object.get("url")?)?, headers.join(" ")))
}

#[tokio::test]
async fn calls_are_made_as_documented() {
    let api = Api::start(contract, done).await;
    let cloudflare = provider(settings(&api.url(), SECRET));
    let both = ["file https://shop.example.com/a", "file https://shop.example.com/b%20c"];
    api.check(cloudflare.send(&hard(vec![url("/a"), url("/b%20c")])).await, &both);
    api.check(cloudflare.send(&hard(vec![tag("a\""), tag("b:1")])).await, &["tag a\"", "tag b:1"]);
    let prefixes = ["prefix shop.example.com/a/b", "prefix shop.example.com/c", "prefix shop.example.com"];
    api.check(cloudflare.send(&hard(vec![prefix("/a/b"), prefix("/c/"), prefix("/")])).await, &prefixes);
    api.check(cloudflare.send(&hard(vec![Target::All])).await, &["everything"]);
}

#[tokio::test]
async fn a_full_call_is_taken() {
    let api = Api::start(contract, done).await;
    let cloudflare = provider(settings(&api.url(), SECRET));
    let kinds: [(TargetKind, Making); 3] =
        [(TargetKind::Url, url), (TargetKind::Prefix, prefix), (TargetKind::Tag, tag)];
    for (kind, target) in kinds {
        let many = cloudflare.limits().many(kind).unwrap();
        cloudflare.send(&hard(full(many.targets, target))).await.unwrap();
        assert_eq!(api.purged().len(), 100);
    }
}

#[tokio::test]
async fn each_variant_of_a_url_is_named() {
    let api = Api::start(contract, done).await;
    let variant = |country: &str| vec![(HeaderName::from_static("cf-ipcountry"), country.to_owned())];
    let with = |variants| {
        ProviderSettings::Cloudflare(CloudflareSettings { variants, ..cloudflare(&api.url(), SECRET) })
    };
    let three = provider(with(vec![variant("DE"), variant("US"), variant("FR")]));
    assert_eq!(three.limits().url.unwrap().targets, 33, "each counts three times");
    let sent = three.send(&hard(vec![url("/a")])).await;
    let named =
        ["DE", "US", "FR"].map(|country| format!("file https://shop.example.com/a cf-ipcountry={country}"));
    api.check(sent, &named.each_ref().map(String::as_str));
    three.send(&hard(full(33, url))).await.unwrap();
    assert_eq!(api.purged().len(), 99);

    // More than one request takes: all the same.
    let many = provider(with((0..150).map(|index| variant(&index.to_string())).collect()));
    assert_eq!(many.limits().url.unwrap().targets, 1);
    many.send(&hard(vec![url("/a")])).await.unwrap();
    assert_eq!(api.purged().len(), 150);
}

#[tokio::test]
async fn a_status_of_200_is_no_success() {
    let api = Api::start(contract, done).await;
    let cloudflare = provider(settings(&api.url(), SECRET));
    let faults = [
        (failed(200, 1012, "Request must contain files"), "refused"),
        (failed(200, 10_000, "Authentication error"), "credentials"),
        (failed(200, 1, "internal"), "server_error"),
        (Reply::ok("<html>"), "server_error"),
    ];
    for (reply, expected) in faults {
        api.fail([Fault::Answer(reply)]);
        let error = cloudflare.send(&hard(vec![tag("a")])).await.unwrap_err();
        assert_eq!(error.as_str(), expected, "{error}");
    }
}
