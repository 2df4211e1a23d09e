//! Calls that are refused, or fail, and what becomes of what they told.

use super::*;

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
