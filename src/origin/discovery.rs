//! Names into addresses, again and again: services move.

use super::peer::Manner;
use super::server::Server;
use super::settings::ServerAddress;
use async_trait::async_trait;
use pingora::lb::Backend;
use pingora::lb::discovery::ServiceDiscovery;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

/// For one name. The system's resolver tries several servers for 5 s each by default; the first one's answer is worth
/// waiting for.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Servers of one origin. Far beyond what a name resolves to in practice, far below where balancing gets slow.
const MOST_SERVERS: usize = 1024;

/// Looks names up.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// Every address of `host`, each with `port`.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The system's resolver, `/etc/hosts` and search domains included. It tells no lifetimes, so they are not followed.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// The servers that the names of one origin stand for.
pub(super) struct Discovery {
    origin: Arc<str>,
    names: Vec<ServerAddress>,
    resolver: Arc<dyn Resolve>,
    manner: Manner,
    known: Mutex<Known>,
}

/// What the names stood for when they were last looked up.
#[derive(Default)]
struct Known {
    /// For each name the last good answer.
    answers: Vec<Option<Vec<SocketAddr>>>,
    /// For each name why its last look-up failed.
    failures: Vec<Option<String>>,
    servers: HashMap<SocketAddr, Arc<Server>>,
}

type Answer = Result<Vec<SocketAddr>, String>;

impl Discovery {
    /// The servers that `names` stand for, connected to in `manner`.
    pub(super) fn new(
        origin: Arc<str>,
        names: Vec<ServerAddress>,
        resolver: Arc<dyn Resolve>,
        manner: Manner,
    ) -> Self {
        let known = Known {
            answers: vec![None; names.len()],
            failures: vec![None; names.len()],
            servers: HashMap::new(),
        };
        Self { origin, names, resolver, manner, known: Mutex::new(known) }
    }

    /// Whether any server is a name, and not an address that stays what it is.
    pub(super) fn has_names(&self) -> bool {
        self.names.iter().any(|name| literal(name).is_none())
    }

    /// The names whose last look-up failed, with the reason. They may still have servers, from before.
    pub(super) fn unresolved(&self) -> Vec<(String, String)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = self.names.iter().zip(&known.failures);
        failed.filter_map(|(name, failure)| Some((name.to_string(), failure.clone()?))).collect()
    }

    /// Whether some name has never been resolved.
    pub(super) fn incomplete(&self) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).answers.iter().any(Option::is_none)
    }

    /// Looks all names up, side by side: one that hangs holds up no other.
    async fn answers(&self) -> Vec<Answer> {
        let mut answers: Vec<Answer> = vec![Err("the look-up was lost".to_owned()); self.names.len()];
        let mut lookups = JoinSet::new();
        for (index, name) in self.names.iter().enumerate() {
            if let Some(address) = literal(name) {
                answers[index] = Ok(vec![address]);
                continue;
            }
            let (resolver, host, port) = (Arc::clone(&self.resolver), name.bare_host().to_owned(), name.port);
            lookups.spawn(async move { (index, lookup(&*resolver, &host, port).await) });
        }
        while let Some(ended) = lookups.join_next().await {
            if let Ok((index, answer)) = ended {
                answers[index] = answer;
            }
        }
        answers
    }

    /// Takes `answers` over, name by name: where there is none, the last good one stays.
    fn learn(&self, answers: Vec<Answer>) -> BTreeSet<Backend> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = &mut *known;
        for (index, answer) in answers.into_iter().enumerate() {
            let failure = match answer {
                Ok(addresses) => {
                    known.answers[index] = Some(addresses);
                    None
                }
                Err(reason) => Some(reason),
            };
            self.report(&self.names[index], known.failures[index].as_deref(), failure.as_deref());
            known.failures[index] = failure;
        }
        known.servers = self.servers(&known.answers, &known.servers);
        known.servers.values().map(backend).collect()
    }

    /// The servers at the addresses in `answers`, each kept as it is in `before` if it is there. An address that two
    /// names share belongs to the name written first.
    fn servers(
        &self,
        answers: &[Option<Vec<SocketAddr>>],
        before: &HashMap<SocketAddr, Arc<Server>>,
    ) -> HashMap<SocketAddr, Arc<Server>> {
        let mut servers = HashMap::new();
        for (name, addresses) in self.names.iter().zip(answers) {
            for &address in addresses.iter().flatten() {
                if servers.len() == MOST_SERVERS {
                    return servers;
                }
                servers.entry(address).or_insert_with(|| match before.get(&address) {
                    Some(server) if server.name == *name => Arc::clone(server),
                    _ => Arc::new(Server::new(name, address, &self.manner)),
                });
            }
        }
        servers
    }

    /// Logs a change, and only that: a name that stays away would fill the log.
    fn report(&self, name: &ServerAddress, before: Option<&str>, now: Option<&str>) {
        match (before, now) {
            (None, Some(reason)) => {
                tracing::warn!(origin = &*self.origin, server = %name, reason, "cannot resolve; the last answer stays");
            }
            (Some(_), None) => tracing::info!(origin = &*self.origin, server = %name, "resolves again"),
            _ => {}
        }
    }
}

/// What a balancer owns of a [`Discovery`].
pub(super) struct Discovered(pub(super) Arc<Discovery>);

#[async_trait]
impl ServiceDiscovery for Discovered {
    async fn discover(&self) -> pingora::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let answers = self.0.answers().await;
        Ok((self.0.learn(answers), HashMap::new()))
    }
}

async fn lookup(resolver: &dyn Resolve, host: &str, port: u16) -> Answer {
    match tokio::time::timeout(LOOKUP_TIMEOUT, resolver.resolve(host, port)).await {
        Ok(Ok(addresses)) if addresses.is_empty() => Err("no addresses".to_owned()),
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {LOOKUP_TIMEOUT:?}")),
    }
}

/// The address, if that is what the server is written as.
fn literal(name: &ServerAddress) -> Option<SocketAddr> {
    let address: IpAddr = name.bare_host().parse().ok()?;
    Some(SocketAddr::new(address, name.port))
}

fn backend(server: &Arc<Server>) -> Backend {
    let mut backend = Backend { addr: server.address.into(), weight: 1, ext: http::Extensions::new() };
    backend.ext.insert(Arc::clone(server));
    backend
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Protocol;

    struct NoResolver;

    #[async_trait]
    impl Resolve for NoResolver {
        async fn resolve(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
            std::future::pending().await
        }
    }

    fn discovery(names: &[&str]) -> Discovery {
        let name = |host: &&str| ServerAddress { tls: false, host: (*host).to_owned(), port: 80 };
        let manner = Manner {
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
            protocol: Protocol::Auto,
            authorities: None,
        };
        Discovery::new("shop".into(), names.iter().map(name).collect(), Arc::new(NoResolver), manner)
    }

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 80))
    }

    fn shown(backends: &BTreeSet<Backend>) -> Vec<String> {
        backends.iter().map(|backend| backend.addr.to_string()).collect()
    }

    #[test]
    fn the_last_good_answer_stays() {
        let discovery = discovery(&["a", "b"]);
        assert!(discovery.incomplete());
        let check = |answers: [Answer; 2], expected: &[&str], unresolved: usize| {
            assert_eq!(shown(&discovery.learn(answers.into())), expected);
            assert_eq!(discovery.unresolved().len(), unresolved);
        };
        let failed = || Err("gone".to_owned());
        check([Ok(vec![address(1)]), failed()], &["10.0.0.1:80"], 1);
        assert!(discovery.incomplete());
        check([failed(), Ok(vec![address(2)])], &["10.0.0.1:80", "10.0.0.2:80"], 1);
        assert!(!discovery.incomplete());
        check([failed(), failed()], &["10.0.0.1:80", "10.0.0.2:80"], 2);
        check([Ok(vec![address(3)]), Ok(vec![address(3)])], &["10.0.0.3:80"], 0);
    }

    #[test]
    fn a_server_stays_the_same_object_while_its_address_does() {
        let discovery = discovery(&["a"]);
        let server = |answer: Vec<SocketAddr>| {
            let backends = discovery.learn(vec![Ok(answer)]);
            Arc::clone(backends.first().unwrap().ext.get::<Arc<Server>>().unwrap())
        };
        let first = server(vec![address(1)]);
        assert!(Arc::ptr_eq(&first, &server(vec![address(1), address(2)])));
        server(vec![address(2)]);
        assert!(!Arc::ptr_eq(&first, &server(vec![address(1)])));
    }

    #[test]
    fn the_number_of_servers_is_bounded() {
        let many = (0..u16::MAX).map(|n| SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 80))).collect();
        assert_eq!(discovery(&["a"]).learn(vec![Ok(many)]).len(), MOST_SERVERS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_name_holds_up_no_address() {
        let discovery = discovery(&["hangs", "10.0.0.9"]);
        let (backends, _) = Discovered(Arc::new(discovery)).discover().await.unwrap();
        assert_eq!(shown(&backends), ["10.0.0.9:80"]);
    }
}
