//! Everything that is set, valid.

use crate::engine::Route;
use crate::invalidation::LedgerSettings;
use crate::key::HostAliases;
use crate::origin::OriginSettings;
use crate::store::MemorySettings;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A certificate chain and its key, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A listening address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    pub address: SocketAddr,
    pub tls: Option<TlsFiles>,
    pub h2c: bool,
}

/// The admin listener. `token` is never printed: its `Debug` is redacted by [`Secret`].
#[derive(Clone, Debug)]
pub struct AdminSettings {
    pub address: SocketAddr,
    pub token: Option<String>,
}

/// The whole configuration. What cannot be changed by a reload: `threads`, `listen`, `admin.address`, `memory`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub threads: usize,
    pub listen: Vec<ListenSettings>,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    pub host_aliases: HostAliases,
    pub admin: AdminSettings,
    pub origins: Vec<OriginSettings>,
    pub memory: MemorySettings,
    pub ledger: LedgerSettings,
    /// Each invalidation is repeated after this; zero: not.
    pub settle: Duration,
    /// In the order tried; the last has no pattern and is named `default`.
    pub routes: Vec<Route>,
}
