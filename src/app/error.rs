//! Why Larder does not start.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Larder could not start. The text names the cause and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something else listens there.
    #[error("address in use: {address}; stop what listens there, or set `{key}` to another address")]
    AddressInUse {
        /// The address wanted.
        address: SocketAddr,
        /// The setting it came from.
        key: String,
    },
    /// The process may not listen there.
    #[error(
        "not allowed to listen on {address}; ports below 1024 need CAP_NET_BIND_SERVICE, or set `{key}` to a higher port"
    )]
    NotAllowed {
        /// The address wanted.
        address: SocketAddr,
        /// The setting it came from.
        key: String,
    },
    /// The address is not one of this machine.
    #[error(
        "no such address here: {address}; set `{key}` to an address of this machine, or to 0.0.0.0 for all of them"
    )]
    NoSuchAddress {
        /// The address wanted.
        address: SocketAddr,
        /// The setting it came from.
        key: String,
    },
    /// Listening failed in another way.
    #[error("cannot listen on {address} (`{key}`): {source}")]
    Listen {
        /// The address wanted.
        address: SocketAddr,
        /// The setting it came from.
        key: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The settings of Redis can never work.
    #[error("cannot use `redis`: {0}")]
    Redis(String),
    /// What has to outlive the process cannot be kept.
    #[error("cannot use `invalidation.spool`: {0}")]
    Spool(#[from] crate::spool::SpoolError),
    /// The CDNs in front cannot be used as they are set up.
    #[error("cannot use `cdn`: {0}")]
    Cdn(String),
    /// A certificate or its key cannot be used.
    #[error("cannot use the certificate {} with the key {}: {reason}", certificate.display(), key.display())]
    Certificate {
        /// The chain's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// An origin cannot be set up.
    #[error("{0}")]
    Origin(String),
    /// A thread or a runtime could not be created.
    #[error(
        "cannot start a thread: {0}; raise the limit of threads (`ulimit -u`, `pids.max`) or lower `threads`"
    )]
    Thread(#[from] std::io::Error),
}

/// A new configuration could not be put in force. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ReloadError(pub(super) Vec<String>);

impl ReloadError {
    /// What is wrong, a fault a line.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

/// `larder run` ended with a failure.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration has faults; each line is one.
    #[error("{0}")]
    Config(String),
    /// It is valid, and still Larder could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The signals could not be subscribed to.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
}
