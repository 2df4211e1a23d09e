//! First match wins, at a cost that does not grow with the number of routes.

use super::{HostPattern, PathPattern};
use http::Method;

/// What a request must be for a route to govern it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePattern {
    pub host: Option<HostPattern>,
    pub path: PathPattern,
    pub methods: Option<Vec<Method>>,
}

/// A route that no request can reach, since every request it matches is taken by an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shadowed {
    pub route: usize,
    pub by: usize,
}

/// The routes, compiled.
#[derive(Debug)]
pub struct Router {}

impl Router {
    /// Compiles `routes`, in the order in which they are tried.
    pub fn new(routes: &[RoutePattern]) -> Self {
        let _ = routes;
        todo!()
    }
    /// The index of the first route that matches. `authority` is canonical, `path` as sent, without query.
    pub fn find(&self, authority: &str, path: &str, method: &Method) -> Option<usize> {
        let _ = (authority, path, method);
        todo!()
    }
    /// Routes that can never match.
    pub fn shadowed(routes: &[RoutePattern]) -> Vec<Shadowed> {
        let _ = routes;
        todo!()
    }
}
