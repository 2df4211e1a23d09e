//! A server of HTTP that says what it is told to, byte by byte.

use crate::support::within;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What is done with a request that has arrived.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Say {
    /// These bytes are sent, and the connection is closed.
    Bytes(Vec<u8>),
    /// Nothing is said, and the connection stays.
    Hang,
    /// The connection is reset.
    Reset,
}

impl Say {
    /// A reply with a body and fields of the head, such as `Retry-After: 7`.
    pub(crate) fn reply(status: u16, fields: &[&str], body: &str) -> Self {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let length = body.len();
        Self::Bytes(
            format!(
                "HTTP/1.1 {status} Such\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .into_bytes(),
        )
    }
}

impl fmt::Debug for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{:?}", String::from_utf8_lossy(bytes)),
            Self::Hang => f.write_str("hang"),
            Self::Reset => f.write_str("reset"),
        }
    }
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// The line of the request and its fields.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// Method and target.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1")
    }

    /// A field of its head, by its name in small letters.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// A server on a port of its own. Everything of it ends when it is dropped.
pub(crate) struct Raw {
    address: SocketAddr,
    received: watch::Receiver<Vec<Received>>,
    accepting: AbortHandle,
}

impl Raw {
    /// Does these things with requests, one after the other, and the last of them with all that follow.
    pub(crate) async fn start(script: Vec<Say>) -> Self {
        let script = Arc::new(Mutex::new(script));
        Self::serve(move |_| {
            let mut script = script.lock().unwrap();
            if script.len() > 1 { script.remove(0) } else { script[0].clone() }
        })
        .await
    }

    /// Does with each request what `answer` says.
    pub(crate) async fn serve(answer: impl Fn(&Received) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, received) = watch::channel(Vec::new());
        let (seen, answer) = (Arc::new(seen), Arc::new(answer));
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                connections.spawn(async move {
                    let Some(request) = read(&mut stream).await else { return };
                    let say = answer(&request);
                    seen.send_modify(|all: &mut Vec<Received>| all.push(request));
                    obey(stream, say).await;
                });
            }
        });
        Self { address, received, accepting: accepting.abort_handle() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has arrived.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.received.borrow().clone()
    }

    /// Waits until so many requests have arrived.
    pub(crate) async fn arrived(&self, count: usize) {
        let mut received = self.received.clone();
        within("requests arrive", received.wait_for(|all| all.len() >= count)).await.unwrap();
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn obey(mut stream: TcpStream, say: Say) {
    match say {
        Say::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Say::Hang => std::future::pending().await,
        Say::Reset => stream.set_zero_linger().unwrap(),
    }
}

/// A whole request; `None` when the connection ends before.
async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        match bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(end) => break end,
            None => more(stream, &mut bytes).await?,
        }
    };
    let mut received = Received { head: String::from_utf8(bytes[..end].to_vec()).unwrap(), body: vec![] };
    let length = received.field("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + 4 + length {
        more(stream, &mut bytes).await?;
    }
    received.body = bytes.split_off(end + 4);
    Some(received)
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let reading = tokio::time::timeout(Duration::from_secs(60), stream.read_buf(bytes));
    matches!(reading.await, Ok(Ok(1..))).then_some(())
}
