use super::*;
use crate::admin::fake::Fake;
use crate::admin::{Admin, Control};
use crate::cli::arguments::{Arguments, Verb};
use crate::invalidation::{Invalidation, Matcher};
use clap::Parser;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

fn arguments(line: &str) -> Purge {
    let words = ["larder", "purge"].into_iter().chain(line.split_whitespace());
    match Arguments::try_parse_from(words).unwrap().verb {
        Verb::Purge(arguments) => arguments,
        other => panic!("{other:?}"),
    }
}

async fn admin(token: Option<&str>) -> (Arc<Fake>, String, JoinHandle<()>) {
    let fake = Arc::new(Fake::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let admin = Arc::new(Admin::new(Arc::clone(&fake) as Arc<dyn Control>, token));
    (fake, address, tokio::spawn(admin.serve(listener, CancellationToken::new())))
}

/// How it fails: the exit code's reason, and the text.
async fn failure(address: &str, token: Option<&str>, line: &str) -> (&'static str, String) {
    let target = Target { address: address.to_owned(), token: token.map(str::to_owned) };
    match target.purge(&arguments(line)).await.expect_err(line) {
        Failure::Usage(text) => ("usage", text),
        Failure::Failed(error) => ("failed", format!("{error:#}")),
    }
}

#[tokio::test]
async fn everything_named_arrives() {
    let (fake, address, _admin) = admin(Some("s3cret")).await;
    let target = Target { address, token: Some("s3cret".into()) };
    let line = "http://a/x http://a/y --tag t --prefix http://a/p --route product --all --soft --wait node";
    let position = target.purge(&arguments(line)).await.unwrap();
    assert_eq!(position, "1152921504606846977");
    let wanted = [
        Matcher::path("a", "/x"),
        Matcher::path("a", "/y"),
        Matcher::Tag("t".into()),
        Matcher::prefix("a", "/p"),
        Matcher::Route("product".into()),
        Matcher::All,
    ];
    assert_eq!(*fake.purged.lock().unwrap(), wanted.map(Invalidation::soft));
}

#[tokio::test]
async fn failures_name_the_mend() {
    let (fake, address, _admin) = admin(Some("s3cret")).await;
    let token = Some("s3cret");
    let check = async |address: &str, token, line, kind: &str, parts: &[&str]| {
        let (got, text) = failure(address, token, line).await;
        assert_eq!(got, kind, "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} in {text}");
    };
    check(&address, None, "--all", "failed", &["nothing was purged", "LARDER_ADMIN_TOKEN"]).await;
    check(&address, Some("wrong"), "--all", "failed", &["LARDER_ADMIN_TOKEN"]).await;
    check(&address, token, "/x ftp://a", "usage", &["`/x` is not", "error: `ftp://a` is not"]).await;
    check(&address, token, "--route prodct", "usage", &["perhaps `product` is meant"]).await;
    fake.log_fails.store(true, SeqCst);
    check(&address, token, "--all", "failed", &["not yet elsewhere"]).await;
    fake.log_fails.store(false, SeqCst);
    fake.node_hangs.store(true, SeqCst);
    check(&address, token, "--all --wait fleet", "failed", &["these nodes", "feed"]).await;
    fake.node_hangs.store(false, SeqCst);
    let target = Target { address: address.clone(), token: token.map(str::to_owned) };
    target.purge(&arguments("--all --wait fleet")).await.unwrap();
    target.purge(&arguments("--all --wait cdn")).await.unwrap();
    fake.cdn_fails.store(true, SeqCst);
    check(&address, token, "--all --wait cdn", "failed", &["not yet by every CDN", "edge waiting (429)"])
        .await;

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed.local_addr().unwrap().to_string();
    drop(closed);
    check(&nobody, token, "--all", "failed", &["is `larder run` up", "--admin", &nobody]).await;
}
