//! The bytes of replies that are arriving and may be stored: bounded over all flights.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bound, and what is used of it.
#[derive(Debug)]
pub(super) struct Buffers {
    limit: u64,
    used: AtomicU64,
}

/// One flight's share. Given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    buffers: Arc<Buffers>,
    bytes: u64,
}

impl Buffers {
    pub(super) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0) })
    }

    /// A share of nothing yet.
    pub(super) fn reserve(self: &Arc<Self>) -> Share {
        Share { buffers: Arc::clone(self), bytes: 0 }
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Takes `more` bytes; `false` when all flights together would hold too much.
    pub(super) fn grow(&mut self, more: u64) -> bool {
        let before = self.buffers.used.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
        before + more <= self.buffers.limit
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.buffers.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_bounded_and_given_back() {
        let buffers = Buffers::new(100);
        let (mut one, mut two) = (buffers.reserve(), buffers.reserve());
        assert!(one.grow(60));
        assert!(!two.grow(60), "120 of 100");
        drop(two);
        assert_eq!(buffers.used(), 60);
        assert!(one.grow(40));
        drop(one);
        assert_eq!(buffers.used(), 0);
    }
}
