//! What becomes of a `PURGE`: it is answered by Larder, and never reaches the origin.

use super::page::Page;
use super::request::Request;
use super::routing;
use crate::engine::Rules;
use http::Method;

/// Whether `request` is one.
pub(super) fn is_purge(request: &Request) -> bool {
    request.method.as_str() == "PURGE"
}

/// Writes the route and what it says. A PURGE is governed by the route that a GET would have.
pub(super) fn write(page: &mut Page, rules: &Rules, request: &Request) {
    let route = rules.find(&request.authority, &request.path, &Method::GET);
    routing::write(page, rules, route, &Request { method: Method::GET, ..request.clone() });
    if route.purge_from.is_empty() {
        return page.line("purges", "nothing: it is refused with 405, since the route has no `purge_from`");
    }
    page.line("purges", &format!("url {}{}, with every query and variant", request.authority, request.path));
    let networks: Vec<_> = route.purge_from.iter().map(ToString::to_string).collect();
    page.line("when", &format!("the client is in {}; others are refused with 405", networks.join(", ")));
}
