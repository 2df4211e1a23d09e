//! The queues for CDNs in Redis, and how purges come into them, against real servers.

mod dead;
mod fleets;
mod leads;
mod losses;
mod names;
mod others;
mod strangers;

use crate::log::{PATIENCE, append, link_in, record, server_at, settings};
use crate::support::RedisServer;
use larder::cdn::{Job, JobId, Outbox};
use larder::fleet::{Append, LogStore, NodeId};
use larder::invalidation::{Epoch, Invalidation, Matcher, Names, Position};
use larder::redis::{
    Link, OutboxEvent, OutboxObserver, RedisLog, RedisLogSettings, RedisOutbox, RedisOutboxSettings,
    RedisServers,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The queue that most tests look at, and another one.
const EDGE: &str = "edge";
const OTHER: &str = "other";
const QUEUE: &str = "{shop}:log:cdn:edge";

/// Longer than any test.
const TERM: Duration = Duration::from_secs(600);
/// Longer than anything that is waited for.
const LONG: Duration = Duration::from_secs(30);

fn cdns() -> Vec<Arc<str>> {
    vec![EDGE.into(), OTHER.into()]
}

/// What an outbox told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<(String, OutboxEvent, u64)>>);

impl OutboxObserver for Told {
    fn event(&self, cdn: &str, event: OutboxEvent, count: u64) {
        self.0.lock().unwrap().push((cdn.to_owned(), event, count));
    }
}

impl Told {
    fn events(&self) -> Vec<OutboxEvent> {
        self.0.lock().unwrap().iter().filter(|(cdn, ..)| cdn == EDGE).map(|(_, event, _)| *event).collect()
    }
}

/// A node, as far as it has to do with queues.
struct Node {
    log: RedisLog,
    outbox: Arc<RedisOutbox>,
    told: Arc<Told>,
}

impl Node {
    fn on(link: Arc<Link>, node: u128) -> Self {
        Self::patient(link, node, Duration::ZERO)
    }

    /// A node that hands out what stands for a lost queue after `lost_waits`.
    fn patient(link: Arc<Link>, node: u128, lost_waits: Duration) -> Self {
        let log = RedisLog::new(Arc::clone(&link), RedisLogSettings { cdns: cdns(), ..settings() });
        let of_outbox = RedisOutboxSettings {
            namespace: "shop".to_owned(),
            cdns: cdns(),
            patience: PATIENCE,
            lost_waits,
        };
        let told = Arc::new(Told::default());
        let observer = Arc::clone(&told) as Arc<dyn OutboxObserver>;
        let outbox = Arc::new(RedisOutbox::new(link, of_outbox, NodeId(node), observer));
        Self { log, outbox, told }
    }

    fn at(url: &str, node: u128) -> Self {
        Self::on(link_at(url), node)
    }

    async fn open(&self, known: Option<Epoch>) -> Epoch {
        self.log.open(Position::START, known).await.unwrap().epoch()
    }

    async fn leads(&self) -> bool {
        self.outbox.lead(EDGE, TERM).await.unwrap()
    }

    /// What waits, at once.
    async fn next(&self) -> Vec<Job> {
        self.outbox.next(EDGE, 100, Duration::ZERO).await.unwrap()
    }

    async fn recover(&self) -> Vec<Job> {
        self.outbox.recover(EDGE, None, 100).await.unwrap()
    }
}

fn link_at(url: &str) -> Arc<Link> {
    link_in(RedisServers::Single(server_at(url.strip_prefix("redis://").unwrap())), None)
}

/// A server, and a node that has opened its log and has the lead for a CDN.
async fn leader() -> (RedisServer, Node, Epoch) {
    let server = RedisServer::start().await;
    let node = Node::at(&server.url(), 1);
    let epoch = node.open(None).await;
    assert!(node.leads().await);
    (server, node, epoch)
}

fn tag(number: u64) -> Invalidation {
    Invalidation::hard(Matcher::Tag(format!("t{number}").into()))
}

fn everything() -> Vec<Invalidation> {
    vec![Invalidation::hard(Matcher::All)]
}

/// A record that CDNs are told of.
fn named(number: u64, after: Position) -> Append {
    Append { names: Names::of(&[tag(number)]), ..record(number, after) }
}

/// Appends a record for each of the numbers; returns where they stand.
async fn purge(node: &Node, epoch: Epoch, numbers: std::ops::Range<u64>) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in numbers {
        let after = positions.last().copied().unwrap_or(Position::START);
        positions.push(append(&node.log, epoch, &named(number, after)).await.0);
    }
    positions
}

fn ids(jobs: &[Job]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

/// The numbers of what jobs purge.
fn purged(jobs: &[Job]) -> Vec<Vec<Invalidation>> {
    jobs.iter().map(|job| job.purges.clone()).collect()
}
