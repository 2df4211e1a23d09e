//! The rules in force: routes, compiled, with what each says of caching and of writes.

use super::tagging::CdnFields;
use crate::invalidation::{Template, Variable, WriteRule};
use crate::key::{HostAliases, KeyRule, RegionRule};
use crate::route::{RoutePattern, Router};
use crate::semantics::FreshnessRule;
use http::Method;
use ipnet::IpNet;
use std::sync::Arc;
use std::time::Duration;

/// What a route says of caching.
#[derive(Clone, Debug)]
pub struct CacheRule {
    /// What may be stored, and for how long.
    pub freshness: FreshnessRule,
    /// What keys are made of.
    pub key: KeyRule,
    /// Tags of every reply stored under the route.
    pub tags: Vec<Template<Variable>>,
    /// How long memory may hold a reply before it asks further.
    pub memory_ttl: Option<Duration>,
    /// Among whom requests for one key that come at once share one fill.
    pub collapse: Collapse,
    /// Whether replies are kept in memory.
    pub memory: bool,
    /// Whether replies are kept in the remote tier, where there is one.
    pub remote: bool,
    /// Each hit renews the lifetime, up to this time after the reply was generated.
    pub sliding: Option<Duration>,
}

/// Among whom requests for one key that come at once share one request to the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collapse {
    /// Each goes by itself.
    Off,
    /// Those at one node.
    Process,
    /// Those at all nodes that share a remote tier; without one, those at one node.
    #[default]
    Fleet,
}

/// One rule of the configuration.
#[derive(Clone, Debug)]
pub struct Route {
    /// The label in metrics and logs.
    pub name: Arc<str>,
    /// Its place in [`Rules::routes`].
    pub index: usize,
    /// `None` for the route of requests that no other matches.
    pub pattern: Option<RoutePattern>,
    /// Name of the origin.
    pub origin: Arc<str>,
    /// `None`: bypass.
    pub cache: Option<CacheRule>,
    /// What the client's region is read from.
    pub region: Option<Arc<RegionRule>>,
    /// What a write under it purges, besides its own target.
    pub on_write: WriteRule,
    /// Networks whose clients may purge a URL of it by `PURGE`.
    pub purge_from: Vec<IpNet>,
    /// How its replies tell CDNs in front what purges reach them, if there are CDNs. Those that take no tags want no field.
    pub cdns: Option<Arc<dyn CdnFields>>,
}

/// All rules, swapped as one.
#[derive(Debug)]
pub struct Rules {
    router: Router,
    routes: Vec<Arc<Route>>,
    aliases: HostAliases,
}

impl Rules {
    /// Compiles `routes`, in the order in which they are tried; the last one, without a pattern, takes what is left.
    pub fn new(routes: Vec<Route>, aliases: HostAliases) -> Self {
        let patterns: Vec<_> = routes.iter().filter_map(|route| route.pattern.clone()).collect();
        debug_assert_eq!(patterns.len() + 1, routes.len(), "exactly one route has no pattern");
        Self { router: Router::new(&patterns), routes: routes.into_iter().map(Arc::new).collect(), aliases }
    }

    /// These rules, with replies that tell CDNs in front what purges reach them.
    #[must_use]
    pub fn telling(mut self, cdns: &Arc<dyn CdnFields>) -> Self {
        for route in &mut self.routes {
            Arc::make_mut(route).cdns = Some(Arc::clone(cdns));
        }
        self
    }

    /// The route that governs a request.
    pub fn find(&self, authority: &str, path: &str, method: &Method) -> &Arc<Route> {
        let index = self.router.find(authority, path, method).unwrap_or(self.routes.len() - 1);
        &self.routes[index]
    }

    /// All routes, that of unmatched requests last.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// Other names of services.
    pub fn aliases(&self) -> &HostAliases {
        &self.aliases
    }
}
