//! What is not cached passes through as it is, unbuffered, both ways.

use crate::support::{Connection, Document, Gate, H2Origin, Larder, Origin, Process, Reply, feed, pattern};
use bytes::Bytes;

const BYPASS: &str = "defaults: { cache: bypass }";

#[tokio::test]
async fn every_method_passes_with_its_body_both_ways() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on_request("/x", |seen| {
        let reply = Reply::status(if seen.method == "POST" { 201 } else { 200 });
        reply.body(seen.body.clone()).header("X-Method", seen.method.clone())
    });
    let bodies = [Vec::new(), pattern(1), pattern(100_000)];
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "FROB"] {
        for body in &bodies {
            for chunked in [false, true] {
                let request = larder.request(method, "/x").header("Content-Type", "text/plain");
                let request =
                    if chunked { request.chunked_body(body.clone()) } else { request.body(body.clone()) };
                let reply = request.send().await;
                assert_eq!(reply.status, if method == "POST" { 201 } else { 200 }, "{method}");
                assert_eq!(reply.body, body, "{method}, {} bytes, chunked: {chunked}", body.len());
                assert_eq!(reply.field("x-method"), method);
                assert!(reply.says("fwd=method"), "{method}: {}", reply.cache_status());
                let seen = origin.last("/x");
                assert_eq!((seen.method.as_str(), &seen.body[..]), (method, &body[..]));
                assert_eq!(seen.fields.get("content-type"), Some("text/plain"));
            }
        }
    }
}

#[tokio::test]
async fn bypass_is_never_stored_never_collapsed_and_never_stale() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(BYPASS).start();
    let gate = Gate::shut();
    origin.on("/cart", Reply::fresh(60, "cart").hold_head(&gate));

    let both = [tokio::spawn(larder.get("/cart").send()), tokio::spawn(larder.get("/cart").send())];
    gate.reached_by(2).await;
    gate.open();
    for reply in both {
        let reply = reply.await.unwrap();
        assert_eq!(reply.text(), "cart");
        assert!(reply.says("fwd=bypass"), "{}", reply.cache_status());
        assert!(!reply.says("stored"), "{}", reply.cache_status());
    }
    origin.on("/cart", Reply::status(503).body("down"));
    assert_eq!(larder.get("/cart").send().await.status, 503);
}

#[tokio::test]
async fn the_origin_learns_who_asked_and_through_whom() {
    let origin = Origin::start().await;
    origin.on("/x", Reply::ok("x"));
    for rules in ["", BYPASS] {
        let larder = Larder::before(&origin).rules(rules).start();
        let spoofed = larder.get("/x").header("X-Forwarded-For", "203.0.113.9");
        let spoofed = spoofed.header("X-Forwarded-Proto", "https").header("X-Forwarded-Host", "evil.test");
        spoofed.header("Via", "1.0 client").header("X-Custom", "kept").send().await;

        let fields = origin.last("/x").fields;
        let via: Vec<_> = fields.all("via").collect();
        assert_eq!(via.join(", "), "1.0 client, 1.1 larder", "{rules}");
        assert_eq!(fields.get("x-forwarded-for"), Some("127.0.0.1"), "{rules}: nobody is trusted");
        assert_eq!(fields.get("x-forwarded-proto"), Some("http"), "{rules}");
        assert_eq!(fields.get("x-forwarded-host"), Some("shop.test"), "{rules}");
        assert_eq!(fields.get("x-custom"), Some("kept"), "{rules}");

        let trusting =
            Larder::before(&origin).rules(&format!("trusted_proxies: [127.0.0.0/8]\n{rules}")).start();
        let forwarded = trusting.get("/x?trusted").header("X-Forwarded-For", "203.0.113.9");
        forwarded.header("X-Forwarded-Proto", "https").send().await;
        let fields = origin.last("/x").fields;
        let chain: Vec<_> = fields.all("x-forwarded-for").collect();
        assert_eq!(chain.join(", "), "203.0.113.9, 127.0.0.1", "{rules}");
        assert_eq!(fields.get("x-forwarded-proto"), Some("https"), "{rules}");
    }
}

#[tokio::test]
async fn an_upload_reaches_the_origin_as_it_arrives() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on("/upload", Reply::ok("done"));

    let mut connection = larder.connect().await;
    connection
        .write("POST /upload HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 30\r\n\r\n0123456789")
        .await;
    origin.received("/upload", 10).await;
    connection.write("0123456789").await;
    origin.received("/upload", 20).await;
    connection.write("0123456789").await;
    assert_eq!(connection.reply("POST").await.unwrap().text(), "done");
}

#[tokio::test]
async fn a_hundred_megabytes_pass_in_bounded_memory_both_ways() {
    const PIECES: usize = 1600;
    let origin = Origin::start().await;
    let larder = Process::run_counted(&Larder::before(&origin).rules(BYPASS)).await;
    let piece = pattern(64 << 10);
    let mut hash = blake3::Hasher::new();
    for _ in 0..PIECES {
        hash.update(&piece);
    }
    let hash = hash.finalize();
    origin.on("/upload", Reply::ok("done")).on("/download", Reply::repeated(piece.clone(), PIECES));
    let before = larder.peak_memory();

    let mut connection = Connection::open(larder.address()).await;
    let length = PIECES * piece.len();
    connection
        .write(format!("PUT /upload HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {length}\r\n\r\n"))
        .await;
    for _ in 0..PIECES {
        connection.write(&piece).await;
    }
    assert_eq!(connection.reply("PUT").await.unwrap().text(), "done");
    assert_eq!(origin.last("/upload").hash, Some(hash));

    let mut download = larder.get("/download").begin().await;
    for _ in 0..PIECES {
        assert_eq!(download.bytes(piece.len()).await, piece);
    }
    assert_eq!(download.rest().await.unwrap(), "");
    let grown = larder.peak_memory() - before;
    assert!(grown < 16 << 20, "200 MiB took {grown} bytes of memory");
}

#[tokio::test]
async fn a_client_that_expects_100_is_told_to_continue() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on("/upload", Reply::ok("done"));

    let mut connection = larder.connect().await;
    let head = "PUT /upload HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    connection.write(head).await;
    assert_eq!(connection.any_head().await.unwrap().status(), 100);
    connection.write("data").await;
    assert_eq!(connection.reply("PUT").await.unwrap().text(), "done");
    assert_eq!(origin.last("/upload").body, "data");
}

#[tokio::test]
async fn a_websocket_passes_in_both_directions() {
    let origin = Origin::start().await;
    origin.on(
        "/socket",
        Reply::echo("websocket").header("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    );
    for rules in ["", BYPASS, "defaults: { cache: { ttl: 60s } }"] {
        let larder = Larder::before(&origin).rules(rules).start();
        let request = larder.get("/socket").header("Connection", "Upgrade").header("Upgrade", "websocket");
        let request = request.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let mut connection = request.header("Sec-WebSocket-Version", "13").launch().await;

        let head = connection.any_head().await.unwrap();
        assert_eq!(head.status(), 101, "{rules}");
        assert_eq!(head.fields.get("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert!(head.fields.get("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")));
        for message in [&b"\x81\x05hello"[..], b"\0\xff\r\n\r\n", &pattern(100_000)] {
            connection.write(message).await;
            assert_eq!(connection.exactly(message.len()).await, message);
        }
        connection.finish_writing().await;
        connection.closed().await;
    }
}

#[tokio::test]
async fn an_upgrade_that_the_origin_refuses_is_an_ordinary_reply() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on("/socket", Reply::status(426).body("no").header("Upgrade", "websocket"));
    let request = larder.get("/socket").header("Connection", "Upgrade").header("Upgrade", "websocket");
    let reply = request.send().await;
    assert_eq!((reply.status, reply.text()), (426, "no"));
}

#[tokio::test]
async fn server_sent_events_arrive_one_by_one() {
    for rules in ["", BYPASS, "defaults: { cache: { ttl: 60s } }"] {
        let origin = Origin::start().await;
        let larder = Larder::before(&origin).rules(rules).start();
        let (feed, reply) = feed();
        let reply = reply.header("Content-Type", "text/event-stream").header("Cache-Control", "no-cache");
        origin.on("/events", reply);

        let mut events = larder.get("/events").header("Accept", "text/event-stream").begin().await;
        for number in 0..5 {
            let event = format!("id: {number}\ndata: hello\n\n");
            feed.send(event.clone());
            assert_eq!(events.bytes(event.len()).await, event, "{rules}");
        }
        drop(feed);
        assert_eq!(events.rest().await.unwrap(), "");
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_frees_the_origin() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(BYPASS).start();
    let endless = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    origin.on("/events", Reply::endless(endless, vec![b'x'; 10_000]));
    let mut events = larder.get("/events").begin().await;
    events.bytes(100_000).await;
    drop(events);
    origin.abandoned().await;
}

#[tokio::test]
async fn replies_without_a_body_keep_the_connection_in_step() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(BYPASS).start();
    let document = Document::new("x", "no-cache");
    origin.on("/204", Reply::status(204)).on_request("/doc", move |seen| document.answer(seen));

    let mut connection = larder.connect().await;
    for _ in 0..3 {
        assert_eq!(larder.request("DELETE", "/204").send_on(&mut connection).await.status, 204);
        let same = larder.get("/doc").header("If-None-Match", "\"1\"").send_on(&mut connection).await;
        assert_eq!(same.status, 304);
        assert_eq!(
            larder.request("HEAD", "/doc").send_on(&mut connection).await.field("content-length"),
            "1"
        );
        assert_eq!(larder.get("/doc").send_on(&mut connection).await.text(), "x");
    }
}

#[tokio::test]
async fn grpc_streams_both_ways_and_its_trailers_arrive() {
    let origin = H2Origin::start().await;
    let larder = Larder::before_h2(&origin).listen("h2c: true").start();
    let mut client = larder.connect_h2().await;

    let mut head = client.head("POST", "/shop.Stock/Watch");
    head.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    head.headers_mut().insert("te", "trailers".parse().unwrap());
    let (reply, mut sending) = client.send(head, false).await;
    sending.send_data(Bytes::from("first"), false).unwrap();
    let (parts, mut receiving) = reply.begin().await.into_parts();
    assert_eq!(parts.headers["content-type"], "application/grpc");

    // Each message comes back before the next one is sent, and all before the request ends.
    let mut expected = vec!["first"];
    for message in ["second", "third"] {
        assert_eq!(receive(&mut receiving).await, expected.pop().unwrap());
        sending.send_data(Bytes::from(message), false).unwrap();
        expected.push(message);
    }
    assert_eq!(receive(&mut receiving).await, "third");
    sending.send_data(Bytes::new(), true).unwrap();

    let last = crate::support::within("the trailers", receiving.trailers()).await.unwrap().unwrap();
    assert_eq!((last["grpc-status"].as_bytes(), last["echoed"].as_bytes()), (&b"0"[..], &b"16"[..]));
    assert_eq!(origin.requests()[0].headers["te"], "trailers");
}

async fn receive(stream: &mut h2::RecvStream) -> Bytes {
    let data = crate::support::within("a message", stream.data()).await.unwrap().unwrap();
    stream.flow_control().release_capacity(data.len()).unwrap();
    data
}
