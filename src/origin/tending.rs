//! The background work of one origin: following its names and checking its servers.

use super::upstream::Upstream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// From one look-up of names to the next. The system's resolver tells no lifetimes; services of Kubernetes are published
/// with 5 s (pods) to 30 s, and a server that has moved is avoided meanwhile.
const LOOK_UP_EVERY: Duration = Duration::from_secs(10);
/// The same while some name has never resolved: whoever starts before its origin should not wait for it longer.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(1);

/// Told when a round that was asked for is done.
type Done = oneshot::Sender<()>;

/// What is done again and again.
#[derive(Clone, Copy)]
enum Round {
    Names,
    Checks,
}

impl Round {
    async fn run(self, upstream: &Upstream) {
        match self {
            Self::Names => upstream.resolve().await,
            Self::Checks => {
                upstream.first_resolution().await;
                upstream.check().await;
            }
        }
    }

    /// From the end of one round to the next; `None`: there is nothing that could change by itself.
    fn pause(self, upstream: &Upstream) -> Option<Duration> {
        match self {
            Self::Names if upstream.discovery().incomplete() => Some(LOOK_UP_AGAIN),
            Self::Names => upstream.discovery().has_names().then_some(LOOK_UP_EVERY),
            Self::Checks => upstream.check_interval,
        }
    }
}

/// Asks the background task of an origin for a round before its time.
pub(super) struct Nudge {
    names: mpsc::Sender<Done>,
    checks: mpsc::Sender<Done>,
}

impl Nudge {
    /// Waits for a round of look-ups and then one of checks. Returns at once when the task has ended.
    pub(super) async fn all(&self) {
        for round in [&self.names, &self.checks] {
            let (done, ended) = oneshot::channel();
            if round.send(done).await.is_ok() {
                // A task that ends drops the sender, and that is an answer too.
                let _ = ended.await;
            }
        }
    }
}

/// The background task of `upstream`, to be run by its owner.
pub(super) fn tend(upstream: Arc<Upstream>) -> (Nudge, impl Future<Output = ()> + Send + 'static) {
    // One that waits is enough: who asks meanwhile waits for it.
    let (names, asked_for_names) = mpsc::channel(1);
    let (checks, asked_for_checks) = mpsc::channel(1);
    let task = async move {
        tokio::join!(
            rounds(Round::Names, &upstream, asked_for_names),
            rounds(Round::Checks, &upstream, asked_for_checks),
        );
    };
    (Nudge { names, checks }, task)
}

/// Runs `round` now, after each pause, and whenever asked; until nobody is left who could ask.
async fn rounds(round: Round, upstream: &Upstream, mut asked: mpsc::Receiver<Done>) {
    let mut done: Option<Done> = None;
    loop {
        round.run(upstream).await;
        if let Some(done) = done.take() {
            // Whoever asked may have stopped waiting.
            let _ = done.send(());
        }
        done = match round.pause(upstream) {
            Some(pause) => match timeout(pause, asked.recv()).await {
                Ok(None) => return,
                Ok(asked) => asked,
                Err(_) => None,
            },
            None => match asked.recv().await {
                None => return,
                asked => asked,
            },
        };
    }
}
