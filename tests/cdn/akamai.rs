//! Akamai against its own signatures.

use crate::python::Python;
use crate::raw::{Raw, Say};
use crate::support::within;
use crate::{PATIENCE, at, call, every_failure};
use larder::cdn::providers::akamai::{Akamai, AkamaiNetwork, AkamaiSettings};
use larder::cdn::{Call, CallError, Provider, Target};
use larder::invalidation::Mode;
use larder::secret::Secret;
use serde_json::json;
use std::time::Duration;

fn settings(endpoint: &str) -> AkamaiSettings {
    AkamaiSettings {
        host: "akab-test.purge.akamaiapis.net".to_owned(),
        client_token: Secret::new("akab-client"),
        client_secret: Secret::new("hunter2"),
        access_token: Secret::new("akab-access"),
        network: AkamaiNetwork::Production,
        delete: true,
        cp_codes: vec![12, 345],
        tags: true,
        endpoint: Some(endpoint.to_owned()),
    }
}

fn akamai(settings: &AkamaiSettings) -> Akamai {
    Akamai::new(settings, PATIENCE).unwrap()
}

#[tokio::test]
async fn what_is_signed_is_taken() {
    let mut server = Python::start("fast_purge.py").await;
    let settings = settings(server.url());
    let production = akamai(&settings);
    let staging = akamai(&AkamaiSettings { network: AkamaiNetwork::Staging, delete: false, ..settings });
    let urls = call(1, vec![Target::Url(at("/a%20b?")), Target::Url(at("/ü\"{}"))]);
    let soft = Call { mode: Mode::Soft, ..call(2, vec![Target::Tag("a'b".into()), Target::Tag("c".into())]) };
    production.send(&urls).await.unwrap();
    production.send(&soft).await.unwrap();
    production.send(&call(3, vec![Target::All])).await.unwrap();
    staging.send(&call(4, vec![Target::Tag("a".into())])).await.unwrap();

    let taken = server.ask("read").await;
    let taken: Vec<_> = taken.as_array().unwrap().iter().map(|one| (&one["path"], &one["objects"])).collect();
    assert_eq!(
        taken,
        [
            (
                &json!("/ccu/v3/delete/url/production"),
                &json!(["https://shop.test/a%20b%3F", "https://shop.test/%C3%BC%22%7B%7D"]),
            ),
            (&json!("/ccu/v3/invalidate/tag/production"), &json!(["a'b", "c"])),
            (&json!("/ccu/v3/delete/cpcode/production"), &json!([12, 345])),
            (&json!("/ccu/v3/invalidate/tag/staging"), &json!(["a"])),
        ]
    );
}

#[tokio::test]
async fn the_largest_calls_fit() {
    let mut server = Python::start("fast_purge.py").await;
    let akamai = akamai(&settings(server.url()));
    let (url, tag) = (akamai.limits().url.unwrap(), akamai.limits().tag.unwrap());

    let name = |number: usize| format!("https://shop.test/product/{number:05}");
    let count = url.bytes / (name(0).len() + url.overhead);
    let urls = (0..count).map(|number| Target::Url(at(&format!("/product/{number:05}")))).collect();
    akamai.send(&call(1, urls)).await.unwrap();
    let count = tag.bytes / (128 + tag.overhead);
    let tags = (0..count).map(|number| Target::Tag(format!("{number:0>128}").into())).collect();
    akamai.send(&call(2, tags)).await.unwrap();
    let taken = server.ask("read").await;
    let sizes: Vec<_> = taken.as_array().unwrap().iter().map(|one| one["bytes"].as_u64().unwrap()).collect();
    assert_eq!(sizes.len(), 2, "a call is one request: {sizes:?}");
    assert!(sizes.iter().all(|size| (49_800..=50_000).contains(size)), "{sizes:?}");

    // What has to be escaped takes more than was counted.
    let longer = "ü".repeat(100);
    let urls = (0..200).map(|number| Target::Url(at(&format!("/{longer}/{number}")))).collect();
    akamai.send(&call(3, urls)).await.unwrap();
    let taken = server.ask("read").await;
    let parts: Vec<_> =
        taken.as_array().unwrap()[2..].iter().map(|one| one["objects"].as_array().unwrap().len()).collect();
    assert!(parts.len() > 1 && parts.iter().sum::<usize>() == 200, "{parts:?}");
    assert_eq!(server.ask("refused").await, json!([]));
}

#[tokio::test]
async fn a_wrong_secret_waits_to_be_mended() {
    let mut server = Python::start("fast_purge.py").await;
    let wrong = AkamaiSettings { client_secret: Secret::new("hunter3"), ..settings(server.url()) };
    let error = akamai(&wrong).send(&call(1, vec![Target::Url(at("/a"))])).await.unwrap_err();
    assert_eq!(error.as_str(), "credentials");
    assert!(!format!("{error:?} {error} {wrong:?}").contains("hunter"), "{error}");
    assert_eq!(server.ask("refused").await, json!(["The signature does not match"]));
}

#[tokio::test]
async fn an_empty_bucket_says_when_to_come_back() {
    let mut server = Python::start("fast_purge.py").await;
    server.ask("bucket 20").await;
    let akamai = akamai(&settings(server.url()));
    let tags = call(1, (0..100).map(|number| Target::Tag(number.to_string().into())).collect());
    let error = akamai.send(&tags).await.unwrap_err();
    let CallError::Later { kind, after, .. } = error else { panic!("{error:?}") };
    assert_eq!((kind, after), ("throttled", Some(Duration::from_secs(10))), "80 at 8 a second");
    server.ask("bucket 100").await;
    akamai.send(&tags).await.unwrap();
}

#[tokio::test]
async fn failures_are_told_apart() {
    every_failure("hunter2", |url| Box::new(akamai(&settings(url)))).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_left() {
    let server = Raw::start(vec![Say::Hang]).await;
    let akamai = Akamai::new(&settings(&server.url()), Duration::from_millis(200)).unwrap();
    let error = within("the deadline", akamai.send(&call(1, vec![Target::All]))).await.unwrap_err();
    assert_eq!(error.as_str(), "timeout");
}

#[tokio::test]
async fn each_attempt_is_signed_anew() {
    // The first is left while it hangs.
    let server = Raw::start(vec![Say::Hang, Say::reply(503, &[], "")]).await;
    let akamai = akamai(&settings(&server.url()));
    let call = call(1, vec![Target::Url(at("/a"))]);
    tokio::select! {
        _ = akamai.send(&call) => panic!("it hangs"),
        () = server.arrived(1) => {}
    }
    akamai.send(&call).await.unwrap_err();
    let requests = server.requests();
    assert_eq!(requests[0].line(), "POST /ccu/v3/delete/url/production");
    assert_eq!(requests[0].body, br#"{"objects":["https://shop.test/a"]}"#);
    assert_eq!(requests[0].body, requests[1].body);
    assert_ne!(requests[0].field("authorization"), requests[1].field("authorization"), "a nonce counts once");
}
