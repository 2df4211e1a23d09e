//! A request as a sentence: `larder.get("/x").header("Cookie", "a=1").send().await`.

use super::super::HOST;
use super::super::wire::{Framing, Head};
use super::{Broken, Connection, Response};
use bytes::{Bytes, BytesMut};
use std::net::SocketAddr;

/// A request that was not sent yet.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    address: SocketAddr,
    method: String,
    target: String,
    host: String,
    fields: Vec<(String, String)>,
    body: Option<Bytes>,
    chunked: bool,
}

/// A request for `target` at `address`.
pub(crate) fn request_at(address: SocketAddr, method: &str, target: &str) -> Request {
    Request {
        address,
        method: method.to_owned(),
        target: target.to_owned(),
        host: HOST.to_owned(),
        fields: Vec::new(),
        body: None,
        chunked: false,
    }
}

impl Request {
    /// Method and target.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// Names another host.
    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Adds a field.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a body, with its length.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Adds a body in chunks.
    pub(crate) fn chunked_body(mut self, body: impl Into<Bytes>) -> Self {
        self.chunked = true;
        self.body(body)
    }

    /// Adds a JSON body.
    pub(crate) fn json(self, body: &serde_json::Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// Sends it on a connection of its own; the reply has to come whole.
    pub(crate) async fn send(self) -> Response {
        let name = self.name();
        self.try_send().await.unwrap_or_else(|broken| panic!("{name}: {broken:#?}"))
    }

    /// As [`Request::send`], where nobody may listen, and the reply may break off.
    pub(crate) async fn try_send(self) -> Result<Response, Broken> {
        let opened = Connection::try_open(self.address).await;
        let mut connection = opened.map_err(|error| Broken { head: None, body: Bytes::new(), error })?;
        self.try_send_on(&mut connection).await
    }

    /// Sends it on a connection that stays open.
    pub(crate) async fn send_on(self, connection: &mut Connection) -> Response {
        let name = self.name();
        self.try_send_on(connection).await.unwrap_or_else(|broken| panic!("{name}: {broken:#?}"))
    }

    /// As [`Request::send_on`], where the reply may break off.
    pub(crate) async fn try_send_on(self, connection: &mut Connection) -> Result<Response, Broken> {
        // A server that answers before it has read everything may close at once; the reply is still to be read.
        let _ = connection.try_write(self.bytes()).await;
        connection.reply(&self.method).await
    }

    /// Sends it and returns when the head of the reply is there.
    pub(crate) async fn begin(self) -> Arriving {
        let mut connection = Connection::open(self.address).await;
        connection.write(self.bytes()).await;
        let head = connection.head().await.unwrap_or_else(|error| panic!("{self:?}: {error}"));
        let framing = Framing::of_reply(&self.method, &head);
        Arriving { connection, head, framing, ahead: BytesMut::new() }
    }

    /// Sends it and waits for nothing.
    pub(crate) async fn launch(self) -> Connection {
        let mut connection = Connection::open(self.address).await;
        connection.write(self.bytes()).await;
        connection
    }

    /// As it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.host);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        match &self.body {
            Some(_) if self.chunked => text.push_str("Transfer-Encoding: chunked\r\n"),
            Some(body) => text.push_str(&format!("Content-Length: {}\r\n", body.len())),
            None => {}
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        match &self.body {
            Some(body) if self.chunked => {
                for chunk in body.chunks(1000) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
            Some(body) => bytes.extend_from_slice(body),
            None => {}
        }
        bytes
    }
}

/// A reply whose head is there. Dropping it is a client that leaves.
pub(crate) struct Arriving {
    connection: Connection,
    pub(crate) head: Head,
    framing: Framing,
    ahead: BytesMut,
}

impl Arriving {
    /// Waits for the next `count` bytes of the body.
    pub(crate) async fn bytes(&mut self, count: usize) -> Bytes {
        while self.ahead.len() < count {
            let piece = self.connection.piece(&mut self.framing).await.expect("the reply goes on");
            self.ahead.extend_from_slice(&piece.expect("the reply is not over"));
        }
        self.ahead.split_to(count).freeze()
    }

    /// The rest of the body.
    pub(crate) async fn rest(mut self) -> Result<Bytes, Broken> {
        loop {
            match self.connection.piece(&mut self.framing).await {
                Ok(Some(piece)) => self.ahead.extend_from_slice(&piece),
                Ok(None) => return Ok(self.ahead.freeze()),
                Err(error) => {
                    return Err(Broken { head: Some(self.head), body: self.ahead.freeze(), error });
                }
            }
        }
    }
}
