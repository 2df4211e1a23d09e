//! A hit is the reply the origin gave, to the byte, and says that it is one.

use crate::support::{Larder, Origin, Reply, pattern};

#[tokio::test]
async fn the_second_get_is_a_hit_byte_for_byte() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let bodies = [("/empty", 0), ("/small", 1), ("/page", 4096), ("/odd", 65_537), ("/large", 1_000_003)];

    for (path, length) in bodies {
        for (path, chunked) in [(path.to_owned(), false), (format!("{path}-chunked"), true)] {
            let body = pattern(length);
            let reply = Reply::fresh(60, body.clone()).header("Content-Type", "application/octet-stream");
            origin.on(&path, if chunked { reply.chunked() } else { reply });

            let first = larder.get(&path).send().await;
            assert_eq!((first.status, &first.body[..]), (200, &body[..]), "{path}");
            assert!(first.says("fwd=uri-miss") && first.says("stored"), "{path}: {}", first.cache_status());

            let second = larder.get(&path).send().await;
            assert_eq!((second.status, &second.body[..]), (200, &body[..]), "{path}");
            assert!(second.is_hit() && second.says("detail=memory"), "{path}: {}", second.cache_status());
            assert_eq!(second.field("content-length"), length.to_string(), "{path}");
            assert_eq!(origin.count(&path), 1, "{path}");
        }
    }
}

#[tokio::test]
async fn a_hit_has_the_fields_of_the_origin_in_their_order_and_number() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let fields = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("ETag", "W/\"a\""),
        ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Link", "</a.css>; rel=preload"),
        ("Link", "</b.css>; rel=preload"),
        ("X-Empty", ""),
        ("Date", "Sun, 06 Nov 1994 08:49:38 GMT"),
        ("Content-Security-Policy", "default-src 'self'"),
    ];
    let reply = fields.iter().fold(Reply::ok("x"), |reply, (name, value)| reply.header(name, *value));
    // A lifetime longer than the time since that date.
    origin.on("/x", reply.header("Cache-Control", "max-age=2147483647"));

    for round in 0..2 {
        let reply = larder.get("/x").send().await;
        assert_eq!(reply.is_hit(), round == 1, "{}", reply.cache_status());
        for (name, _) in fields {
            let expected: Vec<_> =
                fields.iter().filter(|(other, _)| *other == name).map(|(_, value)| *value).collect();
            assert_eq!(reply.fields.all(name).collect::<Vec<_>>(), expected, "{name} in round {round}");
        }
    }
}

#[tokio::test]
async fn a_hit_tells_its_age_and_what_is_left() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on("/x", Reply::fresh(100, "x").header("Age", "40"));

    larder.get("/x").send().await;
    let hit = larder.get("/x").send().await;
    let ttl = hit.cache_status().split("ttl=").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    let ttl: u64 = ttl.parse().unwrap();
    assert!((40..=60).contains(&hit.age()), "{hit:#?}");
    // Both are rounded on their own.
    assert!((99..=100).contains(&(hit.age() + ttl)), "age {} and ttl {ttl}", hit.age());
}

#[tokio::test]
async fn head_is_answered_from_a_stored_get() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on("/x", Reply::fresh(60, pattern(5000)).header("ETag", "\"a\""));

    larder.get("/x").send().await;
    let head = larder.request("HEAD", "/x").send().await;
    assert!(head.is_hit(), "{}", head.cache_status());
    assert_eq!((head.field("content-length"), head.field("etag")), ("5000", "\"a\""));
    assert!(head.body.is_empty());
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn head_of_a_cold_key_has_no_body_and_does_not_poison_the_get() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on("/x", Reply::fresh(60, pattern(5000)));

    let mut connection = larder.connect().await;
    let head = larder.request("HEAD", "/x").send_on(&mut connection).await;
    assert_eq!((head.status, head.field("content-length")), (200, "5000"));
    // On the same connection, so that a body that was sent after all would be taken for the next reply.
    let get = larder.get("/x").send_on(&mut connection).await;
    assert_eq!((get.status, &get.body[..]), (200, &pattern(5000)[..]));
}

#[tokio::test]
async fn fields_of_one_connection_stay_on_it() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let reply = Reply::fresh(60, "x").header("Connection", "X-Hop").header("X-Hop", "1");
    origin.on("/x", reply.header("Keep-Alive", "timeout=5").header("Proxy-Authenticate", "Basic"));

    for _ in 0..2 {
        let request = larder.get("/x").header("Connection", "X-Mine").header("X-Mine", "1");
        let reply = request.header("TE", "trailers").header("X-End", "kept").send().await;
        for name in ["x-hop", "keep-alive"] {
            assert!(!reply.fields.has(name), "{name} in {reply:#?}");
        }
    }
    let seen = origin.last("/x");
    assert!(!seen.fields.has("x-mine"), "{seen:#?}");
    assert_eq!(seen.fields.get("x-end"), Some("kept"));
}

#[tokio::test]
async fn a_reply_without_a_date_gets_that_of_its_arrival() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on("/x", Reply::fresh(60, "x").undated());
    let dates = [larder.get("/x").send().await, larder.get("/x").send().await].map(|reply| {
        assert_eq!(reply.fields.all("date").count(), 1, "{reply:#?}");
        httpdate::parse_http_date(reply.field("date")).expect("a date")
    });
    let now = std::time::SystemTime::now();
    for date in dates {
        assert!(now.duration_since(date).unwrap_or_default().as_secs() < 60);
    }
}

#[tokio::test]
async fn cache_status_is_appended_behind_what_the_origin_sent() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on("/x", Reply::fresh(60, "x").header("Cache-Status", "upstream; hit; ttl=5"));

    for _ in 0..2 {
        let reply = larder.get("/x").send().await;
        let all: Vec<_> = reply.fields.all("cache-status").flat_map(|line| line.split(", ")).collect();
        assert_eq!(all.len(), 2, "{all:?}");
        assert_eq!(all[0], "upstream; hit; ttl=5");
        assert!(all[1].starts_with("larder; "), "{all:?}");
    }
}

#[tokio::test]
async fn keep_alive_and_pipelined_requests_are_answered_in_order() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.otherwise(|seen| Reply::fresh(60, seen.target.clone()));
    larder.get("/3").send().await;

    let mut connection = larder.connect().await;
    for path in ["/1", "/2", "/3", "/1"] {
        assert_eq!(larder.get(path).send_on(&mut connection).await.text(), path);
    }
    let burst: Vec<u8> = (0..40).flat_map(|number| larder.get(&format!("/{}", number % 7)).bytes()).collect();
    connection.write(burst).await;
    for number in 0..40 {
        let reply = connection.reply("GET").await.unwrap();
        assert_eq!(reply.text(), format!("/{}", number % 7), "reply {number}");
    }
}

#[tokio::test]
async fn http_1_0_clients_are_served() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.on("/x", Reply::fresh(60, "hello").chunked());

    for _ in 0..2 {
        let all = larder.raw("GET /x HTTP/1.0\r\nHost: shop.test\r\n\r\n").await;
        let text = String::from_utf8_lossy(&all);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1."), "{head}");
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "HTTP/1.0 knows no chunks: {head}");
        assert_eq!(body, "hello");
    }
}
