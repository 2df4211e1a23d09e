//! A client connection as Pingora reads and writes it.
//!
//! Pingora's own stream would do, but for three things that only the bottom can do: hand the bytes of one message on and
//! not one more, so that the next request is never taken for part of this one; notice that a client does not read, on
//! every path that writes; and send a head and the body behind it in one go.

use super::connection::{Connection, Head};
use super::http1::{Chunks, Framing};
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::l4::stream::Stream as TlsSocket;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::TlsStream;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID,
};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

/// How long a write may make no progress at all before the client is given up.
///
/// A minute, as common servers have it: enough for a phone in a tunnel, too short to hold memory for a client that stopped.
const STALL: Duration = Duration::from_secs(60);

/// Bytes of small writes that are gathered. A head and a small body fit; what is larger is written at once beside them.
const GATHER: usize = 16 * 1024;

/// Bytes asked of the socket at once while a head is read. Nearly every head fits.
const READ: usize = 4 * 1024;

/// Buffers above this are given back while a connection is idle, so that ten thousand idle ones stay below 80 MiB.
const KEPT_WHILE_IDLE: usize = 4 * 1024;

/// How long, and how much, a client may go on sending what nobody reads, once it has its reply.
const LINGER: Duration = Duration::from_secs(2);
const MOST_DISCARDED: usize = 1024 * 1024;

/// The bytes below: TCP, or TLS over it.
#[derive(Debug)]
pub(super) enum Transport {
    /// As they are.
    Plain(TcpStream),
    /// Encrypted, after the handshake.
    Tls(Box<TlsStream<TlsSocket>>),
    /// Handed on to whoever closes the connection.
    Gone,
}

/// How much of what arrives belongs to the message being handled.
#[derive(Debug)]
enum Allowance {
    /// So many bytes more.
    Length(u64),
    /// As many as the last chunk ends.
    Chunks(Chunks),
    /// Everything: HTTP/2, and a connection that became a tunnel.
    Everything,
}

/// A client connection.
pub(super) struct Wire {
    transport: Transport,
    connection: Arc<Connection>,
    allowance: Allowance,
    received: BytesMut,
    gathered: BytesMut,
    stall: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// A connection nothing was read from yet.
    pub(super) fn new(transport: Transport, connection: Arc<Connection>) -> Self {
        Self {
            transport,
            connection,
            allowance: Allowance::Length(0),
            received: BytesMut::new(),
            gathered: BytesMut::new(),
            stall: None,
        }
    }

    /// What was received and not handed on.
    pub(super) fn received(&mut self) -> &mut BytesMut {
        &mut self.received
    }

    /// Receives more; 0 at the end. Cancel safe.
    pub(super) async fn receive(&mut self) -> io::Result<usize> {
        self.received.reserve(READ);
        match &mut self.transport {
            Transport::Plain(tcp) => tcp.read_buf(&mut self.received).await,
            Transport::Tls(tls) => tls.read_buf(&mut self.received).await,
            Transport::Gone => Ok(0),
        }
    }

    /// From here on everything that arrives is for the reader: it speaks HTTP/2.
    pub(super) fn give_everything(&mut self) {
        self.allowance = Allowance::Everything;
    }

    /// From here on a request is handled whose head has been taken: its reader gets its body and nothing behind it.
    pub(super) fn begin(&mut self, framing: Framing) {
        self.connection.write_head_as(None);
        self.allowance = match framing {
            Framing::Length(length) => Allowance::Length(length),
            Framing::Chunked => Allowance::Chunks(Chunks::new()),
        };
    }

    /// Whether the body of the request was handed on whole, so that what was received since is the next request.
    pub(super) fn body_is_read(&self) -> bool {
        match &self.allowance {
            Allowance::Length(left) => *left == 0,
            Allowance::Chunks(chunks) => chunks.is_done(),
            Allowance::Everything => false,
        }
    }

    /// A request is over: gives large buffers back.
    pub(super) fn rest(&mut self) {
        self.connection.write_through(false);
        if self.gathered.is_empty() && self.gathered.capacity() > KEPT_WHILE_IDLE {
            self.gathered = BytesMut::new();
        }
        if self.received.is_empty() && self.received.capacity() > KEPT_WHILE_IDLE {
            self.received = BytesMut::new();
        }
    }

    /// Sends `reply` and ends the connection.
    pub(super) async fn send_last(mut self, reply: &[u8]) {
        // Where the request ends is not known.
        self.allowance = Allowance::Everything;
        // A client that is gone needs no reply; whatever was sent, the rest is up to whoever closes the connection.
        let _ = self.write_all(reply).await;
        let _ = self.flush().await;
    }

    /// The bytes of `received` that may be handed on now, at most `wanted`.
    fn allowed(&mut self, wanted: usize) -> usize {
        let available = &self.received[..self.received.len().min(wanted)];
        match &mut self.allowance {
            Allowance::Everything => available.len(),
            Allowance::Chunks(chunks) => chunks.take(available),
            Allowance::Length(left) => {
                let count = available.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= count as u64;
                count
            }
        }
    }

    /// Waits, for a reader that has had its whole message, for the client to leave. What the client sends meanwhile is the
    /// next request and stays here; while there is some, the socket is not read, so there is never more of it than one read.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.received.is_empty() {
            return Poll::Pending;
        }
        match ready!(self.poll_receive(cx)) {
            Ok(0) => Poll::Ready(Ok(())),
            Ok(_) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let receive = std::pin::pin!(self.receive());
        receive.poll(cx)
    }

    /// Writes what was gathered, and `more` behind it. Returns how much of `more` went with it.
    fn poll_drain(&mut self, cx: &mut Context<'_>, more: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.connection.poll_held(cx));
        loop {
            if self.gathered.is_empty() && more.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let slices = [IoSlice::new(&self.gathered), IoSlice::new(more)];
            let slices = if self.gathered.is_empty() { &slices[1..] } else { &slices[..] };
            let written = match self.transport.poll_write_slices(cx, slices) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(result) => result?,
                Poll::Pending => return self.poll_stalled(cx),
            };
            self.stall = None;
            let gathered = self.gathered.len();
            self.gathered.advance(written.min(gathered));
            if written > gathered {
                return Poll::Ready(Ok(written - gathered));
            }
            if self.gathered.is_empty() {
                self.gathered.clear();
                if more.is_empty() {
                    return Poll::Ready(Ok(0));
                }
            }
        }
    }

    /// Gathers `head` in place of the one that Pingora `wrote`.
    fn gather_head(&mut self, cx: &mut Context<'_>, head: Head, wrote: &[u8]) {
        match head {
            Head::Bytes(bytes) => self.gathered.extend_from_slice(&bytes),
            Head::Dated(date) => {
                for line in wrote.split_inclusive(|byte| *byte == b'\n') {
                    if line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"date:")) {
                        self.gathered.extend_from_slice(b"Date: ");
                        self.gathered.extend_from_slice(date.as_bytes());
                        self.gathered.extend_from_slice(b"\r\n");
                    } else {
                        self.gathered.extend_from_slice(line);
                    }
                }
            }
        }
        if self.connection.writes_through() {
            // What does not go now goes with the next write, and so do failures.
            let _ = self.poll_drain(cx, &[]);
        }
    }

    /// A write cannot go on: counts the time until the client is given up.
    fn poll_stalled<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(STALL)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }

    /// A reader is about to wait, so nothing more will be written for now: sends what was gathered.
    ///
    /// Failures are left to the next write, where somebody can be told.
    fn flush_before_waiting(&mut self, cx: &mut Context<'_>) {
        if !self.gathered.is_empty() {
            let _ = self.poll_drain(cx, &[]);
        }
    }
}

impl Transport {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_slices(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_write_vectored(cx, slices),
            Self::Gone => Poll::Ready(Ok(0)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    /// Closes the connection in a way that lets a client read its reply that is still sending.
    ///
    /// Closing a socket with unread bytes resets the connection, and the reset may overtake the reply (RFC 9112, 9.6).
    pub(super) async fn close(mut self) {
        let farewell = async {
            poll_fn(|cx| self.poll_shutdown(cx)).await?;
            let (mut discarded, mut bytes) = (0, [0; READ]);
            while discarded < MOST_DISCARDED {
                let mut buf = ReadBuf::new(&mut bytes);
                poll_fn(|cx| self.poll_read(cx, &mut buf)).await?;
                match buf.filled().len() {
                    0 => break,
                    count => discarded += count,
                }
            }
            io::Result::Ok(())
        };
        // Whether the client heard it or not, there is nothing more to do for it.
        let _ = timeout(LINGER, farewell).await;
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.connection.is_tunnel() {
            this.allowance = Allowance::Everything;
        }
        let result = if this.body_is_read() {
            this.poll_gone(cx)
        } else if matches!(this.allowance, Allowance::Everything) && this.received.is_empty() {
            this.transport.poll_read(cx, buf)
        } else {
            this.poll_body(cx, buf)
        };
        if result.is_pending() {
            this.flush_before_waiting(cx);
        }
        result
    }
}

impl Wire {
    fn poll_body(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.received.is_empty() && ready!(self.poll_receive(cx))? == 0 {
            return Poll::Ready(Ok(()));
        }
        let count = self.allowed(buf.remaining());
        buf.put_slice(&self.received[..count]);
        self.received.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(head) = this.connection.take_head() {
            this.gather_head(cx, head, buf);
            return Poll::Ready(Ok(buf.len()));
        }
        if this.gathered.len() + buf.len() <= GATHER && !this.connection.writes_through() {
            this.gathered.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        this.poll_drain(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx, &[]))?;
        match this.transport.poll_flush(cx) {
            Poll::Pending => this.poll_stalled(cx),
            ready => {
                this.stall = None;
                ready
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_drain(cx, &[]))?;
        match this.transport.poll_shutdown(cx) {
            Poll::Pending => this.poll_stalled(cx),
            ready => ready,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.connection.is_cut() {
            // A reply that only the end of the connection delimits would look whole; a reset tells the client that it is not.
            // Over TLS the missing close_notify does (RFC 8446, 6.1).
            if let Transport::Plain(tcp) = &self.transport {
                let _ = tcp.set_zero_linger();
            }
            return;
        }
        // Best effort, as nothing can be waited for here: the kernel takes a few bytes at once unless its buffer is full.
        if !self.gathered.is_empty() {
            let cx = &mut Context::from_waker(Waker::noop());
            let _ = self.transport.poll_write_slices(cx, &[IoSlice::new(&self.gathered)]);
        }
        if !self.received.is_empty() || !self.body_is_read() {
            self.connection.leave(std::mem::replace(&mut self.transport, Transport::Gone));
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("connection", &self.connection).finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for Wire {
    async fn shutdown(&mut self) {
        // The connection is over, whether the client takes notice or not.
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Wire {
    fn id(&self) -> i32 {
        match &self.transport {
            Transport::Plain(tcp) => tcp.as_raw_fd(),
            Transport::Tls(tls) => tls.id(),
            Transport::Gone => -1,
        }
    }
}

// Larder keeps what it needs to know of a connection in `Connection`; Pingora asks for these on every request, and what
// they cost to make would be wasted.
impl Ssl for Wire {}

impl GetTimingDigest for Wire {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Wire {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Wire {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

#[async_trait]
impl Peek for Wire {}

#[cfg(test)]
mod tests;
