//! A small HTTP/1.1 client: one request after another on one connection.

use anyhow::{Context, Result, anyhow};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, Method, StatusCode};
use pingora::http::RequestHeader;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::protocols::l4::stream::Stream;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For a connection to be made, for a head, and for each piece of a body. Longer than any origin of the demo takes.
const STEP_DEADLINE: Duration = Duration::from_secs(10);

/// Replies of the admin listener and of the demo are a few KiB.
const MAX_BODY: usize = 4 << 20;

/// A connection to one address, opened when it is first needed and kept while both sides want it.
pub(super) struct Client {
    address: String,
    host: String,
    patience: Duration,
    idle: Option<pingora::protocols::Stream>,
}

/// A whole reply.
#[derive(Debug)]
pub(super) struct Reply {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its fields.
    pub(super) headers: HeaderMap,
    /// Its body.
    pub(super) body: Bytes,
}

impl Client {
    /// A client of `address`, as in `127.0.0.1:9090`, which calls it by `host`.
    pub(super) fn new(address: impl Into<String>, host: impl Into<String>) -> Self {
        Self { address: address.into(), host: host.into(), patience: STEP_DEADLINE, idle: None }
    }

    /// Waits so long for the head of a reply.
    pub(super) fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sends a request and reads the reply.
    pub(super) async fn send(
        &mut self,
        method: Method,
        target: &str,
        fields: &[(&'static str, &str)],
        body: &[u8],
    ) -> Result<Reply> {
        let mut request = RequestHeader::build(method, target.as_bytes(), Some(4 + fields.len()))?;
        request.insert_header(HOST, &self.host)?;
        for (name, value) in fields {
            request.insert_header(*name, *value)?;
        }
        if !body.is_empty() {
            request.insert_header(CONTENT_LENGTH, body.len())?;
        }
        let stream = match self.idle.take() {
            Some(stream) => stream,
            None => self.connect().await?,
        };
        let mut session = HttpSession::new(stream);
        session.read_timeout = Some(self.patience);
        session.write_timeout = Some(STEP_DEADLINE);
        let reply = exchange(&mut session, request, body).await;
        let reply = reply.with_context(|| format!("{} did not answer", self.address))?;
        session.respect_keepalive();
        self.idle = session.reuse().await;
        Ok(reply)
    }

    async fn connect(&self) -> Result<pingora::protocols::Stream> {
        let stream = timeout(STEP_DEADLINE, TcpStream::connect(&self.address)).await;
        let stream = stream.map_err(|_| anyhow!("no answer")).and_then(|stream| Ok(stream?));
        let stream = stream.with_context(|| format!("cannot connect to {}", self.address))?;
        // Head and body are written apart; Nagle would make the second wait for the peer.
        stream.set_nodelay(true)?;
        Ok(Box::new(Stream::from(stream)))
    }
}

async fn exchange(session: &mut HttpSession, request: RequestHeader, body: &[u8]) -> Result<Reply> {
    session.write_request_header(Box::new(request)).await?;
    if !body.is_empty() {
        session.write_body(body).await?;
    }
    session.finish_body().await?;
    let head = loop {
        let head = session.read_resp_header_parts().await?;
        if !head.status.is_informational() {
            break head;
        }
    };
    let mut body = BytesMut::new();
    while let Some(piece) = session.read_body_ref().await? {
        anyhow::ensure!(body.len() + piece.len() <= MAX_BODY, "the reply has more than {MAX_BODY} bytes");
        body.extend_from_slice(piece);
    }
    Ok(Reply { status: head.status, headers: head.headers.clone(), body: body.freeze() })
}
