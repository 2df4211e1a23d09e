//! Who waits for the end of which lease.

use crate::key::KeyHash;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Keys waited for at most. Each is a fill that is under way, of which there are never so many; more of them ask Redis from
/// time to time instead.
const MAX_KEYS: usize = 16 << 10;

/// Those of this node who wait for the end of a lease, by key.
#[derive(Default)]
pub(super) struct Waiters {
    keys: Mutex<HashMap<KeyHash, Bell>>,
}

#[derive(Default)]
struct Bell {
    notify: Arc<Notify>,
    seats: usize,
}

impl Waiters {
    /// Waits from now on; `None` if too many do.
    pub(super) fn enter(&self, hash: KeyHash) -> Option<Waiter<'_>> {
        let mut keys = self.keys();
        if keys.len() >= MAX_KEYS && !keys.contains_key(&hash) {
            return None;
        }
        let bell = keys.entry(hash).or_default();
        bell.seats += 1;
        Some(Waiter { waiters: self, hash, notify: Arc::clone(&bell.notify) })
    }

    /// The lease of this key has ended.
    pub(super) fn wake(&self, hash: &KeyHash) {
        if let Some(bell) = self.keys().get(hash) {
            bell.notify.notify_waiters();
        }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<KeyHash, Bell>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one who waits.
pub(super) struct Waiter<'a> {
    waiters: &'a Waiters,
    hash: KeyHash,
    notify: Arc<Notify>,
}

impl Waiter<'_> {
    /// Where the news comes. [`Notify::notified`] hears of what happens after it was called.
    pub(super) fn bell(&self) -> &Notify {
        &self.notify
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut keys = self.waiters.keys();
        if let Some(bell) = keys.get_mut(&self.hash) {
            bell.seats -= 1;
            if bell.seats == 0 {
                keys.remove(&self.hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: usize) -> KeyHash {
        KeyHash::of(&n.to_le_bytes())
    }

    #[tokio::test]
    async fn all_who_wait_for_a_key_are_woken() {
        let waiters = Waiters::default();
        let (one, two) = (waiters.enter(hash(1)).unwrap(), waiters.enter(hash(1)).unwrap());
        let other = waiters.enter(hash(2)).unwrap();
        let (one_rings, two_rings, other_rings) =
            (one.bell().notified(), two.bell().notified(), other.bell().notified());
        waiters.wake(&hash(1));
        tokio::join!(one_rings, two_rings);
        waiters.wake(&hash(3));
        waiters.wake(&hash(2));
        other_rings.await;
        drop((one, two, other));
        assert!(waiters.keys().is_empty());
    }

    #[test]
    fn keys_are_bounded() {
        let waiters = Waiters::default();
        let mut waiting: Vec<_> = (0..MAX_KEYS).map(|n| waiters.enter(hash(n)).unwrap()).collect();
        assert!(waiters.enter(hash(MAX_KEYS)).is_none());
        assert!(waiters.enter(hash(0)).is_some(), "that key is waited for already");
        waiting.pop();
        assert!(waiters.enter(hash(MAX_KEYS)).is_some());
    }
}
