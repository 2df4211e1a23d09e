//! Looks that are shared by all who ask for the same at once.

use crate::key::KeyHash;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// Parts of the map, so that threads seldom meet in one: a lock is held for some dozen nanoseconds.
const SHARDS: usize = 16;

/// Looks under way, by key.
///
/// Whoever asks first looks, and the others wait for the answer. If the first is dropped, the next one looks in its place.
/// An answer is given only to those who asked before it came.
pub(super) struct Looks<T> {
    shards: [Mutex<HashMap<KeyHash, Arc<OnceCell<T>>>>; SHARDS],
}

impl<T: Clone> Looks<T> {
    pub(super) fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// What `look` brings, or one for the same key that is under way.
    pub(super) async fn share(&self, hash: KeyHash, look: impl Future<Output = T>) -> T {
        let cell = Arc::clone(self.shard(&hash).entry(hash).or_default());
        let mut seat = Seat { looks: self, hash, cell: Some(cell) };
        let cell = seat.cell.as_ref().expect("taken only when the seat is dropped");
        let answer = cell.get_or_init(|| async {
            let answer = look.await;
            self.forget(&hash, cell);
            answer
        });
        let answer = answer.await;
        if Arc::strong_count(cell) > 1 {
            return answer.clone();
        }
        // Nobody else waits, and the map lets go before there is an answer, so nobody will.
        let answer = seat.cell.take().and_then(Arc::into_inner).and_then(OnceCell::into_inner);
        answer.expect("the last one has the cell, and it is filled")
    }

    /// Lets the next one who asks look anew.
    fn forget(&self, hash: &KeyHash, cell: &Arc<OnceCell<T>>) {
        let mut shard = self.shard(hash);
        if shard.get(hash).is_some_and(|under_way| Arc::ptr_eq(under_way, cell)) {
            shard.remove(hash);
        }
    }

    fn shard(&self, hash: &KeyHash) -> MutexGuard<'_, HashMap<KeyHash, Arc<OnceCell<T>>>> {
        let shard = &self.shards[usize::from(hash.as_bytes()[31]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one who waits; the last to leave without an answer clears it away.
struct Seat<'a, T: Clone> {
    looks: &'a Looks<T>,
    hash: KeyHash,
    cell: Option<Arc<OnceCell<T>>>,
}

impl<T: Clone> Drop for Seat<'_, T> {
    fn drop(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        // Counted and let go under the lock, so that of two who leave together one is the last.
        let mut shard = self.looks.shard(&self.hash);
        let last = Arc::strong_count(&cell) == 2;
        if last && shard.get(&self.hash).is_some_and(|under_way| Arc::ptr_eq(under_way, &cell)) {
            shard.remove(&self.hash);
        }
        drop(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};
    use tokio::sync::oneshot;

    fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn key(n: u8) -> KeyHash {
        KeyHash::of(&[n])
    }

    fn under_way(looks: &Looks<u32>) -> usize {
        looks.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }

    #[tokio::test]
    async fn one_look_serves_all_who_ask_at_once() {
        let looks = Looks::new();
        let asked = AtomicUsize::new(0);
        let (answer, come) = oneshot::channel();
        let first = looks.share(key(1), async {
            asked.fetch_add(1, Ordering::Relaxed);
            come.await.unwrap()
        });
        let second = looks.share(key(1), async { unreachable!("another one looks") });
        let other = looks.share(key(2), async { 2 });
        let (mut first, mut second) = (Box::pin(first), Box::pin(second));
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
        assert_eq!(other.await, 2);
        answer.send(1).unwrap();
        assert_eq!(tokio::join!(first, second), (1, 1));
        assert_eq!(asked.into_inner(), 1);
        assert_eq!(under_way(&looks), 0);
    }

    #[tokio::test]
    async fn the_next_one_looks_when_the_first_is_dropped() {
        let looks = Looks::new();
        let mut first = Box::pin(looks.share(key(1), std::future::pending()));
        let mut second = Box::pin(looks.share(key(1), async { 2 }));
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
        drop(first);
        assert_eq!(second.await, 2);
        assert_eq!(under_way(&looks), 0);
    }

    #[tokio::test]
    async fn nothing_stays_when_all_are_dropped() {
        let looks = Looks::<u32>::new();
        let mut waiting: Vec<_> =
            (0..3).map(|_| Box::pin(looks.share(key(1), std::future::pending()))).collect();
        for one in &mut waiting {
            assert!(poll_once(one.as_mut()).is_pending());
        }
        assert_eq!(under_way(&looks), 1);
        drop(waiting);
        assert_eq!(under_way(&looks), 0);
        assert_eq!(looks.share(key(1), async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn who_asks_after_the_answer_looks_anew() {
        let looks = Looks::new();
        let (answer, come) = oneshot::channel();
        let mut first = Box::pin(looks.share(key(1), async { come.await.unwrap() }));
        let mut second = Box::pin(looks.share(key(1), async { unreachable!("another one looks") }));
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
        answer.send(1).unwrap();
        assert_eq!(first.await, 1);
        assert_eq!(looks.share(key(1), async { 3 }).await, 3, "although the second has not been woken yet");
        assert_eq!(second.await, 1);
    }
}
