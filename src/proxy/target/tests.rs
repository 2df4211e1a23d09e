use super::*;
use crate::engine::{CacheRule, Collapse};
use crate::key::KeyRule;
use crate::proxy::fixture;
use crate::semantics::FreshnessRule;

const PEER: &str = "10.0.0.1:1234";

fn connection(peer: &str) -> Connection {
    Connection::new(peer.parse().unwrap(), "127.0.0.1:80".parse().unwrap(), Scheme::Http)
}

fn request(method: &str, target: &str, fields: &[(&'static str, &str)]) -> RequestHeader {
    let mut request = RequestHeader::build(method, target.as_bytes(), None).unwrap();
    for (name, value) in fields {
        request.append_header(*name, *value).unwrap();
    }
    request
}

fn cached() -> Route {
    let key = KeyRule::default();
    let freshness = FreshnessRule::default();
    let cache = CacheRule {
        freshness,
        key,
        tags: Vec::new(),
        memory_ttl: None,
        collapse: Collapse::Fleet,
        memory: true,
        remote: true,
        sliding: None,
    };
    Route { cache: Some(cache), ..fixture::route() }
}

/// The way of a request on a route that caches.
#[track_caller]
fn goes(request: &RequestHeader, wanted: Way) {
    let edge = fixture::edge(&[]);
    let connection = connection(PEER);
    let target = Target::of(request, &connection, &edge);
    assert_eq!(way(request, &target, &cached()), wanted, "{request:?}");
}

const HOST_A: (&str, &str) = ("host", "a");

fn bypass(detail: &'static str) -> Way {
    Way::Pass(Forward::Bypass, Some(detail))
}

#[test]
fn plain_reads_are_answered() {
    goes(&request("GET", "/a?b", &[HOST_A]), Way::Engine);
    goes(&request("HEAD", "/", &[HOST_A]), Way::Engine);
    goes(&request("GET", "/", &[HOST_A, ("content-length", "0")]), Way::Engine);
}

#[test]
fn what_may_not_be_stored_passes() {
    goes(&request("POST", "/", &[HOST_A]), Way::Pass(Forward::Method, None));
    goes(&request("OPTIONS", "*", &[HOST_A]), Way::Pass(Forward::Method, None));
    goes(&request("BREW", "/", &[HOST_A]), Way::Pass(Forward::Method, None));
    goes(&request("GET", "/", &[HOST_A, ("upgrade", "websocket")]), bypass("upgrade"));
    goes(&request("GET", "/", &[HOST_A, ("content-length", "1")]), bypass("body"));
    goes(&request("GET", "/", &[HOST_A, ("transfer-encoding", "chunked")]), bypass("body"));
    goes(&request("GET", "/", &[HOST_A, ("connection", "accept"), ("accept", "a")]), bypass("connection"));
    goes(&request("GET", "/", &[]), bypass("host"));
    goes(&request("GET", "/", &[("host", "")]), bypass("host"));
    goes(&request("GET", "/a/../b", &[HOST_A]), bypass("path"));
    goes(&request("GET", "/a%2fb", &[HOST_A]), bypass("path"));
    goes(&request("GET", "//a", &[HOST_A]), bypass("path"));
}

#[test]
fn a_route_without_a_cache_passes() {
    let edge = fixture::edge(&[]);
    let (connection, request) = (connection(PEER), request("GET", "/", &[HOST_A]));
    let target = Target::of(&request, &connection, &edge);
    assert_eq!(way(&request, &target, &fixture::route()), Way::Pass(Forward::Bypass, None));
}

#[test]
fn powers_are_refused() {
    goes(&request("PURGE", "/", &[HOST_A]), Way::Purge);
    goes(&request("CONNECT", "a:443", &[HOST_A]), Way::Refuse);
}

#[test]
fn unknown_methods_are_writes() {
    for (method, wanted) in [
        ("GET", false),
        ("HEAD", false),
        ("OPTIONS", false),
        ("TRACE", false),
        ("POST", true),
        ("BREW", true),
    ] {
        assert_eq!(is_write(&method.parse().unwrap()), wanted, "{method}");
    }
}

/// Scheme and authority of a request, with 10.0.0.0/8 trusted.
#[track_caller]
fn seen(peer: &str, fields: &[(&'static str, &str)], wanted: (Scheme, &str)) {
    let edge = fixture::edge(&["10.0.0.0/8"]);
    let (connection, request) = (connection(peer), request("GET", "/", fields));
    let target = Target::of(&request, &connection, &edge);
    assert_eq!((target.scheme, target.authority()), wanted, "{peer} {fields:?}");
}

#[test]
fn trusted_proxies_name_scheme_and_authority() {
    let told = [HOST_A, ("x-forwarded-proto", "https"), ("x-forwarded-host", "Shop.Example.com:443")];
    seen(PEER, &told, (Scheme::Https, "shop.example.com"));
    seen("1.1.1.1:1", &told, (Scheme::Http, "a"));
    seen(PEER, &[HOST_A, ("x-forwarded-proto", "gopher")], (Scheme::Http, "a"));
    seen(PEER, &[("host", "A:80")], (Scheme::Http, "a"));
}

#[test]
fn http2_names_its_authority_in_the_target() {
    let request = http::Request::builder().uri("http://Shop/p?q").body(()).unwrap();
    let request = RequestHeader::from(request.into_parts().0);
    let (edge, connection) = (fixture::edge(&[]), connection(PEER));
    let target = Target::of(&request, &connection, &edge);
    assert_eq!(
        (target.host, target.authority(), target.path, target.query),
        ("Shop", "shop", "/p", Some("q"))
    );
}
