//! Larder as its admin listener sees it.

use super::life::Orders;
use super::node::Node;
use super::reload::Reloader;
use crate::admin::{
    Control, Degraded, EventFigures, Readiness, Reloaded, Retried, RetryError, Stats, Undelivered,
};
use crate::events::{Handed, Message, Refusal, Source};
use crate::invalidation::{Appending, Invalidation, LogError, Place, Places};
use crate::key::{Scheme, canonical_authority};
use async_trait::async_trait;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// How long a start waits for the shared log before traffic may come: it is opened within milliseconds, and what is written before
/// cannot be announced in it. A Redis that does not answer holds up nobody for longer.
const OPENING: Duration = Duration::from_secs(1);

/// What the admin listener acts on.
pub(super) struct NodeControl {
    /// The parts.
    pub(super) node: Arc<Node>,
    /// What reads the configuration again.
    pub(super) reloader: Arc<Reloader>,
    /// Tells whether it is ending.
    pub(super) orders: Orders,
}

#[async_trait]
impl Control for NodeControl {
    async fn purge(&self, batch: Vec<Invalidation>, urgent: bool) -> Result<Places, LogError> {
        self.node.shared.engine.invalidate_as(Appending { batch, urgent, ..Appending::default() }).await
    }

    async fn event(&self, message: Message, urgent: bool) -> Result<Handed, Refusal> {
        self.node.events.intake.hand(Source::Http, &message, urgent).await
    }

    async fn spread(&self, place: Place, within: Duration) -> Vec<String> {
        self.node.shared.engine.spread(place, within).await
    }

    async fn delivered(&self, places: &Places, within: Duration) -> Vec<Undelivered> {
        self.node.cdns.delivered(places, within).await
    }

    async fn retry_cdns(&self, cdn: Option<&str>) -> Result<Vec<Retried>, RetryError> {
        self.node.cdns.retry(cdn).await
    }

    async fn reload(&self) -> Result<Reloaded, Vec<String>> {
        // Files are read, and name servers may be asked.
        let reloader = Arc::clone(&self.reloader);
        let reloaded = tokio::task::spawn_blocking(move || reloader.reload_file()).await;
        match reloaded {
            Ok(Ok(super::Reloaded { needs_restart })) => Ok(Reloaded { needs_restart }),
            Ok(Err(error)) => Err(error.lines().to_vec()),
            Err(_) => Err(vec!["the reload was cut off, since Larder ends".to_owned()]),
        }
    }

    fn canonical(&self, authority: &str) -> String {
        let edge = self.node.shared.edge.load();
        let canonical = canonical_authority(authority, Scheme::Http, edge.rules().aliases());
        canonical.map_or_else(|| authority.to_owned(), Cow::into_owned)
    }

    fn routes(&self) -> Vec<String> {
        let edge = self.node.shared.edge.load();
        edge.rules().routes().iter().map(|route| route.name.to_string()).collect()
    }

    fn readiness(&self) -> Readiness {
        let ending = self.orders.drain.is_cancelled() || self.orders.stop.is_cancelled();
        let opening = self.node.together.is_opening() && self.node.uptime.elapsed() < OPENING;
        let ready = !ending && !opening;
        let mut degraded = degraded_origins(&self.node);
        let shared = self.node.together.degraded();
        degraded.extend(shared.into_iter().map(|reason| Degraded { component: "redis", reason }));
        let spool = self.node.together.spool_degraded();
        degraded.extend(spool.into_iter().map(|reason| Degraded { component: "spool", reason }));
        let events = self.node.events.degraded();
        degraded.extend(events.into_iter().map(|reason| Degraded { component: "events", reason }));
        let cdns = self.node.cdns.degraded();
        degraded.extend(cdns.into_iter().map(|reason| Degraded { component: "cdn", reason }));
        Readiness { ready, degraded }
    }

    fn stats(&self) -> Stats {
        let node = &self.node;
        let stats = Stats::gather(&node.metrics, node.uptime.elapsed(), node.shared.engine.position());
        Stats { cdns: node.cdns.figures(), events: EventFigures::of(&node.events.intake), ..stats }
    }

    fn metrics_text(&self) -> String {
        self.node.metrics.text()
    }
}

/// Origins without a server that takes requests, and servers that take none.
fn degraded_origins(node: &Node) -> Vec<Degraded> {
    let health = node.origins().health();
    let degraded = health.iter().filter_map(|origin| {
        let down = origin.servers.iter().filter(|server| server.state.as_str() == "unhealthy").count();
        let reason = if !origin.usable() {
            format!("origin `{}` has no server that takes requests", origin.origin)
        } else if down > 0 {
            format!(
                "origin `{}`: {down} of {} servers fail their checks",
                origin.origin,
                origin.servers.len()
            )
        } else if !origin.unresolved.is_empty() {
            format!("origin `{}`: {} names do not resolve", origin.origin, origin.unresolved.len())
        } else {
            return None;
        };
        Some(Degraded { component: "origin", reason })
    });
    degraded.collect()
}
