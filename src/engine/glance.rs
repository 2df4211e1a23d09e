//! A request's own look into the tier that nodes share.
//!
//! On a route of which memory keeps nothing every hit is one in the tier. A fill would find it too, but a task, a flight and a
//! place among its readers cost more than the look itself, and requests for one key share that in the tier already.

use super::Engine;
use super::answer::Answer;
use super::answering::{Asking, REMOTE, Stored};
use super::flights::FlightKey;
use super::lookup::Found;
use super::rules::Collapse;
use crate::invalidation::Verdict;
use crate::semantics::{Decision, decide};
use crate::store::{Looked, RemoteItem};

/// What came of it.
pub(super) enum Glanced {
    Answer(Answer),
    /// A fill is needed; this is what it would find first, where that is known.
    Fill(Option<Looked>),
}

impl Engine {
    /// Looks for a fresh reply, if no fill is under way. Cancelling it loses nothing.
    pub(super) async fn glance(&self, asking: &Asking<'_>, found: &Found, key: FlightKey) -> Glanced {
        let rule = asking.rule;
        let Some(remote) = self.remote.as_ref().filter(|_| rule.remote && !rule.memory) else {
            return Glanced::Fill(None);
        };
        // Hits that renew a lifetime have to write, which fills do; and who is on a fill already will bring it.
        if rule.sliding.is_some() || self.flights.under_way(key) {
            return Glanced::Fill(None);
        }
        let bytes = Self::key_of(rule, asking.request, found);
        match remote.get(found.hash(), &bytes).await {
            Looked::Found(RemoteItem::Entry(mut entry)) => {
                let now = self.clock.now();
                let (verdict, fence) = self.ledger.judge_shared(entry.fence, &entry.bearings);
                let fresh = verdict == Verdict::Live
                    && self.ledger.in_sight(entry.validated_at, now)
                    && decide(&entry.freshness, false, asking.directives.as_ref(), now) == Decision::Fresh;
                if !fresh {
                    return Glanced::Fill(worth_knowing(
                        asking,
                        key,
                        Looked::Found(RemoteItem::Entry(entry)),
                    ));
                }
                if !asking.route.knows(entry.head.told()) {
                    return Glanced::Fill(None);
                }
                asking.route.tell_anew(&mut entry);
                match self.judge(asking, &entry.into_entry(fence), now, REMOTE) {
                    Stored::Answer(answer) => Glanced::Answer(answer),
                    // A purge came between the two looks at the ledger.
                    Stored::Refresh(_) | Stored::Confirm(_) | Stored::Dead => Glanced::Fill(None),
                }
            }
            looked => Glanced::Fill(worth_knowing(asking, key, looked)),
        }
    }
}

/// What was seen, unless it may have been overtaken: a fill that ended in the meantime has left its reply there. Whoever takes
/// the lease of the key looks again in any case; who does not would ask the origin for what is there.
fn worth_knowing(asking: &Asking<'_>, key: FlightKey, seen: Looked) -> Option<Looked> {
    let looks_again = asking.rule.collapse == Collapse::Fleet && !key.credentials;
    match seen {
        Looked::Unavailable => Some(seen),
        Looked::Found(_) | Looked::Nothing => looks_again.then_some(seen),
    }
}
