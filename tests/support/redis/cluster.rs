//! A cluster: three masters, each with a replica.

use super::server::RedisServer;
use crate::support::{DEADLINE, within};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::Instant;

/// What an election takes, and more.
const ELECTION: Duration = Duration::from_secs(1);

/// Six servers that share the slots.
pub(crate) struct Cluster {
    /// The servers; the first three were the masters when this began.
    pub(crate) servers: Vec<RedisServer>,
}

impl Cluster {
    /// Starts it, and waits until every server has it whole.
    pub(crate) async fn start() -> Self {
        let mut servers = Vec::new();
        for _ in 0..6 {
            servers.push(RedisServer::builder().cluster().start().await);
        }
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(servers.iter().map(RedisServer::address));
        create.args(["--cluster-replicas", "1", "--cluster-yes"]).stdin(Stdio::null()).kill_on_drop(true);
        let output = within("the cluster is made", create.output()).await.expect("redis-cli is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let cluster = Self { servers };
        cluster.whole().await;
        cluster
    }

    /// Waits until every server that answers sees all slots served and all of six nodes, and every replica follows.
    async fn whole(&self) {
        for server in &self.servers {
            server.says("CLUSTER INFO", "cluster_state:ok").await;
            server.says("CLUSTER INFO", "cluster_slots_ok:16384").await;
            server.says("CLUSTER INFO", "cluster_known_nodes:6").await;
        }
        for server in &self.servers[3..] {
            server.says("INFO replication", "master_link_status:up").await;
        }
    }

    /// Where Larder finds it.
    pub(crate) fn url(&self) -> String {
        let addresses: Vec<_> = self.servers.iter().map(RedisServer::address).collect();
        format!("redis-cluster://{}", addresses.join(","))
    }

    /// Which server is the master of a slot, as the first server that answers sees it.
    pub(crate) async fn master_of(&self, slot: u16) -> usize {
        for server in &self.servers {
            let Ok(nodes) = server.try_command::<String>("CLUSTER NODES").await else { continue };
            let serves = |line: &&str| {
                line.contains("master") && line.split(' ').skip(8).any(|range| contains(range, slot))
            };
            let line = nodes.lines().find(serves).expect("all slots are served");
            let address = line.split(' ').nth(1).and_then(|address| address.split('@').next());
            let found = self.servers.iter().position(|server| Some(server.address().as_str()) == address);
            return found.expect("one of ours");
        }
        panic!("no server of the cluster answers");
    }

    /// Which servers follow this master.
    pub(crate) async fn replica_of(&self, master: usize) -> usize {
        let id: String = self.servers[master].command("CLUSTER MYID").await;
        // Which replica is whose is hearsay among the servers, and takes a while to get around.
        self.servers[master].says("CLUSTER NODES", &format!(" {id} ")).await;
        let nodes: String = self.servers[master].command("CLUSTER NODES").await;
        let line = nodes.lines().find(|line| line.contains("slave") && line.contains(&format!(" {id} ")));
        let address = line.and_then(|line| line.split(' ').nth(1)?.split('@').next());
        let found = self.servers.iter().position(|server| Some(server.address().as_str()) == address);
        found.expect("every master has a replica")
    }

    /// Hands a slot without keys to another master, and tells every server.
    pub(crate) async fn move_slot(&self, slot: u16, to: usize) {
        let id: String = self.servers[to].command("CLUSTER MYID").await;
        let from = self.master_of(slot).await;
        // The new owner first: a slot must never be nobody's. Replicas learn it from their masters.
        for server in [to, from] {
            self.servers[server].command::<()>(&format!("CLUSTER SETSLOT {slot} NODE {id}")).await;
        }
    }

    /// Makes the replica of a master take its place while both are well, and returns which it is.
    pub(crate) async fn fail_over(&self, master: usize) -> usize {
        let replica = self.replica_of(master).await;
        let end = Instant::now() + DEADLINE;
        // Its answer only says that it will try: without the votes of the others it gives up after a while.
        while self.servers[replica].info("replication", "role").await.as_deref() != Some("master") {
            assert!(Instant::now() < end, "server {replica} never became a master");
            let _ = self.servers[replica].try_command::<()>("CLUSTER FAILOVER").await;
            tokio::time::sleep(ELECTION).await;
        }
        replica
    }
}

/// Whether `range` of `CLUSTER NODES` (`5` or `0-5460`, or a slot that moves, in brackets) has `slot`.
fn contains(range: &str, slot: u16) -> bool {
    let (first, last) = range.trim().split_once('-').unwrap_or((range.trim(), range.trim()));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => (first..=last).contains(&slot),
        _ => false,
    }
}
