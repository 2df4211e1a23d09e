//! What `redis:` says, checked.

use crate::secret::Secret;
use std::time::Duration;

/// Where Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisServers {
    /// One server: `redis://`, `rediss://`.
    Single(ServerAddress),
    /// Some nodes of a cluster, which name the others: `redis-cluster://`, `rediss-cluster://`.
    Cluster(Vec<ServerAddress>),
    /// Sentinels that know the primary of a service: `redis-sentinel://a:26379,b:26379/mymaster`.
    Sentinel {
        /// Where they are.
        sentinels: Vec<ServerAddress>,
        /// Name of the service.
        service: String,
    },
}

/// Host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// Name or IP address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// When what is put into the tier is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// Later, in batches; the client does not wait.
    Behind,
    /// Before the client has its last byte.
    Through,
}

/// How Redis is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// Where it is.
    pub servers: RedisServers,
    /// Whether connections use TLS.
    pub tls: bool,
    /// Certificates to be trusted in place of the system's, in PEM.
    pub ca: Option<Vec<u8>>,
    /// Number of the database; a cluster has only 0.
    pub database: u32,
    /// ACL user.
    pub username: Option<String>,
    /// Password.
    pub password: Option<Secret>,
    /// Password of the sentinels, where they have one of their own.
    pub sentinel_password: Option<Secret>,
    /// Nothing outside of it is read or written.
    pub namespace: String,
    /// For one operation; what takes longer is a miss.
    pub timeout: Duration,
    /// When writes take place.
    pub write: WriteMode,
    /// Whether bodies are compressed where it pays.
    pub compress: bool,
    /// The largest entry, as it is stored, in bytes.
    pub max_object: u64,
}
