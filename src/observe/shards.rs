//! Counters that threads do not fight over.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// More threads than this share shards; a scrape has to read them all.
const MAX_SHARDS: usize = 64;

/// One `T` a thread, as far as the shards go round, so that counting a hit on one core does not take a cache line from another.
///
/// A shard is allocated when a thread first uses it: thousands of routes that nobody asks for cost a pointer a thread each.
#[derive(Debug)]
pub(super) struct Sharded<T> {
    shards: Box<[OnceLock<Box<Padded<T>>>]>,
}

/// Two cache lines, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> Sharded<T> {
    /// Shards for `threads` threads: as many, rounded up to a power of two.
    pub(super) fn new(threads: usize) -> Self {
        let count = threads.clamp(1, MAX_SHARDS).next_power_of_two();
        Self { shards: (0..count).map(|_| OnceLock::new()).collect() }
    }

    /// The shard of the calling thread.
    pub(super) fn mine(&self) -> &T {
        let shard = &self.shards[lane() & (self.shards.len() - 1)];
        &shard.get_or_init(Box::default).0
    }

    /// All shards in use.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.shards.iter().filter_map(OnceLock::get).map(|shard| &shard.0)
    }
}

/// A number for the calling thread, given out in the order in which threads first count something. Workers start counting at
/// about the same time, so theirs follow one another and meet in no shard.
fn lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    const UNSET: usize = usize::MAX;
    thread_local!(static LANE: Cell<usize> = const { Cell::new(UNSET) });

    LANE.with(|lane| {
        if lane.get() == UNSET {
            lane.set(NEXT.fetch_add(1, Relaxed));
        }
        lane.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn counts_nothing_twice_and_loses_nothing() {
        for threads in [0, 1, 3, 4, 1000] {
            let counters = Sharded::<AtomicU64>::new(threads);
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| (0..1000).for_each(|_| _ = counters.mine().fetch_add(1, Relaxed)));
                }
            });
            assert_eq!(counters.iter().map(|shard| shard.load(Relaxed)).sum::<u64>(), 8000);
            assert!(counters.shards.len() <= MAX_SHARDS);
        }
    }

    #[test]
    fn unused_shards_are_not_allocated() {
        let counters = Sharded::<AtomicU64>::new(16);
        assert_eq!(counters.iter().count(), 0);
        counters.mine();
        counters.mine();
        assert_eq!(counters.iter().count(), 1);
    }
}
