use super::{RoutePattern, Router, Shadowed};
use crate::route::{HostPattern, PathPattern};
use http::Method;
use proptest::prelude::*;

/// `[METHOD,…] [//host]/path`, as short as a table wants it.
fn route(text: &str) -> RoutePattern {
    let (methods, target) =
        text.split_once(' ').map_or((None, text), |(methods, rest)| (Some(methods), rest));
    let (host, path) = match target.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap()),
        None => ("", target),
    };
    RoutePattern {
        host: (!host.is_empty()).then(|| HostPattern::parse(host).unwrap()),
        path: PathPattern::parse(path).unwrap(),
        methods: methods.map(|list| list.split(',').map(|name| name.parse().unwrap()).collect()),
    }
}

fn routes(texts: &[&str]) -> Vec<RoutePattern> {
    texts.iter().map(|text| route(text)).collect()
}

/// Each request is `METHOD authority path`.
fn check(patterns: &[&str], cases: &[(&str, Option<usize>)]) {
    let router = Router::new(&routes(patterns));
    for (request, expected) in cases {
        let [method, authority, path] = request.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{request}")
        };
        let method: Method = method.parse().unwrap();
        assert_eq!(router.find(authority, path, &method), *expected, "{request}");
    }
}

#[test]
fn the_first_match_wins_however_precise_a_later_one_is() {
    check(
        &["/a/{x}", "/a/b", "/a/**", "/{x}/b", "/**"],
        &[
            ("GET h /a/b", Some(0)),
            ("GET h /a", Some(2)),
            ("GET h /a/", Some(2)),
            ("GET h /a/b/c", Some(2)),
            ("GET h /c/b", Some(3)),
            ("GET h /c", Some(4)),
            ("GET h *", None),
            ("GET h ", None),
        ],
    );
    check(
        &["/{x}/b/c", "/a/{x}/d", "/a/b/{x}", "/a/b-{x}/e", "/a/b/c"],
        &[
            ("GET h /a/b/c", Some(0)),
            ("GET h /a/b/d", Some(1)),
            ("GET h /a/b/e", Some(2)),
            ("GET h /a/b-1/e", Some(3)),
            ("GET h /a/b-/e", None),
            ("GET h /x/y/z", None),
        ],
    );
}

#[test]
fn methods_and_hosts_are_part_of_the_match() {
    check(
        &["GET,HEAD /a", "POST /a", "//x.com:81/a", "//*.x.com/a", "//x.com/a", "PURGE,QUERY /a", "/b"],
        &[
            ("GET x.com /a", Some(0)),
            ("HEAD y.com /a", Some(0)),
            ("POST y.com /a", Some(1)),
            ("PUT y.com /a", None),
            ("PUT x.com:81 /a", Some(2)),
            ("PUT x.com:82 /a", Some(4)),
            ("PUT x.com /a", Some(4)),
            ("PUT w.x.com:9 /a", Some(3)),
            ("PUT v.w.x.com /a", Some(3)),
            ("PUT vx.com /a", None),
            ("PUT .x.com /a", None),
            ("PUT [::1]:81 /a", None),
            ("QUERY y.com /a", Some(5)),
            ("PUT y.com /b", Some(6)),
        ],
    );
}

#[test]
fn odd_spellings_fall_past_a_rule_and_never_into_a_literal_one() {
    check(
        &["/static/**", "/api/v1/carts/{id}"],
        &[
            ("GET h /api//v1/carts/1", None),
            ("GET h /%61pi/v1/carts/1", None),
            ("GET h /api/v1/carts/1/", None),
            ("GET h /API/v1/carts/1", None),
            // Matches as sent; that it is ambiguous is what keeps it out of the cache.
            ("GET h /static/../api/v1/carts/1", Some(0)),
            ("GET h /api/v1/carts/..", Some(1)),
        ],
    );
}

/// Every combination of a literal and a wildcard in `DEPTH` segments: the most that one path can make the router try.
#[test]
fn no_path_costs_more_than_the_patterns_hold() {
    const DEPTH: u32 = 12;
    let all: Vec<_> = (0..1_u32 << DEPTH)
        .map(|bits| {
            let path: String = (0..DEPTH).map(|at| if bits >> at & 1 == 1 { "/a" } else { "/*" }).collect();
            route(&(path + "/end"))
        })
        .collect();
    let router = Router::new(&all);
    let path = "/a".repeat(DEPTH as usize);
    let started = std::time::Instant::now();
    for end in ["/miss", "/", "", "//", "/end/more", &"/a".repeat(20_000)] {
        assert_eq!(router.find("h", &(path.clone() + end), &Method::GET), None, "{end:.9}");
    }
    assert_eq!(router.find("h", &(path + "/end"), &Method::GET), Some(0));
    // Some 50,000 nodes; a matcher that went through a segment's choices more than once would take days.
    assert!(started.elapsed().as_secs() < 10);
}

#[test]
fn unreachable_routes_are_named_with_what_takes_their_requests() {
    for (patterns, expected) in [
        (&["/a", "/a"][..], &[(1, 0)][..]),
        (&["/a/{x}", "/a/*"], &[(1, 0)]),
        (
            &["/api/**", "/api/x", "/api/x/{y}", "/api", "/api/", "/api/{z...}", "/apix"],
            &[(1, 0), (2, 0), (3, 0), (4, 0), (5, 0)],
        ),
        (&["/a/*", "/a/b", "/a/b-*", "/a/", "/a/**"], &[(1, 0), (2, 0)]),
        (&["/a/b-*", "/a/b-c-*", "/a/b-c", "/a/b-*.css", "/a/b-", "/a/*"], &[(1, 0), (2, 0), (3, 0)]),
        (&["/a/*.css", "/a/*.min.css", "/a/*.js", "/a/x.css", "/a/.css"], &[(1, 0), (3, 0)]),
        (&["GET,HEAD /a", "GET /a", "/a", "POST /a"], &[(1, 0), (3, 2)]),
        (&["GET /a", "GET,POST /a", "GET,POST /a"], &[(2, 1)]),
        (&["/a", "//x.com/a", "//*.x.com/a", "//x.com:81/a"], &[(1, 0), (2, 0), (3, 0)]),
        (&["//x.com/a", "//x.com:81/a", "//y.x.com/a", "/a"], &[(1, 0)]),
        (&["//x.com:81/a", "//x.com/a"], &[]),
        (
            &["//*.x.com/a", "//y.x.com/a", "//*.y.x.com/a", "//y.x.com:81/a", "//x.com/a"],
            &[(1, 0), (2, 0), (3, 0)],
        ),
        (&["//*.x.com:81/a", "//y.x.com/a", "//y.x.com:81/a", "//*.y.x.com:81/a"], &[(2, 0), (3, 0)]),
        (&["/**", "/", "//x.com/a/{b}"], &[(1, 0), (2, 0)]),
        (&["/a/b", "/a/*", "/a/**", "/**"], &[]),
        (&["/{x}/b", "/a/{x}", "/a/b"], &[(2, 0)]),
        (&["/a/*/c", "/a/**"], &[]),
        (&["/a", "/a/*", "/a/**", "/a/*/**"], &[(3, 2)]),
        (&["GET /a", "POST /a", "GET,POST /a"], &[]),
    ] {
        let found = Router::shadowed(&routes(patterns));
        let expected: Vec<_> =
            expected.iter().map(|(route, by)| Shadowed { route: *route, by: *by }).collect();
        assert_eq!(found, expected, "{patterns:?}");
    }
}

/// What the router must agree with.
fn first_by_trying_each(
    routes: &[RoutePattern],
    authority: &str,
    path: &str,
    method: &Method,
) -> Option<usize> {
    routes.iter().position(|route| {
        route.host.as_ref().is_none_or(|host| host.matches(authority))
            && route.path.captures(path).is_some()
            && route.methods.as_ref().is_none_or(|methods| methods.contains(method))
    })
}

fn a_route() -> impl Strategy<Value = String> {
    let methods = prop::sample::select(&["", "", "GET ", "GET,HEAD ", "POST ", "PURGE "][..]);
    let hosts = prop::sample::select(
        &[
            "",
            "",
            "",
            "//x.com",
            "//x.com:81",
            "//*.x.com",
            "//y.x.com",
            "//*.x.com:81",
            "//*.y.x.com",
            "//[::1]",
        ][..],
    );
    let segment = prop::sample::select(&["/a", "/b", "/ab", "/*", "/a*", "/*b", "/a*b", "/ab*"][..]);
    let end = prop::sample::select(&["", "", "/", "/**"][..]);
    (methods, hosts, prop::collection::vec(segment, 0..4), end).prop_map(|(methods, host, segments, end)| {
        let path = segments.concat() + end;
        format!("{methods}{host}{}", if path.is_empty() { "/" } else { &path })
    })
}

fn a_request() -> impl Strategy<Value = (&'static str, String, Method)> {
    let authority = prop::sample::select(
        &[
            "x.com",
            "x.com:81",
            "x.com:82",
            "y.x.com",
            "y.x.com:81",
            "z.y.x.com",
            "z.com",
            "[::1]",
            "[::1]:81",
        ][..],
    );
    let segment = prop::sample::select(&["/a", "/b", "/ab", "/aab", "/abb", "/aé", "/éb", "/", "/c"][..]);
    let method =
        prop::sample::select(&[Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::TRACE][..]);
    let method = prop_oneof![9 => method, 1 => Just("PURGE".parse().unwrap())];
    (authority, prop::collection::vec(segment, 0..6).prop_map(|segments| segments.concat()), method)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_trying_each(
        texts in prop::collection::vec(a_route(), 0..40),
        requests in prop::collection::vec(a_request(), 1..30),
    ) {
        let routes: Vec<_> = texts.iter().map(|text| route(text)).collect();
        let router = Router::new(&routes);
        let shadowed = Router::shadowed(&routes);
        for (authority, path, method) in requests {
            let found = router.find(authority, &path, &method);
            prop_assert_eq!(found, first_by_trying_each(&routes, authority, &path, &method));
            for Shadowed { route, by } in &shadowed {
                prop_assert!(by < route && found != Some(*route));
            }
        }
    }

    #[test]
    fn an_adversarial_path_is_only_a_path(path in "\\PC{0,200}", authority in "\\PC{0,40}") {
        let routes = routes(&["/a*b/**", "//*.x.com/{x}", "/{x}/*-"]);
        let router = Router::new(&routes);
        prop_assert_eq!(
            router.find(&authority, &path, &Method::GET),
            first_by_trying_each(&routes, &authority, &path, &Method::GET)
        );
    }
}
