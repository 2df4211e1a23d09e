//! Threads, listeners and the admin listener.

use super::{Scope, files};
use crate::config::raw;
use crate::config::read::{At, Field, List};
use crate::config::settings::{AdminSettings, ListenSettings, TlsFiles};
use crate::config::values::Threads;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where clients connect unless the file says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);

/// Where the admin listener is unless the file says otherwise.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// Addresses to listen on. Each is a task in every runtime.
const MAX_LISTENERS: usize = 64;

/// How many runtimes: one a core that this process may use, which is what its control group and affinity allow.
pub(super) fn threads(written: Option<Threads>) -> usize {
    match written.unwrap_or(Threads::Auto) {
        Threads::Auto => std::thread::available_parallelism().map_or(1, usize::from),
        Threads::Count(count) => count,
    }
}

/// The admin listener, and those for clients; none is in the way of another.
pub(super) fn listeners(
    scope: &Scope<'_>,
    admin: &Field<raw::Admin>,
    listen: &Field<List<raw::Listen>>,
) -> (AdminSettings, Vec<ListenSettings>) {
    let (admin, admin_address) = admin_listener(scope, admin.value());
    let Some(list) = listen.set() else {
        if let Some(at) = admin_address.filter(|at| listen.is_absent() && conflict(at.value, LISTEN)) {
            let problem = format!("{} is in the way of the listener on `{LISTEN}`", at.shown);
            at.fault(scope.report, problem, "choose another port here or under `listen`");
        }
        return (admin, vec![ListenSettings { address: LISTEN, tls: None, h2c: false }]);
    };
    match list.value.written {
        0 => list.fault(scope.report, "is empty", "write `- address: 0.0.0.0:8080`, or leave it out"),
        1..=MAX_LISTENERS => check_conflicts(scope, &list.value.items, admin.address),
        more => list.fault(
            scope.report,
            format!("names {more} addresses"),
            format!("write at most {MAX_LISTENERS}; `0.0.0.0` is every address of the machine"),
        ),
    }
    (admin, list.value.items.iter().map(|at| listener(scope, at)).collect())
}

fn admin_listener<'f>(
    scope: &Scope<'_>,
    written: Option<&'f raw::Admin>,
) -> (AdminSettings, Option<&'f At<SocketAddr>>) {
    let Some(raw::Admin { address, token }) = written else {
        return (AdminSettings { address: ADMIN, token: None }, None);
    };
    // Who can reach it can purge.
    if let Some(at) = address.set().filter(|at| !at.value.ip().is_loopback() && token.is_absent()) {
        at.fault(
            scope.report,
            format!("{} can be reached from elsewhere, and there is no token", at.shown),
            "write `token: ${LARDER_ADMIN_TOKEN}` beside it, or listen on 127.0.0.1",
        );
    }
    let token = token.value().map(|token| token.0.clone());
    (AdminSettings { address: address.or_default(ADMIN), token }, address.set())
}

fn check_conflicts(scope: &Scope<'_>, listeners: &[At<raw::Listen>], admin: SocketAddr) {
    let mut taken: Vec<At<SocketAddr>> = Vec::new();
    for listener in listeners {
        let at = match &listener.value.address {
            Field::Absent => At { shown: format!("`{LISTEN}`").into(), ..listener.with(LISTEN) },
            Field::Faulty => continue,
            Field::Set(at) => at.clone(),
        };
        if let Some(other) = taken.iter().find(|other| conflict(other.value, at.value)) {
            let problem =
                format!("{} is in the way of {} on line {}", at.shown, other.shown, other.place.line);
            at.fault(scope.report, problem, "choose another port, or remove one of them");
        } else if conflict(admin, at.value) {
            let problem = format!("{} is in the way of the admin listener", at.shown);
            at.fault(scope.report, problem, "choose another port here or in `admin.address`");
        }
        taken.push(at);
    }
}

fn listener(scope: &Scope<'_>, at: &At<raw::Listen>) -> ListenSettings {
    let raw::Listen { address, tls, h2c } = &at.value;
    let tls = tls.set().and_then(|tls| pair(scope, tls));
    if let Some(flag) = h2c.set().filter(|flag| flag.value && !at.value.tls.is_absent()) {
        flag.fault(
            scope.report,
            "is HTTP/2 without TLS, on a listener with TLS",
            "remove it: with TLS, clients choose HTTP/2 by themselves",
        );
    }
    ListenSettings { address: address.or_default(LISTEN), tls, h2c: h2c.or_default(false) }
}

fn pair(scope: &Scope<'_>, at: &At<raw::Tls>) -> Option<TlsFiles> {
    let raw::Tls { certificate, key } = &at.value;
    let certificate = scope.required(certificate, at, "certificate", "write the path of a PEM file");
    let key = scope.required(key, at, "key", "write the path of a PEM file");
    files::pair(scope, certificate?, key?)
}

/// Whether only one of the two can be listened on: same port, and the same address or all of them.
fn conflict(a: SocketAddr, b: SocketAddr) -> bool {
    // The system finds free ports for port 0.
    a.port() == b.port()
        && a.port() != 0
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}
