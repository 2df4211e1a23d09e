//! A Larder that serves.

use super::accept::Acceptor;
use super::bind::Bound;
use super::control::NodeControl;
use super::life::{Life, Orders};
use super::node::Node;
use super::reload::Reloader;
use super::worker::{Worker, WorkerParts};
use super::{ReloadError, StartError, limits};
use crate::admin::Admin;
use crate::config::{Secret, Settings};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// How long the runtime of the background tasks waits, when it ends, for name look-ups that block a thread.
const BLOCKED: Duration = Duration::from_millis(100);

/// How a Larder is run, beside what the configuration says.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a drain waits for replies under way before it cuts them.
    pub drain_deadline: Duration,
    /// The file that the settings come from, to be read again by `POST /reload`.
    pub config_file: Option<PathBuf>,
}

impl Default for Options {
    /// Five minutes, as long as Pingora's own servers take: a drain that takes longer holds a tunnel or a stream without end.
    fn default() -> Self {
        Self { drain_deadline: Duration::from_secs(300), config_file: None }
    }
}

/// The entry point: settings in, a serving process out.
#[derive(Debug)]
pub struct Larder;

impl Larder {
    /// Binds every address of `settings`, then serves on threads of its own. Port 0 is replaced by a free one; see
    /// [`Running::addresses`].
    pub fn start(settings: Settings, options: Options) -> Result<Running, StartError> {
        let bound = Bound::new(&settings)?;
        let (addresses, admin_address) = (bound.addresses(), bound.admin_address);
        let orders = Orders::new();
        let ended = CancellationToken::new();
        let (report, reported) = mpsc::sync_channel(1);
        let thread = {
            let (orders, ended) = (orders.clone(), ended.clone().drop_guard());
            // The runtime is made and dropped on its own thread, as neither may happen on one that runs another.
            thread::Builder::new().name("larder-life".to_owned()).spawn(move || {
                let _ended = ended;
                live(settings, options, bound, orders, &report);
            })?
        };
        match reported.recv() {
            Ok(Ok(reloader)) => Ok(Running {
                addresses,
                admin_address,
                reloader,
                orders,
                ended,
                thread: Mutex::new(Some(thread)),
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartError::Thread(std::io::Error::other("it panicked"))),
        }
    }
}

type Report = mpsc::SyncSender<Result<Arc<Reloader>, StartError>>;

/// Puts the parts together, says how that went, and runs them to their end.
fn live(settings: Settings, options: Options, bound: Bound, orders: Orders, report: &Report) {
    let Options { drain_deadline, config_file } = options;
    // The start is waiting for the report; it only fails if that panicked.
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(report.send(Err(error.into()))),
    };
    let entered = runtime.enter();
    let parts = match put_together(settings, &bound, config_file, &orders) {
        Ok(parts) => parts,
        Err(error) => return drop(report.send(Err(error))),
    };
    let Parts { node, workers, acceptor, admin, reloader } = parts;
    drop(report.send(Ok(reloader)));
    let life = Life { node: Arc::clone(&node), workers, acceptor, bound, admin, orders, drain_deadline };
    let workers = runtime.block_on(life.run());
    workers.into_iter().for_each(Worker::join);
    node.together.close();
    drop(entered);
    runtime.shutdown_timeout(BLOCKED);
}

/// The parts of a Larder before its life begins.
struct Parts {
    node: Arc<Node>,
    workers: Vec<Worker>,
    acceptor: Arc<Acceptor>,
    admin: Arc<Admin>,
    reloader: Arc<Reloader>,
}

fn put_together(
    settings: Settings,
    bound: &Bound,
    config_file: Option<PathBuf>,
    orders: &Orders,
) -> Result<Parts, StartError> {
    let threads = settings.threads.max(1);
    let idle_origins = settings.origins.iter().map(|origin| origin.keepalive).sum();
    let token = settings.admin.token.clone();
    let node = Node::new(settings)?;
    let workers = (0..threads).map(|index| {
        let (shared, end) = (Arc::clone(&node.shared), orders.cut.clone());
        Worker::start(WorkerParts { index, shared, idle_origins, end })
    });
    // Unless all could be started, those that were end again.
    let stop = orders.stop.clone().drop_guard();
    let (workers, takers) = workers.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    stop.disarm();
    let acceptor = Acceptor::new(takers, limits::max_connections(), Arc::clone(&node.metrics));
    let listeners = bound.listeners.iter().map(|(_, listener)| Arc::clone(listener)).collect();
    let reloader = Arc::new(Reloader::new(Arc::clone(&node), listeners, config_file, Handle::current()));
    let control =
        NodeControl { node: Arc::clone(&node), reloader: Arc::clone(&reloader), orders: orders.clone() };
    let admin = Arc::new(Admin::new(Arc::new(control), token.as_ref().map(Secret::expose)));
    reloader.set_admin(&admin);
    Ok(Parts { node, workers, acceptor: Arc::new(acceptor), admin, reloader })
}

/// What a reload could not change, since it is fixed when Larder starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys of the configuration whose new values need a restart.
    pub needs_restart: Vec<&'static str>,
}

/// A Larder that serves. Dropping it ends it at once.
pub struct Running {
    addresses: Vec<SocketAddr>,
    admin_address: SocketAddr,
    reloader: Arc<Reloader>,
    orders: Orders,
    ended: CancellationToken,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Running {
    /// The addresses it listens on, in the order of `listen`.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Swaps the rules in and reads the certificates again; what is stored stays. Requests under way finish under the rules
    /// they began with. On failure nothing has changed.
    pub fn reload(&self, settings: Settings) -> Result<Reloaded, ReloadError> {
        self.reloader.reload(settings)
    }

    /// As [`Running::reload`], from the file of [`Options::config_file`].
    pub fn reload_file(&self) -> Result<Reloaded, ReloadError> {
        self.reloader.reload_file()
    }

    /// Begins to drain and returns: nothing new is accepted, what is under way is finished. See [`Running::ended`].
    pub fn drain(&self) {
        self.orders.drain.cancel();
    }

    /// Ends at once, cutting what is under way.
    pub fn stop(&self) {
        self.orders.stop.cancel();
    }

    /// Completes when it has ended, after [`Running::drain`] or [`Running::stop`].
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Blocks until it has ended.
    pub fn join(self) {
        self.wait();
    }

    fn wait(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the background tasks panicked");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        self.wait();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addresses, admin_address, .. } = self;
        f.debug_struct("Running")
            .field("addresses", addresses)
            .field("admin_address", admin_address)
            .finish_non_exhaustive()
    }
}
