//! Which connections are kept, and what happens when a kept one has died.

use crate::raw::RawOrigin;
use crate::setting::{Shop, get, request, settings, until};
use http::Method;
use larder::origin::{FetchError, OriginSettings};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn connections_are_kept_only_after_replies_that_allow_it() {
    let check = async |reply: &'static str, kept: bool| {
        let origin = RawOrigin::start(move |mut connection| async move {
            while connection.request().await.is_some() {
                connection.send(reply).await;
                if !reply.contains("Content-Length") && !reply.contains("chunked") && !reply.contains("204") {
                    return;
                }
            }
        })
        .await;
        let shop = Shop::at(&[origin.address]);
        shop.get().await.unwrap();
        shop.get().await.unwrap();
        assert_eq!(origin.connections(), if kept { 1 } else { 2 }, "{reply:?}");
    };
    check(HELLO, true).await;
    check("HTTP/1.1 204 No Content\r\n\r\n", true).await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true).await;
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true).await;
    check("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", true).await;
    check("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false).await;
    check("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", false).await;
    check("HTTP/1.1 200 OK\r\n\r\nhello", false).await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!", false).await;
    check("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", false).await;
    let both =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    check(both, false).await;
}

#[tokio::test]
async fn none_are_kept_when_none_may_be() {
    let origin = RawOrigin::always(HELLO).await;
    let shop = Shop::new(&OriginSettings { keepalive: 0, ..settings(&[origin.address]) });
    shop.get().await.unwrap();
    shop.get().await.unwrap();
    assert_eq!(origin.connections(), 2);
}

#[tokio::test]
async fn runtimes_share_origins_and_no_sockets() {
    let origin = RawOrigin::always(HELLO).await;
    let shop = Arc::new(Shop::at(&[origin.address]));
    shop.get().await.unwrap();
    let (done, ended) = tokio::sync::oneshot::channel();
    let elsewhere = Arc::clone(&shop);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            elsewhere.get().await.unwrap();
            elsewhere.get().await.unwrap();
        });
        done.send(()).unwrap();
    });
    ended.await.unwrap();
    thread.join().unwrap();
    assert_eq!(origin.connections(), 2);
    shop.get().await.unwrap();
    assert_eq!(origin.connections(), 2);
}

/// An origin whose first `dying` connections answer one request, take another and close; later ones answer all.
/// Asked once on each of them, so that they are all in the pool.
async fn with_dead_connections(
    dying: usize,
    settings: impl Fn(OriginSettings) -> OriginSettings,
) -> (RawOrigin, Shop) {
    let asked = Arc::new(AtomicUsize::new(0));
    let all = Arc::clone(&asked);
    let origin = RawOrigin::start(move |mut connection| {
        let all = Arc::clone(&all);
        async move {
            connection.request().await;
            all.fetch_add(1, SeqCst);
            // No connection is kept, and taken again, before each of them has its request.
            until("all are connected", || all.load(SeqCst) >= dying).await;
            connection.send(HELLO).await;
            while connection.request().await.is_some() && connection.number > dying {
                connection.send(HELLO).await;
            }
        }
    })
    .await;
    let shop = Arc::new(Shop::new(&settings(crate::setting::settings(&[origin.address]))));
    let requests: Vec<_> = (0..dying)
        .map(|_| {
            let shop = Arc::clone(&shop);
            tokio::spawn(async move { shop.get().await.map(drop) })
        })
        .collect();
    for request in requests {
        request.await.unwrap().unwrap();
    }
    assert_eq!(origin.connections(), dying);
    let Ok(shop) = Arc::try_unwrap(shop) else { panic!("the requests have ended") };
    (origin, shop)
}

#[tokio::test]
async fn a_dead_connection_costs_an_idempotent_request_nothing() {
    for method in [Method::GET, Method::HEAD] {
        let (origin, shop) = with_dead_connections(1, |settings| settings).await;
        shop.whole(request(method, 0)).await.unwrap();
        assert_eq!(origin.connections(), 2);
    }
}

#[tokio::test]
async fn a_pool_full_of_dead_connections_costs_one_try() {
    let (origin, shop) = with_dead_connections(3, |settings| settings).await;
    shop.get().await.unwrap();
    assert_eq!(origin.connections(), 4);
}

#[tokio::test]
async fn a_request_that_may_have_had_an_effect_is_not_repeated() {
    let (origin, shop) = with_dead_connections(1, |settings| OriginSettings { retries: 3, ..settings }).await;
    let error = shop.whole(request(Method::POST, 0)).await.unwrap_err();
    assert!(matches!(error, FetchError::Broken(_)), "{error}");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn giving_up_closes_the_connection_and_frees_the_place() {
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    let origin = RawOrigin::start(move |mut connection| {
        let count = Arc::clone(&count);
        async move {
            connection.request().await;
            if connection.number > 1 {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").await;
            }
            connection.closed().await;
            count.fetch_add(1, SeqCst);
        }
    })
    .await;
    let shop = Arc::new(Shop::at(&[origin.address]));

    let waiting = tokio::spawn({
        let shop = Arc::clone(&shop);
        async move { shop.get().await.map(drop) }
    });
    until("the request is under way", || origin.connections() == 1).await;
    assert_eq!(shop.in_flight(), 1);
    waiting.abort();
    until("the connection is closed", || closed.load(SeqCst) == 1).await;
    assert_eq!(shop.in_flight(), 0);

    let mut reply = shop.fetch(get()).await.unwrap();
    assert_eq!(reply.body.next().await.unwrap().unwrap(), "hello");
    assert_eq!(shop.in_flight(), 1);
    drop(reply);
    assert_eq!(shop.in_flight(), 0);
    until("the connection is closed", || closed.load(SeqCst) == 2).await;
}

#[tokio::test]
async fn a_full_queue_refuses() {
    let origin = RawOrigin::always(HELLO).await;
    let shop = Arc::new(Shop::new(&OriginSettings { max_in_flight: 1, ..settings(&[origin.address]) }));
    let first = shop.fetch(get()).await.unwrap();
    let second = tokio::spawn({
        let shop = Arc::clone(&shop);
        async move { shop.get().await.map(drop) }
    });
    until("the second waits", || shop.origins.health()[0].waiting == 1).await;

    let third = shop.fetch(get()).await.err().unwrap();
    assert!(matches!(third, FetchError::Busy { retry_after } if !retry_after.is_zero()));
    assert_eq!(shop.origins.peer("shop", 0).await.err().unwrap().as_str(), "busy");
    assert_eq!(*shop.notes.errors.lock().unwrap(), ["busy", "busy"]);

    drop(first);
    second.await.unwrap().unwrap();
    shop.get().await.unwrap();
    assert_eq!(shop.notes.heads.load(SeqCst), 3);
}
