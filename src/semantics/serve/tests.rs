use super::super::testing::{BORN, fresh, secs};
use super::*;
use proptest::prelude::*;

/// Fresh for 60 s, then 30 s while revalidated, 90 s on errors.
fn windows() -> Freshness {
    Freshness { stale_while_revalidate: secs(30), stale_if_error: secs(90), ..fresh(60) }
}

fn must_revalidate() -> Freshness {
    Freshness { must_revalidate: true, ..fresh(60) }
}

fn no_cache() -> Freshness {
    Freshness { no_cache: true, ..fresh(60) }
}

fn wants(set: impl FnOnce(&mut RequestDirectives)) -> Option<RequestDirectives> {
    let mut directives = RequestDirectives::default();
    set(&mut directives);
    Some(directives)
}

const STALE: Decision = Decision::Revalidate(Revalidate::Stale);
const REQUEST: Decision = Decision::Revalidate(Revalidate::Request);

#[test]
fn by_age_alone() {
    fn check(clause: &str, freshness: &Freshness, after: u64, expected: Decision) {
        assert_eq!(
            decide(freshness, false, None, BORN.plus(secs(after))),
            expected,
            "{clause} after {after} s"
        );
        let nothing = RequestDirectives::default();
        assert_eq!(
            decide(freshness, false, Some(&nothing), BORN.plus(secs(after))),
            expected,
            "{clause} after {after} s"
        );
    }
    check("4.2", &fresh(60), 0, Decision::Fresh);
    check("4.2", &fresh(60), 59, Decision::Fresh);
    check("4.2 the last moment is over", &fresh(60), 60, STALE);
    check("4.2 a lifetime of zero", &fresh(0), 0, STALE);
    check("5861 3", &windows(), 60, Decision::StaleWhileRevalidate);
    check("5861 3", &windows(), 89, Decision::StaleWhileRevalidate);
    check("5861 3 over", &windows(), 90, STALE);
    check("5.2.2.2 fresh", &must_revalidate(), 59, Decision::Fresh);
    check("5.2.2.2 stale", &must_revalidate(), 60, STALE);
    let contradiction = Freshness { must_revalidate: true, ..windows() };
    check("4.2.4 whatever the window", &contradiction, 60, STALE);
    check("5.2.2.4", &no_cache(), 0, Decision::Revalidate(Revalidate::NoCache));
    check("5.2.2.4 stale", &no_cache(), 100, Decision::Revalidate(Revalidate::NoCache));
}

#[test]
fn after_a_soft_purge() {
    fn check(why: &str, freshness: &Freshness, after: u64, expected: Decision) {
        assert_eq!(decide(freshness, true, None, BORN.plus(secs(after))), expected, "{why} after {after} s");
    }
    check("otherwise fresh", &fresh(60), 59, Decision::StaleWhileRevalidate);
    check("lifetime over", &fresh(60), 60, STALE);
    check("within the window", &windows(), 89, Decision::StaleWhileRevalidate);
    check("window over", &windows(), 90, STALE);
    check("5.2.2.2", &must_revalidate(), 0, STALE);
    check("5.2.2.4", &no_cache(), 0, Decision::Revalidate(Revalidate::NoCache));
    for directives in [wants(|d| d.max_age = Some(secs(50))), wants(|d| d.min_fresh = Some(secs(1)))] {
        assert_eq!(
            decide(&fresh(60), true, directives.as_ref(), BORN),
            STALE,
            "5.2.1.1 nothing stale: {directives:?}"
        );
    }
    let stale = wants(|d| d.max_stale = Some(secs(1)));
    assert_eq!(decide(&fresh(60), true, stale.as_ref(), BORN), Decision::StaleWhileRevalidate);
}

#[test]
fn as_the_client_wants() {
    fn check(
        clause: &str,
        directives: &Option<RequestDirectives>,
        freshness: &Freshness,
        after: u64,
        expected: Decision,
    ) {
        let decision = decide(freshness, false, directives.as_ref(), BORN.plus(secs(after)));
        assert_eq!(decision, expected, "{clause} after {after} s: {directives:?}");
    }
    let no_cache = wants(|d| d.no_cache = true);
    check("5.2.1.4", &no_cache, &fresh(60), 0, REQUEST);
    let no_store = wants(|d| d.no_store = true);
    check("5.2.1.5 is about storing", &no_store, &fresh(60), 0, Decision::Fresh);

    let max_age = wants(|d| d.max_age = Some(secs(10)));
    check("5.2.1.1", &max_age, &fresh(60), 10, Decision::Fresh);
    check("5.2.1.1 too old", &max_age, &fresh(60), 11, REQUEST);
    check(
        "5.2.1.1 nothing stale",
        &max_age,
        &Freshness { stale_while_revalidate: secs(30), ..fresh(5) },
        6,
        STALE,
    );
    let max_age_stale = wants(|d| (d.max_age, d.max_stale) = (Some(secs(10)), Some(secs(30))));
    check("5.2.1.1 unless max-stale", &max_age_stale, &fresh(5), 6, Decision::StaleWhileRevalidate);

    let min_fresh = wants(|d| d.min_fresh = Some(secs(10)));
    check("5.2.1.3", &min_fresh, &fresh(60), 50, Decision::Fresh);
    check("5.2.1.3 not long enough", &min_fresh, &fresh(60), 51, REQUEST);
    let min_fresh_zero = wants(|d| d.min_fresh = Some(secs(0)));
    check("5.2.1.3 nothing stale", &min_fresh_zero, &windows(), 60, STALE);

    let max_stale = wants(|d| d.max_stale = Some(secs(10)));
    check("5.2.1.2 fresh", &max_stale, &fresh(60), 59, Decision::Fresh);
    check("5.2.1.2", &max_stale, &fresh(60), 69, Decision::StaleWhileRevalidate);
    check("5.2.1.2 over", &max_stale, &fresh(60), 70, STALE);
    check("5.2.1.2 less than the cache would", &max_stale, &windows(), 70, STALE);
    check("5.2.2.2 not past must-revalidate", &max_stale, &must_revalidate(), 60, STALE);
    let any_stale = wants(|d| d.max_stale = Some(Duration::MAX));
    check("5.2.1.2 any", &any_stale, &fresh(60), 1_000_000, Decision::StaleWhileRevalidate);

    let only = wants(|d| d.only_if_cached = true);
    check("5.2.1.7 fresh", &only, &fresh(60), 0, Decision::Fresh);
    check("5.2.1.7 within the window", &only, &windows(), 60, Decision::StaleWhileRevalidate);
    check("5.2.1.7 stale", &only, &fresh(60), 60, Decision::NotCached);
    check("5.2.1.7 no-cache", &only, &super::tests::no_cache(), 0, Decision::NotCached);
    let only_new = wants(|d| (d.only_if_cached, d.no_cache) = (true, true));
    check("5.2.1.7 and 5.2.1.4", &only_new, &fresh(60), 0, Decision::NotCached);
}

#[test]
fn when_the_origin_fails() {
    fn check(
        clause: &str,
        directives: &Option<RequestDirectives>,
        freshness: &Freshness,
        after: u64,
        expected: bool,
    ) {
        let usable = usable_on_error(freshness, directives.as_ref(), BORN.plus(secs(after)));
        assert_eq!(usable, expected, "{clause} after {after} s: {directives:?}");
    }
    check("fresh", &None, &fresh(60), 59, true);
    check("stale", &None, &fresh(60), 60, false);
    check("5861 4", &None, &windows(), 149, true);
    check("5861 4 over", &None, &windows(), 150, false);
    check("5.2.2.2", &None, &must_revalidate(), 60, false);
    check("5.2.2.2 purged softly while fresh", &None, &must_revalidate(), 0, false);
    check("5.2.2.2 whatever the window", &None, &Freshness { must_revalidate: true, ..windows() }, 60, false);
    check("5.2.2.4", &None, &no_cache(), 0, false);

    let longer = wants(|d| d.stale_if_error = Some(secs(200)));
    check("5861 4 the client's", &longer, &fresh(60), 259, true);
    check("5861 4 the client's, over", &longer, &fresh(60), 260, false);
    check("5861 4 not past must-revalidate", &longer, &must_revalidate(), 60, false);
    let shorter = wants(|d| d.stale_if_error = Some(secs(10)));
    check("5861 4 extends only", &shorter, &windows(), 149, true);
    let new = wants(|d| d.no_cache = true);
    check("5.2.1.4", &new, &windows(), 0, false);
    let max_age = wants(|d| d.max_age = Some(secs(100)));
    check("5.2.1.1 nothing stale", &max_age, &windows(), 61, false);
    check("5.2.1.1 fresh", &max_age, &windows(), 59, true);
    let max_stale = wants(|d| d.max_stale = Some(secs(100)));
    check("5.2.1.2", &max_stale, &fresh(60), 159, true);
}

#[test]
fn reasons_have_words() {
    assert_eq!(Revalidate::Stale.as_str(), "stale");
    assert_eq!(Revalidate::NoCache.as_str(), "no_cache");
    assert_eq!(Revalidate::Request.as_str(), "request");
}

prop_compose! {
    fn some_freshness()(
        times in any::<(u8, u8, u8)>(),
        marks in any::<(bool, bool)>(),
    ) -> Freshness {
        Freshness {
            stale_while_revalidate: secs(times.1.into()),
            stale_if_error: secs(times.2.into()),
            must_revalidate: marks.0,
            no_cache: marks.1,
            ..fresh(times.0.into())
        }
    }
}

prop_compose! {
    fn some_directives()(
        marks in any::<(bool, bool, bool)>(),
        max_age in proptest::option::of(0..300_u64),
        min_fresh in proptest::option::of(0..300_u64),
        max_stale in proptest::option::of(0..300_u64),
        stale_if_error in proptest::option::of(0..300_u64),
    ) -> RequestDirectives {
        RequestDirectives {
            no_store: marks.0,
            no_cache: marks.1,
            only_if_cached: marks.2,
            max_age: max_age.map(secs),
            min_fresh: min_fresh.map(secs),
            max_stale: max_stale.map(secs),
            stale_if_error: stale_if_error.map(secs),
        }
    }
}

/// How much the origin is needed.
fn rank(decision: Decision) -> u8 {
    match decision {
        Decision::Fresh => 0,
        Decision::StaleWhileRevalidate => 1,
        Decision::Revalidate(_) | Decision::NotCached => 2,
    }
}

proptest! {
    #[test]
    fn time_never_makes_an_entry_fresher(
        freshness in some_freshness(),
        directives in proptest::option::of(some_directives()),
        soft in any::<bool>(),
        at in 0..900_u64,
        later in 0..900_u64,
    ) {
        let rank = |at: u64| rank(decide(&freshness, soft, directives.as_ref(), BORN.plus(secs(at))));
        prop_assert!(rank(at) <= rank(at + later));
        let usable = |at: u64| usable_on_error(&freshness, directives.as_ref(), BORN.plus(secs(at)));
        prop_assert!(usable(at) || !usable(at + later));
    }

    #[test]
    fn nothing_is_served_against_the_origins_word(
        freshness in some_freshness(),
        directives in proptest::option::of(some_directives()),
        soft in any::<bool>(),
        at in 0..900_u64,
    ) {
        let now = BORN.plus(secs(at));
        let decision = decide(&freshness, soft, directives.as_ref(), now);
        let stale = soft || freshness.stale_for(now).is_some();
        if freshness.no_cache || freshness.must_revalidate && stale {
            prop_assert_eq!(rank(decision), 2);
        }
        prop_assert_eq!(decision == Decision::Fresh, !stale && rank(decision) == 0);
        if soft {
            prop_assert!(rank(decision) >= rank(decide(&freshness, false, directives.as_ref(), now)));
        }
    }

    #[test]
    fn what_may_be_served_now_is_kept(freshness in some_freshness(), at in 0..900_u64) {
        let now = BORN.plus(secs(at));
        let usable = rank(decide(&freshness, false, None, now)) < 2 || usable_on_error(&freshness, None, now);
        prop_assert!(!usable || !freshness.keep_for(now, false).is_zero());
    }
}
