//! A run: a fleet, clients, faults, and then the search.

use crate::clients::{BOUND, Client, Clients};
use crate::faults::{Backend, Faults};
use crate::nodes::{BLIND_LIMIT, Nodes};
use crate::pages::{PAGES, Pages};
use crate::record::Recorder;
use crate::search::{Finding, Limits, longest, search};
use std::env;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Nodes of the fleet.
const NODES: usize = 5;

/// Clients. Each is at one thing at a time.
const CLIENTS: u64 = 12;

/// Faults of `make test`; `LARDER_HISTORY_SECONDS` asks for more.
const SHORT: Duration = Duration::from_secs(8);

/// The seed of `make test`, so that it makes the same faults each time; `LARDER_HISTORY_SEED` names another.
const SEED: u64 = 1;

/// A node that was not heard of for so long is gone (`larder::fleet::NODE_TIMEOUT`), and a heartbeat later somebody knows.
const GONE: Duration = Duration::from_secs(12);

/// What a reply of the origin may take to be received by a node on a machine that is busy.
const ARRIVAL: Duration = Duration::from_millis(750);

/// Findings that are told in full.
const TOLD: usize = 10;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.trim().parse().unwrap_or_else(|_| panic!("{name} is {text:?}; write a number")))
}

/// How long faults are made.
fn time() -> Duration {
    number("LARDER_HISTORY_SECONDS").map_or(SHORT, Duration::from_secs)
}

fn seed() -> u64 {
    number("LARDER_HISTORY_SEED").unwrap_or(SEED)
}

/// Runs a fleet over `backend` with faults, searches what happened, and fails if anything is found.
pub(crate) async fn check(name: &str, backend: Backend) {
    let (seed, time) = (seed(), time());
    println!("{name}: seed {seed}, faults for {time:?}");
    let recorder = Arc::new(Recorder::new());
    let pages = Arc::new(Pages::start().await);
    let nodes = Arc::new(Nodes::start(NODES, &pages.url(), &backend.at(), &recorder).await);
    let mut faults = Faults::new(backend, &nodes, &recorder, seed);
    faults.well().await;

    let shared = Arc::new(Clients {
        nodes: Arc::clone(&nodes),
        pages: Arc::clone(&pages),
        recorder: Arc::clone(&recorder),
        writes: AtomicU64::new(0),
        stop: CancellationToken::new(),
    });
    let clients = (0..CLIENTS).map(|number| Client::new(&shared, seed ^ number << 32).run());
    let clients: Vec<_> = clients.map(tokio::spawn).collect();
    faults.run(time).await;
    shared.stop.cancel();
    for client in clients {
        client.await.expect("a client notes what goes wrong");
    }
    // What could not be appended before is, as soon as all is well; and then a limit passes, and everybody knows.
    faults.well().await;
    tokio::time::sleep(BLIND_LIMIT + pages.longest() + 2 * ARRIVAL).await;
    let latest = read_all(&shared).await;

    let history = recorder.take();
    // What was on its way from the origin when a purge was made counts as validated when it arrived.
    let slack = pages.longest() + ARRIVAL;
    let limits = Limits { everywhere: BLIND_LIMIT + slack, orphan: GONE, bound: BOUND };
    let (findings, searched) = search(&history, &limits);
    println!("{name}: {searched:?}");
    println!(
        "{name}: {} faults, {} lives of nodes, longest read {:?}, binding everywhere after {:?}, in the end {} of {} replies \
         the latest; a node held {} MiB at most, Redis {} MiB",
        history.faults.len(),
        history.deaths.len() + NODES,
        longest(&history),
        limits.everywhere,
        latest,
        NODES * PAGES,
        nodes.peak_memory().await >> 20,
        faults.redis_memory().await >> 20,
    );
    if !findings.is_empty() {
        let warnings = nodes.warnings().await;
        drop((faults, nodes, shared));
        panic!("{}", report(name, seed, &findings, &warnings));
    }
    let binding = searched.in_time + searched.late;
    assert!(searched.reads > 100 && binding > 10 && searched.with_position > 10, "{searched:?}");
}

/// Reads every page at every node; returns how many replies were the latest.
async fn read_all(shared: &Arc<Clients>) -> usize {
    let mut client = Client::new(shared, 0);
    let from = shared.recorder.now();
    for index in 0..shared.nodes.len() {
        let live = shared.nodes.live(index).expect("no fault is left");
        for page in 0..PAGES {
            client.read(live, page, None).await;
        }
    }
    let mut latest = 0;
    shared.recorder.note(|history| {
        let last = history.reads.iter().filter(|read| read.span.start >= from);
        latest = last.filter(|read| read.version == shared.pages.version(read.page)).count();
    });
    latest
}

fn report(name: &str, seed: u64, findings: &[Finding], warnings: &[String]) -> String {
    let mut text = format!("{name}, seed {seed}: {} findings\n", findings.len());
    for finding in findings.iter().take(TOLD) {
        let _ = writeln!(
            text,
            "at {:.3} s: {}: {}",
            finding.at.as_secs_f64(),
            finding.rule.as_str(),
            finding.story
        );
    }
    let _ = writeln!(text, "what the nodes warned of:");
    for warning in warnings.iter().rev().take(40).rev() {
        let _ = writeln!(text, "{warning}");
    }
    text
}
