//! Random histories: whatever happens, no purge is lost.

use super::*;

/// What a history does next.
#[derive(Clone, Debug)]
enum Step {
    Add(Vec<(u8, bool)>),
    Pass(u64),
    Begin(u8),
    End(u8, u8),
    Relieve,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((0..12_u8, any::<bool>()), 0..4).prop_map(Step::Add),
        2 => (0..3000_u64).prop_map(Step::Pass),
        4 => (0..4_u8).prop_map(Step::Begin),
        4 => (0..4_u8, 0..4_u8).prop_map(|(which, how)| Step::End(which, how)),
        1 => Just(Step::Relieve),
        1 => Just(Step::Close),
    ]
}

fn nth_target(number: u8) -> Target {
    match number {
        0 => url("/bad"),
        1 => Target::All,
        2 => prefix("/a"),
        3 => prefix("/a/b"),
        4 => tag("t"),
        5 => tag("u"),
        6 => url("/a"),
        7 => url("/a/b/c"),
        number => url(&format!("/c/{number}")),
    }
}

fn covers(sent: &(Target, Mode), asked: &(Target, Mode)) -> bool {
    let by_place = match (&sent.0, &asked.0) {
        (Target::All, _) => true,
        (Target::Prefix(folder), Target::Url(at) | Target::Prefix(at)) => lies_below(&at.path, &folder.path),
        (sent, asked) => sent == asked,
    };
    by_place && (sent.1 == Mode::Hard || asked.1 == Mode::Soft)
}

/// A history, with all that was asked for and all that was sent.
struct History {
    bench: Bench,
    second: Option<u64>,
    asked: BTreeMap<JobId, (Timestamp, Vec<(Target, Mode)>)>,
    under_way: Vec<(Arc<Call>, Timestamp)>,
    /// Target, when its call began, and when it was taken.
    sent: Vec<((Target, Mode), Timestamp, Timestamp)>,
    ended: BTreeMap<JobId, bool>,
}

impl History {
    fn new(second: Option<u64>, give_up: u64) -> Self {
        let mut bench = Bench::with(3, second);
        bench.pending.give_up_after = Duration::from_millis(give_up);
        Self {
            bench,
            second,
            asked: BTreeMap::new(),
            under_way: Vec::new(),
            sent: Vec::new(),
            ended: BTreeMap::new(),
        }
    }

    fn go(&mut self, step: Step) {
        // Each step takes a while, so that times tell their order.
        self.bench.now = self.bench.now.plus(Duration::from_millis(1));
        let now = self.bench.now;
        match step {
            Step::Add(numbers) => {
                let mode = |soft| if soft { Mode::Soft } else { Mode::Hard };
                let targets: Vec<_> =
                    numbers.into_iter().map(|(number, soft)| (nth_target(number), mode(soft))).collect();
                let id = self.bench.add_as(&targets);
                self.asked.insert(id, (now, targets));
            }
            Step::Pass(millis) => self.bench.now = now.plus(Duration::from_millis(millis)),
            Step::Begin(kind) => {
                self.bench.pending.repeat(now);
                if let Some(ready) = self.bench.take(TargetKind::EACH[usize::from(kind)]) {
                    assert!(ready.call.targets.len() <= 3 && !ready.call.targets.is_empty());
                    for (other, _) in &self.under_way {
                        assert!(!other.targets.iter().any(|target| ready.call.targets.contains(target)));
                    }
                    self.under_way.push((ready.call, self.bench.now));
                }
            }
            Step::End(which, how) => {
                let which = usize::from(which);
                if which < self.under_way.len() {
                    let (call, begun) = self.under_way.remove(which);
                    self.end(&call, begun, how);
                }
            }
            Step::Relieve => {
                let rate = Rate { calls: 1, per: Duration::from_secs(20), burst: 1 };
                self.bench.pending.relieve(&aim(limits(3)), &Reach::default(), rate, 0, now);
            }
            Step::Close => self.close(),
        }
    }

    fn end(&mut self, call: &Call, begun: Timestamp, how: u8) {
        let now = self.bench.now;
        if call.targets.contains(&url("/bad")) && how > 0 {
            self.bench.pending.refused(call.id, "bad", now);
        } else if how == 0 {
            self.bench.pending.failed(call.id, "503", now);
        } else {
            self.sent.extend(call.targets.iter().map(|target| ((target.clone(), call.mode), begun, now)));
            self.bench.pending.delivered(call.id, now);
        }
    }

    fn close(&mut self) {
        while let Some(closing) = self.bench.pending.closing(2) {
            let (Closing::Tell(jobs) | Closing::Settle(jobs) | Closing::Bury(jobs, _)) = &closing;
            assert!((1..=2).contains(&jobs.len()));
            if matches!(closing, Closing::Tell(_)) {
                self.bench.pending.noted(jobs);
                continue;
            }
            self.bench.pending.left(jobs);
            for job in jobs {
                let before = self.ended.insert(*job, matches!(closing, Closing::Settle(_)));
                assert!(before.is_none(), "a job ends once");
            }
        }
    }

    /// Lets everything come to its end.
    fn finish(&mut self) {
        for _ in 0..500 {
            for kind in 0..4 {
                self.go(Step::Begin(kind));
            }
            self.go(Step::End(0, 1));
            self.go(Step::Pass(500));
        }
        self.close();
        let pending = &self.bench.pending;
        assert!(pending.jobs.is_empty() && pending.flying.is_empty() && pending.under_way.is_empty());
        assert_eq!((pending.links, pending.seconds.len()), (0, 0));
        assert_eq!(self.ended.len(), self.asked.len(), "every job ends");
    }

    /// Everything a settled job asked for was sent after it came, and again later where that is set.
    fn check(&self, given_up: bool) {
        for (id, (came, targets)) in &self.asked {
            if !self.ended[id] {
                let bad = targets.iter().any(|(target, _)| *target == url("/bad"));
                assert!(bad || given_up, "{id:?} {targets:?} was buried for nothing");
                continue;
            }
            for target in targets {
                let mut found =
                    self.sent.iter().filter(|(sent, begun, _)| covers(sent, target) && begun >= came);
                let first = found.next();
                assert!(first.is_some(), "{target:?} of {id:?} was not sent");
                if let (Some(second), Some((_, _, first))) = (self.second, first) {
                    let due = first.plus(Duration::from_millis(second));
                    let again =
                        self.sent.iter().any(|(sent, begun, _)| covers(sent, target) && *begun >= due);
                    assert!(again, "{target:?} of {id:?} was not sent again");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_purge_is_lost(steps in prop::collection::vec(step(), 0..60), second in prop::option::of(0..3000_u64)) {
        let mut history = History::new(second, 1 << 40);
        steps.into_iter().for_each(|step| history.go(step));
        history.finish();
        history.check(false);
    }

    #[test]
    fn what_is_given_up_is_buried(steps in prop::collection::vec(step(), 0..60), give_up in 0..4000_u64) {
        let mut history = History::new(None, give_up);
        steps.into_iter().for_each(|step| history.go(step));
        history.finish();
        history.check(true);
    }
}
