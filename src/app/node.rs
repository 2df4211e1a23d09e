//! The parts of one Larder, put together, and what a reload replaces of them.

use super::cdns::{Cdns, Providers};
use super::events::Events;
use super::together::Together;
use super::{Reloaded, StartError, changes, tags};
use crate::config::Settings;
use crate::engine::{CdnFields, Engine, EngineParts, Rules};
use crate::events::Intake;
use crate::fleet::FleetStats;
use crate::observe::{AccessLog, MeasuredFetch, Metrics, Readings};
use crate::origin::{Fetch, FetchError, FetchRequest, OriginContext, OriginSettings, Origins, Reply};
use crate::proxy::{Edge, EdgeParts, RouteMeans, Shared};
use crate::store::{Memory, MemorySettings};
use crate::time::{Clock, Stopwatch, SystemClock};
use arc_swap::ArcSwap;
use async_trait::async_trait;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;

/// Everything that is shared by all threads of one Larder.
pub(super) struct Node {
    /// What the runtimes serve with.
    pub(super) shared: Arc<Shared>,
    /// What is counted.
    pub(super) metrics: Arc<Metrics>,
    /// The time.
    pub(super) clock: Arc<dyn Clock>,
    /// What it shares with others.
    pub(super) together: Together,
    /// What takes the application's events.
    pub(super) events: Events,
    /// The CDNs in front.
    pub(super) cdns: Cdns,
    /// Since it was started.
    pub(super) uptime: Stopwatch,
    current: CurrentOrigins,
    context: OriginContext,
    /// How replies tell the CDNs in front their tags.
    tag_fields: Option<Arc<dyn CdnFields>>,
    /// What it was started with: what a reload cannot change is still this.
    started_with: Settings,
    // Held while a reload takes place, so that two of them do not mix.
    settings: Mutex<Settings>,
}

/// Origins as the engine asks them: those in force when it asks.
#[derive(Clone)]
struct CurrentOrigins(Arc<ArcSwap<Origins>>);

#[async_trait]
impl Fetch for CurrentOrigins {
    async fn fetch(&self, request: FetchRequest) -> Result<Reply, FetchError> {
        self.0.load_full().fetch(request).await
    }
}

impl Node {
    /// Puts the parts together. To be called on the runtime that is to look after the origins.
    pub(super) fn new(settings: Settings) -> Result<Arc<Self>, StartError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let metrics = Arc::new(Metrics::new(settings.threads, clock.now()));
        // What origins do is measured where they are asked.
        let context = OriginContext::new(Arc::clone(&clock), Arc::new(()));
        let origins = origins(&settings.origins, &context)?;
        let current = CurrentOrigins(Arc::new(ArcSwap::new(Arc::clone(&origins))));
        let providers = Providers::new(&settings.cdns)?;
        let together = Together::new(&settings, &clock, &metrics)?;
        let tag_fields = tags::fields_of(&providers)?;
        let cdns = Cdns::new(providers, &settings, &together, &clock, &metrics);
        let engine = engine(&settings, &clock, &metrics, &together, current.clone());
        let events = Events::new(&settings, &engine, together.node, &clock, &metrics)?;
        let edge = ArcSwap::from_pointee(edge(&settings, &metrics, origins, tag_fields.as_ref()));
        let shared = Arc::new(Shared { engine, edge });
        read_figures(
            &metrics,
            &shared.engine,
            &events.intake,
            together.log_reader(),
            settings.memory.max_size,
        );
        Ok(Arc::new(Self {
            shared,
            metrics,
            clock,
            together,
            events,
            cdns,
            uptime: Stopwatch::start(),
            current,
            context,
            tag_fields,
            started_with: settings.clone(),
            settings: Mutex::new(settings),
        }))
    }

    /// Puts `settings` in force, as far as a running Larder can; what is stored stays. `runtime` is to look after the origins.
    pub(super) fn reload(&self, settings: Settings, runtime: &Handle) -> Result<Reloaded, StartError> {
        let mut current = self.settings();
        let before = self.shared.edge.load_full();
        // Origins that did not change keep their connections and what is known of their servers.
        let origins = if settings.origins == current.origins {
            Arc::clone(before.origins())
        } else {
            let _entered = runtime.enter();
            origins(&settings.origins, &self.context)?
        };
        let reloaded = Reloaded { needs_restart: changes::needing_restart(&self.started_with, &settings) };
        self.shared.edge.store(Arc::new(edge(
            &settings,
            &self.metrics,
            Arc::clone(&origins),
            self.tag_fields.as_ref(),
        )));
        self.current.0.store(origins);
        self.shared.engine.rules_changed();
        self.events.reload(&settings.events.rules);
        self.cdns.rules_changed(&settings);
        *current = settings;
        Ok(reloaded)
    }

    /// The origins in force.
    pub(super) fn origins(&self) -> Arc<Origins> {
        self.current.0.load_full()
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn origins(settings: &[OriginSettings], context: &OriginContext) -> Result<Arc<Origins>, StartError> {
    Origins::new(settings, context).map(Arc::new).map_err(|error| StartError::Origin(error.to_string()))
}

fn engine(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    together: &Together,
    fetch: CurrentOrigins,
) -> Arc<Engine> {
    Engine::new(EngineParts {
        memory: Memory::new(&settings.memory),
        remote: together.remote(),
        max_arriving: max_arriving(&settings.memory),
        ledger: Arc::clone(&together.ledger),
        log: Arc::clone(&together.log),
        settle: settings.settle,
        write_bound: settings.log.write_bound,
        fetch: Arc::new(MeasuredFetch::new(fetch, Arc::clone(metrics))),
        clock: Arc::clone(clock),
        observer: Arc::clone(metrics) as Arc<_>,
    })
}

/// Bytes that replies may take while they arrive, beside those that are stored: a quarter as much, and always enough for a
/// few of the largest.
fn max_arriving(memory: &MemorySettings) -> u64 {
    (memory.max_size / 4).max(memory.max_object.saturating_mul(4))
}

fn edge(
    settings: &Settings,
    metrics: &Metrics,
    origins: Arc<Origins>,
    cdns: Option<&Arc<dyn CdnFields>>,
) -> Edge {
    let rules = Rules::new(settings.routes.clone(), settings.host_aliases.clone());
    let of_routes = metrics.install_routes(settings.routes.iter().map(|route| Arc::clone(&route.name)));
    let names = settings.origins.iter().map(|origin| Arc::from(origin.name.as_str()));
    let of_origins = metrics.install_origins(names);
    let means = settings.routes.iter().zip(of_routes).map(|(route, metrics)| {
        let of_route = |origin: &&OriginSettings| *origin.name == *route.origin;
        let place = settings.origins.iter().position(|origin| of_route(&origin));
        let place = place.expect("the configuration was checked: every route names an origin");
        RouteMeans {
            metrics,
            origin: Arc::clone(&of_origins[place]),
            retries: settings.origins[place].retries,
        }
    });
    let means = means.collect();
    Edge::new(EdgeParts {
        rules: match cdns {
            Some(cdns) => rules.telling(cdns),
            None => rules,
        },
        trusted: settings.trusted_proxies.clone(),
        means,
        origins,
        access: AccessLog::new(&settings.access_log),
    })
}

/// Has the metrics read what the engine counts itself.
fn read_figures(
    metrics: &Metrics,
    engine: &Arc<Engine>,
    intake: &Arc<Intake>,
    fleet: impl Fn() -> Option<FleetStats> + Send + Sync + 'static,
    memory_limit: u64,
) {
    let (engine, intake) = (Arc::downgrade(engine), Arc::downgrade(intake));
    metrics.read_from(move || {
        let stats = engine.upgrade().map(|engine| engine.stats()).unwrap_or_default();
        Readings {
            memory: stats.memory,
            memory_limit,
            ledger: stats.ledger,
            fills_in_flight: stats.flights as u64,
            fleet: fleet(),
            events: intake.upgrade().map(|intake| intake.counts()).unwrap_or_default(),
            channel_breaks: intake.upgrade().map_or(0, |intake| intake.breaks()),
        }
    });
}
