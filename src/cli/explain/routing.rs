//! Which route, and why none before it.

use super::page::Page;
use super::request::Request;
use crate::engine::{Route, Rules};
use crate::route::RoutePattern;
use http::Method;

/// Routes before the one that matched that are told of. Those that nearly matched come first; of thousands of others nobody wants
/// to read.
const MAX_OTHERS: usize = 10;

/// Why a route does not govern a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Unlike {
    Path,
    Host,
    Method,
}

/// Writes the route and those before it.
pub(super) fn write(page: &mut Page, rules: &Rules, route: &Route, request: &Request) {
    page.line("route", &matched(route, request));
    let mut earlier: Vec<_> = rules.routes()[..route.index.min(rules.routes().len())]
        .iter()
        .filter_map(|route| {
            let pattern = route.pattern.as_ref()?;
            Some((unlike(pattern, request)?, route, pattern))
        })
        .collect();
    earlier.sort_by_key(|(unlike, ..)| *unlike == Unlike::Path);
    let left_out = earlier.len().saturating_sub(MAX_OTHERS);
    for (unlike, route, pattern) in earlier.into_iter().take(MAX_OTHERS) {
        page.line("not", &format!("{}: {}", route.name, because(&unlike, pattern, request)));
    }
    if left_out > 0 {
        page.line("not", &format!("{left_out} more before it"));
    }
}

fn matched(route: &Route, request: &Request) -> String {
    let Some(pattern) = &route.pattern else { return format!("{}, since no other matches", route.name) };
    let mut text = format!("{}, the first that matches: path {}", route.name, pattern.path);
    if let Some(host) = &pattern.host {
        text.push_str(&format!(", host {host}"));
    }
    if let Some(methods) = &pattern.methods {
        text.push_str(&format!(", methods {}", names(methods)));
    }
    for (name, value) in pattern.path.captures(&request.path).iter().flat_map(|captures| captures.iter()) {
        text.push_str(&format!(", {name} = {value}"));
    }
    text
}

/// The nearest miss: what of the pattern is the only thing that does not match, path first.
fn unlike(pattern: &RoutePattern, request: &Request) -> Option<Unlike> {
    let RoutePattern { host, path, methods } = pattern;
    if path.captures(&request.path).is_none() {
        Some(Unlike::Path)
    } else if host.as_ref().is_some_and(|host| !host.matches(&request.authority)) {
        Some(Unlike::Host)
    } else if methods.as_ref().is_some_and(|methods| !methods.contains(&request.method)) {
        Some(Unlike::Method)
    } else {
        None
    }
}

fn because(unlike: &Unlike, pattern: &RoutePattern, request: &Request) -> String {
    match (unlike, &pattern.host, &pattern.methods) {
        (Unlike::Host, Some(host), _) => format!("its host is {host}"),
        (Unlike::Method, _, Some(methods)) => format!("it takes {}, not {}", names(methods), request.method),
        _ => format!("its path is {}", pattern.path),
    }
}

fn names(methods: &[Method]) -> String {
    methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}
