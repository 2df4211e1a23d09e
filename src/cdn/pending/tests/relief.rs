//! What is told in place of what would take too long.

use super::*;

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
