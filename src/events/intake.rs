//! Through which every event goes.

use super::letters::{Letters, MAX_EXCERPT};
use super::tally::Tally;
use super::{
    BadEvent, EventCounts, EventResult, EventRules, Feed, FeedState, Letter, Message, Source, Unplanned,
    plan_event,
};
use crate::invalidation::{Invalidation, LogError, Places};
use crate::time::Clock;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use std::sync::Arc;

/// Purges, as far as events need them.
#[async_trait]
pub trait Purges: Send + Sync + 'static {
    /// Appends `batch` to the log. This node has applied it when it returns, whatever it returns; on failure it is appended
    /// later, in the order of the calls, as long as this process lives. `urgent`: somebody waits until every node has applied
    /// it.
    async fn purge(&self, batch: Vec<Invalidation>, urgent: bool) -> Result<Places, LogError>;
}

/// Takes events from everywhere.
pub struct Intake {
    rules: ArcSwap<EventRules>,
    purges: Arc<dyn Purges>,
    clock: Arc<dyn Clock>,
    tally: Tally,
    letters: Letters,
}

/// What a message asks for. What is wrong with it is counted and kept already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What is to be purged; may be nothing.
    pub batch: Vec<Invalidation>,
    /// Nothing was wrong: it is to be counted when it is purged.
    pub whole: bool,
}

/// An event that was handed on.
#[derive(Debug)]
pub struct Handed {
    /// How many purges it came to.
    pub purges: usize,
    /// What the log said.
    pub places: Result<Places, LogError>,
    /// What of it could not be purged; empty if all was.
    pub faults: Vec<String>,
}

/// Why an event purged nothing at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no event.
    #[error(transparent)]
    Bad(#[from] BadEvent),
    /// Nothing is known of it.
    #[error(transparent)]
    Unplanned(#[from] Unplanned),
}

impl Refusal {
    /// As what it is counted.
    pub fn result(&self) -> EventResult {
        match self {
            Self::Bad(BadEvent::TooLarge(_)) => EventResult::TooLarge,
            Self::Bad(_) | Self::Unplanned(Unplanned::Nameless(_)) => EventResult::Malformed,
            Self::Unplanned(Unplanned::Unknown(_)) => EventResult::Unknown,
        }
    }
}

impl Intake {
    /// Goes by `rules` until they are [changed](Intake::set_rules).
    pub fn new(rules: EventRules, purges: Arc<dyn Purges>, clock: Arc<dyn Clock>) -> Self {
        let rules = ArcSwap::from_pointee(rules);
        Self { rules, purges, clock, tally: Tally::default(), letters: Letters::default() }
    }

    /// Goes by other rules from now on.
    pub fn set_rules(&self, rules: EventRules) {
        self.rules.store(Arc::new(rules));
    }

    /// Takes one event from somebody who waits for the answer. `urgent` as for [`Purges::purge`].
    pub async fn hand(&self, source: Source, message: &Message, urgent: bool) -> Result<Handed, Refusal> {
        let plan = self.plan(message).inspect_err(|refusal| {
            self.note(source, refusal.result(), refusal.to_string(), message);
        })?;
        if !plan.faults.is_empty() {
            self.note(source, EventResult::Incomplete, plan.faults.join("; "), message);
        }
        let (purges, whole) = (plan.batch.len(), usize::from(plan.faults.is_empty()));
        let places = self.purge(source, plan.batch, whole, urgent).await;
        Ok(Handed { purges, places, faults: plan.faults })
    }

    /// Reads one message of many. Nothing is purged yet.
    pub fn read(&self, source: Source, message: &Message) -> Wanted {
        match self.plan(message) {
            Ok(plan) if plan.faults.is_empty() => Wanted { batch: plan.batch, whole: true },
            Ok(plan) => {
                self.note(source, EventResult::Incomplete, plan.faults.join("; "), message);
                Wanted { batch: plan.batch, whole: false }
            }
            Err(refusal) => {
                self.note(source, refusal.result(), refusal.to_string(), message);
                Wanted::default()
            }
        }
    }

    /// Purges what messages asked for, `whole` of which had nothing wrong with them.
    pub async fn purge(
        &self,
        source: Source,
        batch: Vec<Invalidation>,
        whole: usize,
        urgent: bool,
    ) -> Result<Places, LogError> {
        let places = self.purges.purge(batch, urgent).await;
        let result = if places.is_ok() { EventResult::Purged } else { EventResult::Queued };
        self.tally.add(source, result, whole);
        places
    }

    /// Gives a message up that was handed out `times` and never settled.
    pub fn give_up(&self, source: Source, message: &Message, times: u64) {
        let reason = format!("it was handed out {times} times, and nobody who took it lived to settle it");
        self.note(source, EventResult::Failed, reason, message);
    }

    /// Notes how a feed is. Says so in the log when that changes.
    pub fn feed(&self, feed: Feed, state: FeedState) {
        let (word, now) = (Source::from(feed).as_str(), state.clone());
        let Some(before) = self.tally.set(feed, state) else { return };
        match (feed, before, now) {
            (Feed::Channel, FeedState::Up, FeedState::Down(why)) => {
                tracing::warn!(
                    feed = word,
                    why,
                    "events that are published until it is heard again are lost to this node"
                );
            }
            // It was not tried yet.
            (_, FeedState::Off, FeedState::Down(_)) => {}
            (_, _, FeedState::Down(why)) => tracing::warn!(feed = word, why, "events do not come"),
            (_, _, FeedState::Up) => tracing::info!(feed = word, "events come"),
            (_, _, FeedState::Off) => {}
        }
    }

    /// How a feed is.
    pub fn feed_state(&self, feed: Feed) -> FeedState {
        self.tally.feed(feed)
    }

    /// How often the channel was lost after it had been heard.
    pub fn breaks(&self) -> u64 {
        self.tally.breaks()
    }

    /// What came of all events so far.
    pub fn counts(&self) -> EventCounts {
        self.tally.counts()
    }

    /// The newest events that something was wrong with, the newest first.
    pub fn letters(&self) -> Vec<Letter> {
        self.letters.all()
    }

    fn plan(&self, message: &Message) -> Result<super::EventPlan, Refusal> {
        Ok(plan_event(&self.rules.load(), &message.read()?)?)
    }

    fn note(&self, source: Source, result: EventResult, reason: String, message: &Message) {
        self.tally.add(source, result, 1);
        tracing::debug!(
            source = source.as_str(),
            result = result.as_str(),
            reason,
            "an event did not purge all it should"
        );
        let excerpt = message.excerpt(MAX_EXCERPT);
        self.letters.push(Letter { at: self.clock.now(), source, result, reason, excerpt });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::fake::{Fake, intake, tag_rule};
    use std::sync::atomic::Ordering::SeqCst;

    fn json(text: &str) -> Message {
        Message::Json(text.as_bytes().to_vec())
    }

    #[tokio::test]
    async fn every_event_is_counted_and_what_is_wrong_is_kept() {
        #[track_caller]
        fn count(intake: &Intake, source: Source, result: EventResult) -> u64 {
            intake.counts()[source as usize][result as usize]
        }
        let (intake, fake) = intake(&[tag_rule("a", &["x:{id}"]), tag_rule("b", &["{p}", "{q}"])]);
        let handed = intake.hand(Source::Http, &json(r#"{"event":"a","id":1}"#), false).await.unwrap();
        assert!(handed.places.is_ok() && handed.purges == 1 && handed.faults.is_empty());
        fake.fails.store(true, SeqCst);
        let handed = intake.hand(Source::Http, &json(r#"{"event":"a","id":2}"#), false).await.unwrap();
        assert!(handed.places.is_err());
        let handed = intake.hand(Source::Http, &json(r#"{"event":"b","p":3}"#), false).await.unwrap();
        assert_eq!((handed.purges, handed.faults.len()), (1, 1));
        assert_eq!(fake.tags(), ["x:1", "x:2", "3"]);
        for (text, result) in [
            ("", EventResult::Malformed),
            ("{}", EventResult::Malformed),
            (r#"{"event":"c"}"#, EventResult::Unknown),
            (&*"x".repeat(70_000), EventResult::TooLarge),
        ] {
            let refusal = intake.hand(Source::Http, &json(text), false).await.unwrap_err();
            assert_eq!(refusal.result(), result);
            assert_eq!(intake.read(Source::Channel, &json(text)), Wanted::default());
        }
        for source in [Source::Http, Source::Channel] {
            assert_eq!(count(&intake, source, EventResult::Malformed), 2);
            assert_eq!(count(&intake, source, EventResult::Unknown), 1);
            assert_eq!(count(&intake, source, EventResult::TooLarge), 1);
        }
        assert_eq!(count(&intake, Source::Http, EventResult::Purged), 1);
        assert_eq!(count(&intake, Source::Http, EventResult::Queued), 1);
        assert_eq!(count(&intake, Source::Http, EventResult::Incomplete), 1);
        let letters = intake.letters();
        assert_eq!(letters.len(), 9);
        assert_eq!((letters[0].source, letters[0].result), (Source::Channel, EventResult::TooLarge));
        assert_eq!(letters[8].reason, "it lacks `q`");
        assert_eq!(letters[8].excerpt, r#"{"event":"b","p":3}"#);
    }

    #[tokio::test]
    async fn other_rules_count_from_then_on() {
        let (intake, _fake) = intake(&[tag_rule("a", &["old"])]);
        let wanted = |name: &str| {
            let wanted = intake.read(Source::Stream, &json(&format!(r#"{{"event":"{name}"}}"#)));
            (Fake::tags_of(&wanted.batch), wanted.whole)
        };
        assert_eq!(wanted("a"), (vec!["old".to_owned()], true));
        let rules = EventRules { rules: vec![tag_rule("b", &["new"])], ..EventRules::default() };
        intake.set_rules(rules);
        assert_eq!(wanted("a"), (vec![], false));
        assert_eq!(wanted("b"), (vec!["new".to_owned()], true));
    }
}
