//! What clients speak: TLS, HTTP/2 over it, HTTP/2 with prior knowledge.

use crate::support::{Authority, Connection, H2Client, Larder, Origin, Reply, pattern};

#[tokio::test]
async fn tls_clients_get_http_1_or_2_as_they_ask_and_share_one_cache() {
    let authority = Authority::new();
    let (certificate, key) = authority.issue_files("shop.test");
    let origin = Origin::start().await;
    let body = pattern(300_000);
    origin.on("/x", Reply::fresh(60, body.clone()));
    let tls = format!("tls: {{ certificate: {}, key: {} }}", certificate.display(), key.display());
    let larder = Larder::before(&origin).listen(tls).start();

    let mut first =
        Connection::open_tls(larder.address(), &authority.connector(&[b"http/1.1"]), "shop.test").await;
    let reply = larder.get("/x").send_on(&mut first).await;
    assert_eq!(reply.body, body);

    let mut client =
        H2Client::connect_tls(larder.address(), &authority.connector(&[b"h2"]), "shop.test").await;
    let reply = client.get("/x").await;
    assert_eq!((reply.head.status().as_u16(), &reply.body[..]), (200, &body[..]));
    assert!(reply.field("cache-status").starts_with("larder; hit"), "{reply:?}");
    assert_eq!(origin.last("/x").fields.get("x-forwarded-proto"), Some("https"));
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn http_2_with_prior_knowledge_is_served_where_it_is_allowed() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).listen("h2c: true").start();
    let body = pattern(300_000);
    origin.on("/x", Reply::fresh(60, body.clone()).header("Connection", "keep-alive"));
    origin.on_request("/echo", |seen| Reply::ok(seen.body.clone()));

    let mut client = larder.connect_h2().await;
    for hit in [false, true] {
        let reply = client.get("/x").await;
        assert_eq!(&reply.body[..], &body[..]);
        assert_eq!(
            reply.field("cache-status").starts_with("larder; hit"),
            hit,
            "{}",
            reply.field("cache-status")
        );
        assert_eq!(reply.field("content-length"), body.len().to_string());
        assert!(reply.head.headers().get("connection").is_none(), "not a field of HTTP/2");
        assert!(reply.trailers.is_none());
    }
    let (reply, mut sending) = client.send(client.head("POST", "/echo"), false).await;
    sending.send_data("hello".into(), true).unwrap();
    assert_eq!(reply.whole().await.body, "hello");

    // HTTP/1.1 on the same listener, and the same cache.
    assert!(larder.get("/x").send().await.is_hit());
}

#[tokio::test]
async fn many_streams_of_one_connection_are_answered_side_by_side() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).listen("h2c: true").start();
    origin.otherwise(|seen| Reply::fresh(60, seen.target.clone()));
    let mut client = larder.connect_h2().await;
    let mut replies = Vec::new();
    for number in 0..50 {
        let head = client.head("GET", &format!("/{}", number % 10));
        replies.push(client.send(head, true).await.0);
    }
    for (number, reply) in replies.into_iter().enumerate() {
        assert_eq!(reply.whole().await.body, format!("/{}", number % 10));
    }
}

#[tokio::test]
async fn a_reply_that_breaks_off_resets_its_stream_and_no_other() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).listen("h2c: true").start();
    origin.on("/cut", Reply::fresh(60, pattern(100_000)).cut_at(50_000)).on("/x", Reply::ok("x"));
    let mut client = larder.connect_h2().await;

    let (reply, _) = client.send(client.head("GET", "/cut"), true).await;
    let error = reply.try_whole().await.expect_err("it breaks off");
    assert!(error.is_reset(), "{error}");
    assert_eq!(client.get("/x").await.body, "x");
}
