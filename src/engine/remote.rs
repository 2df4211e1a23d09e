//! A fill and the tier that many nodes share: it looks there before it asks the origin, agrees with the fills of other
//! nodes who asks, and leaves there what it brought.

use super::fill::{Errand, Fill, StoredKey};
use super::flight::Landing;
use super::rules::Collapse;
use crate::invalidation::Verdict;
use crate::key::KeyHash;
use crate::semantics::{Decision, decide};
use crate::store::{Entry, Lease, Leased, Looked, Remote, RemoteEntry, RemoteItem, Vacated};
use crate::time::Timestamp;
use http::HeaderName;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long a fill waits for those of other nodes, one after the other. As long as one of them lives it is waiting for the
/// origin, as this one would; beyond this the origin is asked side by side.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it is remembered in memory what the origin varies on, if only the remote tier said so. It is looked up again
/// when that is over.
const VARIES_FOR: Duration = Duration::from_secs(3600);

/// What came of consulting the remote tier.
pub(super) enum Consulted {
    /// The flight has landed with what was there.
    Landed(&'static str),
    /// The origin is to be asked, under this lease if there is one.
    AskOrigin(Option<Box<dyn Lease>>),
}

/// What a look brought.
enum Look {
    Landed(&'static str),
    Nothing,
    Unavailable,
}

impl Fill {
    /// Looks for a reply that another node brought; where there is none, waits for one that another node is bringing.
    pub(super) async fn consult(&mut self) -> Consulted {
        let Some(remote) = self.remote().filter(|_| self.errand != Errand::AskOrigin) else {
            return Consulted::AskOrigin(None);
        };
        match self.look(&*remote).await {
            Look::Landed(word) => return Consulted::Landed(word),
            Look::Unavailable => return Consulted::AskOrigin(None),
            Look::Nothing => {}
        }
        // What is tied to credentials is of no use to others, so nobody waits for it.
        if self.rule().collapse != Collapse::Fleet || self.key.credentials {
            return Consulted::AskOrigin(None);
        }
        self.agree(&*remote).await
    }

    /// Waits until this fill holds the lease of its key, or until another node brought the reply or could not.
    async fn agree(&mut self, remote: &dyn Remote) -> Consulted {
        let deadline = Instant::now() + PATIENCE;
        let mut given_up = false;
        loop {
            let asked_for = self.looked_for().hash;
            let lease = match remote.lease(asked_for).await {
                Leased::Held(lease) => Some(lease),
                Leased::Taken => None,
                Leased::Unavailable => return Consulted::AskOrigin(None),
            };
            // Whoever gives up a lease has left its reply before: the look that comes after cannot miss it.
            let vacated = match &lease {
                Some(_) => Vacated::Expired,
                None => match timeout_at(deadline, remote.vacated(asked_for)).await {
                    Ok(vacated) => vacated,
                    Err(_) => return Consulted::AskOrigin(None),
                },
            };
            match (self.look(remote).await, lease, vacated) {
                (Look::Landed(word), ..) => return Consulted::Landed(word),
                // It turned out to be the lease of another key: the reply varies.
                (Look::Nothing, Some(lease), _) if self.looked_for().hash != asked_for => drop(lease),
                (Look::Nothing, Some(lease), _) => return Consulted::AskOrigin(Some(lease)),
                (Look::Nothing, None, Vacated::Expired) if Instant::now() < deadline => {}
                // The holder brought another variant: this one has a lease of its own.
                (Look::Nothing, None, Vacated::Released) if self.looked_for().hash != asked_for => {}
                // It may have been purged while it arrived: once more. One that may not be shared is so the second time, too.
                (Look::Nothing, None, Vacated::Released) if !given_up => given_up = true,
                // What its holder brought was not to be shared, so there is nothing to wait for.
                (Look::Nothing | Look::Unavailable, ..) => return Consulted::AskOrigin(None),
            }
        }
    }

    /// Leaves a reply for the other nodes. Returns when it is there, if that is how the tier writes.
    pub(super) async fn leave(
        &self,
        hash: KeyHash,
        entry: &Arc<Entry>,
        now: Timestamp,
        lease: Option<&dyn Lease>,
    ) {
        let (Some(remote), Some(fence)) = (self.remote(), self.shared) else { return };
        let usable = entry.freshness.keep_for(now, entry.validators.any());
        let keep = match self.rule().sliding {
            // There each hit lets it stay for another lifetime, so that what is not asked for goes.
            Some(_) => entry.freshness.fresh_until().since(now),
            None => usable,
        };
        if keep.is_zero() {
            return;
        }
        if let Some(names) = self.varies_on.get().filter(|names| !names.is_empty()) {
            let marker = RemoteItem::Variants { key: self.primary.bytes.clone(), names: Arc::clone(names) };
            // No shorter than any node remembers it, so that all of them have the same lease for a variant.
            let known = keep.max(entry.freshness.keep_for(now, true));
            remote.put(self.primary.hash, marker, known).await;
        }
        remote.put(hash, RemoteItem::Entry(RemoteEntry::of(entry, fence)), keep).await;
        if let Some(lease) = lease {
            lease.brings(self.primary.hash);
            lease.brings(hash);
        }
    }

    /// Whether a body of this length comes to stand where other nodes find it.
    pub(super) fn is_for_others(&self, length: u64) -> bool {
        self.remote().is_some_and(|remote| remote.takes(length))
    }

    fn remote(&self) -> Option<Arc<dyn Remote>> {
        self.engine.remote.clone().filter(|_| self.rule().remote)
    }

    /// The key of the request, as far as it is known what the origin varies on.
    fn looked_for(&self) -> StoredKey {
        match self.varies_on.get() {
            Some(names) => self.primary.variant(names, self.flight().asked()),
            None => self.primary.clone(),
        }
    }

    /// Looks under the key of the request, and under that of its variant where it turns out that there are some.
    async fn look(&mut self, remote: &dyn Remote) -> Look {
        loop {
            let key = self.looked_for();
            let looked = match self.seen.take() {
                Some(seen) => seen,
                None => remote.get(key.hash, &key.bytes).await,
            };
            match looked {
                Looked::Found(RemoteItem::Entry(entry)) => return self.take(remote, entry, &key).await,
                // Once: variants of a variant nobody writes.
                Looked::Found(RemoteItem::Variants { names, .. }) if self.learn(&names) => {}
                Looked::Found(RemoteItem::Variants { .. }) | Looked::Nothing => return Look::Nothing,
                Looked::Unavailable => return Look::Unavailable,
            }
        }
    }

    /// Notes what the origin varies on. `false`: it was known before, or it is too much to be told apart.
    fn learn(&self, names: &[HeaderName]) -> bool {
        if self.varies_on.get().is_some() {
            return false;
        }
        self.ticket.is_variant(self.primary.variant(names, self.flight().asked()).hash);
        let memory = &self.engine.memory;
        let names = memory.put_variants(self.primary.hash, &self.primary.bytes, names, VARIES_FOR);
        names.is_some_and(|names| self.varies_on.set(names).is_ok())
    }

    /// Judges what was found: fit for those who wait, worth confirming, or of no use.
    async fn take(&mut self, remote: &dyn Remote, mut found: RemoteEntry, key: &StoredKey) -> Look {
        let engine = Arc::clone(&self.engine);
        let now = engine.clock.now();
        // The clock of the node that stored it may be ahead.
        found.validated_at = found.validated_at.min(now);
        let (verdict, fence) = engine.ledger.judge_shared(found.fence, &found.bearings);
        if verdict == Verdict::Dead || !self.route.knows(found.head.told()) {
            return Look::Nothing;
        }
        let renewed = self.rule().sliding.map(|longest| {
            let lifetime = found.freshness.lifetime;
            // It is there, so the last hit was less than a lifetime ago, and this is the next.
            found.freshness.lifetime = (found.freshness.age(now) + lifetime).min(longest);
            lifetime
        });
        let fit = verdict.may_serve()
            && engine.ledger.in_sight(found.validated_at, now)
            && match decide(&found.freshness, verdict == Verdict::Stale, None, now) {
                Decision::Fresh => true,
                Decision::StaleWhileRevalidate => self.errand == Errand::Answer,
                Decision::Revalidate(_) | Decision::NotCached => false,
            };
        self.route.tell_anew(&mut found);
        let entry = Arc::new(found.into_entry(fence));
        if !fit {
            let older = |(_, known): &(KeyHash, Arc<Entry>)| known.validated_at < entry.validated_at;
            if self.stored.as_ref().is_none_or(older) {
                self.stored = Some((key.hash, entry));
            }
            return Look::Nothing;
        }
        if let Some(lifetime) = renewed {
            remote.touch(key.hash, lifetime.min(entry.freshness.fresh_until().since(now))).await;
        }
        self.keep_in_memory(key.hash, &entry, now);
        let names = self.varies_on.get().cloned().unwrap_or_default();
        self.flight().land(Landing::Stored(entry, names));
        Look::Landed("remote")
    }
}
