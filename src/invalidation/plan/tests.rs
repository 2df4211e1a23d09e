use super::*;
use http::HeaderValue;

/// What `selectors` purge after a write to `shop/products/%37`; matchers in short form, soft ones behind a `~`.
fn planned(selectors: &[Selector], mode: Mode, reply: Option<(u16, &[(&'static str, &str)])>) -> Vec<String> {
    let headers = |fields: &[(&'static str, &str)]| -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        fields.iter().map(field).collect()
    };
    let reply = reply.map(|(status, fields)| (StatusCode::from_u16(status).unwrap(), headers(fields)));
    let write = WriteSeen {
        authority: "shop",
        path: "/products/%37",
        reply: reply.as_ref().map(|(status, headers)| (*status, headers)),
    };
    let rule = WriteRule { purge: selectors.to_vec(), mode };
    let captures = |name: &str| (name == "id").then_some("%37");
    let canonical = |authority: &str| match authority.to_ascii_lowercase().as_str() {
        "alias" => "shop".to_owned(),
        other => other.to_owned(),
    };
    let headers = HeaderMap::new();
    plan_write(&rule, &write, &values(&captures, &headers), canonical).iter().map(short).collect()
}

fn values<'a>(captures: &'a dyn Fn(&str) -> Option<&'a str>, request: &'a HeaderMap) -> Values<'a> {
    Values { captures, query: None, region: None, request, reply: None, request_body: None, reply_body: None }
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

fn template(text: &str) -> Template<Variable> {
    Template::parse(text).unwrap().resolve().unwrap()
}

#[test]
fn the_status_decides_whether_anything_changed() {
    let tag = [Selector::Tag(template("t"))];
    for done in [200, 201, 204, 301, 303, 304, 500, 502, 504, 599] {
        assert_eq!(planned(&tag, Mode::Hard, Some((done, &[]))), ["shop/products/%37", "#t"], "{done}");
    }
    for refused in [400, 403, 404, 409, 412, 499] {
        assert!(planned(&tag, Mode::Hard, Some((refused, &[("location", "/a")]))).is_empty(), "{refused}");
    }
    assert_eq!(planned(&tag, Mode::Hard, None), ["shop/products/%37", "#t"]);
}

#[test]
fn locations_on_the_same_authority_die_too() {
    #[track_caller]
    fn check(fields: &[(&'static str, &str)], expected: &[&str]) {
        let all = planned(&[], Mode::Soft, Some((201, fields)));
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
        let all = planned(&[selector], Mode::Soft, Some((200, &[])));
        assert_eq!(all[0], "shop/products/%37");
        assert_eq!(all[1..], *expected);
    }
    check(Selector::SelfUrl, &[]);
    check(Selector::Tag(template("product:{id}")), &["~#product:7"]);
    check(Selector::Url(template("/products/{id}/price")), &["~shop/products/%37/price"]);
    check(Selector::Url(template("https://Other/a")), &["~other/a"]);
    check(Selector::Url(template("http://alias/a")), &["~shop/a"]);
    check(Selector::Url(template("ftp://other/a")), &[]);
    check(Selector::Prefix(template("/categories")), &["~shop/categories **"]);
    check(Selector::Prefix(template("http://other/{id}")), &["~other/%37 **"]);
    check(Selector::Route("product".into()), &["~route product"]);
    check(Selector::All, &["~all"]);
}

#[test]
fn a_missing_value_widens() {
    #[track_caller]
    fn check(selector: Selector, expected: &str) {
        assert_eq!(planned(&[selector], Mode::Hard, None)[1..], [expected]);
    }
    check(Selector::Tag(template("product:{x}")), "all");
    check(Selector::Url(template("/a/b{x}/c")), "shop/a/ **");
    check(Selector::Url(template("/a/{id}/{x}")), "shop/a/%37/ **");
    check(Selector::Prefix(template("/{x}/c")), "shop/ **");
    check(Selector::Prefix(template("http://other/a{x}")), "other/ **");
    for unknown_host in ["{x}", "http://{x}/a", "http://other{x}/a", "//{x}/a"] {
        check(Selector::Url(template(unknown_host)), "all");
    }
}

#[test]
fn nothing_is_said_twice() {
    let tag = Selector::Tag(template("t"));
    let own = Selector::Url(template("/products/%37"));
    assert_eq!(planned(&[tag.clone(), tag], Mode::Hard, None), ["shop/products/%37", "#t"]);
    assert_eq!(planned(&[own], Mode::Soft, None), ["shop/products/%37"]);
}

#[test]
fn a_target_with_dots_is_purged_in_every_reading() {
    let rule = WriteRule { purge: Vec::new(), mode: Mode::Hard };
    let write = WriteSeen { authority: "shop", path: "/a//../b", reply: None };
    let headers = HeaderMap::new();
    let nothing = values(&|_| None, &headers);
    let all = plan_write(&rule, &write, &nothing, str::to_owned);
    assert_eq!(all.iter().map(short).collect::<Vec<_>>(), ["shop/a/b", "shop/a//../b"]);
    let plain = WriteSeen { path: "/a/../b", ..write };
    assert_eq!(plan_write(&rule, &plain, &nothing, str::to_owned).len(), 1);
}
