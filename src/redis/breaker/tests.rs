use super::*;
use crate::redis::Op;
use BreakerState::{Closed, HalfOpen, Open};
use Verdict::{Bad, Good, Unknown};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

fn breaker() -> Breaker {
    Breaker::new(Arc::new(()))
}

/// Asks and answers at once; whether it was allowed.
fn ask(breaker: &Breaker, verdict: Verdict, now: Timestamp) -> bool {
    breaker.allow(now).map(|pass| pass.settle(verdict, now)).is_some()
}

fn opened(now: Timestamp) -> Breaker {
    let breaker = breaker();
    (0..RUN).for_each(|_| assert!(ask(&breaker, Bad, now)));
    assert_eq!(breaker.state(), Open);
    breaker
}

#[test]
fn opens_on_a_run_or_a_share_of_failures_alone() {
    #[track_caller]
    fn check(verdicts: impl IntoIterator<Item = (u64, Verdict)>, expected: BreakerState) {
        let breaker = breaker();
        for (millis, verdict) in verdicts {
            ask(&breaker, verdict, at(millis));
        }
        assert_eq!(breaker.state(), expected);
    }
    let mixed = |good: usize, bad: usize, step: u64, count: u64| {
        let round = [vec![Good; good], vec![Bad; bad]].concat();
        (0..count).map(move |n| (n * step, round[n as usize % round.len()]))
    };
    check((0..4).map(|n| (n, Bad)), Closed);
    check((0..5).map(|n| (n, Bad)), Open);
    check((0..5).map(|n| (n * 60_000, Bad)), Open);
    check((0..100).map(|n| (n, Unknown)), Closed);
    // Half of many fail; a third of many; half of few; half of many, but over a long time.
    check(mixed(1, 1, 1, 40), Open);
    check(mixed(2, 1, 1, 400), Closed);
    check(mixed(1, 1, 1, 18), Closed);
    check(mixed(1, 1, 150, 400), Closed);
    // What went well an hour ago does not make up for what fails now.
    check((0..100_000).map(|_| (0, Good)).chain(mixed(1, 1, 1, 60).map(|(n, v)| (n + 3_600_000, v))), Open);
}

#[test]
fn while_open_nobody_asks_and_the_pause_grows_to_a_bound() {
    let breaker = opened(at(0));
    let mut now = 0;
    for pause in [250, 500, 1000, 2000, 2000, 2000] {
        assert!(breaker.allow(at(now + pause - 1)).is_none(), "{pause}");
        now += pause;
        assert!(ask(&breaker, Bad, at(now)), "{pause}");
        assert_eq!(breaker.state(), Open);
    }
}

#[test]
fn some_probes_that_succeed_close_it_and_the_next_pause_is_short_again() {
    let breaker = opened(at(0));
    assert!(ask(&breaker, Bad, at(250)));
    let probes: Vec<_> = (0..5).filter_map(|_| breaker.allow(at(1000))).collect();
    assert_eq!((probes.len(), breaker.state()), (PROBES as usize, HalfOpen));
    probes.into_iter().for_each(|probe| probe.settle(Good, at(1001)));
    assert_eq!(breaker.state(), Closed);
    (0..RUN).for_each(|_| assert!(ask(&breaker, Bad, at(2000))));
    assert!(breaker.allow(at(2249)).is_none());
    assert!(breaker.allow(at(2250)).is_some());
}

#[test]
fn probes_that_nobody_waited_for_block_nothing() {
    let breaker = opened(at(0));
    for round in 0..100 {
        let probes: Vec<_> = (0..PROBES).map(|_| breaker.allow(at(300)).unwrap()).collect();
        assert!(breaker.allow(at(300)).is_none(), "{round}");
        drop(probes);
    }
    (0..PROOFS).for_each(|_| assert!(ask(&breaker, Good, at(301))));
    assert_eq!(breaker.state(), Closed);
}

#[test]
fn probes_that_never_come_back_are_forgotten() {
    let breaker = opened(at(0));
    (0..PROBES).for_each(|_| std::mem::forget(breaker.allow(at(300)).unwrap()));
    assert!(breaker.allow(at(301)).is_none());
    (0..PROOFS).for_each(|_| assert!(ask(&breaker, Good, at(10_300))));
    assert_eq!(breaker.state(), Closed);
}

#[test]
fn what_was_asked_before_a_change_does_not_count_after_it() {
    let breaker = breaker();
    let early: Vec<_> = (0..20).map(|_| breaker.allow(at(0)).unwrap()).collect();
    let mut early = early.into_iter();
    early.by_ref().take(10).for_each(|pass| pass.settle(Bad, at(1)));
    assert_eq!(breaker.state(), Open);
    let probe = breaker.allow(at(251)).unwrap();
    early.for_each(|pass| pass.settle(Bad, at(252)));
    assert_eq!(breaker.state(), HalfOpen, "late failures of the time before do not spoil the probe");
    probe.settle(Good, at(253));
    (1..PROOFS).for_each(|_| assert!(ask(&breaker, Good, at(254))));
    assert_eq!(breaker.state(), Closed);
}

#[test]
fn changes_are_told_once() {
    #[derive(Default)]
    struct Told(Mutex<Vec<BreakerState>>);
    impl RedisObserver for Told {
        fn answered(&self, _: Op, _: Duration) {}
        fn failed(&self, _: Op, _: &'static str) {}
        fn breaker(&self, state: BreakerState) {
            self.0.lock().unwrap().push(state);
        }
    }
    let told = Arc::new(Told::default());
    let breaker = Breaker::new(told.clone());
    (0..20).for_each(|_| _ = ask(&breaker, Bad, at(0)));
    (0..20).for_each(|_| _ = ask(&breaker, Good, at(500)));
    assert_eq!(*told.0.lock().unwrap(), [Open, HalfOpen, Closed]);
    assert_eq!([Closed, Open, HalfOpen].map(BreakerState::as_str), ["closed", "open", "half_open"]);
}

/// Whatever happened before, a Redis that is well from now on is asked by everybody soon.
#[test]
fn it_never_stays_open_once_redis_is_well() {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    for seed in 0..2000 {
        let mut random = StdRng::seed_from_u64(seed);
        let breaker = breaker();
        let mut now = 0;
        let mut held = Vec::new();
        for _ in 0..random.random_range(0..200) {
            now += random.random_range(0..400);
            held.extend(breaker.allow(at(now)));
            if random.random_range(0..3) == 0 && !held.is_empty() {
                let pass = held.swap_remove(random.random_range(0..held.len()));
                match random.random_range(0..5) {
                    0 => pass.settle(Good, at(now)),
                    1 => drop(pass),
                    2 => std::mem::forget(pass),
                    _ => pass.settle(Bad, at(now)),
                }
            }
        }
        drop(held);
        now += PROBE_LIMIT.as_millis() as u64 + LONGEST_PAUSE.as_millis() as u64;
        (0..PROOFS).for_each(|_| assert!(ask(&breaker, Good, at(now)), "seed {seed}"));
        assert_eq!(breaker.state(), Closed, "seed {seed}");
    }
}
