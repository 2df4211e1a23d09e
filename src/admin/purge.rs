//! The body of `POST /purge`: from JSON to invalidations, with every fault at once.

use super::Control;
use super::problem::{Kind, Problem};
use crate::invalidation::{Invalidation, Matcher, Mode};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// What a purge names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PurgeRequest {
    urls: Vec<String>,
    tags: Vec<String>,
    prefixes: Vec<String>,
    routes: Vec<String>,
    all: bool,
    soft: bool,
}

const KEYS: [&str; 6] = ["urls", "tags", "prefixes", "routes", "all", "soft"];

impl PurgeRequest {
    /// Reads the JSON.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        let members: Members = serde_json::from_slice(body)
            .map_err(|error| Problem::new(Kind::InvalidBody, format!("the body cannot be read: {error}")))?;
        let mut request = Self::default();
        let mut faults = Vec::new();
        let mut seen = Vec::new();
        for (key, value) in members.0 {
            if let Err(fault) = request.set(&key, value) {
                faults.push(fault);
            } else if seen.contains(&key) {
                faults.push(format!("`{key}` stands there twice; put everything into one list"));
            }
            seen.push(key);
        }
        if !faults.is_empty() {
            return Err(Problem::with_errors(Kind::InvalidBody, faults));
        }
        if request == (Self { soft: request.soft, ..Self::default() }) {
            return Err(Problem::new(
                Kind::EmptyPurge,
                "name at least one of `urls`, `tags`, `prefixes`, `routes`, or `\"all\": true`",
            ));
        }
        Ok(request)
    }

    fn set(&mut self, key: &str, value: Value) -> Result<(), String> {
        match key {
            "urls" => self.urls = strings(key, value)?,
            "tags" => self.tags = strings(key, value)?,
            "prefixes" => self.prefixes = strings(key, value)?,
            "routes" => self.routes = strings(key, value)?,
            "all" => self.all = boolean(key, &value)?,
            "soft" => self.soft = boolean(key, &value)?,
            _ => return Err(unknown("key", key, KEYS)),
        }
        Ok(())
    }

    /// The invalidations it stands for.
    pub(super) fn resolve(&self, control: &dyn Control) -> Result<Vec<Invalidation>, Problem> {
        let Self { urls, tags, prefixes, routes, all, soft } = self;
        let known = if routes.is_empty() { Vec::new() } else { control.routes() };
        let canonical = |authority: &str| control.canonical(authority);
        let urls =
            urls.iter().map(|url| Matcher::from_url(url, canonical).map_err(|fault| fault.to_string()));
        let below = |url: &String| Matcher::below_url(url, canonical).map_err(|fault| fault.to_string());
        let prefixes = prefixes.iter().map(below);
        let tags = tags.iter().map(|tag| tag_matcher(tag));
        let routes = routes.iter().map(|name| match known.contains(name) {
            true => Ok(Matcher::Route(name.as_str().into())),
            false => Err(unknown("route", name, known.iter().map(String::as_str))),
        });
        let all = all.then_some(Ok(Matcher::All));

        let mode = if *soft { Mode::Soft } else { Mode::Hard };
        let mut batch = Vec::new();
        let mut faults = Vec::new();
        for matcher in urls.chain(tags).chain(prefixes).chain(routes).chain(all) {
            match matcher {
                Ok(matcher) => batch.push(Invalidation { matcher, mode }),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(batch) } else { Err(Problem::with_errors(Kind::InvalidBody, faults)) }
    }
}

/// The members of an object in the order in which they stand, repeated ones too: a `Value` would keep the last and drop a
/// purge that somebody asked for.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object like {\"urls\": [\"http://HOST/path\"]}")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn strings(key: &str, value: Value) -> Result<Vec<String>, String> {
    let fault = || format!("`{key}` has to be a list of strings");
    let Value::Array(items) = value else { return Err(fault()) };
    items
        .into_iter()
        .map(|item| if let Value::String(text) = item { Ok(text) } else { Err(fault()) })
        .collect()
}

fn boolean(key: &str, value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("`{key}` has to be true or false"))
}

fn tag_matcher(tag: &str) -> Result<Matcher, String> {
    if tag.is_empty() || tag.chars().any(char::is_control) {
        return Err(format!("{tag:?} is no tag"));
    }
    Ok(Matcher::Tag(tag.into()))
}

/// Says that a name is not known, and the one that was probably meant.
fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let distance = |candidate: &str| strsim::osa_distance(name, candidate);
    let name_shown = name.escape_debug();
    match known.into_iter().min_by_key(|candidate| distance(candidate)) {
        // A third of the letters wrong is a slip; more is another word.
        Some(near) if distance(near) <= near.len().max(6) / 3 => {
            format!("there is no {what} `{name_shown}`; perhaps `{near}` is meant")
        }
        _ => format!("there is no {what} `{name_shown}`"),
    }
}

#[cfg(test)]
mod tests;
