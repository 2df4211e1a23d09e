//! The spool, held against disks that fail, hang, tear and rot.

mod backed;
mod folder;
mod frames;
mod leftovers;
mod log;
mod outbox;
mod shared;
mod state;
mod writer;

use super::disk::Disk;
use super::journal::{Spool, SpoolObserver, SpoolSettings};
use super::log::SpooledLog;
use super::record::{self, Record};
use super::state::State;
use crate::invalidation::{Appending, Invalidation, Ledger, LedgerSettings, Log, Matcher, Names, Position};
use crate::time::{Clock, Timestamp};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Longer than any disk of a test takes, so that no machine is too slow for it.
const PATIENT: Duration = Duration::from_secs(60);

/// The longest write.
const BOUND: Duration = Duration::from_secs(60);

struct SetClock(AtomicU64);

impl SetClock {
    fn at(seconds: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seconds * 1000)))
    }

    fn set(&self, seconds: u64) {
        self.0.store(seconds * 1000, Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Relaxed))
    }
}

/// Remembers what it was told.
#[derive(Default)]
struct Told(Mutex<Vec<&'static str>>);

impl Told {
    fn count(&self, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|word| **word == what).count()
    }
}

impl SpoolObserver for Told {
    fn event(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }
}

fn tag(name: &str) -> Vec<Invalidation> {
    vec![Invalidation::hard(Matcher::Tag(name.into()))]
}

fn names(name: &str) -> Names {
    Names::of(&tag(name))
}

fn settings(folder: Option<&Path>, cdns: &[&str]) -> SpoolSettings {
    SpoolSettings {
        folder: folder.map(Path::to_owned),
        cdns: cdns.iter().map(|cdn| (*cdn).into()).collect(),
        write_bound: BOUND,
        patience: PATIENT,
    }
}

/// A disk whose content is looked at, and that fails and hangs on command.
#[derive(Clone, Default)]
struct FakeDisk(Arc<(Mutex<Platter>, Condvar)>);

#[derive(Default)]
struct Platter {
    bytes: Vec<u8>,
    syncs: usize,
    replaced: usize,
    fails: bool,
    hangs: bool,
    /// Operations that hang.
    hanging: usize,
}

impl FakeDisk {
    fn set(&self, change: impl FnOnce(&mut Platter)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn get<T>(&self, look: impl FnOnce(&Platter) -> T) -> T {
        look(&self.0.0.lock().unwrap())
    }

    /// What a process that starts now would find.
    fn state(&self) -> State {
        let mut state = State::default();
        let bytes = self.get(|platter| platter.bytes.clone());
        record::decode(&bytes, |record| _ = state.apply(record)).unwrap();
        state
    }

    fn work(&self, work: impl FnOnce(&mut Platter)) -> io::Result<()> {
        let (platter, changed) = &*self.0;
        let mut platter = platter.lock().unwrap();
        platter.hanging += 1;
        platter = changed.wait_while(platter, |platter| platter.hangs).unwrap();
        platter.hanging -= 1;
        if platter.fails {
            return Err(io::Error::other("no space left on device"));
        }
        work(&mut platter);
        Ok(())
    }
}

impl Disk for FakeDisk {
    fn append(&mut self, frames: &[u8], sync: bool) -> io::Result<()> {
        let outcome = self.work(|platter| {
            platter.bytes.extend(frames);
            platter.syncs += usize::from(sync);
        });
        if outcome.is_err() {
            // As on a disk that fills up.
            self.set(|platter| platter.bytes.extend(&frames[..frames.len() / 2]));
        }
        outcome
    }

    fn replace(&mut self, whole: &[u8]) -> io::Result<()> {
        self.work(|platter| {
            platter.bytes = whole.to_vec();
            platter.syncs += 1;
            platter.replaced += 1;
        })
    }
}

/// One life of a process, with all that it needs.
struct Life {
    clock: Arc<SetClock>,
    told: Arc<Told>,
    ledger: Arc<Ledger>,
    spool: Arc<Spool>,
    log: Arc<SpooledLog>,
}

impl Life {
    fn on(spool: Arc<Spool>, clock: Arc<SetClock>, told: Arc<Told>) -> Self {
        let start = Position::next(clock.now(), spool.last(), Position::START);
        let ledger = Arc::new(Ledger::new(&LedgerSettings { memory: 1 << 20, table_slots: 1 << 10 }, start));
        let log = SpooledLog::new(Arc::clone(&spool), Arc::clone(&ledger), BOUND);
        Self { clock, told, ledger, spool, log }
    }

    /// On a real folder.
    fn begin(folder: Option<&Path>, cdns: &[&str], seconds: u64) -> Self {
        let (clock, told) = (SetClock::at(seconds), Arc::<Told>::default());
        let spool = Spool::open(&settings(folder, cdns), Arc::clone(&clock) as _, Arc::clone(&told) as _);
        Self::on(spool.unwrap(), clock, told)
    }

    /// On a disk that is not real.
    fn fake(disk: &FakeDisk, cdns: &[&str], patience: Duration) -> Self {
        let (clock, told) = (SetClock::at(1000), Arc::<Told>::default());
        let settings = SpoolSettings { patience, ..settings(None, cdns) };
        let disk: Box<dyn Disk> = Box::new(disk.clone());
        let spool = Spool::begin(
            State::default(),
            Some((disk, None)),
            &settings,
            Arc::clone(&clock) as _,
            Arc::clone(&told) as _,
        );
        Self::on(spool.unwrap(), clock, told)
    }

    async fn purge(&self, name: &str) -> Position {
        self.log.append(tag(name).into()).await.unwrap().last().position
    }

    /// The tags of the jobs that are handed out next.
    async fn next(&self, cdn: &str) -> Vec<String> {
        let jobs = self.log.outbox().next(cdn, 100, Duration::ZERO).await.unwrap();
        jobs.iter().flat_map(|job| tags(&job.purges)).collect()
    }
}

fn tags(purges: &[Invalidation]) -> Vec<String> {
    let text = |purge: &Invalidation| match &purge.matcher {
        Matcher::Tag(tag) => tag.to_string(),
        other => other.kind().as_str().to_owned(),
    };
    purges.iter().map(text).collect()
}

/// Waits until `done`, on a thread that may wait.
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} took more than a minute");
}

/// An append that answers an intent.
fn answering(name: &str, intent: Option<crate::invalidation::IntentId>) -> Appending {
    Appending { batch: tag(name), intent, ..Appending::default() }
}

/// The journal of these records.
fn journal(records: &[Record]) -> Vec<u8> {
    let mut bytes = record::header();
    records.iter().for_each(|record| record::encode(record, &mut bytes));
    bytes
}
