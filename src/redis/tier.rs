//! The remote tier, over Redis.
//!
//! It keeps an entry a key, `{namespace}:e1:<hash>`; for the time of a fill the lease of the key, `{namespace}:l1:<hash>`; and
//! tells of the ends of leases on the channel `{namespace}:vacated`. Nothing else is ever read or written.
//!
//! What it stores can be lost at any moment and be anybody's, so every answer is either an item for the key asked for or a
//! miss, and every failure costs a hit at most.

mod asking;
mod keys;
mod leases;
mod looks;
mod observer;
mod outgoing;
mod queue;
mod vacancies;
mod waiters;
mod writing;

pub use observer::{Loss, TierObserver};

use self::asking::{Asking, Unanswered};
use self::keys::Keys;
use self::leases::Leases;
use self::looks::Looks;
use self::outgoing::Outgoing;
use self::vacancies::Vacancies;
use self::writing::{EXPANSION, Writing};
use super::{Breaker, Link, Op, RedisSettings};
use crate::key::KeyHash;
use crate::store::{Compression, Leased, Looked, Remote, RemoteItem, Vacated, decode};
use crate::time::{Clock, Stopwatch};
use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, Value, cmd};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often Redis is asked for nothing while the breaker is not closed. It has pauses of its own, of a quarter of a second and
/// more.
const PROBE: Duration = Duration::from_millis(250);

/// The tier that the nodes share.
///
/// [`RedisTier::run`] has to be running for writes to go behind, leases to be renewed and released, and waiters to be woken at
/// once; [`RedisTier::drain`] ends it.
pub struct RedisTier {
    asking: Asking,
    keys: Arc<Keys>,
    looks: Looks<Looked>,
    writing: Writing,
    leases: Arc<Leases>,
    vacancies: Vacancies,
    observer: Arc<dyn TierObserver>,
    limit: Duration,
    /// The largest body that is read.
    max_body: usize,
    draining: CancellationToken,
    running: TaskTracker,
}

impl RedisTier {
    /// A tier that asks nobody yet. The breaker may be shared with others who use the same link.
    pub fn new(
        settings: &RedisSettings,
        link: Arc<Link>,
        breaker: Arc<Breaker>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn TierObserver>,
    ) -> Arc<Self> {
        let RedisSettings { namespace, timeout, write, compress, max_object, .. } = settings;
        let limit = *timeout;
        let max_object = usize::try_from(*max_object).unwrap_or(usize::MAX);
        let asking = Asking::new(link, breaker, clock);
        let keys = Arc::new(Keys::new(namespace));
        let outgoing = Arc::new(Outgoing::default());
        let leases = Arc::new(Leases::new(asking.clone(), keys.clone(), outgoing.clone(), limit));
        let writing = Writing {
            mode: *write,
            compression: if *compress { Compression::WherePays } else { Compression::Off },
            max_object,
            limit,
            asking: asking.clone(),
            keys: keys.clone(),
            outgoing,
            leases: leases.clone(),
            observer: observer.clone(),
        };
        Arc::new(Self {
            vacancies: Vacancies::new(asking.clone(), keys.clone(), limit),
            looks: Looks::new(),
            max_body: max_object.saturating_mul(EXPANSION),
            draining: CancellationToken::new(),
            running: TaskTracker::new(),
            asking,
            keys,
            writing,
            leases,
            observer,
            limit,
        })
    }

    /// Works for the tier until it is drained. To be spawned once, by whoever calls [`RedisTier::drain`], which waits for it
    /// from this call on.
    pub fn run(self: Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let running = self.running.token();
        async move {
            let _running = running;
            tokio::select! {
                () = self.writing.write(&self.draining) => (),
                () = self.leases.keep() => (),
                () = self.vacancies.listen(&self.asking.link) => (),
                () = self.probe() => (),
            }
        }
    }

    /// Writes what is queued and ends [`RedisTier::run`]; returns when that is done, or after `limit`. What is left then, or
    /// if Redis is not to be asked, is counted as lost.
    pub async fn drain(&self, limit: Duration) {
        self.draining.cancel();
        self.running.close();
        let _ = tokio::time::timeout(limit, self.running.wait()).await;
        self.writing.lost(Loss::Undrained, self.writing.outgoing.abandon());
    }

    /// Asks by itself while the breaker is not closed: where all requests are answered from memory nobody else would, and it
    /// would never be heard that Redis is well again.
    async fn probe(&self) {
        loop {
            tokio::time::sleep(PROBE).await;
            if !self.asking.is_closed() {
                let mut get = cmd("GET");
                get.arg(self.keys.entry(&KeyHash::of(b"probe")));
                // What comes of it the breaker has heard.
                let _answer = self.asking.command(Op::Get, self.limit, &get).await;
            }
        }
    }

    /// One look, through the breaker.
    async fn look(&self, hash: KeyHash, key: &[u8], begun: Stopwatch) -> Looked {
        let name = self.keys.entry(&hash);
        // Made as large as it gets: it is made for every hit.
        let mut get = Cmd::with_capacity(2, "GET".len() + name.len());
        get.arg("GET").arg(&name);
        // Another one's look may have been waited for before.
        let left = self.limit.saturating_sub(begun.elapsed());
        match self.asking.command(Op::Get, left, &get).await {
            Ok(Value::BulkString(bytes)) => self.read(&Bytes::from(bytes), key),
            // What is of another type is not ours, and the next entry replaces it.
            Ok(_) | Err(Unanswered::Foreign) => Looked::Nothing,
            Err(Unanswered::Undone | Unanswered::Doubtful | Unanswered::Refused) => Looked::Unavailable,
        }
    }

    fn read(&self, bytes: &Bytes, key: &[u8]) -> Looked {
        match decode(bytes, key, self.max_body) {
            Ok(item) => Looked::Found(item),
            Err(error) => {
                tracing::debug!(%error, "what stands in Redis cannot be read");
                self.observer.unreadable(error);
                Looked::Nothing
            }
        }
    }
}

#[async_trait]
impl Remote for RedisTier {
    async fn get(&self, hash: KeyHash, key: &[u8]) -> Looked {
        let looked = self.looks.share(hash, pin!(self.look(hash, key, Stopwatch::start()))).await;
        match looked {
            // The look that was shared may have been for another key, if BLAKE3 can be broken.
            Looked::Found(item) if item.key() != key => Looked::Nothing,
            looked => looked,
        }
    }

    fn takes(&self, length: u64) -> bool {
        self.writing.takes(length)
    }

    async fn put(&self, hash: KeyHash, item: RemoteItem, keep: Duration) {
        self.writing.put(hash, item, self.asking.now().plus(keep)).await;
    }

    async fn touch(&self, hash: KeyHash, keep: Duration) {
        self.writing.touch(hash, self.asking.now().plus(keep));
    }

    async fn lease(&self, hash: KeyHash) -> Leased {
        self.leases.acquire(hash).await
    }

    async fn vacated(&self, hash: KeyHash) -> Vacated {
        self.vacancies.wait(hash).await
    }
}
