//! One request and its reply, as far as Larder has to remember them between Pingora's callbacks.

use super::bodies::RequestBody;
use super::connection::{CONNECTION, Connection};
use super::edge::Edge;
use super::pass;
use super::problem::Problem;
use super::purging::Awaited;
use super::target::Target;
use super::write::Write;
use crate::engine::{Outcome, Route};
use crate::invalidation::Fence;
use crate::observe::{AccessRecord, Finished, Tier};
use crate::origin::PassPeer;
use crate::semantics::{CacheStatus, Forward};
use crate::time::Stopwatch;
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorSource, ErrorType, Result};
use std::sync::Arc;

/// Interim replies to one request. One or two are usual; an origin that sends them without end would never be timed out.
const MAX_INTERIM: usize = 32;

/// A request under way.
pub(super) struct Exchange {
    pub(super) connection: Arc<Connection>,
    pub(super) edge: Arc<Edge>,
    watch: Stopwatch,
    /// Set once the request has been looked at.
    pub(super) route: Option<Arc<Route>>,
    /// How it ends, as far as that is known.
    pub(super) outcome: Outcome,
    /// What the client is told of the cache.
    pub(super) status: CacheStatus,
    /// Why there is no reply but an error, where Larder itself knows better than Pingora's error tells.
    pub(super) problem: Option<Problem>,
    /// The server it passes through to, and its place in that origin's queue.
    pub(super) pass: Option<PassPeer>,
    /// How often it was sent there, or tried to.
    pub(super) tries: usize,
    interim: usize,
    /// What this node had applied before the origin was asked, where CDNs are told of the reply.
    pub(super) fence: Option<Fence>,
    /// What it may change at the origin.
    pub(super) write: Option<Write>,
    /// What is known of its body, where it may change something by what stands there.
    pub(super) request_body: RequestBody,
    /// The reply that is to tell what else it changed.
    pub(super) awaited: Option<Awaited>,
}

impl Exchange {
    /// A request that has just arrived on the current task's connection.
    pub(super) fn new(edge: Arc<Edge>) -> Self {
        Self {
            connection: CONNECTION.get(),
            edge,
            watch: Stopwatch::start(),
            route: None,
            outcome: Outcome::Error,
            status: CacheStatus::default(),
            problem: None,
            pass: None,
            tries: 0,
            interim: 0,
            fence: None,
            write: None,
            request_body: RequestBody::default(),
            awaited: None,
        }
    }

    /// It goes to the origin by itself.
    pub(super) fn passes(&mut self, forward: Forward, detail: Option<&'static str>) {
        self.outcome = Outcome::Pass;
        self.status = CacheStatus { fwd: Some(forward), detail, ..CacheStatus::default() };
    }

    /// It purges what `route` governs.
    pub(super) fn purges(&mut self, route: Arc<Route>) {
        self.outcome = Outcome::Purge;
        self.route = Some(route);
    }

    /// It gets an error.
    pub(super) fn fails(&mut self, problem: Problem) {
        self.outcome = Outcome::Error;
        self.problem = Some(problem);
        self.status.detail = Some(problem.as_str());
    }

    /// An interim reply came. Fails when there are too many.
    pub(super) fn count_interim(&mut self) -> Result<()> {
        self.interim += 1;
        if self.interim <= MAX_INTERIM {
            return Ok(());
        }
        Err(Error::explain(ErrorType::InvalidHTTPHeader, "too many interim replies").into_up())
    }

    /// The head of the origin's reply came.
    pub(super) fn answered(&self) {
        if let Some(route) = &self.route {
            self.edge.means(route).origin.answered(self.watch.elapsed());
        }
    }

    /// It ended with `error`, before or within its reply.
    pub(super) fn ended_by(&mut self, error: &Error) {
        self.outcome = Outcome::Error;
        let reason = pass::reason_of(error);
        // What failed to connect was counted try by try.
        if let Some(route) = &self.route
            && *error.esource() == ErrorSource::Upstream
            && reason != "connect"
        {
            self.edge.means(route).origin.failed(reason);
        }
    }

    /// Counts it, and logs it if it is to be logged.
    pub(super) fn record(&self, session: &ServerSession) {
        let Some(route) = &self.route else { return };
        let status = session.response_written().map_or(0, |response| response.status.as_u16());
        let (outcome, bytes) = (self.outcome, session.body_bytes_sent() as u64);
        let elapsed = self.watch.elapsed();
        let tier = if self.status.detail == Some("redis") { Tier::Redis } else { Tier::Memory };
        let tier = self.status.hit.then_some(tier);
        let finished = Finished { outcome, tier, forward: self.status.fwd, status, bytes, elapsed };
        self.edge.means(route).metrics.record(&finished);
        let log = self.edge.access();
        if log.wants(outcome) {
            let request = session.req_header();
            let target = Target::of(request, &self.connection, &self.edge);
            let client = self.edge.client(self.connection.peer().ip(), &request.headers);
            let mut cache_status = Vec::new();
            self.status.write(&mut cache_status);
            log.write(&AccessRecord {
                route: &route.name,
                method: request.method.as_str(),
                authority: target.authority(),
                path: target.path,
                client: Some(client),
                status,
                outcome,
                cache_status: &String::from_utf8_lossy(&cache_status),
                bytes,
                elapsed,
            });
        }
    }
}
