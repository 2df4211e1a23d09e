//! Accepting connections, and handing each to the runtime that has the fewest.

use crate::observe::{ConnectionGuard, Metrics};
use crate::proxy::Listener;
use prometheus::IntCounter;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long accepting pauses when the system has no more files or memory to give.
///
/// The condition lasts until connections end; asking at once again would only burn the processor they need for that.
const PAUSE: Duration = Duration::from_millis(100);

/// An accepted connection on its way to a runtime.
pub(super) struct Arrival {
    /// The socket, which no reactor knows yet.
    pub(super) tcp: TcpStream,
    /// Who is at its other end.
    pub(super) peer: SocketAddr,
    /// Where it came in.
    pub(super) listener: Arc<Listener>,
    /// Its place, held as long as it is open.
    pub(super) place: Place,
}

/// A connection's place among those of Larder and among those of its runtime.
pub(super) struct Place {
    load: Arc<AtomicUsize>,
    _counted: ConnectionGuard,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Relaxed);
    }
}

/// A runtime that takes connections.
pub(super) struct Taker {
    /// How many it has.
    pub(super) load: Arc<AtomicUsize>,
    /// Where they go. Unbounded, since a place is taken before and there is a bounded number of them.
    pub(super) arrivals: UnboundedSender<Arrival>,
}

/// Accepts connections for all runtimes.
pub(super) struct Acceptor {
    takers: Vec<Taker>,
    next: AtomicUsize,
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    failures: IntCounter,
}

impl Acceptor {
    /// Hands connections to `takers`, at most `most` at a time.
    pub(super) fn new(takers: Vec<Taker>, most: usize, metrics: Arc<Metrics>) -> Self {
        let failures =
            IntCounter::new("larder_accept_errors_total", "Connections that could not be accepted.")
                .expect("the name is well-formed");
        if metrics.registry().register(Box::new(failures.clone())).is_err() {
            tracing::error!("the metric larder_accept_errors_total is there twice");
        }
        Self { takers, next: AtomicUsize::new(0), places: Arc::new(Semaphore::new(most)), metrics, failures }
    }

    /// Accepts on `socket` until `stop`; then takes what the kernel has accepted already, since closing the socket would reset
    /// those connections, and closes it.
    pub(super) async fn run(
        self: Arc<Self>,
        socket: TcpListener,
        listener: Arc<Listener>,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let accepting = async {
            loop {
                let permit = self.permit().await;
                match socket.accept().await {
                    // Taken off this thread's reactor; the runtime puts it on its own. Only fails for an unusable socket.
                    Ok((tcp, peer)) => {
                        if let Ok(tcp) = tcp.into_std() {
                            self.hand_over(tcp, peer, &listener, permit);
                        }
                    }
                    Err(error) => self.failed(&error).await,
                }
            }
        };
        stop.run_until_cancelled(accepting).await;
        self.take_rest(&socket.into_std()?, &listener);
        Ok(())
    }

    /// Takes what waits in the kernel. Asks the socket itself, since the reactor may not know of the latest yet.
    fn take_rest(&self, socket: &TcpListener, listener: &Arc<Listener>) {
        while let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            let Ok((tcp, peer)) = socket.accept() else { break };
            if tcp.set_nonblocking(true).is_ok() {
                self.hand_over(tcp, peer, listener, permit);
            }
        }
    }

    /// Waits for a place, so that clients beyond the limit wait in the kernel's queue and cost nothing.
    async fn permit(&self) -> OwnedSemaphorePermit {
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return permit;
        }
        tracing::warn!("all connections are taken; new ones wait. Raise the limit of open files (ulimit -n)");
        Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed")
    }

    fn hand_over(
        &self,
        tcp: TcpStream,
        peer: SocketAddr,
        listener: &Arc<Listener>,
        permit: OwnedSemaphorePermit,
    ) {
        let taker = self.least_busy();
        let load = Arc::clone(&taker.load);
        load.fetch_add(1, Relaxed);
        let place = Place { load, _counted: self.metrics.connection(), _permit: permit };
        // A runtime that is gone no longer serves; the connection closes with the arrival.
        let _ = taker.arrivals.send(Arrival { tcp, peer, listener: Arc::clone(listener), place });
    }

    /// The runtime with the fewest connections; among equals one after the other.
    fn least_busy(&self) -> &Taker {
        let first = self.next.fetch_add(1, Relaxed);
        let in_turn = (0..self.takers.len()).map(|offset| &self.takers[(first + offset) % self.takers.len()]);
        in_turn.min_by_key(|taker| taker.load.load(Relaxed)).expect("there is at least one runtime")
    }

    async fn failed(&self, error: &io::Error) {
        self.failures.inc();
        if is_of_the_client(error) {
            return;
        }
        tracing::warn!(%error, "cannot accept connections; trying again shortly");
        sleep(PAUSE).await;
    }
}

/// Whether a failure to accept concerns one connection only: its client is gone already.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    fn acceptor(runtimes: usize, most: usize) -> (Arc<Acceptor>, Vec<UnboundedReceiver<Arrival>>) {
        let (takers, receivers) = (0..runtimes)
            .map(|_| {
                let (arrivals, receiver) = unbounded_channel();
                (Taker { load: Arc::default(), arrivals }, receiver)
            })
            .unzip();
        (Arc::new(Acceptor::new(takers, most, Arc::new(Metrics::new(1, Timestamp::ZERO)))), receivers)
    }

    fn listen() -> (TcpListener, Arc<Listener>, SocketAddr) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, Arc::new(Listener::new(address, false, None).unwrap()), address)
    }

    #[tokio::test]
    async fn the_least_busy_runtime_gets_the_next() {
        let (acceptor, mut receivers) = acceptor(3, 100);
        let (socket, listener, address) = listen();
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&acceptor).run(socket, listener, stop.clone()));
        let mut open = Vec::new();
        for _ in 0..6 {
            open.push(tokio::net::TcpStream::connect(address).await.unwrap());
        }
        let mut taken = Vec::new();
        for receiver in &mut receivers {
            let pair = (receiver.recv().await.unwrap(), receiver.recv().await.unwrap());
            taken.push(Some(pair));
        }
        taken[1] = None;
        open.push(tokio::net::TcpStream::connect(address).await.unwrap());
        open.push(tokio::net::TcpStream::connect(address).await.unwrap());
        assert!(receivers[1].recv().await.is_some() && receivers[1].recv().await.is_some());
        stop.cancel();
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn beyond_the_limit_clients_wait() {
        let (acceptor, mut receivers) = acceptor(1, 1);
        let (socket, listener, address) = listen();
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::clone(&acceptor).run(socket, listener, stop.clone()));
        let _first = tokio::net::TcpStream::connect(address).await.unwrap();
        let _second = tokio::net::TcpStream::connect(address).await.unwrap();
        let first = receivers[0].recv().await.unwrap();
        assert!(receivers[0].try_recv().is_err());
        drop(first);
        assert!(receivers[0].recv().await.is_some());
        stop.cancel();
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_the_kernel_has_accepted_is_taken_before_closing() {
        let (acceptor, mut receivers) = acceptor(1, 10);
        let (socket, listener, address) = listen();
        let _open = tokio::net::TcpStream::connect(address).await.unwrap();
        let stop = CancellationToken::new();
        stop.cancel();
        acceptor.run(socket, listener, stop).await.unwrap();
        assert!(receivers[0].try_recv().is_ok());
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }
}
