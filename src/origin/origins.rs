//! Every origin of a configuration, replaced as a whole when that changes.

use super::authorities;
use super::discovery::{Resolve, SystemResolver};
use super::gate::Permit;
use super::health::OriginHealth;
use super::observer::OriginObserver;
use super::server::ServerHandle;
use super::settings::{OriginSettings, Protocol, ServerAddress};
use super::standing::Offence;
use super::tending::{Nudge, tend};
use super::upstream::Upstream;
use super::{Fetch, FetchError, FetchRequest, OriginError, Reply};
use crate::time::Clock;
use async_trait::async_trait;
use pingora::protocols::tls::CaType;
use pingora::tls::ServerName;
use pingora::upstreams::peer::HttpPeer;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What origins need of the program around them.
#[derive(Clone)]
pub struct OriginContext {
    /// Says for how long a server has been avoided.
    pub clock: Arc<dyn Clock>,
    /// Told of requests.
    pub observer: Arc<dyn OriginObserver>,
    /// Looks names up.
    pub resolver: Arc<dyn Resolve>,
}

impl OriginContext {
    /// With the system's resolver.
    pub fn new(clock: Arc<dyn Clock>, observer: Arc<dyn OriginObserver>) -> Self {
        Self { clock, observer, resolver: Arc::new(SystemResolver) }
    }
}

/// The origins of one configuration.
///
/// Held behind an `Arc` by those who ask them. A new configuration gets a new one; the old one serves what is under way
/// with it, and its background tasks end when it is dropped or [shut down](Self::shutdown).
pub struct Origins {
    upstreams: HashMap<Arc<str>, Arc<Upstream>>,
    nudges: Vec<Nudge>,
    tasks: TaskTracker,
    stop: CancellationToken,
    clock: Arc<dyn Clock>,
}

/// A server for a request that passes through, under the limits and the judgement of its origin.
pub struct PassPeer {
    /// How to connect to it.
    pub peer: Box<HttpPeer>,
    /// Which it is; for [`Origins::report`].
    pub server: ServerHandle,
    /// The request's place. Keep it until the reply has ended, and give it up before asking for another.
    pub permit: Permit,
}

impl Origins {
    /// Makes origins and starts their background tasks on the runtime this is called in.
    ///
    /// Names need not resolve: a request waits for the first look-up, and gets [`FetchError::NoServer`] as long as there
    /// is no address. What can be known to fail always (a file of authorities, a protocol) is an error here.
    pub fn new(settings: &[OriginSettings], context: &OriginContext) -> Result<Self, OriginError> {
        let runtime = Handle::try_current().map_err(|_| OriginError::NoRuntime)?;
        let mut upstreams = HashMap::new();
        let mut system = None;
        for origin in settings {
            check(origin)?;
            let authorities = authorities(origin, &mut system)?;
            let upstream = Arc::new(Upstream::new(origin, authorities, context)?);
            if upstreams.insert(Arc::clone(&upstream.name), upstream).is_some() {
                return Err(OriginError::Duplicate { origin: origin.name.clone() });
            }
        }
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let mut nudges = Vec::new();
        for upstream in upstreams.values() {
            let (nudge, task) = tend(Arc::clone(upstream));
            nudges.push(nudge);
            let stop = stop.clone();
            tasks.spawn_on(async move { stop.run_until_cancelled(task).await }, &runtime);
        }
        tasks.close();
        Ok(Self { upstreams, nudges, tasks, stop, clock: Arc::clone(&context.clock) })
    }

    /// A server for a request to `origin` that passes through. Waits for a place as [`Fetch::fetch`] does.
    pub async fn peer(&self, origin: &str, affinity: u64) -> Result<PassPeer, FetchError> {
        let upstream = self.upstreams.get(origin).ok_or(FetchError::NoServer)?;
        let (server, permit) = upstream.place(affinity).await?;
        Ok(PassPeer { peer: Box::new(server.server().peer(false).clone()), server, permit })
    }

    /// Tells how a server from [`Self::peer`] fared: whether no connection to it could be made, or it replied.
    pub fn report(&self, server: &ServerHandle, failed: bool) {
        let standing = &server.server().standing;
        if failed {
            standing.failed(Offence::Unreachable, self.clock.now());
        } else {
            standing.succeeded();
        }
    }

    /// Looks every name up and checks every server now, without waiting for the next round.
    pub async fn refresh(&self) {
        for nudge in &self.nudges {
            nudge.all().await;
        }
    }

    /// How every origin stands, by name.
    pub fn health(&self) -> Vec<OriginHealth> {
        let mut health: Vec<_> = self.upstreams.values().map(|upstream| upstream.health()).collect();
        health.sort_by(|one, other| one.origin.cmp(&other.origin));
        health
    }

    /// Ends the background tasks and waits until they have.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Origins {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[async_trait]
impl Fetch for Origins {
    async fn fetch(&self, request: FetchRequest) -> Result<Reply, FetchError> {
        let upstream = self.upstreams.get(&request.origin).ok_or(FetchError::NoServer)?;
        upstream.fetch(&request).await
    }
}

/// Refuses what cannot work whatever happens later.
fn check(origin: &OriginSettings) -> Result<(), OriginError> {
    let name = || origin.name.clone();
    if origin.servers.is_empty() {
        return Err(OriginError::NoServers { origin: name() });
    }
    if origin.max_in_flight == 0 {
        return Err(OriginError::NothingInFlight { origin: name() });
    }
    for server in &origin.servers {
        if let Some(cause) = unreachable(server) {
            return Err(OriginError::Server {
                origin: name(),
                server: server.to_string(),
                cause: cause.to_owned(),
            });
        }
        let excluded = match (origin.protocol, server.tls) {
            (Protocol::H2, false) => Some(("h2", "h2c")),
            (Protocol::H2c, true) => Some(("h2c", "h2")),
            _ => None,
        };
        if let Some((protocol, instead)) = excluded {
            return Err(OriginError::Protocol {
                origin: name(),
                server: server.to_string(),
                protocol,
                instead,
            });
        }
    }
    Ok(())
}

/// Why no connection to `server` can ever be made.
fn unreachable(server: &ServerAddress) -> Option<&'static str> {
    let host = server.bare_host();
    if host.is_empty() {
        Some("it has no name")
    } else if server.port == 0 {
        Some("port 0 is no port")
    } else if server.tls && ServerName::try_from(host).is_err() {
        // Without a name that can be verified, Pingora would verify nothing.
        Some("no certificate can bear its name")
    } else {
        None
    }
}

/// Whose signature counts for `origin`. The system's authorities are read once, into `system`, if any origin needs them.
fn authorities(
    origin: &OriginSettings,
    system: &mut Option<Arc<CaType>>,
) -> Result<Option<Arc<CaType>>, OriginError> {
    if !origin.servers.iter().any(|server| server.tls) {
        return Ok(None);
    }
    if let Some(ca) = &origin.ca {
        return authorities::from_file(&origin.name, ca).map(Some);
    }
    if system.is_none() {
        *system = Some(authorities::of_the_system(&origin.name)?);
    }
    Ok(system.clone())
}
