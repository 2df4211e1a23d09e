//! What passing writes purge: how it is planned, from what is seen of them and of their replies.

use super::bodies::Gathered;
use super::edge::Edge;
use super::exchange::Exchange;
use super::target::Target;
use super::write::Write;
use crate::engine::{Engine, Route};
use crate::invalidation::{BodySeen, ReplySeen, Values, WritePlan, WriteSeen, plain_path, plan_write};
use crate::key::canonical_authority;
use http::{HeaderMap, StatusCode};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use std::sync::Arc;

/// The reply to a write, while its body is to tell what else is purged.
pub(super) struct Awaited {
    status: StatusCode,
    headers: HeaderMap,
    body: Gathered,
}

/// The write that a request is, ready to be sent.
pub(super) fn write(
    engine: &Arc<Engine>,
    exchange: &Exchange,
    request: &RequestHeader,
    route: &Route,
) -> Write {
    let unknown = plan(&exchange.edge, exchange, request, route, None).purges;
    Write::new(Arc::clone(engine), unknown)
}

/// A piece of the request's body passes.
pub(super) fn request_passes(
    exchange: &mut Exchange,
    request: &RequestHeader,
    piece: Option<&[u8]>,
    end: bool,
) {
    if !exchange.request_body.pass(piece, end) {
        return;
    }
    if let (Some(mut write), Some(route)) = (exchange.write.take(), exchange.route.clone()) {
        write.learns(plan(&exchange.edge, exchange, request, &route, None).purges);
        exchange.write = Some(write);
    }
}

/// Purges what a write changed, now that the head of its reply tells. Adds where that purge stands in the log; the client may
/// bring it back to read what it wrote.
pub(super) async fn answered(
    exchange: &mut Exchange,
    request: &RequestHeader,
    reply: &mut ResponseHeader,
) -> Result<()> {
    let (Some(mut write), Some(route)) = (exchange.write.take(), exchange.route.clone()) else {
        return Ok(());
    };
    let body = awaited(&route, reply);
    let seen = &*exchange;
    let planned = || {
        let body = if body.is_some() { BodySeen::ToCome } else { BodySeen::Whole(None) };
        let reply = ReplySeen { status: reply.status, headers: &reply.headers, body };
        plan(&seen.edge, seen, request, &route, Some(reply))
    };
    let position = write.answer(reply.status, planned).await;
    exchange.awaited = body.filter(|_| write.waits()).map(|body| Awaited {
        status: reply.status,
        headers: reply.headers.clone(),
        body,
    });
    exchange.write = Some(write);
    if let Some(position) = position {
        reply.insert_header("Larder-Position", position.to_string())?;
    }
    Ok(())
}

/// The body of a reply, where a purge may need it and it can be read.
fn awaited(route: &Route, reply: &ResponseHeader) -> Option<Gathered> {
    let has_body = reply.status != StatusCode::NO_CONTENT && reply.status != StatusCode::NOT_MODIFIED;
    if !has_body || !route.on_write.reads_reply_body() {
        return None;
    }
    Gathered::of(&reply.headers, route.on_write.max_body)
}

/// A piece of the reply's body passes. When nothing more will be learned of it, what it tells is purged on this node before
/// the piece goes on. A client of HTTP/1.1 gets the end of the reply when the log has answered; on an HTTP/2 connection others
/// would wait with it.
pub(super) fn reply_passes(
    exchange: &mut Exchange,
    request: &RequestHeader,
    piece: Option<&[u8]>,
    end: bool,
) {
    let Some(awaited) = &mut exchange.awaited else { return };
    if !awaited.body.pass(piece, end) {
        return;
    }
    let (Some(Awaited { status, headers, body }), Some(mut write), Some(route)) =
        (exchange.awaited.take(), exchange.write.take(), exchange.route.clone())
    else {
        return;
    };
    let json = body.json();
    let reply = ReplySeen { status, headers: &headers, body: BodySeen::Whole(json.as_ref()) };
    let appended = write.told(plan(&exchange.edge, exchange, request, &route, Some(reply)).purges);
    exchange.write = Some(write);
    if let Some(appended) = appended.filter(|_| request.version != http::Version::HTTP_2) {
        exchange.connection.hold(appended);
    }
}

/// What a write purges by its `route`, and, where its path is spelled so that an origin may read it as another one, by that and
/// its route.
fn plan(
    edge: &Edge,
    exchange: &Exchange,
    request: &RequestHeader,
    route: &Route,
    reply: Option<ReplySeen<'_>>,
) -> WritePlan {
    let target = Target::of(request, &exchange.connection, edge);
    let mut plan = plan_by(edge, exchange, request, &target, route, reply);
    let plain = plain_path(target.path);
    if plain == target.path {
        return plan;
    }
    let meant = edge.rules().find(target.authority(), &plain, &request.method);
    let reply = match reply {
        // Bodies are gathered as the route says by which the write passes.
        Some(reply) if meant.index != route.index => Some(ReplySeen { body: BodySeen::Whole(None), ..reply }),
        reply => reply,
    };
    let target = Target { path: &plain, ..target };
    plan.add(plan_by(edge, exchange, request, &target, meant, reply));
    plan
}

fn plan_by(
    edge: &Edge,
    exchange: &Exchange,
    request: &RequestHeader,
    target: &Target<'_>,
    route: &Route,
    reply: Option<ReplySeen<'_>>,
) -> WritePlan {
    let captures = route.pattern.as_ref().and_then(|pattern| pattern.path.captures(target.path));
    let values = Values {
        captures: &|name| captures.as_ref()?.get(name),
        query: target.query,
        region: route.region.as_ref().map(|region| region.of(&request.headers)),
        request: &request.headers,
        reply: None,
        request_body: exchange.request_body.json(),
        reply_body: None,
    };
    let write = WriteSeen { authority: target.authority(), path: target.path, values, reply };
    plan_write(&route.on_write, &write, |authority| {
        let canonical = canonical_authority(authority, target.scheme, edge.rules().aliases());
        canonical.map_or_else(|| authority.to_owned(), |canonical| canonical.into_owned())
    })
}
