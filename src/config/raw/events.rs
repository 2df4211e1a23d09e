//! `events`.

use super::RedisChoice;
use super::selector::{ByEvent, Cause, Selector};
use crate::config::read::{Hint, List, record};
use crate::config::values::{Authority, FieldName};

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
        "on_unknown" | "when" => Some(Hint::Instead(ByEvent::CONDITION.into())),
        _ => None,
    };
    "event" => event: String,
    "purge" => purge: List<Selector<ByEvent>>,
    "soft" => soft: bool,
}
