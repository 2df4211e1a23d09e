use super::*;
use crate::invalidation::Matcher;
use std::sync::atomic::AtomicBool;

fn ledger(memory: usize, table_slots: usize) -> Ledger {
    Ledger::new(&LedgerSettings { memory, table_slots }, Position::START)
}

fn at(number: u64) -> Position {
    Position::from_u64(number)
}

/// Of `h/`, under route `r`.
fn tagged(tags: &[&str]) -> Bearings {
    Bearings::new("h", "/", "r", tags.iter().copied()).unwrap()
}

fn tag(text: impl AsRef<str>) -> Matcher {
    Matcher::Tag(text.as_ref().into())
}

#[test]
fn an_entry_dies_by_what_came_after_its_fence() {
    let bearings = Bearings::new("h", "/a/b", "r", ["t"]).unwrap();
    let check = |invalidation: Invalidation, expected: Verdict| {
        let ledger = ledger(1 << 20, 1 << 10);
        ledger.apply(at(10), std::slice::from_ref(&invalidation));
        let verdicts = [9, 10, 11].map(|fence| ledger.judge(Fence::at(at(fence)), &bearings));
        assert_eq!(verdicts, [expected, Verdict::Live, Verdict::Live], "{invalidation:?}");
    };
    let reaching = [
        Matcher::path("h", "/a/b"),
        Matcher::prefix("h", "/a"),
        Matcher::prefix("h", "/"),
        Matcher::Route("r".into()),
        tag("t"),
        Matcher::All,
    ];
    for matcher in reaching {
        check(Invalidation::hard(matcher.clone()), Verdict::Dead);
        check(Invalidation::soft(matcher), Verdict::Stale);
    }
    let missing = [
        Matcher::path("h", "/a"),
        Matcher::path("g", "/a/b"),
        Matcher::prefix("h", "/b"),
        Matcher::Route("s".into()),
        tag("u"),
    ];
    for matcher in missing {
        check(Invalidation::hard(matcher.clone()), Verdict::Live);
        check(Invalidation::soft(matcher), Verdict::Live);
    }
}

#[test]
fn hard_goes_before_soft_in_any_order() {
    let bearings = tagged(&["t"]);
    let ledger = ledger(1 << 20, 1 << 10);
    ledger.apply(at(1), &[Invalidation::soft(tag("t")), Invalidation::hard(Matcher::path("h", "/"))]);
    ledger.apply(at(2), &[Invalidation::soft(tag("t"))]);
    assert_eq!(ledger.judge(Fence::at(at(0)), &bearings), Verdict::Dead);
    assert_eq!(ledger.judge(Fence::at(at(1)), &bearings), Verdict::Stale);
    assert_eq!(ledger.judge(Fence::at(at(2)), &bearings), Verdict::Live);
}

#[test]
fn bearings_without_prefixes_of_their_own_answer_to_every_prefix() {
    let climbing: String = (0..100).map(|n| format!("/{n}/..")).collect();
    let bearings = Bearings::of_target("h", &climbing, "r");
    let ledger = ledger(1 << 20, 1 << 10);
    ledger.apply(at(1), &[Invalidation::hard(tag("t"))]);
    assert_eq!(ledger.judge(Fence::default(), &bearings), Verdict::Live);
    ledger.apply(at(2), &[Invalidation::soft(Matcher::prefix("g", "/none/of/them"))]);
    assert_eq!(ledger.judge(Fence::default(), &bearings), Verdict::Stale);
    ledger.apply(at(3), &[Invalidation::hard(Matcher::prefix("g", "/none/of/them"))]);
    assert_eq!(ledger.judge(Fence::default(), &bearings), Verdict::Dead);
}

#[test]
fn what_is_known_is_not_applied_again() {
    let ledger = ledger(1 << 20, 1 << 10);
    let bearings = tagged(&["t"]);
    ledger.apply(at(5), &[]);
    for known in [0, 4, 5] {
        ledger.apply(at(known), &[Invalidation::hard(Matcher::All), Invalidation::hard(tag("t"))]);
    }
    assert_eq!(ledger.applied(), at(5));
    assert_eq!(ledger.fence(), Fence::at(at(5)));
    assert_eq!(ledger.judge(Fence::default(), &bearings), Verdict::Live);
    assert_eq!(ledger.stats().exact, 0);
}

#[test]
fn what_is_remembered_of_a_check_is_what_a_fresh_judgement_says() {
    let ledger = ledger(1 << 20, 1 << 10);
    let bearings = tagged(&["t", "u"]);
    let checked = Checked::default();
    let fence = Fence::at(at(2));
    let step = |position: u64, invalidation: Option<Invalidation>, expected: Verdict, remembered: u64| {
        ledger.apply(at(position), invalidation.as_slice());
        assert_eq!(ledger.judge(fence, &bearings), expected);
        assert_eq!(ledger.judge_cached(fence, &bearings, &checked), expected);
        assert_eq!(ledger.judge_cached(fence, &bearings, &checked), expected);
        assert_eq!(checked.0.load(Ordering::Relaxed), remembered, "after {position}");
    };
    step(1, Some(Invalidation::hard(tag("t"))), Verdict::Live, 0);
    step(3, Some(Invalidation::hard(tag("other"))), Verdict::Live, 3);
    step(4, None, Verdict::Live, 3);
    step(5, Some(Invalidation::soft(tag("t"))), Verdict::Stale, 5 | STALE);
    step(6, Some(Invalidation::hard(tag("other"))), Verdict::Stale, 6 | STALE);
    step(7, Some(Invalidation::hard(tag("u"))), Verdict::Dead, 6 | STALE);
    step(8, None, Verdict::Dead, 6 | STALE);
    step(STALE, Some(Invalidation::soft(tag("other"))), Verdict::Dead, 6 | STALE);
}

#[test]
fn positions_that_cannot_be_remembered_are_judged_each_time() {
    let ledger = ledger(1 << 20, 1 << 10);
    let bearings = tagged(&["t"]);
    let checked = Checked::default();
    ledger.apply(at(STALE), &[Invalidation::hard(tag("other"))]);
    for _ in 0..2 {
        assert_eq!(ledger.judge_cached(Fence::default(), &bearings, &checked), Verdict::Live);
        assert_eq!(checked.0.load(Ordering::Relaxed), 0);
    }
}

/// A ledger that has dropped its oldest records, and one tag for each position up to 40,000.
fn worn() -> Ledger {
    let ledger = ledger(100 << 10, 1 << 18);
    for position in 1..=40_000 {
        ledger.apply(at(position), &[Invalidation::hard(tag(position.to_string()))]);
    }
    ledger
}

#[test]
fn records_are_bounded_and_nothing_is_forgotten() {
    let ledger = worn();
    let stats = ledger.stats();
    assert!(stats.exact_bytes <= 100 << 10, "{stats:?}");
    assert!(stats.exact > 7000 && stats.reach > at(30_000), "{stats:?}");
    for position in (1..=40_000).step_by(7) {
        let bearings = tagged(&[position.to_string().as_str()]);
        assert_eq!(ledger.judge(Fence::at(at(position - 1)), &bearings), Verdict::Dead, "{position}");
        // After its own purge it lives, if the exact records reach back that far.
        if at(position) >= stats.reach {
            assert_eq!(ledger.judge(Fence::at(at(position)), &bearings), Verdict::Live, "{position}");
        }
    }
}

#[test]
fn within_reach_the_table_is_not_asked() {
    let ledger = ledger(100 << 10, 1);
    for position in 1..=40_000 {
        ledger.apply(at(position), &[Invalidation::hard(tag(position.to_string()))]);
    }
    let stats = ledger.stats();
    let bearings = tagged(&["untouched"]);
    // 512 slots are all raised many times over: the table takes everything for invalidated.
    assert_eq!(ledger.judge(Fence::at(at(stats.reach.as_u64() - 1)), &bearings), Verdict::Dead);
    assert_eq!(ledger.judge(Fence::at(stats.reach), &bearings), Verdict::Live);
    // What was checked within reach stays within it, however old its fence.
    let checked = Checked(AtomicU64::new(stats.reach.as_u64()));
    assert_eq!(ledger.judge_cached(Fence::default(), &bearings, &checked), Verdict::Live);
}

#[test]
fn sealed_and_soft_records_keep_their_mode() {
    let ledger = ledger(1 << 20, 1 << 10);
    for position in 1..=20_000 {
        let invalidate = if position % 2 == 0 { Invalidation::hard } else { Invalidation::soft };
        ledger.apply(at(position), &[invalidate(tag(position.to_string()))]);
    }
    assert_eq!(ledger.stats().exact, 20_000);
    for position in (1..=20_000).step_by(13) {
        let bearings = tagged(&[position.to_string().as_str()]);
        let expected = if position % 2 == 0 { Verdict::Dead } else { Verdict::Stale };
        assert_eq!(ledger.judge(Fence::at(at(position - 1)), &bearings), expected);
        assert_eq!(ledger.judge(Fence::at(at(position)), &bearings), Verdict::Live);
    }
}

/// A thousand distinct purges a second for an hour, and then entries of every age up to that hour, none of which was
/// reached or looked at before. All sizes are a sixteenth of the real ones, so the shares are the real ones.
#[test]
fn few_entries_die_for_nothing() {
    const SCALE: u64 = 16;
    const HOUR: u64 = 3600 * 1000 / SCALE;
    let ledger = ledger((32 << 20) / SCALE as usize, (1 << 20) / SCALE as usize);
    let second = |n: u64| Position::from_u64((1_767_225_600_000 + n * SCALE) << 20);
    for n in 1..=HOUR {
        let key = format!("/purged/{n}");
        let matcher = if n % 2 == 0 { tag(key) } else { Matcher::path("shop", &key) };
        ledger.apply(second(n), &[Invalidation::hard(matcher)]);
    }
    let mut dead = 0;
    for n in 0..10_000 {
        let fence = Fence::at(second(n * HOUR / 10_000));
        let tags = [format!("product:{n}"), format!("category:{n}")];
        let bearings = Bearings::new(
            "shop",
            &format!("/api/v1/products/{n}"),
            "product",
            tags.iter().map(String::as_str),
        )
        .unwrap();
        dead += usize::from(ledger.judge(fence, &bearings) != Verdict::Live);
    }
    assert!(dead <= 100, "{dead} of 10,000 entries died for nothing: {:?}", ledger.stats());
}

#[test]
fn a_judgement_sees_every_purge_applied_before_it() {
    const PURGES: u64 = 30_000;
    let ledger = ledger(100 << 10, 1 << 12);
    let done = AtomicBool::new(false);
    let fresh = |position: u64| tagged(&[(position % 50).to_string().as_str()]);
    std::thread::scope(|scope| {
        for reader in 0..3_u64 {
            let (ledger, done, fresh) = (&ledger, &done, &fresh);
            scope.spawn(move || {
                let entries: Vec<_> = (0..50).map(|n| (fresh(n), Checked::default())).collect();
                let mut turn = reader;
                while !done.load(Ordering::Acquire) {
                    turn += 1;
                    // Position p purges tag p % 50: as of `applied`, the last purge of a tag is at most 50 back.
                    let applied = ledger.applied().as_u64();
                    let tag = turn % 50;
                    let Some(last) = applied.checked_sub((applied + 50 - tag) % 50).filter(|last| *last > 0)
                    else {
                        continue;
                    };
                    let (bearings, checked) = &entries[tag as usize];
                    let before = Fence::at(at(last - 1));
                    assert_eq!(ledger.judge(before, bearings), Verdict::Dead);
                    assert_eq!(ledger.judge_cached(before, bearings, checked), Verdict::Dead);
                }
            });
        }
        for position in 1..=PURGES {
            ledger.apply(at(position), &[Invalidation::hard(tag((position % 50).to_string()))]);
            assert_eq!(ledger.judge(Fence::at(at(position - 1)), &fresh(position)), Verdict::Dead);
            // Others fill the records, so that they grow and are sealed under the readers' eyes.
            assert_eq!(ledger.applied(), at(position));
        }
        done.store(true, Ordering::Release);
    });
}
