//! An origin with many small things, each with a version and a tag, that answers at once.

use crate::support::{Framing, Wire};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// Bytes of a body.
const BODY: usize = 256;

/// The origin. Dropping it ends it.
pub(super) struct Goods {
    address: SocketAddr,
    shelf: Arc<Shelf>,
    accepting: AbortHandle,
}

struct Shelf {
    versions: Vec<AtomicU64>,
    asked: AtomicU64,
}

impl Drop for Goods {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The path of a thing.
pub(super) fn path_of(number: usize) -> String {
    format!("/goods/{number}")
}

/// The tag that a thing bears.
pub(super) fn tag_of(number: usize) -> String {
    format!("goods-{number}")
}

impl Goods {
    pub(super) async fn start(count: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on the loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let versions = (0..count).map(|_| AtomicU64::new(1)).collect();
        let shelf = Arc::new(Shelf { versions, asked: AtomicU64::new(0) });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shelf))).abort_handle();
        Self { address, shelf, accepting }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn edit(&self, number: usize) -> u64 {
        self.shelf.versions[number].fetch_add(1, Ordering::SeqCst) + 1
    }

    /// How many requests came so far.
    pub(super) fn asked(&self) -> u64 {
        self.shelf.asked.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, shelf: Arc<Shelf>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(socket, Arc::clone(&shelf)));
    }
}

async fn serve(socket: TcpStream, shelf: Arc<Shelf>) {
    let _ = socket.set_nodelay(true);
    let mut wire = Wire::new(Box::new(socket));
    while let Ok(true) = exchange(&mut wire, &shelf).await {}
}

async fn exchange(wire: &mut Wire, shelf: &Shelf) -> io::Result<bool> {
    let Some(head) = wire.head().await? else { return Ok(false) };
    let mut framing = Framing::of_request(&head.fields);
    while wire.piece(&mut framing).await?.is_some() {}
    shelf.asked.fetch_add(1, Ordering::SeqCst);
    let target = head.start.split(' ').nth(1).unwrap_or_default();
    let number = target.rsplit('/').next().and_then(|name| name.parse::<usize>().ok());
    let Some(version) = number.and_then(|number| shelf.versions.get(number)) else {
        wire.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await?;
        return Ok(true);
    };
    let (version, number) = (version.load(Ordering::SeqCst), number.expect("looked up by it"));
    let reply = format!(
        "HTTP/1.1 200 OK\r\nX-Version: {version}\r\nETag: \"{number}-{version}\"\r\nSurrogate-Key: {}\r\n\
         Cache-Control: public, max-age=3600\r\nContent-Length: {BODY}\r\n\r\n{:BODY$}",
        tag_of(number),
        version
    );
    wire.write(reply.as_bytes()).await?;
    Ok(true)
}
