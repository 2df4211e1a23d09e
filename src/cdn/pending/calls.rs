//! Calls: what goes into one, and what becomes of it.

use super::super::{Call, CallId, Limits, Many, TargetKind};
use super::lane::{Lane, Link};
use super::{Flight, Pending, Ready, Second, index};
use crate::invalidation::{Mode, Position};
use crate::time::Timestamp;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Targets that were refused alone, one after the other and none taken, before it is the API that refuses everything: a zone that is
/// gone, a wrong path. To halve every call down to its targets would then only take their time from others.
const REFUSED: u32 = 16;

impl Pending {
    /// When a call of this kind may be made, if any: at once if it is to be repeated or is full, else when the first of its
    /// targets has waited for `gather`.
    pub(in crate::cdn) fn ready_at(
        &self,
        kind: TargetKind,
        gather: Duration,
        limits: &Limits,
    ) -> Option<Timestamp> {
        if !self.again[index(kind)].is_empty() {
            return Some(Timestamp::ZERO);
        }
        let many = limits.many(kind)?;
        let ready = |lane: &Lane| {
            let first = lane.front(&self.flying)?;
            let full = lane.len() >= many.targets.saturating_add(self.flying.len());
            Some(if full { Timestamp::ZERO } else { first.since.plus(gather) })
        };
        self.lanes[index(kind)].iter().filter_map(ready).min()
    }

    /// The next call of this kind, under the name `id` unless it is one that is repeated.
    pub(in crate::cdn) fn take(&mut self, kind: TargetKind, limits: &Limits, id: CallId) -> Option<Ready> {
        let flight = match self.again[index(kind)].pop_front() {
            Some(flight) => flight,
            None => self.next_flight(kind, limits.many(kind)?, id)?,
        };
        let jobs = flight.links.iter().flatten().filter_map(|link| self.jobs.get(&link.job));
        let newest = jobs.max_by_key(|held| (held.position, held.taken));
        let ready = Ready {
            call: Arc::clone(&flight.call),
            newest: newest.map_or(Position::START, |held| held.position),
            taken: newest.map_or(Timestamp::ZERO, |held| held.taken),
        };
        self.under_way.insert(flight.call.id, flight);
        Some(ready)
    }

    /// A call was taken. Returns when the purges were made for whom this was the last thing to be told for the first time.
    pub(in crate::cdn) fn delivered(&mut self, id: CallId, now: Timestamp) -> Vec<Timestamp> {
        let Some(Flight { call, links }) = self.under_way.remove(&id) else { return Vec::new() };
        self.stuck[index(call.kind)] = false;
        self.refused[index(call.kind)] = 0;
        let mut told = Vec::new();
        for (target, links) in call.targets.iter().zip(links) {
            self.flying.remove(target);
            let mut again = BTreeSet::new();
            for link in links {
                if !link.second {
                    told.extend(self.told(link.job));
                }
                match self.second_purge {
                    Some(_) if !link.second => _ = again.insert(Link { second: true, ..link }),
                    _ => self.end(link, Ok(())),
                }
            }
            if let Some(delay) = self.second_purge.filter(|_| !again.is_empty()) {
                let due = now.plus(delay);
                // Whoever was heard once gets the whole time again.
                for held in again.iter().map(|link| link.job) {
                    if let Some(held) = self.jobs.get_mut(&held) {
                        held.until = held.until.max(due.plus(self.give_up_after));
                    }
                }
                let second = Second { due, target: target.clone(), mode: call.mode, links: again };
                self.seconds.push_back(second);
            }
        }
        told
    }

    /// A call failed, for `reason`, and is to be made again. Gives up what has failed for too long; returns how many targets
    /// nobody waits for any more.
    pub(in crate::cdn) fn failed(&mut self, id: CallId, reason: &str, now: Timestamp) -> usize {
        let Some(flight) = self.under_way.remove(&id) else { return 0 };
        let kind = flight.call.kind;
        self.stuck[index(kind)] = true;
        self.again[index(kind)].push_back(flight);
        self.give_up(kind, &reason.into(), now)
    }

    /// A call was refused, for `reason`. Several targets are tried again by halves, under the names `ids`; what stands alone is
    /// given up, and so is everything in the call when nothing but refusals came for long. Returns whether it was given up.
    pub(in crate::cdn) fn refused(&mut self, id: CallId, reason: &str, ids: [CallId; 2]) -> bool {
        let Some(Flight { call, mut links }) = self.under_way.remove(&id) else { return false };
        self.stuck[index(call.kind)] = false;
        let alone = call.targets.len() == 1;
        if alone || self.refused[index(call.kind)] >= REFUSED {
            self.refused[index(call.kind)] += u32::from(alone);
            call.targets.iter().for_each(|target| _ = self.flying.remove(target));
            let reason = Arc::from(reason);
            links.into_iter().flatten().for_each(|link| self.end(link, Err(&reason)));
            return true;
        }
        let middle = call.targets.len() / 2;
        let behind = links.split_off(middle);
        let (first, second) = call.targets.split_at(middle);
        for (id, targets, links) in [(ids[1], second, behind), (ids[0], first, links)] {
            let call = Call { id, kind: call.kind, mode: call.mode, targets: targets.to_vec() };
            self.again[index(call.kind)].push_front(Flight { call: Arc::new(call), links });
        }
        false
    }

    fn next_flight(&mut self, kind: TargetKind, many: Many, id: CallId) -> Option<Flight> {
        let lanes = &mut self.lanes[index(kind)];
        let number = |mode: Mode, flying| lanes[mode as usize].front(flying).map(|entry| entry.number);
        let mode = Mode::EACH.into_iter().filter(|mode| number(*mode, &self.flying).is_some());
        let mode = mode.min_by_key(|mode| number(*mode, &self.flying))?;
        let (targets, entries): (Vec<_>, Vec<_>) =
            lanes[mode as usize].cut(many, &self.flying).into_iter().unzip();
        self.flying.extend(targets.iter().cloned());
        let links = entries.into_iter().map(|entry| entry.links).collect();
        Some(Flight { call: Arc::new(Call { id, kind, mode, targets }), links })
    }

    /// Gives up what waits for calls of a kind that fails, and whose time is over.
    fn give_up(&mut self, kind: TargetKind, reason: &Arc<str>, now: Timestamp) -> usize {
        let jobs = &self.jobs;
        let over = |link: &Link| jobs.get(&link.job).is_none_or(|held| held.until <= now);
        let mut ended: Vec<Link> = Vec::new();
        let mut dead = 0;
        for flight in &mut self.again[index(kind)] {
            for links in &mut flight.links {
                let before = links.len();
                ended.extend(links.iter().copied().filter(over));
                links.retain(|link| !over(link));
                dead += usize::from(before > 0 && links.is_empty());
            }
        }
        let (kept, gone): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut self.again[index(kind)])
            .into_iter()
            .partition(|flight| flight.links.iter().any(|links| !links.is_empty()));
        self.again[index(kind)] = kept;
        for target in gone.iter().flat_map(|flight| &flight.call.targets) {
            self.flying.remove(target);
        }
        for lane in &mut self.lanes[index(kind)] {
            for target in lane.targets().cloned().collect::<Vec<_>>() {
                let Some(entry) = lane.get_mut(&target) else { continue };
                ended.extend(entry.links.iter().copied().filter(over));
                entry.links.retain(|link| !over(link));
                if entry.links.is_empty() {
                    lane.remove(&target);
                    dead += 1;
                }
            }
        }
        ended.into_iter().for_each(|link| self.end(link, Err(reason)));
        dead
    }
}
