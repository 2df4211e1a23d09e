//! The engine as a whole, step by step: every fetch and every piece of a body is given by the test.

mod collapse;
mod freshness;
mod harness;
mod purge;
mod remote;
mod streaming;
