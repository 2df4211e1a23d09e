//! A steady load: so many requests a second, whether or not they are answered as fast.

use super::goods::path_of;
use crate::support::HOST;
use rand::random_range;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// Connections, shared out among the nodes.
const CONNECTIONS: usize = 48;

/// Later than this a request counts as failed, and its connection is given up.
const LATEST: Duration = Duration::from_secs(10);

/// What a timer is late by itself; who is later than this has a queue before it, which counts.
const TIMER: Duration = Duration::from_millis(2);

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Hit,
    /// The origin was asked.
    Other,
    Failed,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Since the load began.
    pub(super) at: Duration,
    /// From when it was due.
    pub(super) took: Duration,
    /// Which of the nodes it asked.
    pub(super) node: usize,
    pub(super) outcome: Outcome,
}

/// A load that goes on until it is ended.
pub(super) struct Load {
    began: Instant,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<Sample>>>,
}

impl Load {
    /// `rate` requests a second over all `nodes` together, each for one of the first `goods` things.
    pub(super) fn begin(nodes: &[SocketAddr], rate: u32, goods: usize) -> Self {
        let (began, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let pace = Duration::from_secs(1) * CONNECTIONS as u32 / rate;
        let tasks = (0..CONNECTIONS).map(|number| {
            let node = number % nodes.len();
            let first = began + pace * number as u32 / CONNECTIONS as u32;
            tokio::spawn(ask(node, nodes[node], first, pace, goods, began, Arc::clone(&stop)))
        });
        Self { began, tasks: tasks.collect(), stop }
    }

    /// How long it has gone on.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Ends it, and returns all samples.
    pub(super) async fn end(self) -> Vec<Sample> {
        self.stop.store(true, Ordering::SeqCst);
        let mut samples = Vec::new();
        for task in self.tasks {
            samples.extend(task.await.expect("a client counts what fails"));
        }
        samples
    }
}

async fn ask(
    node: usize,
    address: SocketAddr,
    first: Instant,
    pace: Duration,
    goods: usize,
    began: Instant,
    stop: Arc<AtomicBool>,
) -> Vec<Sample> {
    let (mut samples, mut connection, mut due) = (Vec::new(), None, first);
    while !stop.load(Ordering::SeqCst) {
        sleep_until(due).await;
        let now = Instant::now();
        let start = if now - due < TIMER { now } else { due };
        let path = path_of(random_range(0..goods));
        let outcome = match timeout(LATEST, get(&mut connection, address, &path)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Outcome::Failed,
        };
        if outcome == Outcome::Failed {
            connection = None;
        }
        samples.push(Sample { at: now - began, took: start.elapsed(), node, outcome });
        due += pace;
    }
    samples
}

async fn get(connection: &mut Option<TcpStream>, address: SocketAddr, path: &str) -> io::Result<Outcome> {
    let socket = match connection {
        Some(socket) => socket,
        None => {
            let socket = TcpStream::connect(address).await?;
            socket.set_nodelay(true)?;
            connection.insert(socket)
        }
    };
    socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await?;
    let mut read = Vec::with_capacity(2048);
    let head = loop {
        if let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let length: usize = field("content-length:")
        .and_then(|length| length.trim().parse().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    while read.len() < head + length {
        if socket.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(match (text.split(' ').nth(1), field("cache-status:")) {
        (Some("200"), Some(status)) if status.contains("; hit") => Outcome::Hit,
        (Some("200"), Some(_)) => Outcome::Other,
        _ => Outcome::Failed,
    })
}

/// How requests of a time went.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) count: usize,
    pub(super) failed: usize,
    pub(super) others: usize,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) longest: Duration,
}

impl Figures {
    pub(super) fn of(samples: &[Sample], time: Range<Duration>) -> Self {
        let within: Vec<_> = samples.iter().filter(|sample| time.contains(&sample.at)).collect();
        let mut took: Vec<_> = within.iter().map(|sample| sample.took).collect();
        took.sort_unstable();
        let quantile = |share: f64| {
            let at = (took.len() as f64 * share) as usize;
            took.get(at.min(took.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        let count = |outcome| within.iter().filter(|sample| sample.outcome == outcome).count();
        Self {
            count: within.len(),
            failed: count(Outcome::Failed),
            others: count(Outcome::Other),
            p50: quantile(0.5),
            p99: quantile(0.99),
            longest: quantile(1.0),
        }
    }
}

/// Asks a node for each of `numbers` once, over a few connections; returns how many were hits.
pub(super) async fn fetch_all(address: SocketAddr, numbers: Range<usize>) -> usize {
    const TOGETHER: usize = 16;
    let tasks = (0..TOGETHER).map(|offset| {
        let numbers = numbers.clone();
        tokio::spawn(async move {
            let (mut connection, mut hits) = (None, 0);
            for number in numbers.skip(offset).step_by(TOGETHER) {
                let outcome =
                    get(&mut connection, address, &path_of(number)).await.expect("the node answers");
                assert_ne!(outcome, Outcome::Failed, "{number}");
                hits += usize::from(outcome == Outcome::Hit);
            }
            hits
        })
    });
    let mut hits = 0;
    for task in tasks.collect::<Vec<_>>() {
        hits += task.await.expect("said why");
    }
    hits
}
