use super::*;
use crate::admin::fake::Fake;

fn resolve(body: &str) -> Result<Vec<Invalidation>, (Kind, Vec<String>)> {
    let control = Fake::default();
    PurgeRequest::parse(body.as_bytes()).and_then(|request| request.resolve(&control)).map_err(|problem| {
        let errors = if problem.errors.is_empty() { vec![problem.detail] } else { problem.errors };
        (problem.kind, errors)
    })
}

fn path(authority: &str, path: &str) -> Matcher {
    Matcher::Path { authority: authority.into(), path: path.into() }
}

#[test]
fn what_it_reaches() {
    fn check(body: &str, mode: Mode, want: &[Matcher]) {
        let want = want.iter().map(|matcher| Invalidation { matcher: matcher.clone(), mode }).collect();
        assert_eq!(resolve(body), Ok(want), "{body}");
    }
    check(r#"{"urls":["http://shop.example/a?x=1"]}"#, Mode::Hard, &[path("shop.example", "/a")]);
    check(r#"{"urls":["HTTPS://shop.example:443"]}"#, Mode::Hard, &[path("shop.example", "/")]);
    check(r#"{"urls":["http://alias.example/a#top"]}"#, Mode::Hard, &[path("shop.example", "/a")]);
    check(r#"{"urls":["http://shop.example?x"]}"#, Mode::Hard, &[path("shop.example", "/")]);
    check(
        r#"{"tags":["product:7","é t"]}"#,
        Mode::Hard,
        &[Matcher::Tag("product:7".into()), Matcher::Tag("é t".into())],
    );
    check(r#"{"routes":["product"],"soft":true}"#, Mode::Soft, &[Matcher::Route("product".into())]);
    check(r#"{"all":true,"soft":false}"#, Mode::Hard, &[Matcher::All]);
    let prefix = Matcher::Prefix { authority: "shop.example".into(), path: "/api".into() };
    check(
        r#"{"prefixes":["http://shop.example/api"],"urls":["http://shop.example/a"],"all":false}"#,
        Mode::Hard,
        &[path("shop.example", "/a"), prefix],
    );
}

#[test]
fn every_fault_at_once() {
    fn check(body: &str, kind: Kind, wants: &[&str]) {
        let (got, errors) = resolve(body).expect_err(body);
        assert_eq!(got, kind, "{body}");
        assert_eq!(errors.len(), wants.len(), "{body}: {errors:?}");
        for (error, want) in errors.iter().zip(wants) {
            assert!(error.contains(want), "{body}: {want:?} is not in {error:?}");
        }
    }
    let body = Kind::InvalidBody;
    check("", body, &["the body cannot be read: EOF"]);
    check("[]", body, &["expected an object like"]);
    check(r#"{"urls":["#, body, &["cannot be read"]);
    check(r#"{"all":true} x"#, body, &["trailing"]);
    check(r#"{"url":["http://a/"]}"#, body, &["there is no key `url`; perhaps `urls` is meant"]);
    check(r#"{"tagz":[],"sofd":true}"#, body, &["perhaps `tags`", "perhaps `soft`"]);
    check(r#"{"something":1}"#, body, &["there is no key `something`"]);
    check(r#"{"urls":"http://a/"}"#, body, &["`urls` has to be a list of strings"]);
    check(r#"{"tags":[1]}"#, body, &["`tags` has to be a list"]);
    check(r#"{"soft":1,"all":"yes"}"#, body, &["`soft` has to be true or false", "`all` has to be"]);
    check(r#"{"tags":["a"],"tags":["b"]}"#, body, &["`tags` stands there twice"]);
    check(r#"{"tags":["","a\nb"]}"#, body, &[r#""" is no tag"#, r#""a\nb" is no tag"#]);
    check(r#"{"routes":["produkt"]}"#, body, &["there is no route `produkt`; perhaps `product` is meant"]);
    check(
        r#"{"urls":["/a","ftp://a/","http:///a","http://a/\u0000"],"prefixes":["a"]}"#,
        body,
        &[
            "`/a` is not an absolute URL",
            "not an http or https URL",
            "names no host",
            "control characters",
            "`a` is not",
        ],
    );
    for empty in ["{}", r#"{"urls":[],"tags":[]}"#, r#"{"all":false}"#, r#"{"soft":true}"#] {
        check(empty, Kind::EmptyPurge, &["name at least one"]);
    }
}
