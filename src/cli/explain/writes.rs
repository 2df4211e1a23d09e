//! What a write purges, each with the rule that says so.

use super::page::Page;
use super::request::Request;
use crate::engine::{Route, Rules};
use crate::invalidation::{Invalidation, Matcher, Mode, Selector, Values, WriteRule, WriteSeen, plan_write};
use crate::key::canonical_authority;
use crate::route::Captures;
use std::borrow::Cow;

/// Writes the purges, one a line.
pub(super) fn write(
    page: &mut Page,
    rules: &Rules,
    route: &Route,
    request: &Request,
    captures: Option<&Captures<'_>>,
) {
    let plan = |purge: &[Selector]| {
        let rule = WriteRule { purge: purge.to_vec(), mode: route.on_write.mode };
        // Without a reply it is planned for a write whose outcome is unknown: everything the rule can reach.
        let write = WriteSeen { authority: &request.authority, path: &request.path, reply: None };
        let canonical = |authority: &str| {
            let name = canonical_authority(authority, request.scheme, rules.aliases());
            name.map_or_else(|| authority.to_owned(), Cow::into_owned)
        };
        let values = Values {
            captures: &|name| captures.and_then(|captures| captures.get(name)),
            query: request.query.as_deref(),
            region: None,
            request: &request.headers,
            reply: None,
            request_body: None,
            reply_body: None,
        };
        plan_write(&rule, &write, &values, canonical)
    };
    let target = plan(&[]);
    let mut purges: Vec<_> = target
        .iter()
        .map(|purge| (shown(purge), "the target of a write (RFC 9111, 4.4)".to_owned()))
        .collect();
    for selector in &route.on_write.purge {
        let reached = plan(std::slice::from_ref(selector));
        let own = reached.iter().filter(|purge| !target.contains(purge));
        purges.extend(own.map(|purge| (shown(purge), rule(selector))));
    }
    let width = purges.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
    for (what, why) in purges {
        page.line("purges", &format!("{what:width$}  {why}"));
    }
    page.line("", "and what Location and Content-Location of the reply name on the same host");
    page.line(
        "when",
        "the origin has answered, unless with 4xx; also when it fails or the outcome is unknown",
    );
}

fn shown(purge: &Invalidation) -> String {
    let Invalidation { matcher, mode } = purge;
    let what = match matcher {
        Matcher::Path { authority, path } => format!("url {authority}{path}"),
        Matcher::Prefix { authority, path } => format!("prefix {authority}{path}"),
        Matcher::Tag(tag) => format!("tag {tag}"),
        Matcher::Route(route) => format!("route {route}"),
        Matcher::All => "everything".to_owned(),
    };
    match mode {
        Mode::Hard => what,
        Mode::Soft => format!("{what} (soft)"),
    }
}

fn rule(selector: &Selector) -> String {
    let selector = match selector {
        Selector::SelfUrl => "url: self".to_owned(),
        Selector::Url(template) => format!("url: \"{template}\""),
        Selector::Tag(template) => format!("tag: \"{template}\""),
        Selector::Prefix(template) => format!("prefix: \"{template}\""),
        Selector::Route(route) => format!("route: {route}"),
        Selector::All => "all: true".to_owned(),
    };
    format!("on_write {{ {selector} }}")
}
