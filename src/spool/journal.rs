//! The state in memory and the file behind it, which a thread of its own writes.
//!
//! Whoever changes the state puts the record behind those that wait to be written, under one lock, so the file is always a
//! prefix of what happened. The thread takes all that waits, writes it, and syncs once for everybody who wants to know: the
//! more there is to do, the more go together.

use super::disk::{Disk, Folder, NoFolder};
use super::names::everything;
use super::record::{self, End, NoJournal, Record};
use super::state::{Effect, State};
use crate::invalidation::Position;
use crate::time::{Clock, Timestamp};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long anybody waits for the disk: some dozens of what a sync takes on one that is well, and less than what a write to an
/// origin that is worth a cache takes.
pub const PATIENCE: Duration = Duration::from_millis(50);

/// How long the writer waits before it tries a failed disk again.
const RETRY: Duration = Duration::from_secs(1);

/// Bytes that wait to be written at most, while the disk does not answer. Beyond it the journal is written anew from the state,
/// which is bounded by itself.
const MAX_PENDING: usize = 8 << 20;

/// A journal below this is not worth writing anew, whatever is in it: it is read in milliseconds.
const SMALL: usize = 4 << 20;

/// A journal so many times as long as what it adds up to is written anew. What is written then is at most a third of what was
/// written before, and reading it at the start stays in proportion.
const GARBAGE: usize = 4;

/// Bytes that are added between two times of writing it anew, at the least: whatever the state is taken to weigh, a journal
/// that was just written anew is not written anew for its length.
const BETWEEN: usize = SMALL;

/// How long the end of the process waits for the disk.
const LAST_SYNC: Duration = Duration::from_secs(2);

/// What is kept, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolSettings {
    /// The folder of the journal, made if it is missing. `None`: nothing outlives the process.
    pub folder: Option<PathBuf>,
    /// The CDNs that every purge is queued for.
    pub cdns: Vec<Box<str>>,
    /// The longest that a write may take: an intent is purged in any case when it is over.
    pub write_bound: Duration,
    /// How long anybody waits for the disk; [`PATIENCE`] but for tests.
    pub patience: Duration,
}

/// What the spool tells of itself; `observe` turns it into metrics.
pub trait SpoolObserver: Send + Sync + 'static {
    /// A write that went on unannounced, an error of the disk, a queue that was folded, …: one of a few fixed words.
    fn event(&self, what: &'static str);
}

impl SpoolObserver for () {
    fn event(&self, _what: &'static str) {}
}

/// The spool cannot be opened. What stands in its folder was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process holds it.
    #[error("{} is used by another process; give each Larder a folder of its own, or stop the other", .0.display())]
    Locked(PathBuf),
    /// It cannot be read or written.
    #[error("cannot {doing} {}: {error}; name a folder that Larder may write in", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// The file has another's content.
    #[error("{} was not written by Larder; name an empty folder", .0.display())]
    Foreign(PathBuf),
    /// A later version wrote it.
    #[error(
        "{} has version {version}, which this Larder does not know; run the version that wrote it, or name another folder",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: u32,
    },
    /// A record is whole and cannot be understood.
    #[error(
        "{} has a record at byte {offset} that this Larder does not know; run the version that wrote it, or name another folder",
        path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: usize,
    },
    /// No thread for the writer.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// What outlives the process, in memory and, with a folder, in its journal. Dropping it writes what is left.
pub struct Spool {
    pub(super) shared: Arc<Shared>,
    /// Told when the writer has ended, and with it the lock of the folder.
    ended: Mutex<Option<mpsc::Receiver<()>>>,
}

/// What the writer shares with all others.
pub(super) struct Shared {
    core: Mutex<Core>,
    /// Something waits to be written.
    wake: Condvar,
    progress: watch::Sender<Progress>,
    /// Raised when there are jobs to hand out.
    pub(super) jobs: watch::Sender<()>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Arc<dyn SpoolObserver>,
    patience: Duration,
    durable: bool,
}

/// The state, and what of it is not written.
pub(super) struct Core {
    pub(super) state: State,
    /// Frames behind those that the writer has.
    pending: Vec<u8>,
    /// Somebody wants to know that they are synced.
    sync: bool,
    /// The file is to be written anew, so that nothing has to be pending.
    anew: bool,
    /// Records so far.
    count: u64,
    /// Bytes of the file, …
    length: usize,
    /// … and when it was last written anew by this process.
    anew_length: usize,
    /// What the disk said when it failed.
    fault: Option<String>,
    /// Somebody waited in vain, and nothing was synced since.
    stalled: bool,
    closed: bool,
}

/// How far the writer is.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// So many records are synced.
    synced: u64,
    failed: bool,
}

/// What there is to write.
enum Work {
    Append { frames: Vec<u8>, sync: bool },
    Anew(Box<State>),
}

impl Spool {
    /// Reads what an earlier process left in the folder, which belongs to this one from here on.
    ///
    /// What was being written when the machine died is cut off. Where records are damaged on which somebody relied, everything is
    /// purged in their place.
    pub fn open(
        settings: &SpoolSettings,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn SpoolObserver>,
    ) -> Result<Arc<Self>, SpoolError> {
        let Some(path) = &settings.folder else {
            return Self::begin(State::default(), None, settings, clock, observer);
        };
        let (folder, journal) = Folder::open(path).map_err(|error| match error {
            NoFolder::Locked => SpoolError::Locked(path.clone()),
            NoFolder::Io { doing, path, error } => SpoolError::Io { doing, path, error },
        })?;
        let read = Read::from(path, journal.as_deref().unwrap_or_default(), clock.now(), settings)?;
        if let Some(what) = read.damage {
            observer.event(what);
        }
        let disk: Box<dyn Disk> = Box::new(folder);
        Self::begin(read.state, Some((disk, read.length)), settings, clock, observer)
    }

    /// Begins with what is known. `disk`: with the length of the journal that it has, if that can be added to.
    pub(super) fn begin(
        state: State,
        disk: Option<(Box<dyn Disk>, Option<usize>)>,
        settings: &SpoolSettings,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn SpoolObserver>,
    ) -> Result<Arc<Self>, SpoolError> {
        let length = disk.as_ref().and_then(|(_, length)| *length);
        let core = Core {
            state,
            pending: Vec::new(),
            sync: false,
            anew: length.is_none(),
            count: 0,
            length: length.unwrap_or_default(),
            anew_length: 0,
            fault: None,
            stalled: false,
            closed: false,
        };
        let shared = Arc::new(Shared {
            core: Mutex::new(core),
            wake: Condvar::new(),
            progress: watch::Sender::new(Progress { synced: 0, failed: false }),
            jobs: watch::Sender::new(()),
            clock,
            observer,
            patience: settings.patience,
            durable: disk.is_some(),
        });
        shared.lock().state.wake(shared.clock.now());
        if shared.lock().state.cdns() != settings.cdns {
            shared.record(&mut shared.lock(), &Record::Cdns(settings.cdns.clone()), false);
        }
        for (cdn, jobs) in shared.lock().state.deserted() {
            tracing::warn!(cdn, jobs, "purges wait for a CDN that is not set up any more; they are kept");
        }
        let ended = disk.map(|(disk, _)| {
            let (end, ended) = mpsc::sync_channel(1);
            let writer = Arc::clone(&shared);
            let write = move || {
                write(&writer, disk);
                // Nobody may listen any more.
                let _gone = end.send(());
            };
            thread::Builder::new().name("larder-spool".to_owned()).spawn(write).map(|_thread| ended)
        });
        let ended = Mutex::new(ended.transpose().map_err(SpoolError::Thread)?);
        Ok(Arc::new(Self { shared, ended }))
    }

    /// The last position that was given to anything it remembers. Later ones have to be greater, also where the clock went back.
    pub fn last(&self) -> Position {
        Position::from_u64(self.shared.lock().state.last_job())
    }

    /// Syncs what is left, in a bounded time.
    pub async fn finish(&self) {
        let count = {
            let mut core = self.shared.lock();
            core.sync |= self.shared.progress.borrow().synced < core.count;
            core.count
        };
        self.shared.wake.notify_all();
        if !self.shared.synced(count, LAST_SYNC).await {
            tracing::error!("what was purged last may not be in the spool");
        }
    }

    /// Writes what is left and gives the folder back, in a bounded time, for which it blocks. What is recorded from here on is in
    /// memory alone.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.wake.notify_all();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take();
        if ended.is_some_and(|ended| ended.recv_timeout(LAST_SYNC).is_err()) {
            tracing::error!("the disk of the spool did not answer: what was purged last may not be in it");
        }
    }

    /// What does not work as it should, a sentence each.
    pub fn degraded(&self) -> Vec<String> {
        let core = self.shared.lock();
        let reason = match &core.fault {
            Some(fault) => {
                format!(
                    "the spool cannot be written ({fault}): what is announced or waits for CDNs ends with the process"
                )
            }
            None if core.stalled => {
                "the disk of the spool does not answer in time: writes go on unannounced".to_owned()
            }
            None => return Vec::new(),
        };
        vec![reason]
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.shared.lock();
        f.debug_struct("Spool")
            .field("intents", &core.state.intents())
            .field("length", &core.length)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// Whether most of the file is garbage.
    fn has_grown(&self) -> bool {
        let added = self.length.saturating_sub(self.anew_length);
        self.length > SMALL && added > BETWEEN && self.length > GARBAGE * self.state.weight()
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything outlives the process.
    pub(super) fn durable(&self) -> bool {
        self.durable
    }

    /// Takes a step, and has it written; returns what to [wait](Shared::kept) for. `sync`: somebody will.
    pub(super) fn record(&self, core: &mut Core, record: &Record, sync: bool) -> u64 {
        for effect in core.state.apply(record) {
            self.tell(&effect);
        }
        if matches!(record, Record::Append { .. } | Record::Retry { .. }) {
            self.jobs.send_replace(());
        }
        if !self.durable {
            return 0;
        }
        core.count += 1;
        core.sync |= sync;
        if !core.anew {
            record::encode(record, &mut core.pending);
            if core.pending.len() > MAX_PENDING {
                core.pending = Vec::new();
                core.anew = true;
            }
        }
        self.wake.notify_one();
        core.count
    }

    /// Waits until so many records would outlive the machine, no longer than anybody does; `false`: it is not known that they
    /// would.
    pub(super) async fn kept(&self, count: u64) -> bool {
        {
            let core = self.lock();
            // There is nothing to wait for, and each would wait as long as the first.
            if core.stalled || core.fault.is_some() {
                return self.progress.borrow().synced >= count;
            }
        }
        self.synced(count, self.patience).await
    }

    async fn synced(&self, count: u64, within: Duration) -> bool {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.synced >= count || progress.failed);
        if let Ok(progress) = timeout(within, reached).await {
            return progress.is_ok_and(|progress| progress.synced >= count);
        }
        let mut core = self.lock();
        let synced = self.progress.borrow().synced >= count;
        if !synced && !core.stalled && core.fault.is_none() {
            core.stalled = true;
            tracing::warn!("the disk of the spool does not answer in time: writes go on unannounced");
        }
        synced
    }

    fn tell(&self, effect: &Effect) {
        self.observer.event(effect.as_str());
        match effect {
            Effect::Folded(cdn) => {
                tracing::error!(%cdn, "too many purges wait for a CDN: fewer that reach as much and more take their place");
            }
            Effect::IntentsFolded => {
                tracing::error!(
                    "too many writes are under way or in doubt: fewer purges that reach as much and more take the place of theirs"
                );
            }
            Effect::DeadWidened(cdn) => {
                tracing::error!(%cdn, "too many dead letters: one that purges everything takes the place of the oldest");
            }
        }
    }

    /// Waits for something to write. `None`: nothing is left, and nothing will come.
    fn next_work(&self) -> Option<(Work, u64)> {
        let mut core = self.lock();
        if core.fault.is_some() {
            let waited = self.wake.wait_timeout_while(core, RETRY, |core| !core.closed);
            core = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        loop {
            if core.anew || core.has_grown() {
                core.pending = Vec::new();
                core.anew = false;
                core.sync = false;
                return Some((Work::Anew(Box::new(core.state.clone())), core.count));
            }
            if !core.pending.is_empty() || core.sync || core.closed {
                let frames = std::mem::take(&mut core.pending);
                let sync = std::mem::take(&mut core.sync);
                if frames.is_empty() && !sync {
                    return None;
                }
                // The last ones are synced, as nobody comes after.
                let sync = sync || core.closed;
                return Some((Work::Append { frames, sync }, core.count));
            }
            core = self.wake.wait(core).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes what became of writing the first `count` records. `false`: there is no use in trying again.
    fn written(&self, count: u64, outcome: Result<Written, Failed>) -> bool {
        let mut core = self.lock();
        match outcome {
            Ok(Written { length, anew, synced }) => {
                core.length = length;
                if anew {
                    core.anew_length = length;
                }
                core.stalled &= !synced;
                if synced {
                    if core.fault.take().is_some() {
                        tracing::info!("the spool is written again");
                    }
                    self.progress.send_replace(Progress { synced: count, failed: false });
                }
                true
            }
            Err(Failed { error, anew }) => {
                self.observer.event("error");
                core.pending = Vec::new();
                core.anew = true;
                if !anew {
                    // What the file adds up to may fit where the file does not, and whoever waits may still be in time.
                    tracing::warn!(%error, "the spool cannot be added to; it is written anew");
                    return true;
                }
                if core.fault.is_none() {
                    tracing::error!(%error, "the spool cannot be written: what is announced or waits for CDNs ends with the process");
                }
                core.fault = Some(error.to_string());
                self.progress.send_modify(|progress| progress.failed = true);
                !core.closed
            }
        }
    }
}

/// What was written.
struct Written {
    /// Bytes of the file now.
    length: usize,
    /// All of them.
    anew: bool,
    synced: bool,
}

/// What was not.
struct Failed {
    error: std::io::Error,
    /// Although a whole file was to be written.
    anew: bool,
}

/// Writes until there is nothing to write any more.
fn write(shared: &Shared, mut disk: Box<dyn Disk>) {
    while let Some((work, count)) = shared.next_work() {
        let outcome = match work {
            Work::Append { frames, sync } => {
                let length = shared.lock().length + frames.len();
                let written = |()| Written { length, anew: false, synced: sync };
                disk.append(&frames, sync).map(written).map_err(|error| Failed { error, anew: false })
            }
            Work::Anew(state) => {
                let whole = state.encode();
                let written = |()| Written { length: whole.len(), anew: true, synced: true };
                disk.replace(&whole).map(written).map_err(|error| Failed { error, anew: true })
            }
        };
        if !shared.written(count, outcome) {
            return;
        }
    }
}

/// What was found in a folder.
struct Read {
    state: State,
    /// The length of the journal, if it can be added to.
    length: Option<usize>,
    damage: Option<&'static str>,
}

impl Read {
    fn from(
        folder: &Path,
        bytes: &[u8],
        now: Timestamp,
        settings: &SpoolSettings,
    ) -> Result<Self, SpoolError> {
        let mut state = State::default();
        if bytes.is_empty() {
            return Ok(Self { state, length: None, damage: None });
        }
        let path = folder.join("journal");
        let end = record::decode(bytes, |record| _ = state.apply(record)).map_err(|error| match error {
            NoJournal::Foreign => SpoolError::Foreign(path.clone()),
            NoJournal::Version(version) => SpoolError::Version { path: path.clone(), version },
            NoJournal::Unknown { offset } => SpoolError::Unknown { path: path.clone(), offset },
        })?;
        let (length, damage) = match end {
            End::Whole => (Some(bytes.len()), None),
            End::Torn(at) => {
                let cut = bytes.len() - at;
                tracing::warn!(path = %path.display(), at, cut, "the end of the spool is torn; it is cut off");
                (None, Some("torn"))
            }
            End::Damaged(at) => {
                let cut = bytes.len() - at;
                tracing::error!(path = %path.display(), at, cut, "the spool is damaged: everything is purged in place of what is lost");
                // As an intent it is purged at once, and again when no write that is forgotten can be done any more.
                let (id, within) = (state.next_intent(), settings.write_bound);
                let names = everything();
                let within_millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
                state.apply(&Record::Intent { id, due: now.plus(within), within: within_millis, names });
                (None, Some("damaged"))
            }
        };
        Ok(Self { state, length, damage })
    }
}
