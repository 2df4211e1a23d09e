//! A thread with a runtime of its own, and the connections it serves.
//!
//! Nothing moves between runtimes once a connection is accepted: its socket, its request and the connections to origins used for
//! it all belong to one reactor, so none of them ever waits for another thread.

use super::accept::{Arrival, Taker};
use crate::proxy::{Server, Shared};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a runtime waits, when it ends, for name look-ups that block a thread. They cannot be cancelled.
const BLOCKED: Duration = Duration::from_millis(100);

/// What a worker is started with.
pub(super) struct WorkerParts {
    /// Its number.
    pub(super) index: usize,
    /// What all workers serve with.
    pub(super) shared: Arc<Shared>,
    /// Idle connections to origins that it keeps for requests that pass through.
    pub(super) idle_origins: usize,
    /// Ends it, whatever is under way.
    pub(super) end: CancellationToken,
}

/// A running worker.
pub(super) struct Worker {
    thread: JoinHandle<()>,
    draining: watch::Sender<bool>,
    drained: watch::Receiver<bool>,
}

impl Worker {
    /// Starts a worker; returns it with the way to hand it connections.
    pub(super) fn start(parts: WorkerParts) -> io::Result<(Self, Taker)> {
        let WorkerParts { index, shared, idle_origins, end } = parts;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (arrivals, receiver) = unbounded_channel();
        // A channel of its own: that of all workers would make them take turns at its lock.
        let (draining, shutdown) = watch::channel(false);
        let (done, drained) = watch::channel(false);
        let thread = thread::Builder::new().name(format!("larder-{index}")).spawn(move || {
            runtime.block_on(async {
                let server = Server::new(shared, idle_origins, shutdown);
                let serving = async {
                    take(receiver, server).await;
                    done.send_replace(true);
                };
                end.run_until_cancelled(serving).await;
                // Fills that began here go on after their clients have left.
                end.cancelled().await;
            });
            runtime.shutdown_timeout(BLOCKED);
            // Only now is nothing left that could purge anything: [`Worker::gone`].
            drop(done);
        })?;
        let taker = Taker { load: Arc::new(AtomicUsize::new(0)), arrivals };
        Ok((Self { thread, draining, drained }, taker))
    }

    /// Tells its connections that each reply is their last.
    pub(super) fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Completes when no connection can arrive any more and none is left.
    pub(super) async fn drained(&self) {
        // An error means that its thread has ended, and its connections with it.
        let _ = self.drained.clone().wait_for(|drained| *drained).await;
    }

    /// Completes when it has been ended, and all that it did has been dropped.
    pub(super) async fn gone(&self) {
        let mut drained = self.drained.clone();
        while drained.changed().await.is_ok() {}
    }

    /// Blocks until its thread has ended.
    pub(super) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("a thread that serves connections panicked");
        }
    }
}

/// Serves what arrives, each connection in a task of its own, until no more can arrive and all have ended.
async fn take(mut arrivals: UnboundedReceiver<Arrival>, server: Server) {
    let connections = TaskTracker::new();
    while let Some(Arrival { tcp, peer, listener, place }) = arrivals.recv().await {
        let server = server.clone();
        connections.spawn(async move {
            let _place = place;
            // Fails for a socket that is gone already.
            if let Ok(tcp) = TcpStream::from_std(tcp) {
                server.serve(tcp, peer, &listener).await;
            }
        });
    }
    connections.close();
    connections.wait().await;
}
