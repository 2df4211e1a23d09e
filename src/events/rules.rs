//! Which purges an event stands for.

use crate::invalidation::{Mode, Template};
use crate::key::HostAliases;
use std::fmt;

/// What an event purges. Templates hold members of the event: `{product_id}`, or by pointer `{/product/id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventSelector {
    /// A URL, or a path on each of [`EventRules::hosts`].
    Url(Template),
    /// All below a URL, or below a path on each of them.
    Prefix(Template),
    /// A tag.
    Tag(Template),
    /// All of a route.
    Route(Box<str>),
    /// Everything.
    All,
}

impl fmt::Display for EventSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(template) => write!(f, "{{ url: \"{template}\" }}"),
            Self::Prefix(template) => write!(f, "{{ prefix: \"{template}\" }}"),
            Self::Tag(template) => write!(f, "{{ tag: \"{template}\" }}"),
            Self::Route(route) => write!(f, "{{ route: {route} }}"),
            Self::All => f.write_str("{ all: true }"),
        }
    }
}

/// What events of one name purge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRule {
    /// Their name.
    pub event: Box<str>,
    /// What is purged.
    pub purge: Vec<EventSelector>,
    /// What becomes of it.
    pub mode: Mode,
}

/// All rules; several may be about events of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRules {
    /// The member of an event that holds its name, or a pointer to it.
    pub name_field: Box<str>,
    /// Canonical authorities that a path without one is on.
    pub hosts: Vec<Box<str>>,
    /// Other names of hosts, for whole URLs.
    pub aliases: HostAliases,
    /// The rules.
    pub rules: Vec<EventRule>,
}

impl Default for EventRules {
    /// No rule.
    fn default() -> Self {
        Self {
            name_field: "event".into(),
            hosts: Vec::new(),
            aliases: HostAliases::default(),
            rules: Vec::new(),
        }
    }
}
