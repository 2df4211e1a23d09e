//! The origin layer on real sockets: what origins say, badly or well, and what is made of it.
#![expect(clippy::unwrap_used, reason = "in a test a panic is how a broken expectation is told")]

mod balancing;
mod connections;
mod http2;
mod raw;
mod replies;
mod servers;
mod setting;
mod tls;
