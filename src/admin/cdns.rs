//! The figures of `/stats` about CDNs.

use crate::cdn::{CdnStats, DeadLetter, Failing};
use crate::invalidation::{Invalidation, Matcher, Mode};
use crate::time::Timestamp;
use serde::Serialize;

/// Purges of a dead letter that are shown. One write makes a handful; an event may make many more than anybody reads.
const MAX_SHOWN: usize = 10;

/// Figures of one CDN, as this node sees it.
#[derive(Clone, Debug, Serialize)]
pub struct CdnFigures {
    /// Its name.
    pub name: String,
    /// What this node does about it: `starting`, `standing_by`, `delivering`, `waiting`, `unreachable` or `stopped`.
    pub state: &'static str,
    /// Jobs in its queue.
    pub waiting: u64,
    /// Seconds that the oldest of them has waited.
    pub oldest_seconds: Option<u64>,
    /// What fails, while something does.
    pub error: Option<String>,
    /// The word of it in the metrics.
    pub error_kind: Option<&'static str>,
    /// Seconds since it began to fail.
    pub failing_seconds: Option<u64>,
    /// Seconds until it is tried again.
    pub retry_in_seconds: Option<u64>,
    /// Jobs that were given up; `larder cdn retry` queues them again.
    pub dead_letters: u64,
    /// The last of them, newest first.
    pub last_dead_letters: Vec<DeadLetterFigures>,
}

/// One job that was given up.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetterFigures {
    /// Why.
    pub reason: String,
    /// Seconds since it was given up.
    pub buried_seconds_ago: u64,
    /// Seconds since it was purged.
    pub purged_seconds_ago: u64,
    /// What was purged, the first ten: `tag product:7`, `soft prefix shop.example.com/products`, …
    pub purges: Vec<String>,
    /// How many more there are.
    pub more_purges: usize,
}

impl CdnFigures {
    /// From what is known at `now`.
    pub fn of(stats: &CdnStats, now: Timestamp) -> Self {
        let CdnStats { name, state, backlog, failing } = stats;
        let failing = failing.as_ref();
        Self {
            name: name.to_string(),
            state: state.as_str(),
            waiting: backlog.waiting,
            oldest_seconds: backlog.oldest.map(|at| now.since(at).as_secs()),
            error: failing.map(|Failing { reason, .. }| reason.clone()),
            error_kind: failing.map(|Failing { kind, .. }| *kind),
            failing_seconds: failing.map(|Failing { since, .. }| now.since(*since).as_secs()),
            retry_in_seconds: failing.map(|Failing { again, .. }| again.since(now).as_secs()),
            dead_letters: backlog.dead,
            last_dead_letters: backlog
                .last_dead
                .iter()
                .map(|dead| DeadLetterFigures::of(dead, now))
                .collect(),
        }
    }
}

impl DeadLetterFigures {
    fn of(DeadLetter { job, buried, reason }: &DeadLetter, now: Timestamp) -> Self {
        Self {
            reason: reason.clone(),
            buried_seconds_ago: now.since(*buried).as_secs(),
            purged_seconds_ago: now.since(job.at).as_secs(),
            purges: job.purges.iter().take(MAX_SHOWN).map(shown).collect(),
            more_purges: job.purges.len().saturating_sub(MAX_SHOWN),
        }
    }
}

fn shown(Invalidation { matcher, mode }: &Invalidation) -> String {
    let soft = if *mode == Mode::Soft { "soft " } else { "" };
    let kind = matcher.kind().as_str();
    match matcher {
        Matcher::Path { authority, path } | Matcher::Prefix { authority, path } => {
            format!("{soft}{kind} {authority}{path}")
        }
        Matcher::Tag(name) | Matcher::Route(name) => format!("{soft}{kind} {name}"),
        Matcher::All => format!("{soft}{kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdn::{Backlog, CdnState, Job, JobId};
    use crate::invalidation::Position;

    #[test]
    fn figures_say_what_waits_and_what_was_given_up() {
        let at = Timestamp::from_secs;
        let purges = [Invalidation::hard(Matcher::Tag("t".into())), Invalidation::soft(Matcher::All)];
        let purges = purges.into_iter().cycle().take(MAX_SHOWN + 2).collect();
        let job = Job { id: JobId(1), position: Position::START, at: at(100), purges };
        let stats = CdnStats {
            name: "edge".into(),
            state: CdnState::Waiting,
            backlog: Backlog {
                waiting: 3,
                oldest: Some(at(990)),
                dead: 1,
                last_dead: vec![DeadLetter { job, buried: at(400), reason: "403".into() }],
            },
            failing: Some(Failing {
                kind: "throttled",
                reason: "429".into(),
                since: at(995),
                again: at(1007),
            }),
        };
        let figures = serde_json::to_value(CdnFigures::of(&stats, at(1000))).unwrap();
        assert_eq!(figures["state"], "waiting");
        assert_eq!(figures["oldest_seconds"], 10);
        assert_eq!(figures["failing_seconds"], 5);
        assert_eq!(figures["retry_in_seconds"], 7);
        let dead = &figures["last_dead_letters"][0];
        assert_eq!((&dead["buried_seconds_ago"], &dead["purged_seconds_ago"]), (&600.into(), &900.into()));
        assert_eq!((&dead["purges"][0], &dead["purges"][1]), (&"tag t".into(), &"soft all".into()));
        assert_eq!(dead["more_purges"], 2);
    }
}
