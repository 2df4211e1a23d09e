//! One world: its node, its pages, its clients and writers, from one seed.

use crate::origin::{Origin, Page};
use crate::random::Dice;
use crate::reader::{Visit, Went};
use async_trait::async_trait;
use larder::engine::{CacheRule, Collapse, Engine, EngineParts, Observer, Outcome, Route};
use larder::invalidation::{
    Appending, Invalidation, Kind, Ledger, LedgerSettings, LocalLog, Log, LogError, Matcher, Mode, Place,
    Places, Position, Reach, Template, WriteRule,
};
use larder::key::{KeyRule, QueryRule};
use larder::semantics::FreshnessRule;
use larder::store::{Memory, MemorySettings};
use larder::time::{Clock, SystemClock, Timestamp};
use std::ops::AddAssign;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// Larger than most pages, smaller than some.
pub(crate) const MAX_OBJECT: usize = 4096;

/// Nobody may have to wait longer than this, in the time of the world.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(3600);

/// After this an origin cannot commit a write in doubt any more.
pub(crate) const WRITE_BOUND: Duration = Duration::from_secs(60);

/// What happened, over many worlds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) hits: u64,
    pub(crate) stale: u64,
    pub(crate) revalidated: u64,
    pub(crate) misses: u64,
    pub(crate) collapsed: u64,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) truncated: u64,
    pub(crate) left: u64,
    pub(crate) cancelled: u64,
    pub(crate) purges: u64,
    pub(crate) fetches: u64,
}

impl Counts {
    fn all(&mut self) -> [&mut u64; 12] {
        [
            &mut self.hits,
            &mut self.stale,
            &mut self.revalidated,
            &mut self.misses,
            &mut self.collapsed,
            &mut self.passed,
            &mut self.failed,
            &mut self.truncated,
            &mut self.left,
            &mut self.cancelled,
            &mut self.purges,
            &mut self.fetches,
        ]
    }

    /// Worlds in which something never happens prove nothing about it.
    pub(crate) fn assert_everything_happened(mut self) {
        assert!(self.all().into_iter().all(|count| *count > 0), "{self:?}");
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, mut other: Self) {
        for (sum, more) in self.all().into_iter().zip(other.all()) {
            *sum += *more;
        }
    }
}

/// The log of a world: applies, and notes at the same instant which version each page had.
struct WatchedLog {
    inner: Arc<LocalLog>,
    origin: Origin,
    late: bool,
}

#[async_trait]
impl Log for WatchedLog {
    async fn append(&self, Appending { batch, .. }: Appending) -> Result<Places, LogError> {
        let reached: Vec<_> =
            batch.iter().filter(|one| one.mode == Mode::Hard).map(|one| one.matcher.clone()).collect();
        let places = if self.late {
            let inner = Arc::clone(&self.inner);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(2)).await;
                inner.append(batch.into()).await
            });
            Place { epoch: None, position: Position::START }.into()
        } else {
            self.inner.append(batch.into()).await?
        };
        for page in self.origin.pages().iter_mut() {
            if reached.iter().any(|matcher| reaches(matcher, page)) {
                page.floor = page.version;
                page.purges += 1;
            }
        }
        Ok(places)
    }

    async fn reach(&self, place: Place) -> Reach {
        self.inner.reach(place).await
    }
}

pub(crate) fn reaches(matcher: &Matcher, page: &Page) -> bool {
    match matcher {
        Matcher::Path { path, .. } => **path == *page.path,
        Matcher::Prefix { path, .. } => page.path.starts_with(&format!("{path}/")),
        Matcher::Tag(tag) => **tag == *page.tag,
        Matcher::Route(_) | Matcher::All => true,
    }
}

pub(crate) struct Nobody;

impl Observer for Nobody {
    fn fill(&self, _: &str, _: &'static str) {}
    fn collapsed(&self, _: &str) {}
    fn stale(&self, _: &str, _: &'static str) {}
    fn invalidated(&self, _: Kind) {}
}

/// A world under way.
pub(crate) struct World {
    dice: Dice,
    clock: SystemClock,
    origin: Origin,
    engine: Arc<Engine>,
    /// One route a tag, so that the rule gives a page its tag.
    routes: Vec<Arc<Route>>,
    counts: Mutex<Counts>,
    wrong: Mutex<Vec<String>>,
    /// Writes that were lost sight of: from then on no older version may be served.
    doubts: Mutex<Vec<(String, u64, Timestamp)>>,
}

impl World {
    /// Runs the world of `seed`; panics when a promise is broken.
    pub(crate) fn run(seed: u64) -> Counts {
        let (counts, wrong) = Self::live(seed, false);
        assert!(wrong.is_empty(), "LARDER_SEEDS={seed}: {}", wrong.join("\n"));
        counts
    }

    /// Runs it with a log that applies late; returns what was found.
    pub(crate) fn run_with_late_log(seed: u64) -> Vec<String> {
        Self::live(seed, true).1.into_iter().filter(|wrong| wrong.starts_with("stale")).collect()
    }

    fn live(seed: u64, late: bool) -> (Counts, Vec<String>) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = Arc::new(Self::create(seed, late));
            let upkeep = tokio::spawn(Arc::clone(&world.engine).upkeep());
            let mut tasks = JoinSet::new();
            for _ in 0..10 + world.dice.below(40) {
                tasks.spawn(Arc::clone(&world).visitor());
            }
            for _ in 0..world.dice.below(8) {
                tasks.spawn(Arc::clone(&world).writer());
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("no task of a world panics");
            }
            world.settle().await;
            upkeep.abort();
            world.origin_broken();
            let counts = *world.counts.lock().unwrap();
            (counts, std::mem::take(&mut *world.wrong.lock().unwrap()))
        })
    }

    fn create(seed: u64, late: bool) -> Self {
        let dice = Dice::new(seed);
        let clock = SystemClock::anchored_at(Timestamp::from_secs(1_700_000_000));
        let small = dice.chance(15);
        let pages: Vec<_> =
            (0..1 + dice.below(4)).map(|number| Page::random(&dice, number, MAX_OBJECT)).collect();
        // In a memory too small for its pages a fill may well be repeated.
        let origin = Origin::new(&dice, clock, pages, !small);
        let settings =
            LedgerSettings { memory: if dice.chance(50) { 1 << 20 } else { 512 }, table_slots: 1 << 12 };
        let ledger = Arc::new(Ledger::new(&settings, Position::START));
        let inner = Arc::new(LocalLog::new(Arc::clone(&ledger), Arc::new(clock)));
        let engine = Engine::new(EngineParts {
            memory: Memory::new(&MemorySettings {
                max_size: if small { 20_000 } else { 64 << 20 },
                max_object: MAX_OBJECT as u64,
            }),
            remote: None,
            max_arriving: if small { 10_000 } else { 64 << 20 },
            ledger,
            log: Arc::new(WatchedLog { inner, origin: origin.clone(), late }),
            settle: Duration::from_secs(dice.below(2) * 3),
            write_bound: WRITE_BOUND,
            fetch: Arc::new(origin.clone()),
            clock: Arc::new(clock),
            observer: Arc::new(Nobody),
        });
        let ttl = dice.chance(50).then(|| Duration::from_secs(1 + dice.below(5)));
        let routes =
            ["red", "blue"].iter().enumerate().map(|(index, tag)| Arc::new(route(index, tag, ttl))).collect();
        Self {
            dice,
            clock,
            origin,
            engine,
            routes,
            counts: Mutex::default(),
            wrong: Mutex::default(),
            doubts: Mutex::default(),
        }
    }

    /// A client that comes again and again.
    async fn visitor(self: Arc<Self>) {
        for _ in 0..1 + self.dice.below(4) {
            self.dice.pause(4_000).await;
            let visit = Visit::random(&self.dice, &self.origin);
            let route = &self.routes[usize::from(self.origin.page(&visit.path).tag == "blue")];
            let made = visit.make(&self.engine, route, &self.origin, &self.dice, self.must_have(&visit.path));
            let went = if self.dice.chance(15) {
                let patience = Duration::from_millis(self.dice.below(600));
                match tokio::time::timeout(patience, made).await {
                    Ok(went) => went,
                    Err(_) => {
                        self.counts.lock().unwrap().cancelled += 1;
                        continue;
                    }
                }
            } else {
                tokio::time::timeout(FOR_EVER, made)
                    .await
                    .unwrap_or_else(|_| Err(format!("{visit:?} waits for ever")))
            };
            self.tally(went);
        }
    }

    /// A writer: commits, and then purges what it changed; or is lost sight of.
    async fn writer(self: Arc<Self>) {
        self.dice.pause(8_000).await;
        let page = self.dice.pick(&self.origin.pages()).clone();
        let matcher = self.matcher(&page);
        let batch =
            vec![Invalidation { matcher, mode: if self.dice.chance(20) { Mode::Soft } else { Mode::Hard } }];
        self.counts.lock().unwrap().purges += 1;
        if self.dice.chance(25) {
            let batch = vec![Invalidation { matcher: self.matcher(&page), mode: Mode::Hard }];
            self.engine.in_doubt(&batch);
            let lost = self.clock.now();
            tokio::time::sleep(Duration::from_millis(self.dice.below(WRITE_BOUND.as_millis() as u64))).await;
            let version = self.origin.commit(&page.path);
            let sure = lost.plus(WRITE_BOUND + Duration::from_millis(10));
            self.doubts.lock().unwrap().push((page.path, version, sure));
            return;
        }
        self.origin.commit(&page.path);
        self.dice.pause(300).await;
        if let Err(error) = self.engine.invalidate(batch).await {
            self.wrong.lock().unwrap().push(format!("the log refused: {error}"));
        }
    }

    fn matcher(&self, page: &Page) -> Matcher {
        let authority = || "shop.example".into();
        match self.dice.below(6) {
            0 => Matcher::Tag(page.tag.into()),
            1 => {
                Matcher::Prefix { authority: authority(), path: page.path.rsplit_once('/').unwrap().0.into() }
            }
            2 => Matcher::All,
            _ => Matcher::Path { authority: authority(), path: page.path.as_str().into() },
        }
    }

    /// The version that a request of this moment must at least get, because a write in doubt is surely over.
    fn must_have(&self, path: &str) -> u64 {
        let now = self.clock.now();
        let doubts = self.doubts.lock().unwrap();
        let over = doubts.iter().filter(|(of, _, sure)| of == path && *sure < now);
        over.map(|(_, version, _)| *version).max().unwrap_or(0)
    }

    fn tally(&self, went: Result<Went, String>) {
        let mut counts = self.counts.lock().unwrap();
        *match went {
            Ok(Went::Whole(Outcome::Hit)) => &mut counts.hits,
            Ok(Went::Whole(Outcome::Stale)) => &mut counts.stale,
            Ok(Went::Whole(Outcome::Revalidated)) => &mut counts.revalidated,
            Ok(Went::Whole(Outcome::Collapsed)) => &mut counts.collapsed,
            Ok(Went::Whole(_)) => &mut counts.misses,
            Ok(Went::Passed) => &mut counts.passed,
            Ok(Went::Failed) => &mut counts.failed,
            Ok(Went::Truncated) => &mut counts.truncated,
            Ok(Went::Left) => &mut counts.left,
            Err(wrong) => return self.wrong.lock().unwrap().push(wrong),
        } += 1;
    }

    /// When all is quiet nothing is held any more, and what is served is what the origin has.
    async fn settle(self: &Arc<Self>) {
        tokio::time::sleep(WRITE_BOUND * 2).await;
        if tokio::time::timeout(FOR_EVER, self.engine.idle()).await.is_err() {
            self.wrong.lock().unwrap().push("a fill never ends".to_owned());
        }
        let stats = self.engine.stats();
        if stats.flights > 0 || stats.arriving_bytes > 0 || stats.repeats > 0 {
            self.wrong.lock().unwrap().push(format!("left behind: {stats:?}"));
        }
        let paths: Vec<_> = self.origin.pages().iter().map(|page| page.path.clone()).collect();
        for path in paths {
            let visit = Visit::plain(&path);
            let route = &self.routes[usize::from(self.origin.page(&visit.path).tag == "blue")];
            let must_have = self.must_have(&visit.path);
            let went = visit.make(&self.engine, route, &self.origin, &self.dice, must_have).await;
            self.tally(went);
        }
        self.engine.idle().await;
        self.counts.lock().unwrap().fetches = *self.origin.fetches.lock().unwrap();
    }

    fn origin_broken(&self) {
        self.wrong.lock().unwrap().append(&mut self.origin.broken.lock().unwrap());
    }
}

pub(crate) fn route(index: usize, tag: &str, ttl: Option<Duration>) -> Route {
    Route {
        name: format!("route-{tag}").into(),
        index,
        pattern: None,
        origin: "default".into(),
        cache: Some(CacheRule {
            freshness: FreshnessRule { ttl, ..FreshnessRule::default() },
            key: KeyRule::new(QueryRule::default(), Vec::new(), None),
            tags: vec![Template::parse(tag).expect("a template").resolve().expect("no names")],
            memory_ttl: None,
            collapse: Collapse::Process,
            memory: true,
            remote: true,
            sliding: None,
        }),
        region: None,
        on_write: WriteRule::default(),
        purge_from: Vec::new(),
        cdns: None,
    }
}
