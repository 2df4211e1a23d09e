use super::*;
use crate::admin::fake::Fake;
use crate::invalidation::{Invalidation, Matcher, Mode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

struct Running {
    fake: Arc<Fake>,
    admin: Arc<Admin>,
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(token: Option<&str>) -> Running {
    let fake = Arc::new(Fake::default());
    let admin = Arc::new(Admin::new(Arc::clone(&fake) as Arc<dyn Control>, token));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&admin).serve(listener, stop.clone()));
    Running { fake, admin, address, stop, task }
}

#[derive(Debug)]
struct Got {
    status: u16,
    head: String,
    body: String,
}

impl Got {
    fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.into_iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
    fn problem(&self) -> String {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status);
        document["type"].as_str().unwrap().strip_prefix("urn:larder:problem:").unwrap().to_owned()
    }
}

/// Reads one reply. `bodiless`: it answers HEAD.
async fn read(stream: &mut TcpStream, bodiless: bool) -> Got {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        assert_ne!(
            stream.read_buf(&mut bytes).await.unwrap(),
            0,
            "closed in the head: {}",
            bytes.escape_ascii()
        );
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut got = Got { status: head[9..12].parse().unwrap(), head, body: String::new() };
    let length =
        if bodiless { 0 } else { got.field("content-length").map_or(0, |value| value.parse().unwrap()) };
    let mut body = bytes[end..].to_vec();
    while body.len() < length {
        assert_ne!(stream.read_buf(&mut body).await.unwrap(), 0, "closed in the body");
    }
    assert_eq!(body.len(), length, "bytes behind the reply");
    got.body = String::from_utf8(body).unwrap();
    got
}

impl Running {
    async fn send(&self, bytes: impl AsRef<[u8]>) -> Got {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes.as_ref()).await.unwrap();
        read(&mut stream, bytes.as_ref().starts_with(b"HEAD")).await
    }
    async fn get(&self, path: &str) -> Got {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
    }
    async fn post(&self, path: &str, body: &str) -> Got {
        let length = body.len();
        self.send(format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }
}

#[tokio::test]
async fn what_is_read() {
    let larder = start(None).await;
    let got = larder.get("/healthz").await;
    assert_eq!((got.status, got.json()), (200, json!({"status": "ok"})));
    assert_eq!(got.field("cache-control"), Some("no-store"));

    let got = larder.get("/readyz").await;
    let degraded = json!([{"component": "origin", "reason": "no server of `default` is healthy"}]);
    assert_eq!((got.status, got.json()), (200, json!({"ready": true, "degraded": degraded})));
    larder.fake.draining.store(true, SeqCst);
    let got = larder.get("/readyz").await;
    assert_eq!((got.status, &got.json()["ready"]), (503, &json!(false)));

    let got = larder.get("/metrics").await;
    assert_eq!((got.status, got.body.lines().last()), (200, Some("a_total 1")));
    assert_eq!(got.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));

    let got = larder.get("/stats?pretty").await;
    assert_eq!((got.status, &got.json()["hit_ratio"]), (200, &json!(0.5)));

    let got = larder.send("HEAD /stats HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(got.status, 200);
    assert_ne!(got.field("content-length"), Some("0"));
}

#[tokio::test]
async fn a_purge_answers_its_position() {
    let larder = start(None).await;
    let got = larder.post("/purge?wait=node", r#"{"tags":["a"],"soft":true}"#).await;
    // As a string: the number has more bits than those of JSON are sure to keep.
    assert_eq!((got.status, got.json()), (202, json!({"position": "1152921504606846977"})));
    let purged = larder.fake.purged.lock().unwrap().clone();
    assert_eq!(purged, [Invalidation { matcher: Matcher::Tag("a".into()), mode: Mode::Soft }]);
}

#[tokio::test]
async fn a_purge_waits_for_cdns() {
    let larder = start(None).await;
    let got = larder.post("/purge?wait=cdn", r#"{"all":true}"#).await;
    assert_eq!((got.status, &got.json()["outstanding"]), (200, &json!({"nodes": [], "cdns": []})));
    larder.fake.cdn_fails.store(true, SeqCst);
    let got = larder.post("/purge?wait=cdn", r#"{"all":true}"#).await;
    let cdns = json!([{"cdn": "edge", "state": "waiting", "reason": "429"}]);
    assert_eq!((got.status, &got.json()["outstanding"]["cdns"]), (202, &cdns));
}

#[tokio::test]
async fn dead_letters_are_queued_again() {
    let larder = start(None).await;
    let post =
        async |path: &str| larder.send(format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    for path in ["/cdn/retry", "/cdn/retry?cdn=edge"] {
        let got = post(path).await;
        assert_eq!((got.status, got.json()), (200, json!({"retried": [{"cdn": "edge", "letters": 3}]})));
    }
    let got = post("/cdn/retry?cdn=egde").await;
    assert_eq!((got.status, got.problem().as_str()), (404, "unknown-cdn"));
    assert_eq!(post("/cdn/retry?name=edge").await.problem(), "invalid-query");
    assert_eq!(larder.get("/cdn/retry").await.problem(), "method-not-allowed");
    larder.fake.cdn_fails.store(true, SeqCst);
    let got = post("/cdn/retry").await;
    assert_eq!((got.status, got.problem().as_str()), (503, "queue-unavailable"));
}

#[tokio::test]
async fn a_reload_says_what_it_could_not_change() {
    let larder = start(None).await;
    let request = "POST /reload HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let got = larder.send(request).await;
    assert_eq!((got.status, got.json()), (200, json!({"needs_restart": ["threads"]})));
    larder.fake.config_is_bad.store(true, SeqCst);
    let got = larder.send(request).await;
    assert_eq!((got.status, got.problem().as_str()), (422, "invalid-configuration"));
    assert_eq!(got.json()["errors"], json!(["proxy.yaml:1:1: one", "proxy.yaml:2:1: two"]));
}

#[tokio::test]
async fn problems() {
    let larder = start(None).await;
    let check = async |request: String, status: u16, kind: &str, field: Option<(&str, &str)>| {
        let got = larder.send(&request).await;
        assert_eq!((got.status, got.problem().as_str()), (status, kind), "{request}");
        if let Some((name, value)) = field {
            assert_eq!(got.field(name), Some(value), "{request}");
        }
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let post = |path: &str, fields: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{fields}\r\n{body}",
            body.len()
        )
    };
    let json = "Content-Type: application/json\r\n";
    check(get("/"), 404, "not-found", None).await;
    check(get("/purge"), 405, "method-not-allowed", Some(("allow", "POST"))).await;
    check(post("/stats", json, "{}"), 405, "method-not-allowed", Some(("allow", "GET, HEAD"))).await;
    check(get("/stats").replace("localhost", "evil.example"), 421, "unknown-host", None).await;
    check(post("/purge", "", "{}"), 415, "unsupported-media-type", None).await;
    check(post("/purge", "Content-Type: text/plain\r\n", "{}"), 415, "unsupported-media-type", None).await;
    check(post("/reload", "Content-Type: text/plain\r\n", "{}"), 415, "unsupported-media-type", None).await;
    check(post("/purge", json, "{}"), 400, "empty-purge", None).await;
    check(post("/purge", json, "{"), 400, "invalid-body", None).await;
    check(post("/purge?wait=moon", json, r#"{"all":true}"#), 400, "invalid-query", None).await;
    let origin = format!("{json}Origin: http://localhost\r\n");
    check(post("/purge", &origin, r#"{"all":true}"#), 403, "cross-origin", None).await;
    check("no request\r\n\r\n".into(), 400, "malformed-request", None).await;
    check("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), 400, "malformed-request", None).await;
    assert!(larder.fake.purged.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_purge_says_what_is_outstanding() {
    let larder = start(None).await;
    let purge = async |query: &str| {
        let body = r#"{"all":true}"#;
        let head =
            format!("POST /purge{query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
        let got = larder.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await;
        (got.status, got.body)
    };
    let (status, text) = purge("?wait=fleet").await;
    assert!(status == 200 && text.contains(r#""nodes":[]"#), "{status} {text}");
    larder.fake.node_hangs.store(true, SeqCst);
    let (status, text) = purge("?wait=fleet").await;
    assert!(status == 202 && text.contains(r#""nodes":["feed"]"#), "{status} {text}");
    larder.fake.log_fails.store(true, SeqCst);
    let (status, text) = purge("").await;
    assert!(
        status == 202 && text.contains(r#""position":null"#) && text.contains(r#""log":"#),
        "{status} {text}"
    );
}

#[tokio::test]
async fn bodies_are_bounded_however_they_come() {
    let larder = start(None).await;
    let head = "POST /purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let large = " ".repeat(MAX_BODY + 1);

    let got = larder.send(format!("{head}Content-Length: {}\r\n\r\n{large}", large.len())).await;
    assert_eq!((got.status, got.problem().as_str()), (413, "body-too-large"));
    assert_eq!(got.field("connection"), Some("close"));

    let chunked =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let got = larder.send(chunked).await;
    assert_eq!((got.status, got.problem().as_str()), (413, "body-too-large"));

    // Exactly as much is read, to find that it holds nothing.
    let got = larder.post("/purge", &format!("{{}}{}", &large[..MAX_BODY - 2])).await;
    assert_eq!((got.status, got.problem().as_str()), (400, "empty-purge"));
}

#[tokio::test]
async fn a_client_that_waits_for_leave_gets_it() {
    let larder = start(None).await;
    let mut stream = TcpStream::connect(larder.address).await.unwrap();
    let head = "POST /purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 12\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream, true).await.status, 100);
    stream.write_all(br#"{"all":true}"#).await.unwrap();
    assert_eq!(read(&mut stream, false).await.status, 202);
}

#[tokio::test]
async fn tokens() {
    let larder = start(Some("first")).await;
    let get = |token: &str| {
        format!("GET /stats HTTP/1.1\r\nHost: larder.svc\r\nAuthorization: Bearer {token}\r\n\r\n")
    };
    assert_eq!(larder.get("/healthz").await.status, 200);
    assert_eq!(larder.get("/readyz").await.status, 200);
    let got = larder.get("/metrics").await;
    assert_eq!((got.status, got.problem().as_str()), (401, "unauthorized"));
    assert_eq!(got.field("www-authenticate"), Some("Bearer realm=\"larder\""));
    assert_eq!(larder.send(get("second")).await.status, 401);
    assert_eq!(larder.send(get("first")).await.status, 200);
    larder.admin.set_token(Some("second"));
    assert_eq!(larder.send(get("first")).await.status, 401);
    assert_eq!(larder.send(get("second")).await.status, 200);
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let larder = start(None).await;
    let mut stream = TcpStream::connect(larder.address).await.unwrap();
    let get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for _ in 0..3 {
        stream.write_all(get.as_bytes()).await.unwrap();
        assert_eq!(read(&mut stream, false).await.status, 200);
    }
    let body = r#"{"all":true}"#;
    let post = format!(
        "POST /purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(post.as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream, false).await.status, 202);
    stream.write_all(get.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    assert_eq!(read(&mut stream, false).await.status, 200);
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn it_ends_at_once_when_idle() {
    let larder = start(None).await;
    let mut idle = TcpStream::connect(larder.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    read(&mut idle, false).await;
    larder.stop.cancel();
    larder.task.await.unwrap();
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    assert!(TcpStream::connect(larder.address).await.is_err());
}

#[tokio::test]
async fn what_is_under_way_is_finished() {
    let larder = start(None).await;
    let mut stream = TcpStream::connect(larder.address).await.unwrap();
    let head = "POST /purge HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 12\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // The interim reply proves that the request is under way.
    assert_eq!(read(&mut stream, true).await.status, 100);
    larder.stop.cancel();
    stream.write_all(br#"{"all":true}"#).await.unwrap();
    let got = read(&mut stream, false).await;
    assert_eq!((got.status, got.field("connection")), (202, Some("close")));
    larder.task.await.unwrap();
}
