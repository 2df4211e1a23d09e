//! What a purge names: `url`, `tag`, `prefix`, `route` or `all`.

use crate::config::read::{At, FromYaml, Hint, Item, Record};
use crate::config::values::{
    EventPrefix, EventTag, EventUrl, PrefixTemplate, RouteName, TagTemplate, UrlTarget,
};
use crate::config::yaml::{Key, Kind};

/// Whose purges they are: what templates may stand in them, and what those are told who err.
pub(in crate::config) trait Cause: Clone {
    type Url: FromYaml + Clone;
    type Tag: FromYaml + Clone;
    type Prefix: FromYaml + Clone;

    /// What a selector looks like.
    const EXAMPLE: &'static str;

    /// What to write in place of several in one.
    const ITEM: &'static str;

    /// Where `soft` belongs.
    const SOFT: &'static str;

    /// What becomes of `when` and `on_unknown`, which only purges of writes have.
    const CONDITION: &'static str;
}

/// A write that passes: `on_write`.
#[derive(Clone)]
pub(in crate::config) struct ByWrite;

impl Cause for ByWrite {
    type Url = UrlTarget;
    type Tag = TagTemplate;
    type Prefix = PrefixTemplate;

    const EXAMPLE: &'static str = "a selector such as `{ url: self }` or `{ tag: catalog }`";
    const ITEM: &'static str = "write an item of the list for each, such as `- { url: self }`";
    const SOFT: &'static str = "write it beside `purge`, or in an item of it";
    const CONDITION: &'static str = "write it in an item of `purge`";
}

/// An event of the application: `events.rules`.
#[derive(Clone)]
pub(in crate::config) struct ByEvent;

impl Cause for ByEvent {
    type Url = EventUrl;
    type Tag = EventTag;
    type Prefix = EventPrefix;

    const EXAMPLE: &'static str = "a selector such as `{ tag: \"product:{product_id}\" }`";
    const ITEM: &'static str = "write an item of the list for each, such as `- { tag: catalog }`";
    const SOFT: &'static str = "write it beside `purge`, in a rule of its own";
    const CONDITION: &'static str =
        "leave it out: an event has no reply, and what it lacks it does not purge";
}

/// What a purge names.
#[derive(Clone)]
pub(in crate::config) enum Selector<C: Cause> {
    Url(At<C::Url>),
    Tag(At<C::Tag>),
    Prefix(At<C::Prefix>),
    Route(At<RouteName>),
    All,
}

impl<C: Cause> Record for Selector<C> {
    const KEYS: &'static [&'static str] = &["url", "tag", "prefix", "route", "all"];

    fn hint(key: &str) -> Option<Hint> {
        let remedy = match key {
            "urls" => "write an item for each: `- { url: … }`",
            "tags" => "write an item for each: `- { tag: … }`",
            "prefixes" => "write an item for each: `- { prefix: … }`",
            "routes" => "write an item for each: `- { route: … }`",
            "path" => "write `url`, or `prefix` for everything below",
            "soft" => C::SOFT,
            "when" | "on_unknown" => C::CONDITION,
            _ => return None,
        };
        Some(Hint::Instead(remedy.into()))
    }
}

impl<C: Cause> Selector<C> {
    /// The one thing that `entries` of `item` name.
    pub(super) fn one(item: &Item<'_>, entries: &[(&Key, Item<'_>)]) -> Option<Self> {
        let [(key, value)] = entries else {
            let is_known = |key: &Key| Self::KEYS.contains(&key.text.as_str());
            for (key, _) in entries.iter().filter(|(key, _)| !is_known(key)) {
                item.unknown_key::<Self>(key);
            }
            match entries.iter().filter(|(key, _)| is_known(key)).count() {
                0 if entries.is_empty() => item.fault("names nothing", C::ITEM),
                0 | 1 => {}
                _ => item.fault("names several things in one item", C::ITEM),
            }
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
impl<C: Cause> FromYaml for Selector<C> {
    fn read(item: &Item<'_>) -> Option<Self> {
        if matches!(item.kind(), Kind::Scalar(text) if text == "all") {
            return Some(Self::All);
        }
        Self::one(item, &item.entries(C::EXAMPLE)?)
    }
}
