//! What is private, or may be, is not stored and not shared.

use crate::support::{Gate, Larder, Origin, Reply};

const TTL: &str = "defaults: { cache: { ttl: 60s } }";

/// Asks twice with the same fields, and returns whether the second reply came from the cache.
async fn stored(rules: &str, request: &[(&str, &str)], reply: Reply) -> bool {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(rules).start();
    origin.on("/x", reply);
    let ask = || request.iter().fold(larder.get("/x"), |request, (name, value)| request.header(name, *value));
    assert_eq!(ask().send().await.text(), "body");
    let second = ask().send().await;
    assert_eq!(second.text(), "body");
    assert_eq!(origin.count("/x"), if second.is_hit() { 1 } else { 2 }, "{}", second.cache_status());
    second.is_hit()
}

#[tokio::test]
async fn what_the_origin_calls_private_is_not_stored() {
    for directive in
        ["private", "no-store", "private, max-age=60", "max-age=60, no-store", "private=\"x\", s-maxage=9"]
    {
        let reply = Reply::ok("body").header("Cache-Control", directive);
        assert!(!stored(TTL, &[], reply).await, "{directive}");
    }
}

#[tokio::test]
async fn authorization_is_never_shared_on_the_word_of_a_rule() {
    let with = [("Authorization", "Bearer secret")];
    assert!(!stored(TTL, &with, Reply::ok("body")).await);
    assert!(!stored(TTL, &with, Reply::fresh(60, "body")).await);
    // The origin's word that others may have it (RFC 9111, 3.5).
    for directive in ["public, max-age=60", "s-maxage=60", "must-revalidate, max-age=60"] {
        let reply = Reply::ok("body").header("Cache-Control", directive);
        assert!(stored("", &with, reply).await, "{directive}");
    }
}

#[tokio::test]
async fn cookies_are_never_shared_on_the_word_of_a_ttl_alone() {
    let with = [("Cookie", "session=1")];
    assert!(!stored(TTL, &with, Reply::ok("body")).await);
    assert!(stored("defaults: { cache: { ttl: 60s, cookies: ignore } }", &with, Reply::ok("body")).await);
    assert!(stored(TTL, &with, Reply::fresh(60, "body")).await, "the origin gave the lifetime itself");
}

#[tokio::test]
async fn set_cookie_is_not_stored_unless_the_rule_says_how() {
    let reply = || Reply::fresh(60, "body").header("Set-Cookie", "session=1").header("Set-Cookie", "b=2");
    assert!(!stored(TTL, &[], reply()).await);

    for (mode, cookies) in [("strip", vec![]), ("store", vec!["session=1", "b=2"])] {
        let origin = Origin::start().await;
        let rules = format!("defaults: {{ cache: {{ set_cookie: {mode} }} }}");
        let larder = Larder::before(&origin).rules(&rules).start();
        origin.on("/x", reply());
        larder.get("/x").send().await;
        let hit = larder.get("/x").send().await;
        assert!(hit.is_hit(), "{mode}");
        assert_eq!(hit.fields.all("set-cookie").collect::<Vec<_>>(), cookies, "{mode}");
    }
}

#[tokio::test]
async fn a_stored_reply_is_not_given_to_a_user_who_might_get_another() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(TTL).start();
    origin.on_request("/x", |seen| {
        Reply::ok(if seen.fields.has("authorization") { "mine" } else { "everybody's" })
    });
    origin.on_request("/y", |seen| Reply::ok(if seen.fields.has("cookie") { "mine" } else { "everybody's" }));

    for (path, name) in [("/x", "Authorization"), ("/y", "Cookie")] {
        assert_eq!(larder.get(path).send().await.text(), "everybody's");
        assert_eq!(larder.get(path).header(name, "a=1").send().await.text(), "mine");
        assert_eq!(larder.get(path).send().await.text(), "everybody's");
    }
}

#[tokio::test]
async fn a_user_who_asks_while_an_anonymous_fill_is_under_way_gets_the_own_reply() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(TTL).start();
    let gate = Gate::shut();
    let held = gate.clone();
    origin.on_request("/x", move |seen| match seen.fields.get("authorization") {
        Some(user) => Reply::ok(format!("for {user}")),
        None => Reply::ok("everybody's").hold_head(&held),
    });

    let anonymous = tokio::spawn(larder.get("/x").send());
    gate.reached().await;
    let users: Vec<_> = (0..4)
        .map(|user| tokio::spawn(larder.get("/x").header("Authorization", format!("user-{user}")).send()))
        .collect();
    // The gate is still shut: they do not wait for a reply that cannot be theirs.
    for (number, user) in users.into_iter().enumerate() {
        assert_eq!(user.await.unwrap().text(), format!("for user-{number}"));
    }
    gate.open();
    assert_eq!(anonymous.await.unwrap().text(), "everybody's");
}

#[tokio::test]
async fn a_reply_that_is_for_everybody_with_cookies_is_not_for_those_with_authorization() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let gate = Gate::shut();
    let held = gate.clone();
    // Explicitly fresh, so cookies do not matter; not `public`, so Authorization does (RFC 9111, 3.5).
    origin.on_request("/x", move |seen| match seen.fields.get("authorization") {
        Some(user) => Reply::fresh(60, format!("for {user}")),
        None => Reply::fresh(60, "everybody's").hold_at(5, &held),
    });

    let mut with_cookie = larder.get("/x").header("Cookie", "a=1").begin().await;
    assert_eq!(with_cookie.bytes(5).await, "every");
    // The head is known and the fill goes on, so whoever asks now finds it under way.
    let user = larder.get("/x").header("Authorization", "somebody").send().await;
    assert_eq!(user.text(), "for somebody");
    gate.open();
    assert_eq!(with_cookie.rest().await.unwrap(), "body's");
}

#[tokio::test]
async fn a_fill_for_a_user_is_never_given_to_those_who_wait() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(TTL).start();
    let gate = Gate::shut();
    let held = gate.clone();
    origin.on_request("/x", move |seen| {
        let user = seen.fields.get("cookie").unwrap_or("nobody");
        Reply::ok(format!("for {user}")).hold_head(&held)
    });

    let asked: Vec<_> = (0..6)
        .map(|user| {
            let user = format!("user={user}");
            (user.clone(), tokio::spawn(larder.get("/x").header("Cookie", user).send()))
        })
        .collect();
    // They may wait for the head, which could say that the reply is for everybody. It does not.
    gate.reached().await;
    gate.open();
    for (user, reply) in asked {
        assert_eq!(reply.await.unwrap().text(), format!("for {user}"));
    }
    assert_eq!(origin.count("/x"), 6);
}
