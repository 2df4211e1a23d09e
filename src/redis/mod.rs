//! Redis and Valkey, behind the ports of the layers that use them. Nobody else names them.

mod settings;

pub use settings::{RedisServers, RedisSettings, ServerAddress, WriteMode};
