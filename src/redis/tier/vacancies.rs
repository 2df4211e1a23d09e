//! Waiting for the end of another node's lease.

use super::super::{Link, Op};
use super::asking::{Asking, Unanswered};
use super::keys::Keys;
use super::leases::LENGTH;
use super::waiters::{Waiter, Waiters};
use crate::key::KeyHash;
use crate::store::Vacated;
use futures_util::StreamExt;
use redis::aio::PubSub;
use redis::{Value, cmd};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How often a lease is looked at when nobody tells of its end: between half and one and a half of it, so that the nodes
/// of a fleet do not all ask at once.
const POLL: Duration = Duration::from_millis(100);

/// How often a lease is looked at by those who are told of its end, scattered alike. A fail-over leaves behind a server that
/// answers as before and is told nothing; for some ten seconds it may be the one that is listened to.
const DOUBT: Duration = Duration::from_millis(300);

/// How often a waiter sees whether Redis is still asked at all, which costs nothing but a load.
const GLANCE: Duration = Duration::from_millis(250);

/// To open the subscription. Nobody waits for it.
const OPEN: Duration = Duration::from_secs(5);

/// Pause before it is opened again. Until then waiters look for themselves, so there is no hurry.
const AGAIN: Duration = Duration::from_millis(500);

/// How often the server is asked whether it still speaks to the subscriber, and how long it may take: a connection that
/// the network forgot looks like one on which nothing is said.
const PULSE: Duration = Duration::from_secs(2);

/// Tells the waiters of this node when a lease ends.
pub(super) struct Vacancies {
    waiters: Waiters,
    /// Whether news come by themselves.
    told: watch::Sender<bool>,
    asking: Asking,
    keys: Arc<Keys>,
    limit: Duration,
}

impl Vacancies {
    pub(super) fn new(asking: Asking, keys: Arc<Keys>, limit: Duration) -> Self {
        Self { waiters: Waiters::default(), told: watch::Sender::new(false), asking, keys, limit }
    }

    /// Waits until the lease of a key has ended, or may have; as long as a lease lasts at most.
    ///
    /// Only its holder's word counts as a release. Of a lease that is gone nobody knows how it went, and where Redis does not
    /// answer the caller's next look will tell.
    pub(super) async fn wait(&self, hash: KeyHash) -> Vacated {
        let waiter = self.waiters.enter(hash);
        let ended = tokio::time::timeout(LENGTH, self.ended(&hash, waiter.as_ref())).await;
        ended.unwrap_or(Vacated::Expired)
    }

    async fn ended(&self, hash: &KeyHash, waiter: Option<&Waiter<'_>>) -> Vacated {
        let mut told = self.told.subscribe();
        loop {
            let hears = *told.borrow_and_update() && waiter.is_some();
            // Listens before it looks: what ends in between is heard of.
            let rings = waiter.map(|waiter| waiter.bell().notified());
            let rings = async {
                match rings {
                    Some(rings) => rings.await,
                    None => std::future::pending().await,
                }
            };
            let looks_again = async {
                let Left::Lasts(left) = self.left(hash).await else { return true };
                tokio::select! {
                    ill = self.pause(next_look(hears, left, rand::random())) => ill,
                    _ = told.changed() => false,
                }
            };
            tokio::select! {
                biased;
                () = rings => return Vacated::Released,
                over = looks_again => if over { return Vacated::Expired },
            }
        }
    }

    /// Waits for `pause`; true, and at once, if Redis is not asked any more.
    async fn pause(&self, mut pause: Duration) -> bool {
        while !pause.is_zero() {
            let part = pause.min(GLANCE);
            tokio::time::sleep(part).await;
            pause -= part;
            if self.asking.is_open() {
                return true;
            }
        }
        false
    }

    async fn left(&self, hash: &KeyHash) -> Left {
        let mut look = cmd("PTTL");
        look.arg(self.keys.lease(hash));
        left(&self.asking.command(Op::Wait, self.limit, &look).await)
    }

    /// Keeps the subscription. Never returns.
    pub(super) async fn listen(&self, link: &Link) {
        loop {
            // To open a connection takes a large future, and is done once in a long while.
            if let Ok(mut subscription) = Box::pin(link.subscriber(self.keys.channel(), OPEN)).await
                && matches!(
                    tokio::time::timeout(OPEN, subscription.subscribe(self.keys.channel())).await,
                    Ok(Ok(()))
                )
            {
                // Every waiter looks once more: what ended while nobody listened is not told again.
                self.told.send_replace(true);
                self.hear(subscription).await;
                self.told.send_replace(false);
            }
            tokio::time::sleep(AGAIN.mul_f64(0.5 + rand::random::<f64>())).await;
        }
    }

    /// Passes news on until the subscription breaks.
    async fn hear(&self, subscription: PubSub) {
        let (mut sink, mut news) = subscription.split();
        let pulse = async {
            loop {
                tokio::time::sleep(PULSE).await;
                if !matches!(tokio::time::timeout(PULSE, sink.ping::<Value>()).await, Ok(Ok(_))) {
                    return;
                }
            }
        };
        let telling = async {
            while let Some(message) = news.next().await {
                if let Ok(hash) = <[u8; 32]>::try_from(message.get_payload_bytes()) {
                    self.waiters.wake(&KeyHash::from_bytes(hash));
                }
            }
        };
        tokio::select! { () = pulse => (), () = telling => () }
    }
}

/// What is left of a lease.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    /// It ends after this, unless it is renewed.
    Lasts(Duration),
    /// It is gone.
    Gone,
    /// Redis does not answer, which the caller will find too.
    Unknown,
}

/// Reads the answer to `PTTL`. Where something stands that never ends, or may not be looked at, others will go on being
/// refused the lease: who waits is told nothing until the length of a lease is over, or he would ask in circles.
fn left(answer: &Result<Value, Unanswered>) -> Left {
    match answer {
        Ok(Value::Int(millis @ 0..)) => Left::Lasts(Duration::from_millis(millis.unsigned_abs()).min(LENGTH)),
        Ok(Value::Int(-2)) => Left::Gone,
        Ok(_) | Err(Unanswered::Refused | Unanswered::Foreign) => Left::Lasts(LENGTH),
        Err(Unanswered::Undone | Unanswered::Doubtful) => Left::Unknown,
    }
}

/// How long to wait until the lease is looked at again that lasts for `left`. `chance` is from 0 to 1.
fn next_look(hears: bool, left: Duration, chance: f64) -> Duration {
    // One millisecond beyond the end, because Redis rounds down.
    let end = left.saturating_add(Duration::from_millis(1));
    let pace = if hears { DOUBT } else { POLL };
    end.min(pace.mul_f64(0.5 + chance.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_read() {
        #[track_caller]
        fn check(answer: &Result<Value, Unanswered>, expected: &Left) {
            assert_eq!(&left(answer), expected, "{answer:?}");
        }
        check(&Ok(Value::Int(700)), &Left::Lasts(Duration::from_millis(700)));
        check(&Ok(Value::Int(0)), &Left::Lasts(Duration::ZERO));
        check(&Ok(Value::Int(3_600_000)), &Left::Lasts(LENGTH));
        check(&Ok(Value::Int(-2)), &Left::Gone);
        check(&Ok(Value::Int(-1)), &Left::Lasts(LENGTH));
        check(&Ok(Value::Nil), &Left::Lasts(LENGTH));
        check(&Err(Unanswered::Refused), &Left::Lasts(LENGTH));
        check(&Err(Unanswered::Undone), &Left::Unknown);
        check(&Err(Unanswered::Doubtful), &Left::Unknown);
    }

    #[test]
    fn a_lease_is_looked_at_at_its_end_or_time_and_again() {
        #[track_caller]
        fn check(hears: bool, left: u64, chance: f64, expected: u64) {
            let pause = next_look(hears, Duration::from_millis(left), chance);
            assert_eq!(pause, Duration::from_millis(expected));
        }
        check(true, 2000, 0.0, 150);
        check(true, 2000, 0.5, 300);
        check(true, 200, 0.5, 201);
        check(true, 0, 0.5, 1);
        check(false, 2000, 0.0, 50);
        check(false, 2000, 0.5, 100);
        check(false, 2000, 1.0, 150);
        check(false, 20, 1.0, 21);
        check(false, 2000, 7.0, 150);
    }
}
