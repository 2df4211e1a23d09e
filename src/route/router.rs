//! First match wins, at a cost that does not grow with the number of routes.

use super::hosts::Hosts;
use super::methods::Methods;
use super::trie::NONE;
use super::{HostPattern, PathPattern};
use http::Method;

/// What a request must be for a route to govern it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePattern {
    /// The host; `None`: any.
    pub host: Option<HostPattern>,
    /// The path.
    pub path: PathPattern,
    /// The methods, each as listed (`GET` does not include `HEAD`); `None`: any.
    pub methods: Option<Vec<Method>>,
}

/// A route that no request can reach, since every request it matches is taken by an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shadowed {
    /// The index of the route.
    pub route: usize,
    /// The index of the first route that takes all it matches.
    pub by: usize,
}

/// The routes, compiled.
#[derive(Debug)]
pub struct Router {
    hosts: Hosts,
}

impl Router {
    /// Compiles `routes`, in the order in which they are tried.
    pub fn new(routes: &[RoutePattern]) -> Self {
        let mut hosts = Hosts::default();
        for (index, route) in routes.iter().enumerate() {
            insert(&mut hosts, index, route);
        }
        Self { hosts }
    }

    /// The index of the first route that matches. `authority` is canonical, `path` as sent, without query.
    ///
    /// Allocates nothing. A path that does not begin with `/` matches no route.
    pub fn find(&self, authority: &str, path: &str, method: &Method) -> Option<usize> {
        let below_root = path.strip_prefix('/')?;
        let tries = self.hosts.of(authority);
        let lowest = tries.fold(NONE, |best, trie| trie.find(Some(below_root), method, best));
        (lowest != NONE).then_some(lowest)
    }

    /// Routes that can never match, since one earlier route takes all they match.
    ///
    /// What is reported is unreachable; a route that only several earlier ones together make unreachable is not reported.
    pub fn shadowed(routes: &[RoutePattern]) -> Vec<Shadowed> {
        let mut hosts = Hosts::default();
        let mut shadowed = Vec::new();
        for (index, route) in routes.iter().enumerate() {
            if let Some(by) = covering(&hosts, route) {
                shadowed.push(Shadowed { route: index, by });
            }
            insert(&mut hosts, index, route);
        }
        shadowed
    }
}

fn insert(hosts: &mut Hosts, index: usize, route: &RoutePattern) {
    let methods = Methods::new(route.methods.as_deref());
    hosts.trie_mut(route.host.as_ref()).insert(index, &route.path, methods);
}

fn covering(hosts: &Hosts, route: &RoutePattern) -> Option<usize> {
    let methods = Methods::new(route.methods.as_deref());
    let (parts, takes_rest) = (route.path.parts(), route.path.takes_rest());
    let tries = hosts.covering(route.host.as_ref()).into_iter();
    let lowest = tries.fold(NONE, |best, trie| trie.find_covering(parts, takes_rest, &methods, best));
    (lowest != NONE).then_some(lowest)
}

#[cfg(test)]
mod tests;
