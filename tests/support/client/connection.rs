//! One connection of a client, byte by byte.

use super::super::wire::{Framing, Head, Socket, Wire};
use super::super::within;
use super::{Broken, Response};
use bytes::{Bytes, BytesMut};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// An open connection. Dropping it closes it.
pub(crate) struct Connection {
    wire: Wire,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let socket = connect(address).await;
        Self::over(Box::new(socket.unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))))
    }

    /// Connects, where there may be nobody.
    pub(crate) async fn try_open(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::over(Box::new(connect(address).await?)))
    }

    /// Connects over TLS, as a client that looks for `name`.
    pub(crate) async fn open_tls(address: SocketAddr, connector: &TlsConnector, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).expect("a DNS name");
        let handshake = connector.connect(name, connect(address).await.expect("somebody listens"));
        Self::over(Box::new(within("the TLS handshake", handshake).await.expect("a trusted certificate")))
    }

    fn over(socket: Box<dyn Socket>) -> Self {
        Self { wire: Wire::new(socket) }
    }

    /// Sends exactly these bytes.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes).await.expect("the peer reads");
    }

    /// As [`Connection::write`], where the peer may close first.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("the peer reads what is sent", self.wire.write(bytes.as_ref())).await
    }

    /// Ends the sending half.
    pub(crate) async fn finish_writing(&mut self) {
        within("the end is sent", self.wire.finish_writing()).await.expect("the peer reads");
    }

    /// Closes with a reset, as a client that crashes.
    pub(crate) fn reset(self) {
        self.wire.reset();
    }

    /// The head of the next reply, interim ones included.
    pub(crate) async fn any_head(&mut self) -> io::Result<Head> {
        let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "closed instead of a reply");
        within("a reply's head", self.wire.head()).await?.ok_or_else(closed)
    }

    /// The head of the next final reply.
    pub(crate) async fn head(&mut self) -> io::Result<Head> {
        let last = async {
            loop {
                let head = self.any_head().await?;
                if !matches!(head.status(), 100 | 102..=199) {
                    return Ok(head);
                }
            }
        };
        within("a final reply", last).await
    }

    /// The next bytes of a body as they come; `None` at its end.
    pub(crate) async fn piece(&mut self, framing: &mut Framing) -> io::Result<Option<Bytes>> {
        within("more of a reply's body", self.wire.piece(framing)).await
    }

    /// The next reply, to a request with `method`.
    pub(crate) async fn reply(&mut self, method: &str) -> Result<Response, Broken> {
        let head = self.head().await.map_err(|error| Broken { head: None, body: Bytes::new(), error })?;
        let mut framing = Framing::of_reply(method, &head);
        let mut body = BytesMut::new();
        loop {
            match self.piece(&mut framing).await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => {
                    return Ok(Response { status: head.status(), fields: head.fields, body: body.freeze() });
                }
                Err(error) => return Err(Broken { head: Some(head), body: body.freeze(), error }),
            }
        }
    }

    /// Exactly `count` bytes, whatever they are.
    pub(crate) async fn exactly(&mut self, count: usize) -> Bytes {
        let what = format!("{count} bytes");
        within(&what, self.wire.exactly(count)).await.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Whatever comes until the peer closes, in order or with a reset.
    pub(crate) async fn everything(&mut self) -> Bytes {
        let mut all = BytesMut::new();
        loop {
            match within("the peer closes", self.wire.some()).await {
                Ok(bytes) if !bytes.is_empty() => all.extend_from_slice(&bytes),
                Ok(_) | Err(_) => return all.freeze(),
            }
        }
    }

    /// Reads until the peer resets the connection, and fails when it ends in order.
    pub(crate) async fn reset_by_peer(&mut self) {
        loop {
            match within("the peer resets", self.wire.some()).await {
                Ok(bytes) => assert!(!bytes.is_empty(), "an orderly end"),
                Err(error) => return assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            }
        }
    }

    /// Waits until the peer closes, and fails when anything comes first.
    pub(crate) async fn closed(&mut self) {
        let last = self.everything().await;
        assert!(last.is_empty(), "bytes before the end: {:?}", String::from_utf8_lossy(&last));
    }
}

pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = within("a connection", TcpStream::connect(address)).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
