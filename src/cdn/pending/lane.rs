//! What waits of one kind and mode.

use super::super::reach::name_length;
use super::super::spelling::lies_below;
use super::super::{JobId, Location, Many, Target, TargetKind};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Somebody who waits for a target: a job, for the first time it is sent or for the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    pub(super) job: JobId,
    pub(super) second: bool,
}

/// A target that waits.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its place in the order.
    pub(super) number: u64,
    /// Since when.
    pub(super) since: Timestamp,
    /// Who waits for it.
    pub(super) links: BTreeSet<Link>,
}

/// Targets that wait, first in first out, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
    entries: BTreeMap<Target, Entry>,
    order: BTreeMap<u64, Target>,
    /// Bytes of all names.
    bytes: usize,
}

impl Lane {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.order.values()
    }

    pub(super) fn contains(&self, target: &Target) -> bool {
        self.entries.contains_key(target)
    }

    pub(super) fn get_mut(&mut self, target: &Target) -> Option<&mut Entry> {
        self.entries.get_mut(target)
    }

    pub(super) fn insert(&mut self, target: Target, entry: Entry) {
        self.bytes += name_length(&target);
        self.order.insert(entry.number, target.clone());
        let before = self.entries.insert(target, entry);
        debug_assert!(before.is_none(), "a target waits once");
    }

    pub(super) fn remove(&mut self, target: &Target) -> Option<Entry> {
        let entry = self.entries.remove(target)?;
        self.order.remove(&entry.number);
        self.bytes -= name_length(target);
        Some(entry)
    }

    /// All that waits, taken out in its order.
    pub(super) fn clear(&mut self) -> Vec<(Target, Entry)> {
        let targets: Vec<Target> = self.order.values().cloned().collect();
        targets.into_iter().filter_map(|target| self.remove(&target).map(|entry| (target, entry))).collect()
    }

    /// What waits and lies at or below a place.
    pub(super) fn below(&self, kind: TargetKind, Location { base, path }: &Location) -> Vec<Target> {
        let first = Location { base: base.clone(), path: path.clone() };
        let (first, place): (Target, fn(&Target) -> Option<&Location>) = match kind {
            TargetKind::Url => (Target::Url(first), url),
            TargetKind::Prefix => (Target::Prefix(first), prefix),
            TargetKind::Tag | TargetKind::All => return Vec::new(),
        };
        // What begins with the path follows it without a gap.
        let candidates = self.entries.range(first..).map_while(|(target, _)| {
            place(target).filter(|at| at.base == *base && at.path.starts_with(&**path)).map(|at| (target, at))
        });
        candidates.filter(|(_, at)| lies_below(&at.path, path)).map(|(target, _)| target.clone()).collect()
    }

    /// The first that is not under way already.
    pub(super) fn front(&self, flying: &HashSet<Target>) -> Option<&Entry> {
        let target = self.order.values().find(|target| !flying.contains(*target))?;
        self.entries.get(target)
    }

    /// The last that is not under way already, and its place in the order.
    pub(super) fn back(&self, flying: &HashSet<Target>) -> Option<(u64, &Target)> {
        let last = self.order.iter().rev().find(|(_, target)| !flying.contains(*target));
        last.map(|(number, target)| (*number, target))
    }

    /// Takes out the first of them, as many as go into one call; what is under way already is passed over.
    pub(super) fn cut(&mut self, many: Many, flying: &HashSet<Target>) -> Vec<(Target, Entry)> {
        let mut room = many.bytes;
        let mut chosen: Vec<Target> = Vec::new();
        for target in self.order.values().filter(|target| !flying.contains(*target)) {
            let bytes = name_length(target).saturating_add(many.overhead);
            // The first goes alone if it has to: its length was looked at when it was queued.
            if chosen.len() == many.targets.max(1) || (bytes > room && !chosen.is_empty()) {
                break;
            }
            room = room.saturating_sub(bytes);
            chosen.push(target.clone());
        }
        chosen.into_iter().filter_map(|target| self.remove(&target).map(|entry| (target, entry))).collect()
    }

    /// Calls that it takes to send all.
    pub(super) fn calls(&self, many: Many) -> usize {
        let bytes = self.bytes.saturating_add(self.len().saturating_mul(many.overhead));
        self.len().div_ceil(many.targets.max(1)).max(bytes.div_ceil(many.bytes.max(1)))
    }
}

fn url(target: &Target) -> Option<&Location> {
    match target {
        Target::Url(location) => Some(location),
        _ => None,
    }
}

fn prefix(target: &Target) -> Option<&Location> {
    match target {
        Target::Prefix(location) => Some(location),
        _ => None,
    }
}
