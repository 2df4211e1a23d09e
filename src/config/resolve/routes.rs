//! `routes` and `defaults`.

use super::hosts::Hosts;
use super::names::{Captures, DEFAULT_ROUTE, Names};
use super::{Scope, cache, origins, tags, write};
use crate::config::fault::quoted;
use crate::config::raw::{Cache, CacheChoice, File, Route as RawRoute};
use crate::config::read::{At, Field, List};
use crate::engine::{CacheRule, Route};
use crate::invalidation::WriteRule;
use crate::key::RegionRule;
use crate::route::{PathPattern, RoutePattern, Router};
use http::Method;
use std::sync::Arc;

/// The path of a route that names none.
const EVERY_PATH: &str = "/**";

/// All routes, that of unmatched requests last.
pub(super) fn routes(
    scope: &Scope<'_>,
    file: &File,
    hosts: &Hosts,
    region: &Field<Arc<RegionRule>>,
) -> Vec<Route> {
    let names = Names::of(file);
    let defaults = file.defaults.value().map_or(&Field::Absent, |defaults| &defaults.cache);
    check_defaults(scope, defaults, region);
    let written = file.routes.value().map_or(&[][..], |list| &list.items);
    check_unique(scope, written, &names);
    let mut routes = Vec::new();
    // A route with a faulty pattern has none here; what it would have matched is unknown.
    let mut patterns = Vec::new();
    for at in written {
        let captures = Captures::of(&at.value.path);
        let pattern = pattern(scope, &at.value, hosts);
        patterns.extend(pattern.clone().map(|pattern| (at, pattern)));
        routes.push(Route {
            name: at.value.name.value().map_or("", |name| &name.0).into(),
            index: routes.len(),
            pattern,
            origin: origin(scope, at.value.origin.set(), &names),
            cache: rule(scope, at, defaults, &captures, region),
            region: region.value().map(Arc::clone),
            on_write: on_write(
                scope,
                &at.value,
                &write::Known { captures: &captures, names: &names, region },
            ),
            purge_from: at.value.purge_from.value().into_iter().flat_map(List::values).copied().collect(),
            cdns: None,
        });
    }
    check_reachable(scope, &patterns);
    routes.push(Route {
        name: DEFAULT_ROUTE.into(),
        index: routes.len(),
        pattern: None,
        origin: origins::DEFAULT.into(),
        cache: merged(None, defaults).map(|rule| cache::settings(scope, &rule, region)),
        region: region.value().map(Arc::clone),
        on_write: WriteRule::default(),
        purge_from: Vec::new(),
        cdns: None,
    });
    routes
}

fn check_defaults(scope: &Scope<'_>, defaults: &Field<CacheChoice>, region: &Field<Arc<RegionRule>>) {
    let Some(CacheChoice::Rule(rule)) = defaults.value() else { return };
    cache::check(scope, rule, region);
    cache::check_merged(scope, rule);
    tags::check(scope, rule, None, region);
    tags::check_key(scope, rule, rule, &cache::settings(scope, rule, region), None, region);
}

fn check_unique(scope: &Scope<'_>, routes: &[At<RawRoute>], names: &Names<'_>) {
    for (index, route) in routes.iter().enumerate() {
        let remedy = "write a name for metrics, logs and purges, such as `name: product`";
        let Some(name) = scope.required(&route.value.name, route, "name", remedy) else { continue };
        if name.value.0 == DEFAULT_ROUTE {
            name.fault(
                scope.report,
                "`default` is the route of requests that no other matches",
                "choose another name; what that route does is written under `defaults`",
            );
        } else if let Some(line) = names.line_of_earlier(&name.value, index) {
            let problem = format!("{} is the name of the route on line {line} already", name.shown);
            name.fault(scope.report, problem, "give every route a name of its own");
        }
    }
}

/// What a route matches; `None` if any of it is faulty.
fn pattern(scope: &Scope<'_>, route: &RawRoute, hosts: &Hosts) -> Option<RoutePattern> {
    let host = match &route.host {
        Field::Absent => None,
        Field::Faulty => return None,
        Field::Set(at) => {
            if let Some(name) = hosts.canonical(&at.value.to_string()) {
                let problem = format!("{} is an alias, so no request is matched under this name", at.shown);
                let remedy = format!("write {}", quoted(name));
                at.fault(scope.report, problem, remedy);
                return None;
            }
            Some(at.value.clone())
        }
    };
    let path = match &route.path {
        Field::Absent => PathPattern::parse(EVERY_PATH).expect("the pattern of every path is a pattern"),
        Field::Faulty => return None,
        Field::Set(at) => at.value.clone(),
    };
    let methods = match &route.methods {
        Field::Absent => None,
        Field::Faulty => return None,
        Field::Set(at) => Some(methods(scope, at)?),
    };
    Some(RoutePattern { host, path, methods })
}

fn methods(scope: &Scope<'_>, at: &At<List<Method>>) -> Option<Vec<Method>> {
    if at.value.written == 0 {
        at.fault(
            scope.report,
            "is empty, so the route matches nothing",
            "write `[GET, HEAD]`, or leave it out",
        );
        return None;
    }
    at.value.is_whole().then(|| at.value.values().cloned().collect())
}

/// The name of the origin, which has to be one.
fn origin(scope: &Scope<'_>, written: Option<&At<String>>, names: &Names<'_>) -> Arc<str> {
    let Some(at) = written else { return origins::DEFAULT.into() };
    if names.lacks_origin(&at.value) {
        let remedy = match names.nearest_origin(at) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "add it under `origins`, or write a name from there".to_owned(),
        };
        at.fault(scope.report, format!("no origin is named {}", at.shown), remedy);
    }
    at.value.as_str().into()
}

/// What a route says of caching, over the defaults; `None`: bypass.
fn rule(
    scope: &Scope<'_>,
    route: &At<RawRoute>,
    defaults: &Field<CacheChoice>,
    captures: &Captures<'_>,
    region: &Field<Arc<RegionRule>>,
) -> Option<CacheRule> {
    let own = &route.value.cache;
    if let Some(CacheChoice::Rule(rule)) = own.value() {
        cache::check(scope, rule, region);
        tags::check(scope, rule, Some(captures), region);
        check_useful(scope, route);
    }
    let rule = merged(Some(own), defaults)?;
    // What the defaults say by themselves is reported there.
    if matches!(own.value(), Some(CacheChoice::Rule(own)) if !own.override_origin.is_absent()) {
        cache::check_merged(scope, &rule);
    }
    let settings = cache::settings(scope, &rule, region);
    if let Some(CacheChoice::Rule(own)) = own.value() {
        tags::check_key(scope, own, &rule, &settings, Some(captures), region);
    }
    Some(settings)
}

/// Reports a cache rule where nothing can be stored.
fn check_useful(scope: &Scope<'_>, route: &At<RawRoute>) {
    let RawRoute { methods, cache, .. } = &route.value;
    let (Some(methods), Some(cache)) = (methods.value(), cache.set()) else { return };
    // Only replies to GET are stored, and HEAD is answered from them.
    let cacheable = methods.values().any(|method| matches!(*method, Method::GET | Method::HEAD));
    if methods.written > 0 && methods.is_whole() && !cacheable {
        cache.fault(
            scope.report,
            "is never used: none of the `methods` of this route can be answered from a cache",
            "add GET to `methods`, or write `cache: bypass`",
        );
    }
}

/// A choice over the default one; `None`: bypass.
fn merged(own: Option<&Field<CacheChoice>>, defaults: &Field<CacheChoice>) -> Option<Cache> {
    let under = match defaults.value() {
        Some(CacheChoice::Rule(rule)) => Some(rule.as_ref().clone()),
        Some(CacheChoice::Bypass) => None,
        None => Some(Cache::empty()),
    };
    match own.and_then(Field::value) {
        Some(CacheChoice::Bypass) => None,
        Some(CacheChoice::Rule(rule)) => Some(rule.as_ref().clone().over(under.unwrap_or_else(Cache::empty))),
        None => under,
    }
}

fn on_write(scope: &Scope<'_>, route: &RawRoute, known: &write::Known<'_>) -> WriteRule {
    if let (Some(at), Some(methods)) = (route.on_write.set(), route.methods.value())
        && methods.is_whole()
        && methods.written > 0
        && methods.values().all(Method::is_safe)
    {
        at.fault(
            scope.report,
            "no write comes under this route: all of its `methods` are safe",
            "add the methods of writes, such as PUT, or leave `methods` out",
        );
    }
    write::rule(scope, route.on_write.value(), known)
}

/// Reports routes that no request can reach.
fn check_reachable(scope: &Scope<'_>, routes: &[(&At<RawRoute>, RoutePattern)]) {
    let patterns: Vec<_> = routes.iter().map(|(_, pattern)| pattern.clone()).collect();
    for shadowed in Router::shadowed(&patterns) {
        let (route, by) = (routes[shadowed.route].0, routes[shadowed.by].0);
        let name = by.value.name.set().map_or_else(|| "another".to_owned(), |name| name.shown.to_string());
        let place = route.value.path.set().map_or(&route.place, |path| &path.place);
        scope.report.fault(
            place,
            format!("is never reached: the route {name} on line {} takes its requests", by.place.line),
            "move it before that route, or remove it",
        );
    }
}
