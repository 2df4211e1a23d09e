//! Searches a history for a reply that a purge had reached before its request began.
//!
//! Every purge binds: after some moment nobody may be shown a version older than the origin had when it was asked for. When
//! that moment is depends on who reads: at once on the node that answered the purge and for whoever brings its position;
//! some time later everywhere else. Where a fault may have lost the purge with everybody that knew of it, it binds nobody.

use crate::record::{Doubt, History, Life, Moment, Purge, Read, Span};
use std::collections::HashMap;
use std::time::Duration;

/// The promise that a reply broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// The node that answered the purge serves what it reached.
    SameNode,
    /// The request brought a position, and was shown something older than what stands there.
    Position,
    /// The purge was answered longer ago than a node may be without news of it.
    Anywhere,
    /// The purge of a write whose node died was never made by another.
    Orphan,
    /// A request failed although its node lived.
    Failed,
    /// The nodes did not recover although nobody disturbed them any more.
    Ill,
}

impl Rule {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SameNode => "stale on the node that purged",
            Self::Position => "older than the position brought",
            Self::Anywhere => "stale after the limit",
            Self::Orphan => "purge of a dead node's write lost",
            Self::Failed => "failed request",
            Self::Ill => "no recovery",
        }
    }
}

/// Something that must not have happened.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) rule: Rule,
    pub(crate) at: Moment,
    pub(crate) story: String,
}

/// How much there was to be searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Searched {
    pub(crate) reads: usize,
    pub(crate) with_position: usize,
    pub(crate) purges: usize,
    /// Purges without a position: the log was out of reach.
    pub(crate) here_only: usize,
    /// Purges that bind everywhere, as soon as the limit is over or when a fault was, …
    pub(crate) in_time: usize,
    pub(crate) late: usize,
    /// … and those that may have been lost with all who knew of them.
    pub(crate) excused: usize,
    /// Writes of dead nodes that others had to purge, and those that may have been lost.
    pub(crate) orphans: usize,
    pub(crate) orphans_excused: usize,
}

/// What the search takes for granted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long after a purge's reply, with nobody disturbed, no node may serve what it reached.
    pub(crate) everywhere: Duration,
    /// How long after its node died a write is purged by another.
    pub(crate) orphan: Duration,
    /// The longest any request may have taken.
    pub(crate) bound: Duration,
}

/// Versions that must be shown, by the moment from which they must.
#[derive(Default)]
struct Floor(Vec<(Moment, u64, usize)>);

impl Floor {
    fn add(&mut self, from: Moment, version: u64, purge: usize) {
        self.0.push((from, version, purge));
    }

    /// Sorts, so that each moment has the highest version of all before it.
    fn settle(&mut self) {
        self.0.sort_unstable();
        let mut highest = (0, 0);
        for (_, version, purge) in &mut self.0 {
            highest = highest.max((*version, *purge));
            (*version, *purge) = highest;
        }
    }

    /// The oldest version allowed to a request that begins at `start`, and the purge that says so.
    fn at(&self, start: Moment) -> Option<(u64, usize)> {
        let before = self.0.partition_point(|(from, ..)| *from < start);
        before.checked_sub(1).map(|last| (self.0[last].1, self.0[last].2))
    }
}

/// Searches. Findings come in the order of time.
pub(crate) fn search(history: &History, limits: &Limits) -> (Vec<Finding>, Searched) {
    let mut searched = Searched {
        reads: history.reads.len(),
        with_position: history.reads.iter().filter(|read| read.brought.is_some()).count(),
        purges: history.purges.len(),
        here_only: history.purges.iter().filter(|purge| purge.position.is_none()).count(),
        ..Searched::default()
    };
    let mut same: HashMap<(usize, Life), Floor> = HashMap::new();
    let mut anywhere: HashMap<usize, Floor> = HashMap::new();
    let mut orphans: HashMap<usize, Floor> = HashMap::new();
    for (index, purge) in history.purges.iter().enumerate() {
        let binds = binds_everywhere(history, purge);
        match binds {
            Some(from) if from == purge.span.end => searched.in_time += 1,
            Some(_) => searched.late += 1,
            None => searched.excused += 1,
        }
        for &(page, version) in &purge.pages {
            same.entry((page, purge.at)).or_default().add(purge.span.end, version, index);
            if let Some(from) = binds {
                anywhere.entry(page).or_default().add(from + limits.everywhere, version, index);
            }
        }
    }
    for (index, doubt) in history.doubts.iter().enumerate() {
        match orphan_binds(history, doubt, limits) {
            Some(from) => {
                searched.orphans += 1;
                orphans.entry(doubt.page).or_default().add(from, doubt.version, index);
            }
            None => searched.orphans_excused += 1,
        }
    }
    same.values_mut().chain(anywhere.values_mut()).chain(orphans.values_mut()).for_each(Floor::settle);

    let mut findings = failed(history, limits);
    for read in &history.reads {
        let older = |floor: Option<&Floor>| {
            floor.and_then(|floor| floor.at(read.span.start)).filter(|(version, _)| *version > read.version)
        };
        let told = |(_, index): (u64, usize)| story_of(history, read, &history.purges[index]);
        let found = if let Some(purge) = older(same.get(&(read.page, read.from))) {
            (Rule::SameNode, told(purge))
        } else if let Some(version) = read.brought.filter(|version| *version > read.version) {
            (Rule::Position, format!("brought the position of version {version}"))
        } else if let Some(purge) = older(anywhere.get(&read.page)) {
            (Rule::Anywhere, told(purge))
        } else if let Some((_, index)) = older(orphans.get(&read.page)) {
            (Rule::Orphan, format!("{:?}", history.doubts[index]))
        } else {
            continue;
        };
        let (rule, why) = found;
        findings.push(Finding {
            rule,
            at: read.span.start,
            story: format!("{}\n    {why}", told_read(read)),
        });
    }
    findings.sort_by_key(|finding| finding.at);
    (findings, searched)
}

/// The longest a read took.
pub(crate) fn longest(history: &History) -> Duration {
    history.reads.iter().map(|read| read.span.length()).max().unwrap_or_default()
}

fn told_read(read: &Read) -> String {
    let Read { page, version, from, span, brought, status } = read;
    format!("page {page}: version {version} from {from:?} in {span:?}, brought {brought:?}: {status}")
}

fn story_of(history: &History, read: &Read, purge: &Purge) -> String {
    let faults: Vec<_> = history
        .faults
        .iter()
        .filter(|fault| fault.span.meets(Span { start: purge.span.start, end: read.span.end }))
        .map(|fault| format!("{} {:?}", fault.what, fault.span))
        .collect();
    format!("{purge:?}\n    meanwhile: {faults:?}")
}

fn died(history: &History, life: Life) -> Option<Moment> {
    history.deaths.iter().find(|(dead, _)| *dead == life).map(|(_, at)| *at)
}

/// From when on every node can know of a purge. `None`: it may have been lost with the only node that knew of it.
fn binds_everywhere(history: &History, purge: &Purge) -> Option<Moment> {
    let alive = |until: Moment| died(history, purge.at).is_none_or(|at| at > until);
    let mut from = purge.span.end;
    if purge.position.is_none() {
        from = history.wells.iter().copied().find(|well| *well > from)?;
        if !alive(from) {
            return None;
        }
    }
    // What was appended shortly before the log lost its end has to be appended again by those who applied it.
    while let Some(until) = lossy(history).find(|span| span.start <= from && from < span.end) {
        from = until.end;
        if !alive(from) {
            return None;
        }
    }
    Some(from)
}

/// When the log may have lost what it had taken, each from shortly before the fault to when all was well again.
fn lossy(history: &History) -> impl Iterator<Item = Span> + '_ {
    /// Longer than a replica, or the file, is behind.
    const BEHIND: Duration = Duration::from_secs(3);
    history.faults.iter().filter(|fault| fault.loses).map(|fault| {
        let well = history.wells.iter().copied().find(|well| *well > fault.span.end).unwrap_or(Moment::MAX);
        Span { start: fault.span.start.saturating_sub(BEHIND), end: well }
    })
}

/// From when on the write of a node that died must have been purged. `None`: it was not announced, or that may be lost.
fn orphan_binds(history: &History, doubt: &Doubt, limits: &Limits) -> Option<Moment> {
    // Its node lives, and has to purge it itself; it cannot have failed then, which is a finding of its own.
    let at = died(history, doubt.at).unwrap_or(doubt.span.end);
    let until = at + limits.orphan;
    // The announcement needs the log when the write begins; the sweep needs it, too.
    let around = Span { start: doubt.span.start.saturating_sub(Duration::from_secs(3)), end: until };
    let hindered = history
        .faults
        .iter()
        .any(|fault| fault.span.meets(around) && (fault.node.is_none() || fault.node == Some(doubt.at.node)));
    (!hindered).then_some(until + limits.everywhere)
}

/// Requests that failed although their node lived, or took too long.
fn failed(history: &History, limits: &Limits) -> Vec<Finding> {
    let failures = history.failures.iter().filter(|failure| {
        // What was under way at a node that was killed fails; so does what came too late to know.
        died(history, failure.at).is_none_or(|at| at > failure.span.end)
    });
    let failures = failures.map(|failure| Finding {
        rule: Rule::Failed,
        at: failure.span.start,
        story: format!("{} at {:?}, {:?}", failure.what, failure.at, failure.span),
    });
    let slow = history.reads.iter().filter(|read| read.span.length() > limits.bound);
    let slow = slow.map(|read| Finding { rule: Rule::Failed, at: read.span.start, story: told_read(read) });
    let ill = history.ills.iter();
    let ill = ill.map(|(at, why)| Finding { rule: Rule::Ill, at: *at, story: why.clone() });
    failures.chain(slow).chain(ill).collect()
}

#[cfg(test)]
mod tests;
