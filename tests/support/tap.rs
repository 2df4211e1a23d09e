//! A tap on the wire: a TCP proxy that delays, holds, loses or cuts what goes through it, as the test says.

use super::redis::free_port;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What happens to bytes of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// They go on at once.
    Pass,
    /// They go on so long after they came.
    Delay(Duration),
    /// They wait until the flow is another one, as behind a partition that heals before TCP gives up.
    Hold,
    /// They are lost, and the connection stays: what came after them makes no sense any more.
    Swallow,
}

/// Chunks that wait in one direction of one connection; then its reader is not read, which fills the sender's buffers.
const WAITING: usize = 4096;

/// A proxy on a port of its own before a server.
pub(crate) struct Tap {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    /// Where new connections lead.
    server: AtomicU16,
    up: watch::Sender<Flow>,
    down: watch::Sender<Flow>,
    /// Cancelled when the connections of now are cut.
    cut: watch::Sender<CancellationToken>,
    open: AtomicUsize,
    accepted: AtomicUsize,
}

impl Tap {
    /// A tap before a port of this machine, through which everything passes.
    pub(crate) async fn before(port: u16) -> Self {
        let (port, listener) = loop {
            let own = free_port();
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, own)).await {
                break (own, (listener, port));
            }
        };
        let (listener, server) = listener;
        let shared = Arc::new(Shared {
            server: AtomicU16::new(server),
            up: watch::Sender::new(Flow::Pass),
            down: watch::Sender::new(Flow::Pass),
            cut: watch::Sender::new(CancellationToken::new()),
            open: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
        });
        let accepting = Some(tokio::spawn(accept(listener, shared.clone())));
        Self { port, shared, accepting }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where Larder finds the Redis behind it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What becomes of what clients send.
    pub(crate) fn up(&self, flow: Flow) {
        self.shared.up.send_replace(flow);
    }

    /// What becomes of what the server answers.
    pub(crate) fn down(&self, flow: Flow) {
        self.shared.down.send_replace(flow);
    }

    /// Both directions at once.
    pub(crate) fn both(&self, flow: Flow) {
        self.up(flow);
        self.down(flow);
    }

    /// New connections lead to another port of this machine.
    pub(crate) fn lead_to(&self, port: u16) {
        self.shared.server.store(port, Ordering::SeqCst);
    }

    /// Ends all connections; new ones are welcome.
    pub(crate) fn cut(&self) {
        self.shared.cut.send_replace(CancellationToken::new()).cancel();
    }

    /// Refuses new connections; those that are open stay.
    pub(crate) async fn refuse(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            let _ = accepting.await;
        }
    }

    /// Takes connections again after [`Tap::refuse`].
    pub(crate) async fn welcome(&mut self) {
        if self.accepting.is_none() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).await.expect("still free");
            self.accepting = Some(tokio::spawn(accept(listener, self.shared.clone())));
        }
    }

    /// Connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Connections that were ever accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        self.shared.cut.borrow().cancel();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let cut = shared.cut.borrow().clone();
        shared.accepted.fetch_add(1, Ordering::SeqCst);
        let shared = shared.clone();
        tokio::spawn(async move {
            shared.open.fetch_add(1, Ordering::SeqCst);
            cut.run_until_cancelled(carry(client, &shared)).await;
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Carries both directions of a connection until either ends.
async fn carry(client: TcpStream, shared: &Shared) {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, shared.server.load(Ordering::SeqCst)));
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = direction(from_client, to_server, shared.up.subscribe()) => (),
        () = direction(from_server, to_client, shared.down.subscribe()) => (),
    }
}

async fn direction(from: OwnedReadHalf, to: OwnedWriteHalf, flow: watch::Receiver<Flow>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::join!(read(from, sender), write(to, receiver, flow));
}

async fn read(mut from: OwnedReadHalf, chunks: mpsc::Sender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if chunks.send((Instant::now(), buffer[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn write(
    mut to: OwnedWriteHalf,
    mut chunks: mpsc::Receiver<(Instant, Vec<u8>)>,
    mut flow: watch::Receiver<Flow>,
) {
    while let Some((came, bytes)) = chunks.recv().await {
        if passes(came, &mut flow).await && to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Waits as long as a chunk has to wait; whether it goes on then.
async fn passes(came: Instant, flow: &mut watch::Receiver<Flow>) -> bool {
    loop {
        let now = *flow.borrow_and_update();
        let due = match now {
            Flow::Pass => return true,
            Flow::Swallow => return false,
            Flow::Delay(delay) => Some(came + delay),
            Flow::Hold => None,
        };
        let ripe = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ripe => return true,
            changed = flow.changed() => if changed.is_err() { return false },
        }
    }
}
