//! What a request is for, and which way it goes.

use super::connection::Connection;
use super::edge::Edge;
use super::purge_method::PURGE;
use crate::engine::Route;
use crate::key::{RequestTarget, Scheme, canonical_authority};
use crate::route::ambiguity;
use crate::semantics::{Forward, hides_fields};
use http::header::{CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Version};
use pingora::http::RequestHeader;
use std::borrow::Cow;
use std::sync::Arc;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The target of a request as far as routing, keys and purges go.
#[derive(Debug)]
pub(super) struct Target<'a> {
    /// What the client used, as the nearest trusted proxy tells.
    pub(super) scheme: Scheme,
    /// What the client sent as the host and port of what it wants; empty when it sent none.
    pub(super) host: &'a str,
    /// Its canonical form; `None` when it is no authority.
    pub(super) authority: Option<Cow<'a, str>>,
    /// The path as sent.
    pub(super) path: &'a str,
    /// The query as sent.
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// The target of `request`, which came over `connection`.
    pub(super) fn of(request: &'a RequestHeader, connection: &Connection, edge: &'a Edge) -> Self {
        let (headers, peer) = (&request.headers, connection.peer().ip());
        let scheme = match edge.told(peer, headers, &FORWARDED_PROTO) {
            Some(proto) if proto.eq_ignore_ascii_case("https") => Scheme::Https,
            Some(proto) if proto.eq_ignore_ascii_case("http") => Scheme::Http,
            _ => connection.scheme(),
        };
        let host = host(request);
        let named = edge.told(peer, headers, &FORWARDED_HOST).unwrap_or(host);
        let authority = canonical_authority(named, scheme, edge.rules().aliases());
        Self { scheme, host, authority, path: request.uri.path(), query: request.uri.query() }
    }

    /// The canonical authority; empty when there is none.
    pub(super) fn authority(&self) -> &str {
        self.authority.as_deref().unwrap_or_default()
    }

    /// As keys are made of it.
    pub(super) fn for_key(&'a self, request: &'a RequestHeader) -> RequestTarget<'a> {
        RequestTarget {
            scheme: self.scheme,
            authority: self.authority(),
            path: self.path,
            query: self.query,
            headers: &request.headers,
        }
    }

    /// The route that governs the request.
    pub(super) fn route<'e>(&self, request: &RequestHeader, edge: &'e Edge) -> &'e Arc<Route> {
        edge.rules().find(self.authority(), self.path, &request.method)
    }
}

/// The host and port a request is for, as sent. HTTP/2 has a field of its own for it (RFC 9113, 8.3.1).
fn host(request: &RequestHeader) -> &str {
    match request.uri.authority() {
        Some(authority) => authority.as_str(),
        None => request.headers.get(HOST).map(HeaderValue::to_str).and_then(Result::ok).unwrap_or_default(),
    }
}

/// Which way a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The engine answers it.
    Engine,
    /// It passes through, for this reason; the word says more.
    Pass(Forward, Option<&'static str>),
    /// It purges, if its client may.
    Purge,
    /// It is not allowed here.
    Refuse,
}

/// Decides by what the request and its route say, before anything stored is looked at.
pub(super) fn way(request: &RequestHeader, target: &Target<'_>, route: &Route) -> Way {
    match request.method.as_str() {
        PURGE => return Way::Purge,
        "CONNECT" => return Way::Refuse,
        "GET" | "HEAD" => {}
        _ => return Way::Pass(Forward::Method, None),
    }
    let bypass = |detail| Way::Pass(Forward::Bypass, Some(detail));
    if route.cache.is_none() {
        Way::Pass(Forward::Bypass, None)
    } else if is_upgrade(request) {
        bypass("upgrade")
    } else if has_body(request) {
        bypass("body")
    } else if hides_fields(&request.headers) {
        bypass("connection")
    } else if target.authority.is_none() {
        bypass("host")
    } else if !request.raw_path_is_utf8() || ambiguity(target.path).is_some() {
        bypass("path")
    } else {
        Way::Engine
    }
}

/// Whether the client wants to speak another protocol (RFC 9110, 7.8).
fn is_upgrade(request: &RequestHeader) -> bool {
    request.version == Version::HTTP_11 && request.headers.contains_key(UPGRADE)
}

/// Whether a GET or HEAD announces a body. It has no meaning (RFC 9110, 9.3.1), but origins that give it one exist.
fn has_body(request: &RequestHeader) -> bool {
    request.headers.contains_key(TRANSFER_ENCODING)
        || request.headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

/// Whether a request may change something at the origin (RFC 9110, 9.2.1). A method that is not known may.
pub(super) fn is_write(method: &Method) -> bool {
    !method.is_safe()
}

#[cfg(test)]
mod tests;
