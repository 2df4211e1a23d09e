//! Lifetimes that each hit renews.

use super::Engine;
use super::rules::CacheRule;
use crate::key::KeyHash;
use crate::semantics::{Credentials, Departure, Exchange, LifetimeSource, assess};
use crate::store::{Entry, EntryParts};
use crate::time::Timestamp;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

impl Engine {
    /// Renews the lifetime of an entry that was hit, under a rule that says so, up to a bound after it was generated. Done
    /// when half of a lifetime is over, so that hits in between cost nothing.
    #[inline]
    pub(super) fn slide(&self, rule: &CacheRule, hash: KeyHash, entry: &Arc<Entry>, now: Timestamp) {
        if let Some(longest) = rule.sliding {
            self.renew(rule, longest, hash, entry, now);
        }
    }

    fn renew(&self, rule: &CacheRule, longest: Duration, hash: KeyHash, entry: &Arc<Entry>, now: Timestamp) {
        let left = entry.freshness.fresh_until().since(now);
        let Some(lifetime) = one_lifetime(rule, entry, now).filter(|lifetime| left <= *lifetime / 2) else {
            return;
        };
        let next = (entry.freshness.age(now) + lifetime).min(longest);
        if next <= entry.freshness.lifetime {
            return;
        }
        let EntryParts { key, head, body, freshness, validators, validated_at, fence, bearings } =
            entry.parts();
        let mut freshness = freshness.clone();
        freshness.lifetime = next;
        freshness.departure.get_or_insert(Departure::Sliding);
        let renewed = Entry::new(EntryParts {
            key: key.clone(),
            head: head.clone(),
            body: body.clone(),
            freshness,
            validators: validators.clone(),
            validated_at: *validated_at,
            fence: *fence,
            bearings: bearings.clone(),
        });
        self.keep(rule, hash, &Arc::new(renewed), now);
        if let Some(remote) = self.remote.clone().filter(|_| rule.remote) {
            let stay = lifetime.min(entry.freshness.born.plus(next).since(now));
            self.tasks.spawn(async move { remote.touch(hash, stay).await });
        }
    }
}

/// The lifetime the reply had when it came.
fn one_lifetime(rule: &CacheRule, entry: &Entry, now: Timestamp) -> Option<Duration> {
    if entry.freshness.source == LifetimeSource::Rule && entry.head.status() == StatusCode::OK {
        return rule.freshness.ttl;
    }
    let exchange = Exchange {
        credentials: Credentials::default(),
        status: entry.head.status(),
        headers: &entry.head.to_headers(),
        requested_at: now,
        received_at: now,
    };
    assess(&rule.freshness, &exchange).ok().map(|freshness| freshness.lifetime)
}
