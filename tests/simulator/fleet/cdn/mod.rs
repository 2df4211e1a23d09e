//! A CDN in front of the fleet: keeps what nodes reply for as long as it is told to, fills itself from any of them, and takes
//! purges by name. What Larder decides is Larder's own code; here is only what the CDN does, and what must be true of it:
//!
//! * It is told of a purge only when every node that may still serve what it reached has applied it.
//! * A job leaves the queue only when the CDN was told all that it says after it was queued, and twice where that is set.
//! * Once it was told, it has nothing fresh that the purge reached: but for what was still arriving then, whose head had left
//!   before, and for what it keeps no longer than a node that does not follow the log would. A head that leaves a node after that has applied a purge lets nothing older be kept.

mod api;
mod edge;

use edge::Key;

use super::queue::Queued;
use super::{BLIND_LIMIT, Fleet, Tally};
use crate::origin::Origin;
use crate::random::Dice;
use crate::world::{FOR_EVER, reaches};
use larder::cdn::{CdnSettings, Limits, Rate, Reach, RouteReach, TagFields, Target, limits};
use larder::engine::{CdnFields, Route};
use larder::fleet::NodeId;
use larder::invalidation::{Invalidation, Ledger, Matcher, Mode, Names, Place, Standing};
use larder::route::PathPattern;
use larder::time::{Clock, SystemClock, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Something that the CDN has to be told, by whatever happens.
#[derive(Clone, Debug)]
pub(super) struct Owed {
    purge: Invalidation,
    /// What is reached, and what the origin had of it: what is older may not be kept.
    reached: Vec<(String, u64)>,
    /// What was queued before was too early.
    order: u64,
    pub(super) by: NodeId,
    /// Whether more than `by` knows of it: it stands in the log, or is announced there.
    pub(super) shared: bool,
    /// Whether `by` has applied it.
    pub(super) applied: bool,
    /// Where it stands, as far as is known.
    pub(super) at: Option<Place>,
    /// The job by which the CDN was told.
    told: Option<Place>,
}

/// A call that the API took.
struct Made {
    targets: Vec<Target>,
    begun: Timestamp,
    order: u64,
    /// When the CDN did it.
    done: Option<Timestamp>,
    /// The jobs that all who may serve had applied when it began.
    spread: Vec<Place>,
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<Key, edge::Object>,
    /// What the CDN was ever given, with the words by which it can be purged.
    known: BTreeMap<Key, Vec<String>>,
    made: Vec<Made>,
    under_way: Vec<(NodeId, Target)>,
    /// Nodes that serve.
    nodes: Vec<(NodeId, Arc<Ledger>)>,
    /// Every job there was, and who followed any log when it was queued. Whoever comes later has nothing from before.
    jobs: Vec<(Place, Vec<NodeId>)>,
    owed: Vec<Owed>,
    order: u64,
    /// From now on its API does what it is asked.
    well: bool,
    wrong: Vec<String>,
}

/// The CDN.
#[derive(Clone)]
pub(super) struct Cdn {
    inner: Arc<Mutex<Inner>>,
    settings: Arc<CdnSettings>,
    limits: Arc<Limits>,
    manners: edge::Manners,
    /// In percent: calls that do not simply succeed.
    unsteady: u64,
    origin: Origin,
    dice: Dice,
    clock: SystemClock,
    tally: Tally,
}

impl Cdn {
    /// One of those that there are.
    pub(super) fn new(dice: &Dice, clock: SystemClock, origin: Origin, tally: Tally) -> Self {
        let (name, row) = *dice.pick(&limits::EACH);
        let limits = row.clone().with_tags(dice.chance(70));
        let second = dice.chance(30).then(|| Duration::from_millis(1 + dice.below(5_000)));
        let settings = CdnSettings {
            second_purge: second,
            rate: dice.chance(70).then_some(Rate { calls: 20, per: Duration::from_secs(1), burst: 20 }),
            ..edge::settings(dice)
        };
        Self {
            inner: Arc::default(),
            manners: edge::Manners::new(dice, name, &settings),
            settings: Arc::new(settings),
            limits: Arc::new(limits),
            unsteady: dice.below(60),
            origin,
            dice: dice.clone(),
            clock,
            tally,
        }
    }

    /// The fields by which replies tell it what purges reach them.
    pub(super) fn fields(&self) -> Arc<dyn CdnFields> {
        Arc::new(TagFields::new([&*self.limits]).expect("one CDN"))
    }

    pub(super) fn settings(&self) -> &CdnSettings {
        &self.settings
    }

    pub(super) fn count(&self, what: &'static str) {
        self.tally.add(what);
    }

    fn say(&self, what: impl FnOnce() -> String) {
        self.tally.say(self.clock.now(), what);
    }

    /// What the rules reach.
    pub(super) fn reach(&self, routes: &[Arc<Route>]) -> Reach {
        let aliases = edge::aliases();
        let hosts = aliases.canonical_names().map(Into::into).collect();
        let route = |route: &Arc<Route>| {
            let rule = route.cache.as_ref().expect("all of them cache");
            let tag = route.name.trim_start_matches("route-");
            let path = PathPattern::parse(&format!("/{tag}/{{folder}}/{{number}}")).expect("a pattern");
            let name = Arc::clone(&route.name);
            RouteReach { name, host: None, path: Some(path), tags: rule.tags.clone() }
        };
        Reach { routes: routes.iter().map(route).collect(), hosts, aliases }
    }

    /// A node serves from now on.
    pub(super) fn enter(&self, node: NodeId, ledger: &Arc<Ledger>) {
        self.lock().nodes.push((node, Arc::clone(ledger)));
    }

    /// It does no longer.
    pub(super) fn leave(&self, node: NodeId) {
        self.lock().nodes.retain(|(known, _)| *known != node);
    }

    /// From now on the API does what it is asked.
    pub(super) fn heal(&self) {
        self.lock().well = true;
    }

    /// Somebody at `by` purges, or the origin has committed a write that is to be purged for; returns its number.
    pub(super) fn owes(&self, purge: &Invalidation, by: NodeId, shared: bool) -> usize {
        let pages = self.origin.pages();
        let reached = pages.iter().filter(|page| reaches(&purge.matcher, page));
        let reached = reached.map(|page| (page.path.clone(), page.version)).collect();
        drop(pages);
        let mut inner = self.lock();
        let (order, purge) = (inner.next(), purge.clone());
        inner.owed.push(Owed { purge, reached, order, by, shared, applied: false, at: None, told: None });
        inner.owed.len() - 1
    }

    /// What became of a purge at its node.
    pub(super) fn purged(&self, number: usize, at: Option<Place>) {
        let mut inner = self.lock();
        let owed = &mut inner.owed[number];
        owed.applied = true;
        owed.shared |= at.is_some();
        owed.at = owed.at.or(at);
    }

    /// A job is queued.
    pub(super) fn queued(&self, place: Place, at: Timestamp, names: Names) -> Queued {
        self.say(|| format!("queued at {place}: {names:?}"));
        let mut inner = self.lock();
        let follows = |ledger: &Ledger| ledger.epoch().is_some();
        let following = inner.nodes.iter().filter(|(_, ledger)| follows(ledger)).map(|(node, _)| *node);
        let following = following.collect();
        inner.jobs.push((place, following));
        Queued { place, at, order: inner.next(), names }
    }

    /// The queue hears that the CDN was told what a job says; `wholly`: as often as it is to be.
    pub(super) fn is_told(&self, job: &Queued, wholly: bool) {
        self.tally.add(if wholly { "told" } else { "told once" });
        self.say(|| format!("told what stands at {}, wholly: {wholly}", job.place));
        let mut inner = self.lock();
        let second = self.settings.second_purge.filter(|_| wholly);
        let known: Vec<_> = inner.known.iter().map(|(key, words)| (key.clone(), words.clone())).collect();
        let purges = job.purges();
        for purge in &purges {
            for (key, words) in known.iter().filter(|(key, _)| self.is_reached(&purge.matcher, key)) {
                let covers = |made: &&Made| made.order > job.order && self.covers(made, key, words);
                let first = inner.made.iter().filter(covers).find(|made| made.spread.contains(&job.place));
                let again = |first: &Made, delay| {
                    inner.made.iter().filter(covers).any(|made| made.begun >= first.begun.plus(delay))
                };
                let wrong = match (first, second) {
                    (None, _) if inner.made.iter().any(|made| covers(&made)) => {
                        "is told before all nodes have applied it"
                    }
                    (None, _) => "leaves the queue and was not told",
                    (Some(first), Some(delay)) if !again(first, delay) => "was not told a second time",
                    (Some(_), _) => continue,
                };
                let wrong = format!("{purge:?} of {} {wrong}, as far as {key:?} goes", job.place);
                inner.wrong.push(wrong);
            }
        }
        for owed in inner.owed.iter_mut().filter(|owed| owed.told.is_none() && job.order > owed.order) {
            let all = Invalidation::hard(Matcher::All);
            if purges.contains(&owed.purge) || purges.contains(&all) {
                owed.told = Some(job.place);
            }
        }
        let now = self.clock.now();
        let keys: Vec<_> = inner.objects.keys().cloned().collect();
        keys.iter().for_each(|key| self.look_at(&mut inner, key, now));
    }

    /// What must be true of an object, when it is stored or when something was told.
    fn look_at(&self, inner: &mut Inner, key: &Key, now: Timestamp) {
        let Inner { objects, owed, made, wrong, .. } = inner;
        let Some(object) = objects.get(key).filter(|object| object.until > now) else { return };
        for owed in owed.iter().filter(|owed| owed.forbids(&key.path, object.version)) {
            let Some(told) = owed.told else { continue };
            let of = |made: &&Made| made.spread.contains(&told) && self.covers(made, key, &object.words);
            let mut calls = made.iter().filter(of);
            let last = calls.clone().filter_map(|made| Some((made.done?, made.begun))).max();
            let waits = calls.any(|made| made.done.is_none());
            // Its head had left when the purge came; or its node did not follow the log any more.
            let arriving = last.is_some_and(|(_, begun)| object.head <= begun);
            let brief = object.until <= object.head.plus(BLIND_LIMIT);
            if waits || arriving || brief {
                continue;
            }
            wrong.push(format!("the CDN keeps {object:?} of {key:?} after {owed:?}, last told at {last:?}"));
        }
    }

    /// A head leaves a node that lets a version of a page be kept.
    fn head_leaves(&self, node: NodeId, path: &str, version: u64) {
        let mut inner = self.lock();
        let Inner { nodes, owed, wrong, .. } = &mut *inner;
        let Some((_, ledger)) = nodes.iter().find(|(known, _)| *known == node) else { return };
        for owed in owed.iter().filter(|owed| owed.forbids(path, version)) {
            let stands = |place: &Place| ledger.standing(*place) == Standing::Applied;
            if owed.applied && owed.by == node || owed.at.iter().chain(&owed.told).any(stands) {
                let node = super::short(node);
                wrong.push(format!("{node} lets version {version} of {path} be kept, and knows of {owed:?}"));
            }
        }
    }

    /// What is wrong in the end, when all is quiet. `excused`: nobody who is left has to know of it.
    pub(super) fn settle(&self, excused: impl Fn(&Owed) -> bool) -> Vec<String> {
        let mut inner = self.lock();
        let now = self.clock.now();
        let keys: Vec<_> = inner.objects.keys().cloned().collect();
        keys.iter().for_each(|key| self.look_at(&mut inner, key, now));
        let Inner { owed, wrong, .. } = &mut *inner;
        for owed in owed.iter().filter(|owed| owed.told.is_none() && !excused(owed)) {
            wrong.push(format!("the CDN is not told {owed:?}"));
        }
        // One fault shows in many ways.
        wrong.truncate(5);
        std::mem::take(wrong)
    }

    fn is_reached(&self, matcher: &Matcher, key: &Key) -> bool {
        self.manners.stands_before(key) && reaches(matcher, &self.origin.page(&key.path))
    }

    fn covers(&self, made: &Made, key: &Key, words: &[String]) -> bool {
        made.targets.iter().any(|target| self.manners.is_meant(&self.limits, target, key, words))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl Owed {
    /// Whether an older version than it allows.
    fn forbids(&self, path: &str, version: u64) -> bool {
        self.reached.iter().any(|(reached, least)| reached == path && version < *least)
    }
}

impl Inner {
    fn next(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    /// The jobs that every node has applied which may still serve what they purge, also one that follows a log that is gone. One that
    /// has not followed any for so long has nothing to serve.
    fn spread(&self, now: Timestamp) -> Vec<Place> {
        let sees = |ledger: &Ledger| ledger.followed_at().plus(BLIND_LIMIT) > now;
        let is_behind = |ledger: &Ledger, place| ledger.standing(place) != Standing::Applied;
        let may_serve = |(place, following): &(Place, Vec<NodeId>)| {
            let of_them = self.nodes.iter().filter(|(node, _)| following.contains(node));
            of_them.filter(|(_, ledger)| sees(ledger)).any(|(_, ledger)| is_behind(ledger, *place))
        };
        self.jobs.iter().filter(|job| !may_serve(job)).map(|(place, _)| *place).collect()
    }

    /// The CDN does what a call says.
    fn purge(&mut self, mode: Mode, now: Timestamp, is_meant: impl Fn(&Key, &[String]) -> bool) {
        match mode {
            Mode::Hard => self.objects.retain(|key, object| !is_meant(key, &object.words)),
            Mode::Soft => {
                let meant = self.objects.iter_mut().filter(|(key, object)| is_meant(key, &object.words));
                meant.for_each(|(_, object)| object.until = object.until.min(now));
            }
        }
    }
}

impl Fleet {
    /// When all is well again the CDN was told whatever it is owed, and keeps nothing that was purged.
    pub(super) async fn settle_with_cdn(&self) {
        let patience = self.clock.now().plus(FOR_EVER);
        while !self.server.is_delivered() && self.clock.now() < patience {
            let node = self.node();
            // Whatever an operator could do about refusals is done.
            node.deliveries.retry(None).await.expect("all of them").expect("the queue answers");
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        if !self.server.is_delivered() {
            self.wrong.lock().unwrap().push("the CDN is not told everything".to_owned());
        }
        // What was accepted is done by now.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let crashed = self.crashed.lock().unwrap().clone();
        // What only a node knew that crashed is gone with it.
        let gone = |owed: &Owed| crashed.contains(&owed.by) && (self.unsteady || !owed.shared);
        self.wrong.lock().unwrap().append(&mut self.cdn.settle(gone));
    }
}
