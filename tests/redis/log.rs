//! The log in Redis, against real servers.

mod fleets;
pub(crate) mod intents;
mod losses;
mod records;
mod servers;

use crate::support::RedisServer;
use larder::fleet::{Append, Appended, Head, LogStore, Record, RecordId};
use larder::invalidation::{Epoch, Kind, MatcherHash, Mode, Names, Position, Purge};
use larder::redis::{
    Link, RedisLog, RedisLogSettings, RedisServers, RedisSettings, ServerAddress, WriteMode,
};
use larder::secret::Secret;
use std::sync::Arc;
use std::time::Duration;

/// Long for one answer, even on a machine that is busy with everything else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn settings() -> RedisLogSettings {
    RedisLogSettings {
        namespace: "shop".to_owned(),
        timeout: PATIENCE,
        patience: PATIENCE,
        min_replicas: 0,
        cdns: Vec::new(),
    }
}

pub(crate) fn server_at(address: &str) -> ServerAddress {
    let (host, port) = address.split_once(':').unwrap();
    ServerAddress { host: host.to_owned(), port: port.parse().unwrap() }
}

fn log_in(servers: RedisServers, user: Option<(&str, &str)>, settings: RedisLogSettings) -> Arc<RedisLog> {
    Arc::new(RedisLog::new(link_in(servers, user), settings))
}

pub(crate) fn link_in(servers: RedisServers, user: Option<(&str, &str)>) -> Arc<Link> {
    let redis = RedisSettings {
        servers,
        tls: false,
        ca: None,
        database: 0,
        username: user.map(|(name, _)| name.to_owned()),
        password: user.map(|(_, password)| Secret::new(password)),
        sentinel_password: None,
        namespace: "of the tier, and nothing to the log".to_owned(),
        timeout: PATIENCE,
        write: WriteMode::Behind,
        compress: true,
        max_object: 1 << 20,
    };
    Link::new(&redis, Arc::new(())).unwrap()
}

fn log_with(url: &str, settings: RedisLogSettings) -> Arc<RedisLog> {
    let address = url.strip_prefix("redis://").unwrap();
    let (user, address) = match address.split_once('@') {
        Some((user, address)) => (user.split_once(':'), address),
        None => (None, address),
    };
    log_in(RedisServers::Single(server_at(address)), user, settings)
}

pub(crate) fn log_at(url: &str) -> Arc<RedisLog> {
    log_with(url, settings())
}

/// A server with a log that was just born.
async fn fresh() -> (RedisServer, Arc<RedisLog>, Head) {
    let server = RedisServer::start().await;
    let log = log_at(&server.url());
    let head = log.open(Position::START, None).await.unwrap();
    (server, log, head)
}

/// The purge of something of its own for every number.
fn purge(number: u64, mode: Mode) -> Purge {
    let digest = blake3::hash(&number.to_be_bytes());
    let hash = u64::from_be_bytes(digest.as_bytes()[..8].try_into().unwrap());
    Purge { kind: Kind::Tag, mode, hash: MatcherHash::from_u64(hash) }
}

pub(crate) fn hard(number: u64) -> Purge {
    purge(number, Mode::Hard)
}

/// A record of one purge, appended by who has applied everything up to `after`.
pub(crate) fn record(number: u64, after: Position) -> Append {
    Append {
        id: RecordId(u128::from(number)),
        purges: Arc::from([hard(number)]),
        names: Names::NONE,
        after,
        seen: after,
        urgent: false,
        settles: Vec::new(),
    }
}

pub(crate) async fn append(log: &RedisLog, epoch: Epoch, append: &Append) -> (Position, Vec<Record>) {
    match log.append(epoch, append).await.unwrap() {
        Appended::At { position, between } => (position, between),
        Appended::Swept => panic!("swept"),
    }
}

/// Appends a record for each of the numbers, and returns where the last one stands.
async fn append_all(log: &RedisLog, epoch: Epoch, numbers: std::ops::Range<u64>) -> Position {
    let mut last = Position::START;
    for number in numbers {
        last = append(log, epoch, &record(number, last)).await.0;
    }
    last
}

pub(crate) async fn read(log: &RedisLog, epoch: Epoch, after: Position) -> Vec<Record> {
    log.read(epoch, after, Duration::ZERO).await.unwrap()
}

fn ids(records: &[Record]) -> Vec<u128> {
    records.iter().map(|record| record.id.0).collect()
}
