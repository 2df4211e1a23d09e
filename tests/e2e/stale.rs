//! Stale replies: served where that was allowed, and nowhere else.

use crate::support::{Gate, Larder, Origin, Reply, eventually};

#[tokio::test]
async fn a_stale_reply_is_served_at_once_while_one_refresh_is_under_way() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let gate = Gate::shut();
    let new = Reply::fresh(60, "new").hold_head(&gate);
    origin.on_each("/x", [Reply::expired("stale-while-revalidate=60", "old"), new]);
    larder.get("/x").send().await;

    for _ in 0..20 {
        let stale = larder.get("/x").send().await;
        assert_eq!(stale.text(), "old");
        assert!(stale.is_hit() && stale.cache_status().contains("ttl=-"), "{}", stale.cache_status());
        assert!(stale.age() >= 20);
    }
    gate.reached().await;
    assert_eq!(origin.count("/x"), 2, "one refresh, however many ask");

    gate.open();
    eventually("the refresh is stored", || async { larder.get("/x").send().await.text() == "new" }).await;
    assert!(larder.get("/x").send().await.is_hit());
    assert_eq!(origin.count("/x"), 2);
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_stale_reply_and_is_tried_again() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let directives = "stale-while-revalidate=60, stale-if-error=60";
    let replies = [Reply::expired(directives, "old"), Reply::status(500), Reply::fresh(60, "new")];
    origin.on_each("/x", replies);
    larder.get("/x").send().await;

    eventually("a later refresh is stored", || async {
        let reply = larder.get("/x").send().await;
        assert_eq!(reply.status, 200, "{reply:#?}");
        reply.text() == "new"
    })
    .await;
}

/// What became of the origin before a stale reply was asked for.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Fails(u16),
    Resets,
    Garbage,
    Hangs,
    Down,
}

/// Stores a stale reply, lets trouble come, and returns what the next GET gets: status and body.
async fn asked_in(trouble: Trouble, directives: &str, rules: &str) -> (u16, String) {
    let origin = Origin::start().await;
    let yaml = format!(
        "origins: {{ default: {{ servers: [\"{}\"], read_timeout: 300ms, retries: 0 }} }}",
        origin.url()
    );
    let larder = Larder::with_origins(&yaml).rules(rules).start();
    origin.on("/x", Reply::expired(directives, "old").header("ETag", "\"a\""));
    larder.get("/x").send().await;

    let gate = Gate::shut();
    let troubled = match trouble {
        Trouble::Fails(status) => Some(Reply::status(status).body("failed")),
        Trouble::Resets => Some(Reply::raw("").reset_at(0)),
        Trouble::Garbage => Some(Reply::raw("\0\0\0\r\n\r\n")),
        Trouble::Hangs => Some(Reply::ok("late").hold_head(&gate)),
        Trouble::Down => None,
    };
    let origin = troubled.map(|reply| {
        origin.on("/x", reply);
        origin
    });
    let reply = larder.get("/x").send().await;
    if reply.status >= 500 && !matches!(trouble, Trouble::Fails(_)) {
        reply.assert_problem(reply.status);
    }
    drop(origin);
    (reply.status, reply.text().to_owned())
}

const TROUBLES: [Trouble; 7] = [
    Trouble::Fails(500),
    Trouble::Fails(502),
    Trouble::Fails(504),
    Trouble::Resets,
    Trouble::Garbage,
    Trouble::Hangs,
    Trouble::Down,
];

#[tokio::test]
async fn stale_if_error_of_the_origin_answers_while_it_is_in_trouble() {
    for trouble in TROUBLES {
        let got = asked_in(trouble, "stale-if-error=60", "").await;
        assert_eq!(got, (200, "old".to_owned()), "{trouble:?}");
    }
}

#[tokio::test]
async fn stale_if_error_of_the_rule_answers_where_the_origin_does_not_say() {
    for trouble in TROUBLES {
        let got = asked_in(trouble, "public", "defaults: { cache: { stale_if_error: 60s } }").await;
        assert_eq!(got, (200, "old".to_owned()), "{trouble:?}");
    }
}

#[tokio::test]
async fn must_revalidate_forbids_every_stale_reply() {
    let rules = "defaults: { cache: { stale_if_error: 60s, stale_while_revalidate: 60s } }";
    for directive in ["must-revalidate", "proxy-revalidate"] {
        for trouble in TROUBLES {
            let (status, body) = asked_in(trouble, directive, rules).await;
            assert!(status >= 500, "{directive}, {trouble:?}: {status} {body}");
            assert_ne!(body, "old", "{directive}, {trouble:?}");
        }
    }
}

#[tokio::test]
async fn without_permission_trouble_is_told_and_not_hidden() {
    let cases = [
        (Trouble::Fails(500), 500),
        (Trouble::Resets, 502),
        (Trouble::Garbage, 502),
        (Trouble::Hangs, 504),
        (Trouble::Down, 502),
    ];
    for (trouble, expected) in cases {
        let (status, _) = asked_in(trouble, "stale-if-error=0", "").await;
        assert_eq!(status, expected, "{trouble:?}");
    }
}

#[tokio::test]
async fn an_answer_of_the_origin_is_no_trouble() {
    for status in [404, 410, 403] {
        let got = asked_in(Trouble::Fails(status), "stale-if-error=60", "").await;
        assert_eq!(got, (status, "failed".to_owned()));
    }
}
