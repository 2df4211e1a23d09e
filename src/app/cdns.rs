//! The CDNs in front, as this Larder tells them.

use super::StartError;
use super::doubts::doubts;
use super::together::Together;
use crate::admin::{CdnFigures, Retried, RetryError, Undelivered};
use crate::cdn::providers::{self, MakeError};
use crate::cdn::{
    Aim, CdnSettings, Deliveries, DeliveryParts, Limits, Outstanding, OutstandingReason, Provider, Reach,
    RouteReach,
};
use crate::config::Settings;
use crate::engine::Route;
use crate::invalidation::{Places, Position};
use crate::observe::Metrics;
use crate::time::Clock;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The CDNs in front with their APIs; none of them was told anything yet.
pub(super) struct Providers(Vec<(CdnSettings, Arc<dyn Provider>)>);

impl Providers {
    /// Those that are configured.
    pub(super) fn new(settings: &[CdnSettings]) -> Result<Self, StartError> {
        let made = settings.iter().map(|cdn| {
            let unusable = |error: MakeError| StartError::Cdn(format!("{}: {error}", cdn.name));
            Ok((cdn.clone(), providers::make(cdn).map_err(unusable)?))
        });
        made.collect::<Result<_, StartError>>().map(Self)
    }

    /// What they are told by the rules of `settings`.
    fn aims(&self, settings: &Settings) -> Aims {
        let aim =
            |(cdn, provider): &(CdnSettings, Arc<dyn Provider>)| Aim::new(provider.limits().clone(), cdn);
        let aims = self.0.iter().map(|each| (Arc::clone(&each.0.name), aim(each)));
        Aims { cdns: aims.collect(), reach: reach(settings) }
    }

    /// What their APIs take.
    pub(super) fn limits(&self) -> impl Iterator<Item = &Limits> {
        self.0.iter().map(|(_, provider)| provider.limits())
    }
}

/// Deliveries to the CDNs in front, if there are any.
pub(super) struct Cdns {
    deliveries: Option<Deliveries>,
    reach: Arc<ArcSwap<Reach>>,
    clock: Arc<dyn Clock>,
}

impl Cdns {
    /// Nothing is delivered before [`Cdns::begin`].
    pub(super) fn new(
        providers: Providers,
        settings: &Settings,
        together: &Together,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let aims = providers.aims(settings);
        doubts(settings, &aims).iter().for_each(|doubt| tracing::warn!("{doubt}"));
        let Providers(cdns) = providers;
        metrics.install_cdns(cdns.iter().map(|(cdn, _)| Arc::clone(&cdn.name)));
        let reach = Arc::new(ArcSwap::from_pointee(aims.reach));
        let deliveries = together.outbox().map(|outbox| {
            Deliveries::new(DeliveryParts {
                cdns,
                outbox,
                log: Arc::clone(&together.log),
                reach: Arc::clone(&reach),
                clock: Arc::clone(clock),
                observer: Arc::clone(metrics) as Arc<_>,
                blind_limit: settings.log.blind_limit,
                seed: rand::random(),
            })
        });
        Self { deliveries, reach, clock: Arc::clone(clock) }
    }

    /// Begins to deliver; goes on until `ended`.
    pub(super) fn begin(&self, background: &TaskTracker, ended: &CancellationToken) {
        if let Some(deliveries) = &self.deliveries {
            deliveries.begin(background, ended);
        }
    }

    /// Other rules are in force: what a purge reaches is another matter.
    pub(super) fn rules_changed(&self, settings: &Settings) {
        self.reach.store(Arc::new(reach(settings)));
    }

    /// Waits, `within` at most, until every CDN has taken what stands at `places`; names those that have not.
    pub(super) async fn delivered(&self, places: &Places, within: Duration) -> Vec<Undelivered> {
        let Some(deliveries) = &self.deliveries else { return Vec::new() };
        let positions: Vec<_> = places.positions().collect();
        deliveries.wait(&positions, within).await.into_iter().map(undelivered).collect()
    }

    /// Waits, `within` at most, until every CDN has taken all that waits for it, once at least.
    pub(super) async fn deliver(&self, within: Duration) {
        if let Some(deliveries) = &self.deliveries {
            deliveries.wait(&[Position::LAST], within).await;
        }
    }

    /// Tells what the CDNs were not told and never will be, since the process ends and nobody else knows of it.
    pub(super) async fn tell_lost(&self) {
        let Some(deliveries) = &self.deliveries else { return };
        let left = deliveries.left().await;
        if !left.is_empty() {
            let shown: Vec<_> = left.iter().map(|(cdn, purges)| format!("{cdn}: {purges}")).collect();
            tracing::warn!(
                purges = shown.join(", "),
                "purges that waited for CDNs in memory are lost; set `invalidation.spool`, or `redis`"
            );
        }
    }

    /// Queues dead letters again: of the CDN of that name, or of all.
    pub(super) async fn retry(&self, cdn: Option<&str>) -> Result<Vec<Retried>, RetryError> {
        let unknown = || {
            let names = self.deliveries.iter().flat_map(Deliveries::names);
            RetryError::Unknown(names.map(ToString::to_string).collect())
        };
        let Some(deliveries) = &self.deliveries else {
            return if cdn.is_none() { Ok(Vec::new()) } else { Err(unknown()) };
        };
        let retried = deliveries.retry(cdn).await.ok_or_else(unknown)?;
        let retried = retried.map_err(|error| RetryError::Unavailable(error.to_string()))?;
        Ok(retried.into_iter().map(|(cdn, letters)| Retried { cdn: cdn.to_string(), letters }).collect())
    }

    /// How each stands.
    pub(super) fn figures(&self) -> Vec<CdnFigures> {
        let now = self.clock.now();
        let stats = self.deliveries.iter().flat_map(Deliveries::stats);
        stats.map(|stats| CdnFigures::of(&stats, now)).collect()
    }

    /// What does not work as it should, a sentence each.
    pub(super) fn degraded(&self) -> Vec<String> {
        self.deliveries.as_ref().map(Deliveries::degraded).unwrap_or_default()
    }
}

fn undelivered(Outstanding { cdn, reason }: Outstanding) -> Undelivered {
    let state = reason.as_str();
    let reason = match reason {
        OutstandingReason::Waiting => None,
        OutstandingReason::Dead(reason) | OutstandingReason::Unknown(reason) => Some(reason),
    };
    Undelivered { cdn: cdn.to_string(), state, reason }
}

/// What the CDNs of a configuration would be told, without telling them.
pub(crate) struct Aims {
    /// Each by its name.
    pub(crate) cdns: Vec<(Arc<str>, Aim)>,
    /// What the rules reach.
    pub(crate) reach: Reach,
}

impl Aims {
    /// Those of `settings`.
    pub(crate) fn new(settings: &Settings) -> Result<Self, StartError> {
        Ok(Providers::new(&settings.cdns)?.aims(settings))
    }
}

/// What the rules reach, for CDNs that do not know routes, or tags.
fn reach(settings: &Settings) -> Reach {
    let mut hosts: Vec<Box<str>> = Vec::new();
    let of_routes =
        settings.routes.iter().filter_map(|route| route.pattern.as_ref()?.host.as_ref()?.literal());
    let of_cdns = settings.cdns.iter().flat_map(|cdn| cdn.hosts.iter().map(|host| &**host));
    let aliases = &settings.host_aliases;
    for host in aliases.canonical_names().chain(of_routes).chain(of_cdns) {
        let host = aliases.canonical(host);
        if !hosts.iter().any(|known| **known == *host) {
            hosts.push(host.into());
        }
    }
    Reach { routes: settings.routes.iter().map(route_reach).collect(), hosts, aliases: aliases.clone() }
}

fn route_reach(route: &Route) -> RouteReach {
    RouteReach {
        name: Arc::clone(&route.name),
        host: route.pattern.as_ref().and_then(|pattern| pattern.host.clone()),
        path: route.pattern.as_ref().map(|pattern| pattern.path.clone()),
        tags: route.cache.as_ref().map_or_else(Vec::new, |cache| cache.tags.clone()),
    }
}
