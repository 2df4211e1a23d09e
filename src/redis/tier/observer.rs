//! What the tier tells of its work beside what the link does; `observe` turns it into metrics.

use crate::store::DecodeError;

/// Why a write is not in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Larger than `max_object`, or its body much larger.
    TooLarge,
    /// The queue had to make room for younger ones.
    Overflow,
    /// Redis refused it or did not answer. It may be there all the same.
    Failed,
    /// The circuit breaker was open, and nobody waits for it to close.
    Unavailable,
    /// The process ended first.
    Undrained,
}

impl Loss {
    /// All of them; one stands at the index that it is as a number.
    pub const EACH: [Self; 5] =
        [Self::TooLarge, Self::Overflow, Self::Failed, Self::Unavailable, Self::Undrained];

    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Overflow => "overflow",
            Self::Failed => "failed",
            Self::Unavailable => "unavailable",
            Self::Undrained => "undrained",
        }
    }
}

/// Told of what went another way than it should.
pub trait TierObserver: Send + Sync + 'static {
    /// What stands under a key could not be read, and was taken for nothing.
    fn unreadable(&self, error: DecodeError);
    /// So many writes are not in Redis.
    fn lost(&self, loss: Loss, count: usize);
}

/// Tells nobody.
impl TierObserver for () {
    fn unreadable(&self, _error: DecodeError) {}
    fn lost(&self, _loss: Loss, _count: usize) {}
}
