//! The way to Redis, for all that goes there.

use super::lane::Lane;
use super::servers::{Servers, UnusableSettings, within};
use super::{LinkError, Op, RedisObserver, RedisSettings, Script};
use crate::time::Stopwatch;
use arc_swap::ArcSwap;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{Cmd, FromRedisValue, Pipeline};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Handle, Id};

/// Connections to one Redis: a server, whichever server is primary, or a cluster.
///
/// Every runtime that sends commands has one connection of its own, on which the commands of all its tasks go out together and
/// their answers come back in order, so that a task on one core never wakes a thread on another. It is opened when it is first
/// used, watched, and opened again in the background when it breaks, when its server stops answering, or turns out to be no
/// primary any more; in the meantime commands fail at once.
///
/// Every call ends within the time its caller gives it. A call may be dropped at any time: its command may then have been
/// done or not, and nothing else is disturbed.
pub struct Link {
    servers: Arc<Servers>,
    observer: Arc<dyn RedisObserver>,
    lanes: ArcSwap<Vec<(Id, Arc<Lane>)>>,
    adding: Mutex<()>,
}

impl Link {
    /// A link that nobody used yet. Fails only for settings that can never work; nobody is asked, nothing is waited for.
    pub fn new(
        settings: &RedisSettings,
        observer: Arc<dyn RedisObserver>,
    ) -> Result<Arc<Self>, UnusableSettings> {
        let servers = Arc::new(Servers::new(settings)?);
        Ok(Arc::new(Self { servers, observer, lanes: ArcSwap::default(), adding: Mutex::new(()) }))
    }

    /// Sends a command. `op` names it in metrics.
    pub async fn command<T: FromRedisValue>(
        &self,
        op: Op,
        limit: Duration,
        command: &Cmd,
    ) -> Result<T, LinkError> {
        self.call(op, limit, async |turn| turn.command(command).await).await
    }

    /// Sends commands in one piece; their answers come in one piece too. An error of one of them is an error of all, unless
    /// the pipeline was told to ignore errors. In a cluster all keys must be in one slot: commands for several go out one by
    /// one, from tasks or futures of their own, and are written together all the same.
    pub async fn pipeline<T: FromRedisValue>(
        &self,
        op: Op,
        limit: Duration,
        pipeline: &Pipeline,
    ) -> Result<T, LinkError> {
        self.call(op, limit, async |turn| turn.pipeline(pipeline).await).await
    }

    /// Runs a script: by its name, and where the server does not know it, with its text. The first key says where it runs in
    /// a cluster; there must be one.
    pub async fn script<T: FromRedisValue>(
        &self,
        op: Op,
        limit: Duration,
        script: &Script,
        keys: &[&[u8]],
        args: &[&[u8]],
    ) -> Result<T, LinkError> {
        self.call(op, limit, async |turn| match turn.command(&script.by_hash(keys, args)).await {
            Err(error) if error.code() == Some("NOSCRIPT") => turn.command(&script.by_code(keys, args)).await,
            done => done,
        })
        .await
    }

    /// Opens a connection of its own to the server that serves a key, for commands that block.
    pub async fn dedicated(&self, key: &[u8], limit: Duration) -> Result<Dedicated, LinkError> {
        let opening = async {
            // Boxed, as connecting takes a large future and is rare.
            let connection = Box::pin(self.servers.dedicated(key)).await?;
            Ok(Dedicated { connection, observer: Arc::clone(&self.observer) })
        };
        observed(&*self.observer, Op::Connect, within(limit, opening)).await
    }

    /// Opens a connection of its own to the server that serves a key, for subscriptions. What is published while it is
    /// broken or not yet there is not heard of.
    pub async fn subscriber(&self, key: &[u8], limit: Duration) -> Result<PubSub, LinkError> {
        observed(&*self.observer, Op::Connect, within(limit, Box::pin(self.servers.subscriber(key)))).await
    }

    /// Whether the runtimes that use it have a connection; `false` before anybody used it.
    pub fn is_up(&self) -> bool {
        let lanes = self.lanes.load();
        let mut living = lanes.iter().filter(|(_, lane)| !lane.is_over()).peekable();
        living.peek().is_some() && living.all(|(_, lane)| lane.is_up())
    }

    async fn call<T>(
        &self,
        op: Op,
        limit: Duration,
        call: impl AsyncFnOnce(&mut super::servers::Connection) -> Result<T, LinkError>,
    ) -> Result<T, LinkError> {
        let lane = self.lane();
        // Pinned here, as each of those who wrap it would move it, and it is large.
        let call = pin!(async {
            let mut turn = lane.enter().await?;
            let result = call(&mut turn.connection).await;
            turn.settle(result.as_ref().err());
            result
        });
        observed(&*self.observer, op, within(limit, call)).await
    }

    /// The lane of the runtime that asks.
    fn lane(&self) -> Arc<Lane> {
        let id = Handle::current().id();
        match find(&self.lanes.load(), id) {
            Some(lane) => lane,
            None => self.add(id),
        }
    }

    /// Opens a lane, and lets go of those whose runtimes have ended: there are never more than runtimes.
    fn add(&self, id: Id) -> Arc<Lane> {
        // The unit under this lock cannot be left in a bad state.
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = self.lanes.load();
        if let Some(lane) = find(&lanes, id) {
            return lane;
        }
        let lane = Arc::new(Lane::open(Arc::clone(&self.servers), Arc::clone(&self.observer)));
        let mut kept: Vec<_> = lanes.iter().filter(|(_, lane)| !lane.is_over()).cloned().collect();
        kept.push((id, Arc::clone(&lane)));
        self.lanes.store(Arc::new(kept));
        lane
    }
}

fn find(lanes: &[(Id, Arc<Lane>)], id: Id) -> Option<Arc<Lane>> {
    lanes.iter().find(|(of, lane)| *of == id && !lane.is_over()).map(|(_, lane)| Arc::clone(lane))
}

async fn observed<T>(
    observer: &dyn RedisObserver,
    op: Op,
    call: impl Future<Output = Result<T, LinkError>>,
) -> Result<T, LinkError> {
    let begun = Stopwatch::start();
    let result = call.await;
    if let Err(error) = &result {
        observer.failed(op, error.as_str());
    }
    if matches!(result, Ok(_) | Err(LinkError::Reply(_))) {
        observer.answered(op, begun.elapsed());
    }
    result
}

/// A connection of one user's own. It does not heal: after an error other than [`LinkError::Reply`] another one is opened, and
/// so it is after a call that was dropped or timed out while it blocked, as its answer would come before the next one's.
///
/// A clone is another handle on the same connection: what is sent on one while the other waits is sent at once, and answered
/// in its turn.
#[derive(Clone)]
pub struct Dedicated {
    connection: MultiplexedConnection,
    observer: Arc<dyn RedisObserver>,
}

impl Dedicated {
    /// Sends a command that may block; `limit` is longer than it does.
    pub async fn command<T: FromRedisValue>(
        &mut self,
        op: Op,
        limit: Duration,
        command: &Cmd,
    ) -> Result<T, LinkError> {
        let Self { connection, observer } = self;
        let call = async { Ok(command.query_async(connection).await?) };
        observed(&**observer, op, within(limit, call)).await
    }
}
