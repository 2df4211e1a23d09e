//! Every state that the invalidation protocol can reach, within small bounds.
//!
//! Two nodes with a memory each, the tier that they share, the log with its table, terms and births, an origin, and
//! one key that is read all the time while writes, purges and faults happen in every order there is. `state` says
//! what there is, `node` what a node decides (which the code of `invalidation` and `fleet` follows), `events` what
//! can happen and `step` what it is called, `check` what must hold, `search` goes through all of it, breadth first,
//! and `rules` names what keeps it right.
//!
//! # What is checked, in every state
//!
//! - *Safety*: a node that applied a purge, of its own or from the log, serves nothing that was read from the origin
//!   before it; after a soft purge nothing of the kind counts as fresh.
//! - *Liveness*: when all is quiet, so that nothing is left to happen but reads, nodes have nothing fresh that is
//!   older than the origin.
//! - *Blind*: when the limit has passed since a purge stood in the log, no node serves what it reached, whatever that
//!   node could or could not hear.
//! - *Read your writes*: a client that brings the position of its write never reads what is older.
//! - *Told*: when all is quiet, a CDN was told of every version that the origin committed.
//!
//! # How to read a test
//!
//! All bounds at once would be too many states, so each [`Case`] allows a few kinds of event a few times, and
//! searches all that can come of them. It must hold with all rules; and with each rule of its list left out it must
//! break, in the number of steps named: a counterexample that gets longer or shorter says that the model has changed
//! its meaning. `cargo test --test model -- --nocapture` prints the number of states and every counterexample.
//! `LARDER_MODEL=deep` searches larger bounds; better with `--release`.
//!
//! # What is left out
//!
//! - Clocks. Positions only count up, so that those of a new term collide with lost ones at every opportunity, as
//!   with a primary whose clock is behind.
//! - What nobody alive knows of. A node does not die while it has applied what no log has, nor while its write's
//!   intent was lost and it had no chance to record it again; a log is not lost together with the node of a write.
//! - Answers of the tier that are late. An entry is judged when it is taken over, so a late one is one that still
//!   stood there.
#![expect(clippy::print_stdout, reason = "what a search found is for who reads it")]

mod check;
mod events;
mod node;
mod rules;
mod search;
mod state;
mod step;
mod system;

use rules::Rule::{self, *};
use rules::Rules;
use search::{Outcome, search};
use state::{Budget, Mode};
use system::{Protocol, Scenario};

/// Several times what the largest case has.
const MOST_STATES: usize = 2_500_000;
/// With `LARDER_MODEL=deep`: some 10 GiB.
const MOST_STATES_DEEP: usize = 20_000_000;

/// A scenario and the rules that it takes.
struct Case {
    name: &'static str,
    scenario: Scenario,
    /// Each with the length of the shortest counterexample where it is left out.
    rules: &'static [(Rule, usize)],
    /// Larger bounds.
    deep: Budget,
}

#[track_caller]
fn check(case: &Case) {
    let Case { name, scenario, rules, deep } = case;
    let hold = |scenario: Scenario, bound| match search(&Protocol { scenario, rules: Rules::all() }, bound) {
        Outcome::Holds(states) => println!("{name}: holds in {states} states"),
        Outcome::Breaks { steps, fault } => panic!("{name} breaks: {fault}\n{}", told(&steps)),
    };
    hold(*scenario, MOST_STATES);
    if std::env::var("LARDER_MODEL").is_ok_and(|value| value == "deep") {
        hold(Scenario { budget: *deep, ..*scenario }, MOST_STATES_DEEP);
    }
    for (rule, length) in *rules {
        let without = Protocol { scenario: *scenario, rules: Rules::all().without(*rule) };
        let Outcome::Breaks { steps, fault } = search(&without, MOST_STATES) else {
            panic!("{name} holds without {rule:?}");
        };
        println!("{name} without {rule:?}: {fault}\n{}", told(&steps));
        assert_eq!(steps.len(), *length, "{name} without {rule:?}:\n{}", told(&steps));
    }
}

fn told(steps: &[String]) -> String {
    steps.iter().enumerate().map(|(at, step)| format!("{:4}. {step}\n", at + 1)).collect()
}

/// Nothing happens unless a case says so.
const NOTHING: Budget = Budget {
    writes: 0,
    operator: 0,
    others: 0,
    crashes: 0,
    fail_overs: 0,
    births: 0,
    cuts: 0,
    limits: 0,
    trims: 0,
    evictions: 0,
};

#[test]
fn a_node_dies_during_a_write() {
    let budget = Budget { writes: 1, crashes: 1, ..NOTHING };
    check(&Case {
        name: "a node dies",
        scenario: Scenario { budget, ..Scenario::default() },
        rules: &[(Fence, 6), (FenceFirst, 6), (Intent, 7), (SecondSweep, 9)],
        deep: Budget { crashes: 2, ..budget },
    });
}

#[test]
fn two_writes_at_once() {
    let budget = Budget { writes: 2, ..NOTHING };
    check(&Case {
        name: "two writes",
        scenario: Scenario { budget, ..Scenario::default() },
        rules: &[(Fence, 6), (FenceFirst, 6)],
        deep: Budget { crashes: 1, ..budget },
    });
}

#[test]
fn a_fail_over_loses_the_purge_of_a_write() {
    let budget = Budget { writes: 1, fail_overs: 1, ..NOTHING };
    check(&Case {
        name: "fail-over",
        scenario: Scenario { budget, lost_intents: true, ..Scenario::default() },
        rules: &[(Fence, 6), (FenceFirst, 6)],
        deep: Budget { crashes: 1, ..budget },
    });
}

#[test]
fn an_intent_is_lost_and_then_its_node() {
    let budget = Budget { writes: 1, crashes: 1, fail_overs: 1, ..NOTHING };
    check(&Case {
        name: "lost intent",
        scenario: Scenario { budget, lost_intents: true, ..Scenario::default() },
        rules: &[(Intent, 7), (SecondSweep, 9), (IntentAgain, 10)],
        deep: budget,
    });
}

#[test]
fn a_fail_over_hands_out_positions_again() {
    let budget = Budget { operator: 2, fail_overs: 1, ..NOTHING };
    check(&Case {
        name: "terms",
        scenario: Scenario { budget, checks: true, ..Scenario::default() },
        rules: &[(TermEnd, 8), (FallBack, 9), (Stamps, 7), (Ceiling, 7), (Outstanding, 7), (Again, 8)],
        deep: Budget { cuts: 1, ..budget },
    });
}

#[test]
fn a_deposed_server_goes_on() {
    let budget = Budget { operator: 2, fail_overs: 1, ..NOTHING };
    check(&Case {
        name: "deposed server",
        scenario: Scenario { budget, split: true, ..Scenario::default() },
        rules: &[(LostOutstanding, 9), (TermEnd, 8), (FallBack, 9), (Ceiling, 8), (Again, 9)],
        deep: Budget { cuts: 1, ..budget },
    });
}

#[test]
fn a_node_is_cut_off() {
    let budget = Budget { writes: 1, cuts: 1, limits: 1, ..NOTHING };
    check(&Case {
        name: "blind",
        scenario: Scenario { budget, ..Scenario::default() },
        rules: &[(OwnPurges, 7), (Outstanding, 9), (Ceiling, 9), (Limit, 7), (StrongOnly, 10)],
        deep: Budget { limits: 2, cuts: 2, ..budget },
    });
}

#[test]
fn a_node_is_cut_off_from_the_tier_too() {
    let budget = Budget { operator: 2, cuts: 1, limits: 1, ..NOTHING };
    check(&Case {
        name: "blind, without the tier",
        scenario: Scenario { budget, far_tier: true, ..Scenario::default() },
        rules: &[(OwnPurges, 5), (Stamps, 7), (Limit, 5)],
        deep: Budget { limits: 2, cuts: 2, ..budget },
    });
}

#[test]
fn a_node_starts_while_the_log_is_out_of_reach() {
    let budget = Budget { operator: 1, crashes: 1, cuts: 1, limits: 1, ..NOTHING };
    check(&Case {
        name: "blind from the start",
        scenario: Scenario { budget, checks: true, ..Scenario::default() },
        rules: &[(OwnPurges, 5), (Limit, 5)],
        deep: Budget { operator: 2, ..budget },
    });
}

#[test]
fn reads_of_the_log_take_time() {
    let budget = Budget { operator: 1, cuts: 1, limits: 1, ..NOTHING };
    check(&Case {
        name: "slow reads",
        scenario: Scenario { budget, slow_tail: true, ..Scenario::default() },
        rules: &[(FollowedWhenSent, 7), (Limit, 5)],
        deep: Budget { operator: 2, ..budget },
    });
}

#[test]
fn an_append_is_taken_and_its_answer_lost() {
    let budget = Budget { writes: 1, cuts: 1, ..NOTHING };
    check(&Case {
        name: "lost answer",
        scenario: Scenario { budget, lost_answers: true, ..Scenario::default() },
        rules: &[(OwnPurges, 6), (Outstanding, 9), (Ceiling, 9)],
        deep: Budget { crashes: 1, ..budget },
    });
}

#[test]
fn the_log_is_lost_and_born_anew() {
    let budget = Budget { operator: 2, births: 1, ..NOTHING };
    check(&Case {
        name: "birth",
        scenario: Scenario { budget, checks: true, ..Scenario::default() },
        rules: &[(Birth, 8), (Outstanding, 7), (Ceiling, 7), (Stamps, 7)],
        deep: Budget { births: 2, ..budget },
    });
}

#[test]
fn the_log_is_lost_and_so_is_who_knew_of_a_purge() {
    let budget = Budget { operator: 1, births: 1, crashes: 1, ..NOTHING };
    check(&Case {
        name: "birth and death",
        scenario: Scenario { budget, checks: true, ..Scenario::default() },
        rules: &[(Birth, 7), (StrongOnly, 10)],
        deep: Budget { operator: 2, ..budget },
    });
}

#[test]
fn an_empty_log_takes_over_while_the_old_one_goes_on() {
    let budget = Budget { operator: 2, births: 1, ..NOTHING };
    check(&Case {
        name: "replaced log",
        scenario: Scenario { budget, split: true, ..Scenario::default() },
        rules: &[(AgainAtBirth, 9), (LostOutstanding, 9), (Birth, 8)],
        deep: Budget { cuts: 1, ..budget },
    });
}

#[test]
fn the_log_is_lost_during_a_write() {
    let budget = Budget { writes: 1, births: 1, ..NOTHING };
    check(&Case {
        name: "birth during a write",
        scenario: Scenario { budget, split: true, lost_intents: true, ..Scenario::default() },
        rules: &[(AgainAtBirth, 10)],
        deep: Budget { cuts: 1, ..budget },
    });
}

#[test]
fn a_soft_and_a_hard_purge() {
    let budget = Budget { writes: 2, ..NOTHING };
    let modes = [Mode::Soft, Mode::Hard];
    check(&Case {
        name: "soft",
        scenario: Scenario { budget, modes, mute: true, ..Scenario::default() },
        rules: &[(Soft, 6), (StrongOnly, 9), (HardIsFinal, 10)],
        deep: Budget { crashes: 1, ..budget },
    });
}

#[test]
fn the_stream_is_trimmed() {
    let budget = Budget { operator: 1, others: 1, trims: 1, cuts: 1, ..NOTHING };
    check(&Case {
        name: "gap",
        scenario: Scenario { budget, checks: true, ..Scenario::default() },
        rules: &[(Gap, 6), (PositionFirst, 8), (Whole, 8), (Reach, 7), (LoadedStamps, 9), (Raise, 8)],
        deep: Budget { evictions: 1, ..budget },
    });
}

#[test]
fn exact_records_are_forgotten() {
    let budget = Budget { operator: 1, others: 1, trims: 1, evictions: 1, ..NOTHING };
    check(&Case {
        name: "table",
        scenario: Scenario { budget, checks: true, past: 1, ..Scenario::default() },
        rules: &[(Reach, 5), (LoadedStamps, 7), (Raise, 8), (Gap, 6), (PositionFirst, 8)],
        deep: Budget { operator: 2, ..budget },
    });
}

#[test]
fn the_stream_is_trimmed_around_a_fail_over() {
    let budget = Budget { operator: 1, trims: 1, fail_overs: 1, ..NOTHING };
    check(&Case {
        name: "gap and fail-over",
        scenario: Scenario { budget, mute: true, ..Scenario::default() },
        rules: &[(Gap, 5), (Again, 7)],
        deep: Budget { evictions: 1, ..budget },
    });
}

#[test]
fn a_client_reads_its_own_write() {
    let budget = Budget { writes: 1, fail_overs: 1, ..NOTHING };
    check(&Case {
        name: "read your writes",
        scenario: Scenario { budget, tokens: true, ..Scenario::default() },
        rules: &[(BroughtPosition, 6), (AskedPosition, 6), (BroughtTerm, 7)],
        deep: Budget { operator: 1, ..budget },
    });
}

#[test]
fn a_cdn_is_told_of_the_write_of_a_node_that_dies() {
    let budget = Budget { writes: 1, crashes: 1, ..NOTHING };
    check(&Case {
        name: "CDN and death",
        scenario: Scenario { budget, cdn: true, ..Scenario::default() },
        rules: &[(QueuedWithAppend, 5), (NamedIntent, 7), (Intent, 4), (SecondSweep, 6)],
        deep: Budget { crashes: 2, writes: 2, ..budget },
    });
}

#[test]
fn a_cdn_is_told_of_what_a_fail_over_loses() {
    let budget = Budget { operator: 1, fail_overs: 1, ..NOTHING };
    check(&Case {
        name: "CDN and fail-over",
        scenario: Scenario { budget, cdn: true, ..Scenario::default() },
        rules: &[(NamedRecords, 6), (Again, 4)],
        deep: Budget { operator: 2, ..budget },
    });
}

#[test]
fn a_cdn_is_told_of_a_write_whose_intent_is_lost_and_then_its_node() {
    let budget = Budget { writes: 1, crashes: 1, fail_overs: 1, ..NOTHING };
    check(&Case {
        name: "CDN and lost intent",
        scenario: Scenario { budget, lost_intents: true, cdn: true, ..Scenario::default() },
        rules: &[(NamedIntent, 7), (IntentAgain, 7)],
        deep: budget,
    });
}

#[test]
fn a_cdn_is_told_of_what_was_lost_with_the_log_and_its_queue() {
    let budget = Budget { operator: 1, births: 1, crashes: 1, ..NOTHING };
    check(&Case {
        name: "CDN and birth",
        scenario: Scenario { budget, cdn: true, ..Scenario::default() },
        rules: &[(QueueAtBirth, 4)],
        deep: Budget { operator: 2, ..budget },
    });
}
