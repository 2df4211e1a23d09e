//! Events of which something could not be made what was asked for, for people to look at.

use super::{EventResult, Source};
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Letters kept: enough to see what is wrong, and with the bounds of each below 100 KiB.
pub const MAX_LETTERS: usize = 100;

/// Bytes of a payload that are kept.
pub(super) const MAX_EXCERPT: usize = 512;

/// Characters of a reason that are kept.
const MAX_REASON: usize = 300;

/// An event that did not purge all it should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// When it came.
    pub at: Timestamp,
    /// Where from.
    pub source: Source,
    /// What came of it.
    pub result: EventResult,
    /// Why.
    pub reason: String,
    /// Its beginning.
    pub excerpt: String,
}

/// The newest letters.
#[derive(Debug, Default)]
pub(super) struct Letters(Mutex<VecDeque<Letter>>);

impl Letters {
    pub(super) fn push(&self, mut letter: Letter) {
        if let Some((end, _)) = letter.reason.char_indices().nth(MAX_REASON) {
            letter.reason.truncate(end);
            letter.reason.push('…');
        }
        let mut letters = self.lock();
        if letters.len() == MAX_LETTERS {
            letters.pop_back();
        }
        letters.push_front(letter);
    }

    /// The newest first.
    pub(super) fn all(&self) -> Vec<Letter> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Letter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let letters = Letters::default();
        for number in 0..MAX_LETTERS as u64 + 5 {
            letters.push(Letter {
                at: Timestamp::from_secs(number),
                source: Source::Http,
                result: EventResult::Unknown,
                reason: "é".repeat(MAX_REASON + 1),
                excerpt: String::new(),
            });
        }
        let all = letters.all();
        assert_eq!(all.len(), MAX_LETTERS);
        assert_eq!((all[0].at.as_secs(), all[MAX_LETTERS - 1].at.as_secs()), (104, 5));
        assert_eq!(all[0].reason, format!("{}…", "é".repeat(MAX_REASON)));
    }
}
