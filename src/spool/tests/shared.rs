//! A log that is shared, as one node sees it, and that node.

use super::{SetClock, Told, answering, settings, tag, tags};
use crate::invalidation::{Appending, IntentId, Invalidation, Log, LogError, Place, Places, Position, Reach};
use crate::spool::BackedLog;
use crate::spool::record;
use crate::spool::state::State;
use async_trait::async_trait;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The intents that it gives out: larger than any of a spool.
const INTENT: u128 = 1 << 100;

/// A log that takes nothing as long as it is told so, and remembers what it was handed.
pub(super) struct Fleet {
    taken: Mutex<Taken>,
    /// Appends come back one by one as this lets them.
    pub(super) gate: Semaphore,
}

#[derive(Default)]
struct Taken {
    /// So many appends are not taken in time.
    refuses: usize,
    tags: Vec<String>,
    appends: usize,
    /// The intents of appends, and those that were withdrawn.
    intents: Vec<Option<IntentId>>,
    withdrawn: Vec<IntentId>,
}

impl Fleet {
    pub(super) fn refusing(refuses: usize) -> Arc<Self> {
        let taken = Mutex::new(Taken { refuses, ..Taken::default() });
        Arc::new(Self { taken, gate: Semaphore::new(Semaphore::MAX_PERMITS) })
    }

    /// As [`Fleet::refusing`], where nobody gets an answer yet.
    pub(super) fn hanging(refuses: usize) -> Arc<Self> {
        let taken = Mutex::new(Taken { refuses, ..Taken::default() });
        Arc::new(Self { taken, gate: Semaphore::new(0) })
    }

    pub(super) fn tags(&self) -> Vec<String> {
        self.taken.lock().unwrap().tags.clone()
    }

    pub(super) fn appends(&self) -> usize {
        self.taken.lock().unwrap().appends
    }

    pub(super) fn intents(&self) -> Vec<Option<IntentId>> {
        self.taken.lock().unwrap().intents.clone()
    }

    pub(super) fn withdrawn(&self) -> Vec<IntentId> {
        self.taken.lock().unwrap().withdrawn.clone()
    }

    pub(super) fn refuses(&self, appends: usize) {
        self.taken.lock().unwrap().refuses = appends;
    }
}

#[async_trait]
impl Log for Fleet {
    async fn append(&self, Appending { batch, intent, .. }: Appending) -> Result<Places, LogError> {
        let refused = {
            let mut taken = self.taken.lock().unwrap();
            taken.appends += 1;
            taken.tags.extend(tags(&batch));
            taken.intents.push(intent);
            let refused = taken.refuses > 0;
            taken.refuses = taken.refuses.saturating_sub(1);
            refused
        };
        self.gate.acquire().await.unwrap().forget();
        if refused {
            return Err(LogError::Unavailable("not now".to_owned()));
        }
        Ok(Place { epoch: None, position: Position::START }.into())
    }

    async fn intend(&self, _batch: &[Invalidation]) -> Option<IntentId> {
        (self.taken.lock().unwrap().refuses == 0).then_some(IntentId(INTENT))
    }

    fn withdraw(&self, intent: IntentId) {
        self.taken.lock().unwrap().withdrawn.push(intent);
    }

    async fn reach(&self, _place: Place) -> Reach {
        Reach::Unknown
    }
}

/// A node with a folder.
pub(super) struct Node {
    pub(super) log: Arc<BackedLog>,
    pub(super) fleet: Arc<Fleet>,
    pub(super) clock: Arc<SetClock>,
    pub(super) told: Arc<Told>,
    folder: PathBuf,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Node {
    pub(super) fn at(folder: &Path, cdns: &[&str], seconds: u64, fleet: Arc<Fleet>) -> Self {
        let (clock, told) = (SetClock::at(seconds), Arc::<Told>::default());
        let log = BackedLog::new(
            Arc::clone(&fleet) as _,
            settings(Some(folder), cdns),
            Arc::clone(&clock) as _,
            Arc::clone(&told) as _,
        );
        Self { log: log.unwrap(), fleet, clock, told, folder: folder.to_owned(), running: Mutex::default() }
    }

    /// Does in the background what it does, for so long.
    pub(super) async fn runs(&self, within: Duration) {
        let begun = self.running.lock().unwrap().take();
        let mut running = begun.unwrap_or_else(|| tokio::spawn(Arc::clone(&self.log).run()));
        assert!(timeout(within, &mut running).await.is_err(), "it goes on");
        *self.running.lock().unwrap() = Some(running);
    }

    /// Purges; whether the log has it.
    pub(super) async fn purge(&self, name: &str) -> bool {
        self.log.append(tag(name).into()).await.is_ok()
    }

    /// Purges what was announced.
    pub(super) async fn answers(&self, name: &str, intent: Option<IntentId>) -> bool {
        self.log.append(answering(name, intent)).await.is_ok()
    }

    /// What stands in its folder.
    pub(super) fn kept(&self) -> State {
        state(&self.folder)
    }

    /// Ends it, and looks what it leaves.
    pub(super) fn ends(self) -> State {
        if let Some(running) = self.running.lock().unwrap().take() {
            running.abort();
        }
        self.log.close();
        self.kept()
    }
}

/// What stands in a folder.
pub(super) fn state(folder: &Path) -> State {
    let mut state = State::default();
    let bytes = std::fs::read(folder.join("journal")).unwrap();
    record::decode(&bytes, |record| _ = state.apply(record)).unwrap();
    state
}
