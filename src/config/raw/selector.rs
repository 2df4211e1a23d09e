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
    const SOFT: &'static str = "write it beside `purge`";
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
            _ => return None,
        };
        Some(Hint::Instead(remedy.into()))
    }
}

impl<C: Cause> Selector<C> {
    /// The one thing that `entries` of `item` name.
    pub(super) fn one(item: &Item<'_>, entries: &[(&Key, Item<'_>)]) -> Option<Self> {
        let [(key, value)] = entries else {
            let problem =
                if entries.is_empty() { "names nothing" } else { "names several things in one item" };
            item.fault(problem, C::ITEM);
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
