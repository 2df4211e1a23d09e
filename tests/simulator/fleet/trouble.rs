//! What the server of the log, the tier and the nodes do to each other.

use super::{Fleet, TROUBLE, short};
use crate::reader::Visit;
use larder::time::Clock;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;

impl Fleet {
    /// For as long as a world has troubles.
    pub(super) async fn trouble(self: Arc<Self>) {
        let end = self.clock.now().plus(Duration::from_millis(TROUBLE));
        while self.clock.now() < end {
            self.dice.pause(4_000).await;
            match self.dice.below(8) {
                0 if self.unsteady => {
                    self.say(|| "the log fails over".to_owned());
                    self.tally.add("fail-over");
                    self.server.fail_over();
                }
                1 if self.unsteady && self.dice.chance(40) => {
                    self.say(|| "the log is forgotten".to_owned());
                    self.tally.add("birth");
                    self.server.forget();
                }
                2 => {
                    let id = self.node().id;
                    self.say(|| format!("{} is cut off", short(id)));
                    self.tally.add("cut");
                    self.server.cut(id);
                    tokio::time::sleep(Duration::from_millis(self.dice.below(12_000))).await;
                    self.say(|| format!("{} is back", short(id)));
                    self.server.mend(id);
                }
                3 if self.dice.chance(50) => {
                    self.tally.add("crash");
                    let fresh = self.start_node();
                    let mut nodes = self.nodes.lock().unwrap();
                    let at = self.dice.below(nodes.len() as u64) as usize;
                    let gone = std::mem::replace(&mut nodes[at], fresh);
                    self.say(|| format!("{} crashed; {} starts", short(gone.id), short(nodes[at].id)));
                    gone.tasks.iter().for_each(AbortHandle::abort);
                    self.server.bury(gone.id);
                    self.cdn.leave(gone.id);
                    gone.ended.cancel();
                    self.crashed.lock().unwrap().push(gone.id);
                }
                4 => {
                    self.tier.away(true);
                    tokio::time::sleep(Duration::from_millis(self.dice.below(4_000))).await;
                    self.tier.away(false);
                }
                5 => self.tier.remember(),
                6 => self.tier.go_back(),
                _ => {}
            }
        }
        self.server.heal();
        self.cdn.heal();
        self.tier.away(false);
    }

    /// A node is cut off for so long that the others do not wait for it any more. It goes on serving, clients and the CDN.
    pub(super) async fn hermit(self: Arc<Self>) {
        self.dice.pause(4_000).await;
        let node = self.node();
        self.say(|| format!("{} is cut off for long", short(node.id)));
        self.server.cut(node.id);
        tokio::time::sleep(Duration::from_millis(11_000 + self.dice.below(10_000))).await;
        for _ in 0..self.dice.below(6) {
            let page = self.dice.pick(&self.origin.pages()).clone();
            let visit = Visit::plain(&page.path);
            self.visit(&node, &visit, self.must_have(&node, &page.path)).await;
            self.write(&self.node(), &page).await;
            self.dice.pause(2_000).await;
            self.fill_cdn(&node, &self.cdn.asked_for(page.path)).await;
            self.dice.pause(4_000).await;
        }
        self.server.mend(node.id);
    }
}
