//! Nodes that end while Redis is away, with purges that nobody else knows.

use crate::harness::{At, Pages, polled, tagged};
use crate::support::{Larder, LarderBuilder, Origin, Process, RedisServer};
use nix::sys::signal::Signal;
use std::path::Path;

const PAGE: &str = "/page";
const OTHER: &str = "/other";

/// A node that is blind for so long that nothing but a purge makes an old reply go.
fn builder(origin: &Origin, redis: &RedisServer, spool: Option<&Path>) -> LarderBuilder {
    let spool = spool.map(|folder| format!(", spool: \"{}\"", folder.display())).unwrap_or_default();
    Larder::before(origin)
        .redis_with(&redis.url(), "timeout: 50ms")
        .rules(&format!("invalidation: {{ blind_limit: 10m{spool} }}"))
}

/// A node takes a write and a purge while Redis is frozen, and ends by `signal` before it is back; then it starts again.
async fn ends_in_an_outage(signal: Signal) {
    let redis = RedisServer::start().await;
    let origin = Origin::start().await;
    let pages = Pages::at(&origin);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let with_spool = builder(&origin, &redis, Some(folder.path()));
    let mut node = Process::run(&with_spool).await;
    let other = Process::run(&builder(&origin, &redis, None)).await;
    let (at, stays) = (At::from(&node), At::from(&other));
    for node in [at, stays] {
        node.well().await;
        assert_eq!((node.edition(PAGE).await, node.edition(OTHER).await), (0, 0));
    }
    redis.freeze();
    // By the time of the second the node knows that nothing can be announced.
    pages.edit(OTHER);
    assert_eq!(at.purge(&tagged(OTHER)).await, None);
    let reply = at.put(PAGE).send().await;
    assert_eq!(reply.status, 200);
    node.signal(signal);
    node.exited().await;
    redis.thaw();
    assert_eq!(stays.edition(PAGE).await, 0, "it has heard of nothing, and is not blind");
    let again = Process::run(&with_spool).await;
    for path in [PAGE, OTHER] {
        polled("the others hear of it", || async { stays.edition(path).await == 1 }).await;
    }
    again.logged(&["stands in Redis now"]).await;
    At::from(&again).well().await;
}

#[tokio::test]
async fn a_node_killed_in_an_outage_tells_what_it_purged_when_it_is_back() {
    ends_in_an_outage(Signal::SIGKILL).await;
}

#[tokio::test]
async fn a_node_ended_in_an_outage_tells_what_it_purged_when_it_is_back() {
    ends_in_an_outage(Signal::SIGTERM).await;
}

#[tokio::test]
async fn a_node_without_a_spool_says_what_is_lost() {
    let redis = RedisServer::start().await;
    let origin = Origin::start().await;
    let _pages = Pages::at(&origin);
    let mut node = Process::run(&builder(&origin, &redis, None)).await;
    At::from(&node).well().await;
    redis.freeze();
    assert_eq!(At::from(&node).purge(&tagged(PAGE)).await, None);
    node.signal(Signal::SIGTERM);
    node.logged(&["no other Larder will hear", "tag -page"]).await;
    assert!(node.exited().await.success());
}
