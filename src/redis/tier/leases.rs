//! Leases: who of the fleet fills a key.

use super::super::{Op, Script, Verdict};
use super::asking::{Asking, Unanswered, verdict};
use super::keys::Keys;
use super::outgoing::Outgoing;
use super::queue::Release;
use crate::key::KeyHash;
use crate::store::{Lease, Leased};
use futures_util::future::join_all;
use redis::{Value, cmd};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a lease outlives its holder. It is renewed three times in the meantime, so one or two renewals may be lost; and
/// who waits for a holder that died waits no longer than a slow origin takes.
pub(super) const LENGTH: Duration = Duration::from_secs(1);

/// Renewals sent together.
const TOGETHER: usize = 64;

/// Renews a lease that is still the caller's; 0 if it is not.
const RENEW: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";

/// Ends a lease that is still the caller's, and tells all who wait for it. In one step, so that nobody is told of a lease
/// that is not over, or another one's.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
    redis.call('DEL', KEYS[1]) redis.call('PUBLISH', ARGV[2], ARGV[3]) return 1";

/// The leases that this node holds.
pub(super) struct Leases {
    held: Mutex<HashMap<KeyHash, u128>>,
    asking: Asking,
    keys: Arc<Keys>,
    outgoing: Arc<Outgoing>,
    limit: Duration,
    renew: Script,
    release: Script,
}

impl Leases {
    pub(super) fn new(asking: Asking, keys: Arc<Keys>, outgoing: Arc<Outgoing>, limit: Duration) -> Self {
        Self {
            held: Mutex::default(),
            asking,
            keys,
            outgoing,
            limit,
            renew: Script::new(RENEW),
            release: Script::new(RELEASE),
        }
    }

    /// Asks for the lease of a key.
    pub(super) async fn acquire(self: &Arc<Self>, hash: KeyHash) -> Leased {
        let token = rand::random();
        let mut set = cmd("SET");
        set.arg(self.keys.lease(&hash))
            .arg(&u128::to_be_bytes(token))
            .arg("NX")
            .arg("PX")
            .arg(millis(LENGTH));
        // From here on it may be ours, also when the caller leaves or the answer is lost: then it is given back.
        let brought = Mutex::default();
        let lease = Held { leases: Arc::clone(self), hash, token, release: true, brought };
        match self.asking.command(Op::Lease, self.limit, &set).await {
            Ok(Value::Okay) => {
                self.held().insert(hash, token);
                Leased::Held(Box::new(lease))
            }
            Ok(Value::Nil) => {
                lease.disown();
                Leased::Taken
            }
            Ok(_) | Err(Unanswered::Doubtful) => Leased::Unavailable,
            Err(Unanswered::Undone | Unanswered::Refused | Unanswered::Foreign) => {
                lease.disown();
                Leased::Unavailable
            }
        }
    }

    /// Renews the leases that are held, time and again. Never returns.
    pub(super) async fn keep(&self) {
        loop {
            tokio::time::sleep(LENGTH / 3).await;
            let held: Vec<_> = self.held().iter().map(|(hash, token)| (*hash, *token)).collect();
            for some in held.chunks(TOGETHER) {
                join_all(some.iter().map(|(hash, token)| self.renew(*hash, *token))).await;
            }
        }
    }

    /// Renews one. If another node has it by now, its holder goes on filling alone.
    async fn renew(&self, hash: KeyHash, token: u128) {
        let (key, length) = (self.keys.lease(&hash), millis(LENGTH).to_string());
        let args = [&token.to_be_bytes()[..], length.as_bytes()];
        // One that hangs must not make the others late.
        let limit = self.limit.min(LENGTH / 6);
        let answer = self.asking.script(Op::Lease, limit, &self.renew, &key, &args).await;
        if matches!(answer, Ok(Value::Int(0))) {
            tracing::debug!(?hash, "a lease was lost");
            self.forget(&hash, token);
        }
    }

    /// Ends one, if it is still held. If that fails the lease ends by itself, which is what leases are for.
    ///
    /// It goes out with a batch of writes and by its leave: a breaker that lets few by just then would keep those waiting whose
    /// reply the batch has brought.
    pub(super) async fn release(&self, release: Release) -> Verdict {
        let Release { hash, token, brought: _ } = release;
        let args = [&token.to_be_bytes()[..], self.keys.channel(), &hash.as_bytes()[..]];
        let key = self.keys.lease(&hash);
        let released =
            self.asking.link.script::<Value>(Op::Lease, self.limit, &self.release, &[&key], &args).await;
        verdict(released.as_ref().err())
    }

    fn forget(&self, hash: &KeyHash, token: u128) {
        let mut held = self.held();
        if held.get(hash) == Some(&token) {
            held.remove(hash);
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<KeyHash, u128>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lease of this node; dropped, it is released behind what was put before.
struct Held {
    leases: Arc<Leases>,
    hash: KeyHash,
    token: u128,
    release: bool,
    brought: Mutex<Vec<KeyHash>>,
}

impl Held {
    /// It never was ours.
    fn disown(mut self) {
        self.release = false;
    }
}

impl Lease for Held {
    fn brings(&self, hash: KeyHash) {
        self.brought.lock().unwrap_or_else(PoisonError::into_inner).push(hash);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Self { leases, hash, token, release, brought } = self;
        leases.forget(hash, *token);
        if *release {
            let brought = std::mem::take(brought.get_mut().unwrap_or_else(PoisonError::into_inner));
            leases.outgoing.release(Release { hash: *hash, token: *token, brought });
        }
    }
}

/// As Redis wants it.
fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
