//! New rules come in without dropping a connection or a stored reply; bad ones do not come in.

use crate::support::{Gate, Larder, Origin, Process, Reply, eventually};
use nix::sys::signal::Signal;

const RULES: &str = "
    routes:
      - { name: old, path: /x/**, cache: { ttl: 60s } }
      - { name: late, path: /late/**, cache: bypass }";

async fn start() -> (Origin, Process) {
    let origin = Origin::start().await;
    origin.otherwise(|seen| Reply::ok(seen.target.clone()));
    let larder = Process::run(&Larder::before(&origin).rules(RULES)).await;
    larder.get("/x/1").send().await;
    (origin, larder)
}

/// Edits the file so that the bypassed route caches.
fn improve(larder: &Process) {
    larder.edit("path: /late/**, cache: bypass", "path: /late/**, cache: { ttl: 60s }");
}

async fn late_is_cached(larder: &Process) -> bool {
    larder.get("/late/1").send().await.is_hit()
}

#[tokio::test]
async fn sighup_swaps_the_rules_and_keeps_what_is_stored() {
    let (origin, larder) = start().await;
    let mut connection = crate::support::Connection::open(larder.address()).await;
    larder.get("/x/1").send_on(&mut connection).await;
    for _ in 0..2 {
        assert!(!late_is_cached(&larder).await);
    }

    improve(&larder);
    larder.signal(Signal::SIGHUP);
    eventually("the new rules are in force", || late_is_cached(&larder)).await;
    assert!(larder.get("/x/1").send_on(&mut connection).await.is_hit(), "same connection, same cache");
    assert_eq!(origin.count("/x/1"), 1);
}

#[tokio::test]
async fn post_reload_swaps_the_rules_before_it_answers() {
    let (_origin, larder) = start().await;
    improve(&larder);
    let reply = larder.admin("POST", "/reload").send().await;
    assert!((200..300).contains(&reply.status), "{reply:#?}");
    late_is_cached(&larder).await;
    assert!(late_is_cached(&larder).await);
    assert!(larder.get("/x/1").send().await.is_hit());
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_reported() {
    let (_origin, larder) = start().await;
    larder.edit("path: /late/**, cache: bypass", "path: /late/**, cache: { ttl: never, tll: 5s }");

    let reply = larder.admin("POST", "/reload").send().await;
    assert!((400..=422).contains(&reply.status), "{reply:#?}");
    for word in ["routes[1].cache.ttl", "routes[1].cache.tll"] {
        assert!(reply.text().contains(word), "{word} in {}", reply.text());
    }
    let before = larder.lines_with(&["routes[1].cache.ttl"]);
    larder.signal(Signal::SIGHUP);
    eventually("the fault is in the log", || async {
        larder.get("/x/1").send().await;
        larder.lines_with(&["routes[1].cache.ttl"]) > before
    })
    .await;

    assert!(larder.get("/x/1").send().await.is_hit());
    for _ in 0..2 {
        assert!(!late_is_cached(&larder).await);
    }
}

#[tokio::test]
async fn a_reply_under_way_finishes_under_the_rules_it_began_with() {
    let (origin, larder) = start().await;
    let gate = Gate::shut();
    origin.on("/late/slow", Reply::ok("first last").hold_at(6, &gate));
    let mut slow = larder.get("/late/slow").begin().await;
    assert_eq!(slow.bytes(6).await, "first ");

    improve(&larder);
    assert!((200..300).contains(&larder.admin("POST", "/reload").send().await.status));
    gate.open();
    assert_eq!(slow.rest().await.unwrap(), "last");
    assert!(slow_is_known_as_bypass(&larder).await, "it was not stored under rules that came later");
}

async fn slow_is_known_as_bypass(larder: &Process) -> bool {
    !larder.get("/late/slow").send().await.is_hit()
}

#[tokio::test]
async fn requests_never_fail_while_the_rules_are_swapped() {
    let (_origin, larder) = start().await;
    for round in 0..20 {
        let (from, to) = if round % 2 == 0 { ("ttl: 60s", "ttl: 61s") } else { ("ttl: 61s", "ttl: 60s") };
        larder.edit(from, to);
        larder.signal(Signal::SIGHUP);
        for number in 0..10 {
            let target = format!("/x/{number}");
            assert_eq!(larder.get(&target).send().await.text(), target, "round {round}");
        }
    }
    assert!(larder.get("/x/1").send().await.is_hit());
}
