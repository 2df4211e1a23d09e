//! Requests that are wrong, or strange: answered clearly, never stored under another's key, never smuggled.

use crate::support::{Larder, Origin, Reply, Seen};

async fn start() -> (Origin, Larder) {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.otherwise(mirror);
    (origin, larder)
}

/// A reply that says which request it was made for.
fn mirror(seen: &Seen) -> Reply {
    Reply::fresh(60, format!("{} {}", seen.fields.get("host").unwrap_or_default(), seen.target))
}

/// The status codes of everything that came back.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.match_indices("HTTP/1.1 ").map(|(at, prefix)| text[at + prefix.len()..].get(..3));
    lines.filter_map(|code| code?.parse().ok()).collect()
}

#[tokio::test]
async fn a_request_that_is_no_http_gets_400_and_the_connection_ends() {
    let (origin, larder) = start().await;
    let cases: &[(&str, &[u8])] = &[
        ("a request line of one word", b"GET\r\n\r\n"),
        ("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        ("no HTTP version", b"GET / FTP/1.1\r\nHost: shop.test\r\n\r\n"),
        ("a space before the colon", b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-A : 1\r\n\r\n"),
        ("a field without a colon", b"GET / HTTP/1.1\r\nHost: shop.test\r\nnonsense\r\n\r\n"),
        ("no host", b"GET / HTTP/1.1\r\n\r\n"),
        ("two hosts", b"GET / HTTP/1.1\r\nHost: shop.test\r\nHost: other.test\r\n\r\n"),
        ("the same host twice", b"GET / HTTP/1.1\r\nHost: shop.test\r\nHost: shop.test\r\n\r\n"),
        ("a host that is none", b"GET / HTTP/1.1\r\nHost: shop test\r\n\r\n"),
        ("a host with a path", b"GET / HTTP/1.1\r\nHost: shop.test/x\r\n\r\n"),
        ("a host with a user", b"GET / HTTP/1.1\r\nHost: user@shop.test\r\n\r\n"),
        (
            "two lengths",
            b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        ),
        ("a list of lengths", b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1, 2\r\n\r\nab"),
        ("a length that is none", b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: +1\r\n\r\na"),
        ("a negative length", b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: -1\r\n\r\n"),
        (
            "a length beyond numbers",
            b"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 99999999999999999999\r\n\r\n",
        ),
        ("a NUL in a value", b"GET / HTTP/1.1\r\nHost: shop.test\r\nX-A: a\0b\r\n\r\n"),
    ];
    for (name, bytes) in cases {
        let all = larder.raw(bytes).await;
        assert_eq!(statuses(&all), [400], "{name}: {:?}", String::from_utf8_lossy(&all));
    }
    assert!(origin.requests().is_empty(), "{:#?}", origin.requests());
    assert_eq!(larder.get("/x").send().await.status, 200);
}

#[tokio::test]
async fn length_and_chunks_together_are_never_passed_on_together() {
    let (origin, larder) = start().await;
    let orders = [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
    ];
    for fields in orders {
        let smuggled = format!("POST /x HTTP/1.1\r\nHost: shop.test\r\n{fields}\r\n\r\n0\r\n\r\nG");
        let mut connection = larder.connect().await;
        connection.write(smuggled).await;
        connection.finish_writing().await;
        connection.everything().await;
    }
    for seen in origin.requests() {
        assert!(!(seen.fields.has("content-length") && seen.fields.has("transfer-encoding")), "{seen:#?}");
        assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.received), ("POST", "/x", 0));
    }
}

#[tokio::test]
async fn transfer_codings_that_are_not_chunked_are_refused() {
    let (origin, larder) = start().await;
    for coding in ["gzip", "identity", "chunked, gzip", "xchunked", "chunked, chunked"] {
        let bytes =
            format!("POST /x HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
        let all = larder.raw(bytes).await;
        let got = statuses(&all);
        assert!(matches!(got[..], [400] | [501]), "{coding}: {:?}", String::from_utf8_lossy(&all));
    }
    assert!(origin.requests().is_empty(), "{:#?}", origin.requests());
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (origin, larder) = start().await;
    let long = "x".repeat(2 << 20);
    let many: String = (0..2000).map(|number| format!("X-{number}: 1\r\n")).collect();
    let cases = [
        ("a long value", format!("GET / HTTP/1.1\r\nHost: shop.test\r\nX-A: {long}\r\n\r\n")),
        ("a long target", format!("GET /{long} HTTP/1.1\r\nHost: shop.test\r\n\r\n")),
        ("many fields", format!("GET / HTTP/1.1\r\nHost: shop.test\r\n{many}\r\n")),
    ];
    for (name, bytes) in cases {
        let mut connection = larder.connect().await;
        // It may answer and close before it has read everything.
        let _ = connection.try_write(bytes).await;
        let all = connection.everything().await;
        let got = statuses(&all);
        // A reset may overtake the reply; then nothing at all is read.
        assert!(matches!(got[..], [400] | [414] | [431] | []), "{name}: {:?}", String::from_utf8_lossy(&all));
    }
    assert!(origin.requests().is_empty());
    assert_eq!(larder.get("/x").send().await.status, 200);
}

#[tokio::test]
async fn a_head_that_comes_in_small_pieces_is_one_request() {
    let (_origin, larder) = start().await;
    let mut connection = larder.connect().await;
    for byte in larder.get("/x").header("X-A", "b").bytes() {
        connection.write([byte]).await;
    }
    assert_eq!(connection.reply("GET").await.unwrap().text(), "shop.test /x");
}

#[tokio::test]
async fn a_get_with_a_body_passes_and_is_never_stored() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules("defaults: { cache: { ttl: 60s } }").start();
    origin.on_request("/x", |seen| Reply::fresh(60, seen.body.clone()));
    for body in ["one", "two"] {
        for chunked in [false, true] {
            let request = larder.get("/x");
            let reply = if chunked { request.chunked_body(body) } else { request.body(body) }.send().await;
            assert_eq!(reply.text(), body);
            assert!(!reply.is_hit() && !reply.says("stored"), "{}", reply.cache_status());
        }
    }
    assert_eq!(larder.get("/x").send().await.text(), "");
    // And what is stored by now does not answer a request with a body.
    assert_eq!(larder.get("/x").body("three").send().await.text(), "three");
}

#[tokio::test]
async fn an_absolute_target_is_the_same_request() {
    let (origin, larder) = start().await;
    larder.get("/x?y=1").send().await;
    let absolute = larder.get("http://shop.test/x?y=1").send().await;
    assert_eq!(absolute.text(), "shop.test /x?y=1");
    assert!(absolute.is_hit(), "{}", absolute.cache_status());
    assert_eq!(origin.requests().len(), 1);
}

#[tokio::test]
async fn an_absolute_target_of_another_host_never_stores_under_the_one_in_host() {
    let (origin, larder) = start().await;
    // Either the target counts (RFC 9112, 3.2.2) or the request is refused.
    let reply = larder.get("http://evil.test/x").host("shop.test").send().await;
    assert!(reply.status == 400 || reply.text() == "evil.test /x", "{reply:#?}");
    assert_eq!(larder.get("/x").send().await.text(), "shop.test /x");
    assert_eq!(larder.get("/x").host("evil.test").send().await.text(), "evil.test /x");
    assert!(
        origin.requests().iter().all(|seen| !seen.target.starts_with("http")),
        "{:#?}",
        origin.requests()
    );
}

#[tokio::test]
async fn connect_is_refused() {
    let (origin, larder) = start().await;
    let all = larder.raw("CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n\r\n").await;
    assert!(
        statuses(&all).iter().all(|status| (400..=501).contains(status)),
        "{:?}",
        String::from_utf8_lossy(&all)
    );
    assert!(origin.requests().is_empty());
}

#[tokio::test]
async fn options_of_the_whole_server_reach_the_origin() {
    let (origin, larder) = start().await;
    let reply = larder.request("OPTIONS", "*").send().await;
    assert_eq!(reply.status, 200);
    assert_eq!(origin.requests()[0].target, "*");
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_of_a_head_or_a_body_harms_nobody() {
    let (origin, larder) = start().await;
    for bytes in [
        "",
        "GET /x HT",
        "GET /x HTTP/1.1\r\nHost: sh",
        "POST /x HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 9\r\n\r\nab",
    ] {
        let mut connection = larder.connect().await;
        connection.write(bytes).await;
        connection.reset();
    }
    assert_eq!(larder.get("/y").send().await.status, 200);
    assert!(origin.requests().iter().all(|seen| seen.method != "POST" || seen.hash.is_none()));
}

#[tokio::test]
async fn an_error_is_a_problem_report_that_tells_nothing_of_the_inside() {
    let origin = Origin::start().await;
    let address = origin.address();
    let larder = Larder::before(&origin).start();
    drop(origin);
    let reply = larder.get("/x").send().await;
    reply.assert_problem(502);
    let text = reply.text().to_ascii_lowercase();
    for word in
        [&address.to_string()[..], &address.port().to_string(), "127.0.0.1", "pingora", "os error", "src/"]
    {
        assert!(!text.contains(word), "{word:?} in {text}");
    }
    assert_eq!(reply.cache_status().split(';').next(), Some("larder"));
}
