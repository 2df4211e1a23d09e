//! From an event to what it purges.

use super::event::kind_of;
use super::{Event, EventRule, EventRules, EventSelector};
use crate::invalidation::{
    Invalidation, MAX_TEXT, Matcher, Template, as_segment, climbs, number_text, tag_name,
};
use crate::key::{Scheme, canonical_authority};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashSet;

/// Items of a list that one selector purges for: as many as fit into an event when they are long, and few enough that one
/// event holds up nobody.
pub const MAX_ITEMS: usize = 1000;

/// Purges of one event: a list in each of several selectors, on several hosts. A log takes them in a few dozen records.
pub const MAX_PURGES: usize = 4096;

/// Faults of one event that are told.
const MAX_FAULTS: usize = 8;

/// What an event purges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPlan {
    /// The purges, each once.
    pub batch: Vec<Invalidation>,
    /// What could not be purged, and why: a sentence each, the first few. Empty: nothing is missing.
    pub faults: Vec<String>,
}

/// Why an event purges nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplanned {
    /// It has no name.
    #[error("it has no name: `{0}` has to be a text")]
    Nameless(Box<str>),
    /// No rule is about events of its name.
    #[error("no rule is about events named `{}`", .0.escape_debug())]
    Unknown(Box<str>),
}

impl EventRules {
    /// The name of an event.
    pub fn name_of<'e>(&self, event: &'e Event) -> Option<&'e str> {
        event.get(&self.name_field).and_then(Value::as_str).filter(|name| !name.is_empty())
    }
}

/// What `event` purges by `rules`. Every selector of every rule about it counts; one that lacks a value takes nothing
/// from the others.
pub fn plan_event(rules: &EventRules, event: &Event) -> Result<EventPlan, Unplanned> {
    let name = rules.name_of(event).ok_or_else(|| Unplanned::Nameless(rules.name_field.clone()))?;
    let mut about = rules.rules.iter().filter(|rule| *rule.event == *name).peekable();
    if about.peek().is_none() {
        return Err(Unplanned::Unknown(name.into()));
    }
    let mut planning = Planning { rules, event, seen: HashSet::new(), plan: EventPlan::default() };
    for rule in about {
        for selector in &rule.purge {
            planning.add(rule, selector);
        }
    }
    Ok(planning.plan)
}

struct Planning<'a> {
    rules: &'a EventRules,
    event: &'a Event,
    seen: HashSet<Invalidation>,
    plan: EventPlan,
}

impl Planning<'_> {
    fn add(&mut self, rule: &EventRule, selector: &EventSelector) {
        match selector {
            EventSelector::All => self.push(rule, Matcher::All),
            EventSelector::Route(name) => self.push(rule, Matcher::Route(name.clone())),
            EventSelector::Tag(template) => {
                for tag in self.texts(template, |value| Some(value.to_owned())) {
                    self.push(rule, Matcher::Tag(tag_name(&tag).into()));
                }
            }
            EventSelector::Url(template) => self.add_places(rule, template, false),
            EventSelector::Prefix(template) => self.add_places(rule, template, true),
        }
    }

    /// A URL, or all `below` it.
    fn add_places(&mut self, rule: &EventRule, template: &Template, below: bool) {
        let rules = self.rules;
        let canonical = |authority: &str| {
            let name = canonical_authority(authority, Scheme::Http, &rules.aliases);
            name.map_or_else(|| authority.to_owned(), Cow::into_owned)
        };
        for text in self.texts(template, as_segment) {
            // Each value stays in its segment; two of them in one may still make a step up.
            if text.len() > MAX_TEXT {
                self.fault(format!("what it names is longer than {MAX_TEXT} bytes"));
                continue;
            }
            if template.names().nth(1).is_some() && climbs(&text) {
                self.fault("together its values name another folder".to_owned());
                continue;
            }
            let urls = match text.starts_with('/') {
                true => rules.hosts.iter().map(|host| format!("http://{host}{text}")).collect(),
                false => vec![text],
            };
            for url in urls {
                let matcher = match below {
                    true => Matcher::below_url(&url, canonical),
                    false => Matcher::from_url(&url, canonical),
                };
                match matcher {
                    Ok(matcher) => self.push(rule, matcher),
                    Err(bad) => self.fault(bad.to_string()),
                }
            }
        }
    }

    /// The texts that a template stands for: one, or where it names a list one for each of its items. `spelled` says how a
    /// value is written in them; `None`: it cannot be.
    fn texts(&mut self, template: &Template, spelled: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut listed: Option<(&str, &[Value])> = None;
        for name in template.names() {
            match (self.event.get(name), listed) {
                (Some(Value::Array(_)), Some((other, _))) if other != name => {
                    self.fault(format!(
                        "`{other}` and `{name}` are lists, and one of them may be in a selector"
                    ));
                    return Vec::new();
                }
                (Some(Value::Array(items)), _) => listed = Some((name, items)),
                _ => {}
            }
        }
        let Some((name, items)) = listed else {
            return self.text(template, None, &spelled).into_iter().collect();
        };
        if items.len() > MAX_ITEMS {
            self.fault(format!("`{name}` has {} items, of which the first {MAX_ITEMS} count", items.len()));
        }
        let items = items.iter().take(MAX_ITEMS);
        items.filter_map(|item| self.text(template, Some((name, item)), &spelled)).collect()
    }

    fn text(
        &mut self,
        template: &Template,
        item: Option<(&str, &Value)>,
        spelled: &impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        for name in template.names() {
            if let Err(fault) = self.value(name, item).and_then(|value| fits(name, &value, spelled)) {
                self.fault(fault);
                return None;
            }
        }
        template.render(|name| spelled(&self.value(name, item).ok()?))
    }

    fn value(&self, name: &str, item: Option<(&str, &Value)>) -> Result<String, String> {
        let value = item.filter(|(of, _)| *of == name).map(|(_, value)| value);
        match value.or_else(|| self.event.get(name)) {
            None => Err(format!("it lacks `{name}`")),
            Some(value) => text_of(value).ok_or_else(|| match value {
                Value::String(_) => format!("`{name}` is empty"),
                Value::Number(_) => format!("`{name}` is too large a number to be exact; send it as a text"),
                other => format!("`{name}` is {} and not a text, a number or a boolean", kind_of(other)),
            }),
        }
    }

    fn push(&mut self, rule: &EventRule, matcher: Matcher) {
        let invalidation = Invalidation { matcher, mode: rule.mode };
        if self.seen.contains(&invalidation) {
            return;
        }
        if self.plan.batch.len() == MAX_PURGES {
            return self.fault(format!("it asks for more than {MAX_PURGES} purges; the others are not made"));
        }
        self.seen.insert(invalidation.clone());
        self.plan.batch.push(invalidation);
    }

    fn fault(&mut self, fault: String) {
        if self.plan.faults.len() < MAX_FAULTS && !self.plan.faults.contains(&fault) {
            self.plan.faults.push(fault);
        }
    }
}

fn fits(name: &str, value: &str, spelled: &impl Fn(&str) -> Option<String>) -> Result<(), String> {
    match spelled(value) {
        Some(_) => Ok(()),
        None => Err(format!("`{name}` is `{}`, which names no segment of a path", value.escape_debug())),
    }
}

/// A value as a tag or a path spells it, and as bodies of writes have it.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => number_text(number),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
