//! Origins that speak in bytes, so that they can say what no library lets them say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// An origin on a port of its own. Everything of it ends when it is dropped.
pub(crate) struct RawOrigin {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

/// A connection that an origin accepted.
pub(crate) struct Connection<S = TcpStream> {
    pub(crate) stream: S,
    /// 1 for the first one.
    pub(crate) number: usize,
}

impl RawOrigin {
    /// Serves every connection with `serve`, in a task each.
    pub(crate) async fn start<F, T>(serve: F) -> Self
    where
        F: Fn(Connection) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            let mut serving = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = count.fetch_add(1, SeqCst) + 1;
                serving.spawn(serve(Connection { stream, number }));
            }
        });
        Self { address, connections, accepting: accepting.abort_handle() }
    }

    /// Sends `reply` to the first request of a connection and closes it.
    pub(crate) async fn once(reply: impl Into<Vec<u8>>) -> Self {
        let reply = Arc::new(reply.into());
        Self::start(move |mut connection| {
            let reply = Arc::clone(&reply);
            async move {
                connection.request().await;
                connection.send(&reply[..]).await;
            }
        })
        .await
    }

    /// Sends `reply` to every request.
    pub(crate) async fn always(reply: impl Into<Vec<u8>>) -> Self {
        let reply = Arc::new(reply.into());
        Self::start(move |mut connection| {
            let reply = Arc::clone(&reply);
            async move {
                while connection.request().await.is_some() {
                    connection.send(&reply[..]).await;
                }
            }
        })
        .await
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

impl Drop for RawOrigin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// The next request's head; `None` when the peer has closed.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// Sends what the peer is willing to take.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A peer that had enough closes: that is what some tests are about.
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    /// Waits until the peer has closed.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest).await;
    }
}

/// An address that refuses connections.
pub(crate) async fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
