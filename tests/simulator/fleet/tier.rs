//! The tier that the nodes of a world share: late, lost, unreachable, full of what it held some time ago.

use super::Tally;
use crate::random::Dice;
use async_trait::async_trait;
use bytes::Bytes;
use larder::key::KeyHash;
use larder::store::{Compression, Lease, Leased, Looked, Remote, RemoteItem, Vacated, decode, encode};
use larder::time::{Clock, SystemClock, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// The length of a lease.
const LEASE: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Inner {
    items: HashMap<KeyHash, (Bytes, Timestamp)>,
    /// What it held some time ago.
    before: HashMap<KeyHash, (Bytes, Timestamp)>,
    leases: HashMap<KeyHash, (u64, Timestamp)>,
    /// Whether it cannot be reached.
    away: bool,
}

/// The tier, shared by all nodes.
#[derive(Clone)]
pub(super) struct Tier {
    inner: Arc<Mutex<Inner>>,
    released: Arc<Notify>,
    dice: Dice,
    clock: SystemClock,
    tally: Tally,
}

impl Tier {
    pub(super) fn new(dice: &Dice, clock: SystemClock, tally: Tally) -> Self {
        Self { inner: Arc::default(), released: Arc::default(), dice: dice.clone(), clock, tally }
    }

    pub(super) fn away(&self, away: bool) {
        self.lock().away = away;
    }

    /// It remembers what it holds, …
    pub(super) fn remember(&self) {
        let mut inner = self.lock();
        inner.before = inner.items.clone();
    }

    /// … and goes back to that: a replica takes over, or a backup.
    pub(super) fn go_back(&self) {
        let mut inner = self.lock();
        inner.items = inner.before.clone();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

#[async_trait]
impl Remote for Tier {
    async fn get(&self, hash: KeyHash, key: &[u8]) -> Looked {
        self.dice.pause(20).await;
        let now = self.clock.now();
        let found = {
            let inner = self.lock();
            if inner.away || self.dice.chance(3) {
                return Looked::Unavailable;
            }
            inner.items.get(&hash).filter(|(_, until)| now < *until).cloned()
        };
        // What was read may be long in coming.
        self.dice.pause(20).await;
        match found.map(|(bytes, _)| decode(&bytes, key, 1 << 20)) {
            Some(Ok(item)) => {
                self.tally.add("remote");
                Looked::Found(item)
            }
            Some(Err(error)) => panic!("{error}"),
            None => Looked::Nothing,
        }
    }

    fn takes(&self, _length: u64) -> bool {
        true
    }

    async fn put(&self, hash: KeyHash, item: RemoteItem, keep: Duration) {
        let bytes = Bytes::from(encode(&item, Compression::Off));
        let tier = self.clone();
        let late = self.dice.chance(50);
        let write = async move {
            // A write that goes behind may overtake others, or be dropped.
            tier.dice.pause(if late { 300 } else { 10 }).await;
            let until = tier.clock.now().plus(keep);
            let mut inner = tier.lock();
            if !inner.away && !tier.dice.chance(5) {
                inner.items.insert(hash, (bytes, until));
            }
        };
        if late { drop(tokio::spawn(write)) } else { write.await }
    }

    async fn touch(&self, hash: KeyHash, keep: Duration) {
        let until = self.clock.now().plus(keep);
        if let Some((_, there)) = self.lock().items.get_mut(&hash) {
            *there = until;
        }
    }

    async fn lease(&self, hash: KeyHash) -> Leased {
        self.dice.pause(10).await;
        let now = self.clock.now();
        let mut inner = self.lock();
        if inner.away {
            return Leased::Unavailable;
        }
        if inner.leases.get(&hash).is_some_and(|(_, until)| now < *until) {
            return Leased::Taken;
        }
        let token = self.dice.next();
        inner.leases.insert(hash, (token, now.plus(LEASE)));
        drop(inner);
        Leased::Held(Box::new(Held::new(self.clone(), hash, token)))
    }

    async fn vacated(&self, hash: KeyHash) -> Vacated {
        let gone = async {
            loop {
                let released = self.released.notified();
                if !self.lock().leases.contains_key(&hash) {
                    return;
                }
                released.await;
            }
        };
        match timeout(LEASE, gone).await {
            Ok(()) => Vacated::Released,
            Err(_) => Vacated::Expired,
        }
    }
}

/// A lease that is renewed while it is held.
struct Held {
    tier: Tier,
    hash: KeyHash,
    token: u64,
    renewal: tokio::task::JoinHandle<()>,
}

impl Held {
    fn new(tier: Tier, hash: KeyHash, token: u64) -> Self {
        let renewing = tier.clone();
        let renewal = tokio::spawn(async move {
            loop {
                sleep(LEASE / 3).await;
                let until = renewing.clock.now().plus(LEASE);
                let mut inner = renewing.lock();
                match inner.leases.get_mut(&hash) {
                    Some((holder, there)) if *holder == token && !renewing.dice.chance(10) => *there = until,
                    _ => {}
                }
            }
        });
        Self { tier, hash, token, renewal }
    }
}

impl Lease for Held {
    fn brings(&self, _hash: KeyHash) {}
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewal.abort();
        let mut inner = self.tier.lock();
        if inner.leases.get(&self.hash).is_some_and(|(token, _)| *token == self.token) {
            inner.leases.remove(&self.hash);
        }
        drop(inner);
        self.tier.released.notify_waiters();
    }
}
