//! One `redis-server` process.

use super::ports::free_port;
use crate::support::{Authority, DEADLINE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, RedisResult};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::time::Instant;

/// Between two looks at a process that starts or changes its role: no event tells of it, and to ask without a pause would
/// take the processor from it.
pub(super) const PACE: Duration = Duration::from_millis(20);

/// What becomes of a server's data when it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// What was written to disk is there: everything, with [`RedisBuilder::appendonly`].
    Kept,
    /// The server is as if it were new.
    Lost,
}

/// A server to be started.
#[derive(Default)]
pub(crate) struct RedisBuilder {
    lines: Vec<String>,
    user: Option<(String, String)>,
    tls: Option<Tls>,
    cluster: bool,
    sentinel: bool,
}

struct Tls {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl RedisBuilder {
    /// Adds a line to the configuration file.
    pub(crate) fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// Wants a password of everybody.
    pub(crate) fn password(mut self, password: &str) -> Self {
        self.user = Some(("default".to_owned(), password.to_owned()));
        self.line(format!("requirepass {password}"))
    }

    /// Knows one user, who may do everything, and nobody else.
    pub(crate) fn user(mut self, name: &str, password: &str) -> Self {
        self.user = Some((name.to_owned(), password.to_owned()));
        self.line("user default off").line(format!("user {name} on >{password} ~* &* +@all"))
    }

    /// Takes so much memory, as `10mb`, and then follows a policy, as `noeviction`.
    pub(crate) fn maxmemory(self, size: &str, policy: &str) -> Self {
        self.line(format!("maxmemory {size}")).line(format!("maxmemory-policy {policy}"))
    }

    /// Writes everything to disk before it is answered, so that it outlives a kill.
    pub(crate) fn appendonly(self) -> Self {
        self.line("appendonly yes").line("appendfsync everysec").line("auto-aof-rewrite-percentage 0")
    }

    /// Speaks TLS on a second port, with a certificate for 127.0.0.1 of this authority.
    pub(crate) fn tls(mut self, authority: &Authority) -> Self {
        let (certificate, key) = authority.issue_files("127.0.0.1");
        self.tls = Some(Tls { ca: authority.file(), certificate, key });
        self
    }

    /// A node of a cluster.
    pub(super) fn cluster(mut self) -> Self {
        self.cluster = true;
        self
    }

    /// A sentinel.
    pub(super) fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn start(self) -> RedisServer {
        loop {
            let port = free_port();
            if let Some(server) = self.start_at(port).await {
                return server;
            }
        }
    }

    /// Chooses its port without starting it: [`RedisServer::restart`] does.
    pub(crate) fn absent(self) -> RedisServer {
        self.prepare(free_port())
    }

    /// `None` if somebody else has the port by now.
    async fn start_at(&self, port: u16) -> Option<RedisServer> {
        let mut server = self.prepare(port);
        server.spawn();
        server.up().await.then_some(server)
    }

    fn prepare(&self, port: u16) -> RedisServer {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut text = format!("port {port}\nbind 127.0.0.1\ndir {}\n", folder.path().display());
        let mut add = |line: &str| writeln!(text, "{line}").expect("into memory");
        if !self.sentinel {
            add("save \"\"\nrepl-diskless-sync-delay 0\nrepl-timeout 10\nenable-debug-command yes");
        }
        if self.cluster {
            add("cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-node-timeout 2000");
            add(&format!("cluster-port {}", free_port()));
        }
        let tls_port = self.tls.as_ref().map(|Tls { ca, certificate, key }| {
            let port = free_port();
            add(&format!("tls-port {port}\ntls-auth-clients no\ntls-ca-cert-file {}", ca.display()));
            add(&format!("tls-cert-file {}\ntls-key-file {}", certificate.display(), key.display()));
            port
        });
        self.lines.iter().for_each(|line| add(line));
        fs::write(folder.path().join("redis.conf"), text).expect("a writable folder");
        RedisServer {
            folder,
            port,
            tls_port,
            user: self.user.clone(),
            sentinel: self.sentinel,
            child: None,
            kept: None,
        }
    }
}

/// A `redis-server` with a folder and a port of its own. Dropping it kills the process, frozen or not.
pub(crate) struct RedisServer {
    folder: TempDir,
    port: u16,
    tls_port: Option<u16>,
    user: Option<(String, String)>,
    sentinel: bool,
    child: Option<Child>,
    /// Keeps the port for a server that is down: bound and not listened on, so that connections to it are refused.
    kept: Option<TcpSocket>,
}

impl RedisServer {
    /// A server with nothing special about it.
    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    /// A server to be described.
    pub(crate) fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where Larder finds it, without user and password.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Its TLS port.
    pub(crate) fn tls_port(&self) -> u16 {
        self.tls_port.expect("built with TLS")
    }

    /// Where Larder finds it by TLS.
    pub(crate) fn tls_url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.tls_port())
    }

    /// A connection for the test's own use, without a limit for an answer but the test's.
    pub(crate) async fn connect(&self) -> MultiplexedConnection {
        self.try_connect().await.unwrap_or_else(|error| panic!("{}: {error}", self.address()))
    }

    async fn try_connect(&self) -> RedisResult<MultiplexedConnection> {
        let user = self.user.as_ref().map(|(name, password)| format!("{name}:{password}@"));
        let client = redis::Client::open(format!("redis://{}{}", user.unwrap_or_default(), self.address()))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(DEADLINE))
            .set_response_timeout(Some(DEADLINE));
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Sends one command, words separated by blanks, on a connection of its own.
    pub(crate) async fn command<T: FromRedisValue>(&self, words: &str) -> T {
        self.try_command(words).await.unwrap_or_else(|error| panic!("{words} at {}: {error}", self.address()))
    }

    /// As [`RedisServer::command`], where failing is possible.
    pub(crate) async fn try_command<T: FromRedisValue>(&self, words: &str) -> RedisResult<T> {
        let mut words = words.split_ascii_whitespace();
        let mut command = redis::cmd(words.next().expect("a command"));
        words.for_each(|word| {
            command.arg(word);
        });
        command.query_async(&mut self.try_connect().await?).await
    }

    /// A line of `INFO`.
    pub(crate) async fn info(&self, section: &str, name: &str) -> Option<String> {
        let text: String = self.try_command(&format!("INFO {section}")).await.ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(value.to_owned())
    }

    /// Asks until the answer to a command has `part` in it.
    pub(crate) async fn says(&self, words: &str, part: &str) {
        let end = Instant::now() + DEADLINE;
        loop {
            let said = self.try_command::<redis::Value>(words).await.map(|value| text_of(&value));
            if said.as_ref().is_ok_and(|text| text.contains(part)) {
                return;
            }
            assert!(Instant::now() < end, "{} never said {part:?} to {words}: {said:?}", self.address());
            tokio::time::sleep(PACE).await;
        }
    }

    /// Ends it as a crash does, at once and without a word.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
            self.kept = keep(self.port).ok();
        }
    }

    /// Starts it again on its port, and waits until it answers.
    pub(crate) async fn restart(&mut self, data: Data) {
        self.kill();
        if data == Data::Lost {
            let _ = fs::remove_dir_all(self.folder.path().join("appendonlydir"));
            let _ = fs::remove_file(self.folder.path().join("dump.rdb"));
        }
        self.spawn();
        assert!(self.up().await, "it did not come up again:\n{}", self.log());
    }

    /// Stops the process in its tracks: connections stay, nothing is answered, the system still accepts new ones.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen process go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill(Pid::from_raw(child.id() as i32), signal).expect("it is our child");
    }

    fn spawn(&mut self) {
        self.kept = None;
        let log = File::create(self.folder.path().join("log")).expect("a writable folder");
        let mut command = Command::new("redis-server");
        command.arg(self.folder.path().join("redis.conf"));
        if self.sentinel {
            command.arg("--sentinel");
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("redis-server is installed (`make tools`)");
        self.child = Some(child);
    }

    /// Waits until it answers; false if it has ended instead. It is asked for its process, so that another server on the
    /// port is not taken for it.
    async fn up(&mut self) -> bool {
        let end = Instant::now() + DEADLINE;
        loop {
            let child = self.child.as_mut().expect("spawned");
            let own = child.id().to_string();
            if child.try_wait().expect("it is our child").is_some() {
                self.child = None;
                return false;
            }
            let loaded = self.sentinel || self.info("persistence", "loading").await.as_deref() == Some("0");
            if loaded && self.info("server", "process_id").await == Some(own) {
                return true;
            }
            assert!(Instant::now() < end, "no answer from {}:\n{}", self.address(), self.log());
            tokio::time::sleep(PACE).await;
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A stopped process is killed all the same; failing means that it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Binds a port that nobody else is to take. What is left of old connections does not hinder it, and then it hinders others.
fn keep(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.set_reuseaddr(false)?;
    Ok(socket)
}

/// Everything in a reply, a line for each value.
fn text_of(value: &redis::Value) -> String {
    use redis::Value;
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Okay => "OK".to_owned(),
        Value::Array(values) | Value::Set(values) => {
            values.iter().map(text_of).collect::<Vec<_>>().join("\n")
        }
        Value::Map(pairs) => pairs
            .iter()
            .map(|(name, value)| format!("{}={}", text_of(name), text_of(value)))
            .collect::<Vec<_>>()
            .join("\n"),
        other => format!("{other:?}"),
    }
}
