//! An API that nobody knows: it wants a token in a field of its own and lists of JSON.

use super::{
    Api, Fault, SECRET, Subject, body, full, hard, list, parts, prefix, provider, refusal, tag, url,
};
use crate::support::{Reply, Seen};
use ::http::{HeaderName, Method, StatusCode};
use larder::cdn::providers::http::{HttpCall, HttpSettings};
use larder::cdn::{Alphabet, ProviderSettings, Rate, Separator, TagHeader, Target};
use larder::invalidation::Template;
use larder::secret::Secret;
use std::time::Duration;

pub(super) const SUBJECT: Subject =
    Subject { name: "http", contract, done, settings, purged: &["urls https://shop.example.com/a"] };

fn call(endpoint: &str, secret: &str, what: &str) -> HttpCall {
    let field = |name, value: &str| (HeaderName::from_static(name), Secret::new(value));
    HttpCall {
        method: Method::PUT,
        url: Template::parse(&format!("{endpoint}/v1/{what}?call={{id}}")).unwrap(),
        headers: vec![
            field("x-api-token", &format!("Token {secret}")),
            field("content-type", "application/json"),
        ],
        body: Some(Template::parse(&format!(r#"{{{{"{what}":[{{targets}}]}}}}"#)).unwrap()),
        item: None,
        join: ",".to_owned(),
        batch: 10,
        done: vec![],
    }
}

fn settings(endpoint: &str, secret: &str) -> ProviderSettings {
    ProviderSettings::Http(HttpSettings {
        url: Some(call(endpoint, secret, "urls")),
        prefix: None,
        tag: Some(call(endpoint, secret, "tags")),
        all: Some(HttpCall { body: None, batch: 1, ..call(endpoint, secret, "all") }),
        tag_header: Some(TagHeader {
            name: HeaderName::from_static("xkey"),
            separator: Separator::Space,
            tags: 10,
            bytes: 1000,
            longest: 100,
            alphabet: Alphabet { without: "", ignores_case: false },
        }),
        queries: true,
        rate: Rate { calls: 1, per: Duration::from_secs(1), burst: 1 },
    })
}

fn done() -> Reply {
    Reply::status(204)
}

fn contract(seen: &Seen) -> Result<Vec<String>, Reply> {
    if seen.fields.get("x-api-token") != Some(&format!("Token {SECRET}")) {
        return Err(refusal(401, r#"{"message":"who are you?"}"#));
    }
    let (path, query) = parts(seen);
    if query != [("call".to_owned(), "00000000000000000000000000c0ffee".to_owned())] {
        return Err(refusal(400, r#"{"message":"no name"}"#));
    }
    match (&*seen.method, path) {
        ("PUT", "/v1/all") => Ok(vec!["all".to_owned()]),
        ("PUT", "/v1/urls" | "/v1/tags") => {
            let what = &path[4..];
            let values = list(&body(seen)?, what, 10, |value| !value.is_empty())?;
            Ok(values.into_iter().map(|value| format!("{what} {value}")).collect())
        }
        _ => Err(refusal(404, r#"{"message":"no such thing"}"#)),
    }
}

#[tokio::test]
async fn calls_are_made_as_set() {
    let api = Api::start(contract, done).await;
    let http = provider(settings(&api.url(), SECRET));
    let both = ["urls https://shop.example.com/a\"b", "urls https://shop.example.com/"];
    api.check(http.send(&hard(vec![url("/a\"b"), url("/")])).await, &both);
    api.check(http.send(&hard(vec![tag("a\\b\n"), tag("ü")])).await, &["tags a\\b\n", "tags ü"]);
    api.check(http.send(&hard(vec![Target::All])).await, &["all"]);
    http.send(&hard(full(10, tag))).await.unwrap();
    assert_eq!(api.purged().len(), 10);
    let error = http.send(&hard(vec![prefix("/a")])).await.unwrap_err();
    assert_eq!(error.as_str(), "refused", "nothing is set for prefixes");
}

#[test]
fn limits_are_what_is_set() {
    let http = provider(settings("http://127.0.0.1:9", SECRET));
    let limits = http.limits();
    assert_eq!((limits.url.unwrap().targets, limits.prefix, limits.all), (10, None, true));
    assert_eq!((limits.queries, limits.soft, limits.rate.calls), (true, false, 1));
    assert_eq!(limits.header.as_ref().unwrap().longest, 100);
}

#[tokio::test]
async fn what_is_written_in_the_template_is_told_nobody() {
    fn repeats(seen: &Seen) -> Result<Vec<String>, Reply> {
        let body = String::from_utf8_lossy(&seen.body);
        Err(refusal(403, &format!("no such key: {} {body}", seen.target)))
    }
    let api = Api::start(repeats, done).await;
    let all = HttpCall {
        method: Method::POST,
        url: Template::parse(&format!("{}/purge?key=k3y-of-the-zone&all=1", api.url())).unwrap(),
        headers: Vec::new(),
        body: Some(Template::parse(r#"{{"token":"t0ken-of-the-zone"}}"#).unwrap()),
        item: None,
        join: ",".to_owned(),
        batch: 1,
        done: vec![],
    };
    let ProviderSettings::Http(others) = settings(&api.url(), SECRET) else {
        unreachable!("it is by template")
    };
    let http = provider(ProviderSettings::Http(HttpSettings { all: Some(all), ..others }));
    let error = format!("{:?}", http.send(&hard(vec![Target::All])).await.unwrap_err());
    assert!(error.contains("no such key: /purge?"), "{error}");
    assert!(!error.contains("k3y-of") && !error.contains("t0ken-of"), "{error}");
}

#[tokio::test]
async fn what_an_api_does_not_keep_may_count_as_purged() {
    /// Keeps nothing but `/a`, and knows no tags.
    fn forgetful(seen: &Seen) -> Result<Vec<String>, Reply> {
        let purged = contract(seen)?;
        match purged.iter().all(|what| what.ends_with("/a")) {
            true => Ok(purged),
            false if seen.target.starts_with("/v1/tags") => Err(refusal(404, "no tags here")),
            false => Err(refusal(412, "nothing to purge")),
        }
    }
    let api = Api::start(forgetful, done).await;
    let ProviderSettings::Http(set) = settings(&api.url(), SECRET) else { unreachable!("it is by template") };
    let single = |done: &[u16]| {
        let done = done.iter().map(|status| StatusCode::from_u16(*status).unwrap()).collect();
        set.url.clone().map(|call| HttpCall { batch: 1, done, ..call })
    };
    let strict = provider(ProviderSettings::Http(HttpSettings { url: single(&[404]), ..set.clone() }));
    assert_eq!(strict.send(&hard(vec![url("/b")])).await.unwrap_err().as_str(), "refused");
    let lenient = provider(ProviderSettings::Http(HttpSettings { url: single(&[404, 412]), ..set.clone() }));
    api.check(lenient.send(&hard(vec![url("/b"), url("/a")])).await, SUBJECT.purged);
    let error = lenient.send(&hard(vec![tag("t")])).await.unwrap_err();
    assert_eq!(error.as_str(), "refused", "it is said for each kind of call by itself");
    api.fail([Fault::Answer(refusal(503, "later"))]);
    assert_eq!(lenient.send(&hard(vec![url("/a")])).await.unwrap_err().as_str(), "server_error");
}
