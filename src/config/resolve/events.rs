//! `events`.

use super::hosts::Hosts;
use super::names::Names;
use super::{Scope, redis, write};
use crate::config::raw::{self, ByEvent, Events, File, Selector};
use crate::config::read::{At, Field, List, Scalar};
use crate::config::settings::{EventSettings, FeedSettings};
use crate::config::values::{Authority, RouteName};
use crate::events::{EventRule, EventRules, EventSelector};
use crate::invalidation::{Mode, Template};
use crate::redis::RedisSettings;

/// The default of `events.group`.
const GROUP: &str = "larder";

/// What events purge, and where they come from.
pub(super) fn events(
    scope: &Scope<'_>,
    file: &File,
    hosts: &Hosts,
    tier: Option<&RedisSettings>,
) -> EventSettings {
    let aliases = hosts.settings();
    let Some(at) = file.events.set() else {
        return EventSettings { rules: EventRules { aliases, ..EventRules::default() }, feeds: None };
    };
    let Events { name_field, hosts: own, rules, .. } = &at.value;
    let default = EventRules::default();
    let places = Places::of(file, own, hosts);
    let names = Names::of(file);
    let written = rules.value().map_or(&[][..], |list| &list.items);
    let rules = written.iter().map(|at| rule(scope, at, &places, &names)).collect();
    EventSettings {
        rules: EventRules {
            name_field: name_field.value().map_or(default.name_field, |name| name.0.as_str().into()),
            hosts: places.hosts.into_iter().map(String::into_boxed_str).collect(),
            aliases,
            rules,
        },
        feeds: feeds(scope, at, file, tier),
    }
}

/// The hosts that a path without one is on.
struct Places {
    hosts: Vec<String>,
    /// There may be others, in what cannot be read.
    more: bool,
}

impl Places {
    fn of(file: &File, own: &Field<List<Authority>>, hosts: &Hosts) -> Self {
        let mut places = Self { hosts: Vec::new(), more: false };
        if !own.is_absent() {
            places.more = own.value().is_none_or(|list| !list.is_whole());
            let written = own.value().into_iter().flat_map(List::values);
            written.for_each(|host| places.add(&host.0, hosts));
            return places;
        }
        places.more = matches!(file.host_aliases, Field::Faulty) || matches!(file.routes, Field::Faulty);
        for (name, _) in file.host_aliases.value().into_iter().flat_map(|map| &map.entries) {
            match Authority::parse(&name.value) {
                Ok(name) => places.add(&name.0, hosts),
                Err(_) => places.more = true,
            }
        }
        for route in file.routes.value().into_iter().flat_map(List::values) {
            match &route.host {
                Field::Absent => {}
                Field::Faulty => places.more = true,
                Field::Set(host) => {
                    // A pattern names no host.
                    if let Ok(name) = Authority::parse(&host.value.to_string()) {
                        places.add(&name.0, hosts);
                    }
                }
            }
        }
        places
    }

    fn add(&mut self, host: &str, hosts: &Hosts) {
        let name = hosts.canonical(host).unwrap_or(host);
        if !self.hosts.iter().any(|known| known == name) {
            self.hosts.push(name.to_owned());
        }
    }
}

fn rule(scope: &Scope<'_>, at: &At<raw::EventRule>, places: &Places, names: &Names<'_>) -> EventRule {
    let raw::EventRule { event, purge, soft } = &at.value;
    let remedy = "write the name of the events it is about, such as `event: product_updated`";
    let event = scope.required(event, at, "event", remedy);
    let remedy = "write what they purge, such as `purge: [{ tag: \"product:{product_id}\" }]`";
    let purge = scope.required(purge, at, "purge", remedy);
    if let Some(at) = purge.filter(|at| at.value.written == 0) {
        at.fault(scope.report, "is empty, so the rule purges nothing", remedy);
    }
    let selectors = purge.into_iter().flat_map(|at| at.value.values());
    EventRule {
        event: event.map_or("", |at| &at.value).into(),
        purge: selectors.map(|selector| resolve(scope, selector, places, names)).collect(),
        mode: if soft.or_default(false) { Mode::Soft } else { Mode::Hard },
    }
}

fn resolve(
    scope: &Scope<'_>,
    selector: &Selector<ByEvent>,
    places: &Places,
    names: &Names<'_>,
) -> EventSelector {
    match selector {
        Selector::All => EventSelector::All,
        Selector::Tag(at) => EventSelector::Tag(at.value.0.clone()),
        Selector::Url(at) => EventSelector::Url(placed(scope, &at.with(&at.value.0), places)),
        Selector::Prefix(at) => EventSelector::Prefix(placed(scope, &at.with(&at.value.0), places)),
        Selector::Route(at) => route(scope, at, names),
    }
}

fn route(scope: &Scope<'_>, at: &At<RouteName>, names: &Names<'_>) -> EventSelector {
    write::check_route(scope, at, names);
    EventSelector::Route(at.value.0.as_str().into())
}

/// A path needs a host that it is on.
fn placed(scope: &Scope<'_>, at: &At<&Template>, places: &Places) -> Template {
    // It begins with a text of its own, whatever its names stand for.
    let is_path = at.value.render(|_| Some("")).is_some_and(|text| text.starts_with('/'));
    if is_path && places.hosts.is_empty() && !places.more {
        at.fault(
            scope.report,
            "is a path, and no host is known that it could be on",
            "write `hosts: [shop.example.com]` under `events`, or the whole URL",
        );
    }
    at.value.clone()
}

/// Where events come from by themselves.
fn feeds(
    scope: &Scope<'_>,
    at: &At<Events>,
    file: &File,
    tier: Option<&RedisSettings>,
) -> Option<FeedSettings> {
    let Events { redis_channel, redis_stream, group, redis: own, .. } = &at.value;
    if let Some(at) = own.set().filter(|_| redis_channel.is_absent() && redis_stream.is_absent()) {
        at.fault(
            scope.report,
            "nothing is read from it",
            "write `redis_channel` or `redis_stream`, or remove it",
        );
    }
    if let Some(at) = group.set().filter(|_| redis_stream.is_absent()) {
        at.fault(scope.report, "there is no stream that it could read", "write `redis_stream`, or remove it");
    }
    let first = redis_channel.set().or(redis_stream.set())?;
    if own.is_absent() && file.redis.is_absent() {
        let remedy = "set up `redis`, or write the Redis of the events: `redis: redis://127.0.0.1:6379`";
        first.fault(scope.report, "there is no Redis that it could be in", remedy);
    }
    check_group(scope, at, file);
    let redis = match own.set() {
        Some(own) => redis::foreign(scope, own),
        None => tier.cloned(),
    }?;
    for at in [redis_channel.set(), redis_stream.set()].into_iter().flatten() {
        check_outside(scope, at, tier);
    }
    Some(FeedSettings {
        redis,
        channel: redis_channel.value().cloned(),
        stream: redis_stream.value().cloned(),
        group: group.value().map_or(GROUP, String::as_str).to_owned(),
    })
}

/// Each entry of a stream is handed to one Larder of the group, which is enough where they share a log.
fn check_group(scope: &Scope<'_>, at: &At<Events>, file: &File) {
    let log = file.invalidation.value().is_some_and(|invalidation| !invalidation.redis.is_absent());
    let shared = log || !file.redis.is_absent() || matches!(file.invalidation, Field::Faulty);
    if !shared && !at.value.redis_stream.is_absent() && at.value.group.is_absent() {
        scope.report.fault(
            &at.place.missing("group"),
            "is missing: without `redis` no log is shared, and of several Larders in one group only one would purge",
            "write a name that no other Larder has, or set up `redis`",
        );
    }
}

/// Larder's own keys and channels are not the application's.
fn check_outside(scope: &Scope<'_>, at: &At<String>, tier: Option<&RedisSettings>) {
    let Some(tier) = tier else { return };
    let own = [format!("{}:", tier.namespace), format!("{{{}}}:", tier.namespace)];
    if own.iter().any(|prefix| at.value.starts_with(prefix)) {
        let problem = format!("{} lies in the namespace of what Larder keeps for itself", at.shown);
        at.fault(scope.report, problem, "choose another name, or another `redis.namespace`");
    }
}
