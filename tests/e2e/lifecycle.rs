//! Starting and ending: nothing is cut, nothing lingers, and what is wrong is named.

use crate::support::{
    Broken, Connection, Gate, Larder, Origin, Process, Reply, Response, command, eventually, pattern,
};
use nix::sys::signal::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// How long an end may take that has nothing to wait for.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn refuses_connections(process: &Process) -> bool {
    TcpStream::connect(process.address()).await.is_err()
}

#[tokio::test]
async fn sigterm_ends_an_idle_process_at_once() {
    let origin = Origin::start().await;
    origin.on("/x", Reply::fresh(60, "x"));
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut larder = Process::run(&Larder::before(&origin)).await;
        // Connections that are open and wait for their next request hold nobody up.
        let mut idle = Vec::new();
        for _ in 0..8 {
            let mut connection = Connection::open(larder.address()).await;
            larder.get("/x").send_on(&mut connection).await;
            idle.push(connection);
        }
        let mut silent = Connection::open(larder.address()).await;
        let began = Instant::now();
        larder.signal(signal);
        let status = larder.exited().await;
        assert!(began.elapsed() < AT_ONCE, "{signal}: {:?}", began.elapsed());
        assert_eq!(status.code(), Some(0), "{signal}");
        silent.closed().await;
    }
}

#[tokio::test]
async fn sigterm_waits_for_the_slowest_of_sixty_four_replies_and_no_longer() {
    const CONNECTIONS: usize = 64;
    let origin = Origin::start().await;
    let mut larder = Process::run(&Larder::before(&origin)).await;
    let body = pattern(50_000);
    let (fast, slow) = (Gate::shut(), Gate::shut());
    // Through the cache and past it, before the head and in the middle of the body.
    let kinds = ["/fill/head", "/fill/body", "/pass/head", "/pass/body"];
    let (held, held_longest, whole) = (fast.clone(), slow.clone(), body.clone());
    origin.otherwise(move |seen| {
        let gate = if seen.target.ends_with("/63") { &held_longest } else { &held };
        let reply = Reply::ok(whole.clone());
        let reply =
            if seen.target.contains("/fill") { reply.header("Cache-Control", "max-age=60") } else { reply };
        if seen.target.contains("/head") { reply.hold_head(gate) } else { reply.hold_at(20_000, gate) }
    });
    let mut busy = Vec::new();
    for number in 0..CONNECTIONS {
        busy.push(larder.get(&format!("{}/{number}", kinds[number % kinds.len()])).launch().await);
    }
    fast.reached_by(CONNECTIONS - 1).await;
    slow.reached().await;

    larder.signal(Signal::SIGTERM);
    eventually("new connections are refused", || refuses_connections(&larder)).await;
    fast.open();
    let mut slowest = busy.pop().unwrap();
    for (number, mut connection) in busy.into_iter().enumerate() {
        let reply =
            connection.reply("GET").await.unwrap_or_else(|broken| panic!("reply {number}: {broken:#?}"));
        assert_eq!(reply.body, body, "reply {number}");
        connection.closed().await;
    }
    assert!(!larder.has_exited(), "one reply is still under way");
    let began = Instant::now();
    slow.open();
    assert_eq!(slowest.reply("GET").await.unwrap().body, body);
    assert_eq!(larder.exited().await.code(), Some(0));
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn sigterm_under_load_cuts_no_reply() {
    const CONNECTIONS: usize = 64;
    let origin = Origin::start().await;
    let mut larder = Process::run(&Larder::before(&origin)).await;
    let body = pattern(20_000);
    origin.otherwise(move |seen| {
        let reply = Reply::ok(body.clone());
        if seen.target.contains("hit") { reply.header("Cache-Control", "max-age=60") } else { reply }
    });
    let whole = Arc::new(AtomicUsize::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let request = larder.get(if number % 2 == 0 { "/hit" } else { "/pass" });
            tokio::spawn(load(request, larder.address(), whole.clone(), stop.clone()))
        })
        .collect();
    eventually("the load runs", || async {
        tokio::task::yield_now().await;
        whole.load(Ordering::SeqCst) > 4 * CONNECTIONS
    })
    .await;
    larder.signal(Signal::SIGTERM);
    let status = larder.exited().await;
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(status.code(), Some(0));
}

/// Asks over one connection after another until there is nobody to connect to. A reply that began must end; one that
/// did not begin is a connection that was closed between two requests, and is asked for again.
async fn load(
    request: crate::support::Request,
    address: std::net::SocketAddr,
    whole: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) {
    while !stop.load(Ordering::SeqCst) {
        let Ok(mut connection) = Connection::try_open(address).await else { return };
        loop {
            match request.clone().try_send_on(&mut connection).await {
                Ok(Response { status: 200, body, .. }) => {
                    assert_eq!(body.len(), 20_000);
                    whole.fetch_add(1, Ordering::SeqCst);
                }
                Ok(reply) => panic!("{reply:#?}"),
                Err(Broken { head: None, .. }) => break,
                Err(broken) => panic!("a reply was cut: {broken:#?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let origin = Origin::start().await;
    let mut larder = Process::run(&Larder::before(&origin)).await;
    let never = Gate::shut();
    origin.on("/x", Reply::ok("x").hold_head(&never));
    let _busy = larder.get("/x").launch().await;
    never.reached().await;

    larder.signal(Signal::SIGTERM);
    eventually("new connections are refused", || refuses_connections(&larder)).await;
    assert!(!larder.has_exited());
    larder.signal(Signal::SIGTERM);
    larder.exited().await;
}

#[tokio::test]
async fn readiness_is_taken_back_while_draining() {
    let origin = Origin::start().await;
    let mut larder = Process::run(&Larder::before(&origin)).await;
    let gate = Gate::shut();
    origin.on("/x", Reply::ok("x").hold_head(&gate));
    let mut busy = larder.get("/x").launch().await;
    gate.reached().await;
    assert_eq!(larder.admin("GET", "/readyz").send().await.status, 200);

    larder.signal(Signal::SIGTERM);
    eventually("it is no longer ready", || async {
        // No listener at all says the same to whoever probes.
        larder.admin("GET", "/readyz").try_send().await.map_or(true, |reply| reply.status == 503)
    })
    .await;
    gate.open();
    assert_eq!(busy.reply("GET").await.unwrap().text(), "x");
    larder.exited().await;
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_named_with_its_mend() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.yaml");
    let run = async |yaml: String| {
        std::fs::write(&file, yaml).unwrap();
        let output = command(&["run", "-c", file.to_str().unwrap()]).await;
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let origin = "origin: http://127.0.0.1:9\nadmin: { address: \"127.0.0.1:0\" }";

    let (code, text) = run(format!("{origin}\nlisten: [{{ address: \"{address}\" }}]")).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("address in use") && text.contains(&address.to_string()), "{text}");

    let tls = "tls: { certificate: /nowhere/tls.crt, key: /nowhere/tls.key }";
    let (code, text) = run(format!("{origin}\nlisten: [{{ address: \"127.0.0.1:0\", {tls} }}]")).await;
    assert!(matches!(code, Some(1 | 2)), "{text}");
    assert!(text.contains("/nowhere/tls.crt"), "{text}");

    let (code, text) = run("origin: http://127.0.0.1:9\nadmin: { address: \"0.0.0.0:0\" }".to_owned()).await;
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("token"), "{text}");

    let output = command(&["run", "-c", "/nowhere/proxy.yaml"]).await;
    assert!(matches!(output.status.code(), Some(1 | 2)));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/proxy.yaml"));
}
