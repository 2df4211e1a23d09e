//! HTTP/1.1 as bytes, for both ends of a test: strict about what it reads, indifferent to what it writes.

use bytes::{Buf, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// A head larger than this is a fault of the test or of the product; nothing here needs more.
const MAX_HEAD: usize = 4 << 20;

/// What a connection runs over.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// Makes closing it a reset (RST) instead of an orderly end.
    fn reset_on_close(&self);
}

impl Socket for TcpStream {
    fn reset_on_close(&self) {
        self.set_zero_linger().expect("the option exists for every TCP socket");
    }
}

impl Socket for tokio_rustls::server::TlsStream<TcpStream> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}

impl Socket for tokio_rustls::client::TlsStream<TcpStream> {
    fn reset_on_close(&self) {
        self.get_ref().0.reset_on_close();
    }
}

/// Header fields as they came: order, spelling and repetition kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    /// The first value of a field.
    pub(crate) fn get<'a>(&'a self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// All values of a field, in order.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// A start line and the fields behind it.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) fields: Fields,
}

impl Head {
    /// The status code, when this is the head of a reply.
    pub(crate) fn status(&self) -> u16 {
        let code = self.start.split(' ').nth(1).and_then(|code| code.parse().ok());
        code.unwrap_or_else(|| panic!("no status line: {:?}", self.start))
    }
}

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// `Content-Length`, or no body at all: this many bytes are to come.
    Length(u64),
    /// `Transfer-Encoding: chunked`, between chunks or in one of which this much is to come.
    Chunked { left: u64 },
    /// The last chunk and the trailers were read.
    Ended,
    /// Everything until the connection closes.
    UntilClose,
}

impl Framing {
    /// That of a request (RFC 9112, 6.3).
    pub(crate) fn of_request(fields: &Fields) -> Self {
        if fields.get("transfer-encoding").is_some_and(|coding| coding.ends_with("chunked")) {
            return Self::Chunked { left: 0 };
        }
        Self::Length(fields.get("content-length").map_or(0, content_length))
    }

    /// That of a reply to a request with `method` (RFC 9112, 6.3).
    pub(crate) fn of_reply(method: &str, head: &Head) -> Self {
        let status = head.status();
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Self::Length(0);
        }
        if head.fields.get("transfer-encoding").is_some_and(|coding| coding.ends_with("chunked")) {
            return Self::Chunked { left: 0 };
        }
        head.fields
            .get("content-length")
            .map_or(Self::UntilClose, |value| Self::Length(content_length(value)))
    }
}

fn content_length(value: &str) -> u64 {
    value.parse().unwrap_or_else(|_| panic!("not a length: {value:?}"))
}

/// One end of a connection, with what was read ahead of need.
pub(crate) struct Wire {
    socket: Box<dyn Socket>,
    buffer: BytesMut,
}

impl Wire {
    pub(crate) fn new(socket: Box<dyn Socket>) -> Self {
        Self { socket, buffer: BytesMut::new() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await?;
        self.socket.flush().await
    }

    /// Ends the writing half; what comes from the peer can still be read.
    pub(crate) async fn finish_writing(&mut self) -> io::Result<()> {
        self.socket.shutdown().await
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        self.socket.reset_on_close();
    }

    /// Reads once into the buffer; zero at the end.
    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(64 << 10);
        self.socket.read_buf(&mut self.buffer).await
    }

    /// As [`Wire::fill`], where an end is a fault.
    async fn need(&mut self) -> io::Result<()> {
        match self.fill().await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed in the middle of a message")),
            _ => Ok(()),
        }
    }

    /// The next bytes as they come, whatever they are; empty at the end.
    pub(crate) async fn some(&mut self) -> io::Result<Bytes> {
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        Ok(self.buffer.split().freeze())
    }

    /// Exactly `count` bytes.
    pub(crate) async fn exactly(&mut self, count: usize) -> io::Result<Bytes> {
        while self.buffer.len() < count {
            self.need().await?;
        }
        Ok(self.buffer.split_to(count).freeze())
    }

    /// One line without its end.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.advance(end + 2);
                return Ok(line);
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "an endless line"));
            }
            self.need().await?;
        }
    }

    /// A head; `None` when the connection closes before its first byte.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        if self.buffer.is_empty() && self.fill().await? == 0 {
            return Ok(None);
        }
        let start = self.line().await?;
        let fields = self.fields().await?;
        Ok(Some(Head { start, fields }))
    }

    /// Lines up to an empty one.
    async fn fields(&mut self) -> io::Result<Fields> {
        let mut fields = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(Fields(fields));
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no field: {line:?}")))?;
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// The next bytes of a body as they arrive; `None` at its end. An end before its time is an error, except where
    /// closing is the end.
    pub(crate) async fn piece(&mut self, framing: &mut Framing) -> io::Result<Option<Bytes>> {
        match framing {
            Framing::Ended | Framing::Length(0) => Ok(None),
            Framing::UntilClose => Ok(Some(self.some().await?).filter(|piece| !piece.is_empty())),
            Framing::Length(left) => self.up_to(left).await.map(Some),
            Framing::Chunked { left } => {
                if *left == 0 {
                    *left = self.chunk_size().await?;
                }
                if *left == 0 {
                    self.fields().await?;
                    *framing = Framing::Ended;
                    return Ok(None);
                }
                let piece = self.up_to(left).await?;
                if *left == 0 {
                    self.line().await?;
                }
                Ok(Some(piece))
            }
        }
    }

    /// At least one byte, at most `left`, from which it is taken.
    async fn up_to(&mut self, left: &mut u64) -> io::Result<Bytes> {
        if self.buffer.is_empty() {
            self.need().await?;
        }
        let count = self.buffer.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= count as u64;
        Ok(self.buffer.split_to(count).freeze())
    }

    async fn chunk_size(&mut self) -> io::Result<u64> {
        let line = self.line().await?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        u64::from_str_radix(digits, 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, format!("no chunk size: {line:?}")))
    }
}
