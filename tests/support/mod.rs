//! The harness of the end-to-end tests: an origin that can misbehave, Larder in front of it, and clients that see
//! every byte. All of it listens on 127.0.0.1 with ports the system chooses, and nothing sleeps: a test waits for an
//! event, and [`within`] turns an event that never comes into a failure that says which one.

#![allow(dead_code, unused_imports, reason = "each binary of tests uses its part of the harness")]

mod client;
mod gate;
mod larder;
mod origin;
mod process;
mod redis;
mod tap;
mod tls;
mod wire;

pub(crate) use client::{Broken, Connection, H2Client, Request, Response, request_at};
pub(crate) use gate::Gate;
pub(crate) use larder::{Larder, LarderBuilder};
pub(crate) use origin::{Document, H2Origin, Origin, Reply, Seen, feed};
pub(crate) use process::{Process, command};
pub(crate) use redis::{Cluster, Data, RedisBuilder, RedisServer, Replication, free_port};
pub(crate) use tap::{Flow, Tap};
pub(crate) use tls::Authority;
pub(crate) use wire::{Framing, Wire};

use std::time::Duration;
use tokio::task::JoinHandle;

/// How long a test waits for anything. Far beyond what a loaded two-core machine needs with an unoptimised build, so
/// reaching it means that the event would never have come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The authority that clients name unless a test says otherwise.
pub(crate) const HOST: &str = "shop.test";

/// Waits for `event`, and fails the test, naming it, when it does not come in time.
pub(crate) async fn within<F: Future>(what: &str, event: F) -> F::Output {
    match tokio::time::timeout(DEADLINE, event).await {
        Ok(output) => output,
        Err(_) => panic!("waited {DEADLINE:?} in vain: {what}"),
    }
}

/// Asks again and again until `holds`, and fails the test, naming what it waited for, when that never comes. Each
/// question is a round trip of its own, which is pace enough.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let asking = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    within(what, asking).await;
}

/// What each of `tasks` returns, in the order they were started.
pub(crate) async fn all<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let mut done = Vec::with_capacity(tasks.len());
    for task in tasks {
        done.push(within("a task ends", task).await.expect("what panicked has said why"));
    }
    done
}

/// `length` bytes in which every position differs from its neighbours, so that a piece that is lost, repeated or
/// moved shows.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(31) ^ (at >> 8).wrapping_mul(17) ^ (at >> 16)) as u8).collect()
}
