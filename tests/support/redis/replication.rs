//! A primary, a replica, and three sentinels that watch them.

use super::server::{PACE, RedisBuilder, RedisServer};
use crate::support::DEADLINE;
use std::time::Duration;
use tokio::time::Instant;

/// The name under which the sentinels know the primary.
const SERVICE: &str = "mymaster";

/// A sentinel that was not scheduled for two seconds mistrusts its clock, and does nothing for so long.
const STILL: Duration = Duration::from_secs(30);

/// Two servers and three sentinels.
pub(crate) struct Replication {
    /// The servers; the first one was the primary when this began.
    pub(crate) servers: [RedisServer; 2],
    /// The sentinels.
    pub(crate) sentinels: [RedisServer; 3],
}

impl Replication {
    /// Starts them, and waits until every sentinel knows all others.
    pub(crate) async fn start() -> Self {
        Self::start_with(|server| server).await
    }

    /// As [`Replication::start`], with something more in the description of both servers.
    pub(crate) async fn start_with(describe: impl Fn(RedisBuilder) -> RedisBuilder) -> Self {
        let primary = describe(RedisServer::builder()).start().await;
        let follows = format!("replicaof 127.0.0.1 {}", primary.port());
        let replica = describe(RedisServer::builder()).line(follows).start().await;
        replica.says("INFO replication", "master_link_status:up").await;
        let sentinel = || sentinel_of(primary.port()).start();
        let sentinels = [sentinel().await, sentinel().await, sentinel().await];
        for sentinel in &sentinels {
            let master = format!("SENTINEL MASTER {SERVICE}");
            // As many as it takes: all others are known, none is thought to be down.
            sentinel.says(&master, "num-other-sentinels").await;
            sentinel.says("INFO sentinel", "status=ok").await;
            sentinel.says("INFO sentinel", "slaves=1,sentinels=3").await;
        }
        Self { servers: [primary, replica], sentinels }
    }

    /// Where Larder finds it.
    pub(crate) fn url(&self) -> String {
        let addresses: Vec<_> = self.sentinels.iter().map(RedisServer::address).collect();
        format!("redis-sentinel://{}/{SERVICE}", addresses.join(","))
    }

    /// Which of [`Replication::servers`] most sentinels name as the primary.
    pub(crate) async fn primary(&self) -> usize {
        let mut votes = [0; 2];
        for sentinel in &self.sentinels {
            let command = format!("SENTINEL GET-MASTER-ADDR-BY-NAME {SERVICE}");
            let (_, port): (String, u16) = sentinel.command(&command).await;
            let named = self.servers.iter().position(|server| server.port() == port);
            votes[named.expect("one of the two")] += 1;
        }
        usize::from(votes[1] > votes[0])
    }

    /// Makes the other server the primary while both are well, and returns which it is; what the old one had not handed on
    /// is lost.
    pub(crate) async fn fail_over(&self) -> usize {
        let next = 1 - self.primary().await;
        let end = Instant::now() + DEADLINE;
        // Refused while the sentinels do not hold the replica for good, which passes.
        while self.sentinels[0].try_command::<()>(&format!("SENTINEL FAILOVER {SERVICE}")).await.is_err() {
            assert!(Instant::now() < end, "the sentinels refused to fail over");
            tokio::time::sleep(PACE).await;
        }
        self.becomes(next).await;
        next
    }

    /// Waits until one of the servers is the primary, the sentinels name it, and the other one follows it.
    pub(crate) async fn follows(&self) {
        let end = Instant::now() + STILL + DEADLINE;
        loop {
            let primary = self.primary().await;
            let up = self.servers[1 - primary].info("replication", "master_link_status").await;
            let role = self.servers[primary].info("replication", "role").await;
            if (role.as_deref(), up.as_deref()) == (Some("master"), Some("up")) {
                return;
            }
            assert!(Instant::now() < end, "no server follows the other: {role:?}, {up:?}");
            tokio::time::sleep(PACE).await;
        }
    }

    /// Waits until this server is the primary and the sentinels name it.
    pub(crate) async fn becomes(&self, primary: usize) {
        self.servers[primary].says("ROLE", "master").await;
        let end = Instant::now() + DEADLINE;
        while self.primary().await != primary {
            assert!(Instant::now() < end, "the sentinels never named server {primary}");
            tokio::time::sleep(PACE).await;
        }
    }
}

/// Two seconds of silence mean that a server is down: short for a test, long for a busy machine.
fn sentinel_of(primary: u16) -> RedisBuilder {
    RedisServer::builder()
        .sentinel()
        .line(format!("sentinel monitor {SERVICE} 127.0.0.1 {primary} 2"))
        .line(format!("sentinel down-after-milliseconds {SERVICE} 2000"))
        .line(format!("sentinel failover-timeout {SERVICE} 6000"))
        .line(format!("sentinel parallel-syncs {SERVICE} 1"))
}
