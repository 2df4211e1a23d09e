use super::*;
use crate::invalidation::{MAX_TEXT, Statuses, Template, When, tag_name};
use http::HeaderValue;

/// A reply: status, fields, and its body; `None` while that is to come.
type Replied<'a> = (u16, &'a [(&'static str, &'a str)], Option<&'a str>);

/// What `rule` purges after a write to `shop/products/%37`; matchers in short form, soft ones behind a `~`, and `…` at the end if
/// the body of the reply will tell more.
fn planned(rule: &WriteRule, body: Option<&str>, reply: Option<Replied<'_>>) -> Vec<String> {
    let headers = |fields: &[(&'static str, &str)]| -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        fields.iter().map(field).collect()
    };
    let json = |text: &str| Json::parse(text.as_bytes());
    let (request_body, request) = (body.and_then(json), headers(&[("x-store", "north")]));
    let reply = reply.map(|(status, fields, body)| (status, headers(fields), body.map(json)));
    let write = WriteSeen {
        authority: "shop",
        path: "/products/%37",
        values: Values {
            captures: &|name| (name == "id").then_some("%37"),
            query: Some("page=2"),
            region: Some("eu"),
            request: &request,
            reply: None,
            request_body: request_body.as_ref(),
            reply_body: None,
        },
        reply: reply.as_ref().map(|(status, headers, body)| ReplySeen {
            status: StatusCode::from_u16(*status).unwrap(),
            headers,
            body: body.as_ref().map_or(BodySeen::ToCome, |body| BodySeen::Whole(body.as_ref())),
        }),
    };
    let canonical = |authority: &str| match authority.to_ascii_lowercase().as_str() {
        "alias" => "shop".to_owned(),
        other => other.to_owned(),
    };
    let plan = plan_write(rule, &write, canonical);
    plan.purges.iter().map(short).chain(plan.waits.then(|| "…".to_owned())).collect()
}

fn short(invalidation: &Invalidation) -> String {
    let matcher = match &invalidation.matcher {
        Matcher::Path { authority, path } => format!("{authority}{path}"),
        Matcher::Prefix { authority, path } => format!("{authority}{path} **"),
        Matcher::Tag(tag) => format!("#{tag}"),
        Matcher::Route(route) => format!("route {route}"),
        Matcher::All => "all".to_owned(),
    };
    if invalidation.mode == Mode::Soft { format!("~{matcher}") } else { matcher }
}

fn tag(text: &str) -> Selector {
    Selector::Tag(Template::parse(text).unwrap().resolve().unwrap())
}

fn url(text: &str) -> Selector {
    Selector::Url(Template::parse(text).unwrap().resolve().unwrap())
}

fn prefix(text: &str) -> Selector {
    Selector::Prefix(Template::parse(text).unwrap().resolve().unwrap())
}

fn rule(selectors: &[Selector], mode: Mode) -> WriteRule {
    let purge = selectors.iter().map(|selector| PurgeRule::new(selector.clone(), mode)).collect();
    WriteRule { purge, mode, ..WriteRule::default() }
}

#[test]
fn the_status_decides_whether_anything_changed() {
    let rule = rule(&[tag("t")], Mode::Hard);
    for done in [200, 201, 204, 301, 303, 304, 500, 502, 504, 599] {
        assert_eq!(planned(&rule, None, Some((done, &[], None))), ["shop/products/%37", "#t"], "{done}");
    }
    for refused in [400, 403, 404, 409, 412, 499] {
        let reply = Some((refused, &[("location", "/a")][..], None));
        assert!(planned(&rule, None, reply).is_empty(), "{refused}");
    }
    assert_eq!(planned(&rule, None, None), ["shop/products/%37", "#t"]);
}

#[test]
fn locations_on_the_same_authority_die_too() {
    #[track_caller]
    fn check(fields: &[(&'static str, &str)], expected: &[&str]) {
        let all = planned(&rule(&[], Mode::Soft), None, Some((201, fields, None)));
        assert_eq!(all[0], "shop/products/%37");
        assert_eq!(all[1..], *expected, "{fields:?}");
    }
    check(&[("location", "/products/8")], &["shop/products/8"]);
    check(&[("content-location", "/products/8")], &["shop/products/8"]);
    check(&[("location", "/a"), ("content-location", "/b")], &["shop/a", "shop/b"]);
    check(&[("location", "/a"), ("content-location", "/a")], &["shop/a"]);
    check(&[("location", "https://Alias/a?x=1")], &["shop/a"]);
    check(&[("location", "http://alias:80/a")], &["shop/a"]);
    check(&[("location", "//alias/a")], &["shop/a"]);
    check(&[("location", "https://other/a")], &[]);
    check(&[("location", "https://alias:8443/a")], &[]);
    check(&[("location", "mailto:a@b")], &[]);
    check(&[("location", "9")], &["shop/products/9"]);
    check(&[("location", "../a")], &["shop/a"]);
    check(&[("location", "/ü")], &["shop/ü"]);
    check(&[("location", "\u{fffd}://")], &["shop/products/\u{fffd}://"]);
}

#[test]
fn selectors_say_what_else() {
    #[track_caller]
    fn check(selector: Selector, expected: &[&str]) {
        let fields = [("x-shelf", "top shelf"), ("x-two", "a"), ("x-two", "b")];
        let body = Some(r#"{"category": 12, "path": "a/b"}"#);
        let reply = Some((200, &fields[..], Some(r#"{"id": "new", "path": "c/../d"}"#)));
        let all = planned(&rule(&[selector], Mode::Soft), body, reply);
        assert_eq!(all[0], "shop/products/%37");
        assert_eq!(all[1..], *expected);
    }
    check(Selector::SelfUrl, &[]);
    check(tag("product:{id}"), &["~#product:7"]);
    check(tag("{query.page}:{region}:{header.X-Store}"), &["~#2:eu:north"]);
    check(tag("{reply.X-Shelf}"), &["~#top shelf"]);
    check(tag("{body./category}:{body./id}"), &["~#12:new"]);
    check(url("/products/{id}/price"), &["~shop/products/%37/price"]);
    check(url("/shelves/{reply.X-Shelf}"), &["~shop/shelves/top%20shelf"]);
    check(url("https://Other/a"), &["~other/a"]);
    check(url("http://alias/a"), &["~shop/a"]);
    check(url("ftp://other/a"), &[]);
    check(prefix("/categories"), &["~shop/categories **"]);
    check(prefix("http://other/{id}"), &["~other/%37 **"]);
    check(prefix("/categories/{request.body./path}"), &["~shop/categories/a%2Fb **"]);
    check(prefix("/categories/{reply.body./path}"), &["~shop/categories/ **"]);
    check(Selector::Route("product".into()), &["~route product"]);
    check(Selector::All, &["~all"]);
}

#[test]
fn a_missing_value_widens() {
    #[track_caller]
    fn check(selector: Selector, expected: &str) {
        assert_eq!(planned(&rule(&[selector], Mode::Hard), None, None)[1..], [expected]);
    }
    check(tag("product:{x}"), "all");
    check(tag("{reply.X-Shelf}"), "all");
    check(url("/a/b{x}/c"), "shop/a/ **");
    check(url("/a/{id}/{x}"), "shop/a/%37/ **");
    check(prefix("/{x}/c"), "shop/ **");
    check(prefix("http://other/a{x}"), "other/ **");
    check(prefix("/a/{header.X-Store}/{body./b}"), "shop/a/north/ **");
    for unknown_host in ["{x}", "http://{x}/a", "http://other{x}/a", "//{x}/a"] {
        check(url(unknown_host), "all");
    }
}

#[test]
fn a_long_value_is_known() {
    let long = "A".repeat(MAX_TEXT + 52);
    let purged = |selector: Selector, stand_in: Option<Selector>| {
        let body = Some(format!(r#"{{"long": "{long}"}}"#));
        let captures = |name: &str| (name == "id").then_some(&*long);
        let request_body = body.and_then(|text| Json::parse(text.as_bytes()));
        let request = HeaderMap::new();
        let values = Values {
            captures: &captures,
            query: None,
            region: None,
            request: &request,
            reply: None,
            request_body: request_body.as_ref(),
            reply_body: None,
        };
        let purge = PurgeRule { on_unknown: stand_in, ..PurgeRule::new(selector, Mode::Hard) };
        let rule = WriteRule { purge: vec![purge], ..WriteRule::default() };
        let write = WriteSeen { authority: "shop", path: "/target", values, reply: None };
        plan_write(&rule, &write, str::to_owned).purges.iter().skip(1).map(short).collect::<Vec<_>>()
    };
    let name = tag_name(&format!("stock:{long}")).into_owned();
    assert!(name.len() < 200);
    assert_eq!(purged(tag("stock:{id}"), None), [format!("#{name}")]);
    assert_eq!(purged(tag("stock:{request.body./long}"), Some(Selector::All)), [format!("#{name}")]);
    // What a path captures is no longer than what dies as the target.
    assert_eq!(purged(url("/{id}/price"), None), [format!("shop/{long}/price")]);
    assert_eq!(purged(prefix("/{id}"), None), [format!("shop/{long} **")]);
    // Whoever sends too much purges no more than whoever sends nothing.
    assert_eq!(purged(url("/a/{request.body./long}/c"), None), ["shop/a/ **"]);
    assert_eq!(purged(prefix("http://{request.body./long}/c"), Some(prefix("/b"))), ["shop/b **"]);
}

#[test]
fn a_path_with_dots_reaches_no_more_than_a_name() {
    #[track_caller]
    fn check(selector: &Selector, expected: &[&str]) {
        for id in ["..", "%2e%2E", "."] {
            let captures = |_: &str| Some(id);
            let request = HeaderMap::new();
            let values = Values {
                captures: &captures,
                query: None,
                region: None,
                request: &request,
                reply: None,
                request_body: None,
                reply_body: None,
            };
            let write = WriteSeen { authority: "shop", path: "/target", values, reply: None };
            let all = plan_write(&rule(std::slice::from_ref(selector), Mode::Hard), &write, str::to_owned);
            let all: Vec<_> = all.purges.iter().skip(1).map(short).collect();
            assert_eq!(all, expected, "{selector} {id}");
        }
    }
    check(&prefix("/x/{id}"), &["shop/x/ **"]);
    check(&prefix("/c/{id}/items"), &["shop/c/ **"]);
    check(&url("http://other/x/{id}"), &["other/x/ **"]);
    check(&prefix("/{id}"), &["shop/"]);
    check(&prefix("http://other/{id}/x"), &["other/"]);
    check(&prefix("http://{id}/x"), &[]);
}

#[test]
fn a_stand_in_takes_the_place_of_what_is_not_known() {
    #[track_caller]
    fn check(own: Option<Selector>, of_rule: Option<Selector>, body: &str, expected: &[&str]) {
        let selector = tag("c:{request.body./c}");
        let purge = PurgeRule { on_unknown: own, ..PurgeRule::new(selector, Mode::Soft) };
        let rule = WriteRule { purge: vec![purge], on_unknown: of_rule, ..WriteRule::default() };
        let reply = Some((200, &[][..], Some("")));
        assert_eq!(planned(&rule, Some(body), reply)[1..], *expected, "{rule:?}");
    }
    check(Some(prefix("/c/{id}")), None, r#"{"c": 1}"#, &["~#c:1"]);
    check(Some(prefix("/c/{id}")), None, "{}", &["~shop/c/%37 **"]);
    check(Some(prefix("/c/{id}")), Some(Selector::All), "{}", &["~shop/c/%37 **"]);
    // That of the rule stands for `Location` alone: it need not be wide enough for anything else.
    check(None, Some(prefix("/c")), "{}", &["~all"]);
    check(None, None, "{}", &["~all"]);
    check(Some(Selector::SelfUrl), None, "{}", &[]);
    // A stand-in that is not known either is widened itself.
    check(Some(prefix("/c/{header.X-None}")), Some(Selector::All), "{}", &["~shop/c/ **"]);
}

#[test]
fn a_reply_that_nobody_saw_has_a_stand_in() {
    let rule = WriteRule { on_unknown: Some(prefix("/products")), ..WriteRule::default() };
    for reply in [None, Some((500, &[][..], None)), Some((101, &[], None))] {
        assert_eq!(planned(&rule, None, reply), ["shop/products/%37", "shop/products **"], "{reply:?}");
    }
    assert_eq!(planned(&rule, None, Some((200, &[], None))), ["shop/products/%37"]);
    let soft = WriteRule { mode: Mode::Soft, ..rule };
    assert_eq!(planned(&soft, None, None), ["shop/products/%37", "~shop/products **"]);
}

#[test]
fn conditions_are_judged_where_a_reply_tells() {
    #[track_caller]
    fn check(reply: Option<Replied<'_>>, purged: bool) {
        let when = When {
            statuses: vec![Statuses::One(201)],
            fields: vec![(HeaderName::from_static("x-moved"), None)],
        };
        let rule = WriteRule {
            purge: vec![PurgeRule { when, ..PurgeRule::new(tag("t"), Mode::Hard) }],
            ..WriteRule::default()
        };
        let wanted = if purged { &["shop/products/%37", "#t"][..] } else { &["shop/products/%37"] };
        assert_eq!(planned(&rule, None, reply), wanted, "{reply:?}");
    }
    let moved = &[("x-moved", "")][..];
    check(Some((201, moved, None)), true);
    check(Some((200, moved, None)), false);
    check(Some((201, &[], None)), false);
    check(Some((503, &[], None)), true);
    check(None, true);
}

#[test]
fn what_the_body_of_the_reply_tells_waits_for_it() {
    let when = When { statuses: vec![Statuses::One(201)], fields: Vec::new() };
    let rule = WriteRule {
        purge: vec![
            PurgeRule { when, on_unknown: Some(tag("a")), ..PurgeRule::new(tag("a:{body./a}"), Mode::Hard) },
            PurgeRule {
                on_unknown: Some(prefix("/b")),
                ..PurgeRule::new(tag("b:{reply.body./b}"), Mode::Hard)
            },
            PurgeRule::new(tag("c:{request.body./a}"), Mode::Hard),
        ],
        ..WriteRule::default()
    };
    #[track_caller]
    fn check(rule: &WriteRule, reply: Option<Replied<'_>>, expected: &[&str]) {
        assert_eq!(planned(rule, Some(r#"{"a": 1, "b": 1}"#), reply)[1..], *expected, "{reply:?}");
    }
    check(&rule, Some((201, &[], None)), &["#c:1", "…"]);
    check(&rule, Some((201, &[], Some(r#"{"a": 2, "b": 3}"#))), &["#a:2", "#b:3", "#c:1"]);
    check(&rule, Some((200, &[], Some(r#"{"a": 2, "b": 3}"#))), &["#b:3", "#c:1"]);
    check(&rule, Some((201, &[], Some("{}"))), &["#a:1", "shop/b **", "#c:1"]);
    check(&rule, Some((201, &[], Some("not JSON"))), &["#a:1", "shop/b **", "#c:1"]);
    // What a failed write says in its body is about the failure.
    // And what the request says a reply might have corrected.
    check(&rule, Some((500, &[], Some(r#"{"a": 2, "b": 3}"#))), &["#a:1", "#a", "shop/b **", "#c:1"]);
    check(&rule, Some((500, &[], None)), &["#a:1", "#a", "shop/b **", "#c:1"]);
    check(&rule, None, &["#a:1", "#a", "shop/b **", "#c:1"]);
}

#[test]
fn the_word_of_a_request_is_not_enough_in_doubt() {
    #[track_caller]
    fn check(selector: Selector, in_doubt: &[&str]) {
        let rule = rule(&[selector], Mode::Hard);
        let body = Some(r#"{"a": "x"}"#);
        assert_eq!(planned(&rule, body, None)[1..], *in_doubt);
        assert_eq!(planned(&rule, body, Some((204, &[], Some(""))))[1..], in_doubt[..1]);
    }
    check(url("/a/{body./a}/c"), &["shop/a/x/c", "shop/a/ **"]);
    check(prefix("/{id}/{body./a}"), &["shop/%37/x **", "shop/%37/ **"]);
    check(url("http://{body./a}/c"), &["x/c", "all"]);
    check(tag("a:{body./a}"), &["#a:x", "all"]);
    check(tag("a:{request.body./a}"), &["#a:x"]);
}

#[test]
fn nothing_is_said_twice() {
    let twice = rule(&[tag("t"), tag("t")], Mode::Hard);
    assert_eq!(planned(&twice, None, None), ["shop/products/%37", "#t"]);
    let own = rule(&[url("/products/%37")], Mode::Soft);
    assert_eq!(planned(&own, None, None), ["shop/products/%37"]);
}

#[test]
fn a_target_with_dots_is_purged_in_every_reading() {
    let request = HeaderMap::new();
    let values = Values {
        captures: &|_| None,
        query: None,
        region: None,
        request: &request,
        reply: None,
        request_body: None,
        reply_body: None,
    };
    let write = WriteSeen { authority: "shop", path: "/a//../b", values, reply: None };
    let all = plan_write(&WriteRule::default(), &write, str::to_owned);
    assert_eq!(all.purges.iter().map(short).collect::<Vec<_>>(), ["shop/a/b", "shop/a//../b"]);
    let plain = WriteSeen { path: "/a/../b", ..write };
    assert_eq!(plan_write(&WriteRule::default(), &plain, str::to_owned).purges.len(), 1);
}
