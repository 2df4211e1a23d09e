//! What the admin listener needs from the rest of Larder.

use super::Stats;
use crate::events::{Handed, Message, Refusal};
use crate::invalidation::{Invalidation, LogError, Place, Places};
use async_trait::async_trait;
use serde::Serialize;
use std::time::Duration;

/// Larder, as the admin listener sees it.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// Appends `batch` to the log. This node has applied it when it returns, whatever it returns; on failure it is appended
    /// later. `urgent`: somebody waits until every node has applied it.
    async fn purge(&self, batch: Vec<Invalidation>, urgent: bool) -> Result<Places, LogError>;

    /// Takes an event of the application; what it purges is purged as by [`Control::purge`].
    async fn event(&self, message: Message, urgent: bool) -> Result<Handed, Refusal>;

    /// Waits, `within` at most, until every node has applied what stands at `place`; names those that have not.
    async fn spread(&self, place: Place, within: Duration) -> Vec<String>;

    /// Waits, `within` at most, until every CDN in front has taken what stands at `places`; names those that have not.
    async fn delivered(&self, places: &Places, within: Duration) -> Vec<Undelivered>;

    /// Queues the dead letters of one CDN again, or of all, and says how many there were.
    async fn retry_cdns(&self, cdn: Option<&str>) -> Result<Vec<Retried>, RetryError>;

    /// Reads the configuration again and puts it in force, or says what is wrong with it, one fault a line.
    async fn reload(&self) -> Result<Reloaded, Vec<String>>;

    /// The canonical name of an authority that somebody wrote.
    fn canonical(&self, authority: &str) -> String;

    /// The names of the routes in force.
    fn routes(&self) -> Vec<String>;

    /// Whether traffic may come.
    fn readiness(&self) -> Readiness;

    /// The figures of this moment.
    fn stats(&self) -> Stats;

    /// The metrics in the text format of Prometheus. May take a while; it is called on a thread that may block.
    fn metrics_text(&self) -> String;
}

/// A CDN that has not taken a purge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undelivered {
    /// Its name.
    pub cdn: String,
    /// `waiting`, `dead` (given up; see `larder cdn retry`) or `unknown` (its queue cannot be asked).
    pub state: &'static str,
    /// Why, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Dead letters that are queued again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// The name of the CDN.
    pub cdn: String,
    /// How many there were.
    pub letters: u64,
}

/// Why dead letters were not queued again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    /// No CDN has that name; these are the names there are.
    #[error("no CDN has that name; there are: {}", .0.join(", "))]
    Unknown(Vec<String>),
    /// The queue cannot be reached.
    #[error("{0}")]
    Unavailable(String),
}

/// A reload that took place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Keys that changed in the file and only take effect after a restart.
    pub needs_restart: Vec<&'static str>,
}

/// Whether Larder may take traffic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// `false` while it starts and once it drains.
    pub ready: bool,
    /// What does not work as it should although traffic may come.
    pub degraded: Vec<Degraded>,
}

/// Something that does not work as it should.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Degraded {
    /// What: `origin`, `config`, …
    pub component: &'static str,
    /// How, in a sentence. `/readyz` shows it to everybody, so no secrets and no addresses of the inside.
    pub reason: String,
}
