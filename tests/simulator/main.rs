//! A node in a box: the real engine, memory and invalidation log; a fake origin; paused time; one seed a world.
//!
//! Every world is a different interleaving of fills, writes, purges, cancellations, slow and failing replies. Each
//! answer is checked against the promises: nothing read before a purge reaches a request that came after it, nothing
//! cut looks whole, one request a cold key, nobody waits for ever. A world that breaks one prints its seed.
//!
//! `LARDER_SEEDS=first..last cargo test --release --test simulator` runs other worlds; `make soak` runs many.

#![expect(clippy::unwrap_used, reason = "a world whose own parts fail proves nothing and may panic")]

mod fleet;
mod origin;
mod random;
mod reader;
mod world;

use std::ops::Range;
use std::time::Instant;
use world::World;

/// The share of `make test`: about a quarter of a minute.
const SEEDS: Range<u64> = 0..2_000;

fn seeds(share: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("LARDER_SEEDS") else { return share };
    let parse = |part: &str| part.trim().parse::<u64>().ok();
    let range = match text.split_once("..") {
        Some((first, last)) => parse(first).zip(parse(last)).map(|(first, last)| first..last),
        None => parse(&text).map(|seed| seed..seed + 1),
    };
    range.unwrap_or_else(|| panic!("LARDER_SEEDS is `{text}`; write `7` or `0..100000`"))
}

/// The share of fleets.
const FLEETS: Range<u64> = 0..400;

#[test]
fn promises_hold_in_every_fleet() {
    let started = Instant::now();
    let mut totals = fleet::Counts::default();
    let range = seeds(FLEETS);
    for seed in range.clone() {
        totals.merge(fleet::Fleet::run(seed));
    }
    println!("fleets {range:?}: {totals:?} in {:?}", started.elapsed());
    if range.end - range.start >= 400 {
        totals.assert_everything_happened();
    }
}

#[test]
fn promises_hold_in_every_world() {
    let started = Instant::now();
    let mut totals = world::Counts::default();
    let range = seeds(SEEDS);
    for seed in range.clone() {
        totals += World::run(seed);
    }
    println!("worlds {range:?}: {totals:?} in {:?}", started.elapsed());
    if range.end - range.start >= 1_000 {
        totals.assert_everything_happened();
    }
}

/// A checker that cannot find anything proves nothing: behind a log that applies a purge only some time after it has
/// reported its position, the same worlds break.
#[test]
fn a_log_that_applies_late_is_found_out() {
    let found = (0..300).filter(|seed| !World::run_with_late_log(*seed).is_empty()).count();
    assert!(found > 30, "only {found} of 300 worlds found a stale reply");
}
