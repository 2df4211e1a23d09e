//! The thread that looks after everything but requests: it accepts connections, serves the administrator, keeps the engine in
//! order, and ends it all when the time has come.

use super::accept::Acceptor;
use super::bind::Bound;
use super::node::Node;
use super::worker::Worker;
use crate::admin::Admin;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long fills that nobody waits for may go on once the last client has been served. What they bring is lost anyway when the
/// process ends; it counts for those who hold Larder in a process that goes on, and for origins, which see whole exchanges.
const FILLS: Duration = Duration::from_secs(5);

/// How long the last replies of the admin listener may take.
const ADMIN: Duration = Duration::from_secs(1);

/// How long events that were taken may take to be appended: an append is waited for no longer than a request waits for one.
const FEEDS: Duration = Duration::from_secs(1);

/// What the thread works with.
pub(super) struct Life {
    /// The parts.
    pub(super) node: Arc<Node>,
    /// Who serves.
    pub(super) workers: Vec<Worker>,
    /// Who accepts.
    pub(super) acceptor: Arc<Acceptor>,
    /// What is listened on.
    pub(super) bound: Bound,
    /// The administrator's side.
    pub(super) admin: Arc<Admin>,
    /// When to drain, and when to end at once.
    pub(super) orders: Orders,
    /// How long a drain may take.
    pub(super) drain_deadline: Duration,
}

/// What a Larder can be told.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    /// Finish what is under way.
    pub(super) drain: CancellationToken,
    /// End now.
    pub(super) stop: CancellationToken,
}

impl Life {
    /// Runs until told to end, and until that is done. Returns the workers, whose threads end by themselves.
    pub(super) async fn run(self) -> Vec<Worker> {
        let Self { node, workers, acceptor, bound, admin, orders, drain_deadline } = self;
        let Bound { listeners, admin: admin_socket, admin_address: _ } = bound;
        let background = TaskTracker::new();
        let ended = CancellationToken::new();
        let admin_stop = CancellationToken::new();
        let upkeep = Arc::clone(&node.shared.engine).upkeep();
        let upkeep_ended = ended.clone();
        background.spawn(async move { upkeep_ended.run_until_cancelled(upkeep).await });
        node.together.begin(&background, &ended);
        let feeds = TaskTracker::new();
        let feeds_ended = ended.child_token();
        node.events.begin(&feeds, &feeds_ended);
        feeds.close();
        node.cdns.begin(&background, &ended);
        match tokio_listener(admin_socket) {
            Ok(socket) => _ = background.spawn(admin.serve(socket, admin_stop.clone())),
            Err(error) => tracing::error!(%error, "the admin listener cannot be served"),
        }
        let accepting = TaskTracker::new();
        for (socket, listener) in listeners {
            let run = Arc::clone(&acceptor).run(socket, listener, orders.drain.clone());
            accepting.spawn(async move {
                if let Err(error) = run.await {
                    tracing::error!(%error, "a listener failed");
                }
            });
        }
        // With the last acceptor end the ways by which connections reach the workers.
        drop(acceptor);
        accepting.close();

        let finish = async {
            orders.drain.cancelled().await;
            accepting.wait().await;
            workers.iter().for_each(Worker::drain);
            let served = async {
                for worker in &workers {
                    worker.drained().await;
                }
            };
            if timeout(drain_deadline, served).await.is_err() {
                tracing::warn!("draining took too long; what is under way is cut");
            }
            let _ = timeout(FILLS, node.shared.engine.idle()).await;
            // What was taken is appended; from here on others take what comes.
            feeds_ended.cancel();
            let _ = timeout(FEEDS, feeds.wait()).await;
            node.shared.engine.append_repeats().await;
            node.together.finish().await;
        };
        orders.stop.run_until_cancelled(finish).await;

        admin_stop.cancel();
        ended.cancel();
        background.close();
        let _ = timeout(ADMIN, background.wait()).await;
        let _ = timeout(FEEDS, feeds.wait()).await;
        let _ = timeout(ADMIN, node.origins().shutdown()).await;
        orders.stop.cancel();
        workers
    }
}

fn tokio_listener(socket: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::from_std(socket)
}
