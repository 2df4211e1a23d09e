//! The origin: pages with versions. It reads a page's version when it is asked and answers some time later, and it commits a
//! write some time before it answers: so purges overtake replies on their way, as they do in front of a real one.

use crate::support::{Framing, Wire};
use rand::random_range;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// Pages, shared out among [`FAMILIES`] and [`GROUPS`].
pub(crate) const PAGES: usize = 24;

/// Where pages stand; a route for each in the configuration of the nodes.
pub(crate) const FAMILIES: [&str; 3] = ["fleet", "process", "remote"];

/// Tags that several pages bear.
pub(crate) const GROUPS: usize = 5;

/// The path of a page.
pub(crate) fn path_of(page: usize) -> String {
    format!("/{}/{page}", FAMILIES[page % FAMILIES.len()])
}

/// The origin. Dropping it ends it.
pub(crate) struct Pages {
    address: SocketAddr,
    state: Arc<State>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct State {
    versions: Mutex<Vec<u64>>,
    /// What writes committed, by the name that their clients gave them.
    committed: Mutex<HashMap<u64, u64>>,
    /// The longest, in microseconds, that a version was on its way out of here.
    longest: AtomicU64,
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Pages {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on the loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State { versions: Mutex::new(vec![1; PAGES]), ..State::default() });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Self { address, state, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn version(&self, page: usize) -> u64 {
        lock(&self.state.versions)[page]
    }

    /// Changes a page without anybody in front knowing of it.
    pub(crate) fn edit(&self, page: usize) -> u64 {
        self.state.edit(page)
    }

    /// The longest that a version was on its way out of here.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_micros(self.state.longest.load(Ordering::Relaxed))
    }

    /// What a write committed, if it did.
    pub(crate) fn committed(&self, write: u64) -> Option<u64> {
        lock(&self.state.committed).get(&write).copied()
    }
}

impl State {
    fn edit(&self, page: usize) -> u64 {
        let mut versions = lock(&self.versions);
        versions[page] += 1;
        versions[page]
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(socket, Arc::clone(&state)));
    }
}

async fn serve(socket: TcpStream, state: Arc<State>) {
    let _ = socket.set_nodelay(true);
    let mut wire = Wire::new(Box::new(socket));
    // Whatever breaks is a node that was killed.
    while let Ok(true) = exchange(&mut wire, &state).await {}
}

/// Answers one request; false at the end of the connection.
async fn exchange(wire: &mut Wire, state: &State) -> io::Result<bool> {
    let Some(head) = wire.head().await? else { return Ok(false) };
    let mut framing = Framing::of_request(&head.fields);
    while wire.piece(&mut framing).await?.is_some() {}
    let mut words = head.start.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let page = target.rsplit('/').next().and_then(|name| name.parse().ok()).filter(|page| *page < PAGES);
    let Some(page): Option<usize> = page else {
        wire.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await?;
        return Ok(true);
    };
    if method == "GET" {
        let version = lock(&state.versions)[page];
        let looked = Instant::now();
        pause().await;
        let tag = format!("\"{page}-{version}\"");
        let known = head.fields.get("if-none-match").is_some_and(|tags| tags.contains(&tag));
        wire.write(reply(page, version, &tag, known).as_bytes()).await?;
        let took = looked.elapsed().as_micros().try_into().unwrap_or(u64::MAX);
        state.longest.fetch_max(took, Ordering::Relaxed);
        return Ok(true);
    }
    pause().await;
    let version = state.edit(page);
    if let Some(write) = head.fields.get("x-write").and_then(|name| name.parse().ok()) {
        lock(&state.committed).insert(write, version);
    }
    pause().await;
    wire.write(format!("HTTP/1.1 200 OK\r\nX-Version: {version}\r\nContent-Length: 0\r\n\r\n").as_bytes())
        .await?;
    Ok(true)
}

/// Mostly a few milliseconds, sometimes many.
async fn pause() {
    let longest = match random_range(0..20) {
        0 => 400,
        1..5 => 60,
        _ => 8,
    };
    tokio::time::sleep(Duration::from_millis(random_range(0..=longest))).await;
}

fn reply(page: usize, version: u64, tag: &str, known: bool) -> String {
    let group = page % GROUPS;
    let head = format!(
        "ETag: {tag}\r\nX-Version: {version}\r\nCache-Control: public, max-age=3600\r\n\
         Surrogate-Key: page-{page} group-{group}\r\n"
    );
    if known {
        return format!("HTTP/1.1 304 Not Modified\r\n{head}\r\n");
    }
    let body = format!("{page} {version}\n").repeat(20);
    format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len())
}
