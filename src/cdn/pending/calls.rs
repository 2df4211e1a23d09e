//! Calls: what goes into one, and what becomes of it.

use super::super::{Call, CallId, Limits, Many, Target, TargetKind};
use super::lane::{Entry, Lane, Link};
use super::{Flight, Pending, Ready, Second, index};
use crate::invalidation::{Mode, Position};
use crate::time::Timestamp;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Targets that were refused alone, one after the other and none taken, before it looks as if the API refused everything: a zone that
/// is gone, a wrong path. To find by halves who is to blame takes few calls where few are; where all are it takes two for each.
const REFUSED: u32 = 16;

/// What became of a call that was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cdn) struct Refusal {
    /// Its target stood alone, and is given up. Otherwise it is divided.
    pub(in crate::cdn) given_up: bool,
    /// Other targets that nobody waits for any more, as their time is over.
    pub(in crate::cdn) dead: usize,
}

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
        let mut flight = match self.refuses(kind) {
            true => self.probe(kind, limits)?,
            false => self.again[index(kind)].pop_front().or_else(|| self.fresh(kind, limits.many(kind)?))?,
        };
        if !std::mem::replace(&mut flight.sent, true) {
            Arc::make_mut(&mut flight.call).id = id;
        }
        // Each for itself: what is tried again may be older than others and come to hand later.
        let jobs = || flight.links.iter().flatten().filter_map(|link| self.jobs.get(&link.job));
        let ready = Ready {
            call: Arc::clone(&flight.call),
            newest: jobs().map(|held| held.position).max().unwrap_or(Position::START),
            taken: jobs().map(|held| held.taken).max().unwrap_or(Timestamp::ZERO),
        };
        self.under_way.insert(flight.call.id, flight);
        Some(ready)
    }

    /// Whether nothing but refusals came of this kind for long. Its calls are then to be made as rarely as those that fail: each
    /// has one target, which is taken and ends it, or is given up by itself.
    pub(in crate::cdn) fn refuses(&self, kind: TargetKind) -> bool {
        self.refused[index(kind)] >= REFUSED
    }

    /// A call was taken. Returns when the purges were made for whom this was the last thing to be told for the first time.
    pub(in crate::cdn) fn delivered(&mut self, id: CallId, now: Timestamp) -> Vec<Timestamp> {
        let Some(Flight { call, links, sent: _ }) = self.under_way.remove(&id) else { return Vec::new() };
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

    /// A call was refused, for `reason`. Several targets are tried again by halves; what stands alone is given up. Where nothing but
    /// refusals come, so is what has waited for too long.
    pub(in crate::cdn) fn refused(&mut self, id: CallId, reason: &str, now: Timestamp) -> Refusal {
        let Some(mut flight) = self.under_way.remove(&id) else { return Refusal::default() };
        let (kind, targets) = (flight.call.kind, flight.call.targets.len());
        let reason = Arc::from(reason);
        if targets == 1 {
            self.refused[index(kind)] = self.refused[index(kind)].saturating_add(1);
            flight.call.targets.iter().for_each(|target| _ = self.flying.remove(target));
            flight.links.into_iter().flatten().for_each(|link| self.end(link, Err(&reason)));
        } else {
            let behind = flight.divide(targets / 2);
            self.again[index(kind)].push_front(behind);
            self.again[index(kind)].push_front(flight);
        }
        let refuses = self.refuses(kind);
        self.stuck[index(kind)] = refuses;
        let dead = if refuses { self.give_up(kind, &reason, now) } else { 0 };
        Refusal { given_up: targets == 1, dead }
    }

    /// A call of one target, while this kind is refused; but one that failed is repeated as it was. The oldest and the newest take
    /// turns: any may be the one that is taken, and who comes last need not wait until all others were refused.
    fn probe(&mut self, kind: TargetKind, limits: &Limits) -> Option<Flight> {
        let one = Many { targets: 1, ..limits.many(kind)? };
        let newest_next = &mut self.newest_next[index(kind)];
        *newest_next = !*newest_next;
        let newest = if *newest_next { None } else { self.newest(kind) };
        newest.or_else(|| self.one_again(kind)).or_else(|| self.fresh(kind, one))
    }

    fn one_again(&mut self, kind: TargetKind) -> Option<Flight> {
        let again = &mut self.again[index(kind)];
        let mut flight = again.pop_front()?;
        if !flight.sent && flight.call.targets.len() > 1 {
            again.push_front(flight.divide(1));
        }
        Some(flight)
    }

    fn newest(&mut self, kind: TargetKind) -> Option<Flight> {
        let lanes = &self.lanes[index(kind)];
        let last =
            |mode: Mode| lanes[mode as usize].back(&self.flying).map(|(number, last)| (number, mode, last));
        let (_, mode, last) = Mode::EACH.into_iter().filter_map(last).max_by_key(|(number, ..)| *number)?;
        let last = last.clone();
        let entry = self.lanes[index(kind)][mode as usize].remove(&last)?;
        Some(self.flight(kind, mode, vec![(last, entry)]))
    }

    /// A call of the oldest that wait in the lanes.
    fn fresh(&mut self, kind: TargetKind, many: Many) -> Option<Flight> {
        let lanes = &mut self.lanes[index(kind)];
        let number = |mode: Mode, flying| lanes[mode as usize].front(flying).map(|entry| entry.number);
        let mode = Mode::EACH.into_iter().filter(|mode| number(*mode, &self.flying).is_some());
        let mode = mode.min_by_key(|mode| number(*mode, &self.flying))?;
        let cut = lanes[mode as usize].cut(many, &self.flying);
        Some(self.flight(kind, mode, cut))
    }

    /// A call that gets its name when it is sent.
    fn flight(&mut self, kind: TargetKind, mode: Mode, waited: Vec<(Target, Entry)>) -> Flight {
        let (targets, entries): (Vec<_>, Vec<_>) = waited.into_iter().unzip();
        self.flying.extend(targets.iter().cloned());
        let links = entries.into_iter().map(|entry| entry.links).collect();
        Flight { call: Arc::new(Call { id: CallId(0), kind, mode, targets }), links, sent: false }
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
