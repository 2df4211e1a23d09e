//! From what a user wrote to what the program uses: defaults, and whatever has to agree with something else.
//!
//! Every function here reports all it finds. What it returns in that case is thrown away, so it may leave out what
//! is faulty; what it must not do is report the consequences of a fault as further faults.

mod cache;
mod cdn;
mod events;
mod files;
mod hosts;
mod listen;
mod memory;
mod names;
mod origins;
mod redis;
mod region;
mod routes;
mod tags;
mod write;

use super::fault::Report;
use super::raw;
use super::read::{At, Field};
use super::settings::Settings;
use crate::observe::AccessLogSettings;
use std::path::Path;
use std::time::Duration;

/// What all of them need.
struct Scope<'a> {
    report: &'a Report,
    /// Where relative paths of files start.
    folder: &'a Path,
    /// Whether nodes have something in common.
    shared: bool,
}

/// The settings that `file` asks for. Worth nothing if `report` holds a fault afterwards.
pub(super) fn resolve(file: &At<raw::File>, report: &Report, folder: &Path) -> Settings {
    let shared = !file.value.redis.is_absent();
    let scope = Scope { report, folder, shared };
    let raw::File {
        threads,
        listen,
        trusted_proxies,
        host_aliases,
        admin,
        origin: _,
        origins: _,
        memory,
        redis,
        region,
        invalidation,
        cdn,
        access_log,
        defaults: _,
        routes: _,
        events: _,
    } = &file.value;
    let (admin, listen) = listen::listeners(&scope, admin, listen);
    let (ledger, settle) = memory::purges(&scope, invalidation.value());
    let tier = redis::tier(&scope, redis);
    let hosts = hosts::aliases(&scope, host_aliases.value());
    let origins = origins::origins(&scope, file);
    let events = events::events(&scope, &file.value, &hosts, tier.as_ref());
    Settings {
        threads: listen::threads(threads.value().copied()),
        listen,
        trusted_proxies: trusted_proxies
            .value()
            .map_or_else(Vec::new, |list| list.values().copied().collect()),
        memory: memory::replies(&scope, memory.value()),
        log: redis::log(&scope, invalidation.value(), redis, tier.as_ref()),
        spool: redis::spool(&scope, invalidation.value()),
        redis: tier,
        ledger,
        settle,
        cdns: cdn::cdns(&scope, cdn),
        access_log: access_log.value().map_or_else(AccessLogSettings::default, log),
        routes: routes::routes(&scope, &file.value, &hosts, &region::rule(&scope, region)),
        host_aliases: hosts.settings(),
        events,
        admin,
        origins,
    }
}

fn log(written: &raw::AccessLog) -> AccessLogSettings {
    let raw::AccessLog { hits, others, format } = written;
    let defaults = AccessLogSettings::default();
    AccessLogSettings {
        hits: hits.value().map_or(defaults.hits, |share| share.0),
        others: others.value().map_or(defaults.others, |share| share.0),
        format: format.or_default(defaults.format),
    }
}

impl Scope<'_> {
    /// The value of a key that has no default, if it is there.
    fn required<'f, T, P>(
        &self,
        field: &'f Field<T>,
        parent: &At<P>,
        key: &str,
        remedy: &str,
    ) -> Option<&'f At<T>> {
        if field.is_absent() {
            self.report.fault(&parent.place.missing(key), "is missing", remedy);
        }
        field.set()
    }

    /// A time that cannot be zero.
    fn positive<T: Copy + Into<Duration>>(&self, field: &Field<T>, default: Duration) -> Duration {
        let Some(at) = field.set() else { return default };
        let time = at.value.into();
        if time.is_zero() {
            at.fault(self.report, "is zero", "write a longer time, such as `1s`");
        }
        time
    }

    /// A number within bounds.
    fn within(&self, field: &Field<usize>, default: usize, least: usize, most: usize) -> usize {
        if let Some(at) = field.set().filter(|at| !(least..=most).contains(&at.value)) {
            let problem = format!("{} is not from {least} to {most}", at.shown);
            at.fault(self.report, problem, format!("write `{default}`, or another number in that range"));
        }
        field.or_default(default)
    }
}
