//! An HTTP/2 origin with prior knowledge, for what only HTTP/2 has: trailers, and both directions at once.

use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// A gRPC-like service: every message of a request comes back as soon as it arrives, and behind the last one the
/// trailers `grpc-status: 0` and `echoed: <number of bytes>`.
pub(crate) struct H2Origin {
    address: SocketAddr,
    heads: watch::Sender<Vec<http::request::Parts>>,
    accepting: AbortHandle,
}

impl Drop for H2Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl H2Origin {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on the loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let heads = watch::Sender::new(Vec::new());
        let log = heads.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(socket, log.clone()));
            }
        });
        Self { address, heads, accepting: accepting.abort_handle() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<http::request::Parts> {
        self.heads.borrow().clone()
    }
}

type Log = watch::Sender<Vec<http::request::Parts>>;

async fn serve(socket: TcpStream, log: Log) {
    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
    let mut exchanges = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        exchanges.spawn(echo(request, respond, log.clone()));
    }
}

async fn echo(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    log: Log,
) -> Result<(), h2::Error> {
    let (parts, mut body) = request.into_parts();
    let content_type = parts.headers.get("content-type").cloned();
    log.send_modify(|all| all.push(parts));

    let mut head = Response::new(());
    if let Some(content_type) = content_type {
        head.headers_mut().insert("content-type", content_type);
    }
    let mut stream = respond.send_response(head, false)?;
    let mut echoed = 0;
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        echoed += piece.len();
        stream.send_data(piece, false)?;
    }
    let mut last = HeaderMap::new();
    last.insert("grpc-status", "0".parse().expect("a value"));
    last.insert("echoed", echoed.into());
    stream.send_trailers(last)
}
