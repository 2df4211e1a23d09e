//! Asks sentinels who is the primary.

use super::servers::{Servers, within};
use super::{LinkError, ServerAddress};
use redis::aio::MultiplexedConnection;
use redis::{RedisConnectionInfo, cmd};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// For one sentinel: they are near and do nothing else. Short, as there are others.
const ASK: Duration = Duration::from_millis(700);

/// The sentinels of a service; at least one.
pub(super) struct Sentinels {
    addresses: Vec<ServerAddress>,
    service: String,
    user: RedisConnectionInfo,
    /// Who answered last is asked first.
    first: AtomicUsize,
}

impl Sentinels {
    pub(super) fn new(addresses: Vec<ServerAddress>, service: String, user: RedisConnectionInfo) -> Self {
        Self { addresses, service, user, first: AtomicUsize::new(0) }
    }

    /// Where they are.
    pub(super) fn addresses(&self) -> Vec<ServerAddress> {
        self.addresses.clone()
    }

    /// The primary, as the first that answers names it.
    pub(super) async fn primary(&self, servers: &Servers) -> Result<ServerAddress, LinkError> {
        let first = self.first.load(Relaxed) % self.addresses.len().max(1);
        let mut last = LinkError::Refused("there are no sentinels".to_owned());
        for step in 0..self.addresses.len() {
            let at = (first + step) % self.addresses.len();
            match within(ASK, self.ask(servers, &self.addresses[at])).await {
                Ok(Some((host, port))) => {
                    self.first.store(at, Relaxed);
                    return Ok(ServerAddress { host, port });
                }
                Ok(None) => {
                    last = LinkError::Refused(format!("the sentinels know no service {:?}", self.service));
                }
                Err(error) => last = error,
            }
        }
        // Another one begins next time, in case the first ones hang for longer than an attempt may take.
        self.distrust();
        Err(last)
    }

    fn next(&self) -> &ServerAddress {
        &self.addresses[self.first.load(Relaxed) % self.addresses.len()]
    }

    /// Who answered last was wrong: another one is asked first next time.
    pub(super) fn distrust(&self) {
        self.first.fetch_add(1, Relaxed);
    }

    async fn ask(
        &self,
        servers: &Servers,
        sentinel: &ServerAddress,
    ) -> Result<Option<(String, u16)>, LinkError> {
        let mut connection = servers.connect(sentinel, &self.user).await?;
        self.question(&mut connection).await
    }

    async fn question(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<Option<(String, u16)>, LinkError> {
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        Ok(question.query_async(connection).await?)
    }
}

/// Asks again and again whether a server is still the primary. One that was replaced takes writes for many seconds more,
/// until the sentinels make it a replica, and all of them are lost.
#[derive(Default)]
pub(super) struct Watch {
    connection: Option<MultiplexedConnection>,
}

impl Watch {
    /// Whether the sentinels name another server than `primary` now. No sentinel that answers: not that anybody knew.
    pub(super) async fn deposed(&mut self, servers: &Servers, primary: Option<&ServerAddress>) -> bool {
        let (Some(sentinels), Some(primary)) = (servers.sentinels(), primary) else { return false };
        match within(ASK, self.ask(servers, sentinels)).await {
            Ok(Some((host, port))) => (host.as_str(), port) != (primary.host.as_str(), primary.port),
            Ok(None) => false,
            Err(_) => {
                self.connection = None;
                sentinels.distrust();
                false
            }
        }
    }

    async fn ask(
        &mut self,
        servers: &Servers,
        sentinels: &Sentinels,
    ) -> Result<Option<(String, u16)>, LinkError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(servers.connect(sentinels.next(), &sentinels.user).await?),
        };
        sentinels.question(connection).await
    }
}
