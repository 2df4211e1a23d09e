//! Requests that the engine answers.

use super::exchange::Exchange;
use super::forwarded::Hop;
use super::problem::Problem;
use super::reply::{SessionSink, write_problem};
use super::target::Target;
use crate::engine::{Answer, Engine, Reply, Request, Route};
use http::HeaderMap;
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;
use tracing::Instrument;

/// What became of a request that the engine was asked for.
pub(super) enum Answered {
    /// The reply, or an error, is written.
    Yes,
    /// It has to pass through.
    No,
}

/// Answers from memory, if a fresh reply is there. Nothing is awaited, and nothing of the request is copied.
pub(super) fn hit(
    engine: &Engine,
    header: &RequestHeader,
    target: &Target<'_>,
    exchange: &Exchange,
    route: &Arc<Route>,
) -> Option<Reply> {
    let amend = |headers: &mut HeaderMap| hop(header, target, exchange).amend(headers);
    engine.hit(route, &request(header, target, &amend))
}

/// Answers a request that memory alone could not.
pub(super) async fn ask(
    engine: &Arc<Engine>,
    session: &mut ServerSession,
    exchange: &mut Exchange,
    route: &Arc<Route>,
    last: bool,
) -> Result<Answered> {
    // The session is needed to notice that the client leaves, so the request cannot stay in it.
    let header = session.req_header().clone();
    let (connection, edge) = (Arc::clone(&exchange.connection), Arc::clone(&exchange.edge));
    let target = Target::of(&header, &connection, &edge);
    let amend =
        |headers: &mut HeaderMap| Hop::new(&connection, &edge, target.host, header.version).amend(headers);
    let request = request(&header, &target, &amend);
    let span = tracing::debug_span!("answer", route = %route.name, path = target.path);
    let answer = tokio::select! {
        biased;
        answer = engine.answer(route, &request).instrument(span) => answer,
        gone = session.read_body_or_idle(true) => {
            let gone = gone.err().unwrap_or_else(|| Error::new(ErrorType::ConnectionClosed));
            return Err(gone.into_down());
        }
    };
    match answer {
        Answer::Reply(reply) => send(session, exchange, reply, last).await.map(|()| Answered::Yes),
        Answer::Pass { forward, detail } => {
            exchange.passes(forward, detail);
            Ok(Answered::No)
        }
        Answer::Failed(failure) => {
            let problem = Problem::from(failure);
            exchange.fails(problem);
            write_problem(session, problem, &exchange.status, last).await?;
            Ok(Answered::Yes)
        }
    }
}

/// Writes a reply of the engine's.
pub(super) async fn send(
    session: &mut ServerSession,
    exchange: &mut Exchange,
    reply: Reply,
    last: bool,
) -> Result<()> {
    exchange.outcome = reply.outcome();
    exchange.status = reply.head().cache_status;
    let connection = Arc::clone(&exchange.connection);
    let mut sink = SessionSink::new(session, &connection, last);
    match reply.into_whole() {
        Ok((head, body)) => sink.whole(head, body).await,
        Err(reply) => reply
            .send(&mut sink)
            .await
            .map_err(|error| Error::because(ErrorType::WriteError, "a reply was cut", error).into_down()),
    }
}

/// The request as the engine sees it.
fn request<'a>(
    header: &'a RequestHeader,
    target: &'a Target<'_>,
    amend: &'a (dyn Fn(&mut HeaderMap) + Send + Sync),
) -> Request<'a> {
    Request {
        method: &header.method,
        target: target.for_key(header),
        path_and_query: path_and_query(header),
        host: target.host,
        amend,
    }
}

fn hop<'a>(header: &RequestHeader, target: &Target<'a>, exchange: &Exchange) -> Hop<'a> {
    Hop::new(&exchange.connection, &exchange.edge, target.host, header.version)
}

fn path_and_query(header: &RequestHeader) -> &str {
    header.uri.path_and_query().map_or("/", |target| target.as_str())
}
