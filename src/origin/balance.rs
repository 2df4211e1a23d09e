//! Which server a request goes to, over Pingora's balancers.

use super::server::Server;
use super::settings::Balance;
use async_trait::async_trait;
use pingora::lb::discovery::ServiceDiscovery;
use pingora::lb::health_check::HealthCheck;
use pingora::lb::selection::{BackendIter, BackendSelection, Consistent, RoundRobin};
use pingora::lb::{Backend, Backends, LoadBalancer};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// How far to look for an acceptable server, for each there is: the points that each has on the ring of consistent
/// hashing, so that a whole turn finds every one.
const STEPS_PER_SERVER: usize = 160;

/// A balancer of any kind.
#[async_trait]
pub(super) trait Balancer: Send + Sync {
    /// The first server in the order for `key` that `accept` takes, told whether its checks pass.
    fn select(&self, key: u64, accept: &dyn Fn(&Server, bool) -> bool) -> Option<Arc<Server>>;
    /// The servers there are.
    fn backends(&self) -> &Backends;
    /// Looks for servers anew. Must not run twice at once.
    async fn update(&self) -> pingora::Result<()>;
}

/// A balancer over the servers of `discovery`, probed by `check`.
pub(super) fn balancer(
    balance: Balance,
    discovery: Box<dyn ServiceDiscovery + Send + Sync>,
    check: Option<Box<dyn HealthCheck + Send + Sync>>,
) -> Box<dyn Balancer> {
    let mut backends = Backends::new(discovery);
    if let Some(check) = check {
        backends.set_health_check(check);
    }
    match balance {
        Balance::RoundRobin => Box::new(LoadBalancer::<RoundRobin>::from_backends(backends)),
        Balance::ConsistentHash => Box::new(LoadBalancer::<Consistent>::from_backends(backends)),
        Balance::LeastConnections => Box::new(LoadBalancer::<LeastConnections>::from_backends(backends)),
    }
}

/// The server behind a backend that discovery made.
pub(super) fn server(backend: &Backend) -> Option<&Arc<Server>> {
    backend.ext.get()
}

#[async_trait]
impl<S> Balancer for LoadBalancer<S>
where
    S: BackendSelection + Send + Sync + 'static,
    S::Iter: BackendIter,
{
    fn select(&self, key: u64, accept: &dyn Fn(&Server, bool) -> bool) -> Option<Arc<Server>> {
        let backends = LoadBalancer::backends(self);
        let all = backends.get_backend();
        // One server is the most common case by far, and needs no order.
        if let (Some(only), 1) = (all.first(), all.len()) {
            return server(only).filter(|server| accept(server, backends.ready(only))).cloned();
        }
        let accept = |backend: &Backend, ready| server(backend).is_some_and(|server| accept(server, ready));
        let chosen = self.select_with(&key.to_le_bytes(), all.len() * STEPS_PER_SERVER, accept)?;
        server(&chosen).cloned()
    }

    fn backends(&self) -> &Backends {
        LoadBalancer::backends(self)
    }

    async fn update(&self) -> pingora::Result<()> {
        LoadBalancer::update(self).await
    }
}

/// The server with the fewest requests under way; among equals each in turn.
struct LeastConnections {
    backends: Box<[Backend]>,
    turn: AtomicUsize,
}

impl BackendSelection for LeastConnections {
    type Iter = ByLoad;
    type Config = ();

    fn build(backends: &BTreeSet<Backend>) -> Self {
        Self { backends: backends.iter().cloned().collect(), turn: AtomicUsize::new(0) }
    }

    fn iter(self: &Arc<Self>, _key: &[u8]) -> ByLoad {
        let count = self.backends.len();
        let first = self.turn.fetch_add(1, Relaxed);
        let mut order: Vec<usize> = (0..count).map(|step| first.wrapping_add(step) % count).collect();
        order.sort_by_key(|&index| {
            server(&self.backends[index]).map_or(usize::MAX, |server| server.in_flight())
        });
        ByLoad { selection: Arc::clone(self), order: order.into_iter() }
    }
}

/// The servers by the load they had when this was made.
struct ByLoad {
    selection: Arc<LeastConnections>,
    order: std::vec::IntoIter<usize>,
}

impl BackendIter for ByLoad {
    fn next(&mut self) -> Option<&Backend> {
        self.order.next().map(|index| &self.selection.backends[index])
    }
}
