use super::super::spelling::lies_below;
use super::super::{
    Aim, CdnSettings, HostUse, Limits, Location, Many, ProviderSettings, Rate, Reach, providers,
};
use super::calls::Refusal;
use super::*;
use crate::secret::Secret;
use proptest::prelude::*;

mod failures;
mod histories;
mod relief;

const GATHER: Duration = Duration::from_millis(100);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

fn place(path: &str) -> Location {
    Location { base: "https://shop".into(), path: path.into() }
}

fn url(path: &str) -> Target {
    Target::Url(place(path))
}

fn prefix(path: &str) -> Target {
    Target::Prefix(place(path))
}

fn tag(word: &str) -> Target {
    Target::Tag(word.into())
}

fn limits(targets: usize) -> Limits {
    let many = Some(Many { targets, bytes: 10_000, overhead: 1, longest: 1000 });
    Limits {
        url: many,
        prefix: Some(Many { targets: 2, bytes: 10_000, overhead: 1, longest: 1000 }),
        tag: many,
        all: true,
        soft: true,
        queries: true,
        hosts: HostUse::Needed,
        rate: Rate { calls: 1, per: Duration::from_secs(1), burst: 1 },
        header: None,
        source: "",
    }
}

fn aim(limits: Limits) -> Aim {
    let provider = ProviderSettings::Fastly(providers::fastly::FastlySettings {
        service: "s".into(),
        token: Secret::new("t"),
        tags: false,
        endpoint: None,
    });
    let settings = CdnSettings {
        name: "edge".into(),
        provider,
        hosts: Vec::new(),
        public_url: None,
        gather: GATHER,
        second_purge: None,
        give_up_after: Duration::from_secs(600),
        timeout: Duration::from_secs(5),
        rate: None,
    };
    Aim::new(limits, &settings)
}

/// One CDN at work by hand.
struct Bench {
    pending: Pending,
    limits: Limits,
    now: Timestamp,
    calls: u128,
    jobs: u64,
}

impl Bench {
    fn new(targets: usize) -> Self {
        Self::with(targets, None)
    }

    fn with(targets: usize, second: Option<u64>) -> Self {
        let pending = Pending::new(second.map(Duration::from_millis), Duration::from_secs(600));
        Self { pending, limits: limits(targets), now: at(0), calls: 0, jobs: 0 }
    }

    /// A job for hard purges.
    fn add(&mut self, targets: &[Target]) -> JobId {
        self.add_as(&targets.iter().map(|target| (target.clone(), Mode::Hard)).collect::<Vec<_>>())
    }

    fn add_as(&mut self, targets: &[(Target, Mode)]) -> JobId {
        self.jobs += 1;
        let id = JobId(self.jobs);
        let job = Job { id, position: Position::from_u64(self.jobs), at: self.now, purges: Vec::new() };
        self.pending.add(&job, targets.to_vec(), None, self.now);
        id
    }

    /// The next call, as soon as there is one.
    fn take(&mut self, kind: TargetKind) -> Option<Ready> {
        self.calls += 1;
        let ready = self.pending.ready_at(kind, GATHER, &self.limits)?;
        self.now = self.now.max(ready);
        self.pending.take(kind, &self.limits, CallId(self.calls))
    }

    /// Jobs that are said to be told for the first time.
    fn heard(&mut self) -> Vec<JobId> {
        match self.pending.closing(100) {
            Some(Closing::Tell(jobs)) => {
                self.pending.noted(&jobs);
                jobs
            }
            _ => Vec::new(),
        }
    }

    fn settled(&mut self) -> Vec<u64> {
        match self.pending.closing(100) {
            Some(Closing::Settle(jobs)) => {
                self.pending.left(&jobs);
                let mut numbers: Vec<u64> = jobs.into_iter().map(|id| id.0).collect();
                numbers.sort_unstable();
                numbers
            }
            _ => Vec::new(),
        }
    }

    /// Delivers everything that waits; the targets of each call.
    fn deliver(&mut self) -> Vec<Vec<Target>> {
        let mut sent = Vec::new();
        loop {
            let ready = TargetKind::EACH.into_iter().rev().find_map(|kind| self.take(kind));
            let Some(ready) = ready else { return sent };
            self.pending.delivered(ready.call.id, self.now);
            sent.push(ready.call.targets.clone());
        }
    }
}

#[test]
fn targets_go_out_together_once_they_have_waited() {
    let mut bench = Bench::new(3);
    bench.add(&[url("/1"), url("/2")]);
    assert_eq!(bench.pending.ready_at(TargetKind::Url, GATHER, &bench.limits), Some(at(100)));
    bench.now = at(50);
    bench.add(&[url("/2"), url("/3")]);
    assert_eq!(bench.pending.ready_at(TargetKind::Url, GATHER, &bench.limits), Some(Timestamp::ZERO), "full");
    bench.add(&[url("/4")]);
    assert_eq!(bench.deliver(), [vec![url("/1"), url("/2"), url("/3")], vec![url("/4")]]);
    assert_eq!(bench.settled(), [1, 2, 3]);
    assert_eq!(bench.pending.links, 0);
}

#[test]
fn a_call_keeps_to_its_bytes() {
    let mut bench = Bench::new(100);
    let names: Vec<Target> = (10..20).map(|number| url(&format!("/{number}"))).collect();
    // `https://shop` and three more, with one in between: 16 bytes each.
    bench.limits.url = Some(Many { targets: 100, bytes: 50, overhead: 1, longest: 20 });
    bench.add(&names);
    assert_eq!(bench.deliver().iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 1]);
}

#[test]
fn what_a_wider_target_covers_waits_for_it() {
    #[track_caller]
    fn check(first: &[(Target, Mode)], then: &[(Target, Mode)], sent: &[Vec<Target>]) {
        let mut bench = Bench::new(10);
        bench.add_as(first);
        bench.add_as(then);
        assert_eq!(bench.deliver(), sent);
        assert_eq!(bench.settled(), [1, 2]);
    }
    let (hard, soft) = (Mode::Hard, Mode::Soft);
    let all = || Target::All;
    check(&[(url("/a"), hard)], &[(all(), hard)], &[vec![all()]]);
    check(&[(all(), hard)], &[(url("/a"), soft), (tag("t"), hard)], &[vec![all()]]);
    check(&[(all(), soft)], &[(url("/a"), hard)], &[vec![all()], vec![url("/a")]]);
    check(
        &[(url("/a/b"), hard), (url("/ab"), hard)],
        &[(prefix("/a"), hard)],
        &[vec![prefix("/a")], vec![url("/ab")]],
    );
    check(&[(prefix("/a/b"), soft)], &[(prefix("/a"), hard)], &[vec![prefix("/a")]]);
    check(&[(prefix("/a"), hard)], &[(prefix("/a/b"), hard), (url("/a/"), hard)], &[vec![prefix("/a")]]);
    check(&[(prefix("/"), hard)], &[(url("/x"), hard)], &[vec![prefix("/")]]);
    check(&[(url("/a"), soft)], &[(url("/a"), hard)], &[vec![url("/a")]]);
    check(&[(url("/a"), hard)], &[(url("/a"), soft)], &[vec![url("/a")]]);
    check(&[(tag("t"), soft)], &[(tag("t"), hard)], &[vec![tag("t")]]);
}

#[test]
fn nothing_waits_for_a_kind_that_fails() {
    let mut bench = Bench::new(10);
    bench.add(&[prefix("/a")]);
    let call = bench.take(TargetKind::Prefix).unwrap().call;
    bench.pending.failed(call.id, "in progress", bench.now);
    bench.add(&[prefix("/b"), url("/b/1")]);
    assert_eq!(bench.take(TargetKind::Url).unwrap().call.targets, [url("/b/1")]);
}

#[test]
fn what_comes_while_its_call_is_under_way_is_sent_after_it() {
    let mut bench = Bench::new(10);
    bench.add(&[url("/a")]);
    let first = bench.take(TargetKind::Url).unwrap();
    bench.add(&[url("/a")]);
    assert!(bench.take(TargetKind::Url).is_none(), "one call at a time names a target");
    bench.pending.failed(first.call.id, "503", bench.now);
    let again = bench.take(TargetKind::Url).unwrap();
    assert_eq!(again.call, first.call, "under the same name");
    bench.pending.delivered(again.call.id, bench.now);
    assert_eq!(bench.settled(), [1]);
    let second = bench.take(TargetKind::Url).unwrap();
    assert_eq!((&second.call.targets, second.newest), (&vec![url("/a")], Position::from_u64(2)));
    bench.pending.delivered(second.call.id, bench.now);
    assert_eq!(bench.settled(), [2]);
}

#[test]
fn jobs_without_anything_to_tell_end_at_once() {
    let mut bench = Bench::new(1);
    bench.add(&[]);
    assert_eq!(bench.settled(), [1]);
    let job = Job { id: JobId(9), position: Position::START, at: at(0), purges: Vec::new() };
    bench.pending.add(&job, Vec::new(), Some("no way".into()), at(0));
    bench.pending.add(&job, vec![(url("/twice"), Mode::Hard)], None, at(0));
    assert_eq!(bench.pending.closing(9), Some(Closing::Bury(vec![JobId(9)], "no way".into())));
}
