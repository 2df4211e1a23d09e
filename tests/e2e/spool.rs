//! What a Larder on its own remembers of writes when it is killed.

use crate::support::{
    Connection, Document, Gate, Larder, LarderBuilder, Origin, Process, Reply, command, eventually,
};
use nix::sys::signal::Signal;
use std::path::Path;
use tempfile::TempDir;

fn with_spool(origin: &Origin, folder: &Path, bound: &str) -> LarderBuilder {
    let (folder, bound) = (folder.display(), format!("write_bound: {bound}"));
    Larder::before(origin).rules(&format!("invalidation: {{ spool: \"{folder}\", {bound} }}"))
}

async fn journal_has(folder: &Path, text: &str) {
    let read = async || std::fs::read(folder.join("journal")).unwrap_or_default();
    let has = |bytes: Vec<u8>| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    eventually("the announcement is written", async || has(read().await)).await;
}

/// An origin whose `/x` can be written, which takes until the gate opens.
async fn origin(document: &Document, gate: &Gate) -> Origin {
    let origin = Origin::start().await;
    let (document, gate) = (document.clone(), gate.clone());
    origin.on_request("/x", move |seen| match seen.method.as_str() {
        "GET" => document.answer(seen),
        _ => Reply::ok("done").hold_head(&gate),
    });
    origin
}

async fn event(larder: &Process, what: &str) -> bool {
    let page = larder.admin("GET", "/metrics").send().await;
    page.text().contains(&format!("larder_spool_events_total{{event=\"{what}\"}}"))
}

#[tokio::test]
async fn a_write_that_was_killed_in_the_middle_is_purged_for_when_the_origin_has_committed_late() {
    let folder = TempDir::new().unwrap();
    let (document, gate) = (Document::new("old", "max-age=600"), Gate::shut());
    let origin = origin(&document, &gate).await;
    // Long enough for the slowest machine to start again and fill before it is over.
    let builder = with_spool(&origin, folder.path(), "20s");

    let mut first = Process::run(&builder).await;
    let put = tokio::spawn(first.request("PUT", "/x").body("new").try_send());
    eventually("the write is at the origin", async || origin.count("/x") == 1).await;
    journal_has(folder.path(), "/x").await;
    first.signal(Signal::SIGKILL);
    first.exited().await;
    assert!(put.await.unwrap().is_err());

    let second = Process::run(&builder).await;
    assert!(event(&second, "recovered").await);
    assert_eq!(second.get("/x").send().await.text(), "old");
    assert!(second.get("/x").send().await.is_hit());
    assert!(!event(&second, "due").await, "the machine is too slow for this test");
    document.publish("new");
    eventually("the late commit is seen", async || second.get("/x").send().await.text() == "new").await;
    assert!(event(&second, "due").await);
}

#[tokio::test]
async fn a_write_that_ended_leaves_nothing_to_the_next_process() {
    let folder = TempDir::new().unwrap();
    let gate = Gate::shut();
    gate.open();
    let origin = origin(&Document::new("old", "max-age=600"), &gate).await;
    let builder = with_spool(&origin, folder.path(), "60s");
    let mut first = Process::run(&builder).await;
    for _ in 0..3 {
        assert_eq!(first.request("PUT", "/x").body("new").send().await.status, 200);
    }
    first.signal(Signal::SIGTERM);
    assert_eq!(first.exited().await.code(), Some(0));
    journal_has(folder.path(), "/x").await;
    let second = Process::run(&builder).await;
    assert!(!event(&second, "recovered").await);
}

#[tokio::test]
async fn a_full_disk_is_told_and_no_write_fails_for_it() {
    let folder = TempDir::new().unwrap();
    let origin = Origin::start().await;
    origin.on("/done", Reply::ok("done")).on("/doubtful", Reply::status(500));
    let larder = Process::run_short_of_disk(&with_spool(&origin, folder.path(), "600s"), 64).await;
    let mut connection = Connection::open(larder.address()).await;
    let mut write =
        async |path: &str| larder.request("PUT", path).body("x").send_on(&mut connection).await.status;
    // More than fits is written, and all but the last of it is garbage.
    for _ in 0..500 {
        assert_eq!(write("/done").await, 200);
    }
    assert!(event(&larder, "error").await);
    let ready = async || larder.admin("GET", "/readyz").send().await;
    eventually("it goes on with a new file", async || !ready().await.text().contains("spool")).await;
    // What is in doubt stays.
    for _ in 0..1000 {
        assert_eq!(write("/doubtful").await, 500);
    }
    let told = async || ready().await.text().contains("the spool cannot be written");
    eventually("a disk that is full is told", told).await;
    assert_eq!(ready().await.status, 200);
    assert_eq!(write("/done").await, 200);
}

#[tokio::test]
async fn a_larder_that_ended_gives_its_folder_back() {
    let folder = TempDir::new().unwrap();
    let origin = Origin::start().await;
    for _ in 0..3 {
        let larder = with_spool(&origin, folder.path(), "60s").start();
        assert_eq!(larder.put("/x", "x").send().await.status, 404);
    }
}

#[tokio::test]
async fn a_folder_that_is_in_use_or_anothers_keeps_larder_from_starting() {
    let folder = TempDir::new().unwrap();
    let origin = Origin::start().await;
    let builder = with_spool(&origin, folder.path(), "60s");
    let configuration = folder.path().join("second.yaml");
    std::fs::write(&configuration, builder.yaml()).unwrap();
    let first = Process::run(&builder).await;
    #[track_caller]
    fn check(output: &std::process::Output, words: &str) {
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("invalidation.spool") && text.contains(words), "{text}");
    }
    let run = ["run", "-c", configuration.to_str().unwrap()];
    check(&command(&run).await, "is used by another process");
    drop(first);

    let foreign = TempDir::new().unwrap();
    std::fs::write(foreign.path().join("journal"), "dear diary").unwrap();
    std::fs::write(&configuration, with_spool(&origin, foreign.path(), "60s").yaml()).unwrap();
    check(&command(&run).await, "was not written by Larder");
    assert_eq!(std::fs::read(foreign.path().join("journal")).unwrap(), b"dear diary");
}
