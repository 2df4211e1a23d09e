//! The tags of a reply, and what it tells the CDNs in front.

use super::page::Page;
use super::request::Request;
use crate::engine::{Asked, Route};
use crate::invalidation::{Bearings, Variable};
use http::HeaderMap;

/// Writes the tags that the rule gives a reply; returns those that are known before it comes.
pub(super) fn write(page: &mut Page, route: &Route, request: &Request) -> Vec<String> {
    let asked = Asked { path: &request.path, query: request.query.as_deref(), headers: &request.headers };
    let templates = route.cache.iter().flat_map(|rule| &rule.tags);
    let rendered = templates.map(|template| (template, route.tags_by(template, &asked, None)));
    let (known, unknown): (Vec<_>, Vec<_>) = rendered.partition(|(_, tags)| !tags.is_empty());
    let tags: Vec<_> = known.into_iter().flat_map(|(_, tags)| tags).collect();
    if !tags.is_empty() {
        page.line("tags", &tags.join(", "));
    }
    for (template, _) in unknown {
        let why = match template.variables().any(Variable::needs_reply) {
            true => "for each value in the reply",
            false => "is left out: the request lacks its value",
        };
        page.line("tags", &format!("{template} {why}"));
    }
    let and = if route.cache.iter().any(|rule| !rule.tags.is_empty()) { "and " } else { "" };
    page.line(
        "tags",
        &format!("{and}those of Surrogate-Key, Cache-Tag, xkey and Cache-Groups in the origin's reply"),
    );
    tell(page, route, request, &tags);
    tags
}

fn tell(page: &mut Page, route: &Route, request: &Request, tags: &[String]) {
    let Some(cdns) = &route.cdns else { return };
    let bearings = Bearings::of_target(&request.authority, &request.path, &route.name);
    let mut told = HeaderMap::new();
    cdns.write(&mut told, tags, &bearings, None);
    if told.is_empty() {
        return;
    }
    for (name, value) in &told {
        page.line("to CDNs", &format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    }
    page.line("", "and the tags that the reply adds; larder-… stands for what a CDN does not take as it is");
}
