//! `events`.

use super::RedisChoice;
use crate::config::read::{At, FromYaml, Hint, Item, List, Record, record};
use crate::config::values::{Authority, EventPrefix, EventTag, EventUrl, FieldName, RouteName};

record! {
    /// `events`.
    Events, hint: |key| match key {
        "channel" => Some(Hint::Meant("redis_channel")),
        "stream" => Some(Hint::Meant("redis_stream")),
        "redis_group" | "consumer_group" => Some(Hint::Meant("group")),
        "host" => Some(Hint::Meant("hosts")),
        "url" => Some(Hint::Instead("write `redis: redis://127.0.0.1:6379`".into())),
        "purge" | "soft" => Some(Hint::Instead("write it under `rules`".into())),
        _ => None,
    };
    "redis_channel" => redis_channel: String,
    "redis_stream" => redis_stream: String,
    "group" => group: String,
    "redis" => redis: RedisChoice,
    "name_field" => name_field: FieldName,
    "hosts" => hosts: List<Authority>,
    "rules" => rules: List<EventRule>,
}

record! {
    /// `events.rules`, one of.
    EventRule, hint: |key| match key {
        "name" => Some(Hint::Meant("event")),
        "url" | "prefix" | "tag" | "route" | "all" => Some(Hint::Instead("write it under `purge`".into())),
        _ => None,
    };
    "event" => event: String,
    "purge" => purge: List<EventSelector>,
    "soft" => soft: bool,
}

/// One item of `purge`: what it names.
#[derive(Clone)]
pub(in crate::config) enum EventSelector {
    Url(At<EventUrl>),
    Tag(At<EventTag>),
    Prefix(At<EventPrefix>),
    Route(At<RouteName>),
    All,
}

impl Record for EventSelector {
    const KEYS: &'static [&'static str] = &["url", "tag", "prefix", "route", "all"];

    fn hint(key: &str) -> Option<Hint> {
        let remedy = match key {
            "urls" => "write an item for each: `- { url: … }`",
            "tags" => "write an item for each: `- { tag: … }`",
            "prefixes" => "write an item for each: `- { prefix: … }`",
            "routes" => "write an item for each: `- { route: … }`",
            "path" => "write `url`, or `prefix` for everything below",
            "soft" => "write it beside `purge`",
            _ => return None,
        };
        Some(Hint::Instead(remedy.into()))
    }
}

impl FromYaml for EventSelector {
    fn read(item: &Item<'_>) -> Option<Self> {
        let entries = item.entries("a selector such as `{ tag: \"product:{product_id}\" }`")?;
        let [(key, value)] = entries.as_slice() else {
            let problem =
                if entries.is_empty() { "names nothing" } else { "names several things in one item" };
            item.fault(problem, "write an item of the list for each, such as `- { tag: catalog }`");
            return None;
        };
        match key.text.as_str() {
            "url" => value.read().into_set().map(Self::Url),
            "tag" => value.read().into_set().map(Self::Tag),
            "prefix" => value.read().into_set().map(Self::Prefix),
            "route" => value.read().into_set().map(Self::Route),
            "all" => match value.read::<bool>().into_set()?.value {
                true => Some(Self::All),
                false => {
                    value.fault("purges nothing", "write `all: true`, or leave it out");
                    None
                }
            },
            _ => {
                item.unknown_key::<Self>(key);
                None
            }
        }
    }
}
