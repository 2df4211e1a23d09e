//! The origin layer on real sockets: what origins say, badly or well, and what is made of it.

mod balancing;
mod connections;
mod http2;
mod raw;
mod replies;
mod servers;
mod setting;
mod tls;
