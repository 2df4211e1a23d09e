//! One cold key costs the origin one request, and nobody waits for somebody else's fate.

use crate::support::{Document, Gate, Larder, Origin, Process, Reply, all, pattern};

#[tokio::test]
async fn four_hundred_clients_on_a_cold_key_cost_one_request_and_read_it_as_it_arrives() {
    const CLIENTS: usize = 400;
    let origin = Origin::start().await;
    // A process of its own, so that both ends of 400 connections do not share one limit of open files.
    let larder = Process::run(&Larder::before(&origin)).await;
    let body = pattern(200_000);
    let gate = Gate::shut();
    origin.on("/cold", Reply::fresh(60, body.clone()).hold_at(150_000, &gate));

    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(larder.get("/cold").begin())).collect();
    let mut replies = all(clients).await;
    // The origin still holds the last bytes, and everyone has all the others.
    for reply in &mut replies {
        assert_eq!(reply.head.status(), 200);
        assert_eq!(reply.bytes(150_000).await, body[..150_000]);
    }
    gate.open();
    for reply in replies {
        assert_eq!(reply.rest().await.unwrap(), body[150_000..]);
    }
    assert_eq!(origin.count("/cold"), 1);
    assert!(larder.get("/cold").send().await.is_hit());
}

#[tokio::test]
async fn those_who_were_served_by_anothers_fill_are_told() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let (head, tail) = (Gate::shut(), Gate::shut());
    origin.on("/x", Reply::fresh(60, "first last").hold_head(&head).hold_at(6, &tail));

    let first = tokio::spawn(larder.get("/x").begin());
    head.reached().await;
    head.open();
    let first = first.await.unwrap();
    // The first reply goes on, so this one can only join it.
    let second = larder.get("/x").begin().await;
    tail.open();
    for (reply, collapsed) in [(&first, false), (&second, true)] {
        let told = reply.head.fields.get("cache-status").unwrap();
        assert_eq!(told.split("; ").any(|part| part == "collapsed"), collapsed, "{told}");
        assert!(told.starts_with("larder; fwd=uri-miss; "), "{told}");
    }
    assert_eq!(
        (first.rest().await.unwrap(), second.rest().await.unwrap()),
        ("first last".into(), "first last".into())
    );
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn an_uncacheable_reply_releases_everybody_and_is_remembered() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let gate = Gate::shut();
    let held = gate.clone();
    let document = Document::new("private", "private");
    origin.on_request("/x", move |seen| document.answer(seen).hold_at(3, &held));

    // The origin holds the first one's last bytes; whoever waits for those would wait for ever.
    let clients: Vec<_> = (0..20).map(|_| tokio::spawn(larder.get("/x").begin())).collect();
    let replies = all(clients).await;
    origin.asked("/x", 20).await;
    // Known by now: the next ones go to the origin without queueing first.
    let next: Vec<_> = (0..5).map(|_| tokio::spawn(larder.get("/x").begin())).collect();
    let next = all(next).await;
    assert_eq!(origin.count("/x"), 25);
    gate.open();
    for reply in replies.into_iter().chain(next) {
        assert_eq!(reply.rest().await.unwrap(), "private");
    }
}

#[tokio::test]
async fn a_fill_goes_on_when_its_client_leaves() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let body = pattern(100_000);
    let gate = Gate::shut();
    origin.on("/x", Reply::fresh(60, body.clone()).hold_at(50_000, &gate));

    let mut leaving = larder.get("/x").begin().await;
    leaving.bytes(10_000).await;
    let mut staying = larder.get("/x").begin().await;
    staying.bytes(10_000).await;
    drop(leaving);
    gate.open();
    assert_eq!(staying.rest().await.unwrap(), body[10_000..]);
    assert!(larder.get("/x").send().await.is_hit());
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn a_fill_goes_on_when_nobody_is_left() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let body = pattern(100_000);
    let gate = Gate::shut();
    origin.on("/x", Reply::fresh(60, body.clone()).hold_at(50_000, &gate));

    let mut connection = larder.get("/x").launch().await;
    connection.head().await.unwrap();
    connection.reset();
    gate.reached().await;
    gate.open();
    // Either it is stored by now, or this one joins what is still under way.
    assert_eq!(larder.get("/x").send().await.body, body);
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn a_slow_reader_holds_nobody_up() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let body = pattern(4_000_000);
    origin.on("/x", Reply::fresh(60, body.clone()));

    // Reads its head and then nothing, far beyond what the sockets between can hold.
    let slow = larder.get("/x").begin().await;
    for _ in 0..3 {
        assert_eq!(larder.get("/x").send().await.body, body);
    }
    assert_eq!(slow.rest().await.unwrap(), body);
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn waiters_of_a_fill_that_fails_are_answered() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let gate = Gate::shut();
    origin.on("/x", Reply::raw("").hold_head(&gate).reset_at(0));

    let clients: Vec<_> = (0..20).map(|_| tokio::spawn(larder.get("/x").send())).collect();
    gate.reached().await;
    gate.open();
    for reply in all(clients).await {
        reply.assert_problem(502);
    }
    let asked = origin.count("/x");
    assert!(asked <= 40, "{asked} requests for 20 clients: a failing origin is not hammered");

    origin.on("/x", Reply::fresh(60, "well again"));
    assert_eq!(larder.get("/x").send().await.text(), "well again");
}

#[tokio::test]
async fn an_object_over_the_limit_streams_to_everybody_and_is_not_stored() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules("memory: { max_size: 16MiB, max_object: 100KiB }").start();
    let body = pattern(1_000_000);
    for (path, chunked) in [("/length", false), ("/chunked", true)] {
        let reply = Reply::fresh(60, body.clone());
        origin.on(path, if chunked { reply.chunked() } else { reply });
        let clients: Vec<_> = (0..8).map(|_| tokio::spawn(larder.get(path).send())).collect();
        for reply in all(clients).await {
            assert_eq!(reply.body, body, "{path}");
        }
        let reply = larder.get(path).send().await;
        assert!(!reply.is_hit(), "{path}: {}", reply.cache_status());
        assert_eq!(reply.body, body, "{path}");
    }
}

#[tokio::test]
async fn an_object_over_the_limit_takes_bounded_memory() {
    const PIECES: usize = 1600;
    let origin = Origin::start().await;
    let rules = "memory: { max_size: 16MiB, max_object: 1MiB }";
    let larder = Process::run_counted(&Larder::before(&origin).rules(rules)).await;
    let piece = pattern(64 << 10);
    for (path, chunked) in [("/length", false), ("/chunked", true)] {
        let reply = Reply::repeated(piece.clone(), PIECES).header("Cache-Control", "max-age=60");
        origin.on(path, if chunked { reply.chunked() } else { reply });
        let before = larder.peak_memory();
        let mut reply = larder.get(path).begin().await;
        for number in 0..PIECES {
            assert_eq!(reply.bytes(piece.len()).await, piece, "{path}: piece {number}");
        }
        assert_eq!(reply.rest().await.unwrap(), "");
        let grown = larder.peak_memory() - before;
        assert!(grown < 16 << 20, "{path}: 100 MiB took {grown} bytes of memory");
    }
}

#[tokio::test]
async fn collapsing_can_be_turned_off() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules("defaults: { cache: { ttl: 60s, collapse: off } }").start();
    let gate = Gate::shut();
    origin.on("/x", Reply::ok("x").hold_head(&gate));

    let clients: Vec<_> = (0..4).map(|_| tokio::spawn(larder.get("/x").send())).collect();
    gate.reached_by(4).await;
    gate.open();
    assert!(all(clients).await.iter().all(|reply| reply.text() == "x"));
}
