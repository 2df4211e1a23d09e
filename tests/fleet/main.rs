//! Several whole Larders before one origin, with real Redis processes between them that are killed, frozen, filled, failed over
//! and cut off.
//!
//! A test prints what it measured; it fails only for what is wrong on any machine.
#![expect(clippy::print_stdout, reason = "what was measured belongs to the report of a test")]
#![expect(
    clippy::print_stderr,
    reason = "the log of a process belongs to the report of the test that failed"
)]

#[path = "../support/mod.rs"]
mod support;

mod collapse;
mod faults;
mod harness;
mod invalidation;
mod tiers;
mod trickle;
