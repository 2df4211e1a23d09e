//! What came of events, in numbers, and whether they can be heard of.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Declares an enumeration of words, numbered in the order of the table.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $word:literal $help:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $(#[doc = $help] $variant),* }

        impl $name {
            /// All of them; one stands at the index that it is as a number.
            pub const EACH: &[Self] = &[$(Self::$variant),*];

            /// One word.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
    };
}

words! {
    /// Where an event came from.
    Source {
        Http "http" "`POST /events`.";
        Channel "channel" "Redis' Pub/Sub.";
        Stream "stream" "A stream in Redis.";
    }
}

words! {
    /// What came of an event.
    EventResult {
        Purged "purged" "All that its rules name is purged.";
        Queued "queued" "The same, by this node; the log did not take it in time and is handed it later.";
        Incomplete "incomplete" "Something that its rules name could not be purged, as it lacks a value. All else is purged.";
        Unknown "unknown" "No rule is about its name.";
        Malformed "malformed" "It is no JSON object, or has no name.";
        TooLarge "too_large" "It has too many bytes to be looked at.";
        Failed "failed" "It was handed out again and again and never settled: whoever took it died.";
    }
}

/// Counts by source and result, each at its number.
pub type EventCounts = [[u64; EventResult::EACH.len()]; Source::EACH.len()];

/// A way by which events come by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// A channel. What is published while it is not heard is lost.
    Channel,
    /// A stream. What is added while it is not read is read later.
    Stream,
}

/// Whether a feed brings what there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FeedState {
    /// It is not set up.
    #[default]
    Off,
    /// It does.
    Up,
    /// It does not; why, in words that anybody may read.
    Down(&'static str),
}

impl From<Feed> for Source {
    fn from(feed: Feed) -> Self {
        match feed {
            Feed::Channel => Self::Channel,
            Feed::Stream => Self::Stream,
        }
    }
}

/// Counters, and how the feeds are.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: [[AtomicU64; EventResult::EACH.len()]; Source::EACH.len()],
    /// How often the channel was lost after it had been heard.
    breaks: AtomicU64,
    feeds: Mutex<[FeedState; 2]>,
}

impl Tally {
    pub(super) fn add(&self, source: Source, result: EventResult, count: usize) {
        self.counts[source as usize][result as usize].fetch_add(count as u64, Relaxed);
    }

    pub(super) fn counts(&self) -> EventCounts {
        self.counts.each_ref().map(|results| results.each_ref().map(|count| count.load(Relaxed)))
    }

    pub(super) fn breaks(&self) -> u64 {
        self.breaks.load(Relaxed)
    }

    pub(super) fn feed(&self, feed: Feed) -> FeedState {
        self.feeds()[feed as usize].clone()
    }

    /// Notes how a feed is; returns how it was, if that was otherwise.
    pub(super) fn set(&self, feed: Feed, state: FeedState) -> Option<FeedState> {
        let mut feeds = self.feeds();
        let held = &mut feeds[feed as usize];
        if *held == state {
            return None;
        }
        let broke = *held == FeedState::Up && matches!(state, FeedState::Down(_));
        if feed == Feed::Channel && broke {
            self.breaks.fetch_add(1, Relaxed);
        }
        Some(std::mem::replace(held, state))
    }

    fn feeds(&self) -> MutexGuard<'_, [FeedState; 2]> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_at_their_numbers() {
        for (index, source) in Source::EACH.iter().enumerate() {
            assert_eq!(*source as usize, index);
        }
        for (index, result) in EventResult::EACH.iter().enumerate() {
            assert_eq!(*result as usize, index);
        }
    }

    #[test]
    fn a_break_is_counted_once() {
        let tally = Tally::default();
        assert_eq!(tally.set(Feed::Channel, FeedState::Down("not yet")), Some(FeedState::Off));
        assert_eq!(tally.set(Feed::Channel, FeedState::Up), Some(FeedState::Down("not yet")));
        assert_eq!((tally.set(Feed::Channel, FeedState::Up), tally.breaks()), (None, 0));
        assert_eq!(tally.set(Feed::Channel, FeedState::Down("lost")), Some(FeedState::Up));
        assert_eq!(tally.set(Feed::Channel, FeedState::Down("lost")), None);
        assert_eq!(tally.set(Feed::Channel, FeedState::Down("refused")), Some(FeedState::Down("lost")));
        assert_eq!(tally.breaks(), 1);
        tally.set(Feed::Stream, FeedState::Up);
        tally.set(Feed::Stream, FeedState::Down("lost"));
        assert_eq!(tally.breaks(), 1, "a stream loses nothing");
    }
}
