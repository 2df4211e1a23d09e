//! `redis`, and what of `invalidation` needs it.

use super::{Scope, files};
use crate::config::Secret;
use crate::config::expand::cause;
use crate::config::raw::{Invalidation, Redis, RedisChoice};
use crate::config::read::{At, Field};
use crate::config::settings::SharedLogSettings;
use crate::config::units::{Brief, Size};
use crate::config::values::{Password, RedisUrl};
use crate::redis::{RedisServers, RedisSettings, WriteMode};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The default of `redis.namespace`.
const NAMESPACE: &str = "larder";

/// The default of `redis.timeout`: some dozens of what Redis needs in the same data centre, and less than what a request to
/// an origin that is worth a cache takes.
const TIMEOUT: Duration = Duration::from_millis(50);

/// The longest `redis.timeout`: a request waits for it.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The default of `redis.max_object`.
const MAX_OBJECT: u64 = 1 << 20;

/// The longest value that Redis stores (`proto-max-bulk-len`).
const LARGEST_OBJECT: u64 = 512 << 20;

/// The default of `invalidation.blind_limit`.
const BLIND_LIMIT: Duration = Duration::from_secs(5);

/// The longest `invalidation.blind_limit`: a CDN is told as much later when a node died without a word.
const LONGEST_BLIND_LIMIT: Duration = Duration::from_secs(600);

/// The default of `invalidation.write_bound`.
const WRITE_BOUND: Duration = Duration::from_secs(60);

/// More replicas than any primary feeds well.
const MAX_REPLICAS: usize = 16;

/// The remote tier.
pub(super) fn tier(scope: &Scope<'_>, written: &Field<RedisChoice>) -> Option<RedisSettings> {
    written.set().and_then(|at| settings(scope, &at.with(&at.value.0), NAMESPACE, TIMEOUT))
}

/// The shared log, which lies where the tier is unless the file says otherwise.
pub(super) fn log(
    scope: &Scope<'_>,
    written: Option<&Invalidation>,
    redis: &Field<RedisChoice>,
    tier: Option<&RedisSettings>,
) -> SharedLogSettings {
    let Some(Invalidation {
        redis: own,
        blind_limit,
        min_replicas,
        write_bound,
        memory: _,
        settle: _,
        spool: _,
    }) = written
    else {
        return SharedLogSettings {
            redis: tier.cloned(),
            blind_limit: BLIND_LIMIT,
            min_replicas: 0,
            write_bound: WRITE_BOUND,
        };
    };
    if let Some(at) = min_replicas.set().filter(|at| at.value > 0 && own.is_absent() && redis.is_absent()) {
        at.fault(scope.report, "there is no Redis that could have replicas", "remove it, or set up `redis`");
    }
    if let Some(at) = blind_limit.set().filter(|at| at.value > LONGEST_BLIND_LIMIT) {
        let problem = format!("{} is longer than 10m, and CDNs wait as long for a node that died", at.shown);
        at.fault(
            scope.report,
            problem,
            "write how old a reply may be that nobody can vouch for, such as `5s`",
        );
    }
    let (namespace, timeout) =
        tier.map_or((NAMESPACE, TIMEOUT), |tier| (tier.namespace.as_str(), tier.timeout));
    let own_settings = own.set().and_then(|at| {
        check_log_keys(scope, &at.value.0);
        settings(scope, &at.with(&at.value.0), namespace, timeout)
    });
    SharedLogSettings {
        redis: own_settings.or_else(|| tier.cloned()),
        blind_limit: scope.positive(blind_limit, BLIND_LIMIT),
        min_replicas: scope.within(min_replicas, 0, 0, MAX_REPLICAS),
        write_bound: scope.positive(write_bound, WRITE_BOUND),
    }
}

/// The folder of what stands in no shared log.
pub(super) fn spool(scope: &Scope<'_>, written: Option<&Invalidation>) -> Option<PathBuf> {
    let at = written?.spool.set()?;
    let path = scope.folder.join(&at.value);
    // It may not be there yet: it is made at the start.
    if at.value.as_os_str().is_empty() || path.exists() && !path.is_dir() {
        let problem = format!("{} is not a folder", at.shown);
        let remedy = "write the path of a folder; a relative one starts at this file's folder";
        at.fault(scope.report, problem, remedy);
    }
    Some(path)
}

/// Reports keys that are about replies, of which the log has none.
fn check_log_keys(scope: &Scope<'_>, Redis { write, compress, max_object, .. }: &Redis) {
    let places = [write.set().map(|at| at.with(())), compress.set().map(|at| at.with(()))];
    for at in places.into_iter().flatten().chain(max_object.set().map(|at| at.with(()))) {
        at.fault(scope.report, "is about replies, and here is none", "write it under `redis`");
    }
}

/// A Redis that is the application's own: Larder keeps nothing there.
pub(super) fn foreign(scope: &Scope<'_>, written: &At<RedisChoice>) -> Option<RedisSettings> {
    check_log_keys(scope, &written.value.0);
    if let Some(at) = written.value.0.namespace.set() {
        at.fault(scope.report, "nothing of Larder's is kept there", "remove it");
    }
    settings(scope, &written.with(&written.value.0), NAMESPACE, TIMEOUT)
}

fn settings(
    scope: &Scope<'_>,
    at: &At<&Redis>,
    default_namespace: &str,
    default_timeout: Duration,
) -> Option<RedisSettings> {
    let Redis {
        url,
        namespace,
        username,
        password,
        sentinel_password,
        ca,
        timeout,
        write,
        compress,
        max_object,
    } = at.value;
    let url = scope.required(url, at, "url", "write where Redis is: `url: redis://127.0.0.1:6379`");
    check_limits(scope, timeout, max_object);
    let url = url?;
    let ca = ca.set().and_then(|ca| authorities(scope, ca, url));
    let (username, password) = user(scope, url, username, password);
    if let Some(at) = sentinel_password.set()
        && !matches!(url.value.servers, RedisServers::Sentinel { .. })
    {
        at.fault(scope.report, "there are no sentinels", "remove it, or write `url: redis-sentinel://…`");
    }
    Some(RedisSettings {
        servers: url.value.servers.clone(),
        tls: url.value.tls,
        ca,
        database: url.value.database,
        username,
        password,
        sentinel_password: sentinel_password.value().map(|password| password.0.clone()),
        namespace: namespace.value().map_or(default_namespace, |name| &name.0).to_owned(),
        timeout: timeout.value().map_or(default_timeout, |time| time.0),
        write: write.or_default(WriteMode::Behind),
        compress: compress.or_default(true),
        max_object: max_object.value().map_or(MAX_OBJECT, |size| size.0),
    })
}

fn check_limits(scope: &Scope<'_>, timeout: &Field<Brief>, size: &Field<Size>) {
    scope.positive(timeout, TIMEOUT);
    if let Some(at) = timeout.set().filter(|at| at.value.0 > LONGEST_TIMEOUT) {
        let problem = format!("{} is longer than 5s, and requests wait for it", at.shown);
        at.fault(scope.report, problem, "write a time that a client would wait, such as `50ms`");
    }
    if let Some(at) = size.set() {
        match at.value.0 {
            0 => at.fault(scope.report, "is zero", "write a size such as `1MiB`"),
            1..=LARGEST_OBJECT => {}
            _ => {
                let problem = format!("{} is more than a value of Redis may have, 512MiB", at.shown);
                at.fault(scope.report, problem, "write a size such as `1MiB`");
            }
        }
    }
}

fn authorities(scope: &Scope<'_>, ca: &At<PathBuf>, url: &At<RedisUrl>) -> Option<Vec<u8>> {
    if !url.value.tls {
        ca.fault(scope.report, "`url` is without TLS", "remove it, or write `rediss://` in `url`");
        return None;
    }
    let path = files::authorities(scope, ca)?;
    match fs::read(path) {
        Ok(pem) => Some(pem),
        Err(error) => {
            ca.fault(
                scope.report,
                format!("{} cannot be read: {}", ca.shown, cause(&error)),
                "name a readable file",
            );
            None
        }
    }
}

/// Who Larder is, by the URL or by keys of their own.
fn user(
    scope: &Scope<'_>,
    url: &At<RedisUrl>,
    username: &Field<String>,
    password: &Field<Password>,
) -> (Option<String>, Option<Secret>) {
    if let Some(at) = username.set().filter(|_| url.value.username.is_some()) {
        at.fault(scope.report, "is in `url` as well", "keep one of the two");
    }
    if let Some(at) = password.set().filter(|_| url.value.password.is_some()) {
        at.fault(scope.report, "is in `url` as well", "keep one of the two");
    }
    let secret = url.value.password.clone().or_else(|| password.value().map(|password| password.0.clone()));
    let remedy = "write `password: ${REDIS_PASSWORD}` beside it";
    if secret.is_none() && password.is_absent() {
        if let Some(at) = username.set() {
            at.fault(scope.report, "has no password", remedy);
        } else if url.value.username.is_some() {
            url.fault(scope.report, "has a user without a password", remedy);
        }
    }
    (url.value.username.clone().or_else(|| username.value().cloned()), secret)
}
