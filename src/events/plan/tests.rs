use super::*;
use crate::invalidation::{Mode, tag_name};
use crate::key::HostAliases;
use serde_json::json;

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

/// A rule about events named `e`; selectors as `tag:…`, `url:…`, `prefix:…`, `route:…`, `all:`.
fn rule(selectors: &[&str]) -> EventRule {
    let selector = |text: &&str| match text.split_once(':').unwrap() {
        ("tag", text) => EventSelector::Tag(template(text)),
        ("url", text) => EventSelector::Url(template(text)),
        ("prefix", text) => EventSelector::Prefix(template(text)),
        ("route", name) => EventSelector::Route(name.into()),
        _ => EventSelector::All,
    };
    EventRule { event: "e".into(), purge: selectors.iter().map(selector).collect(), mode: Mode::Hard }
}

fn rules(rules: Vec<EventRule>) -> EventRules {
    EventRules {
        hosts: vec!["shop".into(), "m.shop".into()],
        aliases: HostAliases::new([("www.shop".to_owned(), "shop".to_owned())]),
        rules,
        ..EventRules::default()
    }
}

fn event(mut members: Value) -> Event {
    if members.get("event").is_none() {
        members["event"] = "e".into();
    }
    Event::from_json(members.to_string().as_bytes()).unwrap()
}

/// Purges as one word each.
fn words(plan: &EventPlan) -> Vec<String> {
    let word = |Invalidation { matcher, mode }: &Invalidation| {
        let text = match matcher {
            Matcher::Path { authority, path } => format!("url:{authority}{path}"),
            Matcher::Prefix { authority, path } => format!("prefix:{authority}{path}"),
            Matcher::Tag(tag) => format!("tag:{tag}"),
            Matcher::Route(route) => format!("route:{route}"),
            Matcher::All => "all".to_owned(),
        };
        if *mode == Mode::Soft { format!("soft {text}") } else { text }
    };
    plan.batch.iter().map(word).collect()
}

#[track_caller]
fn check(selectors: &[&str], members: &Value, want: &[&str], faults: &[&str]) {
    let plan = plan_event(&rules(vec![rule(selectors)]), &event(members.clone())).unwrap();
    assert_eq!(words(&plan), want, "{selectors:?} {members}");
    assert_eq!(plan.faults.len(), faults.len(), "{selectors:?} {members}: {:?}", plan.faults);
    for (got, want) in plan.faults.iter().zip(faults) {
        assert!(got.contains(want), "{selectors:?} {members}: {got}");
    }
}

#[test]
fn values_are_put_into_selectors() {
    check(&["tag:product:{id}"], &json!({ "id": 7 }), &["tag:product:7"], &[]);
    check(&["tag:product:{id}"], &json!({ "id": "a b/ü" }), &["tag:product:a b/ü"], &[]);
    check(&["tag:{a}-{b}"], &json!({ "a": true, "b": -1.5 }), &["tag:true--1.5"], &[]);
    check(&["tag:{id}"], &json!({ "id": 7.0 }), &["tag:7"], &[]);
    check(&["tag:{id}"], &json!({ "id": u64::MAX }), &["tag:18446744073709551615"], &[]);
    check(&["tag:{/product/id}"], &json!({ "product": { "id": 7 } }), &["tag:7"], &[]);
    check(&["tag:{/ids/1}"], &json!({ "ids": [1, 2] }), &["tag:2"], &[]);
    check(&["route:search", "all:"], &json!({}), &["route:search", "all"], &[]);
    check(&["url:/p/{id}"], &json!({ "id": 7 }), &["url:shop/p/7", "url:m.shop/p/7"], &[]);
    check(&["prefix:/p/{id}"], &json!({ "id": 7 }), &["prefix:shop/p/7", "prefix:m.shop/p/7"], &[]);
    check(&["url:https://www.shop:443/p/{id}"], &json!({ "id": 7 }), &["url:shop/p/7"], &[]);
    check(&["tag:a", "tag:a", "tag:{x}"], &json!({ "x": "a" }), &["tag:a"], &[]);
}

#[test]
fn values_stay_where_they_are_put() {
    let url = |id: &str, want: &str| {
        check(&["url:http://shop/p/{id}"], &json!({ "id": id }), &[&format!("url:shop/p/{want}")], &[]);
    };
    url("a b", "a%20b");
    url("a/b", "a%2Fb");
    url("a?b#c;d%20", "a%3Fb%23c%3Bd%2520");
    url("ü", "%C3%BC");
    url("...", "...");
    for id in ["..", ".", "../x", "x/..", "%2e%2e", "%252e.", "a\\..\\b", "..;x", "/", "?", ";x", "#"] {
        for selector in ["url:/p/{id}", "prefix:/p/{id}/x"] {
            check(&[selector, "tag:t"], &json!({ "id": id }), &["tag:t"], &["names no segment of a path"]);
        }
    }
}

#[test]
fn several_values_do_not_climb_together() {
    let fault = &["together its values name another folder"];
    check(&["url:/p/{a}{b}", "tag:t"], &json!({ "a": "%2", "b": "e%2e" }), &["tag:t"], fault);
    check(&["url:http://shop/{a}{b}"], &json!({ "a": "x.", "b": ".y" }), &["url:shop/x..y"], &[]);
    let long = "x".repeat(MAX_TEXT);
    check(&["url:/a/{a}", "tag:t"], &json!({ "a": long }), &["tag:t"], &["longer than 2048 bytes"]);
    let name = format!("tag:{}", tag_name(&format!("a:{long}")));
    check(&["tag:a:{a}"], &json!({ "a": long }), &[&name], &[]);
}

#[test]
fn what_is_missing_takes_nothing_from_the_others() {
    let selectors = ["tag:{id}", "tag:catalog"];
    let lacks = |members: &Value, fault: &str| check(&selectors, members, &["tag:catalog"], &[fault]);
    lacks(&json!({}), "it lacks `id`");
    lacks(&json!({ "id": null }), "`id` is null and not a text");
    lacks(&json!({ "id": {} }), "`id` is an object and not");
    lacks(&json!({ "id": "" }), "`id` is empty");
    lacks(&json!({ "id": 1e20 }), "too large a number");
    lacks(&json!({ "id": [[]] }), "`id` is a list and not");
    check(&["tag:{/a/c}"], &json!({ "a": { "b": 1 } }), &[], &["it lacks `/a/c`"]);
    check(&["url:http://shop/{a}", "tag:{b}"], &json!({}), &[], &["`a`", "`b`"]);
    check(&["tag:{a}", "url:/{a}"], &json!({}), &[], &["it lacks `a`"]);
}

#[test]
fn a_list_is_a_purge_for_each_item() {
    check(&["tag:p:{ids}"], &json!({ "ids": [1, "b", true] }), &["tag:p:1", "tag:p:b", "tag:p:true"], &[]);
    check(&["tag:{s}:{ids}:{ids}"], &json!({ "s": "x", "ids": [1, 2] }), &["tag:x:1:1", "tag:x:2:2"], &[]);
    check(&["tag:{ids}"], &json!({ "ids": [] }), &[], &[]);
    check(&["tag:{ids}"], &json!({ "ids": [1, null, 2] }), &["tag:1", "tag:2"], &["`ids` is null"]);
    check(&["tag:{a}:{b}", "tag:t"], &json!({ "a": [1], "b": [2] }), &["tag:t"], &["`a` and `b` are lists"]);
    check(&["url:http://shop/{ids}"], &json!({ "ids": ["a", ".."] }), &["url:shop/a"], &["names no segment"]);
}

#[test]
fn one_event_has_bounds() {
    let many: Vec<_> = (0..=MAX_ITEMS).collect();
    let plan = |selectors: &[&str]| {
        plan_event(&rules(vec![rule(selectors)]), &event(json!({ "ids": many }))).unwrap()
    };
    let one = plan(&["tag:{ids}"]);
    assert_eq!((one.batch.len(), one.faults.len()), (MAX_ITEMS, 1));
    assert!(one.faults[0].contains("has 1001 items"), "{:?}", one.faults);
    let all = plan(&["url:/a/{ids}", "url:/b/{ids}", "url:/c/{ids}"]);
    assert_eq!((all.batch.len(), all.faults.len()), (MAX_PURGES, 2));
    assert!(all.faults[1].contains("more than 4096 purges"), "{:?}", all.faults);
}

#[test]
fn every_rule_about_a_name_counts() {
    let soft = EventRule { mode: Mode::Soft, ..rule(&["tag:a", "tag:b"]) };
    let other = EventRule { event: "other".into(), ..rule(&["all:"]) };
    let rules = rules(vec![rule(&["tag:a"]), other, soft]);
    let plan = plan_event(&rules, &event(json!({}))).unwrap();
    assert_eq!(words(&plan), ["tag:a", "soft tag:a", "soft tag:b"]);
}

#[test]
fn events_without_a_known_name() {
    #[track_caller]
    fn check(name_field: &str, members: &Value, want: Option<&str>) {
        let rules = EventRules { name_field: name_field.into(), ..rules(vec![rule(&["all:"])]) };
        let event = Event::from_json(members.to_string().as_bytes()).unwrap();
        let got = plan_event(&rules, &event).err().map(|error| error.to_string());
        assert_eq!(got.as_deref(), want, "{members}");
    }
    check("event", &json!({ "event": "e" }), None);
    check("event", &json!({ "event": "E" }), Some("no rule is about events named `E`"));
    check("event", &json!({ "event": "a\nb" }), Some("no rule is about events named `a\\nb`"));
    for nameless in [json!({}), json!({ "event": 7 }), json!({ "event": "" }), json!({ "event": ["e"] })] {
        check("event", &nameless, Some("it has no name: `event` has to be a text"));
    }
    check("type", &json!({ "type": "e" }), None);
    check("/meta/type", &json!({ "meta": { "type": "e" } }), None);
}
