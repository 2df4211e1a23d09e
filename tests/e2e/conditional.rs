//! Conditional requests: a client's, answered from the cache, and Larder's own, which keep a stored body alive.

use crate::support::{Document, Larder, Origin, Reply};

#[tokio::test]
async fn a_clients_preconditions_are_evaluated_against_the_stored_reply() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
    let earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
    origin.on("/x", Reply::fresh(60, "body").header("ETag", "\"a\"").header("Last-Modified", modified));
    larder.get("/x").send().await;

    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[("If-None-Match", "\"a\"")], 304),
        (&[("If-None-Match", "W/\"a\"")], 304),
        (&[("If-None-Match", "\"b\", \"a\"")], 304),
        (&[("If-None-Match", "*")], 304),
        (&[("If-None-Match", "\"b\"")], 200),
        (&[("If-Modified-Since", modified)], 304),
        (&[("If-Modified-Since", earlier)], 200),
        (&[("If-Modified-Since", "yesterday")], 200),
        // If-None-Match decides where both are sent (RFC 9110, 13.2.2).
        (&[("If-None-Match", "\"b\""), ("If-Modified-Since", modified)], 200),
        (&[("If-None-Match", "\"a\""), ("If-Modified-Since", earlier)], 304),
    ];
    for (fields, status) in cases {
        let request =
            fields.iter().fold(larder.get("/x"), |request, (name, value)| request.header(name, *value));
        let reply = request.send().await;
        assert_eq!(reply.status, *status, "{fields:?}");
        assert!(reply.is_hit(), "{fields:?}: {}", reply.cache_status());
        assert_eq!(reply.field("etag"), "\"a\"", "{fields:?}");
        assert_eq!(reply.text(), if *status == 304 { "" } else { "body" }, "{fields:?}");
    }
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn a_clients_precondition_does_not_keep_the_whole_reply_from_being_stored() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let document = Document::new("body", "max-age=60");
    origin.on_request("/x", move |seen| document.answer(seen));

    let first = larder.get("/x").header("If-None-Match", "\"1\"").send().await;
    assert_eq!((first.status, first.text()), (304, ""));
    let second = larder.get("/x").send().await;
    assert_eq!((second.status, second.text()), (200, "body"));
}

#[tokio::test]
async fn a_304_keeps_the_body_and_updates_the_stored_fields() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let old = Reply::expired("must-revalidate", "body").header("ETag", "\"a\"").header("X-Edition", "1");
    let same = Reply::not_modified().header("ETag", "\"a\"").header("X-Edition", "2");
    origin.on_each("/x", [old.header("X-Kept", "k"), same.header("Cache-Control", "max-age=100")]);

    larder.get("/x").send().await;
    let validated = larder.get("/x").send().await;
    assert_eq!(origin.last("/x").fields.get("if-none-match"), Some("\"a\""));
    assert_eq!((validated.status, validated.text()), (200, "body"));
    assert!(validated.says("fwd=stale") && validated.says("fwd-status=304"), "{}", validated.cache_status());

    let hit = larder.get("/x").send().await;
    assert!(hit.is_hit(), "{}", hit.cache_status());
    for reply in [&validated, &hit] {
        assert_eq!((reply.field("x-edition"), reply.field("x-kept")), ("2", "k"));
        assert_eq!(reply.field("cache-control"), "max-age=100");
        assert_eq!(reply.field("content-length"), "4");
    }
    // The 304 is as young as it says, not as old as the reply that it confirmed.
    assert!(hit.age() < 20, "{}", hit.age());
    assert_eq!(origin.count("/x"), 2);
}

#[tokio::test]
async fn last_modified_is_a_validator_too() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
    let old = Reply::expired("must-revalidate", "body").header("Last-Modified", modified);
    origin.on_each("/x", [old, Reply::not_modified().header("Cache-Control", "max-age=100")]);

    larder.get("/x").send().await;
    assert_eq!(larder.get("/x").send().await.text(), "body");
    assert_eq!(origin.last("/x").fields.get("if-modified-since"), Some(modified));
    assert!(larder.get("/x").send().await.is_hit());
}

#[tokio::test]
async fn a_200_to_a_revalidation_replaces_what_was_stored() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let old = Reply::expired("must-revalidate", "old").header("ETag", "\"a\"");
    origin.on_each("/x", [old, Reply::fresh(60, "new, and longer").header("ETag", "\"b\"")]);

    larder.get("/x").send().await;
    let replaced = larder.get("/x").send().await;
    assert_eq!((replaced.text(), replaced.field("etag")), ("new, and longer", "\"b\""));
    assert!(replaced.says("fwd=stale"), "{}", replaced.cache_status());
    let hit = larder.get("/x").send().await;
    assert!(hit.is_hit(), "{}", hit.cache_status());
    assert_eq!((hit.text(), hit.field("etag")), ("new, and longer", "\"b\""));
}

#[tokio::test]
async fn no_cache_is_validated_before_every_use() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let document = Document::new("old", "no-cache, max-age=60");
    let application = document.clone();
    origin.on_request("/x", move |seen| application.answer(seen));

    for round in 1..4 {
        assert_eq!(larder.get("/x").send().await.text(), "old");
        assert_eq!(origin.count("/x"), round);
    }
    document.publish("new");
    assert_eq!(larder.get("/x").send().await.text(), "new");
}

#[tokio::test]
async fn a_client_that_validates_a_stale_reply_is_told_what_the_origin_says() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let old = || Reply::expired("must-revalidate", "old").header("ETag", "\"a\"");
    origin.on_each("/same", [old(), Reply::not_modified().header("Cache-Control", "max-age=60")]);
    origin.on_each("/new", [old(), Reply::fresh(60, "new").header("ETag", "\"b\"")]);

    for (path, status, body) in [("/same", 304, ""), ("/new", 200, "new")] {
        larder.get(path).send().await;
        // What the client holds is what Larder holds; the origin is asked once for both.
        let reply = larder.get(path).header("If-None-Match", "\"a\"").send().await;
        assert_eq!((reply.status, reply.text()), (status, body), "{path}");
        assert_eq!(origin.count(path), 2, "{path}");
    }
}

#[tokio::test]
async fn if_match_is_the_origins_to_judge() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on_request("/x", |seen| match seen.fields.get("if-match") {
        Some("\"a\"") | None => Reply::fresh(60, "body").header("ETag", "\"a\""),
        Some(_) => Reply::status(412),
    });
    larder.get("/x").send().await;

    assert_eq!(larder.get("/x").header("If-Match", "\"b\"").send().await.status, 412);
    assert_eq!(larder.get("/x").header("If-Match", "\"a\"").send().await.text(), "body");
    assert!(larder.get("/x").send().await.is_hit(), "the refusal was not stored");
}
