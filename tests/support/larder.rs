//! Larder in this process, in front of an origin.

use super::client::{Connection, H2Client, Request, Response, exchange_raw, request_at};
use super::origin::{H2Origin, Origin};
use bytes::Bytes;
use larder::app::{self, Options, Running};
use serde_json::Value;
use std::fmt::Display;
use std::net::SocketAddr;
use std::thread;

/// A Larder that serves. Dropping it ends it at once.
pub(crate) struct Larder {
    running: Running,
}

/// A configuration in the making.
#[derive(Clone)]
pub(crate) struct LarderBuilder {
    listen: String,
    admin: String,
    origin: String,
    redis: String,
    rules: String,
}

impl Larder {
    /// A Larder before `origin`, with nothing else set: the one-line configuration, but for its ports.
    pub(crate) fn before(origin: &Origin) -> LarderBuilder {
        LarderBuilder::with_origin(&format!("origin: {}", origin.url()))
    }

    /// A Larder before an HTTP/2 origin.
    pub(crate) fn before_h2(origin: &H2Origin) -> LarderBuilder {
        let address = origin.address();
        LarderBuilder::with_origin(&format!(
            "origins: {{ default: {{ servers: [\"http://{address}\"], protocol: h2c }} }}"
        ))
    }

    /// A Larder whose `origin` or `origins` are written in full.
    pub(crate) fn with_origins(yaml: &str) -> LarderBuilder {
        LarderBuilder::with_origin(&dedent(yaml))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.addresses()[0]
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.running.admin_address()
    }

    /// Has it drain, and waits until it has ended.
    pub(crate) async fn drained(&self) {
        self.running.drain();
        super::within("it ends", self.running.ended()).await;
    }

    /// A GET, not sent yet.
    pub(crate) fn get(&self, target: &str) -> Request {
        self.request("GET", target)
    }

    /// A PUT, not sent yet.
    pub(crate) fn put(&self, target: &str, body: impl Into<Bytes>) -> Request {
        self.request("PUT", target).body(body)
    }

    /// Any request, not sent yet.
    pub(crate) fn request(&self, method: &str, target: &str) -> Request {
        request_at(self.address(), method, target)
    }

    /// An open connection.
    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address()).await
    }

    /// An open HTTP/2 connection, with prior knowledge.
    pub(crate) async fn connect_h2(&self) -> H2Client {
        H2Client::connect(self.address()).await
    }

    /// Everything that comes back for exactly these bytes, up to the end of the connection.
    pub(crate) async fn raw(&self, bytes: impl AsRef<[u8]>) -> Bytes {
        exchange_raw(self.address(), bytes).await
    }

    /// A request to the admin listener, not sent yet.
    pub(crate) fn admin(&self, method: &str, target: &str) -> Request {
        let address = self.admin_address();
        request_at(address, method, target).host(&address.to_string())
    }

    /// Purges by the admin listener, and returns the reply.
    pub(crate) async fn purge(&self, what: Value) -> Response {
        let reply = self.admin("POST", "/purge").json(&what).send().await;
        assert_eq!(reply.status, 202, "{reply:#?}");
        reply
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let page = self.admin("GET", "/metrics").send().await;
        let line = page.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = line.unwrap_or_else(|| panic!("no {name} in\n{}", page.text()));
        value.parse().expect("a metric is a number")
    }

    /// The sum of a metric over all lines whose labels contain `label`.
    pub(crate) async fn metric_where(&self, name: &str, label: &str) -> f64 {
        let page = self.admin("GET", "/metrics").send().await;
        let prefix = format!("{name}{{");
        let lines = page.text().lines().filter(|line| line.starts_with(&prefix) && line.contains(label));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

impl LarderBuilder {
    fn with_origin(origin: &str) -> Self {
        Self {
            listen: "listen: [{ address: \"127.0.0.1:0\" }]".to_owned(),
            admin: "admin: { address: \"127.0.0.1:0\" }".to_owned(),
            origin: origin.to_owned(),
            redis: String::new(),
            rules: String::new(),
        }
    }

    /// Shares the Redis at `url` with others. It is waited for as long as Larder ever may, so that a busy machine is not
    /// taken for a fault.
    pub(crate) fn redis(self, url: &str) -> Self {
        self.redis_with(url, "timeout: 5s")
    }

    /// Shares the Redis at `url` with others, by these fields.
    pub(crate) fn redis_with(mut self, url: &str, fields: impl Display) -> Self {
        self.redis = format!("redis: {{ url: \"{url}\", {fields} }}");
        self
    }

    /// What follows the listeners and the origin: routes, defaults, sizes. Indentation that all lines share is removed.
    pub(crate) fn rules(mut self, yaml: &str) -> Self {
        self.rules = dedent(yaml);
        self
    }

    /// The fields of the only listener, in place of a plain one.
    pub(crate) fn listen(mut self, fields: impl Display) -> Self {
        self.listen = format!("listen: [{{ address: \"127.0.0.1:0\", {fields} }}]");
        self
    }

    /// Requires this token of whoever asks the admin listener.
    pub(crate) fn admin_token(mut self, token: &str) -> Self {
        self.admin = format!("admin: {{ address: \"127.0.0.1:0\", token: {token} }}");
        self
    }

    /// The YAML text.
    pub(crate) fn yaml(&self) -> String {
        // Two runtimes, so that flights cross from one to the other also where there is one core.
        let Self { listen, admin, origin, redis, rules } = self;
        format!("threads: 2\n{listen}\n{admin}\n{origin}\n{redis}\n{rules}\n")
    }

    /// Starts it in this process.
    pub(crate) fn start(self) -> Larder {
        self.start_with(Options::default())
    }

    /// As [`LarderBuilder::start`], by these options.
    pub(crate) fn start_with(self, options: Options) -> Larder {
        let yaml = self.yaml();
        // It blocks while it starts, which a thread that drives a runtime must not.
        let start = || app::Larder::start(settings(&yaml), options);
        let running = thread::scope(|scope| scope.spawn(start).join()).expect("a start that fails says so");
        Larder { running: running.unwrap_or_else(|error| panic!("{error}\n{yaml}")) }
    }
}

fn settings(yaml: &str) -> larder::config::Settings {
    larder::config::parse(yaml, "proxy.yaml", &|_| None).unwrap_or_else(|faults| panic!("{faults}\n{yaml}"))
}

/// `yaml` without the indentation that all its lines share.
pub(super) fn dedent(yaml: &str) -> String {
    let indents = yaml.lines().filter(|line| !line.trim().is_empty());
    let shared = indents.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    yaml.lines().map(|line| line.get(shared..).unwrap_or_default()).collect::<Vec<_>>().join("\n")
}
