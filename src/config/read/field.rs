//! Values that remember where and how they were written.

use super::{FromYaml, Item};
use crate::config::fault::{Place, Report, quoted};
use crate::config::yaml::Key;
use std::rc::Rc;

/// A value, and what a fault that is found later has to know of it.
#[derive(Clone)]
pub(in crate::config) struct At<T> {
    pub(in crate::config) value: T,
    pub(in crate::config) place: Place,
    /// As the user wrote it, in backticks, with references instead of what they stand for.
    pub(in crate::config) shown: Rc<str>,
    /// Whether something was filled in, so that nothing derived from the value may be shown.
    pub(in crate::config) foreign: bool,
}

impl<T> At<T> {
    /// Reports a fault of this value.
    pub(in crate::config) fn fault(
        &self,
        report: &Report,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        report.fault(&self.place, problem, remedy);
    }

    /// Another value at the same place.
    pub(in crate::config) fn with<U>(&self, value: U) -> At<U> {
        At { value, place: self.place.clone(), shown: Rc::clone(&self.shown), foreign: self.foreign }
    }
}

/// What a key of the file holds.
#[derive(Clone, Default)]
pub(in crate::config) enum Field<T> {
    /// It is not in the file.
    #[default]
    Absent,
    /// It is, but cannot be read, which is reported; nothing that depends on it is worth a second fault.
    Faulty,
    Set(At<T>),
}

impl<T> Field<T> {
    /// The value, if there is a good one.
    pub(in crate::config) fn set(&self) -> Option<&At<T>> {
        match self {
            Self::Set(value) => Some(value),
            Self::Absent | Self::Faulty => None,
        }
    }

    /// The value, if there is a good one.
    pub(in crate::config) fn into_set(self) -> Option<At<T>> {
        match self {
            Self::Set(value) => Some(value),
            Self::Absent | Self::Faulty => None,
        }
    }

    /// Whether the key is not in the file.
    pub(in crate::config) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value without its place.
    pub(in crate::config) fn value(&self) -> Option<&T> {
        self.set().map(|at| &at.value)
    }

    /// What stands here, or else what stands in `under`.
    pub(in crate::config) fn or(self, under: Self) -> Self {
        if self.is_absent() { under } else { self }
    }
}

impl<T: Copy> Field<T> {
    /// The value, or `default`, also in place of a faulty one.
    pub(in crate::config) fn or_default(&self, default: T) -> T {
        self.value().copied().unwrap_or(default)
    }
}

/// A list: the items that could be read, and how many were written.
#[derive(Clone)]
pub(in crate::config) struct List<T> {
    pub(in crate::config) items: Vec<At<T>>,
    pub(in crate::config) written: usize,
}

impl<T> List<T> {
    /// Whether every item could be read.
    pub(in crate::config) fn is_whole(&self) -> bool {
        self.items.len() == self.written
    }
}

impl<T> List<T> {
    /// The items without their places.
    pub(in crate::config) fn values(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|at| &at.value)
    }
}

impl<T: FromYaml> FromYaml for List<T> {
    fn read(item: &Item<'_>) -> Option<Self> {
        let items = item.items()?;
        let written = items.len();
        let items = items.iter().filter_map(|item| item.read().into_set()).collect();
        Some(Self { items, written })
    }
}

/// A mapping with keys of the user's own.
#[derive(Clone)]
pub(in crate::config) struct Map<T> {
    pub(in crate::config) entries: Vec<(At<String>, Field<T>)>,
}

impl<T: FromYaml> FromYaml for Map<T> {
    fn read(item: &Item<'_>) -> Option<Self> {
        let entries = item.entries("a mapping such as `{ key: value }`")?;
        let entry = |(key, value): (&Key, Item<'_>)| {
            let name = At {
                value: key.text.clone(),
                place: item.key_place(key),
                shown: quoted(&key.text).into(),
                foreign: false,
            };
            (name, value.read())
        };
        Some(Self { entries: entries.into_iter().map(entry).collect() })
    }
}
