//! A write that went through Larder invalidates what it changed, or may have changed.

use crate::support::{Document, Gate, Larder, Origin, Reply, eventually};
use tokio::task::JoinSet;

async fn stored(paths: &[&str], rules: &str) -> (Origin, Larder) {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).rules(rules).start();
    for path in paths {
        origin.on(path, Reply::fresh(60, "x"));
        larder.get(path).send().await;
        assert!(larder.get(path).send().await.is_hit(), "{path}");
    }
    (origin, larder)
}

#[tokio::test]
async fn every_unsafe_method_invalidates_its_target_and_says_at_which_position() {
    for method in ["PUT", "POST", "DELETE", "PATCH", "FROB"] {
        let (origin, larder) = stored(&["/x", "/y"], "").await;
        larder.get("/x?q=1").send().await;
        origin.on_request("/x", |seen| match seen.method.as_str() {
            "GET" => Reply::fresh(60, "new"),
            _ => Reply::status(200).body("done"),
        });

        let written = larder.request(method, "/x").body("data").send().await;
        assert_eq!((written.status, written.text()), (200, "done"), "{method}");
        assert!(written.field("larder-position").parse::<u64>().unwrap() > 0, "{method}");
        for target in ["/x", "/x?q=1"] {
            assert_eq!(larder.get(target).send().await.text(), "new", "{method} {target}");
        }
        assert!(larder.get("/y").send().await.is_hit(), "{method}");
    }
}

#[tokio::test]
async fn a_safe_method_invalidates_nothing() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        let (_origin, larder) = stored(&["/x"], "").await;
        let reply = larder.request(method, "/x").send().await;
        assert!(!reply.fields.has("larder-position"), "{method}");
        assert!(larder.get("/x").send().await.is_hit(), "{method}");
    }
}

#[tokio::test]
async fn location_and_content_location_are_invalidated_on_the_same_host_alone() {
    let (origin, larder) = stored(&["/created", "/shown", "/relative/to", "/foreign"], "").await;
    for (name, value, gone) in [
        ("Location", "/created", "/created"),
        ("Content-Location", "http://shop.test/shown", "/shown"),
        ("Location", "to", "/relative/to"),
    ] {
        origin.on("/relative/from", Reply::status(201).header(name, value));
        larder.request("POST", "/relative/from").body("data").send().await;
        assert!(!larder.get(gone).send().await.is_hit(), "{name}: {value}");
    }
    origin.on("/relative/from", Reply::status(201).header("Location", "http://other.test/foreign"));
    larder.request("POST", "/relative/from").body("data").send().await;
    assert!(larder.get("/foreign").send().await.is_hit(), "another host's reply is not this one's to purge");
}

#[tokio::test]
async fn on_write_purges_what_the_rule_names() {
    let rules = r#"
        routes:
          - name: product
            path: /products/{id}
            cache: { ttl: 60s, tags: ["product:{id}"] }
            on_write:
              purge:
                - { url: self }
                - { tag: "product:{id}" }
                - { prefix: /categories }
                - { url: "/stock/{id}" }
                - { route: search }
          - { name: search, path: /search, cache: { ttl: 60s } }
          - { name: reviews, path: "/reviews/{id}", cache: { ttl: 60s, tags: ["product:{id}"] } }
    "#;
    let gone = ["/products/7", "/reviews/7", "/categories/1", "/categories/1/2", "/stock/7", "/search"];
    let kept = ["/products/8", "/reviews/8", "/categories-other", "/stock/8"];
    let all: Vec<_> = gone.iter().chain(&kept).copied().collect();
    let (_origin, larder) = stored(&all, rules).await;

    larder.put("/products/7", "data").send().await;
    for path in gone {
        assert!(!larder.get(path).send().await.is_hit(), "{path}");
    }
    for path in kept {
        assert!(larder.get(path).send().await.is_hit(), "{path}");
    }
}

#[tokio::test]
async fn a_refused_write_changes_nothing_and_a_failed_one_may_have() {
    for (status, hit) in
        [(400, true), (401, true), (404, true), (409, true), (412, true), (500, false), (503, false)]
    {
        let (origin, larder) = stored(&["/x"], "").await;
        origin.on("/x", Reply::status(status));
        assert_eq!(larder.put("/x", "data").send().await.status, status);
        origin.on("/x", Reply::fresh(60, "x"));
        assert_eq!(larder.get("/x").send().await.is_hit(), hit, "{status}");
    }
}

#[tokio::test]
async fn a_write_that_breaks_off_half_way_may_have_changed_it() {
    let broken = [
        ("a reset", Reply::raw("").reset_at(0)),
        ("an end", Reply::raw("")),
        ("half a head", Reply::raw("HTTP/1.1 200 OK\r\nContent-")),
        ("garbage", Reply::raw("\0\0\0\0\r\n\r\n")),
        ("half a body", Reply::ok("0123456789").cut_at(5)),
    ];
    for (name, reply) in broken {
        let origin = Origin::start().await;
        let larder = Larder::before(&origin).start();
        let document = Document::new("old", "max-age=60");
        // The application has changed it before the reply goes wrong.
        origin.on_request("/x", move |seen| match (seen.method.as_str(), document.answer(seen)) {
            ("PUT", _) => reply.clone(),
            (_, reply) => reply,
        });
        larder.get("/x").send().await;
        let written = larder.put("/x", "new").try_send().await;
        assert!(written.as_ref().map_or(true, |reply| reply.status >= 500), "{name}: {written:#?}");
        assert_eq!(larder.get("/x").send().await.text(), "new", "{name}");
    }
}

#[tokio::test]
async fn a_write_whose_reply_is_too_late_may_have_changed_it() {
    let origin = Origin::start().await;
    let yaml = format!("origins: {{ default: {{ servers: [\"{}\"], read_timeout: 300ms }} }}", origin.url());
    let larder = Larder::with_origins(&yaml).start();
    let document = Document::new("old", "max-age=60");
    let gate = Gate::shut();
    origin.on_request("/x", move |seen| match (seen.method.as_str(), document.answer(seen)) {
        ("PUT", reply) => reply.hold_head(&gate),
        (_, reply) => reply,
    });
    larder.get("/x").send().await;
    larder.put("/x", "new").send().await.assert_problem(504);
    assert_eq!(larder.get("/x").send().await.text(), "new");
}

#[tokio::test]
async fn a_write_whose_client_leaves_still_invalidates() {
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    let document = Document::new("old", "max-age=60");
    let gate = Gate::shut();
    let held = gate.clone();
    origin.on_request("/x", move |seen| match (seen.method.as_str(), document.answer(seen)) {
        ("PUT", reply) => reply.hold_head(&held),
        (_, reply) => reply,
    });
    larder.get("/x").send().await;

    let leaving = larder.put("/x", "new").launch().await;
    gate.reached().await;
    leaving.reset();
    gate.open();
    eventually("the write is noticed", || async { larder.get("/x").send().await.text() == "new" }).await;
}

#[tokio::test]
async fn a_get_after_a_write_never_sees_what_a_fill_had_read_before_it() {
    // Where the fill is when the write begins and where it is when the write is answered; the order of the two gates
    // makes the interleavings, and every round has its own key.
    const ROUNDS: usize = 60;
    let origin = Origin::start().await;
    let larder = Larder::before(&origin).start();
    for round in 0..ROUNDS {
        let path = format!("/x/{round}");
        let document = Document::new("old", "max-age=60");
        let (fill, write) = (Gate::shut(), Gate::shut());
        let (fill_held, write_held) = (fill.clone(), write.clone());
        origin.on_request(&path, move |seen| match (seen.method.as_str(), document.answer(seen)) {
            ("PUT", reply) if round % 2 == 0 => reply.hold_head(&write_held),
            ("PUT", reply) => reply,
            (_, reply) => match round % 4 {
                0 => reply.hold_head(&fill_held),
                1 => reply.hold_at(0, &fill_held),
                2 => reply.hold_at(1, &fill_held),
                _ => reply.hold_at(2, &fill_held),
            },
        });

        let filling = larder.get(&path).launch().await;
        fill.reached().await;
        let writing = tokio::spawn(larder.put(&path, "new").send());
        if round % 2 == 0 {
            write.reached().await;
            if round % 6 == 0 {
                // The fill ends while the write is under way, and the one that answers it ends later.
                fill.open();
            }
            write.open();
        }
        let written = writing.await.unwrap();
        assert_eq!(written.status, 204, "round {round}");
        let after = tokio::spawn(larder.get(&path).send());
        fill.open();
        assert_eq!(after.await.unwrap().text(), "new", "round {round}");
        assert_eq!(larder.get(&path).send().await.text(), "new", "round {round}");
        drop(filling);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_writers_at_once_never_see_an_edition_older_than_the_last_write_that_was_answered() {
    const KEYS: usize = 4;
    const WRITES: usize = 60;
    let origin = Origin::start().await;
    let larder = std::sync::Arc::new(Larder::before(&origin).start());
    let mut tasks = JoinSet::new();
    for key in 0..KEYS {
        let path = format!("/x/{key}");
        let document = Document::new("0", "max-age=60");
        origin.on_request(&path, move |seen| document.answer(seen));
        let answered = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        for _ in 0..3 {
            let (larder, answered, path) = (larder.clone(), answered.clone(), path.clone());
            tasks.spawn(async move {
                loop {
                    let at_least = answered.load(std::sync::atomic::Ordering::SeqCst);
                    let edition: usize = larder.get(&path).send().await.text().parse().unwrap();
                    assert!(edition >= at_least, "{path}: edition {edition} after {at_least} was answered");
                    if edition == WRITES {
                        break;
                    }
                }
            });
        }
        let larder = larder.clone();
        tasks.spawn(async move {
            for edition in 1..=WRITES {
                larder.put(&path, edition.to_string()).send().await;
                answered.store(edition, std::sync::atomic::Ordering::SeqCst);
                let read: usize = larder.get(&path).send().await.text().parse().unwrap();
                assert_eq!(read, edition, "{path}: a writer reads its own write");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn positions_grow_and_can_be_brought_back() {
    let (_origin, larder) = stored(&["/x"], "").await;
    let mut last = 0;
    for _ in 0..5 {
        let reply = larder.put("/x", "data").send().await;
        let position: u64 = reply.field("larder-position").parse().unwrap();
        assert!(position > last);
        last = position;
    }
    // One it knows, one beyond any, one that is none.
    for brought in [last.to_string(), u64::MAX.to_string(), "soon".to_owned()] {
        let reply = larder.get("/x").header("Larder-Position", brought).send().await;
        assert_eq!(reply.status, 200);
    }
}
