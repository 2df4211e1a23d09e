//! `routes`, and what writes under them purge.

use super::selector::{ByWrite, Cause, Selector};
use super::{Cache, CacheChoice};
use crate::config::read::{Field, FromYaml, Hint, Item, List, Record, record};
use crate::config::units::Size;
use crate::config::values::{DoneStatus, FieldTest, RouteName};
use crate::route::{HostPattern, PathPattern};
use http::Method;
use ipnet::IpNet;

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
    "purge_from" => purge_from: List<IpNet>,
}

record! {
    /// `on_write`.
    OnWrite, hint: |key| match key {
        "when" => Some(Hint::Instead("write it in the items of `purge` that depend on it".into())),
        _ => None,
    };
    "purge" => purge: List<Purge>,
    "soft" => soft: bool,
    "on_unknown" => on_unknown: Selector<ByWrite>,
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
    pub(in crate::config) selector: Selector<ByWrite>,
    pub(in crate::config) soft: Field<bool>,
    pub(in crate::config) when: Field<When>,
    pub(in crate::config) on_unknown: Field<Selector<ByWrite>>,
}

impl Record for Purge {
    const KEYS: &'static [&'static str] =
        &["url", "tag", "prefix", "route", "all", "soft", "when", "on_unknown"];

    fn hint(key: &str) -> Option<Hint> {
        match key {
            "status" | "statuses" | "header" | "headers" => {
                Some(Hint::Instead("write it under `when`: `when: { status: [201] }`".into()))
            }
            _ => Selector::<ByWrite>::hint(key),
        }
    }
}

impl FromYaml for Purge {
    fn read(item: &Item<'_>) -> Option<Self> {
        let entries = item.entries(ByWrite::EXAMPLE)?;
        let (mut named, mut unknown) = (Vec::new(), false);
        let (mut soft, mut when, mut on_unknown) = (Field::Absent, Field::Absent, Field::Absent);
        for (key, value) in entries {
            match key.text.as_str() {
                "soft" => soft = value.read(),
                "when" => when = value.read(),
                "on_unknown" => on_unknown = value.read(),
                known if Selector::<ByWrite>::KEYS.contains(&known) => named.push((key, value)),
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
