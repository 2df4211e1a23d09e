//! A log for the tests of events, which can refuse.

use super::{EventRule, EventRules, EventSelector, Intake, Purges};
use crate::invalidation::{Invalidation, LogError, Matcher, Mode, Place, Places, Position, Template};
use crate::time::SystemClock;
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Remembers what was purged, also while it fails.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) batches: Mutex<Vec<Vec<Invalidation>>>,
    pub(crate) fails: AtomicBool,
}

#[async_trait]
impl Purges for Fake {
    async fn purge(&self, batch: Vec<Invalidation>, _urgent: bool) -> Result<Places, LogError> {
        self.batches.lock().unwrap().push(batch);
        if self.fails.load(SeqCst) {
            return Err(LogError::Unavailable("no answer".into()));
        }
        Ok(Place { epoch: None, position: Position::START }.into())
    }
}

impl Fake {
    /// The tags that were purged, in order.
    pub(crate) fn tags(&self) -> Vec<String> {
        self.batches.lock().unwrap().iter().flat_map(|batch| Self::tags_of(batch)).collect()
    }

    /// The tags in a batch.
    pub(crate) fn tags_of(batch: &[Invalidation]) -> Vec<String> {
        let tag = |invalidation: &Invalidation| match &invalidation.matcher {
            Matcher::Tag(tag) => tag.to_string(),
            other => panic!("{other:?}"),
        };
        batch.iter().map(tag).collect()
    }
}

/// An intake by these rules, and the log behind it.
pub(crate) fn intake(rules: &[EventRule]) -> (Arc<Intake>, Arc<Fake>) {
    let fake = Arc::new(Fake::default());
    let rules = EventRules { rules: rules.to_vec(), ..EventRules::default() };
    let clock = Arc::new(SystemClock::new());
    (Arc::new(Intake::new(rules, Arc::clone(&fake) as Arc<_>, clock)), fake)
}

/// A rule that purges tags.
pub(crate) fn tag_rule(event: &str, tags: &[&str]) -> EventRule {
    let tag = |text: &&str| EventSelector::Tag(Template::parse(text).unwrap());
    EventRule { event: event.into(), purge: tags.iter().map(tag).collect(), mode: Mode::Hard }
}
