//! Real Redis processes: one, a primary with a replica and sentinels, a cluster. Each has a folder of its own and a port
//! that was free; dropping it ends it.

mod cluster;
mod ports;
mod replication;
mod server;

pub(crate) use cluster::Cluster;
pub(crate) use ports::free_port;
pub(crate) use replication::Replication;
pub(crate) use server::{Data, RedisBuilder, RedisServer};
