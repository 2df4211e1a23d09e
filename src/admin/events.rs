//! `POST /events`, and what `/stats` shows of events.

use super::problem::{Kind, Problem};
use crate::events::{BadEvent, EventResult, Intake, Letter, Refusal, Source, Unplanned};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a refused event is to the one who sent it.
pub(super) fn problem(refusal: &Refusal) -> Problem {
    let kind = match refusal {
        Refusal::Bad(BadEvent::TooLarge(_)) => Kind::TooLarge,
        Refusal::Bad(BadEvent::NotJson(_) | BadEvent::NotObject(_))
        | Refusal::Unplanned(Unplanned::Nameless(_)) => Kind::InvalidBody,
        Refusal::Unplanned(Unplanned::Unknown(_)) => Kind::UnknownEvent,
    };
    Problem::new(kind, format!("the event is refused: {refusal}"))
}

/// What an event lacked that purged something else, or nothing.
pub(super) fn incomplete(purges: usize, faults: Vec<String>) -> Problem {
    let detail = match purges {
        0 => "nothing is purged: the event lacks what its rules need".to_owned(),
        purges => {
            format!("{purges} of the purges are made, others are not: the event lacks what its rules need")
        }
    };
    Problem { detail, ..Problem::with_errors(Kind::IncompleteEvent, faults) }
}

/// Figures of the application's events on this node.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EventFigures {
    /// What came of them, by source and result.
    pub results: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// How often the channel was lost after it had been heard, and with it whatever was published until it was heard again.
    pub channel_breaks: u64,
    /// Events that did not purge all they should have, the newest first.
    pub dead_letters: Vec<LetterFigures>,
}

/// An event that did not purge all it should have.
#[derive(Clone, Debug, Serialize)]
pub struct LetterFigures {
    /// When it came, as HTTP writes dates.
    pub at: String,
    /// Where from.
    pub source: &'static str,
    /// What came of it.
    pub result: &'static str,
    /// Why.
    pub reason: String,
    /// How it begins.
    pub payload: String,
}

impl EventFigures {
    /// Of an intake.
    pub fn of(intake: &Intake) -> Self {
        let counts = intake.counts();
        let of_source = |source: &Source| {
            let results = EventResult::EACH.iter().zip(counts[*source as usize]);
            (source.as_str(), results.map(|(result, count)| (result.as_str(), count)).collect())
        };
        Self {
            results: Source::EACH.iter().map(of_source).collect(),
            channel_breaks: intake.breaks(),
            dead_letters: intake.letters().into_iter().map(LetterFigures::from).collect(),
        }
    }
}

impl From<Letter> for LetterFigures {
    fn from(Letter { at, source, result, reason, excerpt }: Letter) -> Self {
        Self {
            at: httpdate::fmt_http_date(at.as_system_time()),
            source: source.as_str(),
            result: result.as_str(),
            reason,
            payload: excerpt,
        }
    }
}
