use super::*;
use crate::cdn::{Alphabet, HostUse, Many, ProviderSettings, Rate, Separator, TagHeader, limits, providers};
use crate::secret::Secret;
use http::HeaderName;
use std::time::Duration;

const MANY: Many = Many { targets: 10, bytes: 1000, overhead: 0, longest: 60 };

fn settings(hosts: &[&str], public_url: Option<&str>) -> CdnSettings {
    CdnSettings {
        name: "edge".into(),
        provider: ProviderSettings::Fastly(providers::fastly::FastlySettings {
            service: "s".into(),
            token: Secret::new("t"),
            tags: false,
            endpoint: None,
        }),
        hosts: hosts.iter().map(|host| Box::from(*host)).collect(),
        public_url: public_url.map(Arc::from),
        gather: Duration::ZERO,
        second_purge: None,
        give_up_after: Duration::from_secs(60),
        timeout: Duration::from_secs(5),
        rate: None,
    }
}

/// An API by the kinds it takes: `u`rls (`q`: with their queries), `p`refixes, `t`ags, `a`ll.
fn takes(kinds: &str) -> Limits {
    let many = |kind| kinds.contains(kind).then_some(MANY);
    Limits {
        url: many('u'),
        prefix: many('p'),
        tag: many('t'),
        all: kinds.contains('a'),
        soft: false,
        queries: kinds.contains('q'),
        hosts: HostUse::Needed,
        rate: Rate { calls: 1, per: Duration::from_secs(1), burst: 1 },
        header: many('t').map(|_| TagHeader {
            name: HeaderName::from_static("cache-tag"),
            separator: Separator::Comma,
            tags: 100,
            bytes: 4096,
            longest: 40,
            alphabet: Alphabet { without: "", ignores_case: false },
        }),
        source: "",
    }
}

fn route(name: &str, host: Option<&str>, path: Option<&str>, tags: &[&str]) -> RouteReach {
    RouteReach {
        name: name.into(),
        host: host.map(|host| HostPattern::parse(host).unwrap()),
        path: path.map(|path| PathPattern::parse(path).unwrap()),
        tags: tags.iter().map(|tag| Template::parse(tag).unwrap().resolve().unwrap()).collect(),
    }
}

fn shop() -> Reach {
    Reach {
        routes: vec![
            route("product", Some("shop"), Some("/api/products/{id}"), &["product:{id}", "catalog"]),
            route("reviews", None, Some("/api/products/{id}/reviews"), &["product:{id}", "reviews"]),
            route(
                "of-shop",
                None,
                Some("/shops/{shop}/items/{item}"),
                &["shop:{shop}", "{query.kind}:{item}!"],
            ),
            route("files", None, Some("/files/{path...}"), &["file:{path}"]),
            route("home", None, Some("/home"), &["home"]),
            route("default", None, None, &["page:{region}"]),
        ],
        hosts: vec!["shop".into(), "www".into()],
        aliases: HostAliases::default(),
    }
}

fn spelled(targets: &Targets) -> Vec<String> {
    let word = |target: &Target| match target {
        Target::Url(place) => format!("u {place}"),
        Target::Prefix(place) => format!("p {place}"),
        Target::Tag(word) => format!("t {word}"),
        Target::All => "all".into(),
    };
    targets.as_ref().map_or_else(|error| vec![error.to_string()], |found| found.iter().map(word).collect())
}

#[track_caller]
fn check_with(settings: &CdnSettings, reach: &Reach, kinds: &str, matcher: Matcher, expected: &[&str]) {
    let aim = Aim::new(takes(kinds), settings);
    let purge = Invalidation::hard(matcher);
    assert_eq!(spelled(&aim.targets(&purge, reach)), expected, "{:?} with {kinds}", purge.matcher);
}

#[track_caller]
fn check(kinds: &str, matcher: Matcher, expected: &[&str]) {
    check_with(&settings(&["shop", "www"], None), &shop(), kinds, matcher, expected);
}

fn word(matcher: &Matcher) -> String {
    format!("t larder-{:016x}", matcher.hash().as_u64())
}

const OVERFLOW: &str = "t larder-overflow";

fn tag(text: &str) -> Matcher {
    Matcher::Tag(text.into())
}

#[test]
fn paths_are_urls_unless_those_miss_queries() {
    let path = || Matcher::path("shop", "/a/b");
    check("uqpta", path(), &["u https://shop/a/b"]);
    check("upta", path(), &[&word(&path()), OVERFLOW]);
    check("upa", path(), &["p https://shop/a/b"]);
    check("ua", path(), &["all"]);
    check("u", path(), &["u https://shop/a/b"]);
    check("a", path(), &["all"]);
    check("t", path(), &[&word(&path()), OVERFLOW]);
    check("uq", Matcher::path("shop", "/%61/b/?q=1"), &["u https://shop/%61/b/", "u https://shop/a/b"]);
}

#[test]
fn prefixes_are_prefixes_else_words() {
    let prefix = || Matcher::prefix("shop", "/a/./b/");
    check("uqpta", prefix(), &["p https://shop/a/b"]);
    check("uqta", prefix(), &[&word(&prefix()), OVERFLOW]);
    check("uqa", prefix(), &["all"]);
    check_with(
        &settings(&[], None),
        &shop(),
        "uq",
        prefix(),
        &["the API of this CDN has no way to purge by prefix, nor everything"],
    );
}

#[test]
fn tags_are_words_where_replies_bear_them() {
    check("uqpta", tag("product:7"), &["t product:7", OVERFLOW]);
    check("uqpta", tag("a,b"), &[&word(&tag("a,b")), OVERFLOW]);
    check("uqpta", Matcher::Route("product".into()), &[&word(&Matcher::Route("product".into())), OVERFLOW]);
}

#[test]
fn tags_are_what_the_rules_make_of_them_elsewhere() {
    check(
        "uqpa",
        tag("product:7"),
        &[
            "u https://shop/api/products/7",
            "u https://shop/api/products/7/reviews",
            "u https://www/api/products/7/reviews",
        ],
    );
    check("uqpa", tag("catalog"), &["p https://shop/api/products"]);
    check("uqpa", tag("shop:3"), &["p https://shop/shops/3/items", "p https://www/shops/3/items"]);
    check("uqpa", tag("toy:3!"), &["p https://shop/shops", "p https://www/shops"]);
    check("uqa", tag("shop:3"), &["all"]);
    check("uqpa", tag("home"), &["u https://shop/home", "u https://www/home"]);
    check("uqa", tag("file:x"), &["u https://shop/files/x", "u https://www/files/x"]);
    check(
        "uqa",
        tag("file:"),
        &["u https://shop/files/", "u https://shop/files", "u https://www/files/", "u https://www/files"],
    );
    check("uqpa", tag("page:eu"), &["p https://shop/", "p https://www/"]);
    check("uqpa", tag("product:"), &["all"]);
    check("uqpa", tag("of the origin"), &["all"]);
    check("uqpa", tag("product:a\u{fffd}b"), &["p https://shop/api/products", "p https://www/api/products"]);
}

#[test]
fn routes_are_where_their_patterns_begin_elsewhere() {
    let named = |name: &str| Matcher::Route(name.into());
    check("uqpa", named("product"), &["p https://shop/api/products"]);
    check("uqpa", named("home"), &["u https://shop/home", "u https://www/home"]);
    check("uqpa", named("default"), &["p https://shop/", "p https://www/"]);
    check("uqpa", named("gone"), &["all"]);
    check("uqa", named("product"), &["all"]);
}

#[test]
fn what_a_route_of_any_host_needs_is_said() {
    let cure = "set `hosts` of the CDN, or `host` of the route";
    for purge in [Matcher::Tag("home".into()), Matcher::Route("home".into())] {
        let targets = Aim::new(takes("uq"), &settings(&[], None))
            .targets(&Invalidation::hard(purge.clone()), &shop())
            .unwrap_err()
            .to_string();
        assert!(
            targets.starts_with("route `home` may answer for any host") && targets.ends_with(cure),
            "{targets}"
        );
        check_with(&settings(&["www"], None), &shop(), "uq", purge.clone(), &["u https://www/home"]);
        // Whoever takes neither is not helped by hosts.
        let unsayable = "the API of this CDN has no way to purge by url, nor everything";
        check_with(&settings(&[], None), &shop(), "", purge, &[unsayable]);
    }
}

#[test]
fn everything_is_all_else_a_word_else_every_host() {
    check("uqpta", Matcher::All, &["all"]);
    check("uqpt", Matcher::All, &[&word(&Matcher::All), OVERFLOW]);
    let unsayable = "the API of this CDN has no way to purge by all, nor everything";
    check_with(&settings(&[], None), &shop(), "uqp", Matcher::All, &[unsayable]);
    let of_two = settings(&["a", "b"], None);
    check_with(&of_two, &shop(), "uqp", Matcher::All, &["p https://a/", "p https://b/"]);
    let public = settings(&["a", "b"], Some("https://example.com/"));
    check_with(&public, &shop(), "uqp", Matcher::All, &["p https://example.com/"]);
}

#[test]
fn a_cdn_is_told_of_its_own_hosts_alone() {
    let of_shop = settings(&["shop"], None);
    let check = |matcher, expected: &[&str]| check_with(&of_shop, &shop(), "uqpa", matcher, expected);
    check(Matcher::path("www", "/a"), &[]);
    check(Matcher::prefix("www", "/a"), &[]);
    check(tag("home"), &["u https://shop/home"]);
    check(Matcher::All, &["all"]);
    let of_other = settings(&["other"], None);
    check_with(&of_other, &shop(), "uqpa", Matcher::Route("product".into()), &[]);
    let public = settings(&[], Some("http://example.com"));
    check_with(&public, &shop(), "uqpa", Matcher::path("any", "/a"), &["u http://example.com/a"]);
    check_with(&public, &shop(), "uqpa", tag("home"), &["u http://example.com/home"]);
}

#[test]
fn hosts_that_nobody_knows_are_all() {
    // Those that the file happens to name are not all that a route without a host answers for.
    for hosts in [Vec::new(), shop().hosts] {
        let reach = Reach { hosts, ..shop() };
        let check = |settings: &CdnSettings, matcher, expected: &[&str]| {
            check_with(settings, &reach, "uqpa", matcher, expected);
        };
        check(&settings(&[], None), tag("home"), &["all"]);
        check(&settings(&[], None), tag("catalog"), &["p https://shop/api/products"]);
        check(&settings(&[], Some("https://x")), tag("home"), &["u https://x/home"]);
        for host_use in [HostUse::None, HostUse::Optional] {
            let aim = Aim::new(Limits { hosts: host_use, ..takes("uqpa") }, &settings(&[], None));
            let targets = aim.targets(&Invalidation::hard(tag("home")), &reach);
            assert_eq!(spelled(&targets), ["u https:///home"], "{host_use:?}");
        }
    }
}

#[test]
fn a_service_is_purged_under_each_name_that_the_cdn_keeps_it_by() {
    let pairs = [("m", "shop"), ("cdn:8443", "shop"), ("old", "other")];
    let aliases = HostAliases::new(pairs.map(|(alias, name)| (alias.into(), name.into())));
    let reach = Reach { aliases, ..shop() };
    let of = |hosts: HostUse, kinds: &str, settings: &CdnSettings, matcher: Matcher, expected: &[&str]| {
        let aim = Aim::new(Limits { hosts, ..takes(kinds) }, settings);
        let targets = aim.targets(&Invalidation::hard(matcher), &reach);
        assert_eq!(spelled(&targets), expected, "{hosts:?} {kinds} {:?}", settings.hosts);
    };
    let a = || Matcher::path("shop", "/a");
    let below = || Matcher::prefix("shop", "/a");
    let catalog = || tag("catalog");
    let every = ["u https://shop/a", "u https://cdn:8443/a", "u https://m/a"];
    for (hosts, public_url, path, prefix, rule) in [
        (&[][..], None, &every[..], &["p https://shop/a", "p https://cdn:8443/a", "p https://m/a"][..], 3),
        (&["m"], None, &["u https://m/a"], &["p https://m/a"], 1),
        (
            &["m", "shop"],
            None,
            &["u https://m/a", "u https://shop/a"],
            &["p https://m/a", "p https://shop/a"],
            2,
        ),
        (&["shop"], None, &["u https://shop/a"], &["p https://shop/a"], 1),
        (&["old"], None, &[], &[], 0),
        (&["m"], Some("http://x"), &["u http://x/a"], &["p http://x/a"], 1),
        (&[], Some("http://x"), &["u http://x/a"], &["p http://x/a"], 1),
    ] {
        let settings = settings(hosts, public_url);
        of(HostUse::Needed, "uqpa", &settings, a(), path);
        of(HostUse::Optional, "uqpa", &settings, below(), prefix);
        let aim = Aim::new(takes("uqpa"), &settings);
        let targets = aim.targets(&Invalidation::hard(catalog()), &reach).unwrap();
        assert_eq!(targets.len(), rule, "{hosts:?}");
    }
    // Paths alone: once, whatever the names. Words are of the one name.
    of(HostUse::None, "uqpa", &settings(&[], None), a(), &["u https://shop/a"]);
    of(HostUse::None, "uqpa", &settings(&["m", "www"], None), tag("home"), &["u https://shop/home"]);
    of(HostUse::None, "uqpa", &settings(&["old"], None), a(), &[]);
    of(HostUse::Needed, "uqta", &settings(&["m"], None), below(), &[&word(&below()), OVERFLOW]);
    let aim = Aim::new(takes("uqta"), &settings(&[], None));
    let of_alias = Target::Url(Location { base: "https://m".into(), path: "/a/b".into() });
    let wider = aim.wider(&of_alias, &reach).unwrap();
    assert_eq!(spelled(&Ok(wider)), [word(&below()), OVERFLOW.to_owned()]);
}

#[test]
fn names_that_are_too_long_are_widened() {
    let long = "x".repeat(60);
    check("uqpa", Matcher::path("shop", &format!("/a/{long}/b")), &["p https://shop/a"]);
    check("uqa", Matcher::path("shop", &format!("/a/{long}/b")), &["all"]);
    check("uqpta", tag(&long), &[&word(&tag(&long)), OVERFLOW]);
    check_with(
        &settings(&[], None),
        &shop(),
        "uqp",
        Matcher::prefix(&long, "/a"),
        &["the API of this CDN has no way to purge by prefix, nor everything"],
    );
}

#[test]
fn each_target_has_a_wider_one_up_to_everything() {
    let place = |path: &str| Location { base: "https://shop".into(), path: path.into() };
    let check = |kinds: &str, target: Target, expected: Option<&[&str]>| {
        let aim = Aim::new(takes(kinds), &settings(&[], None));
        let wider = aim.wider(&target, &Reach::default()).map(|found| spelled(&Ok(found)));
        assert_eq!(
            wider.as_deref(),
            expected.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>()).as_deref()
        );
    };
    check("uqpa", Target::Url(place("/a/b")), Some(&["p https://shop/a"]));
    check("uqpa", Target::Url(place("/")), Some(&["p https://shop/"]));
    check("uqpa", Target::Prefix(place("/a")), Some(&["p https://shop/"]));
    check("uqpa", Target::Prefix(place("/")), Some(&["all"]));
    check("uqta", Target::Url(place("/a/b")), Some(&[&word(&Matcher::prefix("shop", "/a")), OVERFLOW]));
    check("uqpa", Target::Tag("t".into()), Some(&["all"]));
    check("uqpa", Target::All, None);
    check("uqp", Target::Prefix(place("/")), None);
}

#[test]
fn soft_is_hard_where_the_api_knows_no_soft() {
    let hard = Aim::new(takes("uq"), &settings(&[], None));
    assert_eq!(hard.mode(Mode::Soft), Mode::Hard);
    let soft = Aim::new(Limits { soft: true, ..takes("uq") }, &settings(&[], None));
    assert_eq!((soft.mode(Mode::Soft), soft.mode(Mode::Hard)), (Mode::Soft, Mode::Hard));
}

#[test]
fn whatever_an_api_takes_each_purge_can_be_said() {
    let matchers = [
        Matcher::path("shop", "/a"),
        Matcher::prefix("shop", "/a"),
        tag("product:7"),
        tag("of the origin"),
        Matcher::Route("product".into()),
        Matcher::All,
    ];
    for (name, limits) in limits::EACH {
        for tags in [true, false] {
            let aim = Aim::new(limits.clone().with_tags(tags), &settings(&[], None));
            for matcher in &matchers {
                let targets = aim.targets(&Invalidation::hard(matcher.clone()), &shop()).unwrap();
                assert!(!targets.is_empty(), "{name}: {matcher:?}");
                assert!(targets.iter().all(|target| aim.limits().many(target.kind()).is_some()), "{name}");
            }
        }
    }
}
