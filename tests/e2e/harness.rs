//! The harness tells the truth: what the other tests rely on, tried without Larder in between.

use crate::support::{Document, Gate, Origin, Reply, feed, pattern, request_at};

#[tokio::test]
async fn a_reply_arrives_as_it_was_scripted_whatever_its_framing() {
    let origin = Origin::start().await;
    let body = pattern(100_000);
    origin
        .on("/length", Reply::ok(body.clone()))
        .on("/chunked", Reply::ok(body.clone()).chunked())
        .on("/close", Reply::ok(body.clone()).until_close());

    for path in ["/length", "/chunked", "/close"] {
        let reply = request_at(origin.address(), "GET", path).send().await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, body, "{path}");
    }
    assert_eq!(origin.count("/chunked"), 1);
}

#[tokio::test]
async fn a_reply_that_breaks_off_never_looks_whole() {
    let origin = Origin::start().await;
    let body = pattern(10_000);
    origin
        .on("/cut", Reply::ok(body.clone()).cut_at(5000))
        .on("/reset", Reply::ok(body.clone()).reset_at(5000))
        .on("/chunks", Reply::ok(body.clone()).chunked().cut_at(5000))
        .on("/short", Reply::ok(body.clone()).announcing(20_000));

    for path in ["/cut", "/reset", "/chunks", "/short"] {
        let broken = request_at(origin.address(), "GET", path).try_send().await.expect_err(path);
        assert!(body.starts_with(&broken.body), "{path}");
    }
}

#[tokio::test]
async fn a_gate_holds_the_head_or_the_last_bytes_until_the_test_opens_it() {
    let origin = Origin::start().await;
    let (head, tail) = (Gate::shut(), Gate::shut());
    origin.on("/x", Reply::ok("first last").hold_head(&head).hold_at(6, &tail));

    let begun = tokio::spawn(request_at(origin.address(), "GET", "/x").begin());
    head.reached().await;
    assert!(!begun.is_finished());
    head.open();
    let mut reply = begun.await.unwrap();
    assert_eq!(reply.bytes(6).await, "first ");
    tail.reached().await;
    tail.open();
    assert_eq!(reply.rest().await.unwrap(), "last");
}

#[tokio::test]
async fn a_test_can_feed_a_body_piece_by_piece() {
    let origin = Origin::start().await;
    let (feed, reply) = feed();
    origin.on("/events", reply);

    let mut reply = request_at(origin.address(), "GET", "/events").begin().await;
    for piece in ["one", "two"] {
        feed.send(piece);
        assert_eq!(reply.bytes(3).await, piece);
    }
    drop(feed);
    assert_eq!(reply.rest().await.unwrap(), "");
}

#[tokio::test]
async fn the_origin_logs_every_request_with_its_body() {
    let origin = Origin::start().await;
    origin.on("/x", Reply::status(204));
    let request = request_at(origin.address(), "PATCH", "/x?y=1").header("X-Test", "1").chunked_body("abc");
    assert_eq!(request.send().await.status, 204);

    let seen = origin.last("/x");
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("PATCH", "/x?y=1"));
    assert_eq!(seen.fields.get("x-test"), Some("1"));
    assert_eq!(seen.body, "abc");
}

#[tokio::test]
async fn a_document_has_editions() {
    let origin = Origin::start().await;
    let document = Document::new("old", "max-age=60");
    origin.on_request("/doc", move |seen| document.answer(seen));
    let get = || request_at(origin.address(), "GET", "/doc");

    let old = get().send().await;
    assert_eq!(old.text(), "old");
    let again = get().header("If-None-Match", old.field("etag")).send().await;
    assert_eq!(again.status, 304);

    request_at(origin.address(), "PUT", "/doc").body("new").send().await;
    let new = get().header("If-None-Match", old.field("etag")).send().await;
    assert_eq!((new.status, new.text()), (200, "new"));
}
