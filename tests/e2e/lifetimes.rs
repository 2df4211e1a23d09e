//! How long a reply is fresh: the origin's word, the rule's, and which of them counts.

use crate::support::{Larder, Origin, Reply};

/// Asks twice and returns what `Cache-Status` said.
async fn twice(rules: &str, reply: Reply) -> (String, String) {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(rules).start();
    origin.on("/x", reply);
    let first = larder.get("/x").send().await;
    let second = larder.get("/x").send().await;
    (first.cache_status().to_owned(), second.cache_status().to_owned())
}

/// The remaining lifetime that the second reply told; `None` when it was no hit.
async fn ttl(rules: &str, reply: Reply) -> Option<i64> {
    let (_, second) = twice(rules, reply).await;
    let hit = second.split(';').any(|part| part.trim() == "hit");
    let ttl = second.split("ttl=").nth(1)?.split(';').next()?;
    hit.then(|| ttl.parse().unwrap())
}

/// Fails unless what is left is `expected` seconds, less the little that a slow machine takes.
fn assert_about(left: Option<i64>, expected: i64, what: &str) {
    let left = left.unwrap_or_else(|| panic!("{what}: no hit"));
    assert!((expected - 20..=expected).contains(&left), "{what}: {left} instead of {expected}");
}

#[tokio::test]
async fn the_origins_lifetime_goes_before_the_rules() {
    let rules = "defaults: { cache: { ttl: 500s } }";
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let cases: [(&[(&str, &str)], i64); 6] = [
        (&[("Cache-Control", "max-age=100")], 100),
        (&[("Cache-Control", "max-age=100, s-maxage=200")], 200),
        (&[("Cache-Control", "s-maxage=200"), ("Expires", date)], 200),
        (&[("Cache-Control", "max-age=300"), ("Expires", date)], 300),
        (&[("Cache-Control", "public")], 500),
        (&[], 500),
    ];
    for (fields, expected) in cases {
        let reply = fields.iter().fold(Reply::ok("x"), |reply, (name, value)| reply.header(name, *value));
        assert_about(ttl(rules, reply).await, expected, &format!("{fields:?}"));
    }
}

#[tokio::test]
async fn expires_is_measured_against_the_origins_own_clock() {
    // A clock that is decades ahead: what counts is the distance between the two.
    let reply = Reply::ok("x").header("Date", "Thu, 01 Jan 2088 00:00:00 GMT");
    let reply = reply.header("Expires", "Thu, 01 Jan 2088 01:00:00 GMT");
    assert_about(ttl("", reply).await, 3600, "an hour between Date and Expires");
    // And one that is far behind: a reply may be no older than it says, so this one is stale already.
    let reply = Reply::ok("x").header("Date", "Wed, 01 Jan 2020 00:00:00 GMT");
    assert_eq!(ttl("", reply.header("Expires", "Wed, 01 Jan 2020 01:00:00 GMT")).await, None);
}

#[tokio::test]
async fn a_lifetime_of_zero_is_a_lifetime() {
    let rules = "defaults: { cache: { ttl: 500s } }";
    for (name, value) in
        [("Cache-Control", "max-age=0"), ("Cache-Control", "s-maxage=0, max-age=60"), ("Expires", "0")]
    {
        assert_eq!(ttl(rules, Reply::ok("x").header(name, value)).await, None, "{name}: {value}");
    }
}

#[tokio::test]
async fn without_any_lifetime_nothing_is_stored() {
    let (first, second) = twice("", Reply::ok("x")).await;
    assert!(!first.contains("stored") && !second.contains("hit"), "{first} / {second}");
}

#[tokio::test]
async fn a_reply_that_did_not_change_for_long_is_fresh_for_a_while() {
    let reply = Reply::ok("x").header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert!(ttl("", reply).await.expect("a heuristic lifetime") > 0);
}

#[tokio::test]
async fn override_replaces_the_origins_word_and_says_so() {
    let rules = "defaults: { cache: { ttl: 500s, override: true } }";
    for directive in ["max-age=5", "max-age=0", "s-maxage=1"] {
        let reply = Reply::ok("x").header("Cache-Control", directive);
        let (first, second) = twice(rules, reply.clone()).await;
        assert!(first.contains("stored"), "{directive}: {first}");
        assert!(second.contains("detail=") && second.contains("override"), "{directive}: {second}");
        assert_about(ttl(rules, reply).await, 500, directive);
    }
}

#[tokio::test]
async fn other_statuses_are_stored_as_the_rule_or_the_origin_says() {
    let rules = "defaults: { cache: { ttl: 500s, statuses: { 404: 100s, 301: 200s, 503: 50s } } }";
    let cases =
        [(200, Some(500)), (404, Some(100)), (301, Some(200)), (503, Some(50)), (500, None), (403, None)];
    for (status, expected) in cases {
        let left = ttl(rules, Reply::status(status).body("x")).await;
        match expected {
            Some(expected) => assert_about(left, expected, &status.to_string()),
            None => assert_eq!(left, None, "{status}"),
        }
    }
    let explicit = Reply::status(404).body("x").header("Cache-Control", "max-age=70");
    assert_about(ttl(rules, explicit).await, 70, "404 with a lifetime of its own");
}

#[tokio::test]
async fn a_failing_status_is_not_stored_for_the_ttl() {
    let rules = "defaults: { cache: { ttl: 500s } }";
    for status in [400, 403, 404, 429, 500, 502, 503, 504] {
        assert_eq!(ttl(rules, Reply::status(status).body("x")).await, None, "{status}");
    }
}

#[tokio::test]
async fn a_clients_directives_count_only_where_the_rule_says_so() {
    let origin = Origin::start().await;
    let rules = "
        routes:
          - { name: obeys, path: /obeys/**, cache: { ttl: 60s, client_directives: obey } }
          - { name: ignores, path: /ignores/**, cache: { ttl: 60s } }";
    let larder = Larder::before(&origin).rules(rules).start();
    origin.otherwise(|_| Reply::ok("x").header("ETag", "\"a\""));

    let ask = |path: &str, directive: &str| larder.get(path).header("Cache-Control", directive).send();
    for path in ["/ignores/x", "/obeys/x"] {
        larder.get(path).send().await;
    }
    for directive in ["no-cache", "max-age=0", "min-fresh=100"] {
        let obeyed = ask("/obeys/x", directive).await;
        assert!(!obeyed.is_hit() && obeyed.says("fwd=request"), "{directive}: {}", obeyed.cache_status());
        assert!(ask("/ignores/x", directive).await.is_hit(), "{directive}");
    }
    ask("/obeys/cold", "only-if-cached").await.assert_problem(504);
    assert_eq!(origin.count("/obeys/cold"), 0);
    assert!(ask("/obeys/x", "only-if-cached").await.is_hit());
    assert_eq!(ask("/ignores/cold", "only-if-cached").await.status, 200);

    ask("/obeys/secret", "no-store").await;
    assert!(!larder.get("/obeys/secret").send().await.is_hit());
}
