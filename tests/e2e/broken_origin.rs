//! Replies that are wrong: never stored, never taken for whole, never waited for without end.

use crate::support::{Gate, Larder, Origin, Reply, pattern};

const RULES: &str = "defaults: { cache: { ttl: 60s } }";

fn origins(origin: &Origin) -> String {
    format!("origins: {{ default: {{ servers: [\"{}\"], read_timeout: 500ms, retries: 0 }} }}", origin.url())
}

/// How a client may be answered when the origin's reply is unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// A problem report of this status.
    Problem(u16),
    /// A reply that breaks off, or a problem report if nothing was sent yet.
    Cut,
    /// This body, whole.
    Whole(&'static str),
}

/// Asks for a reply that is scripted so, through the cache and past it, and looks at what came, and at what is left.
async fn check(name: &str, bad: Reply, expected: Expected) {
    for rules in [RULES, "defaults: { cache: bypass }"] {
        let origin = Origin::start().await;
        let larder = Larder::with_origins(&origins(&origin)).rules(rules).start();
        origin.on("/x", bad.clone());
        let got = larder.get("/x").try_send().await;
        match (expected, &got) {
            (Expected::Problem(status), Ok(reply)) => {
                assert_eq!(reply.status, status, "{name}, {rules}: {reply:#?}");
                reply.assert_problem(status);
            }
            (Expected::Cut, Ok(reply)) => {
                assert_eq!(reply.status, 502, "{name}, {rules}: {reply:#?}");
            }
            (Expected::Cut, Err(broken)) => {
                assert_eq!(broken.head.as_ref().expect("the head was good").status(), 200, "{name}, {rules}");
            }
            (Expected::Whole(body), Ok(reply)) => {
                assert_eq!((reply.status, reply.text()), (200, body), "{name}, {rules}");
            }
            (_, Err(broken)) => panic!("{name}, {rules}: {broken:#?}"),
        }

        // Whatever it was, nothing of it is left: not in the cache, and not on a pooled connection.
        let good = pattern(20_000);
        origin.on("/x", Reply::fresh(60, good.clone())).on("/y", Reply::ok("y"));
        assert_eq!(larder.get("/y").send().await.text(), "y", "{name}, {rules}");
        if !matches!(expected, Expected::Whole(_)) {
            assert_eq!(larder.get("/x").send().await.body, good, "{name}, {rules}");
        }
    }
}

#[tokio::test]
async fn a_reply_that_ends_early_never_looks_whole() {
    let body = pattern(10_000);
    for at in [0, 1, 5000, 9999] {
        check(&format!("cut at {at}"), Reply::ok(body.clone()).cut_at(at), Expected::Cut).await;
        check(&format!("reset at {at}"), Reply::ok(body.clone()).reset_at(at), Expected::Cut).await;
        let chunked = Reply::ok(body.clone()).chunked();
        check(&format!("chunks cut at {at}"), chunked.clone().cut_at(at), Expected::Cut).await;
        check(&format!("chunks reset at {at}"), chunked.reset_at(at), Expected::Cut).await;
    }
    check("without the last chunk", Reply::ok(body.clone()).chunked().cut_at(10_000), Expected::Cut).await;
    check("a length too great", Reply::ok(body).announcing(10_001), Expected::Cut).await;
}

#[tokio::test]
async fn a_client_that_knows_no_length_is_reset_when_the_reply_breaks_off() {
    // To HTTP/1.0 the end of the connection is the end of the body, so an orderly one would make a part look whole.
    for rules in [RULES, "defaults: { cache: bypass }"] {
        let origin = Origin::start().await;
        let larder = Larder::with_origins(&origins(&origin)).rules(rules).start();
        let gate = Gate::shut();
        let broken = Reply::ok(pattern(10_000)).chunked().hold_at(5000, &gate).cut_at(6000);
        origin.on("/x", broken);
        let mut connection = larder.connect().await;
        connection.write("GET /x HTTP/1.0\r\nHost: shop.test\r\n\r\n").await;
        let head = connection.head().await.unwrap();
        assert_eq!((head.status(), head.fields.get("content-length")), (200, None), "{rules}");
        assert_eq!(connection.exactly(5000).await, pattern(10_000)[..5000], "{rules}");
        gate.open();
        connection.reset_by_peer().await;
    }
}

#[tokio::test]
async fn chunks_that_are_none_never_look_whole() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (name, chunks) in [
        ("no number", "zz\r\nabc\r\n0\r\n\r\n"),
        ("a negative number", "-1\r\nabc\r\n0\r\n\r\n"),
        ("a number beyond numbers", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        ("a number too small", "2\r\nabc\r\n0\r\n\r\n"),
        ("an end in the number", "1"),
        ("an end in the data", "5\r\nab"),
    ] {
        check(name, Reply::raw(format!("{head}{chunks}")), Expected::Cut).await;
    }
}

#[tokio::test]
async fn a_reply_that_goes_on_behind_its_end_does_not_reach_the_next_one() {
    let long =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    check("more than announced", Reply::raw(long), Expected::Whole("hello")).await;
}

#[tokio::test]
async fn what_is_no_reply_is_a_502() {
    for (name, bytes) in [
        ("nothing", &b""[..]),
        ("an empty line", b"\r\n"),
        ("garbage", b"\x00\x01\x02 what is this\r\n\r\n"),
        ("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("half a status line", b"HTTP/1.1 20"),
        ("a status of letters", b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nno"),
        ("a status too small", b"HTTP/1.1 99 Odd\r\nContent-Length: 2\r\n\r\nno"),
        ("half a head", b"HTTP/1.1 200 OK\r\nContent-Ty"),
        ("a length that is none", b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nno"),
        ("a negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nno"),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nno!"),
        ("a NUL in a value", b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nno"),
    ] {
        check(name, Reply::raw(bytes), Expected::Problem(502)).await;
    }
}

#[tokio::test]
async fn a_reset_before_the_reply_is_a_502() {
    check("a reset", Reply::raw("").reset_at(0), Expected::Problem(502)).await;
}

#[tokio::test]
async fn length_and_chunks_in_one_reply_are_not_believed_together() {
    let origin = Origin::start().await;
    let larder = Larder::with_origins(&origins(&origin)).rules(RULES).start();
    // By its length the body is `5`; by its chunks it is `hello` (RFC 9112, 6.3: the chunks count, or it is refused).
    let both =
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    origin.on("/x", Reply::raw(both));
    if let Ok(reply) = larder.get("/x").try_send().await {
        assert!(reply.status == 502 || reply.text() == "hello", "{reply:#?}");
    }
}

#[tokio::test]
async fn interim_replies_come_before_the_final_one_and_are_not_it() {
    check("hints", Reply::ok("final").after_interim(103, 1), Expected::Whole("final")).await;
    check("100", Reply::ok("final").after_interim(100, 3), Expected::Whole("final")).await;
}

#[tokio::test]
async fn a_storm_of_interim_replies_ends() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
    check("a storm", Reply::endless("", interim), Expected::Problem(502)).await;
}

#[tokio::test]
async fn a_switch_of_protocols_that_nobody_asked_for_is_a_502() {
    check(
        "101",
        Reply::raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
        Expected::Problem(502),
    )
    .await;
}

#[tokio::test]
async fn a_head_without_end_ends() {
    check("fields", Reply::endless("HTTP/1.1 200 OK\r\n", "X-Field: value\r\n"), Expected::Problem(502))
        .await;
    check(
        "a value",
        Reply::endless("HTTP/1.1 200 OK\r\nX-Field: ", vec![b'x'; 1000]),
        Expected::Problem(502),
    )
    .await;
    check("a status line", Reply::endless("HTTP/1.1 200 ", vec![b'x'; 1000]), Expected::Problem(502)).await;
}

#[tokio::test]
async fn a_reply_that_does_not_come_is_a_504() {
    let never = Gate::shut();
    check("silence", Reply::ok("late").hold_head(&never), Expected::Problem(504)).await;
    let half = Reply::raw("HTTP/1.1 200 OK\r\nContent-Ty").hold_at(0, &never);
    check("a head that stops", half, Expected::Problem(504)).await;
}

#[tokio::test]
async fn a_body_that_stops_is_cut_in_time() {
    let never = Gate::shut();
    check("half a body", Reply::ok(pattern(10_000)).hold_at(5000, &never), Expected::Cut).await;
}

#[tokio::test]
async fn a_truncated_reply_reaches_every_waiter_as_truncated() {
    let origin = Origin::start().await;
    let larder = Larder::with_origins(&origins(&origin)).rules(RULES).start();
    let body = pattern(10_000);
    let gate = Gate::shut();
    origin.on("/x", Reply::fresh(60, body.clone()).hold_at(5000, &gate).cut_at(6000));

    let mut replies = Vec::new();
    for _ in 0..10 {
        let mut reply = larder.get("/x").begin().await;
        assert_eq!(reply.bytes(5000).await, body[..5000]);
        replies.push(reply);
    }
    gate.open();
    for reply in replies {
        let broken = reply.rest().await.expect_err("the origin broke off");
        assert!(body[5000..].starts_with(&broken.body));
    }
    origin.on("/x", Reply::fresh(60, body.clone()));
    assert_eq!(larder.get("/x").send().await.body, body);
    assert_eq!(origin.count("/x"), 2);
}
