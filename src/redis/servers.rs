//! Opens connections to where Redis is: a server, whichever server the sentinels name, a cluster.

use super::sentinel::Sentinels;
use super::{LinkError, RedisServers, RedisSettings, ServerAddress};
use crate::secret::Secret;
use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, Pipeline, ProtocolVersion, RedisConnectionInfo, RedisError, RedisFuture,
    TlsCertificates, TlsMode, Value, cmd,
};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::timeout;

/// To connect to one server and be known to it. A frozen server is connected to by its kernel and never says a word.
const OPEN_ONE: Duration = Duration::from_secs(1);

/// To open a connection with all that it takes. Several servers may have to be asked where to go.
const OPEN: Duration = Duration::from_secs(4);

/// A peer that the network swallowed is given up after this long without an acknowledgement.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// In a cluster: a server that leaves a command without an answer for this long is connected to anew.
const CLUSTER_ANSWER: Duration = Duration::from_secs(2);

/// Commands that wait to be written to one connection; more wait for their turn. The crate's default of 50 is fewer than
/// the requests of one core.
const WRITE_QUEUE: usize = 1024;

/// Why [`super::Link`] cannot be made of settings.
#[derive(Debug, thiserror::Error)]
pub enum UnusableSettings {
    /// No certificate in `ca`.
    #[error("redis.ca: there is no certificate in PEM in it")]
    Ca,
    /// The crate refuses them.
    #[error("redis: {0}")]
    Refused(#[from] RedisError),
}

/// Where Redis is, and what it takes to be let in.
pub(super) struct Servers {
    place: Place,
    tls: bool,
    ca: Option<Vec<u8>>,
    user: RedisConnectionInfo,
    /// The servers do not know `HELLO`, which is older than they are.
    old: AtomicBool,
}

enum Place {
    Single(ServerAddress),
    Cluster(Vec<ServerAddress>),
    Sentinel(Sentinels),
}

impl Servers {
    /// Without asking anybody.
    pub(super) fn new(settings: &RedisSettings) -> Result<Self, UnusableSettings> {
        let RedisSettings {
            servers,
            tls,
            ca,
            database,
            username,
            password,
            sentinel_password,
            namespace: _,
            timeout: _,
            write: _,
            compress: _,
            max_object: _,
        } = settings;
        if ca.as_ref().is_some_and(|pem| !pem.windows(BEGINNING.len()).any(|part| part == BEGINNING)) {
            return Err(UnusableSettings::Ca);
        }
        let place = match servers {
            RedisServers::Single(address) => Place::Single(address.clone()),
            RedisServers::Cluster(addresses) => Place::Cluster(addresses.clone()),
            RedisServers::Sentinel { sentinels, service } => {
                let user = user(None, sentinel_password.as_ref(), 0);
                Place::Sentinel(Sentinels::new(sentinels.clone(), service.clone(), user))
            }
        };
        let user = user(username.as_deref(), password.as_ref(), i64::from(*database));
        let servers = Self { place, tls: *tls, ca: ca.clone(), user, old: AtomicBool::new(false) };
        match &servers.place {
            Place::Single(address) => drop(servers.client(address, &servers.user)?),
            Place::Cluster(addresses) => drop(servers.cluster(addresses)?),
            Place::Sentinel(sentinels) => {
                for address in sentinels.addresses() {
                    servers.client(&address, &servers.user)?;
                }
            }
        }
        Ok(servers)
    }

    /// A connection for many commands at once, and whom it leads to, where that may become another.
    pub(super) async fn open(&self) -> Result<(Connection, Option<ServerAddress>), LinkError> {
        within(OPEN, async {
            match &self.place {
                Place::Single(address) => Ok((Connection::Server(self.server(address).await?), None)),
                Place::Cluster(addresses) => Ok((self.open_cluster(addresses).await?, None)),
                Place::Sentinel(sentinels) => {
                    let (address, connection) = self.primary(sentinels).await?;
                    Ok((Connection::Server(connection), Some(address)))
                }
            }
        })
        .await
    }

    /// The sentinels, where there are any.
    pub(super) fn sentinels(&self) -> Option<&Sentinels> {
        match &self.place {
            Place::Sentinel(sentinels) => Some(sentinels),
            Place::Single(_) | Place::Cluster(_) => None,
        }
    }

    /// A connection of its own to the server that serves a key.
    pub(super) async fn dedicated(&self, key: &[u8]) -> Result<MultiplexedConnection, LinkError> {
        within(OPEN, async {
            match &self.place {
                Place::Single(address) => self.server(address).await,
                Place::Sentinel(sentinels) => Ok(self.primary(sentinels).await?.1),
                Place::Cluster(addresses) => {
                    let address = self.serves(addresses, key).await?;
                    self.server(&address).await
                }
            }
        })
        .await
    }

    /// A connection of its own for subscriptions, to the server that serves a key.
    pub(super) async fn subscriber(&self, key: &[u8]) -> Result<PubSub, LinkError> {
        within(OPEN, async {
            let address = match &self.place {
                Place::Single(address) => address.clone(),
                Place::Sentinel(sentinels) => self.primary(sentinels).await?.0,
                Place::Cluster(addresses) => self.serves(addresses, key).await?,
            };
            let client = self.client(&address, &self.user)?;
            within(OPEN_ONE, async { Ok(client.get_async_pubsub().await?) }).await
        })
        .await
    }

    /// The primary, as the sentinels name it and it says itself. Sentinels that were cut off name one that was.
    async fn primary(
        &self,
        sentinels: &Sentinels,
    ) -> Result<(ServerAddress, MultiplexedConnection), LinkError> {
        let address = sentinels.primary(self).await?;
        let mut connection = self.server(&address).await?;
        let role = within(OPEN_ONE, async {
            Ok(cmd("ROLE").query_async::<Value>(&mut connection).await.map_err(LinkError::from))
        });
        match role.await? {
            Ok(Value::Array(said)) if is_master(&said) => Ok((address, connection)),
            // Whoever may not ask believes the sentinels.
            Err(error) if error.code() == Some("NOPERM") => Ok((address, connection)),
            Ok(_) => {
                sentinels.distrust();
                let ServerAddress { host, port } = address;
                Err(LinkError::Refused(format!("{host}:{port} is named by a sentinel and is no primary")))
            }
            Err(error) => Err(error),
        }
    }

    /// Which server serves a key, as the first of the cluster that answers sees it.
    async fn serves(&self, addresses: &[ServerAddress], key: &[u8]) -> Result<ServerAddress, LinkError> {
        let mut last = LinkError::Refused("no server of the cluster is known".to_owned());
        for address in addresses {
            let asked = within(OPEN_ONE, async {
                let mut connection = self.server(address).await?;
                let mut questions = redis::pipe();
                questions.cmd("CLUSTER").arg("KEYSLOT").arg(key).cmd("CLUSTER").arg("SLOTS");
                let (slot, slots): (u64, Value) = questions.query_async(&mut connection).await?;
                Ok(owner(&slots, slot, &address.host))
            });
            match asked.await {
                Ok(Some(address)) => return Ok(address),
                Ok(None) => last = LinkError::Refused("nobody in the cluster serves the key".to_owned()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn server(&self, address: &ServerAddress) -> Result<MultiplexedConnection, LinkError> {
        self.connect(address, &self.user).await
    }

    /// Connects to one server, by RESP3 if it knows it, and hears a word of it.
    pub(super) async fn connect(
        &self,
        address: &ServerAddress,
        user: &RedisConnectionInfo,
    ) -> Result<MultiplexedConnection, LinkError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(OPEN_ONE))
            // Whoever asks says how long it waits; a limit of the connection's would cut blocking reads.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(WRITE_QUEUE);
        let client = self.client(address, user)?;
        match client.get_multiplexed_async_connection_with_config(&config).await {
            Err(error) if is_old(&error) => {
                self.old.store(true, Relaxed);
                let client = self.client(address, user)?;
                Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
            connected => {
                let mut connection = connected?;
                // By RESP2 and without a password nothing was asked yet.
                within(OPEN_ONE, ping(&mut connection)).await?;
                Ok(connection)
            }
        }
    }

    async fn open_cluster(&self, addresses: &[ServerAddress]) -> Result<Connection, LinkError> {
        match self.cluster(addresses)?.get_async_connection().await {
            Err(error) if is_old(&error) => {
                self.old.store(true, Relaxed);
                Ok(Connection::Cluster(self.cluster(addresses)?.get_async_connection().await?))
            }
            connected => Ok(Connection::Cluster(connected?)),
        }
    }

    fn client(&self, address: &ServerAddress, user: &RedisConnectionInfo) -> Result<Client, RedisError> {
        let info = self.info(address, user)?;
        if self.tls { Client::build_with_tls(info, self.certificates()) } else { Client::open(info) }
    }

    fn cluster(&self, addresses: &[ServerAddress]) -> Result<ClusterClient, RedisError> {
        let nodes: Result<Vec<_>, _> =
            addresses.iter().map(|address| self.info(address, &self.user)).collect();
        let mut builder: ClusterClientBuilder = ClusterClient::builder(nodes?)
            .connection_timeout(OPEN_ONE)
            .response_timeout(CLUSTER_ANSWER)
            .overall_response_timeout(None)
            // A redirection, and another one while slots move; whoever asks has gone by then.
            .retries(3)
            .min_retry_wait(5)
            .max_retry_wait(50)
            .tcp_settings(tcp())
            .use_protocol(self.protocol());
        if self.tls {
            builder = builder.tls(TlsMode::Secure).certs(self.certificates());
        }
        builder.build()
    }

    fn info(
        &self,
        ServerAddress { host, port }: &ServerAddress,
        user: &RedisConnectionInfo,
    ) -> Result<ConnectionInfo, RedisError> {
        let (host, port) = (host.clone(), *port);
        let address = if self.tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let info = address.into_connection_info()?;
        let user = user.clone().set_protocol(self.protocol());
        Ok(info.set_redis_settings(user).set_tcp_settings(tcp()))
    }

    fn protocol(&self) -> ProtocolVersion {
        if self.old.load(Relaxed) { ProtocolVersion::RESP2 } else { ProtocolVersion::RESP3 }
    }

    fn certificates(&self) -> TlsCertificates {
        TlsCertificates { client_tls: None, root_cert: self.ca.clone() }
    }
}

/// How a certificate in PEM begins.
const BEGINNING: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// An open connection.
#[derive(Clone)]
pub(super) enum Connection {
    /// To one server.
    Server(MultiplexedConnection),
    /// To all that are needed.
    Cluster(ClusterConnection),
}

impl Connection {
    /// Whether it is one to many servers, of which one may hang while the others answer.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Sends one command.
    pub(super) async fn command<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, LinkError> {
        Ok(command.query_async(self).await?)
    }

    /// Sends several.
    pub(super) async fn pipeline<T: FromRedisValue>(&mut self, pipeline: &Pipeline) -> Result<T, LinkError> {
        Ok(pipeline.query_async(self).await?)
    }

    /// Asks for a word.
    pub(super) async fn ping(&mut self) -> Result<(), LinkError> {
        ping(self).await
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// A server that forbids the question lives as well.
async fn ping(connection: &mut impl ConnectionLike) -> Result<(), LinkError> {
    match cmd("PING").query_async::<Value>(connection).await.map_err(LinkError::from) {
        Err(error) if error.code() != Some("NOPERM") => Err(error),
        _ => Ok(()),
    }
}

/// Ends a call that takes too long.
pub(super) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, LinkError>>,
) -> Result<T, LinkError> {
    timeout(limit, call).await.unwrap_or(Err(LinkError::Timeout))
}

fn user(name: Option<&str>, password: Option<&Secret>, database: i64) -> RedisConnectionInfo {
    let mut user = RedisConnectionInfo::default()
        .set_db(database)
        .set_lib_name(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    if let Some(name) = name {
        user = user.set_username(name);
    }
    if let Some(password) = password {
        user = user.set_password(password.expose());
    }
    user
}

fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(UNACKNOWLEDGED).with_interval(Duration::from_secs(1));
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(UNACKNOWLEDGED);
    settings
}

/// Whether a server does not know RESP3, which came with Redis 6, nor the command that asks for it.
fn is_old(error: &RedisError) -> bool {
    error.kind() == ErrorKind::RESP3NotSupported
        || error.code() == Some("NOPROTO")
        || error.detail().is_some_and(|detail| detail.contains("unknown command"))
}

fn is_master(role: &[Value]) -> bool {
    role.first().is_some_and(|word| {
        matches!(word, Value::BulkString(word) if word == b"master")
            || matches!(word, Value::SimpleString(word) if word == "master")
    })
}

/// The primary of a slot in an answer to `CLUSTER SLOTS`: `[[first, last, [host, port, …], replicas …] …]`. A server that
/// does not know its own name leaves it empty; it is the one that was asked.
fn owner(slots: &Value, slot: u64, asked: &str) -> Option<ServerAddress> {
    let Value::Array(ranges) = slots else { return None };
    ranges.iter().find_map(|range| {
        let Value::Array(range) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = range.as_slice() else {
            return None;
        };
        let (first, last) = (u64::try_from(*first).ok()?, u64::try_from(*last).ok()?);
        let [Value::BulkString(host), Value::Int(port), ..] = primary.as_slice() else { return None };
        let host = std::str::from_utf8(host).ok()?;
        let host = if host.is_empty() || host == "?" { asked } else { host };
        let port = u16::try_from(*port).ok()?;
        (first..=last).contains(&slot).then(|| ServerAddress { host: host.to_owned(), port })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_slot_is_found_or_nobody() {
        let node = |host: &str, port: i64| {
            Value::Array(vec![Value::BulkString(host.as_bytes().to_vec()), Value::Int(port)])
        };
        let range = |first: i64, last: i64, primary: Value| {
            Value::Array(vec![Value::Int(first), Value::Int(last), primary, node("replica", 1)])
        };
        let slots = Value::Array(vec![
            Value::Nil,
            Value::Array(vec![Value::Int(0)]),
            range(0, 99, node("a", 7000)),
            range(100, 199, node("", 7001)),
            range(200, 299, node("c", 70_000)),
            range(-5, 400, node("d", 7003)),
        ]);
        let found = |slot| owner(&slots, slot, "asked").map(|address| (address.host, address.port));
        assert_eq!(found(0), Some(("a".to_owned(), 7000)));
        assert_eq!(found(99), Some(("a".to_owned(), 7000)));
        assert_eq!(found(100), Some(("asked".to_owned(), 7001)));
        assert_eq!(found(200), None, "no such port");
        assert_eq!(found(300), None, "no such range");
        assert_eq!(owner(&Value::Okay, 0, "asked"), None);
    }
}
