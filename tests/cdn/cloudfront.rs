//! CloudFront against moto, with boto3 to read what arrived.

use crate::python::Python;
use crate::raw::{Raw, Say};
use crate::support::within;
use crate::{PATIENCE, at, call, every_failure};
use http::HeaderName;
use larder::cdn::providers::cloudfront::{Cloudfront, CloudfrontSettings};
use larder::cdn::{CallError, Provider, Target};
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;
use tokio::process::Command;

/// Set in the process that a test runs in again.
const INSIDE: &str = "LARDER_TEST_INSIDE";

const SECRET: &str = "hunter2";

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", SECRET)];

/// Runs a test again in a process whose environment has these variables, and nothing else of AWS; `true` inside of it. The
/// chain of credentials reads the environment of its process, and that of the tests may hold real ones.
async fn inside(test: &str, variables: &[(&str, &str)]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command
        .args([test, "--exact", "--nocapture", "--test-threads", "1"])
        .env("HOME", home.path())
        .env("NO_PROXY", "127.0.0.1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .env(INSIDE, "yes")
        .kill_on_drop(true);
    let output = within(test, command.output()).await.unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

fn settings(endpoint: &str, distribution: &str) -> CloudfrontSettings {
    CloudfrontSettings {
        distribution: distribution.to_owned(),
        query_strings: false,
        tags: Some(HeaderName::from_static("cache-tag")),
        region: "us-east-1".to_owned(),
        endpoint: Some(endpoint.to_owned()),
    }
}

fn cloudfront(endpoint: &str, distribution: &str) -> Cloudfront {
    Cloudfront::new(&settings(endpoint, distribution), PATIENCE).unwrap()
}

async fn distribution(server: &mut Python) -> String {
    server.ask("create").await.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn everything_arrives() {
    if !inside("cloudfront::everything_arrives", &KEYS).await {
        return;
    }
    let mut server = Python::start("cloudfront.py").await;
    let id = distribution(&mut server).await;
    let plain = cloudfront(server.url(), &id);
    let with_queries = CloudfrontSettings { query_strings: true, ..settings(server.url(), &id) };
    let with_queries = Cloudfront::new(&with_queries, PATIENCE).unwrap();

    plain.send(&call(0xa1, vec![Target::Url(at("/")), Target::Url(at("/A/ü b*&<'\">"))])).await.unwrap();
    with_queries.send(&call(0xa2, vec![Target::Url(at("/a"))])).await.unwrap();
    plain.send(&call(0xa3, vec![Target::Prefix(at("/a/"))])).await.unwrap();
    plain.send(&call(0xa4, vec![Target::Tag("product:7".into()), Target::Tag("a&b".into())])).await.unwrap();
    plain.send(&call(0xa5, vec![Target::All])).await.unwrap();

    let reference = |id: u128| format!("{id:032x}");
    assert_eq!(
        server.ask(&format!("read {id}")).await,
        json!([
            { "reference": reference(0xa1), "quantity": 2, "paths": ["/", "/A/%C3%BC%20b%2A&%3C'%22%3E"] },
            { "reference": reference(0xa2), "quantity": 2, "paths": ["/a?*", "/a"] },
            { "reference": reference(0xa3), "quantity": 2, "paths": ["/a/*", "/a"] },
            { "reference": reference(0xa4), "quantity": 2, "paths": ["#product:7", "#a&b"] },
            { "reference": reference(0xa5), "quantity": 1, "paths": ["/*"] },
        ])
    );
}

#[tokio::test]
async fn the_largest_call_arrives_whole() {
    if !inside("cloudfront::the_largest_call_arrives_whole", &KEYS).await {
        return;
    }
    let mut server = Python::start("cloudfront.py").await;
    let id = distribution(&mut server).await;
    let cloudfront = cloudfront(server.url(), &id);
    let count = cloudfront.limits().url.unwrap().targets;
    let paths: HashSet<String> = (0..count).map(|number| format!("/api/v1/products/{number}")).collect();
    let targets = paths.iter().map(|path| Target::Url(at(path))).collect();
    cloudfront.send(&call(1, targets)).await.unwrap();

    let read = server.ask(&format!("read {id}")).await;
    let read: Vec<_> = read.as_array().unwrap().iter().collect();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0]["quantity"], json!(count));
    let arrived = read[0]["paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap().to_owned());
    assert_eq!(arrived.collect::<HashSet<_>>(), paths);
}

#[tokio::test]
async fn a_wrong_distribution_waits_to_be_mended() {
    if !inside("cloudfront::a_wrong_distribution_waits_to_be_mended", &KEYS).await {
        return;
    }
    let server = Python::start("cloudfront.py").await;
    let error = cloudfront(server.url(), "ENONE").send(&call(1, vec![Target::All])).await.unwrap_err();
    assert_eq!(error.as_str(), "not_found");
    assert!(error.to_string().contains("NoSuchDistribution"), "{error}");
}

#[tokio::test]
async fn credentials_are_found_once_they_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let variables = [("AWS_SHARED_CREDENTIALS_FILE", file.to_str().unwrap())];
    if !inside("cloudfront::credentials_are_found_once_they_are_there", &variables).await {
        return;
    }
    let file = std::env::var("AWS_SHARED_CREDENTIALS_FILE").unwrap();
    let mut server = Python::start("cloudfront.py").await;
    let id = distribution(&mut server).await;
    let cloudfront = cloudfront(server.url(), &id);
    for text in [None, Some("[other]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = hunter2\n")] {
        text.into_iter().for_each(|text| std::fs::write(&file, text).unwrap());
        let error = cloudfront.send(&call(1, vec![Target::All])).await.unwrap_err();
        assert_eq!(error.as_str(), "credentials", "{error:?}");
        assert!(!format!("{error:?} {error}").contains(SECRET), "{error}");
    }
    let text = format!("[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {SECRET}\n");
    std::fs::write(&file, text).unwrap();
    cloudfront.send(&call(1, vec![Target::All])).await.unwrap();
    assert_eq!(server.ask(&format!("read {id}")).await.as_array().unwrap().len(), 1);
}

/// What Kubernetes on AWS gives a pod that has a role for its service account.
#[tokio::test]
async fn a_role_is_taken_by_the_token_of_a_pod() {
    let mut server = Python::start("cloudfront.py").await;
    let id = distribution(&mut server).await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "a.web.token").unwrap();
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/larder"),
        ("AWS_ENDPOINT_URL_STS", server.url()),
        ("TEST_DISTRIBUTION", &id),
    ];
    if inside("cloudfront::a_role_is_taken_by_the_token_of_a_pod", &variables).await {
        let [url, id] =
            ["AWS_ENDPOINT_URL_STS", "TEST_DISTRIBUTION"].map(|name| std::env::var(name).unwrap());
        cloudfront(&url, &id).send(&call(1, vec![Target::All])).await.unwrap();
        return;
    }
    assert_eq!(server.ask(&format!("read {id}")).await.as_array().unwrap().len(), 1);
}

const GIVEN: &str = r#"{"AccessKeyId":"AKIDCONTAINER","SecretAccessKey":"hunter2","Token":"a-session",
    "Expiration":"2126-01-01T00:00:00Z","Code":"Success","Type":"AWS-HMAC","LastUpdated":"2026-01-01T00:00:00Z"}"#;

const DONE: &str = r#"<?xml version="1.0"?><Invalidation xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">
    <Id>I1</Id><Status>InProgress</Status><CreateTime>2026-11-20T12:00:00Z</CreateTime><InvalidationBatch><Paths>
    <Quantity>1</Quantity><Items><Path>/*</Path></Items></Paths><CallerReference>1</CallerReference>
    </InvalidationBatch></Invalidation>"#;

/// CloudFront, and what gives out credentials in a container and on a machine.
async fn platform() -> Raw {
    Raw::serve(|request| match request.line() {
        "GET /credentials" if request.field("authorization") == Some("pod-token") => {
            Say::reply(200, &[], GIVEN)
        }
        "PUT /latest/api/token" => {
            Say::reply(200, &["x-aws-ec2-metadata-token-ttl-seconds: 21600"], "machine-token")
        }
        line if line.starts_with("GET /latest/meta-data/iam/security-credentials") => {
            let listed = line.trim_end_matches('/').ends_with("security-credentials");
            Say::reply(200, &[], if listed { "larder" } else { GIVEN })
        }
        line if line.starts_with("POST /2020-05-31/distribution/E1/invalidation") => {
            Say::reply(201, &[], DONE)
        }
        _ => Say::reply(404, &[], ""),
    })
    .await
}

async fn credentials_of_the_platform(test: &str, variables: &[(&str, &str)], path: &str) {
    if std::env::var_os(INSIDE).is_some() {
        let url = std::env::var("TEST_URL").unwrap();
        return cloudfront(&url, "E1").send(&call(1, vec![Target::All])).await.unwrap();
    }
    let server = platform().await;
    let url = format!("{}{path}", server.url());
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (*name, if value.is_empty() { &*url } else { value })).collect();
    let test_url = server.url();
    inside(test, &[&variables[..], &[("TEST_URL", &test_url)]].concat()).await;
    let sent = server.requests().into_iter().find(|request| request.line().starts_with("POST ")).unwrap();
    assert!(sent.field("authorization").unwrap().contains("Credential=AKIDCONTAINER/"), "{sent:?}");
    assert_eq!(sent.field("x-amz-security-token"), Some("a-session"));
}

#[tokio::test]
async fn credentials_of_a_container() {
    let variables =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", ""), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token")];
    credentials_of_the_platform("cloudfront::credentials_of_a_container", &variables, "/credentials").await;
}

#[tokio::test]
async fn credentials_of_a_machine() {
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", ""), ("AWS_EC2_METADATA_DISABLED", "false")];
    credentials_of_the_platform("cloudfront::credentials_of_a_machine", &variables, "").await;
}

#[tokio::test]
async fn failures_are_told_apart() {
    if !inside("cloudfront::failures_are_told_apart", &KEYS).await {
        return;
    }
    every_failure(SECRET, |url| Box::new(cloudfront(url, "E1"))).await;
    let error = |status, code| {
        let body = format!(
            "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\">\
             <Error><Type>Sender</Type><Code>{code}</Code><Message>told by {SECRET}</Message></Error>\
             <RequestId>1</RequestId></ErrorResponse>"
        );
        Say::reply(status, &["Content-Type: text/xml"], &body)
    };
    for (status, code, expected) in [
        (400, "TooManyInvalidationsInProgress", "in_progress"),
        (400, "Throttling", "throttled"),
        (503, "ServiceUnavailable", "server_error"),
        (403, "AccessDenied", "credentials"),
        (403, "ExpiredToken", "credentials"),
        (403, "SignatureDoesNotMatch", "credentials"),
        (404, "NoSuchDistribution", "not_found"),
        (400, "InvalidArgument", "refused"),
        (413, "BatchTooLarge", "refused"),
    ] {
        let server = Raw::start(vec![error(status, code)]).await;
        let error = cloudfront(&server.url(), "E1").send(&call(1, vec![Target::All])).await.unwrap_err();
        assert_eq!(error.as_str(), expected, "{code}: {error:?}");
        assert!(error.to_string().contains(code), "{error}");
        assert_eq!(error.to_string().contains(SECRET), code != "SignatureDoesNotMatch", "{error}");
        assert_eq!(server.requests().len(), 1, "{code}: sent again");
        if let CallError::Later { kind: "in_progress", after, .. } = error {
            assert_eq!(after, Some(Duration::from_secs(15)));
        }
    }
}

#[tokio::test]
async fn proxies_of_the_environment_are_used() {
    let server = Raw::start(vec![Say::reply(201, &[], DONE)]).await;
    let url = server.url();
    let variables = [&KEYS[..], &[("HTTP_PROXY", &*url), ("NO_PROXY", "")]].concat();
    if inside("cloudfront::proxies_of_the_environment_are_used", &variables).await {
        cloudfront("http://cloudfront.test", "E1").send(&call(1, vec![Target::All])).await.unwrap();
        return;
    }
    let requests = server.requests();
    assert!(requests[0].line().starts_with("POST http://cloudfront.test/2020-05-31/"), "{requests:?}");
}

#[tokio::test]
async fn a_repetition_is_the_same_request() {
    if !inside("cloudfront::a_repetition_is_the_same_request", &KEYS).await {
        return;
    }
    // The first is left while it hangs, the second is cut off, the third is taken.
    let server = Raw::start(vec![Say::Hang, Say::Reset, Say::reply(201, &[], DONE)]).await;
    let cloudfront = cloudfront(&server.url(), "E1");
    let call = call(0xbeef, vec![Target::Prefix(at("/a"))]);
    tokio::select! {
        _ = cloudfront.send(&call) => panic!("it hangs"),
        () = server.arrived(1) => {}
    }
    assert_eq!(cloudfront.send(&call).await.unwrap_err().as_str(), "connect");
    cloudfront.send(&call).await.unwrap();
    let bodies: HashSet<_> = server.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let body = String::from_utf8(bodies.into_iter().next().unwrap()).unwrap();
    assert!(body.contains(&format!("<CallerReference>{:032x}</CallerReference>", 0xbeef)), "{body}");
}

#[tokio::test]
async fn a_server_that_hangs_is_left() {
    if !inside("cloudfront::a_server_that_hangs_is_left", &KEYS).await {
        return;
    }
    let server = Raw::start(vec![Say::Hang]).await;
    let short = Cloudfront::new(&settings(&server.url(), "E1"), Duration::from_millis(500)).unwrap();
    let error = within("the deadline", short.send(&call(1, vec![Target::All]))).await.unwrap_err();
    assert_eq!(error.as_str(), "timeout", "{error:?}");
}
