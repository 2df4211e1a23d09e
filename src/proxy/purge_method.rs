//! `PURGE`, from those to whom a route allows it: what applications purge a URL of Varnish, Squid and nginx by.

use super::exchange::Exchange;
use super::problem::Problem;
use super::reply::{write_problem, write_purged};
use super::target::Target;
use crate::engine::{Engine, Route};
use crate::invalidation::{Invalidation, Matcher, plain_path};
use http::Method;
use pingora::Result;
use pingora::protocols::http::ServerSession;
use std::net::IpAddr;
use std::sync::Arc;

/// The method. It is not registered; caches know it by custom.
pub(super) const PURGE: &str = "PURGE";

/// What a `PURGE` asks for, where whoever sends it may.
struct Asked {
    route: Arc<Route>,
    client: IpAddr,
    url: String,
    purge: Invalidation,
}

/// Purges every query and variant of the target and answers, or refuses. `last`: the connection is closed after it.
pub(super) async fn answer(
    engine: &Engine,
    session: &mut ServerSession,
    exchange: &mut Exchange,
    last: bool,
) -> Result<()> {
    let Some(Asked { route, client, url, purge }) = asked(session, exchange) else {
        exchange.fails(Problem::Method);
        return write_problem(session, Problem::Method, &exchange.status, last).await;
    };
    exchange.purges(route);
    let place = match engine.invalidate(vec![purge]).await {
        Ok(place) => {
            tracing::info!(target: "larder::audit", %client, url, position = %place, "purged");
            Some(place)
        }
        Err(error) => {
            tracing::warn!(target: "larder::audit", %client, url, %error, "not purged everywhere");
            None
        }
    };
    write_purged(session, place, last).await
}

/// `None`: the route that governs the target does not allow it to this client, or it has no target.
fn asked(session: &ServerSession, exchange: &Exchange) -> Option<Asked> {
    let request = session.req_header();
    let edge = &exchange.edge;
    let target = Target::of(request, &exchange.connection, edge);
    let authority = target.authority.as_deref()?;
    let client = edge.known_client(exchange.connection.peer().ip(), &request.headers)?;
    // What is purged is what a GET would read: a route with `methods: [GET]` governs it, too. And it is every spelling of the path,
    // so an odd one gives nobody what the plain one does not.
    let governs = |path: &str| edge.rules().find(authority, path, &Method::GET);
    let allows = |route: &Route| route.purge_from.iter().any(|network| network.contains(&client));
    let route = governs(target.path);
    if !allows(route) || !allows(governs(&plain_path(target.path))) {
        return None;
    }
    let purge = Invalidation::hard(Matcher::path(authority, target.path));
    Some(Asked { route: Arc::clone(route), client, url: format!("{authority}{}", target.path), purge })
}
