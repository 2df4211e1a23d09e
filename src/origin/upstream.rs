//! One origin: everything between a request that has a place and the head of its reply.

use super::balance::{self, Balancer, balancer};
use super::body::{Body, Lease};
use super::connectors::Connectors;
use super::discovery::{Discovered, Discovery, Resolve};
use super::exchange::{Head, exchange};
use super::fault::{Fault, Kind};
use super::gate::{Gate, Permit};
use super::health::{Checks, OriginHealth, ServerHealth, ServerState};
use super::observer::OriginObserver;
use super::peer::Manner;
use super::retry::{Budget, Next};
use super::server::{Server, ServerHandle};
use super::settings::{OriginSettings, Protocol};
use super::{FetchError, FetchRequest, OriginContext, OriginError, Reply};
use crate::time::{Clock, Stopwatch};
use pingora::connectors::http::Connector;
use pingora::protocols::http::client::HttpSession;
use pingora::protocols::tls::CaType;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// An origin, its servers and its limits.
pub(super) struct Upstream {
    pub(super) name: Arc<str>,
    connect_timeout: Duration,
    read_timeout: Duration,
    retries: usize,
    protocol: Protocol,
    pooled: bool,
    gate: Gate,
    balancer: Box<dyn Balancer>,
    discovery: Arc<Discovery>,
    connectors: Connectors,
    /// Whether the names have been looked up at all.
    resolved: watch::Sender<bool>,
    /// From one round of checks to the next.
    pub(super) check_interval: Option<Duration>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn OriginObserver>,
}

impl Upstream {
    /// The origin that `settings`, found sound, describe.
    pub(super) fn new(
        settings: &OriginSettings,
        authorities: Option<Arc<CaType>>,
        context: &OriginContext,
    ) -> Result<Self, OriginError> {
        let OriginSettings {
            name,
            servers,
            balance,
            connect_timeout,
            read_timeout,
            keepalive,
            retries,
            protocol,
            max_in_flight,
            health_check,
            ca: _,
        } = settings.clone();
        let OriginContext { clock, observer, resolver } = context;
        let name: Arc<str> = name.into();
        let manner = Manner { connect_timeout, read_timeout, protocol, authorities };
        let check = |settings| Checks::new(Arc::clone(&name), settings, &servers, &manner);
        let checks = health_check.as_ref().map(check).transpose()?;
        let checks = checks.map(|checks| Box::new(checks) as Box<_>);
        let resolver: Arc<dyn Resolve> = Arc::clone(resolver);
        let discovery = Arc::new(Discovery::new(Arc::clone(&name), servers, resolver, manner));
        Ok(Self {
            balancer: balancer(balance, Box::new(Discovered(Arc::clone(&discovery))), checks),
            name,
            connect_timeout,
            read_timeout,
            retries,
            protocol,
            pooled: keepalive > 0,
            gate: Gate::new(max_in_flight),
            discovery,
            connectors: Connectors::new(keepalive),
            resolved: watch::Sender::new(false),
            check_interval: health_check.map(|check| check.interval),
            clock: Arc::clone(clock),
            observer: Arc::clone(observer),
        })
    }

    /// Sends `request` once it has a place, and returns with the head.
    pub(super) async fn fetch(&self, request: &FetchRequest) -> Result<Reply, FetchError> {
        let reply = self.try_fetch(request).await;
        if let Err(error) = &reply {
            self.observer.error(&self.name, error.as_str());
        }
        reply
    }

    /// A server, and a place among the requests under way, for a request that is sent by someone else.
    pub(super) async fn place(&self, affinity: u64) -> Result<(ServerHandle, Permit), FetchError> {
        let place = async {
            let permit = self.gate.enter().await?;
            Ok((self.server(affinity, &[]).await?, permit))
        };
        let place = place.await;
        if let Err(error) = &place {
            let error: &FetchError = error;
            self.observer.error(&self.name, error.as_str());
        }
        place
    }

    /// Looks the names up. Must not run twice at once.
    pub(super) async fn resolve(&self) {
        if let Err(error) = self.balancer.update().await {
            tracing::warn!(origin = &*self.name, %error, "cannot look for servers");
        }
        self.resolved.send_replace(true);
    }

    /// Checks every server once.
    pub(super) async fn check(&self) {
        self.balancer.backends().run_health_check(true).await;
    }

    /// Waits until the names have been looked up for the first time.
    pub(super) async fn first_resolution(&self) {
        let mut resolved = self.resolved.subscribe();
        resolved.wait_for(|done| *done).await.expect("the sender lives as long as this");
    }

    /// The names that servers are known by, and whether they are settled.
    pub(super) fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    /// How it stands.
    pub(super) fn health(&self) -> OriginHealth {
        let backends = self.balancer.backends();
        let now = self.clock.now();
        let health = |backend| {
            let server: &Arc<Server> = balance::server(backend)?;
            let state = match (backends.ready(backend), server.standing.avoided(now)) {
                (false, _) => ServerState::Unhealthy,
                (true, true) => ServerState::Avoided,
                (true, false) => ServerState::Healthy,
            };
            let name = server.name.to_string();
            Some(ServerHealth { name, address: server.address, state, in_flight: server.in_flight() })
        };
        OriginHealth {
            origin: Arc::clone(&self.name),
            servers: backends.get_backend().iter().filter_map(health).collect(),
            unresolved: self.discovery.unresolved(),
            in_flight: self.gate.in_flight(),
            waiting: self.gate.waiting(),
        }
    }

    async fn try_fetch(&self, request: &FetchRequest) -> Result<Reply, FetchError> {
        let permit = self.gate.enter().await?;
        let watch = Stopwatch::start();
        let (head, lease) = self.ask(request).await?;
        self.observer.head(&self.name, watch.elapsed());
        let teller = (Arc::clone(&self.name), Arc::clone(&self.observer), self.read_timeout);
        let body = Body::new(&head, Box::new(lease), self.pooled, permit, teller).await;
        let Head { status, headers, framing, reusable: _ } = head;
        Ok(Reply { status, headers, framing, body: Box::new(body) })
    }

    /// Asks one server after another until the budget is used up.
    async fn ask(&self, request: &FetchRequest) -> Result<(Head, Lease), FetchError> {
        let mut budget = Budget::new(&request.method, self.retries);
        let mut tried: Vec<SocketAddr> = Vec::new();
        let mut server = self.server(request.affinity, &tried).await?;
        let mut fresh = false;
        loop {
            let Fault { kind, error } = match self.attempt(request, &server, fresh).await {
                Ok((head, session, connector)) => {
                    server.server().standing.succeeded();
                    return Ok((head, Lease { session, connector, server, fresh }));
                }
                Err(fault) => fault,
            };
            if let Some(offence) = kind.offence() {
                server.server().standing.failed(offence, self.clock.now());
            }
            match budget.next(kind) {
                Next::Fresh => fresh = true,
                Next::Another => {
                    tried.push(server.address());
                    server = self.pick(request.affinity, &tried).ok_or(error)?;
                    fresh = false;
                }
                Next::GiveUp => return Err(error),
            }
        }
    }

    /// One request on one connection to `server`; `fresh`: not on a pooled one.
    async fn attempt(
        &self,
        request: &FetchRequest,
        server: &ServerHandle,
        fresh: bool,
    ) -> Result<(Head, HttpSession, Arc<Connector>), Fault> {
        let connector = self.connectors.here();
        let server = server.server();
        let peer = server.peer(fresh);
        // Pingora bounds the connection and TLS by the same time; this takes in what HTTP/2 agrees on first.
        let connected = timeout(self.connect_timeout, connector.get_http_session(peer)).await;
        let connected = connected.map_err(|_| Fault::connect_timeout())?;
        let (mut session, reused) = connected.map_err(|error| Fault::connecting(&error))?;
        if self.protocol == Protocol::H2 && !matches!(session, HttpSession::H2(_)) {
            return Err(Fault::unreachable("the server does not speak HTTP/2".to_owned()));
        }
        let exchanged = timeout(self.read_timeout, exchange(&mut session, request, reused)).await;
        let exchanged = exchanged.unwrap_or_else(|_| Err(Fault::slow()));
        if self.protocol == Protocol::Auto
            && matches!(&exchanged, Err(fault) if fault.kind == Kind::Downgrade)
        {
            server.avoid_http2();
        }
        exchanged.map(|head| (head, session, connector))
    }

    /// A server that is not among `tried`. That there is none may mean only that names were never looked up yet.
    async fn server(&self, affinity: u64, tried: &[SocketAddr]) -> Result<ServerHandle, FetchError> {
        if let Some(server) = self.pick(affinity, tried) {
            return Ok(server);
        }
        // Whether it came in time is seen by looking again.
        let _ = timeout(self.connect_timeout, self.first_resolution()).await;
        self.pick(affinity, tried).ok_or(FetchError::NoServer)
    }

    /// A server that passes its checks, preferably one that did not fail a moment ago.
    fn pick(&self, affinity: u64, tried: &[SocketAddr]) -> Option<ServerHandle> {
        let now = self.clock.now();
        let untried = |server: &Server| !tried.contains(&server.address);
        let good = |server: &Server, ready: bool| ready && untried(server) && !server.standing.avoided(now);
        let any = |server: &Server, ready: bool| ready && untried(server);
        let server = self.balancer.select(affinity, &good).or_else(|| self.balancer.select(affinity, &any));
        server.map(ServerHandle::new)
    }
}
