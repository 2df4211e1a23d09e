//! Where a target waits: with the same one, with one that covers it, or by itself.

use super::super::spelling::folder;
use super::super::{Location, Target, TargetKind};
use super::lane::{Entry, Link};
use super::{Pending, index};
use crate::invalidation::Mode;
use crate::time::Timestamp;
use std::collections::BTreeSet;

impl Pending {
    /// Puts a target where it waits for `links`, or lets them wait for what covers it. `fresh`: the links are not counted yet.
    pub(super) fn place(
        &mut self,
        target: Target,
        mode: Mode,
        links: BTreeSet<Link>,
        fresh: bool,
        now: Timestamp,
    ) {
        if fresh {
            links.iter().for_each(|link| self.count(*link, 1));
        }
        let (target, mode) = self.covering(&target, mode).unwrap_or((target, mode));
        let lanes = &mut self.lanes[index(target.kind())];
        if let Some(entry) = lanes[mode as usize].get_mut(&target) {
            // A job that waits for it twice waits for it once.
            let twice: Vec<Link> = links.into_iter().filter(|link| !entry.links.insert(*link)).collect();
            return twice.into_iter().for_each(|link| self.count(link, -1));
        }
        self.last_number += 1;
        let entry = Entry { number: self.last_number, since: now, links };
        lanes[mode as usize].insert(target.clone(), entry);
        self.absorb(&target, mode, now);
    }

    /// What waits already and covers a target.
    fn covering(&self, target: &Target, mode: Mode) -> Option<(Target, Mode)> {
        let modes: &[Mode] = if mode == Mode::Hard { &[Mode::Hard] } else { &Mode::EACH };
        let waits = |target: Target| {
            let lanes = &self.lanes[index(target.kind())];
            let mode = modes.iter().find(|mode| lanes[**mode as usize].contains(&target))?;
            Some((target, *mode))
        };
        let flows = |kind: TargetKind| !self.stuck[index(kind)];
        let all = || flows(TargetKind::All).then(|| waits(Target::All))?;
        let own = || waits(target.clone());
        all().or_else(|| self.folders(target).into_iter().find_map(waits)).or_else(own)
    }

    /// Prefixes that would cover a target, the widest first, unless their kind is stuck.
    fn folders(&self, target: &Target) -> Vec<Target> {
        let prefixes = index(TargetKind::Prefix);
        let none = self.lanes[prefixes].iter().all(|lane| lane.len() == 0) || self.stuck[prefixes];
        let (Target::Url(Location { base, path }) | Target::Prefix(Location { base, path })) = target else {
            return Vec::new();
        };
        if none {
            return Vec::new();
        }
        let own = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
        let mut folders: Vec<Target> = std::iter::successors(Some(own), |path| folder(path))
            .map(|path| Target::Prefix(Location { base: base.clone(), path: path.into() }))
            .collect();
        folders.reverse();
        folders
    }

    /// Lets those who wait for what `target` covers wait for it.
    fn absorb(&mut self, target: &Target, mode: Mode, now: Timestamp) {
        if self.stuck[index(target.kind())] && mode == Mode::Hard {
            // The same target, soft, goes with it all the same.
            if let Some(entry) = self.lanes[index(target.kind())][Mode::Soft as usize].remove(target) {
                self.place(target.clone(), mode, entry.links, false, now);
            }
            return;
        }
        let modes: &[Mode] = if mode == Mode::Hard { &Mode::EACH } else { &[Mode::Soft] };
        let mut links = Vec::new();
        for (kind, lanes) in TargetKind::EACH.into_iter().zip(&mut self.lanes) {
            for of in modes {
                let lane = &mut lanes[*of as usize];
                let covered = match target {
                    Target::All => lane.targets().cloned().collect(),
                    Target::Prefix(place) => lane.below(kind, place),
                    Target::Url(_) | Target::Tag(_) => {
                        lane.contains(target).then(|| target.clone()).into_iter().collect()
                    }
                };
                for covered in covered {
                    if covered != *target || *of != mode {
                        links.extend(lane.remove(&covered).map(|entry| entry.links));
                    }
                }
            }
        }
        for links in links {
            self.place(target.clone(), mode, links, false, now);
        }
    }
}
