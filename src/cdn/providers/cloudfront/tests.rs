use super::*;
use crate::cdn::limits::{CLOUDFRONT_FILES, CLOUDFRONT_WILDCARDS};
use crate::cdn::{Location, TargetKind};

fn at(path: &str) -> Location {
    Location { base: "https://shop.test".into(), path: path.into() }
}

#[test]
fn paths_are_escaped_as_cloudfront_wants_them() {
    #[track_caller]
    fn check(path: &str, expected: &str) {
        assert_eq!(escaped(path), expected, "{path}");
        assert_eq!(escaped(expected), expected, "what is escaped stays so: {expected}");
    }
    check("/", "/");
    check("/Products/7", "/Products/7");
    check("/a-b_c.d!$&'()+,:;=@", "/a-b_c.d!$&'()+,:;=@");
    check("/a b", "/a%20b");
    check("/ü", "/%C3%BC");
    check("/~me/<x>\"#{}|\\^[]`", "/%7Eme/%3Cx%3E%22%23%7B%7D%7C%5C%5E%5B%5D%60");
    check("/%7Eme", "/%7Eme");
    check("/a*", "/a%2A");
    check("/a%2a", "/a%2A");
    check("/a?b", "/a%3Fb");
    check("/a%3fb%2fc", "/a%3Fb%2Fc");
    check("/%70roducts/%37", "/products/7");
    check("/50%", "/50%25");
    check("/50%z1%4", "/50%25z1%254");
    check("/%c3%bc", "/%C3%BC");
    check("/%25%37", "/%257");
    check("/a\u{7f}\n", "/a%7F%0A");
}

#[test]
fn targets_become_items() {
    #[track_caller]
    fn check(query_strings: bool, targets: &[Target], expected: &[&str]) {
        assert_eq!(items(targets, query_strings), expected, "{targets:?}");
    }
    let url = |path| Target::Url(at(path));
    let prefix = |path| Target::Prefix(at(path));
    check(false, &[url("/a"), url("/b")], &["/a", "/b"]);
    check(true, &[url("/a"), url("/")], &["/a?*", "/a", "/?*", "/"]);
    check(false, &[prefix("/a")], &["/a/*", "/a"]);
    check(false, &[prefix("/a/")], &["/a/*", "/a"]);
    check(true, &[prefix("/a/b")], &["/a/b/*", "/a/b?*", "/a/b"]);
    check(true, &[prefix("/")], &["/*"]);
    check(false, &[Target::Tag("product:7".into())], &["#product:7"]);
    check(true, &[Target::All], &["/*"]);
    let other = Target::Url(Location { base: "https://www.shop.test".into(), path: "/a".into() });
    check(false, &[url("/a"), other, url("/%61")], &["/a"]);
}

#[test]
fn three_full_calls_may_be_in_progress() {
    for query_strings in [false, true] {
        let limits = limits(query_strings, Some(&HeaderName::from_static("x-tags")));
        for kind in TargetKind::EACH {
            let many = limits.many(kind).unwrap();
            let target = |number: usize| match kind {
                TargetKind::Url => Target::Url(at(&format!("/{number}"))),
                TargetKind::Prefix => Target::Prefix(at(&format!("/{number}"))),
                TargetKind::Tag => Target::Tag(number.to_string().into()),
                TargetKind::All => Target::All,
            };
            let targets: Vec<_> = (0..many.targets).map(target).collect();
            let (wildcards, others): (Vec<_>, Vec<_>) =
                items(&targets, query_strings).into_iter().partition(|item| item.ends_with('*'));
            let (wildcards, others) = (3 * wildcards.len(), 3 * others.len());
            assert!(many.targets == 1 || wildcards <= CLOUDFRONT_WILDCARDS, "{kind:?} {query_strings}");
            assert!(many.targets == 1 || others <= CLOUDFRONT_FILES, "{kind:?} {query_strings}");
        }
    }
}

#[test]
fn the_longest_path_is_taken_whatever_has_to_be_escaped() {
    let many = limits(true, None).many(TargetKind::Prefix).unwrap();
    let path = format!("/{}", "\u{7f}".repeat(many.longest - 1));
    assert!(items(&[Target::Prefix(at(&path))], true).iter().all(|item| item.len() <= 4_000));
}

#[test]
fn limits_follow_the_settings() {
    assert_eq!(limits(false, None).tag, None);
    assert_eq!(limits(false, None).header, None);
    let name = HeaderName::from_static("x-tags");
    assert_eq!(limits(false, Some(&name)).header.unwrap().name, name);
}

#[test]
fn errors_are_told_by_their_code() {
    #[track_caller]
    fn check(status: u16, code: Option<&str>, expected: &str) {
        let head = Response::builder().status(status).body(()).unwrap();
        assert_eq!(refusal(code, "no", head).as_str(), expected, "{status} {code:?}");
    }
    check(400, Some("TooManyInvalidationsInProgress"), "in_progress");
    check(400, Some("Throttling"), "throttled");
    check(429, None, "throttled");
    check(503, Some("ServiceUnavailable"), "server_error");
    check(500, None, "server_error");
    check(403, Some("AccessDenied"), "credentials");
    check(403, Some("ExpiredToken"), "credentials");
    check(403, None, "credentials");
    check(404, Some("NoSuchDistribution"), "not_found");
    check(404, None, "not_found");
    check(400, Some("InvalidArgument"), "refused");
    check(400, Some("InvalidationBatchAlreadyExists"), "refused");
    check(413, Some("BatchTooLarge"), "refused");
    check(408, Some("RequestTimeout"), "timeout");
    check(200, None, "server_error");
}

#[test]
fn waits_are_those_that_were_asked_for() {
    #[track_caller]
    fn check(code: &str, fields: &[(&str, &str)], expected: Option<u64>) {
        let mut head = Response::builder().status(400);
        for &(name, value) in fields {
            head = head.header(name, value);
        }
        let head = head.body(()).unwrap();
        let CallError::Later { after, .. } = refusal(Some(code), "", head) else { panic!("refused") };
        assert_eq!(after, expected.map(Duration::from_secs), "{code}");
    }
    check("Throttling", &[], None);
    check("Throttling", &[("retry-after", "9")], Some(9));
    check("TooManyInvalidationsInProgress", &[], Some(15));
    check("TooManyInvalidationsInProgress", &[("retry-after", "40")], Some(40));
}

#[test]
fn what_should_have_been_signed_is_not_told() {
    let head = || Response::builder().status(403).body(()).unwrap();
    let message = "The canonical string should have been x-amz-security-token:hunter2";
    let error = refusal(Some("SignatureDoesNotMatch"), message, head()).to_string();
    assert_eq!(error, "403 Forbidden: SignatureDoesNotMatch");
    let error = refusal(Some("AccessDenied"), "user me may not", head()).to_string();
    assert_eq!(error, "403 Forbidden: AccessDenied user me may not");
}
