//! What becomes of the bytes that an origin sends.

use crate::raw::RawOrigin;
use crate::setting::{Shop, get, request, until};
use http::Method;
use larder::origin::{FetchError, Framing};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// What a request to an origin that sends `reply` and closes has to bring: a body, or the word and words of an error.
async fn check(
    method: Method,
    reply: impl Into<Vec<u8>>,
    expected: Result<(u16, Framing, &str), (&str, &str)>,
) {
    let reply = reply.into();
    let origin = RawOrigin::once(reply.clone()).await;
    let shop = Shop::at(&[origin.address]);
    let found = shop.whole(request(method, 0)).await;
    let shown = String::from_utf8_lossy(&reply[..reply.len().min(200)]).into_owned();
    match (found, expected) {
        (Ok(found), Ok(expected)) => {
            assert_eq!((found.status, found.framing, &*found.body), expected, "{shown:?}");
            assert!(shop.notes.errors.lock().unwrap().is_empty());
        }
        (Err(error), Err((word, words))) => {
            assert_eq!(error.as_str(), word, "{shown:?}: {error}");
            assert!(error.to_string().contains(words), "{shown:?}: {error}");
            assert_eq!(*shop.notes.errors.lock().unwrap(), [word]);
        }
        (found, expected) => panic!("{shown:?}: {found:?} instead of {expected:?}"),
    }
    assert_eq!(shop.in_flight(), 0);
}

async fn whole(reply: &str, status: u16, framing: Framing, body: &str) {
    check(Method::GET, reply, Ok((status, framing, body))).await;
}

async fn broken(reply: impl Into<Vec<u8>>, word: &str, words: &str) {
    check(Method::GET, reply, Err((word, words))).await;
}

#[tokio::test]
async fn whole_replies() {
    whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, Framing::Length(5), "hello").await;
    whole("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, Framing::Length(0), "").await;
    whole("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, Framing::Length(5), "hello").await;
    whole("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", 200, Framing::Length(5), "hello").await;
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    whole(&format!("{chunks}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), 200, Framing::Marked, "hello world")
        .await;
    whole(&format!("{chunks}5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"), 200, Framing::Marked, "hello").await;
    whole(&format!("{chunks}0\r\n\r\n"), 200, Framing::Marked, "").await;
    whole("HTTP/1.1 200 OK\r\n\r\nhello", 200, Framing::UntilClose, "hello").await;
    whole("HTTP/1.0 200 OK\r\n\r\nhello", 200, Framing::UntilClose, "hello").await;
    whole("HTTP/1.1 204 No Content\r\n\r\n", 204, Framing::Empty, "").await;
    whole("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, Framing::Empty, "").await;
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    whole(
        &format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        200,
        Framing::Length(5),
        "hello",
    )
    .await;
    whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", 200, Framing::Length(5), "hello")
        .await;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    check(Method::HEAD, head, Ok((200, Framing::Empty, ""))).await;
}

#[tokio::test]
async fn bodies_that_end_early_never_look_whole() {
    broken("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "broken", "4 bytes").await;
    broken("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "broken", "9 bytes").await;
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    broken(chunks, "broken", "termination chunk").await;
    broken(format!("{chunks}5\r\nhel"), "broken", "termination chunk").await;
    broken(format!("{chunks}5\r\nhello\r\n"), "broken", "termination chunk").await;
    broken(format!("{chunks}5\r\nhello\r\n0\r\n"), "broken", "termination chunk").await;
    broken(format!("{chunks}5\r\nhello\r\n0\r\nX: "), "broken", "termination chunk").await;
}

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    broken(format!("{chunks}five\r\nhello\r\n0\r\n\r\n"), "malformed", "").await;
    broken(format!("{chunks}5\r\nhello world\r\n0\r\n\r\n"), "malformed", "").await;
    broken(format!("{chunks}fffffffffffffffff\r\nhello"), "malformed", "").await;
}

#[tokio::test]
async fn heads_that_cannot_be_relied_on() {
    broken("", "broken", "while reading response headers").await;
    broken("HTTP/1.1 200 OK\r\nContent-Len", "broken", "while reading response headers").await;
    broken("banana\r\n\r\n", "malformed", "invalid HTTP version").await;
    broken([0x16, 3, 1, 0, 200, 1, 0, 0, 196], "malformed", "").await;
    broken("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed", "header name").await;
    broken("HTTP/1.1 099 Odd\r\n\r\n", "malformed", "").await;
    broken("HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "malformed", "unasked").await;
    for lengths in ["-5", "5x", "", "5\r\nContent-Length: 6", "5, 6"] {
        broken(
            format!("HTTP/1.1 200 OK\r\nContent-Length: {lengths}\r\n\r\nhello"),
            "malformed",
            "Content-Length",
        )
        .await;
    }
    broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", "malformed", "other than chunked")
        .await;
    broken("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed", "HTTP/1.0").await;
}

#[tokio::test]
async fn heads_are_bounded() {
    let storm = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(9);
    broken(format!("{storm}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), "malformed", "interim").await;
    let fields = "x: y\r\n".repeat(257);
    broken(format!("HTTP/1.1 200 OK\r\n{fields}\r\n"), "malformed", "too many headers").await;
    let long = "y".repeat(70_000);
    broken(format!("HTTP/1.1 200 OK\r\nx: {long}\r\n\r\n"), "malformed", "too large").await;
    let endless = "y".repeat(3 << 20);
    broken(format!("HTTP/1.1 200 OK\r\nx: {endless}"), "malformed", "larger than").await;
}

#[tokio::test]
async fn only_end_to_end_fields_arrive() {
    let origin = RawOrigin::once(
        "HTTP/1.1 200 OK\r\nConnection: x-mine, keep-alive\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    )
    .await;
    let reply = Shop::at(&[origin.address]).get().await.unwrap();
    assert_eq!(reply.headers.keys().collect::<Vec<_>>(), ["x-kept"]);
}

#[tokio::test]
async fn the_request_arrives_as_it_is() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = std::sync::Mutex::new(Some(tell));
    let origin = RawOrigin::start(move |mut connection| {
        let tell = tell.lock().unwrap().take();
        async move {
            let head = connection.request().await.unwrap();
            connection.send("HTTP/1.1 204 No Content\r\n\r\n").await;
            tell.unwrap().send(head).unwrap();
        }
    })
    .await;
    let shop = Shop::at(&[origin.address]);
    let mut request = get();
    request.target = "/%2e%2E//a;b?x=%00&{}|\\".to_owned();
    request.headers.append("x-two", "1".parse().unwrap());
    request.headers.append("x-two", "2".parse().unwrap());
    shop.whole(request).await.unwrap();
    let expected =
        "GET /%2e%2E//a;b?x=%00&{}|\\ HTTP/1.1\r\nHost: shop.example\r\nx-two: 1\r\nx-two: 2\r\n\r\n";
    assert_eq!(told.await.unwrap().to_lowercase(), expected.to_lowercase());
}

/// Lets `reply` wait until `reached`, and then lets the time for it pass.
async fn time_out<T: Send + 'static>(
    reply: impl Future<Output = Result<T, FetchError>> + Send + 'static,
    reached: impl FnMut() -> bool,
) -> Option<FetchError> {
    let reply = tokio::spawn(reply);
    until("the reply has begun", reached).await;
    tokio::time::pause();
    // Twice the time that the settings allow.
    tokio::time::advance(Duration::from_secs(10)).await;
    let error = reply.await.unwrap().err();
    tokio::time::resume();
    error
}

/// A flag, and a copy of it for someone else.
fn flag() -> (Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let flag = Arc::new(AtomicUsize::new(0));
    (Arc::clone(&flag), flag)
}

#[tokio::test]
async fn a_head_has_to_come_in_time() {
    for sent in ["", "HTTP/1.1 200 OK\r\nx: ", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        let (begun, begin) = flag();
        let origin = RawOrigin::start(move |mut connection| {
            let begin = Arc::clone(&begin);
            async move {
                connection.request().await;
                connection.send(sent).await;
                begin.store(1, SeqCst);
                connection.closed().await;
            }
        })
        .await;
        let shop = Arc::new(Shop::at(&[origin.address]));
        let asked = Arc::clone(&shop);
        let error = time_out(async move { asked.get().await }, || begun.load(SeqCst) == 1).await;
        assert_eq!(error, Some(FetchError::Timeout), "{sent:?}");
        assert_eq!(shop.in_flight(), 0);
    }
}

#[tokio::test]
async fn a_head_that_never_ends_does_not_win_time_by_every_byte() {
    let (sent, count) = flag();
    let origin = RawOrigin::start(move |mut connection| {
        let count = Arc::clone(&count);
        async move {
            connection.request().await;
            connection.send("HTTP/1.1 200 OK\r\nx: ").await;
            while !matches!(connection.stream.try_read(&mut [0]), Ok(0)) {
                connection.send("y").await;
                count.fetch_add(1, SeqCst);
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let shop = Shop::at(&[origin.address]);
    let error = time_out(async move { shop.get().await }, || sent.load(SeqCst) > 10).await;
    assert_eq!(error, Some(FetchError::Timeout));
}

#[tokio::test]
async fn each_piece_of_a_body_has_to_come_in_time() {
    let origin = RawOrigin::start(|mut connection| async move {
        connection.request().await;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").await;
        connection.closed().await;
    })
    .await;
    let shop = Shop::at(&[origin.address]);
    let mut reply = shop.fetch(get()).await.unwrap();
    assert_eq!(reply.body.next().await.unwrap().unwrap(), "hello");
    // Nothing else happens, so the paused clock runs to the end of the wait.
    tokio::time::pause();
    for _ in 0..2 {
        assert_eq!(reply.body.next().await, Err(FetchError::Timeout), "a failure stays one");
    }
    assert_eq!(shop.in_flight(), 0, "the place is free before the reply is dropped");
}
