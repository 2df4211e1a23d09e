//! Larder's use of Redis against real servers, which are killed, frozen, cut off and failed over.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a broken expectation is told")]
#![expect(
    clippy::print_stderr,
    reason = "the log of a process belongs to the report of the test that failed"
)]

#[path = "../support/mod.rs"]
mod support;

mod harness;
mod link;
mod log;
mod outbox;
mod tier;
