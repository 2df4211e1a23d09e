//! What one Larder shares with others: the tier in Redis, and the log.

use super::StartError;
use crate::cdn::Outbox;
use crate::config::{Settings, SharedLogSettings};
use crate::fleet::{FleetSettings, FleetStats, Left, NodeId, SharedLog, TABLE_SLOTS};
use crate::invalidation::{Invalidation, Ledger, LedgerSettings, Log, Position};
use crate::observe::Metrics;
use crate::redis::{
    Breaker, BreakerState, Deserted, LOST_WAITS, Link, RedisLog, RedisLogSettings, RedisOutbox,
    RedisOutboxSettings, RedisSettings, RedisTier,
};
use crate::spool::{self, BackedLog, Spool, SpoolSettings, SpooledLog};
use crate::store::Remote;
use crate::time::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What is not waited for by a request may take this much longer than what is: a table is read, a server elected.
const PATIENCE: u32 = 20;

/// How long the end of the process waits for purges that are not appended, and then for replies that are not stored.
const LAST_PURGES: Duration = Duration::from_secs(5);
const LAST_WRITES: Duration = Duration::from_secs(2);

/// Characters of a purge that is told in a log line.
const SHOWN: usize = 200;

/// The tier and the log that this Larder shares, as far as it shares any.
pub(super) struct Together {
    pub(super) ledger: Arc<Ledger>,
    pub(super) log: Arc<dyn Log>,
    /// What others know this Larder by.
    pub(super) node: NodeId,
    tier: Option<(Arc<RedisTier>, Arc<Breaker>)>,
    shared: Option<(Arc<SharedLog>, Arc<RedisLog>)>,
    /// The queues for CDNs beside the shared log.
    queues: Option<Arc<RedisOutbox>>,
    /// There are CDNs, and what waits for them is kept nowhere.
    forgets: bool,
    /// The log where it is not shared.
    alone: Option<Arc<SpooledLog>>,
    /// The shared log with a spool behind it.
    backed: Option<Arc<BackedLog>>,
}

impl Together {
    pub(super) fn new(
        settings: &Settings,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let node = NodeId(rand::random());
        let unusable = |error: crate::redis::UnusableSettings| StartError::Redis(error.to_string());
        let link_to =
            |redis: &RedisSettings| Link::new(redis, Arc::clone(metrics) as Arc<_>).map_err(unusable);
        let link = settings.redis.as_ref().map(link_to).transpose()?;
        let tier = settings.redis.as_ref().zip(link.as_ref()).map(|(redis, link)| {
            let breaker = Arc::new(Breaker::new(Arc::clone(metrics) as Arc<_>));
            let observer = Arc::clone(metrics) as Arc<_>;
            let tier =
                RedisTier::new(redis, Arc::clone(link), Arc::clone(&breaker), Arc::clone(clock), observer);
            (tier, breaker)
        });
        let SharedLogSettings { redis: of_log, blind_limit, min_replicas, write_bound } = &settings.log;
        let kept = SpoolSettings {
            folder: settings.spool.clone(),
            cdns: settings.cdns.iter().map(|cdn| (*cdn.name).into()).collect(),
            write_bound: *write_bound,
            patience: spool::PATIENCE,
        };
        let Some(redis) = of_log else {
            let spool = Spool::open(&kept, Arc::clone(clock), Arc::clone(metrics) as Arc<_>)?;
            // Later than every position of a process that ran here before.
            let start = Position::next(clock.now(), spool.last(), Position::START);
            let ledger = Arc::new(Ledger::new(&settings.ledger, start));
            let alone = SpooledLog::new(spool, Arc::clone(&ledger), *write_bound);
            let log = Arc::clone(&alone) as Arc<dyn Log>;
            let forgets = settings.spool.is_none() && !settings.cdns.is_empty();
            return Ok(Self {
                ledger,
                log,
                node,
                tier,
                shared: None,
                queues: None,
                forgets,
                alone: Some(alone),
                backed: None,
            });
        };
        // One link is enough where both are the same.
        let link = match link.filter(|_| settings.redis.as_ref() == Some(redis)) {
            Some(link) => link,
            None => link_to(redis)?,
        };
        let cdns: Vec<_> = settings.cdns.iter().map(|cdn| Arc::clone(&cdn.name)).collect();
        let names = !cdns.is_empty();
        let queues = names.then(|| {
            let queues = RedisOutboxSettings {
                namespace: redis.namespace.clone(),
                cdns: cdns.clone(),
                patience: redis.timeout * PATIENCE,
                lost_waits: LOST_WAITS,
            };
            let observer = Arc::clone(metrics) as Arc<_>;
            Arc::new(RedisOutbox::new(Arc::clone(&link), queues, node, observer))
        });
        let store = Arc::new(RedisLog::new(
            link,
            RedisLogSettings {
                namespace: redis.namespace.clone(),
                timeout: redis.timeout,
                patience: redis.timeout * PATIENCE,
                min_replicas: *min_replicas,
                cdns,
            },
        ));
        // All nodes and the server have to agree on the table.
        let ledger = LedgerSettings { table_slots: TABLE_SLOTS, ..settings.ledger.clone() };
        let ledger = Arc::new(Ledger::cut_off(&ledger, *blind_limit));
        let shared = SharedLog::new(
            Arc::clone(&store) as Arc<_>,
            Arc::clone(&ledger),
            Arc::clone(clock),
            FleetSettings {
                blind_limit: *blind_limit,
                timeout: redis.timeout,
                write_bound: *write_bound,
                names,
            },
            Arc::clone(metrics) as Arc<_>,
            node,
        );
        let log = Arc::clone(&shared) as Arc<dyn Log>;
        let back =
            || BackedLog::new(Arc::clone(&log), kept, Arc::clone(clock), Arc::clone(metrics) as Arc<_>);
        let backed = settings.spool.is_some().then(back).transpose()?;
        let log = backed.as_ref().map_or(log, |backed| Arc::clone(backed) as Arc<dyn Log>);
        Ok(Self {
            ledger,
            log,
            node,
            tier,
            shared: Some((shared, store)),
            queues,
            forgets: false,
            alone: None,
            backed,
        })
    }

    /// The tier, as the engine sees it.
    pub(super) fn remote(&self) -> Option<Arc<dyn Remote>> {
        self.tier.as_ref().map(|(tier, _)| Arc::clone(tier) as Arc<dyn Remote>)
    }

    /// The queues for CDNs.
    pub(super) fn outbox(&self) -> Option<Arc<dyn Outbox>> {
        let queues = self.queues.as_ref().map(|queues| Arc::clone(queues) as Arc<dyn Outbox>);
        queues.or_else(|| self.alone.as_ref().map(|alone| alone.outbox()))
    }

    /// Begins what runs in the background; it goes on until `ended`.
    pub(super) fn begin(&self, background: &TaskTracker, ended: &CancellationToken) {
        if let Some((shared, _)) = &self.shared {
            let (run, ended) = (Arc::clone(shared).run(), ended.clone());
            background.spawn(async move { ended.run_until_cancelled(run).await });
        }
        if let Some(alone) = &self.alone {
            let (run, ended) = (Arc::clone(alone).run(), ended.clone());
            background.spawn(async move { ended.run_until_cancelled(run).await });
        }
        if let Some(backed) = &self.backed {
            let (run, ended) = (Arc::clone(backed).run(), ended.clone());
            background.spawn(async move { ended.run_until_cancelled(run).await });
        }
        if let Some((tier, _)) = &self.tier {
            let (run, ended) = (Arc::clone(tier).run(), ended.clone());
            background.spawn(async move { ended.run_until_cancelled(run).await });
        }
    }

    /// Appends and stores what is left to be, and takes leave of the others.
    pub(super) async fn finish(&self) {
        let purges = async {
            if let Some((shared, _)) = &self.shared {
                self.leave(shared).await;
            }
            if let Some(alone) = &self.alone {
                alone.finish().await;
            }
        };
        let writes = async {
            if let Some((tier, _)) = &self.tier {
                tier.drain(LAST_WRITES).await;
            }
        };
        tokio::join!(purges, writes);
    }

    /// Appends what is left to be, takes leave of the other nodes, and tells what those will not hear of.
    async fn leave(&self, shared: &SharedLog) {
        let mut left = Left::default();
        let emptied = async {
            left = shared.leave(LAST_PURGES).await;
            left.purges == 0
        };
        let kept = match &self.backed {
            Some(backed) => backed.finish(emptied).await,
            None => emptied.await,
        };
        let Left { purges, first } = left;
        if purges > 0 && kept {
            tracing::warn!(
                purges,
                "purges could not be appended before the end; they stand in the spool, and the next Larder with that folder appends them"
            );
        } else if purges > 0 {
            let first: Vec<_> = first.iter().map(shown).collect();
            tracing::error!(
                purges,
                first = first.join(", "),
                "purges could not be appended before the end, and no other Larder will hear of them: purge again what is named first here, and what was purged since"
            );
        }
    }

    /// Whether the shared log may be followed in a moment: it was not opened yet, and did not fail to be.
    pub(super) fn is_opening(&self) -> bool {
        self.shared.as_ref().is_some_and(|(shared, _)| !shared.has_begun())
    }

    /// Whether there are CDNs, and what waits for them ends with this process.
    pub(super) fn forgets(&self) -> bool {
        self.forgets
    }

    /// Gives back what another process may want, when nothing is served any more.
    pub(super) fn close(&self) {
        if let Some(alone) = &self.alone {
            alone.close();
        }
        if let Some(backed) = &self.backed {
            backed.close();
        }
    }

    /// What tells the node's place in the shared log.
    pub(super) fn log_reader(&self) -> impl Fn() -> Option<FleetStats> + Send + Sync + 'static {
        let shared = self.shared.as_ref().map(|(shared, _)| Arc::clone(shared));
        move || shared.as_ref().map(|shared| shared.stats())
    }

    /// What does not work as it should of what is kept for another process, a sentence each.
    pub(super) fn spool_degraded(&self) -> Vec<String> {
        let mut degraded = self.alone.as_ref().map_or_else(Vec::new, |alone| alone.degraded());
        degraded.extend(self.backed.iter().flat_map(|backed| backed.degraded()));
        if self.forgets {
            degraded.push(
                "purges for CDNs wait in memory alone and end with this process; set `invalidation.spool`, or `redis`"
                    .to_owned(),
            );
        }
        degraded
    }

    /// What does not work as it should of what is shared, a sentence each.
    pub(super) fn degraded(&self) -> Vec<String> {
        let mut degraded = Vec::new();
        if let Some((_, breaker)) = &self.tier
            && breaker.state() != BreakerState::Closed
        {
            let state = breaker.state().as_str();
            degraded.push(format!("Redis does not answer as it should (circuit breaker {state}): replies come from memory and the origin"));
        }
        let Some((shared, store)) = &self.shared else { return degraded };
        let FleetStats { blind, lag, queued, .. } = shared.stats();
        if blind {
            let since =
                lag.map_or_else(|| "since the start".to_owned(), |lag| format!("for {} s", lag.as_secs()));
            degraded.push(format!("blind: the invalidation log could not be followed {since}; replies are revalidated within the blind limit"));
        }
        if queued > 0 {
            degraded.push(format!("{queued} purges wait to be appended to the invalidation log"));
        }
        for Deserted { cdn, silent, waiting } in store.deserted() {
            let minutes = silent.as_secs() / 60;
            degraded.push(format!("no node has had the CDN `{cdn}` for {minutes} min: {waiting} purges wait for it, and more are queued until that is a day"));
        }
        if !store.sees_fail_overs() {
            degraded.push("the user of the invalidation log may not use INFO, so a fail-over cannot be noticed; allow `+info`".to_owned());
        }
        if store.may_be_evicted() {
            degraded.push(
                "Redis may evict the invalidation log (maxmemory-policy allkeys-*); use volatile-lru or volatile-ttl, or give the log a Redis of its own"
                    .to_owned(),
            );
        }
        degraded
    }
}

/// A purge as a log line tells it, whoever named it.
fn shown(purge: &Invalidation) -> String {
    purge.to_string().chars().take(SHOWN).flat_map(char::escape_debug).collect()
}
