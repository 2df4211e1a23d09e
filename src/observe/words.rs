//! Counters by a word of a small, fixed vocabulary.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The layers' vocabularies have about ten words each; twice as many keeps the label bounded should one grow.
const MAX_WORDS: usize = 20;

/// What is counted under once the slots are taken.
const OTHER: &str = "other";

/// Counts by word, without a lock. The words come from enums of the layers below, so there are few of them; those beyond
/// `MAX_WORDS` are counted as `other`.
#[derive(Debug)]
pub(super) struct Words {
    slots: [Slot; MAX_WORDS],
    other: AtomicU64,
}

#[derive(Debug)]
struct Slot {
    word: OnceLock<&'static str>,
    count: AtomicU64,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            slots: [const { Slot { word: OnceLock::new(), count: AtomicU64::new(0) } }; MAX_WORDS],
            other: AtomicU64::new(0),
        }
    }
}

impl Words {
    /// Counters that begin at zero for words that are known beforehand.
    pub(super) fn known(words: &[&'static str]) -> Self {
        let counters = Self::default();
        for (slot, word) in counters.slots.iter().zip(words) {
            slot.word.get_or_init(|| word);
        }
        counters
    }

    /// Counts one `word`.
    pub(super) fn add(&self, word: &'static str) {
        self.add_many(word, 1);
    }

    /// Counts a `word` that came `count` times.
    pub(super) fn add_many(&self, word: &'static str, count: u64) {
        let slot = self.slots.iter().find(|slot| *slot.word.get_or_init(|| word) == word);
        slot.map_or(&self.other, |slot| &slot.count).fetch_add(count, Relaxed);
    }

    /// Every word that is known or was counted, with its count.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let known = self.slots.iter().map_while(|slot| Some((*slot.word.get()?, slot.count.load(Relaxed))));
        let other = self.other.load(Relaxed);
        known.chain((other > 0).then_some((OTHER, other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_word() {
        let words = Words::default();
        ["stored", "timeout", "stored"].into_iter().for_each(|word| words.add(word));
        assert_eq!(words.counts().collect::<Vec<_>>(), [("stored", 2), ("timeout", 1)]);
    }

    #[test]
    fn known_words_begin_at_zero() {
        let words = Words::known(&["revalidating", "error"]);
        words.add("error");
        words.add("other reason");
        assert_eq!(
            words.counts().collect::<Vec<_>>(),
            [("revalidating", 0), ("error", 1), ("other reason", 1)]
        );
    }

    #[test]
    fn words_without_end_share_one_count() {
        let words = Words::default();
        for number in 0..MAX_WORDS + 5 {
            words.add(Box::leak(format!("word{number}").into_boxed_str()));
        }
        assert_eq!(words.counts().count(), MAX_WORDS + 1);
        assert_eq!(words.counts().last(), Some(("other", 5)));
    }

    #[test]
    fn threads_agree_on_the_slot_of_a_word() {
        let words = Words::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1000).for_each(|n| words.add(["a", "b", "c", "d"][n % 4])));
            }
        });
        let mut counts: Vec<_> = words.counts().collect();
        counts.sort_unstable();
        assert_eq!(counts, [("a", 2000), ("b", 2000), ("c", 2000), ("d", 2000)]);
    }
}
