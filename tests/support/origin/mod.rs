//! Origins: HTTP/1.1 over a hand-written server that can do everything wrong, and HTTP/2 for trailers.

mod document;
mod h2;
mod reply;

pub(crate) use document::Document;
pub(crate) use h2::H2Origin;
pub(crate) use reply::{Reply, feed};

use super::tls::Authority;
use super::wire::{Fields, Framing, Socket, Wire};
use super::within;
use bytes::{Bytes, BytesMut};
use reply::Afterwards;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// Bodies are kept up to here; of larger ones the log knows the length and the hash.
const KEPT_BODY: usize = 1 << 20;

/// A request as the origin saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// As it stood in the request line.
    pub(crate) target: String,
    pub(crate) fields: Fields,
    /// The body, unless it was larger than what is kept.
    pub(crate) body: Bytes,
    /// Bytes of the body received so far.
    pub(crate) received: u64,
    /// BLAKE3 of the body, once it is whole.
    pub(crate) hash: Option<blake3::Hash>,
}

impl Seen {
    /// The target without its query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// What the origin answers on a path.
#[derive(Clone)]
enum Script {
    /// One after another; the last one for ever.
    Replies { replies: Arc<[Reply]>, next: Arc<Mutex<usize>> },
    /// Whatever the function says.
    Computed(Arc<dyn Fn(&Seen) -> Reply + Send + Sync>),
}

impl Script {
    fn reply(&self, seen: &Seen) -> Reply {
        match self {
            Self::Replies { replies, next } => {
                let mut next = next.lock().expect("no reply panics");
                let reply = replies[(*next).min(replies.len() - 1)].clone();
                *next += 1;
                reply
            }
            Self::Computed(reply) => reply(seen),
        }
    }
}

struct State {
    scripts: Mutex<HashMap<String, Script>>,
    log: watch::Sender<Vec<Seen>>,
    /// Connections accepted so far, and how many of them are open.
    connections: watch::Sender<(usize, usize)>,
}

/// An HTTP/1.1 origin. Dropping it cuts every connection and refuses new ones.
pub(crate) struct Origin {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
    accepting: AbortHandle,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Origin {
    /// An origin that answers 404 to everything it has no script for.
    pub(crate) async fn start() -> Self {
        Self::listen("127.0.0.1:0".parse().expect("an address"), None).await
    }

    /// As [`Origin::start`], over TLS with a certificate of `authority` for `localhost`.
    pub(crate) async fn start_tls(authority: &Authority) -> Self {
        let acceptor = authority.acceptor("localhost", &[b"http/1.1"]);
        Self::listen("127.0.0.1:0".parse().expect("an address"), Some(acceptor)).await
    }

    /// An origin that comes up again where another one was dropped.
    pub(crate) async fn restart_at(address: SocketAddr) -> Self {
        Self::listen(address, None).await
    }

    async fn listen(address: SocketAddr, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port on the loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State {
            scripts: Mutex::default(),
            log: watch::Sender::new(Vec::new()),
            connections: watch::Sender::new((0, 0)),
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let accepting = tokio::spawn(accept(listener, tls, Arc::clone(&state))).abort_handle();
        Self { address, scheme, state, accepting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stands under `origin:` in the YAML.
    pub(crate) fn url(&self) -> String {
        match self.scheme {
            "https" => format!("https://localhost:{}", self.address.port()),
            scheme => format!("{scheme}://{}", self.address),
        }
    }

    /// From now on `path` is answered with `reply`.
    pub(crate) fn on(&self, path: &str, reply: Reply) -> &Self {
        self.on_each(path, [reply])
    }

    /// From now on `path` is answered with each of `replies` once, and with the last of them from then on.
    pub(crate) fn on_each(&self, path: &str, replies: impl IntoIterator<Item = Reply>) -> &Self {
        let replies: Arc<[Reply]> = replies.into_iter().collect();
        assert!(!replies.is_empty(), "a script needs a reply");
        self.script(path, Script::Replies { replies, next: Arc::default() })
    }

    /// From now on `path` is answered with what `reply` makes of the request.
    pub(crate) fn on_request(
        &self,
        path: &str,
        reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> &Self {
        self.script(path, Script::Computed(Arc::new(reply)))
    }

    /// What is answered where no path has a script of its own.
    pub(crate) fn otherwise(&self, reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> &Self {
        self.on_request("", reply)
    }

    fn script(&self, path: &str, script: Script) -> &Self {
        self.state.scripts.lock().expect("no script panics").insert(path.to_owned(), script);
        self
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.state.log.borrow().clone()
    }

    /// The requests for a path so far.
    pub(crate) fn requests_for(&self, path: &str) -> Vec<Seen> {
        self.requests().into_iter().filter(|seen| seen.path() == path).collect()
    }

    /// How many requests for a path came so far.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.state.log.borrow().iter().filter(|seen| seen.path() == path).count()
    }

    /// The last request for a path.
    pub(crate) fn last(&self, path: &str) -> Seen {
        self.requests_for(path).pop().unwrap_or_else(|| panic!("no request for {path} reached the origin"))
    }

    /// Waits until `count` requests for a path have come.
    pub(crate) async fn asked(&self, path: &str, count: usize) {
        let what = format!("request {count} for {path} reaches the origin");
        self.until(&what, |log| log.iter().filter(|seen| seen.path() == path).count() >= count).await;
    }

    /// Waits until `bytes` of the body of a request for `path` have come.
    pub(crate) async fn received(&self, path: &str, bytes: u64) {
        let what = format!("{bytes} bytes of a body for {path} reach the origin");
        self.until(&what, |log| log.iter().any(|seen| seen.path() == path && seen.received >= bytes)).await;
    }

    async fn until(&self, what: &str, done: impl Fn(&Vec<Seen>) -> bool) {
        let mut log = self.state.log.subscribe();
        within(what, log.wait_for(|log| done(log))).await.expect("the origin holds the sender");
    }

    /// How many connections were accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.borrow().0
    }

    /// Waits until every connection is closed.
    pub(crate) async fn abandoned(&self) {
        let mut connections = self.state.connections.subscribe();
        let closed = connections.wait_for(|(_, open)| *open == 0);
        within("every connection to the origin closes", closed).await.expect("the origin holds the sender");
    }
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        state.connections.send_modify(|(all, open)| {
            *all += 1;
            *open += 1;
        });
        let open = Open(Arc::clone(&state));
        connections.spawn(serve(socket, tls.clone(), open));
    }
}

/// Counts a connection as closed when its task ends, however that comes.
struct Open(Arc<State>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.send_modify(|(_, open)| *open -= 1);
    }
}

async fn serve(socket: TcpStream, tls: Option<TlsAcceptor>, open: Open) {
    socket.set_nodelay(true).expect("the option exists for every TCP socket");
    let socket: Box<dyn Socket> = match tls {
        None => Box::new(socket),
        Some(acceptor) => match acceptor.accept(socket).await {
            Ok(socket) => Box::new(socket),
            Err(_) => return,
        },
    };
    let mut wire = Wire::new(socket);
    loop {
        match exchange(&mut wire, &open.0).await {
            Ok(Afterwards::KeepOpen) => {}
            Ok(Afterwards::Reset) => return wire.reset(),
            // Whatever breaks is the peer leaving, which is its right; what it sent is in the log.
            Ok(Afterwards::Close) | Err(_) => return,
        }
    }
}

/// Reads a request, whole, and plays the reply.
async fn exchange(wire: &mut Wire, state: &State) -> io::Result<Afterwards> {
    let Some(head) = wire.head().await? else { return Ok(Afterwards::Close) };
    let mut words = head.start.split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let mut seen = Seen {
        method: word(),
        target: word(),
        fields: head.fields,
        body: Bytes::new(),
        received: 0,
        hash: None,
    };
    let mut index = 0;
    state.log.send_modify(|log| {
        index = log.len();
        log.push(seen.clone());
    });

    if seen.fields.get("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let mut kept = BytesMut::new();
    let mut hash = blake3::Hasher::new();
    let mut framing = Framing::of_request(&seen.fields);
    while let Some(piece) = wire.piece(&mut framing).await? {
        hash.update(&piece);
        seen.received += piece.len() as u64;
        if kept.len() + piece.len() <= KEPT_BODY {
            kept.extend_from_slice(&piece);
        }
        state.log.send_modify(|log| log[index].received = seen.received);
    }
    if kept.len() as u64 == seen.received {
        seen.body = kept.freeze();
    }
    seen.hash = Some(hash.finalize());
    state.log.send_modify(|log| log[index] = seen.clone());

    let script = {
        let scripts = state.scripts.lock().expect("no script panics");
        scripts.get(seen.path()).or_else(|| scripts.get("")).cloned()
    };
    let reply = script.map_or_else(|| Reply::status(404).body("no such path"), |script| script.reply(&seen));
    reply.play(wire, &seen.method).await
}
