use super::super::spelling::lies_below;
use super::super::{
    Aim, CdnSettings, HostUse, Limits, Location, Many, ProviderSettings, Rate, Reach, providers,
};
use super::calls::Refusal;
use super::*;
use crate::secret::Secret;
use proptest::prelude::*;

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
fn a_refused_target_is_found_and_stands_alone() {
    let mut bench = Bench::new(8);
    for number in 0..8 {
        bench.add(&[url(&format!("/{number}"))]);
    }
    let (mut calls, mut good) = (0, Vec::new());
    while let Some(Ready { call, .. }) = bench.take(TargetKind::Url) {
        calls += 1;
        if call.targets.contains(&url("/5")) {
            let refusal = bench.pending.refused(call.id, "400: no", bench.now);
            assert_eq!(refusal, Refusal { given_up: call.targets.len() == 1, dead: 0 });
        } else {
            good.extend(call.targets.clone());
            bench.pending.delivered(call.id, bench.now);
        }
    }
    assert_eq!(calls, 7, "8, 4 + 4, 2 + 2, 1 + 1");
    assert_eq!(good.len(), 7);
    let mut buried = Vec::new();
    let mut settled = Vec::new();
    while let Some(closing) = bench.pending.closing(100) {
        let (Closing::Tell(jobs) | Closing::Settle(jobs) | Closing::Bury(jobs, _)) = &closing;
        bench.pending.left(jobs);
        match closing {
            Closing::Tell(jobs) => panic!("nothing is purged twice: {jobs:?}"),
            Closing::Settle(jobs) => settled.extend(jobs),
            Closing::Bury(jobs, reason) => buried.push((jobs, reason)),
        }
    }
    assert_eq!(settled.len(), 7);
    assert_eq!(buried, [(vec![JobId(6)], Arc::from("400: no"))]);
}

/// Has the API refuse every call that is not of `good` targets alone; the targets of each, and whether it came when nothing but
/// refusals had.
fn refuse_others(bench: &mut Bench, good: &[Target]) -> Vec<(Vec<Target>, bool)> {
    let mut calls = Vec::new();
    let mut names = HashSet::new();
    loop {
        let refuses = bench.pending.refuses(TargetKind::Url);
        let Some(Ready { call, .. }) = bench.take(TargetKind::Url) else { return calls };
        assert!(names.insert(call.id), "what was refused is another call under another name");
        if call.targets.iter().all(|target| good.contains(target)) {
            bench.pending.delivered(call.id, bench.now);
        } else {
            let refusal = bench.pending.refused(call.id, "404", bench.now);
            assert_eq!(refusal, Refusal { given_up: call.targets.len() == 1, dead: 0 });
        }
        calls.push((call.targets.clone(), refuses));
    }
}

/// The jobs that end, settled and buried.
fn ended(bench: &mut Bench) -> (Vec<u64>, usize) {
    let (mut settled, mut buried) = (Vec::new(), 0);
    while let Some(closing) = bench.pending.closing(1000) {
        let (Closing::Tell(jobs) | Closing::Settle(jobs) | Closing::Bury(jobs, _)) = &closing;
        bench.pending.left(jobs);
        match closing {
            Closing::Bury(..) => buried += jobs.len(),
            Closing::Tell(_) | Closing::Settle(_) => settled.extend(jobs.iter().map(|id| id.0)),
        }
    }
    (settled, buried)
}

#[test]
fn nothing_is_given_up_for_what_was_refused_beside_it() {
    for good in [0, 7, 250, 499] {
        let mut bench = Bench::new(500);
        let paths: Vec<Target> = (0..500).map(|number| url(&format!("/{number}"))).collect();
        paths.iter().for_each(|path| _ = bench.add(std::slice::from_ref(path)));
        let calls = refuse_others(&mut bench, &paths[good..=good]);
        assert_eq!(ended(&mut bench), (vec![good as u64 + 1], 499));
        let whole = calls.iter().filter(|(_, refuses)| !refuses).count();
        assert!(whole < 120, "{whole} calls beside those that find out one by one, at most one a pause");
        assert!(calls.iter().all(|(targets, refuses)| !refuses || targets.len() == 1));
        assert_eq!((bench.pending.links, bench.pending.flying.len()), (0, 0));
    }
}

#[test]
fn an_api_that_refuses_everything_is_asked_for_one_at_a_time() {
    let mut bench = Bench::new(500);
    let paths: Vec<Target> = (0..500).map(|number| url(&format!("/{number}"))).collect();
    paths.iter().for_each(|path| _ = bench.add(std::slice::from_ref(path)));
    let calls = refuse_others(&mut bench, &[]);
    assert!(calls.len() < 560, "{} calls: halves until sixteen stood alone, then each once", calls.len());
    assert!(bench.pending.refuses(TargetKind::Url) && !bench.pending.refuses(TargetKind::Tag));
    // What can be told another way is not told this way.
    bench.add(&[prefix("/a"), url("/a/b")]);
    assert_eq!(bench.pending.lanes[index(TargetKind::Url)][Mode::Hard as usize].len(), 0);
    assert_eq!(bench.deliver(), [vec![prefix("/a")]]);
    // Once something was taken, a refusal is looked into again.
    bench.add(&[url("/good")]);
    bench.deliver();
    assert!(!bench.pending.refuses(TargetKind::Url));
    paths.iter().for_each(|path| _ = bench.add(std::slice::from_ref(path)));
    assert_eq!(refuse_others(&mut bench, &paths).len(), 1);
}

#[test]
fn what_comes_while_everything_is_refused_takes_turns_with_what_was() {
    let mut bench = Bench::new(100);
    let bad: Vec<Target> = (0..100).map(|number| url(&format!("/bad/{number}"))).collect();
    bad.iter().for_each(|path| _ = bench.add(std::slice::from_ref(path)));
    while !bench.pending.refuses(TargetKind::Url) {
        let call = bench.take(TargetKind::Url).unwrap().call;
        bench.pending.refused(call.id, "404", bench.now);
    }
    let good: Vec<Target> = (0..5).map(|number| url(&format!("/good/{number}"))).collect();
    bench.add(&good);
    let calls = refuse_others(&mut bench, &good);
    let first = calls.iter().position(|(targets, _)| good.contains(&targets[0])).unwrap();
    assert!(first < 2, "not behind the {} others", calls.len());
    assert_eq!(ended(&mut bench), (vec![101], 100));
}

#[test]
fn what_was_refused_beside_others_is_given_up_when_its_time_is_over() {
    let mut bench = Bench::new(100);
    (0..100).for_each(|number| _ = bench.add(&[url(&format!("/{number}"))]));
    let mut dead = 0;
    while let Some(Ready { call, .. }) = bench.take(TargetKind::Url) {
        if bench.pending.refuses(TargetKind::Url) {
            bench.now = bench.now.plus(Duration::from_secs(30));
        }
        dead += bench.pending.refused(call.id, "404", bench.now).dead;
    }
    assert!((50..84).contains(&dead), "{dead}: ten minutes are twenty calls");
    assert_eq!(ended(&mut bench), (vec![], 100));
    assert_eq!((bench.pending.links, bench.pending.flying.len()), (0, 0));
}

#[test]
fn a_call_that_failed_is_repeated_whole_also_where_others_were_refused() {
    let mut bench = Bench::new(2);
    bench.add(&[url("/a"), url("/b")]);
    let first = bench.take(TargetKind::Url).unwrap().call;
    (0..20).for_each(|number| _ = bench.add(&[url(&format!("/{number}"))]));
    while !bench.pending.refuses(TargetKind::Url) {
        let call = bench.take(TargetKind::Url).unwrap().call;
        bench.pending.refused(call.id, "404", bench.now);
    }
    bench.pending.failed(first.id, "503", bench.now);
    let again = std::iter::from_fn(|| bench.take(TargetKind::Url)).find(|ready| ready.call.id == first.id);
    assert_eq!(again.unwrap().call, first);
}

#[test]
fn a_call_waits_for_the_newest_of_its_jobs_and_from_the_last_that_came() {
    let mut bench = Bench::new(10);
    let mut add = |id, position, millis| {
        let job =
            Job { id: JobId(id), position: Position::from_u64(position), at: at(0), purges: Vec::new() };
        let path = (url(&format!("/{id}")), Mode::Hard);
        bench.pending.add(&job, vec![path], None, at(millis));
    };
    add(1, 90, 0);
    // Of a log that was born later, by a clock that is behind.
    add(2, 20, 5000);
    let Ready { newest, taken, .. } = bench.take(TargetKind::Url).unwrap();
    assert_eq!((newest, taken), (Position::from_u64(90), at(5000)));
}

#[test]
fn purges_are_repeated_before_their_job_ends() {
    let mut bench = Bench::with(10, Some(2000));
    bench.add(&[url("/a"), url("/b")]);
    let made = bench.now;
    let call = bench.take(TargetKind::Url).unwrap().call;
    assert_eq!(bench.pending.delivered(call.id, at(500)), [made], "told once");
    assert_eq!(bench.heard(), [JobId(1)]);
    assert_eq!(bench.heard(), [], "noted");
    assert_eq!(bench.settled(), [0; 0]);
    assert_eq!(bench.pending.repeat(at(2499)), Some(at(2500)));
    assert!(bench.take(TargetKind::Url).is_none());
    // What comes then takes the second one along.
    bench.now = at(2490);
    bench.add(&[url("/a")]);
    assert_eq!(bench.pending.repeat(at(2500)), None);
    let call = bench.take(TargetKind::Url).unwrap().call;
    assert_eq!(call.targets, [url("/a"), url("/b")]);
    bench.pending.delivered(call.id, at(2600));
    assert_eq!(bench.heard(), [JobId(2)], "the other was told before");
    assert_eq!(bench.settled(), [1]);
    assert_eq!(bench.pending.repeat(at(4600)), None);
    let call = bench.take(TargetKind::Url).unwrap().call;
    bench.pending.delivered(call.id, at(4700));
    assert_eq!(bench.settled(), [2]);
    assert_eq!(bench.pending.links, 0);
}

#[test]
fn what_fails_for_too_long_is_given_up() {
    let mut bench = Bench::new(1);
    bench.add(&[url("/a"), tag("t")]);
    bench.add(&[url("/b")]);
    bench.now = at(300_000);
    bench.add(&[url("/c")]);
    let call = bench.take(TargetKind::Url).unwrap().call;
    assert_eq!(bench.pending.failed(call.id, "503", at(599_999)), 0);
    let call = bench.take(TargetKind::Url).unwrap().call;
    assert_eq!(bench.pending.failed(call.id, "504", at(600_000)), 2);
    assert_eq!(bench.pending.closing(9), Some(Closing::Bury(vec![JobId(2)], "504".into())));
    bench.pending.left(&[JobId(2)]);
    assert_eq!(bench.deliver(), [vec![tag("t")], vec![url("/c")]], "what does not fail goes through");
    assert_eq!(bench.pending.closing(9), Some(Closing::Bury(vec![JobId(1)], "504".into())));
    bench.pending.left(&[JobId(1)]);
    assert_eq!(bench.settled(), [3]);
}

#[test]
fn a_job_that_comes_late_is_tried_for_a_while() {
    let mut bench = Bench::new(1);
    bench.jobs += 1;
    let job = Job { id: JobId(1), position: Position::START, at: at(0), purges: Vec::new() };
    bench.pending.add(&job, vec![(url("/a"), Mode::Hard)], None, at(3_600_000));
    let call = bench.take(TargetKind::Url).unwrap().call;
    assert_eq!(bench.pending.failed(call.id, "503", at(3_600_000 + 59_999)), 0);
    let call = bench.take(TargetKind::Url).unwrap().call;
    assert_eq!(bench.pending.failed(call.id, "503", at(3_600_000 + 60_000)), 1);
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

#[test]
fn too_many_for_the_rate_become_fewer_and_wider() {
    #[track_caller]
    fn check(urls: impl Iterator<Item = String>, calls: u32, sent: &[Target]) {
        let mut bench = Bench::new(1);
        urls.for_each(|path| _ = bench.add(&[url(&path)]));
        let rate = Rate { calls, per: Duration::from_secs(1), burst: 1 };
        let widened = bench.pending.relieve(&aim(limits(1)), &Reach::default(), rate, 0, bench.now);
        assert_eq!(widened.is_empty(), bench.jobs as usize <= 60 * calls as usize);
        let all: Vec<Target> = bench.deliver().concat();
        assert!(sent.iter().all(|target| all.contains(target)), "{:?}", &all[..10.min(all.len())]);
        assert!(all.len() <= 60 * calls as usize + 1);
        assert_eq!((bench.settled().len() as u64).min(100), bench.jobs.min(100));
    }
    let numbered = |folder: &'static str, count: usize| (0..count).map(move |n| format!("{folder}/{n}"));
    check(numbered("/a", 60), 1, &[url("/a/0")]);
    check(numbered("/a", 100), 1, &[prefix("/a")]);
    check(numbered("/a", 100).chain(numbered("/b", 20)), 1, &[prefix("/a"), url("/b/0")]);
    check((0..1000).map(|n| format!("/a/{n}/x")), 1, &[prefix("/a")]);
    check((0..500).map(|n| format!("/{n}/{n}")), 1, &[prefix("/")]);
}

#[test]
fn tags_that_are_too_many_become_everything() {
    let mut bench = Bench::new(1);
    let ids: Vec<_> = (0..200).map(|n| bench.add(&[tag(&n.to_string()), tag("overflow")])).collect();
    let rate = Rate { calls: 1, per: Duration::from_secs(1), burst: 1 };
    assert_eq!(
        bench.pending.relieve(&aim(limits(1)), &Reach::default(), rate, 0, bench.now),
        [TargetKind::All]
    );
    assert_eq!(bench.pending.links, ids.len());
    assert_eq!(bench.deliver(), [vec![Target::All]]);
    assert_eq!(bench.pending.links, 0);
}

#[test]
fn what_stands_behind_those_in_hand_counts_as_well() {
    #[track_caller]
    fn check(jobs: usize, waiting: u64, sent: usize) {
        let many = Some(Many { targets: 1000, bytes: 1 << 20, overhead: 1, longest: 1000 });
        let limits = Limits { url: many, ..limits(1) };
        let mut bench = Bench { limits: limits.clone(), ..Bench::new(1) };
        for number in 0..jobs {
            assert!(bench.pending.room() > 0);
            bench.add(&[url(&format!("/a/{number}"))]);
        }
        let rate = Rate { calls: 1, per: Duration::from_secs(1), burst: 1 };
        bench.pending.relieve(&aim(limits), &Reach::default(), rate, waiting, bench.now);
        assert_eq!(bench.deliver().len(), sent, "{jobs} {waiting}");
    }
    check(MAX_JOBS, MAX_JOBS as u64, 33);
    check(MAX_JOBS, 50_000, 33);
    check(MAX_JOBS, 100_000, 1);
    check(MAX_JOBS, 0, 33);
    // As long as there is room all that waits is in hand, whatever was seen when the queue was looked at.
    check(2000, 100_000, 2);
}

#[test]
fn many_purges_at_once_are_told_exactly_if_the_rate_lets_them_through() {
    let limits = limits(1000);
    let rate = Rate { calls: 100, per: Duration::from_secs(1), burst: 100 };
    let mut bench = Bench::new(1000);
    let (mut left, mut sent) = (1000, 0);
    while left > 0 {
        // As many as there is room for, a page at a time.
        while left.min(bench.pending.room()) > 0 {
            for _ in 0..left.min(bench.pending.room()).min(500) {
                left -= 1;
                let tags: Vec<_> = (0..256).map(|number| tag(&format!("{left}-{number}"))).collect();
                bench.add(&tags);
            }
            assert!(bench.pending.links <= MAX_LINKS);
            let widened =
                bench.pending.relieve(&aim(limits.clone()), &Reach::default(), rate, 1000, bench.now);
            assert_eq!(widened, []);
        }
        sent += bench.deliver().concat().len();
        while !bench.settled().is_empty() {}
    }
    assert_eq!(sent, 256_000);
}

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
