//! A steady trickle of reads, writes and purges over a fleet, and what must hold of it whatever happens to Redis.
//!
//! - No request fails, and none waits for long.
//! - What a node said was written or purged it never serves again from before that; nor does any other to a request that
//!   brings the write's position.
//! - Nobody serves what was written over for longer than the blind limit.
//! - In the end every purge is applied everywhere: pages that nobody read meanwhile are new wherever they were stored.

use crate::harness::{At, Pages, Ranks, tagged};
use crate::support::{Connection, Origin, all};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The blind limit of fleets under a trickle.
pub(crate) const BLIND_LIMIT: Duration = Duration::from_secs(1);

/// No request waits for longer, on however busy a machine. Redis is given 50 ms; but a lease whose end a fault swallowed lasts
/// two seconds, and on a busy machine the next one may go the same way.
const BOUND: Duration = Duration::from_secs(10);

/// What a busy machine may add to the time from the origin's word to Larder's note of it.
const SLACK: Duration = Duration::from_secs(5);

/// Between two reads at one node, and between two writes.
const READS: Duration = Duration::from_millis(5);
const WRITES: Duration = Duration::from_millis(25);

/// Pages that are read and written, and pages that are purged and not read.
const PAGES: usize = 4;
const QUIET: usize = 12;

/// Requests going on.
pub(crate) struct Trickle {
    nodes: Vec<At>,
    pages: Pages,
    seen: Arc<Mutex<Record>>,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

/// What the clients saw.
#[derive(Default)]
struct Record {
    /// At each node: the edition of a page that it knows to be published.
    known: HashMap<(usize, String), u64>,
    /// Of each page, when which edition was published for all to see.
    published: HashMap<String, Vec<(u64, Instant)>>,
    /// The last write that was given a position: of what, and where it stands.
    placed: Option<(String, u64, String)>,
    reads: Vec<Duration>,
    writes: Vec<Duration>,
    hits: usize,
    placeless: usize,
    longest_stale: Duration,
    wrong: Vec<String>,
}

fn page(number: usize) -> String {
    format!("/page/{}", number % PAGES)
}

fn quiet(number: usize) -> String {
    format!("/quiet/{}", number % QUIET)
}

impl Trickle {
    /// Has all pages read once at each node, then begins.
    pub(crate) async fn over(origin: &Origin, nodes: &[At]) -> Self {
        let pages = Pages::at(origin);
        for node in nodes {
            for path in (0..PAGES).map(page).chain((0..QUIET).map(quiet)) {
                node.edition(&path).await;
            }
        }
        let (seen, stop) = (Arc::default(), CancellationToken::new());
        let mut trickle = Self { nodes: nodes.to_vec(), pages, seen, stop, tasks: Vec::new() };
        for (number, node) in nodes.iter().enumerate() {
            let read = read(*node, number, Arc::clone(&trickle.seen), trickle.stop.clone());
            trickle.tasks.push(tokio::spawn(read));
        }
        let (nodes, pages) = (nodes.to_vec(), trickle.pages.clone());
        let write = write(nodes, pages, Arc::clone(&trickle.seen), trickle.stop.clone());
        trickle.tasks.push(tokio::spawn(write));
        trickle
    }

    pub(crate) fn pages(&self) -> &Pages {
        &self.pages
    }

    /// The editions of the pages that nobody reads, as they are published by now.
    pub(crate) fn quiet_editions(&self) -> Vec<(String, u64)> {
        (0..QUIET).map(quiet).map(|path| (path.clone(), self.pages.edition(&path))).collect()
    }

    /// Goes on until all is well again after what was healed just now, then checks everything, and that all that was purged
    /// is purged at every node.
    pub(crate) async fn ends_well(self, what: &str) {
        let healed = Instant::now();
        for node in &self.nodes {
            node.well().await;
        }
        let well = healed.elapsed();
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.stop.cancel();
        all(self.tasks).await;
        {
            let mut seen = self.seen.lock().expect("no task panicked");
            let reads = Ranks::from(std::mem::take(&mut seen.reads));
            let writes = Ranks::from(std::mem::take(&mut seen.writes));
            println!("{what}: well again {well:?} after; reads, {reads}, {} hits", seen.hits);
            println!("{what}: writes and purges, {writes}, {} of them appended later", seen.placeless);
            println!("{what}: longest staleness {:?}", seen.longest_stale);
            assert!(seen.wrong.is_empty(), "{what}: {:#?}", seen.wrong);
            assert!(reads.longest() < BOUND && writes.longest() < BOUND, "{what}: {reads}, {writes}");
            assert!(seen.longest_stale < BLIND_LIMIT + SLACK, "{what}: {:?}", seen.longest_stale);
            assert!(seen.hits > 0 && writes.count() > 0, "{what}: nothing to go by");
        }
        for node in &self.nodes {
            for path in (0..PAGES).map(page).chain((0..QUIET).map(quiet)) {
                let expected = self.pages.edition(&path);
                crate::harness::polled(&format!("{what}: {path} is purged everywhere"), || async {
                    node.edition(&path).await == expected
                })
                .await;
            }
        }
    }
}

fn lock(seen: &Mutex<Record>) -> MutexGuard<'_, Record> {
    seen.lock().expect("no task panics with it")
}

/// Reads at one node, every fourth time what somebody wrote somewhere, with its position.
async fn read(node: At, number: usize, seen: Arc<Mutex<Record>>, stop: CancellationToken) {
    let mut connection = Connection::open(node.address()).await;
    let mut turn = 0;
    while !stop.is_cancelled() {
        turn += 1;
        let placed = lock(&seen).placed.clone().filter(|_| turn % 4 == 0);
        let path = placed.as_ref().map_or_else(|| page(turn), |(path, ..)| path.clone());
        let mut floor = lock(&seen).known.get(&(number, path.clone())).copied().unwrap_or_default();
        let mut request = node.get(&path);
        if let Some((_, edition, position)) = &placed {
            floor = floor.max(*edition);
            request = request.header("Larder-Position", position.clone());
        }
        let sent = Instant::now();
        let reply = request.try_send_on(&mut connection).await;
        let took = sent.elapsed();
        let edition = match &reply {
            Ok(reply) if reply.status == 200 => reply.text().parse::<u64>().ok(),
            _ => None,
        };
        {
            let mut seen = lock(&seen);
            seen.reads.push(took);
            match (edition, reply) {
                (Some(edition), Ok(reply)) => {
                    seen.hits += usize::from(reply.is_hit());
                    seen.judge(&path, edition, sent);
                    if edition < floor {
                        let told = reply.cache_status();
                        let text =
                            format!("{path} at node {number}: {edition} after {floor} ({told}, {placed:?})");
                        seen.wrong.push(text);
                    }
                }
                (_, reply) => seen.wrong.push(format!("{path} at node {number}: {reply:#?}")),
            }
        }
        if edition.is_none() {
            connection = Connection::open(node.address()).await;
        }
        tokio::time::sleep(READS).await;
    }
}

impl Record {
    /// Notes for how long a page was old when it was asked for.
    fn judge(&mut self, path: &str, edition: u64, sent: Instant) {
        let newer = self.published.get(path).into_iter().flatten().find(|(number, _)| *number > edition);
        if let Some((_, at)) = newer {
            self.longest_stale = self.longest_stale.max(sent.saturating_duration_since(*at));
        }
    }

    fn publish(&mut self, number: usize, path: String, edition: u64) {
        self.known.insert((number, path.clone()), edition);
        self.published.entry(path).or_default().push((edition, Instant::now()));
    }
}

/// Writes a page at one node after the other, and purges one that nobody reads.
async fn write(nodes: Vec<At>, pages: Pages, seen: Arc<Mutex<Record>>, stop: CancellationToken) {
    let mut turn = 0;
    while !stop.is_cancelled() {
        turn += 1;
        let (number, path) = (turn % nodes.len(), page(turn / 2));
        let sent = Instant::now();
        match nodes[number].put(&path).try_send().await {
            Ok(reply) if reply.status == 200 => {
                let edition = reply.text().parse().expect("an edition");
                let mut seen = lock(&seen);
                seen.writes.push(sent.elapsed());
                match reply.fields.get("larder-position") {
                    Some(position) => seen.placed = Some((path.clone(), edition, position.to_owned())),
                    None => seen.placeless += 1,
                }
                seen.publish(number, path, edition);
            }
            reply => lock(&seen).wrong.push(format!("a write of {path} at node {number}: {reply:#?}")),
        }
        let path = quiet(turn);
        pages.edit(&path);
        let sent = Instant::now();
        let position = nodes[(turn + 1) % nodes.len()].purge(&tagged(&path)).await;
        {
            let mut seen = lock(&seen);
            seen.writes.push(sent.elapsed());
            seen.placeless += usize::from(position.is_none());
        }
        tokio::time::sleep(WRITES).await;
    }
}
