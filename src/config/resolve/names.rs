//! What the parts of a file call each other by.

use super::origins;
use crate::config::raw::File;
use crate::config::read::{At, Field, List, nearest};
use crate::config::values::RouteName;
use crate::route::PathPattern;
use std::collections::{BTreeMap, BTreeSet};

/// The name of the route of requests that no other matches.
pub(super) const DEFAULT_ROUTE: &str = "default";

/// What routes may refer to.
pub(super) struct Names<'f> {
    routes: BTreeMap<&'f str, First>,
    /// Whether that is all of them; a faulty one may have any name.
    whole: bool,
    /// `None` if `origins` cannot be read.
    origins: Option<BTreeSet<&'f str>>,
}

/// The first route of a name.
struct First {
    /// Its place in the list.
    index: usize,
    /// The line of its name.
    line: usize,
    /// Whether the name was filled in, and is not to be shown.
    foreign: bool,
}

impl<'f> Names<'f> {
    /// The names in `file`.
    pub(super) fn of(file: &'f File) -> Self {
        let written = file.routes.value();
        let mut whole = !matches!(file.routes, Field::Faulty) && written.is_none_or(List::is_whole);
        let mut routes = BTreeMap::new();
        for (index, route) in written.into_iter().flat_map(|list| &list.items).enumerate() {
            let Some(name) = route.value.name.set() else {
                whole = false;
                continue;
            };
            let first = First { index, line: name.place.line, foreign: name.foreign };
            routes.entry(name.value.0.as_str()).or_insert(first);
        }
        let origins = match &file.origins {
            Field::Faulty => None,
            Field::Absent => Some(BTreeSet::new()),
            Field::Set(map) => Some(map.value.entries.iter().map(|(name, _)| name.value.as_str()).collect()),
        };
        Self { routes, whole, origins }
    }

    /// The line of an earlier route than `index` with this name.
    pub(super) fn line_of_earlier(&self, name: &RouteName, index: usize) -> Option<usize> {
        self.routes.get(name.0.as_str()).filter(|first| first.index < index).map(|first| first.line)
    }

    /// Whether no route can be named so.
    pub(super) fn lacks_route(&self, name: &RouteName) -> bool {
        self.whole && name.0 != DEFAULT_ROUTE && !self.routes.contains_key(name.0.as_str())
    }

    /// The route that was meant, if that may be said.
    pub(super) fn nearest_route(&self, name: &At<RouteName>) -> Option<&'f str> {
        let known = self.routes.iter().filter(|(_, first)| !first.foreign).map(|(known, _)| *known);
        nearest(&name.value.0, known.chain([DEFAULT_ROUTE])).filter(|_| !name.foreign)
    }

    /// Whether no origin can be named so.
    pub(super) fn lacks_origin(&self, name: &str) -> bool {
        name != origins::DEFAULT && self.origins.as_ref().is_some_and(|known| !known.contains(name))
    }

    /// The origin that was meant, if that may be said.
    pub(super) fn nearest_origin(&self, name: &At<String>) -> Option<&'f str> {
        let known = self.origins.iter().flatten().copied();
        nearest(&name.value, known.chain([origins::DEFAULT])).filter(|_| !name.foreign)
    }
}

/// The names that templates of a route may hold.
pub(super) struct Captures<'f> {
    /// `None` if the path is faulty.
    names: Option<Vec<&'f str>>,
    /// Whether the path was filled in, so that its names are not to be shown.
    foreign: bool,
}

impl<'f> Captures<'f> {
    /// The captures of a path.
    pub(super) fn of(path: &'f Field<PathPattern>) -> Self {
        match path {
            Field::Absent => Self { names: Some(Vec::new()), foreign: false },
            Field::Faulty => Self { names: None, foreign: false },
            Field::Set(at) => Self { names: Some(at.value.names().collect()), foreign: at.foreign },
        }
    }

    /// Whether `name` is certain to be none of them.
    pub(super) fn lack(&self, name: &str) -> bool {
        self.names.as_ref().is_some_and(|names| !names.contains(&name))
    }

    /// What to write for `name`.
    pub(super) fn remedy(&self, name: &str) -> String {
        let names = self.names.as_deref().filter(|_| !self.foreign).unwrap_or_default();
        if let Some(meant) = nearest(name, names.iter().copied()) {
            return format!("did you mean `{{{meant}}}`?");
        }
        if names.is_empty() {
            return format!("write `{{{name}}}` in the path, or a text without it here");
        }
        let all: Vec<_> = names.iter().map(|name| format!("`{{{name}}}`")).collect();
        format!("the captures are {}", all.join(", "))
    }
}
