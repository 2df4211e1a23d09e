//! What an event purges, each with the rule that says so, and what CDNs are told of it.

use super::Failure;
use super::page::Page;
use crate::app::Aims;
use crate::cdn::{Location, Target};
use crate::config::Settings;
use crate::events::{Event, EventRule, EventRules, EventSelector, MAX_EVENT, Unplanned, plan_event};
use crate::invalidation::{Invalidation, Mode};
use anyhow::Context;
use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Read;

/// The text of an event; for `-` that on standard input, and no more of it than shows that it is too long.
pub(super) fn given(text: &str) -> Result<Cow<'_, [u8]>, Failure> {
    if text != "-" {
        return Ok(text.as_bytes().into());
    }
    let mut read = Vec::new();
    let most = MAX_EVENT as u64 + 1;
    std::io::stdin().lock().take(most).read_to_end(&mut read).context("cannot read standard input")?;
    Ok(read.into())
}

/// Everything there is to say of an event; an error says what is wrong with its text.
pub(super) fn page(settings: &Settings, text: &[u8]) -> Result<String, String> {
    let rules = &settings.events.rules;
    let event = Event::from_json(text).map_err(|bad| format!("the event cannot be read: {bad}"))?;
    let mut page = Page::default();
    page.line("event", rules.name_of(&event).unwrap_or("without a name"));
    let plan = match plan_event(rules, &event) {
        Ok(plan) => plan,
        Err(why) => {
            nothing(&mut page, rules, &why);
            return Ok(page.finish());
        }
    };
    let mut lines = Vec::new();
    let mut faults = Vec::new();
    for (rule, selector) in about(rules, &event) {
        let by = format!("{}: {selector}", rule.event);
        let alone = alone(rules, rule, selector);
        let alone = plan_event(&alone, &event).map_err(|why| why.to_string())?;
        for purge in alone.batch {
            // What two selectors ask for is purged once, for the first.
            if plan.batch.contains(&purge) && !lines.iter().any(|(known, _)| *known == purge) {
                lines.push((purge, by.clone()));
            }
        }
        faults.extend(alone.faults.into_iter().map(|fault| (fault, by.clone())));
    }
    let of_all = plan.faults.iter().filter(|fault| !faults.iter().any(|(known, _)| known == *fault));
    let of_all: Vec<_> = of_all.map(|fault| (fault.clone(), "all rules together".to_owned())).collect();
    faults.extend(of_all);

    let texts: Vec<_> = lines.iter().map(|(purge, by)| (purge.to_string(), by.clone())).collect();
    columns(&mut page, "purges", &texts);
    if texts.is_empty() {
        page.line("purges", "nothing");
    }
    columns(&mut page, "not purged", &faults);
    if !faults.is_empty() {
        page.line(
            "",
            "it is kept in `/stats`, under `events.dead_letters`; what it does purge is purged all the same",
        );
    }
    let purges: Vec<_> = lines.into_iter().map(|(purge, _)| purge).collect();
    tell(&mut page, settings, &purges)?;
    Ok(page.finish())
}

/// The selectors of the rules about an event.
fn about<'r>(
    rules: &'r EventRules,
    event: &'r Event,
) -> impl Iterator<Item = (&'r EventRule, &'r EventSelector)> {
    let name = rules.name_of(event);
    let about = rules.rules.iter().filter(move |rule| Some(&*rule.event) == name);
    about.flat_map(|rule| rule.purge.iter().map(move |selector| (rule, selector)))
}

/// The rules with one selector of one rule alone.
fn alone(rules: &EventRules, rule: &EventRule, selector: &EventSelector) -> EventRules {
    let EventRules { name_field, hosts, aliases, rules: _ } = rules.clone();
    let rule = EventRule { purge: vec![selector.clone()], ..rule.clone() };
    EventRules { name_field, hosts, aliases, rules: vec![rule] }
}

/// Why nothing at all is purged.
fn nothing(page: &mut Page, rules: &EventRules, why: &Unplanned) {
    page.line("purges", &format!("nothing: {why}"));
    if let Unplanned::Unknown(_) = why {
        let mut known: Vec<_> = rules.rules.iter().map(|rule| &*rule.event).collect();
        known.dedup();
        match known.is_empty() {
            true => page.line("", "`events.rules` of this file has no rules"),
            false => page.line("", &format!("rules of this file are about {}", known.join(", "))),
        }
    }
    page.line("", "it is kept in `/stats`, under `events.dead_letters`");
}

/// What each CDN is told.
fn tell(page: &mut Page, settings: &Settings, purges: &[Invalidation]) -> Result<(), String> {
    let Aims { cdns, reach } = Aims::new(settings).map_err(|error| error.to_string())?;
    let mut lines = Vec::new();
    for (name, aim) in &cdns {
        let mut seen = HashSet::new();
        for purge in purges {
            let why = format!("for {purge}");
            let told = match aim.targets(purge, &reach) {
                Ok(targets) if targets.is_empty() => {
                    lines.push((format!("{name}: nothing, as it does not stand before that host"), why));
                    continue;
                }
                Ok(targets) => targets,
                Err(unsayable) => {
                    lines.push((format!("{name}: nothing but a dead letter, as {unsayable}"), why));
                    continue;
                }
            };
            let soft = if aim.mode(purge.mode) == Mode::Soft { " (soft)" } else { "" };
            for target in told {
                let what = format!("{name}: {}{soft}", words(&target));
                // Joined with what is the same, as it is while it waits.
                if seen.insert(what.clone()) {
                    lines.push((what, why.clone()));
                }
            }
        }
    }
    columns(page, "to CDNs", &lines);
    Ok(())
}

fn words(target: &Target) -> String {
    match target {
        Target::Url(Location { base, path }) => format!("url {base}{path}"),
        Target::Prefix(Location { base, path }) => format!("prefix {base}{path}"),
        Target::Tag(word) => format!("tag {word}"),
        Target::All => "everything".to_owned(),
    }
}

fn columns(page: &mut Page, label: &str, lines: &[(String, String)]) {
    let width = lines.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
    for (what, why) in lines {
        page.line(label, &format!("{what:width$}  {why}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const SHOP: &str = r#"
origin: http://127.0.0.1:9
host_aliases: { shop.example.com: [catalog.svc] }
cdn:
  - name: edge
    bunny: { pull_zone: 7, access_key: key }
  - name: other
    hosts: [www.example.org]
    fastly: { service: abc, token: secret }
routes:
  - name: product
    path: /api/products/{id}
    cache: { ttl: 1h, tags: ["product:{id}"] }
events:
  rules:
    - event: product_updated
      purge: [{ tag: "product:{product_id}" }, { url: "/api/products/{product_id}" }]
    - event: product_updated
      purge: [{ prefix: "/api/categories/{/category/id}" }, { tag: "product:{product_id}" }]
      soft: true
    - event: sale_began
      purge: [{ route: product }, { all: true }]
"#;

    #[track_caller]
    fn check(yaml: &str, event: &str, expected: &str) {
        let settings = config::parse(yaml, "proxy.yaml", &|_| None).unwrap();
        let got = page(&settings, event.as_bytes()).unwrap();
        assert_eq!(got, expected, "got:\n{got}");
    }

    #[test]
    fn each_purge_stands_by_its_rule_and_what_cdns_are_told_by_it() {
        check(
            SHOP,
            r#"{"event": "product_updated", "product_id": 7, "category": {"id": "a b"}}"#,
            "\
event       product_updated
purges      tag product:7                                        product_updated: { tag: \"product:{product_id}\" }
            url shop.example.com/api/products/7                  product_updated: { url: \"/api/products/{product_id}\" }
            prefix shop.example.com/api/categories/a%20b (soft)  product_updated: { prefix: \"/api/categories/{/category/id}\" }
            tag product:7 (soft)                                 product_updated: { tag: \"product:{product_id}\" }
to CDNs     edge: tag product:7                                         for tag product:7
            edge: tag larder-overflow                                   for tag product:7
            edge: tag larder-e652d77087cd4ea1                           for url shop.example.com/api/products/7
            edge: prefix https://shop.example.com/api/categories/a%20b  for prefix shop.example.com/api/categories/a%20b (soft)
            edge: prefix https://catalog.svc/api/categories/a%20b       for prefix shop.example.com/api/categories/a%20b (soft)
            other: tag product:7                                        for tag product:7
            other: tag larder-overflow                                  for tag product:7
            other: nothing, as it does not stand before that host       for url shop.example.com/api/products/7
            other: nothing, as it does not stand before that host       for prefix shop.example.com/api/categories/a%20b (soft)
            other: tag product:7 (soft)                                 for tag product:7 (soft)
            other: tag larder-overflow (soft)                           for tag product:7 (soft)
",
        );
    }

    #[test]
    fn what_it_lacks_is_said_and_the_rest_is_purged() {
        check(
            SHOP,
            r#"{"event": "sale_began"}"#,
            "\
event       sale_began
purges      route product  sale_began: { route: product }
            everything     sale_began: { all: true }
to CDNs     edge: tag larder-9a7669c054604e56   for route product
            edge: tag larder-overflow           for route product
            edge: everything                    for everything
            other: tag larder-9a7669c054604e56  for route product
            other: tag larder-overflow          for route product
            other: everything                   for everything
",
        );
        let without_cdns: String =
            [SHOP.split("cdn:").next().unwrap(), "routes:", SHOP.split("routes:").nth(1).unwrap()].concat();
        check(
            &without_cdns,
            r#"{"event": "product_updated", "product_id": [7, null, "x"]}"#,
            "\
event       product_updated
purges      tag product:7                        product_updated: { tag: \"product:{product_id}\" }
            tag product:x                        product_updated: { tag: \"product:{product_id}\" }
            url shop.example.com/api/products/7  product_updated: { url: \"/api/products/{product_id}\" }
            url shop.example.com/api/products/x  product_updated: { url: \"/api/products/{product_id}\" }
            tag product:7 (soft)                 product_updated: { tag: \"product:{product_id}\" }
            tag product:x (soft)                 product_updated: { tag: \"product:{product_id}\" }
not purged  `product_id` is null and not a text, a number or a boolean  product_updated: { tag: \"product:{product_id}\" }
            `product_id` is null and not a text, a number or a boolean  product_updated: { url: \"/api/products/{product_id}\" }
            it lacks `/category/id`                                     product_updated: { prefix: \"/api/categories/{/category/id}\" }
            `product_id` is null and not a text, a number or a boolean  product_updated: { tag: \"product:{product_id}\" }
            it is kept in `/stats`, under `events.dead_letters`; what it does purge is purged all the same
",
        );
        check(
            &without_cdns,
            r#"{"event": "product_updated"}"#,
            "\
event       product_updated
purges      nothing
not purged  it lacks `product_id`    product_updated: { tag: \"product:{product_id}\" }
            it lacks `product_id`    product_updated: { url: \"/api/products/{product_id}\" }
            it lacks `/category/id`  product_updated: { prefix: \"/api/categories/{/category/id}\" }
            it lacks `product_id`    product_updated: { tag: \"product:{product_id}\" }
            it is kept in `/stats`, under `events.dead_letters`; what it does purge is purged all the same
",
        );
    }

    #[test]
    fn an_event_that_no_rule_knows_purges_nothing() {
        check(
            SHOP,
            r#"{"event": "price\nupdated"}"#,
            "\
event       price\\nupdated
purges      nothing: no rule is about events named `price\\nupdated`
            rules of this file are about product_updated, sale_began
            it is kept in `/stats`, under `events.dead_letters`
",
        );
        check(
            SHOP,
            r#"{"name": "product_updated"}"#,
            "\
event       without a name
purges      nothing: it has no name: `event` has to be a text
            it is kept in `/stats`, under `events.dead_letters`
",
        );
        check(
            "origin: http://127.0.0.1:9",
            r#"{"event": "x"}"#,
            "\
event       x
purges      nothing: no rule is about events named `x`
            `events.rules` of this file has no rules
            it is kept in `/stats`, under `events.dead_letters`
",
        );
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let settings = config::parse(SHOP, "proxy.yaml", &|_| None).unwrap();
        let refused = |text: &str| page(&settings, text.as_bytes()).unwrap_err();
        assert!(refused("product_updated 7").contains("it is not JSON"));
        assert!(refused("[]").contains("it is a list"));
        assert!(refused(&" ".repeat(MAX_EVENT + 1)).contains("bytes"));
    }
}
