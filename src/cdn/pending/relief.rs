//! When more waits than the rate of an API lets through: fewer, wider targets.

use super::super::{Aim, Limits, Rate, Reach, Target, TargetKind};
use super::lane::Link;
use super::{MOST_LINKS, Pending, index};
use crate::invalidation::Mode;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long the last of what waits may have to. Beyond it less is told, of more: what a CDN serves must not be old for minutes
/// only because it could be told more exactly later.
const PATIENCE: Duration = Duration::from_secs(60);

/// How fast calls can be made, and how many there are to be.
#[derive(Clone, Copy, Debug)]
struct Pace {
    rate: Rate,
    /// All jobs that wait, for each that is in hand.
    jobs: f64,
}

impl Pending {
    /// Turns targets into wider ones that take fewer calls, as long as all calls together would take too long at `rate`;
    /// everything, if there is no other way. Returns the kinds that were.
    ///
    /// `waiting`: the jobs in the queue, as it was last looked at. When no more can be held those that are not in hand take as long
    /// as those that are: they would otherwise be told exactly until the queue is too long, and then everything.
    pub(in crate::cdn) fn relieve(
        &mut self,
        aim: &Aim,
        reach: &Reach,
        rate: Rate,
        waiting: u64,
        now: Timestamp,
    ) -> Vec<TargetKind> {
        let full = self.room() == 0;
        let jobs = if full { waiting as f64 / self.jobs.len().max(1) as f64 } else { 1.0 };
        let pace = Pace { rate, jobs: jobs.max(1.0) };
        let mut widened = Vec::new();
        while self.is_too_much(aim.limits(), pace) {
            let kinds = [TargetKind::Url, TargetKind::Prefix];
            let folded = kinds.into_iter().filter(|kind| self.fold(*kind, aim, reach, pace, now));
            let folded: Vec<_> = folded.collect();
            widened.extend(&folded);
            if folded.is_empty() {
                widened.extend(self.widen_all(aim, now).then_some(TargetKind::All));
                break;
            }
        }
        widened
    }

    fn is_too_much(&self, limits: &Limits, Pace { rate, jobs }: Pace) -> bool {
        let calls: usize = TargetKind::EACH
            .into_iter()
            .zip(&self.lanes)
            .filter_map(|(kind, lanes)| limits.many(kind).map(|many| (many, lanes)))
            .flat_map(|(many, lanes)| lanes.iter().map(move |lane| lane.calls(many)))
            .sum();
        let beyond = (calls as f64 * jobs - f64::from(rate.burst)).max(0.0);
        let time = rate.per.as_secs_f64() * beyond / f64::from(rate.calls.max(1));
        time > PATIENCE.as_secs_f64() || self.links > MOST_LINKS
    }

    /// Joins targets of a kind that share what is wider, where that takes less of a call; those with most to gain first.
    fn fold(&mut self, kind: TargetKind, aim: &Aim, reach: &Reach, pace: Pace, now: Timestamp) -> bool {
        let mut folded = false;
        for mode in Mode::EACH {
            let mut groups: BTreeMap<Vec<Target>, Vec<Target>> = BTreeMap::new();
            for target in self.lanes[index(kind)][mode as usize].targets() {
                if let Some(wider) = aim.wider(target, reach) {
                    groups.entry(wider).or_default().push(target.clone());
                }
            }
            let cost = |targets: &[Target]| -> f64 {
                targets.iter().map(|target| share_of_call(aim.limits(), target.kind())).sum()
            };
            let gain = |(wider, narrow): &(Vec<Target>, Vec<Target>)| cost(narrow) - cost(wider);
            let mut groups: Vec<_> = groups.into_iter().filter(|group| gain(group) > 0.0).collect();
            groups.sort_by(|one, other| gain(other).total_cmp(&gain(one)));
            for (wider, narrow) in groups {
                if !self.is_too_much(aim.limits(), pace) {
                    return folded;
                }
                let lane = &mut self.lanes[index(kind)][mode as usize];
                // What was widened before may have covered some.
                let links =
                    narrow.iter().filter_map(|target| lane.remove(target)).flat_map(|entry| entry.links);
                let links: Vec<Link> = links.collect();
                self.move_to(links, &wider, mode, now);
                folded = true;
            }
        }
        folded
    }

    /// Everything in place of all that waits; `false`: the API cannot be told that.
    fn widen_all(&mut self, aim: &Aim, now: Timestamp) -> bool {
        let Some(everything) = aim.all() else { return false };
        let mut mode = Mode::Soft;
        let mut links = Vec::new();
        for lanes in &mut self.lanes {
            for of in Mode::EACH {
                for (_, entry) in lanes[of as usize].clear() {
                    links.extend(entry.links);
                    mode = if of == Mode::Hard { Mode::Hard } else { mode };
                }
            }
        }
        let any = !links.is_empty();
        self.move_to(links, &everything, mode, now);
        any
    }

    /// Those who wait for one thing each wait for all of `wider`.
    fn move_to(&mut self, links: Vec<Link>, wider: &[Target], mode: Mode, now: Timestamp) {
        let Some((first, others)) = wider.split_first() else { return };
        let mut once = BTreeSet::new();
        for link in links {
            if !once.insert(link) {
                self.count(link, -1);
            }
        }
        for target in others {
            self.place(target.clone(), mode, once.clone(), true, now);
        }
        self.place(first.clone(), mode, once, false, now);
    }
}

/// What one target takes of a call.
fn share_of_call(limits: &Limits, kind: TargetKind) -> f64 {
    limits.many(kind).map_or(0.0, |many| 1.0 / many.targets.max(1) as f64)
}
