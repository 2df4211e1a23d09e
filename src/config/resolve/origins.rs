//! `origin` and `origins`.

use super::{Scope, files};
use crate::config::raw;
use crate::config::read::{At, Field, List};
use crate::origin::{Balance, HealthCheckSettings, OriginSettings, Protocol, ServerAddress};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

/// The origin of routes that name none, and of requests that no route matches.
pub(super) const DEFAULT: &str = "default";

/// Idle connections, at most: beyond this a host runs out of ports for one address.
const MAX_KEEPALIVE: usize = 65_536;

/// Further tries, at most: more would only multiply the load on what already fails.
const MAX_RETRIES: usize = 10;

/// Requests under way, at most; each takes memory and a socket.
const MAX_IN_FLIGHT: usize = 1_000_000;

/// All origins. That of `origin` comes first.
pub(super) fn origins(scope: &Scope<'_>, file: &At<raw::File>) -> Vec<OriginSettings> {
    let raw::File { origin: short, origins: long, .. } = &file.value;
    let mut all = Vec::new();
    if let Some(server) = short.set() {
        all.push(settings(DEFAULT, vec![server.value.clone()]));
    }
    for (name, written) in long.value().into_iter().flat_map(|map| &map.entries) {
        if name.value == DEFAULT && !short.is_absent() {
            name.fault(scope.report, "is set by `origin` as well", "keep one of the two");
        }
        if name.value.trim().is_empty() {
            name.fault(scope.report, "has no name", "write a name, such as `default`");
        }
        if let Some(written) = written.set() {
            all.push(origin(scope, &name.value, written));
        }
    }
    let has_default =
        long.value().is_some_and(|map| map.entries.iter().any(|(name, _)| name.value == DEFAULT));
    if short.is_absent() && !has_default {
        match long {
            Field::Absent => scope.report.fault(
                &file.place.missing("origin"),
                "is missing",
                "write where requests go: `origin: http://127.0.0.1:3000`",
            ),
            Field::Faulty => {}
            Field::Set(at) => at.fault(
                scope.report,
                "has no `default`, which takes the requests of all routes that name no origin",
                "name one of them `default`, or write `origin: http://127.0.0.1:3000`",
            ),
        }
    }
    all
}

/// An origin with nothing but its servers set.
fn settings(name: &str, servers: Vec<ServerAddress>) -> OriginSettings {
    OriginSettings {
        name: name.to_owned(),
        servers,
        balance: Balance::RoundRobin,
        connect_timeout: Duration::from_secs(1),
        read_timeout: Duration::from_secs(30),
        keepalive: 128,
        retries: 1,
        protocol: Protocol::Auto,
        max_in_flight: 1024,
        health_check: None,
        ca: None,
    }
}

fn origin(scope: &Scope<'_>, name: &str, at: &At<raw::Origin>) -> OriginSettings {
    let raw::Origin {
        servers,
        balance,
        connect_timeout,
        read_timeout,
        keepalive,
        retries,
        protocol,
        max_in_flight,
        health_check,
        ca,
    } = &at.value;
    let servers = scope.required(servers, at, "servers", "write `servers: [\"http://127.0.0.1:3000\"]`");
    if let Some(servers) = servers {
        check_servers(scope, servers);
        check_protocol(scope, servers, protocol);
    }
    let defaults =
        settings(name, servers.map_or_else(Vec::new, |list| list.value.values().cloned().collect()));
    OriginSettings {
        balance: balance.or_default(defaults.balance),
        connect_timeout: scope.positive(connect_timeout, defaults.connect_timeout),
        read_timeout: scope.positive(read_timeout, defaults.read_timeout),
        keepalive: scope.within(keepalive, defaults.keepalive, 0, MAX_KEEPALIVE),
        retries: scope.within(retries, defaults.retries, 0, MAX_RETRIES),
        protocol: protocol.or_default(defaults.protocol),
        max_in_flight: scope.within(max_in_flight, defaults.max_in_flight, 1, MAX_IN_FLIGHT),
        health_check: health_check.value().map(|check| health(scope, check)),
        ca: ca.set().and_then(|ca| authorities(scope, ca, servers)),
        ..defaults
    }
}

fn authorities(
    scope: &Scope<'_>,
    ca: &At<PathBuf>,
    servers: Option<&At<List<ServerAddress>>>,
) -> Option<PathBuf> {
    if servers.is_some_and(|servers| servers.value.is_whole() && !has(servers, true)) {
        ca.fault(scope.report, "no server of this origin uses TLS", "remove it, or write `https://` servers");
        return None;
    }
    files::authorities(scope, ca)
}

fn check_servers(scope: &Scope<'_>, servers: &At<List<ServerAddress>>) {
    if servers.value.written == 0 {
        servers.fault(scope.report, "is empty", "write at least one: `servers: [\"http://127.0.0.1:3000\"]`");
    }
    let mut seen = HashSet::new();
    for server in &servers.value.items {
        if !seen.insert(&server.value) {
            let problem = format!("{} is in the list already", server.shown);
            server.fault(scope.report, problem, "write every server once");
        }
    }
}

/// `h2` is chosen in the TLS handshake, `h2c` is spoken without one.
fn check_protocol(scope: &Scope<'_>, servers: &At<List<ServerAddress>>, protocol: &Field<Protocol>) {
    let Some(at) = protocol.set() else { return };
    match at.value {
        Protocol::H2 if has(servers, false) => {
            at.fault(
                scope.report,
                "`h2` needs TLS, and a server is `http://`",
                "write `h2c`, or `https://` servers",
            );
        }
        Protocol::H2c if has(servers, true) => {
            at.fault(
                scope.report,
                "`h2c` is without TLS, and a server is `https://`",
                "write `h2`, or `http://` servers",
            );
        }
        Protocol::Auto | Protocol::Http1 | Protocol::H2 | Protocol::H2c => {}
    }
}

fn has(servers: &At<List<ServerAddress>>, tls: bool) -> bool {
    servers.value.values().any(|server| server.tls == tls)
}

fn health(scope: &Scope<'_>, written: &raw::HealthCheck) -> HealthCheckSettings {
    let raw::HealthCheck { path, interval, timeout } = written;
    if let Some(at) = path.set().filter(|at| !is_target(&at.value)) {
        let problem = format!("{} is not the path of a request", at.shown);
        at.fault(scope.report, problem, "write a path that begins with `/`, such as `/healthz`");
    }
    let settings = HealthCheckSettings {
        path: path.value().map_or("/healthz", String::as_str).to_owned(),
        interval: scope.positive(interval, Duration::from_secs(5)),
        timeout: scope.positive(timeout, Duration::from_secs(1)),
    };
    if let Some(at) = timeout.set().filter(|at| at.value > settings.interval && !settings.interval.is_zero())
    {
        let problem = format!("{} is longer than the interval of the checks", at.shown);
        at.fault(scope.report, problem, "write a shorter time, or a longer `interval`");
    }
    settings
}

/// Whether a path can stand in the first line of a request.
fn is_target(path: &str) -> bool {
    path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok()
}
