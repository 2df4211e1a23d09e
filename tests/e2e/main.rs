//! Larder end to end: real sockets, an origin that misbehaves on command, and clients that see every byte.
//!
//! One binary, so that it is linked once; a file for each theme; each test a sentence about what a user is promised.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a broken expectation is told")]
#![expect(
    clippy::print_stderr,
    reason = "the log of a process belongs to the report of the test that failed"
)]

#[path = "../support/mod.rs"]
mod support;

mod admin;
mod broken_origin;
mod cli;
mod collapse;
mod conditional;
mod harness;
mod hits;
mod keys;
mod lifecycle;
mod lifetimes;
mod origins;
mod passing;
mod privacy;
mod protocols;
mod purge;
mod purge_method;
mod ranges;
mod reload;
mod requests;
mod sidecar;
mod spool;
mod stale;
mod tags;
mod vary;
mod write_rules;
mod writes;
