//! The API of the CDN: late, throttled, away, done although it looks refused, done some time after it was accepted.

use super::{Cdn, Made};
use crate::fleet::short;
use async_trait::async_trait;
use larder::cdn::{Call, CallError, Limits, Provider, Target};
use larder::fleet::NodeId;
use larder::time::Clock;
use std::time::Duration;
use tokio::time::sleep;

/// The API as one node calls it.
pub(in crate::fleet) struct Api {
    cdn: Cdn,
    node: NodeId,
}

impl Cdn {
    /// The API as `node` calls it.
    pub(in crate::fleet) fn called_by(&self, node: NodeId) -> Api {
        Api { cdn: self.clone(), node }
    }

    /// A call begins, with what all nodes have applied by then.
    fn begin(&self, call: &Call) -> Made {
        let now = self.clock.now();
        let mut inner = self.lock();
        let (order, spread) = (inner.next(), inner.spread(now));
        Made { targets: call.targets.clone(), begun: now, order, done: None, spread }
    }

    /// It is taken; returns its number.
    fn take(&self, made: Made) -> usize {
        let mut inner = self.lock();
        inner.made.push(made);
        inner.made.len() - 1
    }

    /// It is done.
    fn purge(&self, number: usize, call: &Call) {
        let now = self.clock.now();
        let mut inner = self.lock();
        inner.made[number].done = Some(now);
        inner.purge(call.mode, now, |key, words| {
            call.targets.iter().any(|target| self.manners.is_meant(&self.limits, target, key, words))
        });
    }
}

/// What it does with a call.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Takes,
    /// At once, and does it later.
    Accepts,
    /// But nobody hears of it.
    TakesUnheard,
    Throttles,
    Refuses,
    Hangs,
}

impl Api {
    fn answer(&self) -> Answer {
        let Cdn { dice, unsteady, .. } = &self.cdn;
        if self.cdn.lock().well || !dice.chance(*unsteady) {
            return if dice.chance(15) { Answer::Accepts } else { Answer::Takes };
        }
        match dice.below(10) {
            0..4 => Answer::Throttles,
            4..7 => Answer::TakesUnheard,
            7..9 => Answer::Hangs,
            _ => Answer::Refuses,
        }
    }

    fn later(&self, kind: &'static str, after: Option<u64>) -> CallError {
        self.cdn.count(kind);
        CallError::Later { kind, reason: kind.to_owned(), after: after.map(Duration::from_millis) }
    }
}

/// Targets of a call that is under way.
struct UnderWay<'a>(&'a Api, &'a [Target]);

impl<'a> UnderWay<'a> {
    fn of(api: &'a Api, call: &'a Call) -> Self {
        let mut inner = api.cdn.lock();
        for target in &call.targets {
            let one = (api.node, target.clone());
            if inner.under_way.contains(&one) {
                inner.wrong.push(format!("{target:?} is in two calls at once"));
            }
            inner.under_way.push(one);
        }
        drop(inner);
        Self(api, &call.targets)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let Self(api, targets) = self;
        let mut inner = api.cdn.lock();
        inner.under_way.retain(|(node, target)| *node != api.node || !targets.contains(target));
    }
}

#[async_trait]
impl Provider for Api {
    fn limits(&self) -> &Limits {
        &self.cdn.limits
    }

    async fn send(&self, call: &Call) -> Result<(), CallError> {
        let dice = &self.cdn.dice;
        let _under_way = UnderWay::of(self, call);
        let made = self.cdn.begin(call);
        dice.pause(200).await;
        let answer = self.answer();
        self.cdn.say(|| format!("{} calls {call:?}: {answer:?}", short(self.node)));
        match answer {
            Answer::Takes => {
                let number = self.cdn.take(made);
                self.cdn.purge(number, call);
                dice.pause(200).await;
                Ok(())
            }
            Answer::Accepts => {
                self.cdn.count("accepted");
                let number = self.cdn.take(made);
                let (cdn, call, late) = (self.cdn.clone(), call.clone(), dice.below(3_000));
                tokio::spawn(async move {
                    sleep(Duration::from_millis(late)).await;
                    cdn.purge(number, &call);
                });
                Ok(())
            }
            Answer::TakesUnheard => {
                let number = self.cdn.take(made);
                self.cdn.purge(number, call);
                dice.pause(1_000).await;
                Err(self.later("connect", None))
            }
            Answer::Throttles => Err(self.later("throttled", Some(dice.below(4_000)))),
            Answer::Hangs => {
                self.cdn.count("hung");
                std::future::pending().await
            }
            Answer::Refuses => {
                self.cdn.count("refused");
                Err(CallError::Refused { reason: "no".to_owned() })
            }
        }
    }
}
