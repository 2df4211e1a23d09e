//! How requests are spread, and how servers come and go.

use crate::raw::RawOrigin;
use crate::setting::{Names, Shop, get, request, settings, until};
use http::Method;
use larder::origin::{Balance, HealthCheckSettings, OriginSettings, ServerAddress, ServerState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::time::Duration;

/// Origins that each say their number, and their addresses.
async fn numbered(count: usize) -> (Vec<RawOrigin>, Vec<SocketAddr>) {
    let mut origins = Vec::new();
    for number in 0..count {
        origins
            .push(RawOrigin::always(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}")).await);
    }
    let addresses = origins.iter().map(|origin| origin.address).collect();
    (origins, addresses)
}

async fn who(shop: &Shop, affinity: u64) -> usize {
    shop.whole(request(Method::GET, affinity)).await.unwrap().body.parse().unwrap()
}

#[tokio::test]
async fn each_server_has_its_turn() {
    let (_origins, addresses) = numbered(3).await;
    let shop = Shop::at(&addresses);
    let mut turns = [0; 3];
    for _ in 0..30 {
        turns[who(&shop, 7).await] += 1;
    }
    assert_eq!(turns, [10; 3]);
}

#[tokio::test]
async fn a_key_keeps_its_server_and_few_move() {
    let (_origins, addresses) = numbered(4).await;
    let consistent = |servers: &[SocketAddr]| {
        Shop::new(&OriginSettings { balance: Balance::ConsistentHash, ..settings(servers) })
    };
    let (all, fewer) = (consistent(&addresses), consistent(&addresses[..3]));
    let mut turns = [0; 4];
    for key in 0..200 {
        let server = who(&all, key).await;
        assert_eq!(who(&all, key).await, server, "the same every time");
        turns[server] += 1;
        if server < 3 {
            assert_eq!(who(&fewer, key).await, server, "only the keys of the missing server move");
        }
    }
    assert!(turns.iter().all(|&turns| turns > 10), "{turns:?}");
}

#[tokio::test]
async fn the_least_busy_server_is_asked() {
    let (_origins, addresses) = numbered(3).await;
    let shop = Shop::new(&OriginSettings { balance: Balance::LeastConnections, ..settings(&addresses) });
    // Two replies that nobody reads to their end keep their servers busy.
    let busy = [shop.fetch(get()).await.unwrap(), shop.fetch(get()).await.unwrap()];
    let mut idle = Vec::new();
    for _ in 0..5 {
        idle.push(who(&shop, 0).await);
    }
    assert!(idle.iter().all(|server| *server == idle[0]), "{idle:?}");
    drop(busy);
    let mut turns = [0; 3];
    for _ in 0..30 {
        turns[who(&shop, 0).await] += 1;
    }
    assert_eq!(turns, [10; 3], "equals have their turns");
}

fn named(names: &[&str]) -> OriginSettings {
    let server = |name: &&str| ServerAddress { tls: false, host: (*name).to_owned(), port: 80 };
    OriginSettings { servers: names.iter().map(server).collect(), ..settings(&[]) }
}

#[tokio::test]
async fn names_are_followed_where_they_move() {
    let (_origins, addresses) = numbered(3).await;
    let names = Arc::new(Names::default());
    names.set("app", &addresses[..1]);
    let shop = Shop::with_names(&named(&["app"]), &names);
    assert_eq!(who(&shop, 0).await, 0);

    names.set("app", &addresses[1..]);
    shop.origins.refresh().await;
    let mut turns = [0; 3];
    for _ in 0..10 {
        turns[who(&shop, 0).await] += 1;
    }
    assert_eq!(turns, [0, 5, 5], "every address of a name is a server");

    names.forget("app");
    shop.origins.refresh().await;
    assert_ne!(who(&shop, 0).await, 0, "the last good answer stays");
    let health = shop.origins.health().remove(0);
    assert_eq!(health.unresolved, [("http://app:80".to_owned(), "no such name".to_owned())]);
    assert!(health.usable());
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_an_error_of_each_request() {
    let (_origins, addresses) = numbered(1).await;
    let names = Arc::new(Names::default());
    let shop = Shop::with_names(&named(&["app"]), &names);
    assert_eq!(shop.get().await.unwrap_err().as_str(), "no_server");
    let health = shop.origins.health().remove(0);
    assert!(!health.usable());
    assert_eq!(health.unresolved.len(), 1);
    assert_eq!(*shop.notes.errors.lock().unwrap(), ["no_server"]);

    names.set("app", &addresses);
    shop.origins.refresh().await;
    assert_eq!(who(&shop, 0).await, 0);
    assert!(shop.origins.health()[0].unresolved.is_empty());
}

#[tokio::test(start_paused = true)]
async fn names_are_looked_up_as_they_age() {
    let names = Arc::new(Names::default());
    let shop = Shop::with_names(&named(&["app"]), &names);
    until("the first look-up", || names.asked.load(SeqCst) == 1).await;
    // A name that never resolved is tried every second, one that did every ten.
    tokio::time::advance(Duration::from_secs(1)).await;
    until("the second", || names.asked.load(SeqCst) == 2).await;
    names.set("app", &["127.0.0.1:1".parse().unwrap()]);
    tokio::time::advance(Duration::from_secs(1)).await;
    until("the third", || names.asked.load(SeqCst) == 3 && shop.origins.health()[0].usable()).await;
    for _ in 0..9 {
        tokio::time::advance(Duration::from_secs(1)).await;
        // Long enough for the task to have looked, had it been time.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(names.asked.load(SeqCst), 3);
    tokio::time::advance(Duration::from_secs(1)).await;
    until("the fourth", || names.asked.load(SeqCst) == 4).await;
}

/// An origin that answers `/healthz` with the status it is told, and everything else with 200.
async fn checked(status: &Arc<AtomicU16>) -> RawOrigin {
    let status = Arc::clone(status);
    RawOrigin::start(move |mut connection| {
        let status = Arc::clone(&status);
        async move {
            while let Some(head) = connection.request().await {
                let status = if head.starts_with("GET /healthz ") { status.load(SeqCst) } else { 200 };
                connection.send(format!("HTTP/1.1 {status} Said\r\nContent-Length: 0\r\n\r\n")).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn servers_that_fail_their_checks_get_no_requests() {
    let statuses = [200, 200].map(|status| Arc::new(AtomicU16::new(status)));
    let origins = [checked(&statuses[0]).await, checked(&statuses[1]).await];
    let addresses = [origins[0].address, origins[1].address];
    let health_check = Some(HealthCheckSettings {
        path: "/healthz".to_owned(),
        interval: Duration::from_secs(3600),
        timeout: Duration::from_secs(5),
    });
    let shop = Shop::new(&OriginSettings { health_check, ..settings(&addresses) });
    let check = async |said: [u16; 2], rounds: usize, expected: [ServerState; 2]| {
        for (status, said) in statuses.iter().zip(said) {
            status.store(said, SeqCst);
        }
        for _ in 0..rounds {
            shop.origins.refresh().await;
        }
        assert_eq!(shop.states(&addresses), expected, "{said:?}");
    };
    let (healthy, unhealthy) = (ServerState::Healthy, ServerState::Unhealthy);
    check([200, 304], 2, [healthy, healthy]).await;
    check([503, 200], 1, [healthy, healthy]).await;
    check([503, 200], 1, [unhealthy, healthy]).await;
    let asked = origins[0].connections();
    for _ in 0..4 {
        shop.get().await.unwrap();
    }
    assert_eq!(origins[0].connections(), asked);

    check([404, 500], 2, [unhealthy, unhealthy]).await;
    assert_eq!(shop.get().await.unwrap_err().as_str(), "no_server");
    assert!(!shop.origins.health()[0].usable());
    check([200, 500], 1, [healthy, unhealthy]).await;
    shop.get().await.unwrap();
}

#[tokio::test]
async fn a_check_that_never_ends_fails() {
    let origin = RawOrigin::start(|mut connection| async move {
        connection.request().await;
        connection.send("HTTP/1.1 200 OK\r\n\r\nhello").await;
        connection.closed().await;
    })
    .await;
    let health_check = Some(HealthCheckSettings {
        path: "/".to_owned(),
        interval: Duration::from_secs(3600),
        timeout: Duration::from_millis(20),
    });
    let shop = Shop::new(&OriginSettings { health_check, ..settings(&[origin.address]) });
    shop.origins.refresh().await;
    shop.origins.refresh().await;
    assert_eq!(shop.states(&[origin.address]), [ServerState::Unhealthy]);
}
