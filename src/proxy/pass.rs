//! Requests that pass through to the origin.

use super::exchange::Exchange;
use super::forwarded::Hop;
use super::problem::Problem;
use super::reply::cache_status;
use super::target::Target;
use crate::engine::{Asked, Engine, Passing, Told};
use crate::origin::FetchError;
use crate::semantics::{Forward, TAG_FIELDS, keep_at_most, targeted};
use http::header::{CACHE_CONTROL, CONNECTION, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorSource, ErrorType, Result};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// Finds a server and a place in the origin's queue.
pub(super) async fn place(exchange: &mut Exchange, request: &RequestHeader) -> Result<(), Problem> {
    let Some(route) = exchange.route.clone() else { return Err(Problem::Internal) };
    // A place that is given up first cannot be what this request then waits for.
    exchange.pass = None;
    match exchange.edge.origins().peer(&route.origin, affinity(request)).await {
        Ok(pass) => {
            exchange.pass = Some(pass);
            Ok(())
        }
        Err(error) => {
            exchange.edge.means(&route).origin.failed(error.as_str());
            Err(problem(&error))
        }
    }
}

/// What consistent hashing goes by: equal targets get the same server.
fn affinity(request: &RequestHeader) -> u64 {
    let mut hasher = DefaultHasher::new();
    request.headers.get(HOST).map(HeaderValue::as_bytes).hash(&mut hasher);
    request.uri.path().hash(&mut hasher);
    hasher.finish()
}

fn problem(error: &FetchError) -> Problem {
    match error {
        FetchError::NoServer => Problem::NoServer,
        FetchError::Busy { retry_after } => Problem::Busy { retry_after: *retry_after },
        FetchError::Timeout => Problem::GatewayTimeout,
        FetchError::Connect(_) | FetchError::Broken(_) | FetchError::Malformed(_) => Problem::BadGateway,
    }
}

/// What the client reads when an exchange with the origin, or with the client itself, failed.
pub(super) fn problem_of(error: &Error) -> Problem {
    use ErrorType::{ConnectTimedout, InvalidHTTPHeader, ReadTimedout, TLSHandshakeTimedout, WriteTimedout};
    match (error.esource(), error.etype()) {
        (ErrorSource::Upstream, ConnectTimedout | TLSHandshakeTimedout | ReadTimedout | WriteTimedout) => {
            Problem::GatewayTimeout
        }
        (ErrorSource::Upstream, _) => Problem::BadGateway,
        (ErrorSource::Downstream, ReadTimedout) => Problem::Timeout,
        (ErrorSource::Downstream, InvalidHTTPHeader) => {
            Problem::Malformed("The request cannot be passed on as it is.")
        }
        (ErrorSource::Downstream, _) => Problem::Malformed("The request broke off."),
        (ErrorSource::Internal | ErrorSource::Unset, _) => Problem::Internal,
    }
}

/// Whether nobody is left to be told of `error`.
pub(super) fn client_is_gone(error: &Error) -> bool {
    use ErrorType::{ConnectionClosed, H2Error, ReadError, WriteError, WriteTimedout};
    *error.esource() == ErrorSource::Downstream
        && matches!(error.etype(), ConnectionClosed | H2Error | ReadError | WriteError | WriteTimedout)
}

/// The word for a failure of the origin's, as fills count it.
pub(super) fn reason_of(error: &Error) -> &'static str {
    use ErrorType::{
        ConnectError, ConnectNoRoute, ConnectRefused, ConnectTimedout, InvalidCert, InvalidHTTPHeader,
        ReadTimedout, SocketError, TLSHandshakeFailure, TLSHandshakeTimedout, WriteTimedout,
    };
    match error.etype() {
        ReadTimedout | WriteTimedout => "timeout",
        ConnectTimedout | ConnectRefused | ConnectNoRoute | ConnectError | SocketError | InvalidCert
        | TLSHandshakeFailure | TLSHandshakeTimedout => "connect",
        InvalidHTTPHeader => "malformed",
        _ => "broken",
    }
}

/// Readies the request for the origin.
pub(super) fn prepare(
    exchange: &Exchange,
    client: &RequestHeader,
    request: &mut RequestHeader,
) -> Result<()> {
    let target = Target::of(client, &exchange.connection, &exchange.edge);
    let hop = Hop::new(&exchange.connection, &exchange.edge, target.host, client.version);
    for (name, value) in hop.changes(&request.headers) {
        match value {
            Some(value) => request.insert_header(name, value)?,
            None => _ = request.remove_header(&name),
        }
    }
    if target.host.is_empty() && !request.headers.contains_key(HOST) {
        // A client that speaks HTTP/1.0 may leave it out, Larder may not (RFC 9112, 3.2). The name it used is not known;
        // the address it used is.
        request.insert_header(HOST, exchange.connection.local().to_string())?;
    }
    Ok(())
}

/// What a head that came from the origin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// An interim reply; the final one is to come (RFC 9110, 15.2).
    Interim,
    /// The last of HTTP on this connection.
    Tunnel,
    /// An upgrade to what the client did not ask for. It would take what follows for the next reply.
    Unasked,
    /// The reply.
    Final,
}

/// What a head with `status` is. `upgrade`: the client asked for one.
pub(super) fn stage(status: StatusCode, upgrade: bool) -> Stage {
    match (status, upgrade) {
        (StatusCode::SWITCHING_PROTOCOLS, true) => Stage::Tunnel,
        (StatusCode::SWITCHING_PROTOCOLS, false) => Stage::Unasked,
        (status, _) if status.is_informational() => Stage::Interim,
        _ => Stage::Final,
    }
}

/// How the client finds the end of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framed {
    /// As Pingora arranges.
    AsUsual,
    /// The connection ends with it.
    ByClose,
}

/// Readies the head of a reply for the client.
pub(super) fn dress(
    engine: &Engine,
    exchange: &Exchange,
    client: &RequestHeader,
    reply: &mut ResponseHeader,
) -> Result<Framed> {
    remove_hop_by_hop(reply);
    let told = for_cdns(engine, exchange, client, reply);
    for name in TAG_FIELDS {
        reply.remove_header(name);
    }
    for (name, value) in &told.fields {
        reply.insert_header(name, value)?;
    }
    if let Some(most) = told.most {
        bound(reply, most)?;
    }
    reply.append_header("Cache-Status", cache_status(&exchange.status))?;
    if client.version != Version::HTTP_2 {
        // RFC 9112, 2.3: whoever passes a message on gives its own version, not that of the sender.
        reply.set_version(Version::HTTP_11);
    }
    if client.version == Version::HTTP_10 && reply.remove_header(&TRANSFER_ENCODING).is_some() {
        // Pingora sends what has no length in chunks, which a client of HTTP/1.0 takes for part of the body.
        return Ok(Framed::ByClose);
    }
    Ok(Framed::AsUsual)
}

/// What CDNs in front are to know of a reply, if they could store it.
fn for_cdns(engine: &Engine, exchange: &Exchange, client: &RequestHeader, reply: &ResponseHeader) -> Told {
    let Some(route) = exchange.route.as_ref().filter(|_| may_be_kept(&client.method)) else {
        return Told::default();
    };
    let target = Target::of(client, &exchange.connection, &exchange.edge);
    let asked = Asked { path: target.path, query: target.query, headers: &client.headers };
    let passing = Passing {
        asked,
        authority: target.authority(),
        ordinary: exchange.status.fwd.is_some_and(|forward| forward != Forward::Bypass),
        status: reply.status,
        headers: &reply.headers,
        fence: exchange.fence,
    };
    engine.told(route, &passing)
}

/// Whether CDNs may keep what answers such a request.
pub(super) fn may_be_kept(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Asks CDNs to keep a reply for `most` at most.
fn bound(reply: &mut ResponseHeader, most: Duration) -> Result<()> {
    let mut fields = reply.headers.clone();
    keep_at_most(&mut fields, most);
    for name in targeted(&fields).into_iter().chain([CACHE_CONTROL]) {
        reply.remove_header(&name);
        for value in fields.get_all(&name) {
            reply.append_header(&name, value)?;
        }
    }
    Ok(())
}

/// Removes what the origin said of its connection to Larder (RFC 9110, 7.6.1). `Transfer-Encoding` stays: it tells Pingora how
/// to frame the body anew. `Connection` itself is replaced by Pingora.
fn remove_hop_by_hop(reply: &mut ResponseHeader) {
    let mut named = vec![
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        HeaderName::from_static("upgrade"),
    ];
    for value in reply.headers.get_all(CONNECTION) {
        let tokens = value.as_bytes().split(|byte| *byte == b',');
        named.extend(tokens.filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok()));
    }
    for name in named.iter().filter(|name| **name != TRANSFER_ENCODING && **name != CONNECTION) {
        reply.remove_header(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use pingora::ErrorType as Type;

    #[test]
    fn stages() {
        for (status, upgrade, wanted) in [
            (100, false, Stage::Interim),
            (103, true, Stage::Interim),
            (101, true, Stage::Tunnel),
            (101, false, Stage::Unasked),
            (200, true, Stage::Final),
            (304, false, Stage::Final),
        ] {
            assert_eq!(stage(StatusCode::from_u16(status).unwrap(), upgrade), wanted, "{status} {upgrade}");
        }
    }

    #[test]
    fn failures_have_a_problem_and_a_word() {
        #[track_caller]
        fn check(error: &Error, problem: Problem, gone: bool, reason: &str) {
            assert_eq!(problem_of(error), problem, "{error}");
            assert_eq!(client_is_gone(error), gone, "{error}");
            assert_eq!(reason_of(error), reason, "{error}");
        }
        let malformed = Problem::Malformed("The request cannot be passed on as it is.");
        let broke_off = Problem::Malformed("The request broke off.");
        check(&Error::new_up(Type::ConnectRefused), Problem::BadGateway, false, "connect");
        check(&Error::new_up(Type::ConnectTimedout), Problem::GatewayTimeout, false, "connect");
        check(&Error::new_up(Type::ReadTimedout), Problem::GatewayTimeout, false, "timeout");
        check(&Error::new_up(Type::InvalidHTTPHeader), Problem::BadGateway, false, "malformed");
        check(&Error::new_up(Type::ConnectionClosed), Problem::BadGateway, false, "broken");
        check(&Error::new_down(Type::ReadTimedout), Problem::Timeout, false, "timeout");
        check(&Error::new_down(Type::InvalidHTTPHeader), malformed, false, "malformed");
        check(&Error::new_down(Type::ConnectionClosed), broke_off, true, "broken");
        check(&Error::new_down(Type::WriteTimedout), broke_off, true, "timeout");
        check(&Error::new_in(Type::InternalError), Problem::Internal, false, "broken");
    }

    #[test]
    fn origins_that_cannot_be_asked_have_a_problem() {
        let retry_after = std::time::Duration::from_secs(3);
        for (error, wanted) in [
            (FetchError::NoServer, Problem::NoServer),
            (FetchError::Busy { retry_after }, Problem::Busy { retry_after }),
            (FetchError::Timeout, Problem::GatewayTimeout),
            (FetchError::Connect(String::new()), Problem::BadGateway),
        ] {
            assert_eq!(problem(&error), wanted, "{error}");
        }
    }

    /// The fields of a reply after what concerns the origin's connection was removed.
    fn kept(fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut reply = ResponseHeader::build(200, None).unwrap();
        for (name, value) in fields {
            reply.append_header(*name, *value).unwrap();
        }
        remove_hop_by_hop(&mut reply);
        let mut names: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    #[test]
    fn what_the_origin_says_of_its_connection_ends_here() {
        let fields = [
            ("connection", "x-hop, keep-alive, transfer-encoding"),
            ("connection", "x-other"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("upgrade", "h2c"),
            ("x-hop", "1"),
            ("x-other", "2"),
            ("x-kept", "3"),
            ("transfer-encoding", "chunked"),
        ];
        assert_eq!(kept(&fields), ["connection", "transfer-encoding", "x-kept"]);
    }

    #[test]
    fn equal_targets_have_one_server() {
        let request = |host: &'static str, path: &str| {
            let mut request = RequestHeader::build(Method::GET, path.as_bytes(), None).unwrap();
            request.insert_header(HOST, host).unwrap();
            affinity(&request)
        };
        assert_eq!(request("a", "/x?1"), request("a", "/x?2"));
        assert_ne!(request("a", "/x"), request("b", "/x"));
        assert_ne!(request("a", "/x"), request("a", "/y"));
    }
}
