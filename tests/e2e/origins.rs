//! Origins of several servers, over TLS and HTTP/2, that come and go.

use crate::support::{Authority, Gate, H2Origin, Larder, Origin, Reply, all, eventually};

const BYPASS: &str = "defaults: { cache: bypass }";

fn servers(origins: &[&Origin], more: &str) -> String {
    let urls: Vec<_> = origins.iter().map(|origin| format!("\"{}\"", origin.url())).collect();
    format!("origins: {{ default: {{ servers: [{}], {more} }} }}", urls.join(", "))
}

#[tokio::test]
async fn requests_are_spread_over_the_servers() {
    let (one, two) = (Origin::start().await, Origin::start().await);
    for origin in [&one, &two] {
        origin.on("/x", Reply::ok("x"));
    }
    let larder = Larder::with_origins(&servers(&[&one, &two], "balance: round_robin")).rules(BYPASS).start();
    for _ in 0..20 {
        assert_eq!(larder.get("/x").send().await.text(), "x");
    }
    assert_eq!((one.count("/x"), two.count("/x")), (10, 10));
}

#[tokio::test]
async fn a_key_stays_with_its_server_under_consistent_hashing() {
    let (one, two) = (Origin::start().await, Origin::start().await);
    one.otherwise(|_| Reply::ok("one"));
    two.otherwise(|_| Reply::ok("two"));
    let larder =
        Larder::with_origins(&servers(&[&one, &two], "balance: consistent_hash")).rules(BYPASS).start();
    let mut seen = std::collections::HashSet::new();
    for key in 0..40 {
        let path = format!("/{key}");
        let first = larder.get(&path).send().await;
        for _ in 0..3 {
            assert_eq!(larder.get(&path).send().await.body, first.body, "{path}");
        }
        seen.insert(first.body);
    }
    assert_eq!(seen.len(), 2, "both servers have keys");
}

#[tokio::test]
async fn a_server_that_is_down_costs_no_request() {
    let (one, two) = (Origin::start().await, Origin::start().await);
    one.on("/x", Reply::ok("x"));
    let larder = Larder::with_origins(&servers(&[&one, &two], "retries: 1")).rules(BYPASS).start();
    drop(two);
    for _ in 0..10 {
        assert_eq!(larder.get("/x").send().await.status, 200);
    }
}

#[tokio::test]
async fn a_server_that_fails_its_health_check_gets_no_requests_until_it_is_well() {
    let (one, two) = (Origin::start().await, Origin::start().await);
    for origin in [&one, &two] {
        origin.on("/x", Reply::ok("x")).on("/healthz", Reply::ok("well"));
    }
    let check = "health_check: { path: /healthz, interval: 100ms }";
    let larder = Larder::with_origins(&servers(&[&one, &two], check)).rules(BYPASS).start();

    two.on("/healthz", Reply::status(503));
    eventually("the sick one is left alone", || async {
        let before = two.count("/x");
        for _ in 0..6 {
            assert_eq!(larder.get("/x").send().await.status, 200);
        }
        two.count("/x") == before
    })
    .await;

    two.on("/healthz", Reply::ok("well"));
    let before = two.count("/x");
    eventually("the other one is asked again", || async {
        larder.get("/x").send().await;
        two.count("/x") > before
    })
    .await;
}

#[tokio::test]
async fn a_pooled_connection_that_died_costs_no_request() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.otherwise(|seen| Reply::fresh(60, seen.target.clone()).closing());
    for number in 0..20 {
        let path = format!("/{number}");
        assert_eq!(larder.get(&path).send().await.text(), path);
    }
}

#[tokio::test]
async fn connections_to_the_origin_are_used_again() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    origin.otherwise(|seen| Reply::ok(seen.target.clone()));
    let mut client = larder.connect().await;
    for number in 0..20 {
        larder.get(&format!("/{number}")).send_on(&mut client).await;
    }
    assert!(origin.connections() <= 4, "{} connections for 20 requests", origin.connections());
}

#[tokio::test]
async fn an_origin_that_comes_back_is_asked_again() {
    let origin = Origin::start().await;
    let address = origin.address();
    let larder = Larder::before(&origin).start();
    origin.on("/x", Reply::ok("x"));
    assert_eq!(larder.get("/x").send().await.status, 200);
    drop(origin);
    larder.get("/x").send().await.assert_problem(502);
    let origin = Origin::restart_at(address).await;
    origin.on("/x", Reply::ok("back"));
    eventually("it is asked again", || async { larder.get("/x").send().await.status == 200 }).await;
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_the_origin_may_have() {
    let origin = Origin::start().await;
    let larder = Larder::with_origins(&servers(&[&origin], "max_in_flight: 2")).start();
    let gate = Gate::shut();
    let held = gate.clone();
    origin.otherwise(move |seen| Reply::fresh(60, seen.target.clone()).hold_head(&held));

    let clients: Vec<_> =
        (0..4).map(|number| tokio::spawn(larder.get(&format!("/{number}")).send())).collect();
    gate.reached_by(2).await;
    assert_eq!(origin.requests().len(), 2);
    gate.open();
    for (number, client) in clients.into_iter().enumerate() {
        assert_eq!(
            client.await.unwrap().text(),
            format!("/{number}"),
            "those who waited are served in the end"
        );
    }
}

#[tokio::test]
async fn those_for_whom_there_is_no_room_are_told_when_to_come_again() {
    let origin = Origin::start().await;
    let larder = Larder::with_origins(&servers(&[&origin], "max_in_flight: 1")).rules(BYPASS).start();
    let gate = Gate::shut();
    origin.on("/x", Reply::ok("x").hold_head(&gate));

    let clients: Vec<_> = (0..20).map(|_| tokio::spawn(larder.get("/x").send())).collect();
    gate.reached().await;
    // The queue is bounded, and twenty are more than it can hold beside the one that is under way.
    let refused = larder.get("/x").send().await;
    refused.assert_problem(503);
    assert!(refused.field("retry-after").parse::<u64>().unwrap() > 0);
    gate.open();
    let replies = all(clients).await;
    assert!(replies.iter().any(|reply| reply.text() == "x"));
    assert!(replies.iter().all(|reply| matches!(reply.status, 200 | 503)), "{replies:#?}");
}

#[tokio::test]
async fn tls_origins_are_verified() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let origin = Origin::start_tls(&authority).await;
    origin.on("/x", Reply::fresh(60, "secure"));
    for (trusted, status) in [(&authority, 200), (&stranger, 502)] {
        let ca = trusted.file();
        let larder = Larder::with_origins(&servers(&[&origin], &format!("ca: {}", ca.display()))).start();
        for target in ["/x", "/x"] {
            let reply = larder.get(target).send().await;
            assert_eq!(reply.status, status, "{reply:#?}");
        }
        let passed = larder.request("POST", "/x").body("data").send().await;
        assert_eq!(passed.status, status, "{passed:#?}");
    }
}

#[tokio::test]
async fn a_system_that_does_not_know_the_authority_refuses_the_origin() {
    let authority = Authority::new();
    let origin = Origin::start_tls(&authority).await;
    origin.on("/x", Reply::ok("x"));
    let larder = Larder::before(&origin).start();
    larder.get("/x").send().await.assert_problem(502);
    assert!(origin.requests().is_empty());
}

#[tokio::test]
async fn h2c_origins_are_fetched_from_and_stored() {
    let origin = H2Origin::start().await;
    let larder = Larder::before_h2(&origin).rules("defaults: { cache: { ttl: 60s } }").start();
    for round in 0..2 {
        let reply = larder.get("/x?y=1").send().await;
        assert_eq!((reply.status, reply.is_hit()), (200, round == 1), "{reply:#?}");
    }
    let seen = origin.requests();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].uri.path_and_query().unwrap(), "/x?y=1");
    assert_eq!(seen[0].uri.authority().unwrap(), "shop.test");
}
