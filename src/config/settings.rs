//! Everything that is set, valid.

use super::Secret;
use crate::cdn::CdnSettings;
use crate::engine::Route;
use crate::events::EventRules;
use crate::invalidation::LedgerSettings;
use crate::key::HostAliases;
use crate::observe::AccessLogSettings;
use crate::origin::OriginSettings;
use crate::redis::RedisSettings;
use crate::store::MemorySettings;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A certificate chain and its key, PEM. That they were readable and belong together was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of the server, followed by those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// A listening address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    /// Where connections are accepted; port 0 lets the system choose.
    pub address: SocketAddr,
    /// With it the listener speaks TLS, and HTTP/2 or HTTP/1.1 as ALPN agrees on.
    pub tls: Option<TlsFiles>,
    /// Whether HTTP/2 with prior knowledge is understood on a plain listener. Never set beside `tls`.
    pub h2c: bool,
}

/// The admin listener. Reachable from elsewhere than this machine only with a token.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// What a request has to bring as `Authorization: Bearer`.
    pub token: Option<Secret>,
}

/// How nodes agree on what was invalidated, where they do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedLogSettings {
    /// The Redis that holds the log: of its own, or that of the replies. `None`: each node has a log of its own.
    pub redis: Option<RedisSettings>,
    /// The longest that an entry counts as fresh since its validation while the log cannot be followed.
    pub blind_limit: Duration,
    /// So many replicas must have what is appended.
    pub min_replicas: usize,
    /// The longest that a write may take: it is purged for once more when this is over.
    pub write_bound: Duration,
}

/// The application's own events: what they purge, and where they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSettings {
    /// What they purge.
    pub rules: EventRules,
    /// Where they come from by themselves.
    pub feeds: Option<FeedSettings>,
}

/// A channel, a stream or both, in the application's Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSettings {
    /// That Redis.
    pub redis: RedisSettings,
    /// The channel.
    pub channel: Option<String>,
    /// The key of the stream.
    pub stream: Option<String>,
    /// The group that reads the stream.
    pub group: String,
}

/// The whole configuration. What cannot be changed by a reload: `threads`, `listen`, `admin.address`, `memory`,
/// `redis`, `invalidation`, `cdn`, and where events come from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Runtimes, one thread each; at least one.
    pub threads: usize,
    /// Where clients connect; at least one, no two in each other's way.
    pub listen: Vec<ListenSettings>,
    /// Networks whose `X-Forwarded-*` fields are believed.
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// Names that mean the same service.
    pub host_aliases: HostAliases,
    /// The admin listener.
    pub admin: AdminSettings,
    /// All origins; one is named `default`, and every route names one of them.
    pub origins: Vec<OriginSettings>,
    /// The memory tier.
    pub memory: MemorySettings,
    /// The tier that nodes share; `None`: each remembers alone.
    pub redis: Option<RedisSettings>,
    /// The log that nodes share.
    pub log: SharedLogSettings,
    /// The folder of what has to outlive the process and stands in no shared log; `None`: nothing does.
    pub spool: Option<PathBuf>,
    /// How many purges are remembered exactly.
    pub ledger: LedgerSettings,
    /// Each invalidation is repeated after this; zero: not.
    pub settle: Duration,
    /// The CDNs in front.
    pub cdns: Vec<CdnSettings>,
    /// Which requests are logged.
    pub access_log: AccessLogSettings,
    /// In the order tried; the last has no pattern and is named `default`.
    pub routes: Vec<Route>,
    /// What the application's events purge.
    pub events: EventSettings,
}
