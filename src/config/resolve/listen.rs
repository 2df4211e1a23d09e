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

/// How many runtimes: one a core that this process may use, which is what its control group and affinity allow.
pub(super) fn threads(written: Option<Threads>) -> usize {
    match written.unwrap_or(Threads::Auto) {
        Threads::Auto => std::thread::available_parallelism().map_or(1, usize::from),
        Threads::Count(count) => count,
    }
}

/// The admin listener: what can be reached from elsewhere can purge, so it needs a token.
pub(super) fn admin(scope: &Scope<'_>, written: Option<&raw::Admin>) -> AdminSettings {
    let Some(raw::Admin { address, token }) = written else {
        return AdminSettings { address: ADMIN, token: None };
    };
    if let Some(at) = address.set().filter(|at| !at.value.ip().is_loopback() && token.is_absent()) {
        at.fault(
            scope.report,
            format!("{} can be reached from elsewhere, and there is no token", at.shown),
            "write `token: ${LARDER_ADMIN_TOKEN}` beside it, or listen on 127.0.0.1",
        );
    }
    AdminSettings { address: address.or_default(ADMIN), token: token.value().map(|token| token.0.clone()) }
}

/// The listeners, none in the way of another or of the admin listener.
pub(super) fn listeners(
    scope: &Scope<'_>,
    written: &Field<List<raw::Listen>>,
    admin: SocketAddr,
) -> Vec<ListenSettings> {
    let Some(list) = written.set() else {
        return vec![ListenSettings { address: LISTEN, tls: None, h2c: false }];
    };
    if list.value.written == 0 {
        list.fault(scope.report, "is empty", "write `- address: 0.0.0.0:8080`, or leave it out");
    }
    let mut taken = Vec::new();
    let mut listeners = Vec::new();
    for at in &list.value.items {
        let listener = listener(scope, at);
        // A faulty address is reported; its default would only be in the way of others.
        if let Some(address) = at.value.address.set() {
            if let Some(other) = taken.iter().find(|other| conflict(**other, address.value)) {
                let problem = format!("{} is in the way of `{other}` above", address.shown);
                address.fault(scope.report, problem, "choose another port, or remove one of them");
            } else if conflict(admin, address.value) {
                let problem = format!("{} is in the way of the admin listener on `{admin}`", address.shown);
                address.fault(scope.report, problem, "choose another port here or in `admin.address`");
            }
            taken.push(address.value);
        }
        listeners.push(listener);
    }
    listeners
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
