//! `larder explain`: what the configuration does with one request or one event, without sending it.
//!
//! The decisions are made by the code that makes them when Larder serves (the router, the key rule, the freshness rules applied
//! to example replies, the plan of a write or an event), so what is printed cannot say something else than what happens.

mod events;
mod page;
mod purge_method;
mod replies;
mod request;
mod routing;
mod tagged;
mod writes;

use super::arguments::Explain;
use super::failure::Failure;
use super::{configuration, output};
use crate::app::tag_fields;
use crate::engine::{CacheRule, Collapse, Route, Rules};
use crate::invalidation::plain_path;
use crate::key::RequestTarget;
use crate::origin::OriginSettings;
use crate::route::ambiguity;
use http::Method;
use page::{Page, human};
use request::Request;

/// Explains a request, or an event.
pub(super) fn explain(arguments: &Explain) -> Result<(), Failure> {
    let Explain { file, method, url, headers, data, event } = arguments;
    let (_, settings) = configuration::load(file)?;
    if let Some(text) = event {
        return output::print(&events::page(&settings, &events::given(text)?).map_err(Failure::usage)?);
    }
    let origins = settings.origins;
    let rules = Rules::new(settings.routes, settings.host_aliases);
    let rules = match tag_fields(&settings.cdns).map_err(Failure::usage)? {
        Some(fields) => rules.telling(&fields),
        None => rules,
    };
    let [method, url] = [method, url].map(|given| given.as_deref().unwrap_or_default());
    let request = Request::parse(method, url, headers, data.as_deref(), rules.aliases());
    let request = request.map_err(Failure::usage)?;
    output::print(&page(&rules, &origins, &request))
}

/// Everything there is to say.
fn page(rules: &Rules, origins: &[OriginSettings], request: &Request) -> String {
    let mut page = Page::default();
    page.line("request", &format!("{} {}", request.method, request.written));
    page.line("canonical", &format!("{} {}", request.method, request.canonical()));
    if purge_method::is_purge(request) {
        purge_method::write(&mut page, rules, request);
        return page.finish();
    }
    let route = rules.find(&request.authority, &request.path, &request.method);
    let pattern = route.pattern.as_ref();
    let captures = pattern.and_then(|pattern| pattern.path.captures(&request.path));
    routing::write(&mut page, rules, route, request);
    let servers =
        origins.iter().filter(|origin| *origin.name == *route.origin).flat_map(|origin| &origin.servers);
    let servers: Vec<_> = servers.map(ToString::to_string).collect();
    page.line("origin", &format!("{}, at {}", route.origin, servers.join(", ")));

    match passes(route, request) {
        Some(why) => page.line("cache", &why),
        None => {
            if let Some(rule) = &route.cache {
                cached(&mut page, rule, request, route);
            }
        }
    }
    if !request.method.is_safe() {
        writes::write(&mut page, rules, route, request, captures.as_ref());
        let plain = plain_path(&request.path);
        let meant = rules.find(&request.authority, &plain, &request.method);
        if meant.index != route.index {
            let why = "since the origin may read the path so";
            page.line("and", &format!("what a write to {plain} purges by the route {}, {why}", meant.name));
        }
    }
    page.finish()
}

/// Why a request goes to the origin whatever is stored; `None` when it may be answered from the cache.
fn passes(route: &Route, request: &Request) -> Option<String> {
    if route.cache.is_none() {
        return Some("bypass: never stored, never collapsed, never stale".into());
    }
    if !matches!(request.method, Method::GET | Method::HEAD) {
        return Some(format!(
            "{} goes to the origin; only GET and HEAD are answered from the cache",
            request.method
        ));
    }
    let ambiguity = ambiguity(&request.path)?;
    Some(format!(
        "the path is ambiguous ({}): it goes to the origin as it is and is never stored under another path's key",
        ambiguity.as_str()
    ))
}

fn cached(page: &mut Page, rule: &CacheRule, request: &Request, route: &Route) {
    let CacheRule { freshness, key, tags: _, memory_ttl, collapse, memory, remote, sliding } = rule;
    let target = RequestTarget {
        scheme: request.scheme,
        authority: &request.authority,
        path: &request.path,
        query: request.query.as_deref(),
        headers: &request.headers,
    };
    let parts = key.explain(&target);
    let width = parts.iter().map(|part| part.name.len()).max().unwrap_or_default();
    for part in &parts {
        page.line("key", &format!("{:width$}  {}", part.name, part.value));
    }
    page.line("", "and whatever the origin's Vary names");

    replies::write(page, freshness, key, request);
    if let Some(time) = memory_ttl {
        page.line("memory", &format!("asks further after {}", human(*time)));
    }
    match (memory, remote) {
        (true, true) => {}
        (true, false) => page.line("tiers", "memory alone"),
        (false, true) => page.line("tiers", "Redis alone"),
        (false, false) => page.line("tiers", "none: it is shared by those who ask at once, and forgotten"),
    }
    if let Some(longest) = sliding {
        page.line("sliding", &format!("each hit renews the lifetime, up to {} in all", human(*longest)));
    }
    let together = match collapse {
        Collapse::Off => "go to the origin each by itself",
        Collapse::Process => "share one request to the origin at each node",
        Collapse::Fleet => "share one request to the origin, at all nodes that share Redis",
    };
    page.line("collapse", &format!("requests for one key that come at once {together}"));

    let tags = tagged::write(page, route, request);

    page.line("purged by", &format!("larder purge {}", quoted(&request.canonical_without_query())));
    for tag in &tags {
        page.line("", &format!("larder purge --tag {}", quoted(tag)));
    }
    page.line("", &format!("larder purge --route {}", quoted(&route.name)));
    page.line("", "a write to it; see `larder explain PUT URL`");
}

/// As a shell reads it back.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,=~".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
