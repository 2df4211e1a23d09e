//! Fleets of real processes, searched for lies.
//!
//! Five nodes, each behind a tap of its own, share a Redis that is killed, frozen, emptied and failed over; clients read,
//! write and purge through all of them, and note every request with its start and its end. Then the history is searched for a
//! reply that a purge had reached before its request began, and for requests that failed or took too long.
//!
//! `make test` runs a short share; `make history MINUTES=10` runs long with a release build. `LARDER_HISTORY_SECONDS` and
//! `LARDER_HISTORY_SEED` say how long faults are made, and which.

#![expect(clippy::print_stdout, reason = "what was measured is what these tests are for")]
#![expect(
    clippy::print_stderr,
    reason = "the log of a process belongs to the report of the test that failed"
)]

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod faults;
mod nodes;
mod pages;
mod record;
mod run;
mod search;
mod shows;

use faults::Backend;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_purged_reply_comes_back_with_one_redis() {
    run::check("one Redis", Backend::single().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_purged_reply_comes_back_with_sentinels() {
    run::check("sentinels", Backend::sentinels().await).await;
}
