//! What is known of a client connection, shared by the bytes below and the request above.

use super::wire::Transport;
use crate::key::Scheme;
use http::HeaderValue;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

tokio::task_local! {
    /// The connection whose request the current task handles. Pingora has no way to hand something of ours to its callbacks
    /// that works for HTTP/1 and HTTP/2 alike.
    pub(super) static CONNECTION: Arc<Connection>;
}

/// What is written in place of the head that Pingora writes next.
///
/// Pingora's session puts a `Date` of its own into every head. A stored reply has the one it was made at, from which whoever
/// caches it behind Larder counts its lifetime (RFC 9110, 6.6.1), and a proxy leaves it alone.
#[derive(Debug)]
pub(super) enum Head {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The same with this `Date`.
    Dated(HeaderValue),
}

/// What has to end before anything more is written.
pub(super) type Hold = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Default)]
struct Held(Option<Hold>);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.0.is_some()).finish()
    }
}

/// A client connection. The flags are set and read by one task at a time; they are atomic because Pingora's types ask for it.
#[derive(Debug)]
pub(super) struct Connection {
    peer: SocketAddr,
    local: SocketAddr,
    scheme: Scheme,
    tunnel: AtomicBool,
    cut: AtomicBool,
    write_through: AtomicBool,
    has_head: AtomicBool,
    head: Mutex<Option<Head>>,
    is_held: AtomicBool,
    held: Mutex<Held>,
    left: Mutex<Option<Transport>>,
}

impl Connection {
    /// A new connection from `peer` to `local`.
    pub(super) fn new(peer: SocketAddr, local: SocketAddr, scheme: Scheme) -> Self {
        Self {
            peer,
            local,
            scheme,
            tunnel: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            write_through: AtomicBool::new(false),
            has_head: AtomicBool::new(false),
            head: Mutex::new(None),
            is_held: AtomicBool::new(false),
            held: Mutex::default(),
            left: Mutex::new(None),
        }
    }

    /// Who is at the other end of the socket: the client, or a proxy before it.
    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The address it came in at.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether TLS is spoken on it.
    pub(super) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The connection stopped speaking HTTP (101): bytes pass as they are.
    pub(super) fn become_tunnel(&self) {
        self.tunnel.store(true, Relaxed);
    }

    /// Whether it is a tunnel.
    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel.load(Relaxed)
    }

    /// The reply under way was cut and must not look whole when the connection closes.
    pub(super) fn cut(&self) {
        self.cut.store(true, Relaxed);
    }

    /// Whether it was.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    /// Whether every write goes out at once, because the next may be long in coming, or is gathered with it.
    pub(super) fn write_through(&self, through: bool) {
        self.write_through.store(through, Relaxed);
    }

    /// Whether every write goes out at once.
    pub(super) fn writes_through(&self) -> bool {
        self.write_through.load(Relaxed)
    }

    /// The next head that is written on this HTTP/1 connection is `head`; `None` leaves it to Pingora.
    pub(super) fn write_head_as(&self, head: Option<Head>) {
        if head.is_some() || self.has_head.load(Relaxed) {
            self.has_head.store(head.is_some(), Relaxed);
            *self.head.lock().unwrap_or_else(PoisonError::into_inner) = head;
        }
    }

    /// What to write in place of the head that is being written.
    pub(super) fn take_head(&self) -> Option<Head> {
        if !self.has_head.load(Relaxed) {
            return None;
        }
        self.has_head.store(false, Relaxed);
        self.head.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Nothing more is written on this HTTP/1 connection until `hold` has ended, which has to be soon.
    pub(super) fn hold(&self, hold: Hold) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(hold);
        self.is_held.store(true, Relaxed);
    }

    /// Waits for what writing has to wait for.
    pub(super) fn poll_held(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_held.load(Relaxed) {
            return Poll::Ready(());
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hold) = &mut held.0 {
            ready!(hold.as_mut().poll(cx));
        }
        held.0 = None;
        self.is_held.store(false, Relaxed);
        Poll::Ready(())
    }

    /// Whoever read and wrote is done, but the client may still be sending.
    pub(super) fn leave(&self, transport: Transport) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(transport);
    }

    /// What is still to be closed with care.
    pub(super) fn take_left(&self) -> Option<Transport> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
