//! `routes`, and what writes under them purge.

use super::{Cache, CacheChoice};
use crate::config::read::{At, Field, FromYaml, Hint, Item, List, Record, record};
use crate::config::units::Size;
use crate::config::values::{DoneStatus, FieldTest, PrefixTemplate, RouteName, TagTemplate, UrlTarget};
use crate::config::yaml::{Key, Kind};
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
    OnWrite, hint: |key| match key {
        "when" => Some(Hint::Instead("write it in the items of `purge` that depend on it".into())),
        _ => None,
    };
    "purge" => purge: List<Purge>,
    "soft" => soft: bool,
    "on_unknown" => on_unknown: Selector,
    "max_body" => max_body: Size,
}

record! {
    /// `on_write.purge[].when`.
    When, hint: |key| match key {
        "statuses" => Some(Hint::Meant("status")),
        "headers" => Some(Hint::Meant("header")),
        "method" | "methods" => Some(Hint::Instead("write a route with these `methods`".into())),
        _ => None,
    };
    "status" => status: List<DoneStatus>,
    "header" => header: List<FieldTest>,
}

/// One item of `on_write.purge`.
#[derive(Clone)]
pub(in crate::config) struct Purge {
    pub(in crate::config) selector: Selector,
    pub(in crate::config) soft: Field<bool>,
    pub(in crate::config) when: Field<When>,
    pub(in crate::config) on_unknown: Field<Selector>,
}

impl Record for Purge {
    const KEYS: &'static [&'static str] =
        &["url", "tag", "prefix", "route", "all", "soft", "when", "on_unknown"];

    fn hint(key: &str) -> Option<Hint> {
        match key {
            "status" | "statuses" | "header" | "headers" => {
                Some(Hint::Instead("write it under `when`: `when: { status: [201] }`".into()))
            }
            _ => Selector::hint(key),
        }
    }
}

impl FromYaml for Purge {
    fn read(item: &Item<'_>) -> Option<Self> {
        let entries = item.entries(SELECTOR)?;
        let (mut named, mut unknown) = (Vec::new(), false);
        let (mut soft, mut when, mut on_unknown) = (Field::Absent, Field::Absent, Field::Absent);
        for (key, value) in entries {
            match key.text.as_str() {
                "soft" => soft = value.read(),
                "when" => when = value.read(),
                "on_unknown" => on_unknown = value.read(),
                known if Selector::KEYS.contains(&known) => named.push((key, value)),
                _ => {
                    item.unknown_key::<Self>(key);
                    unknown = true;
                }
            }
        }
        if named.is_empty() && unknown {
            return None;
        }
        let selector = Selector::one(item, &named)?;
        Some(Self { selector, soft, when, on_unknown })
    }
}

/// What a purge names.
#[derive(Clone)]
pub(in crate::config) enum Selector {
    Url(At<UrlTarget>),
    Tag(At<TagTemplate>),
    Prefix(At<PrefixTemplate>),
    Route(At<RouteName>),
    All,
}

/// What a selector looks like.
const SELECTOR: &str = "a selector such as `{ url: self }` or `{ tag: catalog }`";

impl Record for Selector {
    const KEYS: &'static [&'static str] = &["url", "tag", "prefix", "route", "all"];

    fn hint(key: &str) -> Option<Hint> {
        let remedy = match key {
            "urls" => "write an item for each: `- { url: … }`",
            "tags" => "write an item for each: `- { tag: … }`",
            "prefixes" => "write an item for each: `- { prefix: … }`",
            "routes" => "write an item for each: `- { route: … }`",
            "path" => "write `url`, or `prefix` for everything below",
            "soft" => "write it beside `purge`, or in an item of it",
            _ => return None,
        };
        Some(Hint::Instead(remedy.into()))
    }
}

impl Selector {
    /// The one thing that `entries` of `item` name.
    fn one(item: &Item<'_>, entries: &[(&Key, Item<'_>)]) -> Option<Self> {
        let [(key, value)] = entries else {
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

/// A selector by itself; the word `all` is one, too.
impl FromYaml for Selector {
    fn read(item: &Item<'_>) -> Option<Self> {
        if matches!(item.kind(), Kind::Scalar(text) if text == "all") {
            return Some(Self::All);
        }
        Self::one(item, &item.entries(SELECTOR)?)
    }
}
