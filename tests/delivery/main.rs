//! What becomes of a purge on its way to a CDN: real processes of Larder, a CDN that fails in every way, and kills in between.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a broken expectation is told")]
#![cfg_attr(
    feature = "cloudfront",
    expect(clippy::print_stdout, reason = "what was measured belongs to the report of a test")
)]
#![expect(
    clippy::print_stderr,
    reason = "the log of a process belongs to the report of the test that failed"
)]

#[path = "../support/mod.rs"]
mod support;

mod cdn;
mod ends;
mod faults;
mod fleet;
mod operator;
mod permissions;
#[cfg(feature = "cloudfront")]
#[path = "../cdn/python.rs"]
mod python;
mod shop;
#[cfg(feature = "cloudfront")]
mod shows;
