//! <https://www.fastly.com/documentation/reference/api/purging/>

use super::{
    Api, Fault, SECRET, Subject, body, decoded, full, hard, list, provider, refusal, soft, tag, url,
};
use crate::support::{Reply, Seen};
use larder::cdn::providers::fastly::FastlySettings;
use larder::cdn::{CallError, ProviderSettings, Target, TargetKind};
use larder::secret::Secret;
use larder::time::{Clock, SystemClock};

pub(super) const SUBJECT: Subject =
    Subject { name: "fastly", contract, done, settings, purged: &["hard url shop.example.com/a"] };

fn settings(endpoint: &str, secret: &str) -> ProviderSettings {
    ProviderSettings::Fastly(FastlySettings {
        service: "SU1Z0isxPaozGVKXdv0eY".to_owned(),
        token: Secret::new(secret),
        tags: true,
        endpoint: Some(endpoint.to_owned()),
    })
}

fn done() -> Reply {
    refusal(200, r#"{"status":"ok","id":"108-1391560174-974124"}"#)
}

fn contract(seen: &Seen) -> Result<Vec<String>, Reply> {
    if seen.fields.get("fastly-key") != Some(SECRET) {
        return Err(refusal(401, r#"{"msg":"Provided credentials are missing or invalid"}"#));
    }
    if seen.method != "POST" {
        return Err(refusal(405, r#"{"msg":"Method not allowed"}"#));
    }
    let mode = if seen.fields.has("fastly-soft-purge") { "soft" } else { "hard" };
    if let Some(cached) = seen.target.strip_prefix("/purge/") {
        return Ok(vec![format!(
            "{mode} url {}",
            if cached.contains('/') { cached.to_owned() } else { decoded(cached) }
        )]);
    }
    match seen.target.strip_prefix("/service/SU1Z0isxPaozGVKXdv0eY/") {
        Some("purge_all") if mode == "soft" => Err(refusal(400, r#"{"msg":"Purge all cannot be soft"}"#)),
        Some("purge_all") => Ok(vec!["hard all".to_owned()]),
        Some("purge") => {
            let takes = |key: &str| (1..=1024).contains(&key.len()) && !key.contains(' ');
            let keys = list(&body(seen)?, "surrogate_keys", 256, takes)?;
            Ok(keys.into_iter().map(|key| format!("{mode} key {key}")).collect())
        }
        _ => Err(refusal(404, r#"{"msg":"Record not found"}"#)),
    }
}

#[tokio::test]
async fn calls_are_made_as_documented() {
    let api = Api::start(contract, done).await;
    let fastly = provider(settings(&api.url(), SECRET));
    api.check(fastly.send(&hard(vec![tag("a"), tag("b:1\"")])).await, &["hard key a", "hard key b:1\""]);
    api.check(fastly.send(&soft(vec![tag("a")])).await, &["soft key a"]);
    api.check(fastly.send(&hard(vec![url("/a/b%20c")])).await, &["hard url shop.example.com/a/b%20c"]);
    api.check(fastly.send(&soft(vec![url("/")])).await, &["soft url shop.example.com/"]);
    api.check(fastly.send(&hard(vec![Target::All])).await, &["hard all"]);
    // The API has no soft purge of everything: what it does reaches more.
    api.check(fastly.send(&soft(vec![Target::All])).await, &["hard all"]);
}

#[tokio::test]
async fn a_full_call_is_taken() {
    let api = Api::start(contract, done).await;
    let fastly = provider(settings(&api.url(), SECRET));
    let many = fastly.limits().many(TargetKind::Tag).unwrap();
    fastly.send(&hard(full(many.targets, tag))).await.unwrap();
    assert_eq!(api.purged().len(), 256);
    fastly.send(&hard(vec![tag(&"x".repeat(many.longest))])).await.unwrap();
    let error = fastly.send(&hard(full(257, tag))).await.unwrap_err();
    assert_eq!(error.as_str(), "refused", "the API counts: {error}");
}

#[tokio::test]
async fn a_path_makes_no_other_call() {
    let api = Api::start(contract, done).await;
    let fastly = provider(settings(&api.url(), SECRET));
    for path in [
        "/../../service/SU1Z0isxPaozGVKXdv0eY/purge_all",
        "/%2e%2e/%2E%2E/service/SU1Z0isxPaozGVKXdv0eY/purge_all",
    ] {
        api.check(fastly.send(&hard(vec![url(path)])).await, &[&format!("hard url shop.example.com{path}")]);
    }
}

#[tokio::test]
async fn the_rate_is_told_by_the_hour() {
    let api = Api::start(contract, done).await;
    let fastly = provider(settings(&api.url(), SECRET));
    let reset = SystemClock::new().now().as_secs() + 600;
    let reply = refusal(429, r#"{"msg":"You have exceeded your hourly rate limit"}"#);
    api.fail([Fault::Answer(reply.header("Fastly-RateLimit-Reset", reset.to_string()))]);
    match fastly.send(&hard(vec![tag("a")])).await {
        Err(CallError::Later { kind: "throttled", after: Some(after), .. }) => {
            assert!((300..=600).contains(&after.as_secs()), "{after:?}");
        }
        other => panic!("{other:?}"),
    }
}
