//! Servers that fail, and what is set so that none can work.

use crate::raw::{RawOrigin, refusing};
use crate::setting::{Names, Shop, get, request, settings, until};
use http::Method;
use larder::origin::{
    OriginContext, OriginError, OriginSettings, Origins, Protocol, ServerAddress, ServerState,
};
use larder::time::SystemClock;
use std::sync::Arc;
use std::time::Duration;

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_refused_connection_goes_to_another_server() {
    let (refusing, origin) = (refusing().await, RawOrigin::always(HELLO).await);
    let servers = [refusing, origin.address];
    let shop = Shop::new(&OriginSettings { retries: 1, ..settings(&servers) });
    for _ in 0..4 {
        shop.get().await.unwrap();
    }
    // Nothing was sent, so this holds for every method.
    shop.whole(request(Method::POST, 0)).await.unwrap();
    assert_eq!(shop.states(&servers), [ServerState::Avoided, ServerState::Healthy]);
    assert!(shop.notes.errors.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_failed_is_avoided_for_a_while_and_never_the_last() {
    let (refusing, origin) = (refusing().await, RawOrigin::always(HELLO).await);
    let servers = [refusing, origin.address];
    let shop = Shop::at(&servers);
    // Without retries each turn of the refusing server is an error, but there is only one such turn.
    let mut failed = 0;
    for _ in 0..6 {
        failed += usize::from(shop.get().await.is_err());
    }
    assert_eq!(failed, 1);
    shop.clock.move_on(Duration::from_millis(500));
    assert_eq!(shop.states(&servers), [ServerState::Healthy; 2]);
    for _ in 0..6 {
        failed += usize::from(shop.get().await.is_err());
    }
    assert_eq!(failed, 2);

    let alone = Shop::at(&[refusing]);
    for _ in 0..3 {
        assert_eq!(alone.get().await.unwrap_err().as_str(), "connect", "it is still asked");
    }
    assert_eq!(alone.states(&[refusing]), [ServerState::Avoided]);
}

#[tokio::test]
async fn refused_by_all() {
    let servers = [refusing().await, refusing().await, refusing().await];
    let check = async |retries, avoided: usize| {
        let shop = Shop::new(&OriginSettings { retries, ..settings(&servers) });
        let error = shop.get().await.unwrap_err();
        assert!(error.to_string().contains("cannot connect: Connection refused"), "{error}");
        let states = shop.states(&servers);
        assert_eq!(states.iter().filter(|state| **state == ServerState::Avoided).count(), avoided);
        assert_eq!(*shop.notes.errors.lock().unwrap(), ["connect"]);
        assert_eq!(shop.in_flight(), 0);
    };
    check(0, 1).await;
    check(1, 2).await;
    check(9, 3).await;
}

#[tokio::test]
async fn a_server_that_takes_requests_and_dies_is_left_for_another() {
    let dying = RawOrigin::once("HTTP/1.1 200").await;
    let origin = RawOrigin::always(HELLO).await;
    let servers = [dying.address, origin.address];
    let shop = Shop::new(&OriginSettings { retries: 1, ..settings(&servers) });
    for _ in 0..8 {
        shop.get().await.unwrap();
    }
    // Its third failure in a row was its last turn.
    assert_eq!(dying.connections(), 3);
    assert_eq!(shop.states(&servers), [ServerState::Avoided, ServerState::Healthy]);

    let mut posts = Vec::new();
    shop.clock.move_on(Duration::from_secs(1));
    for _ in 0..2 {
        posts.push(shop.whole(request(Method::POST, 0)).await.is_ok());
    }
    posts.sort_unstable();
    assert_eq!(posts, [false, true], "a request that may have had an effect is not repeated");
}

#[tokio::test]
async fn no_server_is_asked_twice_for_one_request() {
    let origin = RawOrigin::once("HTTP/1.1 200").await;
    let shop = Shop::new(&OriginSettings { retries: 5, ..settings(&[origin.address]) });
    assert_eq!(shop.get().await.unwrap_err().as_str(), "broken");
    assert_eq!(origin.connections(), 1);
}

#[tokio::test]
async fn requests_that_pass_through_share_limits_and_judgement() {
    let servers = [refusing().await, refusing().await];
    let shop = Shop::new(&OriginSettings { max_in_flight: 2, ..settings(&servers) });
    let first = shop.origins.peer("shop", 0).await.unwrap();
    assert_eq!(shop.in_flight(), 1);
    assert_eq!(first.peer.options.read_timeout, Some(Duration::from_secs(5)));

    shop.origins.report(&first.server, true);
    let failed = first.server.address();
    assert_eq!(shop.states(&[failed]), [ServerState::Avoided]);
    for _ in 0..4 {
        let other = shop.origins.peer("shop", 0).await.unwrap();
        assert_ne!(other.server.address(), failed);
    }
    shop.origins.report(&first.server, false);
    assert_eq!(shop.states(&[failed]), [ServerState::Healthy]);

    drop(first);
    assert_eq!(shop.in_flight(), 0);
    assert_eq!(shop.origins.peer("other", 0).await.err().unwrap().as_str(), "no_server");
}

#[tokio::test]
async fn what_can_never_work_is_an_error_at_the_start() {
    let sound = settings(&["127.0.0.1:80".parse().unwrap()]);
    let context = OriginContext::new(Arc::new(SystemClock::new()), Arc::new(()));
    let check = |origins: &[OriginSettings], expected: &str| {
        let error = Origins::new(origins, &context).err().expect("an error");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains("`shop`"), "{error}");
    };
    let server = |tls, host: &str, port| vec![ServerAddress { tls, host: host.to_owned(), port }];
    let with = |servers, protocol| OriginSettings { servers, protocol, ..sound.clone() };
    check(&[sound.clone(), sound.clone()], "is there twice");
    check(&[with(Vec::new(), Protocol::Auto)], "has no servers");
    check(&[with(server(false, "", 80), Protocol::Auto)], "it has no name");
    check(&[with(server(false, "a", 0), Protocol::Auto)], "port 0");
    check(&[with(server(true, "a b", 443), Protocol::Auto)], "no certificate can bear its name");
    check(&[with(server(true, "a", 443), Protocol::H2c)], "write `protocol: h2`");
    check(&[with(server(false, "a", 80), Protocol::H2)], "write `protocol: h2c`");
    check(&[OriginSettings { max_in_flight: 0, ..sound.clone() }], "write 1 or more");
    let missing =
        OriginSettings { ca: Some("/no/such.pem".into()), ..with(server(true, "a", 443), Protocol::Auto) };
    check(&[missing], "/no/such.pem");
    let health_check = Some(larder::origin::HealthCheckSettings {
        path: "healthz".to_owned(),
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
    });
    check(&[OriginSettings { health_check, ..sound.clone() }], "write it as `/healthz`");
}

#[test]
fn origins_want_a_runtime() {
    let context = OriginContext::new(Arc::new(SystemClock::new()), Arc::new(()));
    assert_eq!(Origins::new(&[], &context).err(), Some(OriginError::NoRuntime));
}

#[tokio::test]
async fn background_tasks_end_with_their_owner() {
    let mut moving = settings(&[]);
    moving.servers = vec![ServerAddress { tls: false, host: "app".to_owned(), port: 80 }];
    let names = Arc::new(Names::default());

    let Shop { origins, clock, .. } = Shop::with_names(&moving, &names);
    origins.refresh().await;
    origins.shutdown().await;
    // Nobody is left to be asked, and nobody waits for an answer.
    origins.refresh().await;
    drop(origins);
    assert_eq!(Arc::strong_count(&clock), 1);

    let Shop { origins, clock, .. } = Shop::with_names(&moving, &names);
    drop(origins);
    until("the tasks have ended", || Arc::strong_count(&clock) == 1).await;
}

#[tokio::test]
async fn a_reply_outlives_the_origins_it_came_from() {
    let origin = RawOrigin::always(HELLO).await;
    let shop = Shop::at(&[origin.address]);
    let mut reply = shop.fetch(get()).await.unwrap();
    shop.origins.shutdown().await;
    drop(shop);
    assert_eq!(reply.body.next().await.unwrap().unwrap(), "hello");
    assert_eq!(reply.body.next().await.unwrap(), None);
}
