//! Client connections: listeners, TLS, HTTP/1 and HTTP/2, passing through, writing replies. The one layer that knows Pingora's
//! sessions.
//!
//! ```text
//! socket ─▶ server ─▶ wire ─▶ http1 │ http2 ─▶ Pingora ─▶ service ─┬─▶ answer ─▶ engine ─▶ reply
//!                                                                  └─▶ pass ─▶ Pingora ─▶ origin
//! ```
//!
//! Larder reads the head of an HTTP/1 request itself (`http1::head`) and hands the very bytes on, so what Pingora tolerates
//! and others might read differently never gets that far. [`Server`] is what a runtime needs to serve a connection;
//! everything runtimes share is in [`Shared`], and what a reload replaces in [`Edge`].

mod answer;
mod bodies;
mod connection;
mod edge;
mod exchange;
mod forwarded;
mod http1;
mod http2;
mod idle;
mod listener;
mod pass;
mod problem;
mod purge_method;
mod purging;
mod reply;
mod server;
mod service;
mod target;
mod wire;
mod write;

#[cfg(test)]
mod fixture;

pub(crate) use edge::{Edge, EdgeParts, RouteMeans};
pub(crate) use listener::{Identity, Listener};
pub(crate) use server::Server;
pub(crate) use service::Shared;
