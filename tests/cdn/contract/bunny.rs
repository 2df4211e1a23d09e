//! <https://docs.bunny.net/api-reference/core/purge/purge-url>,
//! <https://docs.bunny.net/api-reference/core/pull-zone/purge-cache>

use super::{Api, SECRET, Subject, body, hard, parts, prefix, provider, refusal, tag, url};
use crate::support::{Reply, Seen};
use larder::cdn::providers::bunny::BunnySettings;
use larder::cdn::{ProviderSettings, Target};
use larder::secret::Secret;
use serde_json::Value;

pub(super) const SUBJECT: Subject =
    Subject { name: "bunny", contract, done, settings, purged: &["url https://shop.example.com/a"] };

fn settings(endpoint: &str, secret: &str) -> ProviderSettings {
    ProviderSettings::Bunny(BunnySettings {
        pull_zone: 4711,
        access_key: Secret::new(secret),
        tags: true,
        endpoint: Some(endpoint.to_owned()),
    })
}

fn done() -> Reply {
    Reply::status(204)
}

fn contract(seen: &Seen) -> Result<Vec<String>, Reply> {
    if seen.fields.get("accesskey") != Some(SECRET) {
        return Err(refusal(401, r#"{"Message":"Authorization has been denied for this request."}"#));
    }
    let (path, query) = parts(seen);
    match (&*seen.method, path) {
        ("POST", "/purge") => {
            let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
            if query.iter().any(|(name, _)| !matches!(&**name, "url" | "async" | "exactPath"))
                || get("async") != Some("false")
            {
                return Err(refusal(
                    400,
                    r#"{"ErrorKey":"validation_error","Field":"query","Message":"unknown"}"#,
                ));
            }
            let url = get("url").filter(|url| url.starts_with("https://"));
            let url = url.ok_or_else(|| refusal(400, r#"{"ErrorKey":"validation_error","Field":"url"}"#))?;
            let below = if url.ends_with('/') && get("exactPath") != Some("true") { "*" } else { "" };
            Ok(vec![format!("url {url}{below}")])
        }
        ("POST", "/pullzone/4711/purgeCache") if seen.body.is_empty() => Ok(vec!["all".to_owned()]),
        ("POST", "/pullzone/4711/purgeCache") => match body(seen)?.get("CacheTag").and_then(Value::as_str) {
            Some(tag) => Ok(vec![format!("tag {tag}")]),
            None => Err(refusal(400, r#"{"ErrorKey":"validation_error","Field":"CacheTag"}"#)),
        },
        _ => {
            Err(refusal(404, r#"{"ErrorKey":"not_found","Message":"The requested Pull Zone was not found"}"#))
        }
    }
}

#[tokio::test]
async fn calls_are_made_as_documented() {
    let api = Api::start(contract, done).await;
    let bunny = provider(settings(&api.url(), SECRET));
    api.check(bunny.send(&hard(vec![url("/a%20b&c=d")])).await, &["url https://shop.example.com/a%20b&c=d"]);
    api.check(bunny.send(&hard(vec![url("/a/")])).await, &["url https://shop.example.com/a/"]);
    api.check(bunny.send(&hard(vec![prefix("/a")])).await, &["url https://shop.example.com/a*"]);
    api.check(bunny.send(&hard(vec![prefix("/")])).await, &["url https://shop.example.com*"]);
    api.check(bunny.send(&hard(vec![tag("a\"b")])).await, &["tag a\"b"]);
    api.check(bunny.send(&hard(vec![Target::All])).await, &["all"]);
}
