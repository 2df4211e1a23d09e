//! The proxy's part in each request: Pingora's callbacks, in the order in which they are called.

use super::answer::{self, Answered};
use super::bodies::RequestBody;
use super::connection::Head;
use super::edge::Edge;
use super::exchange::Exchange;
use super::pass::{self, Framed, Stage};
use super::problem::Problem;
use super::purge_method;
use super::purging;
use super::reply::{cut, write_problem};
use super::target::{Target, Way, is_write, way};
use crate::engine::Engine;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use http::header::DATE;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::server::ShutdownWatch;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

/// How long a piece of a body may wait for room in the window of an HTTP/2 stream. HTTP/1 has the same limit further down.
const STALL: Duration = Duration::from_secs(60);

/// What all runtimes serve with.
pub(crate) struct Shared {
    /// Answers what may be answered from the cache.
    pub(crate) engine: Arc<Engine>,
    /// What of the configuration is in force.
    pub(crate) edge: ArcSwap<Edge>,
}

/// The proxy of one runtime.
pub(super) struct Service {
    shared: Arc<Shared>,
    shutdown: ShutdownWatch,
}

impl Service {
    /// Serves with `shared` until `shutdown` turns true.
    pub(super) fn new(shared: Arc<Shared>, shutdown: ShutdownWatch) -> Self {
        Self { shared, shutdown }
    }

    fn is_draining(&self) -> bool {
        *self.shutdown.borrow()
    }

    /// Answers from the cache, or with a problem; `false` when the request has to pass through.
    async fn answer(&self, session: &mut ServerSession, exchange: &mut Exchange) -> Result<bool> {
        let engine = &self.shared.engine;
        let header = session.req_header();
        let edge = Arc::clone(&exchange.edge);
        let (route, way, hit) = {
            let target = Target::of(header, &exchange.connection, &edge);
            let route = Arc::clone(target.route(header, &edge));
            let way = way(header, &target, &route);
            let hit = (way == Way::Engine).then(|| answer::hit(engine, header, &target, exchange, &route));
            (route, way, hit.flatten())
        };
        exchange.route = Some(Arc::clone(&route));
        let last = self.is_draining();
        match (way, hit) {
            (Way::Refuse, _) => {
                exchange.fails(Problem::Method);
                write_problem(session, Problem::Method, &exchange.status, last).await?;
                Ok(true)
            }
            (Way::Purge, _) => purge_method::answer(engine, session, exchange, last).await.map(|()| true),
            (Way::Pass(forward, detail), _) => {
                exchange.passes(forward, detail);
                Ok(false)
            }
            (Way::Engine, Some(reply)) => answer::send(session, exchange, reply, last).await.map(|()| true),
            (Way::Engine, None) => {
                let answered = answer::ask(engine, session, exchange, &route, last).await?;
                Ok(matches!(answered, Answered::Yes))
            }
        }
    }
}

#[async_trait]
impl ProxyHttp for Service {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::new(self.shared.edge.load_full())
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {
        // None: Pingora's default is compression, and replies pass as the origin made them.
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        let session = &mut *session.downstream_session;
        if session.is_http2() {
            session.set_write_timeout(Some(STALL));
        }
        if self.answer(session, exchange).await? {
            return Ok(true);
        }
        if is_write(&session.req_header().method)
            && let Some(rule) = exchange.route.as_ref().map(|route| &route.on_write)
            && rule.reads_request_body()
        {
            // Before a place at the origin is asked for: a client that is slow to send must not hold one.
            exchange.request_body = RequestBody::begin(session, rule.max_body).await?;
        }
        // Asked for here and not in `upstream_peer`, so that a refusal leaves the connection as it is.
        match pass::place(exchange, session.req_header()).await {
            Ok(()) => Ok(false),
            Err(problem) => {
                exchange.fails(problem);
                write_problem(session, problem, &exchange.status, self.is_draining()).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, session: &mut Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        if exchange.tries > 0
            && let Err(problem) = pass::place(exchange, session.req_header()).await
        {
            exchange.fails(problem);
            return Err(Error::new(ErrorType::HTTPStatus(problem.status().as_u16())));
        }
        exchange.tries += 1;
        match &exchange.pass {
            Some(pass) => Ok(pass.peer.clone()),
            None => Err(Error::new(ErrorType::InternalError)),
        }
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Exchange,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let (Some(route), Some(pass)) = (&exchange.route, &exchange.pass) else { return error };
        exchange.edge.origins().report(&pass.server, true);
        let means = exchange.edge.means(route);
        means.origin.failed(pass::reason_of(&error));
        // Nothing was sent, so it may be tried again whatever the method.
        error.set_retry(exchange.tries <= means.retries);
        error
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: RawFd,
        _digest: Option<&Digest>,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if let Some(pass) = &exchange.pass {
            exchange.edge.origins().report(&pass.server, false);
        }
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let client = session.downstream_session.req_header();
        pass::prepare(exchange, client, request)?;
        if let Some(route) = &exchange.route
            && exchange.write.is_none()
            && is_write(&client.method)
        {
            exchange.write = Some(purging::write(&self.shared.engine, exchange, client, route));
        }
        if pass::may_be_kept(&client.method)
            && let Some(route) = &exchange.route
        {
            exchange.fence = self.shared.engine.fence_of_passing(route);
        }
        exchange.request_body.restart();
        if let Some(write) = &mut exchange.write {
            write.send().await;
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        piece: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let request = session.downstream_session.req_header();
        purging::request_passes(exchange, request, piece.as_deref(), end);
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        reply: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let session = &mut *session.downstream_session;
        match pass::stage(reply.status, session.is_upgrade_req()) {
            Stage::Interim => return exchange.count_interim(),
            Stage::Unasked => {
                return Err(
                    Error::explain(ErrorType::InvalidHTTPHeader, "101 that nobody asked for").into_up()
                );
            }
            Stage::Tunnel => exchange.connection.become_tunnel(),
            Stage::Final => {}
        }
        exchange.answered();
        purging::answered(exchange, session.req_header(), reply).await
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        reply: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let session = &mut *session.downstream_session;
        if pass::stage(reply.status, session.is_upgrade_req()) != Stage::Final {
            return Ok(());
        }
        if self.is_draining() {
            session.set_keepalive(None);
        }
        if !session.is_http2()
            && let Some(date) = reply.headers.get(DATE)
        {
            exchange.connection.write_head_as(Some(Head::Dated(date.clone())));
        }
        if pass::dress(&self.shared.engine, exchange, session.req_header(), reply)? == Framed::ByClose {
            session.set_keepalive(None);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        piece: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Exchange,
    ) -> Result<Option<Duration>> {
        let request = session.downstream_session.req_header();
        purging::reply_passes(exchange, request, piece.as_deref(), end);
        Ok(None)
    }

    fn upstream_response_trailer_filter(
        &self,
        session: &mut Session,
        _trailers: &mut HeaderMap,
        exchange: &mut Exchange,
    ) -> Result<()> {
        purging::reply_passes(exchange, session.downstream_session.req_header(), None, true);
        Ok(())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Exchange,
    ) -> FailToProxy {
        if let Some(write) = &mut exchange.write {
            write.fail().await;
        }
        let session = &mut *session.downstream_session;
        let begun = session
            .response_written()
            .is_some_and(|reply| !reply.status.is_informational() || session.was_upgraded());
        if begun || pass::client_is_gone(error) {
            cut(session, &exchange.connection);
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        let problem = exchange.problem.unwrap_or_else(|| pass::problem_of(error));
        exchange.fails(problem);
        // It failed on the way to the client, too: nobody is left to be told.
        let _ = write_problem(session, problem, &exchange.status, true).await;
        FailToProxy { error_code: problem.status().as_u16(), can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, exchange: &mut Exchange) {
        if let Some(error) = error {
            exchange.ended_by(error);
        } else if let Some(write) = &mut exchange.write {
            write.finish().await;
        }
        exchange.record(&session.downstream_session);
    }

    fn suppress_error_log(&self, _session: &Session, _exchange: &Exchange, _error: &Error) -> bool {
        // The access log and the metrics tell of every request that failed.
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _exchange: &Exchange,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}
