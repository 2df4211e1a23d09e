use super::*;
use crate::record::{Failure, Fault};

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn span(start: u64, end: u64) -> Span {
    Span { start: at(start), end: at(end) }
}

fn life(node: usize, number: u32) -> Life {
    Life { node, number }
}

fn read(node: usize, start: u64, version: u64) -> Read {
    Read {
        page: 0,
        version,
        from: life(node, node as u32),
        span: span(start, start + 1),
        brought: None,
        status: "larder; hit".into(),
    }
}

fn purge(node: usize, end: u64, version: u64, appended: bool) -> Purge {
    Purge {
        pages: vec![(0, version)],
        at: life(node, node as u32),
        span: span(end - 1, end),
        position: appended.then(|| "1".into()),
    }
}

const LIMITS: Limits = Limits {
    everywhere: Duration::from_secs(5),
    orphan: Duration::from_secs(15),
    bound: Duration::from_secs(8),
};

#[track_caller]
fn check(history: &History, expected: &[Rule]) {
    let (findings, _) = search(history, &LIMITS);
    assert_eq!(findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), expected, "{findings:#?}");
}

fn with(purges: &[Purge], reads: &[Read]) -> History {
    History { purges: purges.to_vec(), reads: reads.to_vec(), ..History::default() }
}

#[test]
fn a_purge_binds_its_own_node_at_once_and_others_after_the_limit() {
    let purges = [purge(0, 10, 2, true)];
    check(&with(&purges, &[read(0, 9, 1), read(0, 10, 1), read(1, 11, 1), read(1, 15, 1)]), &[]);
    check(&with(&purges, &[read(0, 11, 2), read(1, 16, 2), read(1, 16, 3)]), &[]);
    check(&with(&purges, &[read(0, 11, 1)]), &[Rule::SameNode]);
    check(&with(&purges, &[read(1, 16, 1)]), &[Rule::Anywhere]);
    // The next life of the node has to know no more than others.
    let reborn = Read { from: life(0, 9), ..read(0, 11, 1) };
    check(&with(&purges, &[reborn]), &[]);
}

#[test]
fn a_position_binds_at_once_and_everywhere() {
    let brought = |version, shown| Read { brought: Some(version), ..read(1, 11, shown) };
    check(&with(&[purge(0, 10, 2, true)], &[brought(2, 2), brought(2, 3)]), &[]);
    check(&with(&[purge(0, 10, 2, true)], &[brought(2, 1)]), &[Rule::Position]);
}

#[test]
fn a_later_purge_of_an_older_version_takes_nothing_back() {
    let purges = [purge(0, 10, 3, true), purge(0, 11, 2, true)];
    check(&with(&purges, &[read(0, 12, 2)]), &[Rule::SameNode]);
    check(&with(&purges, &[read(1, 17, 2)]), &[Rule::Anywhere]);
}

#[test]
fn a_purge_that_is_not_in_the_log_binds_others_when_it_must_be() {
    let purges = [purge(0, 10, 2, false)];
    let reads = [read(1, 28, 1)];
    check(&with(&purges, &reads), &[]);
    let well = History { wells: vec![at(5), at(20)], ..with(&purges, &reads) };
    check(&well, &[Rule::Anywhere]);
    check(&History { wells: vec![at(25)], ..well.clone() }, &[]);
    check(&History { deaths: vec![(life(0, 0), at(15))], ..well.clone() }, &[]);
    check(&History { deaths: vec![(life(0, 0), at(21))], ..well }, &[Rule::Anywhere]);
}

#[test]
fn what_a_fail_over_may_have_lost_binds_when_its_node_has_appended_it_again() {
    let lost = |from| Fault { what: "fail-over".into(), node: None, span: span(from, from + 2), loses: true };
    let history = |reads: &[Read]| History {
        faults: vec![lost(12)],
        wells: vec![at(13), at(20)],
        ..with(&[purge(0, 10, 2, true)], reads)
    };
    check(&history(&[read(1, 16, 1), read(1, 25, 1)]), &[]);
    check(&history(&[read(1, 26, 1)]), &[Rule::Anywhere]);
    let died = History { deaths: vec![(life(0, 0), at(15))], ..history(&[read(1, 26, 1)]) };
    check(&died, &[]);
    // Long before it, it was on the replica.
    let before = History { faults: vec![lost(14)], ..history(&[read(1, 16, 1)]) };
    check(&before, &[Rule::Anywhere]);
    // On its own node it binds all the same.
    check(&history(&[read(0, 11, 1)]), &[Rule::SameNode]);
}

#[test]
fn a_write_of_a_dead_node_is_purged_by_others_if_they_could_know_of_it() {
    let doubt = Doubt { page: 0, version: 2, at: life(0, 0), span: span(9, 10) };
    let history = |reads: &[Read]| History {
        doubts: vec![doubt],
        deaths: vec![(life(0, 0), at(10))],
        ..with(&[], reads)
    };
    check(&history(&[read(1, 30, 1), read(1, 31, 2)]), &[]);
    check(&history(&[read(1, 31, 1)]), &[Rule::Orphan]);
    let fault = |node, from| Fault { what: "tap".into(), node, span: span(from, from + 1), loses: false };
    for (node, from, expected) in [
        (Some(0), 9, &[][..]),
        (Some(1), 9, &[Rule::Orphan][..]),
        (None, 20, &[][..]),
        (None, 30, &[Rule::Orphan][..]),
    ] {
        let history = History { faults: vec![fault(node, from)], ..history(&[read(1, 40, 1)]) };
        check(&history, expected);
    }
}

#[test]
fn requests_fail_only_at_nodes_that_die() {
    let failure = Failure { what: "reset".into(), at: life(0, 0), span: span(9, 10) };
    let history = History { failures: vec![failure], ..History::default() };
    check(&history, &[Rule::Failed]);
    check(&History { deaths: vec![(life(0, 0), at(10))], ..history.clone() }, &[]);
    check(&History { deaths: vec![(life(0, 0), at(11))], ..history }, &[Rule::Failed]);
    let slow = Read { span: span(1, 10), ..read(0, 1, 1) };
    check(&with(&[], &[slow]), &[Rule::Failed]);
}
