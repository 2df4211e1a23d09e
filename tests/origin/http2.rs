//! Origins that speak HTTP/2, with and without TLS.

use crate::raw::{Connection, RawOrigin};
use crate::setting::{Shop, get, settings, until};
use crate::tls::Authority;
use bytes::Bytes;
use h2::server::SendResponse;
use http::{Request, Response};
use larder::origin::{Framing, OriginSettings, Protocol};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio::io::{AsyncRead, AsyncWrite};

/// Answers every request on `stream` by `answer`, until the peer closes.
async fn serve<S, F, T>(stream: S, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<h2::RecvStream>, SendResponse<Bytes>) -> T,
    T: Future<Output = ()> + Send + 'static,
{
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut answers = tokio::task::JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        answers.spawn(answer(request, respond));
    }
}

/// An origin with prior knowledge whose answers are made by `answer`.
async fn h2c<F, T>(answer: F) -> RawOrigin
where
    F: Fn(Request<h2::RecvStream>, SendResponse<Bytes>) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    RawOrigin::start(move |connection| serve(connection.stream, answer.clone())).await
}

fn shop(origin: &RawOrigin) -> Shop {
    Shop::new(&OriginSettings { protocol: Protocol::H2c, ..settings(&[origin.address]) })
}

async fn hello(request: Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) {
    assert_eq!(request.version(), http::Version::HTTP_2);
    assert_eq!(request.uri().authority().unwrap(), "shop.example");
    assert_eq!(request.uri().path_and_query().unwrap(), "/page?q=1");
    assert!(request.body().is_end_stream(), "no empty frame follows");
    let mut body = respond.send_response(Response::new(()), false).unwrap();
    body.send_data("hel".into(), false).unwrap();
    body.send_data("lo".into(), true).unwrap();
}

#[tokio::test]
async fn without_tls_by_prior_knowledge() {
    let origin = h2c(hello).await;
    let shop = shop(&origin);
    for _ in 0..3 {
        let reply = shop.get().await.unwrap();
        assert_eq!((reply.framing, &*reply.body), (Framing::Marked, "hello"));
    }
    // All at once on the one connection, and with replies that nobody reads.
    let held = [shop.fetch(get()).await.unwrap(), shop.fetch(get()).await.unwrap()];
    shop.get().await.unwrap();
    drop(held);
    shop.get().await.unwrap();
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn with_tls_where_both_agree() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("127.0.0.1", &["h2", "http/1.1"]);
    let origin = RawOrigin::start(move |connection| {
        let acceptor = acceptor.clone();
        async move { serve(acceptor.accept(connection.stream).await.unwrap(), hello).await }
    })
    .await;
    for protocol in [Protocol::Auto, Protocol::H2] {
        let shop = Shop::new(&OriginSettings { protocol, ..authority.settings(origin.address) });
        assert_eq!(shop.get().await.unwrap().body, "hello");
    }
}

#[tokio::test]
async fn the_end_of_a_stream_is_told_from_its_loss() {
    let check = async |length: &'static str, end: Option<h2::Reason>, expected: Result<&str, &str>| {
        let origin = h2c(move |_, mut respond: SendResponse<Bytes>| async move {
            let mut head = Response::new(());
            if !length.is_empty() {
                head.headers_mut().insert("content-length", length.parse().unwrap());
            }
            let mut body = respond.send_response(head, false).unwrap();
            body.send_data("hello".into(), end.is_none()).unwrap();
            if let Some(reason) = end {
                body.send_reset(reason);
            }
        })
        .await;
        let found = shop(&origin).get().await.map(|reply| reply.body);
        match (found, expected) {
            (Ok(body), Ok(expected)) => assert_eq!(body, expected),
            (Err(error), Err(word)) => assert_eq!(error.as_str(), word, "{error}"),
            (found, expected) => panic!("{length:?} {end:?}: {found:?}, not {expected:?}"),
        }
    };
    check("", None, Ok("hello")).await;
    check("5", None, Ok("hello")).await;
    check("9", None, Err("broken")).await;
    check("3", None, Err("broken")).await;
    check("", Some(h2::Reason::INTERNAL_ERROR), Err("broken")).await;
    check("", Some(h2::Reason::NO_ERROR), Err("broken")).await;
    check("9", Some(h2::Reason::NO_ERROR), Err("broken")).await;
}

#[tokio::test]
async fn trailers_end_a_body() {
    let origin = h2c(|_, mut respond: SendResponse<Bytes>| async move {
        let mut body = respond.send_response(Response::new(()), false).unwrap();
        body.send_data("hello".into(), false).unwrap();
        body.send_trailers(http::HeaderMap::new()).unwrap();
    })
    .await;
    assert_eq!(shop(&origin).get().await.unwrap().body, "hello");
}

#[tokio::test]
async fn a_request_that_was_refused_unseen_is_sent_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let origin = h2c(move |request, mut respond: SendResponse<Bytes>| {
        let number = count.fetch_add(1, SeqCst);
        async move {
            if number == 0 {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            } else {
                hello(request, respond).await;
            }
        }
    })
    .await;
    assert_eq!(shop(&origin).get().await.unwrap().body, "hello");
    assert_eq!(asked.load(SeqCst), 2);
}

#[tokio::test]
async fn a_head_of_too_many_fields_is_refused() {
    let origin = h2c(|_, mut respond: SendResponse<Bytes>| async move {
        let mut head = Response::new(());
        for number in 0..300 {
            head.headers_mut().append("x", number.into());
        }
        respond.send_response(head, true).unwrap();
    })
    .await;
    let error = shop(&origin).get().await.unwrap_err();
    assert!(error.as_str() == "malformed" && error.to_string().contains("too large"), "{error}");
}

#[tokio::test]
async fn giving_up_ends_the_stream_and_not_the_connection() {
    let resets = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&resets);
    let origin = h2c(move |_, mut respond: SendResponse<Bytes>| {
        let count = Arc::clone(&count);
        async move {
            let mut body = respond.send_response(Response::new(()), false).unwrap();
            body.send_data("hello".into(), false).unwrap();
            std::future::poll_fn(|context| body.poll_reset(context)).await.unwrap();
            count.fetch_add(1, SeqCst);
        }
    })
    .await;
    let shop = shop(&origin);
    for round in 1..=2 {
        let mut reply = shop.fetch(get()).await.unwrap();
        assert_eq!(reply.body.next().await.unwrap().unwrap(), "hello");
        drop(reply);
        until("the stream is reset", || resets.load(SeqCst) == round).await;
    }
    assert_eq!((origin.connections(), shop.in_flight()), (1, 0));
}

#[tokio::test]
async fn an_http1_origin_is_not_mistaken_for_one() {
    let origin = RawOrigin::once("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    let error = shop(&origin).get().await.unwrap_err();
    assert!(["malformed", "broken"].contains(&error.as_str()), "{error}");
}

#[tokio::test]
async fn a_server_that_wants_http1_after_all_is_asked_once() {
    let authority = Authority::new();
    let acceptor = authority.acceptor("127.0.0.1", &["h2", "http/1.1"]);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let origin = RawOrigin::start(move |connection| {
        let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
        async move {
            let stream = acceptor.accept(connection.stream).await.unwrap();
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                let refuse = move |_, mut respond: SendResponse<Bytes>| {
                    count.fetch_add(1, SeqCst);
                    async move { respond.send_reset(h2::Reason::HTTP_1_1_REQUIRED) }
                };
                return serve(stream, refuse).await;
            }
            let mut connection = Connection { stream, number: connection.number };
            while connection.request().await.is_some() {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
            }
        }
    })
    .await;
    let shop = Shop::new(&authority.settings(origin.address));
    for _ in 0..3 {
        assert_eq!(shop.get().await.unwrap().body, "hello");
    }
    assert_eq!((asked.load(SeqCst), origin.connections()), (1, 2));
}
