//! A cursor over the tree.

use super::record::Record;
use super::{At, Context, Field, FromYaml, Scalar, Wrong, names};
use crate::config::expand;
use crate::config::fault::{Place, join, quoted};
use crate::config::yaml::{Key, Kind, Node};
use std::rc::Rc;

/// A value in the tree, and the way to it.
pub(in crate::config) struct Item<'a> {
    node: &'a Node,
    place: Place,
    context: &'a Context<'a>,
}

impl<'a> Item<'a> {
    /// The top of the file.
    pub(in crate::config) fn root(node: &'a Node, context: &'a Context<'a>) -> Self {
        let place = Place { line: node.mark.line, column: node.mark.column, path: "".into() };
        Self { node, place, context }
    }

    /// Reads the value.
    pub(in crate::config) fn read<T: FromYaml>(&self) -> Field<T> {
        match T::read(self) {
            Some(value) => Field::Set(self.at(value)),
            None => Field::Faulty,
        }
    }

    /// `value` with the place and the words of this one.
    fn at<T>(&self, value: T) -> At<T> {
        let (shown, foreign) = match &self.node.kind {
            Kind::Scalar(text) => (quoted(&expand::shown(text)), text.contains("${")),
            _ => (String::new(), false),
        };
        At { value, place: self.place.clone(), shown: shown.into(), foreign }
    }

    /// Reports a fault of this value.
    pub(in crate::config) fn fault(&self, problem: impl Into<String>, remedy: impl Into<String>) {
        let place = if self.place.path.is_empty() {
            Place { path: "file".into(), ..self.place.clone() }
        } else {
            self.place.clone()
        };
        self.context.report.fault(&place, problem, remedy);
    }

    /// The kind of value, to decide between forms.
    pub(in crate::config) fn kind(&self) -> &'a Kind {
        &self.node.kind
    }

    /// The value as a single one, filled in and understood.
    pub(super) fn scalar<T: Scalar>(&self) -> Option<T> {
        let Kind::Scalar(written) = &self.node.kind else {
            self.wrong_kind(T::WHAT);
            return None;
        };
        let expanded = match expand::expand(written, &self.context.sources) {
            Ok(expanded) => expanded,
            Err(wrong) => {
                self.fault(wrong.problem, wrong.remedy);
                return None;
            }
        };
        match T::parse(&expanded.text) {
            Ok(value) => Some(value),
            Err(_) if expanded.foreign => {
                let shown = if T::SECRET { "this".to_owned() } else { quoted(&expand::shown(written)) };
                let problem = format!("what {shown} stands for is not {}", T::WHAT);
                self.fault(problem, "change what it stands for (the value is not shown: it may be secret)");
                None
            }
            Err(wrong) => {
                self.fault(wrong.problem, wrong.remedy);
                None
            }
        }
    }

    /// The entries of a mapping. `what` the value should be, if it is none.
    pub(in crate::config) fn entries(&self, what: &str) -> Option<Vec<(&'a Key, Item<'a>)>> {
        let Kind::Map(entries) = &self.node.kind else {
            self.wrong_kind(what);
            return None;
        };
        let entry = |(key, node): &'a (Key, Rc<Node>)| {
            // Nothing has no place of its own; its key has.
            let mark = if matches!(node.kind, Kind::Null) { key.mark } else { node.mark };
            let place = Place {
                line: mark.line,
                column: mark.column,
                path: join(&self.place.path, &key.text).into(),
            };
            (key, Item { node, place, context: self.context })
        };
        Some(entries.iter().map(entry).collect())
    }

    /// The items of a list.
    pub(in crate::config) fn items(&self) -> Option<Vec<Item<'a>>> {
        let Kind::List(items) = &self.node.kind else {
            match &self.node.kind {
                Kind::Scalar(text) if !text.contains('\n') => {
                    let shown = expand::shown(text);
                    let list = quoted(&format!("[{shown}]"));
                    self.fault("is a single value where a list belongs", format!("write {list}"));
                }
                _ => self.wrong_kind("a list: every item begins with `- `"),
            }
            return None;
        };
        let item = |(index, node): (usize, &'a Rc<Node>)| {
            let path = format!("{}[{index}]", self.place.path);
            let place = Place { line: node.mark.line, column: node.mark.column, path: path.into() };
            Item { node, place, context: self.context }
        };
        Some(items.iter().enumerate().map(item).collect())
    }

    fn wrong_kind(&self, what: &str) {
        match &self.node.kind {
            Kind::Null => self.fault("has no value", format!("write {what}")),
            other => self.fault(format!("is {}", other.describe()), format!("write {what}")),
        }
    }

    /// Reports a fault of a key in this mapping.
    pub(in crate::config) fn key_fault(&self, key: &Key, wrong: Wrong) {
        self.context.report.fault(&self.key_place(key), wrong.problem, wrong.remedy);
    }

    /// Reports a key that `R` does not have. Returns the one that was probably meant.
    pub(in crate::config) fn unknown_key<R: Record>(&self, key: &Key) -> Option<&'static str> {
        let (wrong, meant) = names::unknown_key(&key.text, R::KEYS, R::hint(&key.text));
        self.key_fault(key, wrong);
        meant
    }

    /// The place of a key in this mapping.
    pub(super) fn key_place(&self, key: &Key) -> Place {
        let path = join(&self.place.path, &key.text).into();
        Place { line: key.mark.line, column: key.mark.column, path }
    }
}
