//! The thread that looks after everything but requests: it accepts connections, serves the administrator, keeps the engine in
//! order, and ends it all when the time has come.

use super::accept::Acceptor;
use super::bind::Bound;
use super::node::Node;
use super::worker::Worker;
use crate::admin::Admin;
use futures_util::future::join_all;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long fills that nobody waits for may go on once the last client has been served. What they bring is lost anyway when the
/// process ends; it counts for those who hold Larder in a process that goes on, and for origins, which see whole exchanges.
const FILLS: Duration = Duration::from_secs(5);

/// How long workers may take to end once what they do is cut: they wait for nobody but threads that look up names.
const CUT: Duration = Duration::from_secs(1);

/// How long purges for CDNs are still delivered where nobody keeps them for another process: a few calls, and the repetition of
/// one that failed. Orchestrators wait for half a minute in all before they kill.
const LAST_CALLS: Duration = Duration::from_secs(10);

/// The same where draining took all of its time: one call, since writes that were cut have left purges behind.
const LAST_CALL: Duration = Duration::from_secs(3);

/// How long the last replies of the admin listener may take.
const ADMIN: Duration = Duration::from_secs(1);

/// How long what was taken, or is repeated for the last time, may take to be appended: an append is waited for no longer than a
/// request waits for one.
const APPENDS: Duration = Duration::from_secs(1);

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
#[derive(Clone, Debug)]
pub(super) struct Orders {
    /// Finish what is under way.
    pub(super) drain: CancellationToken,
    /// Cut what is under way.
    pub(super) cut: CancellationToken,
    /// End now, which cuts it, too.
    pub(super) stop: CancellationToken,
}

impl Orders {
    /// None was given yet.
    pub(super) fn new() -> Self {
        let stop = CancellationToken::new();
        Self { drain: CancellationToken::new(), cut: stop.child_token(), stop }
    }
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

        let drained = async {
            orders.drain.cancelled().await;
            let deadline = Instant::now() + drain_deadline;
            accepting.wait().await;
            drain(&node, &workers, drain_deadline).await;
            deadline
        };
        let deadline = orders.stop.run_until_cancelled(drained).await;
        // A write that is cut leaves purges behind, so all that is to be appended is known when no worker is left.
        orders.cut.cancel();
        let _ = timeout(CUT, join_all(workers.iter().map(Worker::gone))).await;
        // What was taken is appended; from here on others take what comes.
        feeds_ended.cancel();
        let _ = timeout(APPENDS, feeds.wait()).await;
        let _ = timeout(APPENDS, node.shared.engine.append_repeats()).await;
        if let Some(deadline) = deadline {
            orders.stop.run_until_cancelled(finish(&node, deadline)).await;
        }
        if node.together.forgets() {
            node.cdns.tell_lost().await;
        }

        admin_stop.cancel();
        ended.cancel();
        background.close();
        let _ = timeout(ADMIN, background.wait()).await;
        let _ = timeout(ADMIN, node.origins().shutdown()).await;
        orders.stop.cancel();
        workers
    }
}

/// Waits until nobody is served any more, no longer than `within`, and for a moment until no fill is under way.
async fn drain(node: &Node, workers: &[Worker], within: Duration) {
    workers.iter().for_each(Worker::drain);
    if timeout(within, join_all(workers.iter().map(Worker::drained))).await.is_err() {
        tracing::warn!("draining took too long; what is under way is cut");
        return;
    }
    let _ = timeout(FILLS, node.shared.engine.idle()).await;
}

/// Hands on what this process knows and others have to, each part in a bounded time.
async fn finish(node: &Node, deadline: Instant) {
    node.together.finish().await;
    if node.together.forgets() {
        let left = deadline.saturating_duration_since(Instant::now());
        node.cdns.deliver(left.clamp(LAST_CALL, LAST_CALLS)).await;
    }
}

fn tokio_listener(socket: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::from_std(socket)
}
