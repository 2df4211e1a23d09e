//! The application's own events, published and added with plain `redis-cli`, and what several whole Larders purge for them.
#![expect(
    clippy::print_stderr,
    reason = "the log of a process belongs to the report of the test that failed"
)]

#[path = "../support/mod.rs"]
mod support;

mod channel;
mod faults;
mod harness;
mod http;
mod stream;
