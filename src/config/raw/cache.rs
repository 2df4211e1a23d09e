//! `cache`, of a route and of `defaults`.

use crate::config::fault::Wrong;
use crate::config::read::{At, Field, FromYaml, Hint, Item, List, Scalar, one_of, record};
use crate::config::values::{Status, TagTemplate};
use crate::config::yaml::Kind;
use crate::engine::Collapse;
use crate::key::{NamePattern, VaryInput};
use crate::semantics::{ClientDirectives, Cookies, SetCookie};
use std::time::Duration;

/// `cache`: nothing at all, or by these rules.
#[derive(Clone)]
pub(in crate::config) enum CacheChoice {
    Bypass,
    Rule(Box<Cache>),
}

/// The word `bypass`.
struct Bypass;

impl Scalar for Bypass {
    const WHAT: &'static str = "`bypass`, or a mapping such as `{ ttl: 1h }`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        one_of(text, &[("bypass", ())]).map(|()| Self).map_err(|wrong| match text {
            "off" | "false" | "no" | "none" | "never" => Wrong::new(wrong.problem, "write `bypass`"),
            _ if wrong.remedy.starts_with("did you mean") => wrong,
            _ => Wrong::new(wrong.problem, format!("write {}", Self::WHAT)),
        })
    }
}

impl FromYaml for CacheChoice {
    fn read(item: &Item<'_>) -> Option<Self> {
        match item.kind() {
            Kind::Map(_) => Cache::read(item).map(|cache| Self::Rule(Box::new(cache))),
            _ => Bypass::read(item).map(|Bypass| Self::Bypass),
        }
    }
}

record! {
    /// `cache` as a mapping.
    Cache, hint: |key| match key {
        "s_maxage" | "surrogate_ttl" | "edge_ttl" => Some(Hint::Meant("cdn_ttl")),
        "bypass" => Some(Hint::Instead("write `cache: bypass`".into())),
        "on_write" => Some(Hint::Instead("write it beside `cache`, not in it".into())),
        _ => None,
    };
    "ttl" => ttl: Duration,
    "override" => override_origin: bool,
    "memory_ttl" => memory_ttl: Duration,
    "stale_while_revalidate" => stale_while_revalidate: Duration,
    "stale_if_error" => stale_if_error: Duration,
    "statuses" => statuses: Statuses,
    "vary" => vary: List<VaryInput>,
    "query" => query: Query,
    "tags" => tags: List<TagTemplate>,
    "memory" => memory: bool,
    "redis" => redis: bool,
    "cookies" => cookies: Cookies,
    "set_cookie" => set_cookie: SetCookie,
    "sliding" => sliding: bool,
    "max_ttl" => max_ttl: Duration,
    "collapse" => collapse: Collapse,
    "client_directives" => client_directives: ClientDirectives,
    "cdn_ttl" => cdn_ttl: Duration,
}

record! {
    /// `cache.query`.
    Query;
    "ignore" => ignore: List<NamePattern>,
    "only" => only: List<NamePattern>,
    "sort" => sort: bool,
}

/// `cache.statuses`.
#[derive(Clone)]
pub(in crate::config) struct Statuses(pub(in crate::config) Vec<(u16, At<Duration>)>);

impl FromYaml for Statuses {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut lifetimes = Vec::new();
        for (key, value) in item.entries("a mapping such as `{ 404: 10s }`")? {
            let lifetime = value.read();
            match (Status::parse(&key.text), lifetime) {
                (Ok(Status(status)), Field::Set(lifetime)) => lifetimes.push((status, lifetime)),
                (Ok(_), _) => {}
                (Err(wrong), _) => item.key_fault(key, wrong),
            }
        }
        Some(Self(lifetimes))
    }
}
