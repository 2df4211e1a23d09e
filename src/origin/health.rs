//! Active checks of servers, by Pingora's health check, and what is told of servers.

use super::OriginError;
use super::balance;
use super::connectors::NO_SYSTEM_ROOTS;
use super::peer::Manner;
use super::settings::{HealthCheckSettings, ServerAddress};
use async_trait::async_trait;
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::lb::Backend;
use pingora::lb::health_check::{HealthCheck, HttpHealthCheck};
use pingora::{Error, ErrorType};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Failures in a row that take a server out: one lost packet does not.
const FAILURES: usize = 2;
/// Successes in a row that bring it back: whatever goes wrong after that, requests will tell.
const SUCCESSES: usize = 1;

/// What is known of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// It takes requests.
    Healthy,
    /// It failed a moment ago: it takes requests only if no other server does.
    Avoided,
    /// It fails its checks: it takes none.
    Unhealthy,
}

impl ServerState {
    /// The word for `/readyz`, `/stats` and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Avoided => "avoided",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// A server as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerHealth {
    /// As written: `http://name:port`.
    pub name: String,
    /// What the name resolved to.
    pub address: SocketAddr,
    /// Whether it takes requests.
    pub state: ServerState,
    /// Requests under way on it.
    pub in_flight: usize,
}

/// An origin as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginHealth {
    /// Its name.
    pub origin: Arc<str>,
    /// By address.
    pub servers: Vec<ServerHealth>,
    /// Servers whose names did not resolve when last looked up, with the reason.
    pub unresolved: Vec<(String, String)>,
    /// Requests under way.
    pub in_flight: usize,
    /// Requests that wait for a place.
    pub waiting: usize,
}

impl OriginHealth {
    /// Whether any server takes requests.
    pub fn usable(&self) -> bool {
        self.servers.iter().any(|server| server.state != ServerState::Unhealthy)
    }
}

/// Checks each server under its own name, by a `GET` that has to bring 2xx or 3xx in time (what Kubernetes asks of a
/// probe).
pub(super) struct Checks {
    origin: Arc<str>,
    timeout: Duration,
    by_name: Vec<(ServerAddress, HttpHealthCheck)>,
}

impl Checks {
    /// The checks of `names`, connected to in `manner`.
    pub(super) fn new(
        origin: Arc<str>,
        settings: &HealthCheckSettings,
        names: &[ServerAddress],
        manner: &Manner,
    ) -> Result<Self, OriginError> {
        let HealthCheckSettings { path, interval: _, timeout } = settings;
        let check = |name: &ServerAddress| Ok((name.clone(), check(&origin, name, path, manner)?));
        let by_name = names.iter().map(check).collect::<Result<_, _>>()?;
        Ok(Self { origin, timeout: *timeout, by_name })
    }

    async fn run(&self, target: &Backend) -> pingora::Result<()> {
        let server = balance::server(target);
        let check = server.and_then(|server| self.by_name.iter().find(|(name, _)| *name == server.name));
        match check {
            Some((_, check)) => check.check(target).await,
            None => Error::e_explain(ErrorType::InternalError, "the server has no check"),
        }
    }
}

#[async_trait]
impl HealthCheck for Checks {
    async fn check(&self, target: &Backend) -> pingora::Result<()> {
        // Pingora bounds each step; a body that drips would go on for ever.
        let timed_out = |_| Error::explain(ErrorType::ReadTimedout, "the check took too long");
        tokio::time::timeout(self.timeout, self.run(target)).await.map_err(timed_out)?
    }

    fn health_threshold(&self, success: bool) -> usize {
        if success { SUCCESSES } else { FAILURES }
    }

    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        let (origin, server) = (&*self.origin, &target.addr);
        if healthy {
            tracing::info!(origin, %server, "passes its health check again");
        } else {
            tracing::warn!(origin, %server, "fails its health check; it gets no requests");
        }
    }
}

fn check(
    origin: &str,
    name: &ServerAddress,
    path: &str,
    manner: &Manner,
) -> Result<HttpHealthCheck, OriginError> {
    let mut options = ConnectorOptions::new(0);
    options.ca_file = Some(NO_SYSTEM_ROOTS.to_owned());
    let mut check = HttpHealthCheck::new_custom(name.bare_host(), name.tls, Connector::new(Some(options)));
    let unfit = || OriginError::HealthCheck { origin: origin.to_owned(), path: path.to_owned() };
    if !path.starts_with('/') {
        return Err(unfit());
    }
    check.req = RequestHeader::build("GET", path.as_bytes(), None)
        .and_then(|mut request| {
            request.insert_header("Host", name.authority())?;
            request.insert_header("User-Agent", "larder-health-check")?;
            Ok(request)
        })
        .map_err(|_| unfit())?;
    // The address is a placeholder: each check puts its target's there.
    check.peer_template = manner.peer(name, SocketAddr::from(([0, 0, 0, 0], 1)));
    check.validator = Some(Box::new(|reply: &ResponseHeader| {
        if reply.status.is_success() || reply.status.is_redirection() {
            return Ok(());
        }
        Error::e_explain(ErrorType::HTTPStatus(reply.status.as_u16()), "the check brought another status")
    }));
    Ok(check)
}
