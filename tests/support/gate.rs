//! A point that an origin does not pass until the test says so.

use super::within;
use std::sync::Arc;
use tokio::sync::watch;

/// A gate, shut when made. Clones are the same gate.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<State>);

#[derive(Debug)]
struct State {
    open: watch::Sender<bool>,
    arrivals: watch::Sender<usize>,
}

impl Gate {
    /// A shut gate.
    pub(crate) fn shut() -> Self {
        Self(Arc::new(State { open: watch::Sender::new(false), arrivals: watch::Sender::new(0) }))
    }

    /// Lets everything pass, now and later.
    pub(crate) fn open(&self) {
        self.0.open.send_replace(true);
    }

    /// Waits until something stands before the gate, or has gone through it.
    pub(crate) async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Waits until `count` arrivals were seen.
    pub(crate) async fn reached_by(&self, count: usize) {
        let mut arrivals = self.0.arrivals.subscribe();
        let reached = arrivals.wait_for(|seen| *seen >= count);
        within("the origin reaches the gate", reached).await.expect("the gate holds the sender");
    }

    /// Arrives, and waits until the gate is open.
    pub(super) async fn pass(&self) {
        self.0.arrivals.send_modify(|seen| *seen += 1);
        let mut open = self.0.open.subscribe();
        open.wait_for(|open| *open).await.expect("the gate holds the sender");
    }
}
