//! How often something that goes on is said in the log.

use crate::time::Timestamp;
use std::time::Duration;

/// From one line to the next, while it goes on: an operator who looks sees it, and whoever keeps the lines is not filled up.
const EVERY: Duration = Duration::from_secs(10);

/// What may happen many times a second for as long as nobody mends it: it is said at once, then now and then, and when it is over.
#[derive(Debug, Default)]
pub(crate) struct Rarely {
    said: Option<Timestamp>,
    unsaid: u64,
    open: bool,
}

impl Rarely {
    /// It happened. How often it has since it was last said, this time included, if it is to be said now.
    pub(crate) fn happened(&mut self, now: Timestamp) -> Option<u64> {
        self.unsaid = self.unsaid.saturating_add(1);
        if self.said.is_some_and(|said| now.since(said) < EVERY) {
            return None;
        }
        self.said = Some(now);
        self.open = true;
        Some(std::mem::take(&mut self.unsaid))
    }

    /// It is over, as far as is known. Whether that is to be said: only once, and only if it was said that it happens.
    pub(crate) fn over(&mut self) -> bool {
        std::mem::take(&mut self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_said_at_once_and_then_rarely() {
        let at = |seconds| Timestamp::from_secs(seconds);
        let mut rarely = Rarely::default();
        assert!(!rarely.over(), "nothing happened");
        assert_eq!(rarely.happened(at(100)), Some(1));
        assert_eq!((rarely.happened(at(101)), rarely.happened(at(109))), (None, None));
        assert_eq!(rarely.happened(at(110)), Some(3));
        assert_eq!((rarely.over(), rarely.over()), (true, false));
        // What comes and goes is no reason to say more.
        assert_eq!((rarely.happened(at(111)), rarely.over()), (None, false));
        assert_eq!(rarely.happened(at(120)), Some(2));
        assert!(rarely.over());
    }
}
