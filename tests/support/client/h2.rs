//! A client that speaks HTTP/2, with prior knowledge or over TLS.

use super::super::{HOST, within};
use super::connection::connect;
use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// An HTTP/2 connection. Dropping it closes it.
pub(crate) struct H2Client {
    requests: SendRequest<Bytes>,
    scheme: &'static str,
    driver: AbortHandle,
}

impl Drop for H2Client {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A reply that came whole, with its trailers.
#[derive(Debug)]
pub(crate) struct H2Response {
    pub(crate) head: Response<()>,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl H2Response {
    /// The first value of a field.
    pub(crate) fn field(&self, name: &str) -> &str {
        let value = self.head.headers().get(name).unwrap_or_else(|| panic!("no {name} in {self:#?}"));
        value.to_str().expect("a text value")
    }
}

impl H2Client {
    /// Connects with prior knowledge.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(connect(address).await.expect("somebody listens"), "http").await
    }

    /// Connects over TLS, where ALPN has to agree on `h2`.
    pub(crate) async fn connect_tls(address: SocketAddr, connector: &TlsConnector, name: &str) -> Self {
        let name = ServerName::try_from(name.to_owned()).expect("a DNS name");
        let handshake = connector.connect(name, connect(address).await.expect("somebody listens"));
        let socket = within("the TLS handshake", handshake).await.expect("a trusted certificate");
        assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "ALPN agrees on HTTP/2");
        Self::over(socket, "https").await
    }

    async fn over(
        socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        scheme: &'static str,
    ) -> Self {
        let handshake = within("the HTTP/2 handshake", h2::client::handshake(socket)).await;
        let (requests, connection) = handshake.expect("an HTTP/2 server");
        let driver = tokio::spawn(async move {
            // Its end, good or bad, shows in the exchanges that it carries.
            let _ = connection.await;
        });
        Self { requests, scheme, driver: driver.abort_handle() }
    }

    /// A request without a body.
    pub(crate) async fn get(&mut self, path: &str) -> H2Response {
        let (sending, _) = self.send(self.head("GET", path), true).await;
        sending.whole().await
    }

    /// Opens a stream; the body follows through the second value unless `ended`.
    pub(crate) async fn send(&mut self, head: Request<()>, ended: bool) -> (H2Reply, SendStream<Bytes>) {
        let ready = within("room for a stream", self.requests.clone().ready()).await;
        self.requests = ready.expect("the connection lives");
        let (reply, body) = self.requests.send_request(head, ended).expect("a valid request");
        (H2Reply(reply), body)
    }

    /// The head of a request, for [`H2Client::send`].
    pub(crate) fn head(&self, method: &str, path: &str) -> Request<()> {
        let uri = format!("{}://{HOST}{path}", self.scheme);
        Request::builder().method(method).uri(uri).body(()).expect("a valid head")
    }
}

/// A reply to come.
pub(crate) struct H2Reply(h2::client::ResponseFuture);

impl H2Reply {
    /// Waits for the head.
    pub(crate) async fn begin(self) -> Response<RecvStream> {
        within("a reply's head", self.0).await.expect("a reply")
    }

    /// Waits for everything.
    pub(crate) async fn whole(self) -> H2Response {
        self.try_whole().await.expect("the reply comes whole")
    }

    /// As [`H2Reply::whole`], where the stream may be reset; that can overtake what was sent before.
    pub(crate) async fn try_whole(self) -> Result<H2Response, h2::Error> {
        let (parts, mut stream) = within("a reply's head", self.0).await?.into_parts();
        let mut body = BytesMut::new();
        while let Some(piece) = within("more of a reply's body", stream.data()).await {
            let piece = piece?;
            stream.flow_control().release_capacity(piece.len())?;
            body.extend_from_slice(&piece);
        }
        let trailers = within("the end of a reply", stream.trailers()).await?;
        Ok(H2Response { head: Response::from_parts(parts, ()), body: body.freeze(), trailers })
    }
}
