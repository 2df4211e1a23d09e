//! `routes`, and what writes under them purge.

use super::{Cache, CacheChoice};
use crate::config::read::{At, FromYaml, Hint, Item, List, Record, record};
use crate::config::values::{PrefixTemplate, RouteName, TagTemplate, UrlTarget};
use crate::route::{HostPattern, PathPattern};
use http::Method;

record! {
    /// `routes`, one of.
    Route, hint: |key| match key {
        "purge" | "soft" => Some(Hint::Instead("write it under `on_write`".into())),
        "method" => Some(Hint::Instead("write `methods: [GET, HEAD]`".into())),
        "bypass" => Some(Hint::Instead("write `cache: bypass`".into())),
        _ if Cache::KEYS.contains(&key) => Some(Hint::Instead("write it under `cache`".into())),
        _ => None,
    };
    "name" => name: RouteName,
    "path" => path: PathPattern,
    "host" => host: HostPattern,
    "methods" => methods: List<Method>,
    "origin" => origin: String,
    "cache" => cache: CacheChoice,
    "on_write" => on_write: OnWrite,
}

record! {
    /// `on_write`.
    OnWrite;
    "purge" => purge: List<Selector>,
    "soft" => soft: bool,
}

/// One item of `on_write.purge`: what it names.
#[derive(Clone)]
pub(in crate::config) enum Selector {
    Url(At<UrlTarget>),
    Tag(At<TagTemplate>),
    Prefix(At<PrefixTemplate>),
    Route(At<RouteName>),
    All,
}

impl Record for Selector {
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

impl FromYaml for Selector {
    fn read(item: &Item<'_>) -> Option<Self> {
        let entries = item.entries("a selector such as `{ url: self }` or `{ tag: catalog }`")?;
        let [(key, value)] = entries.as_slice() else {
            let problem =
                if entries.is_empty() { "names nothing" } else { "names several things in one item" };
            item.fault(problem, "write an item of the list for each, such as `- { url: self }`");
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
