//! Those who write, and purge what they changed.

use super::{Doubt, Fleet, Node, Purged, TROUBLE, short};
use crate::origin::Page;
use crate::world::{WRITE_BOUND, reaches};
use larder::invalidation::{Appending, IntentId, Invalidation, Matcher, Mode};
use larder::time::Clock;
use std::sync::Arc;
use std::time::Duration;

impl Fleet {
    /// A writer, at any node.
    pub(super) async fn writer(self: Arc<Self>) {
        for _ in 0..1 + self.dice.below(3) {
            self.dice.pause(TROUBLE / 2).await;
            let node = self.node();
            let page = self.dice.pick(&self.origin.pages()).clone();
            self.write(&node, &page).await;
        }
    }

    /// A write: announced, committed, purged for; or lost sight of.
    pub(super) async fn write(&self, node: &Node, page: &Page) {
        let mode = if self.dice.chance(15) { Mode::Soft } else { Mode::Hard };
        let batch = vec![Invalidation { matcher: self.matcher(page), mode }];
        let intent = if self.dice.chance(60) { node.engine.intend(&batch).await } else { None };
        if self.dice.chance(20) && mode == Mode::Hard {
            return self.doubt(node, page, batch, intent).await;
        }
        self.origin.commit(&page.path);
        self.dice.pause(300).await;
        let reached: Vec<_> = (self.origin.pages().iter())
            .filter(|page| reaches(&batch[0].matcher, page) && mode == Mode::Hard)
            .map(|page| (page.path.clone(), page.version))
            .collect();
        let owed = self.cdn.owes(&batch[0], node.id, intent.is_some());
        let appending = Appending { batch, intent, ..Appending::default() };
        let at = node.engine.invalidate_as(appending).await.ok().map(|places| places.last());
        self.cdn.purged(owed, at);
        self.tally.add(if at.is_some() { "purge" } else { "late purge" });
        self.say(|| format!("{} purged {reached:?} at {at:?}", short(node.id)));
        let reported = self.clock.now();
        let purged = |(path, version)| Purged { path, version, by: node.id, at, reported };
        self.purged.lock().unwrap().extend(reached.into_iter().map(purged));
    }

    /// The node cannot tell what becomes of a write; the origin commits it late.
    async fn doubt(&self, node: &Node, page: &Page, batch: Vec<Invalidation>, intent: Option<IntentId>) {
        self.tally.add("in doubt");
        let lost = self.clock.now();
        let announced = intent.is_some();
        let purge = batch[0].clone();
        match intent {
            Some(_) => {
                let appending = Appending { batch, intent, in_doubt: true, ..Appending::default() };
                let _position = node.engine.invalidate_as(appending).await;
            }
            None => node.engine.in_doubt(&batch),
        }
        tokio::time::sleep(Duration::from_millis(self.dice.below(10_000))).await;
        let version = self.origin.commit(&page.path);
        let sure = lost.plus(WRITE_BOUND + Duration::from_secs(10));
        let doubt = Doubt { path: page.path.clone(), version, sure, by: node.id, announced };
        self.doubts.lock().unwrap().push(doubt);
        self.cdn.owes(&purge, node.id, announced);
    }

    fn matcher(&self, page: &Page) -> Matcher {
        let authority = || "shop.example".into();
        match self.dice.below(8) {
            0 => Matcher::Tag(page.tag.into()),
            1 => {
                Matcher::Prefix { authority: authority(), path: page.path.rsplit_once('/').unwrap().0.into() }
            }
            2 => Matcher::All,
            _ => Matcher::Path { authority: authority(), path: page.path.as_str().into() },
        }
    }
}
