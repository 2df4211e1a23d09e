//! Parts of a stored reply.

use crate::support::{Larder, Origin, Reply, Response, pattern};

const LENGTH: usize = 10_000;

async fn stored() -> (Origin, Larder) {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let reply = Reply::fresh(60, pattern(LENGTH)).header("Content-Type", "image/png");
    origin.on("/x", reply.header("ETag", "\"a\"").header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"));
    larder.get("/x").send().await;
    (origin, larder)
}

#[tokio::test]
async fn a_single_range_is_cut_from_the_stored_reply() {
    let (origin, larder) = stored().await;
    let cases = [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=9000-", 9000, LENGTH),
        ("bytes=-1", LENGTH - 1, LENGTH),
        ("bytes=-20000", 0, LENGTH),
        ("bytes=9999-20000", 9999, LENGTH),
        ("BYTES=5-6", 5, 7),
    ];
    for (range, start, end) in cases {
        let reply = larder.get("/x").header("Range", range).send().await;
        assert_eq!(reply.status, 206, "{range}");
        assert_eq!(reply.body, pattern(LENGTH)[start..end], "{range}");
        assert_eq!(reply.field("content-range"), format!("bytes {start}-{}/{LENGTH}", end - 1), "{range}");
        assert_eq!(reply.field("content-length"), (end - start).to_string(), "{range}");
        assert_eq!((reply.field("content-type"), reply.field("etag")), ("image/png", "\"a\""), "{range}");
        assert!(reply.is_hit(), "{range}: {}", reply.cache_status());
    }
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn what_is_no_range_gets_everything() {
    let (origin, larder) = stored().await;
    for range in ["bytes=", "bytes=a-b", "bytes=5-4", "lines=0-5", "bytes 0-5", "bytes=--5", "bytes=1-2,x"] {
        let reply = larder.get("/x").header("Range", range).send().await;
        assert_eq!((reply.status, reply.body.len()), (200, LENGTH), "{range}");
    }
    // Range is defined for GET alone (RFC 9110, 14.2).
    let head = larder.request("HEAD", "/x").header("Range", "bytes=0-5").send().await;
    assert_eq!((head.status, head.field("content-length")), (200, "10000"));
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn a_range_behind_the_end_is_not_satisfiable() {
    let (_origin, larder) = stored().await;
    for range in ["bytes=10000-", "bytes=20000-30000", "bytes=-0"] {
        let reply = larder.get("/x").header("Range", range).send().await;
        assert_eq!(reply.status, 416, "{range}");
        assert_eq!(reply.field("content-range"), "bytes */10000", "{range}");
    }
}

#[tokio::test]
async fn if_range_asks_for_the_part_only_of_the_same_edition() {
    let (_origin, larder) = stored().await;
    let cases = [
        ("\"a\"", 206),
        ("\"b\"", 200),
        // A weak tag never matches strongly (RFC 9110, 13.1.5).
        ("W/\"a\"", 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 206),
        ("Sun, 06 Nov 1994 08:49:38 GMT", 200),
    ];
    for (validator, status) in cases {
        let request = larder.get("/x").header("Range", "bytes=0-9").header("If-Range", validator);
        assert_eq!(request.send().await.status, status, "{validator}");
    }
}

#[tokio::test]
async fn several_ranges_come_as_parts() {
    let (_origin, larder) = stored().await;
    let reply = larder.get("/x").header("Range", "bytes=0-9, 100-199,-5").send().await;
    assert_eq!(reply.status, 206);
    let expected = [(0, 10), (100, 200), (LENGTH - 5, LENGTH)];
    assert_eq!(parts(&reply).len(), expected.len());
    for ((range, body), (start, end)) in parts(&reply).into_iter().zip(expected) {
        assert_eq!(range, format!("bytes {start}-{}/{LENGTH}", end - 1));
        assert_eq!(body, pattern(LENGTH)[start..end], "{range}");
    }
}

/// The parts of a `multipart/byteranges` reply: what each is of the whole, and its bytes.
fn parts(reply: &Response) -> Vec<(String, Vec<u8>)> {
    let boundary = reply.field("content-type").strip_prefix("multipart/byteranges; boundary=").unwrap();
    let delimiter = format!("--{}", boundary.trim_matches('"')).into_bytes();
    let starts: Vec<_> =
        (0..reply.body.len()).filter(|at| reply.body[*at..].starts_with(&delimiter)).collect();
    let last = &reply.body[starts[starts.len() - 1]..];
    assert_eq!(last[delimiter.len()..].get(..2), Some(&b"--"[..]), "the last delimiter says that it is");
    let part = |pair: &[usize]| {
        let part = &reply.body[pair[0] + delimiter.len() + 2..pair[1] - 2];
        let blank = part.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&part[..blank]).unwrap();
        assert!(head.to_ascii_lowercase().contains("content-type: image/png"), "{head}");
        let lines = head.lines().map(|line| line.split_once(": ").unwrap());
        let mut ranges = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-range"));
        (ranges.next().unwrap().1.to_owned(), part[blank + 4..].to_vec())
    };
    starts.windows(2).map(part).collect()
}

#[tokio::test]
async fn a_range_that_misses_never_leaves_a_part_behind_as_the_whole() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules("defaults: { cache: { ttl: 60s } }").start();
    let whole = pattern(LENGTH);
    let honours = whole.clone();
    origin.on_request("/honours", move |seen| match seen.fields.get("range") {
        Some("bytes=10-19") => Reply::status(206)
            .body(honours[10..20].to_vec())
            .header("Content-Range", "bytes 10-19/10000")
            .header("Cache-Control", "max-age=60"),
        _ => Reply::fresh(60, honours.clone()),
    });
    origin.on("/ignores", Reply::fresh(60, whole.clone()));

    for path in ["/honours", "/ignores"] {
        let part = larder.get(path).header("Range", "bytes=10-19").send().await;
        match part.status {
            206 => {
                assert_eq!(part.body, whole[10..20], "{path}");
                assert_eq!(part.field("content-range"), "bytes 10-19/10000", "{path}");
            }
            200 => assert_eq!(part.body, whole, "{path}"),
            other => panic!("{path}: {other}"),
        }
        for _ in 0..2 {
            let reply = larder.get(path).send().await;
            assert_eq!((reply.status, &reply.body[..]), (200, &whole[..]), "{path}");
        }
    }
}
