use super::*;
use crate::secret::Secret;

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn call(url: &str, headers: &[(&'static str, &str)], body: &str) -> HttpCall {
    let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), Secret::new(*value)));
    HttpCall {
        method: Method::POST,
        url: template(url),
        headers: headers.collect(),
        body: Some(template(body)),
        item: None,
        join: ",".to_owned(),
        batch: 1,
        done: vec![],
    }
}

fn url(path: &str) -> Target {
    Target::Url(Location { base: "https://shop.example.com".into(), path: path.into() })
}

fn prefix(path: &str) -> Target {
    Target::Prefix(Location { base: "https://shop.example.com".into(), path: path.into() })
}

fn tag(tag: &str) -> Target {
    Target::Tag(tag.into())
}

fn made(call: &HttpCall, targets: &[Target]) -> Result<Request<Bytes>, CallError> {
    Form::new(call, targets[0].kind()).unwrap().request(CallId(7), targets)
}

#[test]
fn values_in_addresses() {
    #[track_caller]
    fn check(text: &str, target: Target, expected: &str) {
        let request = made(&call(text, &[], ""), &[target]).unwrap();
        assert_eq!(request.uri().to_string(), expected);
    }
    check("http://varnish:6081{path}", url("/a/b%20c"), "http://varnish:6081/a/b%20c");
    check("http://varnish:6081{path}", url("/a?b#c \u{e4}\"d"), "http://varnish:6081/a%3Fb%23c%20%C3%A4%22d");
    check("http://varnish:6081{path}", prefix("/"), "http://varnish:6081/");
    check("http://x/{host}{path}", url("/a"), "http://x/shop.example.com/a");
    check("{url}", url("/a"), "https://shop.example.com/a");
    check(
        "http://x/?u={url}&s={scheme}",
        url("/a&b"),
        "http://x/?u=https%3A%2F%2Fshop.example.com%2Fa%26b&s=https",
    );
    check("http://x/tags/{tag}", tag("a/b?c"), "http://x/tags/a%2Fb%3Fc");
    check("http://x/{id}?{tag}", tag("ü"), "http://x/00000000000000000000000000000007?%C3%BC");
    check("http://x/?r=^{path.regex}", url("/a.b"), "http://x/?r=^%2Fa%5C.b");
    check("http://x/?{targets}", tag("a,b"), "http://x/?a%2Cb");
}

#[test]
fn values_in_fields() {
    #[track_caller]
    fn check(text: &str, target: Target, expected: &str) {
        let request = made(&call("http://x/", &[("x-purge", text)], ""), &[target]).unwrap();
        assert_eq!(String::from_utf8_lossy(request.headers()["x-purge"].as_bytes()), expected);
        assert!(!format!("{request:?}").contains(expected), "fields are not printed");
    }
    check("t={tag}", tag("a\r\nX-Evil: 1"), "t=aX-Evil: 1");
    check("t={tag}", tag("ü\u{85}"), "t=ü");
    check("^{path.regex}(/|$)", prefix("/a.b/c+d/"), r"^/a\.b/c\+d(/|$)");
    check("^{path.regex}(/|$)", prefix("/"), "^(/|$)");
    check("^{path.regex}(\\?|$)", url("/a[1]*{x}|\\(y)$^"), r"^/a\[1\]\*\{x\}\|\\\(y\)\$\^(\?|$)");
    check("{host.regex} {id}", url("/"), r"shop\.example\.com 00000000000000000000000000000007");
}

#[test]
fn values_in_bodies() {
    #[track_caller]
    fn check(kind: Option<&str>, text: &str, target: Target, expected: (&str, &str)) {
        let headers: Vec<_> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
        let request = made(&call("http://x/", &headers, text), &[target]).unwrap();
        let content_type = request.headers()[CONTENT_TYPE].to_str().unwrap();
        assert_eq!((content_type, std::str::from_utf8(request.body()).unwrap()), expected);
    }
    let json = "application/json";
    check(None, r#"{{"tag":"{tag}"}}"#, tag("a\"b\\\n\u{1}ü"), (json, r#"{"tag":"a\"b\\\n\u0001ü"}"#));
    check(None, r#"["{url}"]"#, url("/a"), (json, r#"["https://shop.example.com/a"]"#));
    check(None, r#"{{"tags":[{targets}]}}"#, tag("a\"b"), (json, r#"{"tags":["a\"b"]}"#));
    check(None, "tag {tag}", tag("a\"b&"), ("text/plain; charset=utf-8", "tag a\"b&"));
    let vendor = "application/vnd.api+json; charset=utf-8";
    check(Some(vendor), "{targets}", url("/"), (vendor, r#""https://shop.example.com/""#));
    let form = "application/x-www-form-urlencoded";
    check(Some(form), "t={tag}", tag("a&b=c d"), (form, "t=a%26b%3Dc%20d"));
}

#[test]
fn batches_are_joined() {
    let mut several = call("http://x/", &[], r#"{{"objects":[{targets}],"id":"{id}"}}"#);
    several.batch = 3;
    several.item = Some(template(r#"{{"p":"{path}"}}"#));
    let request = made(&several, &[url("/a"), url("/\"")]).unwrap();
    let expected = r#"{"objects":[{"p":"/a"},{"p":"/\""}],"id":"00000000000000000000000000000007"}"#;
    assert_eq!(std::str::from_utf8(request.body()).unwrap(), expected);
    let many = Form::new(&several, TargetKind::Url).unwrap().many();
    assert_eq!((many.targets, many.overhead), (3, r#"{"p":""},"#.len()));

    let mut field = call("http://x/", &[("xkey-purge", "{targets}")], "");
    (field.batch, field.join) = (2, " ".to_owned());
    let request = made(&field, &[tag("a"), tag("b")]).unwrap();
    assert_eq!(request.headers()["xkey-purge"], "a b");
}

#[test]
fn no_path_makes_another_request() {
    for text in ["http://x{path}", "http://x/purge/{url}", "http://x/{targets}"] {
        let error = made(&call(text, &[], ""), &[url("/../admin")]).unwrap_err();
        assert_eq!(error.as_str(), "refused", "{text}");
    }
    let elsewhere = call("http://x/?{path}", &[("x-path", "{path}")], "{path}");
    assert!(made(&elsewhere, &[url("/../admin")]).is_ok());
    let host = Location { base: "https://evil/..#@x".into(), path: "/a".into() };
    let request = made(&call("http://x/{host}{path}", &[], ""), &[Target::Url(host)]).unwrap();
    assert_eq!(request.uri().to_string(), "http://x/evil..x/a");
}

#[test]
fn what_makes_no_request_is_a_fault() {
    #[track_caller]
    fn check(call: &HttpCall, kind: TargetKind, expected: &str) {
        let error = Form::new(call, kind).err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains(expected)), "{error:?}");
    }
    let plain = |url: &str| call(url, &[], "");
    check(&plain("http://x/{tag}"), TargetKind::Url, "no value");
    check(&plain("http://x/{path}"), TargetKind::Tag, "no value");
    check(&plain("http://x/{path}"), TargetKind::All, "no value");
    check(&plain("http://x/{path.upper}"), TargetKind::Url, "no value");
    check(&plain("http://x/{targets}"), TargetKind::All, "`{targets}`");
    check(&plain("ftp://x/"), TargetKind::All, "goes nowhere");
    check(&plain("/purge"), TargetKind::All, "goes nowhere");
    check(&plain("http://a b/"), TargetKind::All, "no request");
    check(&HttpCall { batch: 2, ..plain("http://x/{path}") }, TargetKind::Url, "needs `{targets}`");
    check(&HttpCall { batch: 2, ..plain("http://x/{path}?{targets}") }, TargetKind::Url, "no single target");
    let secret = call("http://x/", &[("authorization", "Bearer s3cr3t{")], "");
    check(&secret, TargetKind::All, "`authorization`");
    let error = Form::new(&secret, TargetKind::All).err().unwrap();
    assert!(!format!("{error} {error:?} {secret:?}").contains("s3cr3t"));
}

#[test]
fn tokens_in_fields_are_known() {
    let secret = call("http://x/", &[("authorization", "Bearer s3cr3t-token"), ("accept", "text/plain")], "");
    let form = Form::new(&secret, TargetKind::All).unwrap();
    assert_eq!(form.secrets(), ["Bearer s3cr3t-token", "s3cr3t-token"]);
}

#[test]
fn what_is_written_in_queries_and_bodies_is_a_secret() {
    #[track_caller]
    fn check(address: &str, body: &str, secrets: &[&str], others: &[&str]) {
        let form = Form::new(&call(address, &[], body), TargetKind::Tag).unwrap();
        for secret in secrets {
            assert!(form.secrets().contains(secret), "{secret} in {address} {body}: {:?}", form.secrets());
        }
        for other in others {
            assert!(!form.secrets().contains(other), "{other} in {address} {body}");
        }
    }
    check(
        "http://api/purging?key=s3cr3t-12&tag={tag}",
        "",
        &["s3cr3t-12"],
        &["/purging", "purging", "key", "tag"],
    );
    check("http://api/?key=a%2Bb%2Fc9876&tag={tag}", "", &["a%2Bb%2Fc9876", "a+b/c9876"], &[]);
    check("http://api/?key=a+b/c98765==&tag={tag}", "", &["a+b/c98765"], &[]);
    check(
        "http://api/?tag={tag}",
        r#"{{"token":"s3cr3t:a b","tags":["{tag}"]}}"#,
        &["s3cr3t:a b"],
        &["tags", "token"],
    );
    check("http://api/?tag={tag}", "token=0123456789&tag={tag}", &["0123456789"], &["{tag}"]);
}
