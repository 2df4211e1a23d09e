//! A Larder for the tests of the admin listener, with a switch for each thing that can go wrong.

use super::{Control, Degraded, Readiness, Reloaded, Retried, RetryError, Stats, Undelivered};
use crate::events::fake::tag_rule;
use crate::events::{EventRules, Handed, Message, Refusal, plan_event};
use crate::invalidation::{Invalidation, LogError, Place, Places, Position};
use async_trait::async_trait;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) purged: Mutex<Vec<Invalidation>>,
    pub(crate) log_fails: AtomicBool,
    pub(crate) node_hangs: AtomicBool,
    pub(crate) config_is_bad: AtomicBool,
    pub(crate) draining: AtomicBool,
    pub(crate) cdn_fails: AtomicBool,
    position: AtomicU64,
}

#[async_trait]
impl Control for Fake {
    async fn spread(&self, _place: Place, _within: Duration) -> Vec<String> {
        if self.node_hangs.load(SeqCst) { vec!["feed".into()] } else { Vec::new() }
    }

    async fn event(&self, message: Message, _urgent: bool) -> Result<Handed, Refusal> {
        let rules = EventRules {
            rules: vec![tag_rule("product_updated", &["product:{product_id}", "catalog"])],
            ..EventRules::default()
        };
        let plan = plan_event(&rules, &message.read()?)?;
        let purges = plan.batch.len();
        let places = self.purge(plan.batch, false).await;
        Ok(Handed { purges, places, faults: plan.faults })
    }

    async fn purge(&self, batch: Vec<Invalidation>, _urgent: bool) -> Result<Places, LogError> {
        if self.log_fails.load(SeqCst) {
            return Err(LogError::Unavailable("no answer".into()));
        }
        self.purged.lock().unwrap().extend(batch);
        let position = Position::from_u64((1 << 60) + 1 + self.position.fetch_add(1, SeqCst));
        Ok(Place { epoch: None, position }.into())
    }

    async fn delivered(&self, _places: &Places, _within: Duration) -> Vec<Undelivered> {
        let undelivered = Undelivered { cdn: "edge".into(), state: "waiting", reason: Some("429".into()) };
        if self.cdn_fails.load(SeqCst) { vec![undelivered] } else { Vec::new() }
    }

    async fn retry_cdns(&self, cdn: Option<&str>) -> Result<Vec<Retried>, RetryError> {
        if self.cdn_fails.load(SeqCst) {
            return Err(RetryError::Unavailable("no answer".into()));
        }
        match cdn {
            None | Some("edge") => Ok(vec![Retried { cdn: "edge".into(), letters: 3 }]),
            Some(_) => Err(RetryError::Unknown(vec!["edge".into()])),
        }
    }

    async fn reload(&self) -> Result<Reloaded, Vec<String>> {
        if self.config_is_bad.load(SeqCst) {
            return Err(vec!["proxy.yaml:1:1: one".into(), "proxy.yaml:2:1: two".into()]);
        }
        Ok(Reloaded { needs_restart: vec!["threads"] })
    }

    fn canonical(&self, authority: &str) -> String {
        if authority == "alias.example" { "shop.example" } else { authority }.to_owned()
    }

    fn routes(&self) -> Vec<String> {
        ["cart", "product"].map(String::from).into()
    }

    fn readiness(&self) -> Readiness {
        let degraded =
            vec![Degraded { component: "origin", reason: "no server of `default` is healthy".into() }];
        Readiness { ready: !self.draining.load(SeqCst), degraded }
    }

    fn stats(&self) -> Stats {
        Stats { version: "1.2.3", hit_ratio: Some(0.5), ..Stats::default() }
    }

    fn metrics_text(&self) -> String {
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n".into()
    }
}
