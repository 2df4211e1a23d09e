//! What records add up to.

use super::{names, tag, tags};
use crate::cdn::{JobId, Wait};
use crate::invalidation::{Invalidation, Matcher, Names, Position};
use crate::spool::names::{bounded, everything};
use crate::spool::queue::{MAX_DEAD, MAX_JOBS, short};
use crate::spool::record::{Record, decode};
use crate::spool::state::{Effect, MAX_INTENTS, State};
use crate::time::Timestamp;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn cdns(names: &[&str]) -> Record {
    Record::Cdns(names.iter().map(|name| (*name).into()).collect())
}

fn intent(id: u64, due: u64, name: &str) -> Record {
    Record::Intent { id, due: at(due), within: 1000, names: names(name) }
}

fn append(id: u64, name: &str, settles: &[u64]) -> Record {
    let names = if name.is_empty() { Names::NONE } else { names(name) };
    Record::Append { id, position: Position::from_u64(id), at: at(id), names, settles: settles.to_vec() }
}

fn settle(cdn: &str, jobs: &[u64]) -> Record {
    Record::Settle { cdn: cdn.into(), jobs: jobs.to_vec() }
}

fn bury(cdn: &str, jobs: &[u64]) -> Record {
    Record::Bury { cdn: cdn.into(), jobs: jobs.to_vec(), at: at(9), reason: "refused".into() }
}

fn retry(cdn: &str, first: u64) -> Record {
    Record::Retry { cdn: cdn.into(), first, at: at(77) }
}

fn after(records: &[Record]) -> State {
    let mut state = State::default();
    for record in records {
        assert_eq!(state.apply(record), [], "{record:?}");
    }
    state
}

/// The tags that wait for a CDN, in order.
fn queue(state: &State, cdn: &str) -> Vec<String> {
    state.clone().hand_out(cdn, usize::MAX).iter().flat_map(|job| tags(&job.purges)).collect()
}

#[test]
fn a_purge_waits_for_every_cdn_until_that_has_taken_it() {
    #[track_caller]
    fn check(records: &[Record], a: &[&str], b: &[&str]) {
        let state = after(&[&[cdns(&["a", "b"])], records].concat());
        assert_eq!(
            (queue(&state, "a"), queue(&state, "b")),
            (a.iter().map(ToString::to_string).collect(), b.iter().map(ToString::to_string).collect())
        );
    }
    check(&[], &[], &[]);
    check(&[append(1, "x", &[]), append(2, "y", &[])], &["x", "y"], &["x", "y"]);
    check(&[append(1, "x", &[]), settle("a", &[1, 7])], &[], &["x"]);
    check(&[append(1, "x", &[]), settle("nobody", &[1])], &["x"], &["x"]);
    check(&[append(1, "x", &[]), append(2, "y", &[]), bury("b", &[1])], &["x", "y"], &["y"]);
    check(
        &[append(1, "x", &[]), bury("b", &[1]), append(2, "y", &[]), retry("b", 3)],
        &["x", "y"],
        &["y", "x"],
    );
    // What waits for one that went is kept, and nothing is added to it.
    check(&[append(1, "x", &[]), cdns(&["b"]), append(2, "y", &[])], &["x"], &["x", "y"]);
    check(&[append(1, "", &[])], &[], &[]);
}

#[test]
fn an_intent_is_open_until_it_is_settled_or_taken_back() {
    #[track_caller]
    fn check(records: &[Record], open: &[&str]) {
        let announced = after(records).announced().read().unwrap();
        assert_eq!(tags(&announced), open, "{records:?}");
    }
    check(&[intent(1, 5, "x"), intent(2, 5, "y"), intent(3, 5, "x")], &["x", "y"]);
    check(&[intent(1, 5, "x"), append(2, "x", &[1])], &[]);
    check(&[intent(1, 5, "x"), append(2, "x", &[])], &["x"]);
    check(&[intent(1, 5, "x"), intent(2, 5, "y"), Record::Withdraw(vec![1])], &["y"]);
    check(&[intent(1, 5, "x"), Record::Withdraw(vec![1]), Record::Withdraw(vec![1])], &[]);
}

#[test]
fn intents_are_due_in_the_order_of_their_deadlines() {
    let state = after(&[intent(1, 30, "x"), intent(2, 10, "y"), intent(3, 20, "z")]);
    assert_eq!(state.next_due(), Some(at(10)));
    assert_eq!(state.due(at(9), 10).0, [0_u64; 0]);
    let (ids, names) = state.due(at(20), 10);
    assert_eq!((ids, tags(&names.read().unwrap())), (vec![2, 3], vec!["y".to_owned(), "z".to_owned()]));
    assert_eq!(state.due(at(99), 2).0, [2, 3]);
}

#[test]
fn a_deadline_is_no_further_than_if_it_were_set_now() {
    let mut state = after(&[intent(1, 50_000, "x"), intent(2, 500, "y")]);
    // The clock went back.
    state.wake(at(100));
    assert_eq!(state.next_due(), Some(at(500)));
    assert_eq!(state.due(at(1100), 10).0, [2, 1]);
}

#[test]
fn an_intent_covers_what_it_names_once_it_is_on_the_disk() {
    let mut state = after(&[intent(1, 5, "x")]);
    assert!(!state.covers(1, &names("x")));
    state.kept(1);
    assert!(state.covers(1, &names("x")) && state.covers(1, &Names::NONE));
    assert!(!state.covers(1, &names("y")) && !state.covers(1, &names("x").join(&names("y"))));
    assert!(!state.covers(2, &names("x")));
    state.apply(&Record::Intent { id: 3, due: at(5), within: 1, names: everything() });
    state.kept(3);
    assert!(state.covers(3, &names("whatever")));
}

#[test]
fn jobs_are_handed_out_once_and_found_again() {
    let mut state = after(&[cdns(&["a"]), append(1, "x", &[]), append(2, "y", &[]), append(3, "z", &[])]);
    let ids = |jobs: Vec<crate::cdn::Job>| jobs.iter().map(|job| job.id.0).collect::<Vec<_>>();
    assert_eq!(ids(state.handed_out("a", None, 9)), [0_u64; 0]);
    assert_eq!(ids(state.hand_out("a", 2)), [1, 2]);
    assert_eq!(ids(state.handed_out("a", None, 9)), [1, 2]);
    assert_eq!(ids(state.handed_out("a", None, 1)), [1]);
    assert_eq!(ids(state.handed_out("a", Some(JobId(1)), 9)), [2]);
    assert_eq!(ids(state.handed_out("a", Some(JobId(2)), 9)), [0_u64; 0]);
    assert_eq!(ids(state.hand_out("a", 9)), [3]);
    assert_eq!(ids(state.hand_out("a", 9)), [0_u64; 0]);
    state.apply(&settle("a", &[2]));
    assert_eq!(ids(state.handed_out("a", None, 9)), [1, 3]);
    assert_eq!(ids(state.handed_out("b", None, 9)), [0_u64; 0]);
}

#[test]
fn numbers_never_come_again() {
    let state =
        after(&[cdns(&["a"]), intent(7, 1, "x"), append(5, "x", &[]), bury("a", &[5]), retry("a", 9)]);
    assert_eq!((state.last_job(), state.next_intent()), (9, 8));
    assert_eq!(state.next_job(Position::from_u64(3)), 10);
    assert_eq!(state.next_job(Position::from_u64(30)), 30);
}

#[test]
fn what_stands_at_a_position_is_told() {
    #[track_caller]
    fn check(records: &[Record], position: u64, expected: &Wait) {
        let state = after(&[&[cdns(&["a"])], records].concat());
        assert_eq!(state.standing("a", Position::from_u64(position)), *expected, "{records:?}");
    }
    let two = [append(1, "x", &[]), append(2, "y", &[])];
    check(&two, 0, &Wait::Delivered);
    check(&two, 1, &Wait::Outstanding);
    check(&[&two[..], &[settle("a", &[1])]].concat(), 1, &Wait::Delivered);
    check(&[&two[..], &[settle("a", &[1])]].concat(), 2, &Wait::Outstanding);
    check(&[&two[..], &[bury("a", &[1])]].concat(), 1, &Wait::Dead("refused".to_owned()));
    check(&[&two[..], &[bury("a", &[1]), settle("a", &[2])]].concat(), 2, &Wait::Delivered);
    check(&[&two[..], &[bury("a", &[1]), settle("a", &[2]), retry("a", 5)]].concat(), 1, &Wait::Outstanding);
}

#[test]
fn a_backlog_tells_how_much_and_since_when() {
    let state = after(&[
        cdns(&["a"]),
        append(1, "x", &[]),
        append(2, "y", &[]),
        append(3, "z", &[]),
        bury("a", &[1]),
    ]);
    let backlog = state.backlog("a");
    assert_eq!((backlog.waiting, backlog.oldest, backlog.dead), (2, Some(at(2)), 1));
    let [dead] = backlog.last_dead.as_slice() else { panic!("{backlog:?}") };
    assert_eq!(
        (dead.job.id, &*dead.reason, dead.buried, tags(&dead.job.purges)),
        (JobId(1), "refused", at(9), vec!["x".to_owned()])
    );
    let state = after(&[cdns(&["a"]), append(1, "x", &[]), bury("a", &[1]), retry("a", 4)]);
    assert_eq!(state.backlog("a").oldest, Some(at(77)), "it gets all of its time again");
}

#[test]
fn too_many_jobs_become_one_that_names_as_much() {
    let mut state = after(&[cdns(&["a", "b"])]);
    let last = MAX_JOBS as u64;
    (1..=last).for_each(|id| assert_eq!(state.apply(&append(id, "x", &[])), []));
    state.hand_out("a", 10);
    state.apply(&settle("b", &[1]));
    assert_eq!(state.apply(&append(last + 1, "x", &[])), [Effect::Folded("a".into())]);
    let jobs = state.hand_out("a", 10);
    let [job] = jobs.as_slice() else { panic!("{jobs:?}") };
    assert_eq!((job.id, job.position, job.at), (JobId(last + 1), Position::from_u64(last + 1), at(last + 1)));
    assert_eq!(tags(&job.purges), ["x"]);
    assert_eq!(state.backlog("b").waiting, last);
    // Whoever waits for one of those it took the place of waits for it.
    let first = Position::from_u64(1);
    assert_eq!(state.standing("a", first), Wait::Outstanding);
    let mut buried = state.clone();
    buried.apply(&bury("a", &[last + 1]));
    assert_eq!(buried.standing("a", first), Wait::Dead("refused".to_owned()));
    state.told("a", &[job.id]);
    assert_eq!(state.standing("a", first), Wait::Delivered);

    // Where that is too long for a record it names what is wider.
    let mut state = after(&[cdns(&["a"])]);
    let append = |id: u64| {
        let path = format!("/api/v1/customers/{id}/carts/of-today");
        let names = Names::of(&[Invalidation::soft(Matcher::path("shop.example.com", &path))]);
        Record::Append { id, position: Position::from_u64(id), at: at(id), names, settles: Vec::new() }
    };
    (1..=last).for_each(|id| assert_eq!(state.apply(&append(id)), []));
    assert_eq!(state.apply(&append(last + 1)), [Effect::Folded("a".into())]);
    let below = Invalidation::soft(Matcher::prefix("shop.example.com", "/api/v1/customers"));
    assert_eq!(state.hand_out("a", 10)[0].purges, [below]);
}

#[test]
fn jobs_that_are_too_long_together_become_everything() {
    let mut state = after(&[cdns(&["a"])]);
    let long = "x".repeat(3 << 20);
    let folded = (1..30).find(|id| !state.apply(&append(*id, &format!("{id}{long}"), &[])).is_empty());
    assert_eq!(folded, Some(22), "the 64 MiB are full");
    assert_eq!(queue(&state, "a"), ["all"], "nothing else is wider than tags");
    assert!(state.weight() < 1000);
}

#[test]
fn too_many_intents_become_two_that_name_as_much() {
    let mut state = State::default();
    let last = MAX_INTENTS as u64;
    (1..=last).for_each(|id| assert_eq!(state.apply(&intent(id, 10 + id % 7, "x")), []));
    assert_eq!(state.apply(&intent(last + 1, 3, "y")), [Effect::IntentsFolded]);
    assert_eq!(state.intents(), 2);
    // The newest is among them, and whoever holds it does not settle the others.
    state.apply(&append(last + 9, "x", &[last + 1]));
    let (first, named) = state.due(at(3), 9);
    assert_eq!((first.len(), tags(&named.read().unwrap())), (1, vec!["x".to_owned(), "y".to_owned()]));
    state.apply(&append(last + 10, "x", &first));
    assert_eq!((state.due(at(15), 9).0.len(), state.next_due()), (0, Some(at(16))));
    assert_eq!(state.due(at(16), 9).1, named, "and once more when the last is due");
}

#[test]
fn what_is_put_off_by_more_and_more_intents_is_purged_all_the_same() {
    let mut state = State::default();
    let mut id = 0;
    for round in 1..=3 {
        while state.apply(&intent(id + 1, 100 * round + id % 9, "x")).is_empty() {
            id += 1;
        }
        id = state.next_intent();
    }
    assert!(state.next_due().is_some_and(|due| due < at(200)), "{:?}", state.next_due());
}

#[test]
fn the_oldest_dead_letters_give_way_to_one_that_names_everything() {
    let mut state = after(&[cdns(&["a"])]);
    let most = MAX_DEAD as u64;
    (1..=most + 9).for_each(|id| assert_eq!(state.apply(&append(id, &id.to_string(), &[])), []));
    let some: Vec<_> = (1..=most + 5).collect();
    assert_eq!(state.apply(&bury("a", &some)), [Effect::DeadWidened("a".into())]);
    assert_eq!(state.apply(&bury("a", &[most + 6, most + 7])), [], "it is known");
    let dead = |state: &State| {
        assert_eq!(state.dead("a"), MAX_DEAD);
        let newest = state.backlog("a").last_dead;
        assert_eq!(tags(&newest[0].job.purges), ["all"]);
        assert!(newest[0].reason.ends_with("the last of them: refused"), "{}", newest[0].reason);
        assert_eq!(newest[0].reason.matches("too many").count(), 1);
        assert_eq!((newest[1].job.id, newest[0].job.position), (JobId(most + 7), Position::from_u64(8)));
    };
    dead(&state);
    // It is so after a restart, too.
    let mut again = State::default();
    decode(&state.encode(), |record| assert_eq!(again.apply(record), [])).unwrap();
    dead(&again);
    assert_eq!(again, state);
    let standing = |position| state.standing("a", Position::from_u64(position));
    assert!(matches!(standing(3), Wait::Dead(reason) if reason.contains("everything")));
    assert_eq!(standing(9), Wait::Dead("refused".to_owned()));
    assert_eq!(standing(most + 8), Wait::Outstanding);
    // All of them are purged for.
    assert_eq!(state.apply(&retry("a", most + 10)), []);
    let queued = queue(&state, "a");
    assert_eq!((queued.len(), &*queued[queued.len() - 1]), (MAX_DEAD + 2, "all"));
    assert_eq!(state.dead("a"), 0);
}

#[test]
fn dead_letters_that_are_too_long_together_give_way_too() {
    let mut state = after(&[cdns(&["a"])]);
    let long = "x".repeat(3 << 20);
    let widened = (1..30).find(|id| {
        assert_eq!(state.apply(&append(*id, &long, &[])), []);
        !state.apply(&bury("a", &[*id])).is_empty()
    });
    assert_eq!((widened, state.dead("a")), (Some(6), 6), "16 MiB are full");
    assert!(state.weight() <= 16 << 20);
}

#[test]
fn what_is_too_long_for_a_record_is_widened_or_cut() {
    assert_eq!(bounded(&tag("x")), names("x"));
    assert_eq!(bounded(&tag(&"x".repeat(5 << 20))), everything());
    let paths: Vec<_> =
        (0..60_000).map(|n| Invalidation::hard(Matcher::path("shop", &format!("/carts/{n:040}")))).collect();
    assert!(bounded(&paths) == Names::of(&[Invalidation::hard(Matcher::prefix("shop", "/carts"))]));
    assert_eq!(&*short("ü"), "ü");
    assert!(short(&"ü".repeat(2000)).len() <= 1024);
    let mut state = after(&[]);
    let long = "x".repeat(3 << 20);
    state.apply(&intent(1, 1, &long));
    state.apply(&intent(2, 1, &format!("{long}y")));
    assert_eq!(state.due(at(1), 9).1, everything());
}
