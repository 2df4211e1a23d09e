//! Writing items, at once or behind.

use super::super::{Op, Verdict, WriteMode};
use super::asking::{Asking, Unanswered, verdict};
use super::keys::Keys;
use super::leases::Leases;
use super::observer::{Loss, TierObserver};
use super::outgoing::Outgoing;
use super::queue::{Batch, Write, size_of_item};
use crate::key::KeyHash;
use crate::store::{Compression, RemoteItem, encode};
use crate::time::{Stopwatch, Timestamp};
use futures_util::future::join_all;
use redis::{Cmd, Value, cmd};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How much larger than `max_object` an item may be before it is compressed. JSON and HTML seldom shrink to less than an
/// eighth; to compress more only to see that it is too large would cost more than it brings. Bodies read from Redis are
/// bounded by the same.
pub(super) const EXPANSION: usize = 8;

/// To write a batch. Nobody waits for it, but a Redis that takes longer is as good as gone.
const BATCH_LIMIT: Duration = Duration::from_secs(1);

/// Bodies from this size on are compressed in a thread of their own; below it takes less than half a millisecond, which
/// those who share the writer's thread may wait.
const LARGE: usize = 256 << 10;

/// How long the writer waits while Redis is not asked.
const CLOSED: Duration = Duration::from_millis(100);

/// Brings items into Redis.
pub(super) struct Writing {
    pub(super) mode: WriteMode,
    pub(super) compression: Compression,
    pub(super) max_object: usize,
    pub(super) limit: Duration,
    pub(super) asking: Asking,
    pub(super) keys: Arc<Keys>,
    pub(super) outgoing: Arc<Outgoing>,
    pub(super) leases: Arc<Leases>,
    pub(super) observer: Arc<dyn TierObserver>,
}

impl Writing {
    /// Stores an item until `until`: queues it, or waits for it as long as any command may take.
    pub(super) async fn put(&self, hash: KeyHash, item: RemoteItem, until: Timestamp) {
        if !self.fits(&item) {
            return self.lost(Loss::TooLarge, 1);
        }
        match self.mode {
            WriteMode::Behind => self.lost(Loss::Overflow, self.outgoing.put(hash, item, until)),
            WriteMode::Through => self.put_through(hash, item, until).await,
        }
    }

    /// Lets what stands under a key stay until `until`.
    pub(super) fn touch(&self, hash: KeyHash, until: Timestamp) {
        self.lost(Loss::Overflow, self.outgoing.touch(hash, until));
    }

    /// Whether a body may fit when it is compressed.
    pub(super) fn takes(&self, length: u64) -> bool {
        usize::try_from(length).is_ok_and(|length| length <= self.most())
    }

    /// Whether it may fit when it is compressed. Without that it may as well be a little larger than it seems.
    fn fits(&self, item: &RemoteItem) -> bool {
        size_of_item(item) <= self.most()
    }

    fn most(&self) -> usize {
        match self.compression {
            Compression::Off => self.max_object,
            Compression::WherePays => self.max_object.saturating_mul(EXPANSION),
        }
    }

    async fn put_through(&self, hash: KeyHash, item: RemoteItem, until: Timestamp) {
        let begun = Stopwatch::start();
        if self.asking.is_open() {
            return self.lost(Loss::Unavailable, 1);
        }
        let Ok(command) =
            tokio::time::timeout(self.limit, self.command(&hash, Write::Put { item, until })).await
        else {
            return self.lost(Loss::Failed, 1);
        };
        let Some(command) = command else { return };
        let left = self.limit.saturating_sub(begun.elapsed());
        match self.asking.command(Op::Put, left, &command).await {
            Ok(_) => (),
            Err(Unanswered::Undone) => self.lost(Loss::Unavailable, 1),
            Err(_) => self.lost(Loss::Failed, 1),
        }
    }

    /// Writes what is queued until `draining` is cancelled and nothing is left, or Redis is not to be asked then.
    pub(super) async fn write(&self, draining: &CancellationToken) {
        loop {
            tokio::select! {
                () = self.outgoing.ready() => (),
                () = draining.cancelled() => if self.outgoing.is_empty() { return },
            }
            let Some(pass) = self.asking.pass() else {
                if draining.is_cancelled() {
                    return;
                }
                // What waits is written when Redis is back; meanwhile the oldest make room.
                tokio::time::sleep(CLOSED).await;
                continue;
            };
            let well = self.send(self.outgoing.take()).await;
            pass.settle(well, self.asking.now());
        }
    }

    /// Writes a batch, then tells of the leases that ended with it.
    async fn send(&self, batch: Batch) -> Verdict {
        let mut commands = Vec::with_capacity(batch.writes.len());
        for (hash, write) in batch.writes {
            let op = if matches!(write, Write::Put { .. }) { Op::Put } else { Op::Touch };
            commands.extend(self.command(&hash, write).await.map(|command| (op, command)));
            // Encoding is work without a wait in it; others on this thread go between.
            tokio::task::yield_now().await;
        }
        let limit = self.limit.max(BATCH_LIMIT);
        let sent =
            commands.iter().map(|(op, command)| self.asking.link.command::<Value>(*op, limit, command));
        let mut worst = Verdict::Good;
        for error in join_all(sent).await.into_iter().filter_map(Result::err) {
            tracing::debug!(%error, "a write failed");
            self.lost(Loss::Failed, 1);
            if verdict(Some(&error)) != Verdict::Good {
                worst = Verdict::Bad;
            }
        }
        let released = join_all(batch.releases.into_iter().map(|release| self.leases.release(release))).await;
        if released.contains(&Verdict::Bad) { Verdict::Bad } else { worst }
    }

    /// The command for a write; none if it came to nothing.
    async fn command(&self, hash: &KeyHash, write: Write) -> Option<Cmd> {
        let key = self.keys.entry(hash);
        let (Write::Put { until, .. } | Write::Touch { until }) = &write;
        let keep = u64::try_from(until.since(self.asking.now()).as_millis()).unwrap_or(u64::MAX);
        // Redis refuses a life of no length, and one that ends beyond its clock.
        let keep = keep.min(LONGEST_KEEP);
        if keep == 0 {
            return None;
        }
        match write {
            Write::Touch { .. } => {
                let mut command = cmd("PEXPIRE");
                command.arg(key).arg(keep);
                Some(command)
            }
            Write::Put { item, .. } => {
                let bytes = self.encode(item).await?;
                if bytes.len() > self.max_object {
                    self.lost(Loss::TooLarge, 1);
                    return None;
                }
                let mut command = Cmd::with_capacity(5, bytes.len() + key.len() + 32);
                command.arg("SET").arg(key).arg(bytes).arg("PX").arg(keep);
                Some(command)
            }
        }
    }

    async fn encode(&self, item: RemoteItem) -> Option<Vec<u8>> {
        let compression = self.compression;
        if compression == Compression::Off || size_of_item(&item) < LARGE {
            return Some(encode(&item, compression));
        }
        // It fails only if the runtime ends.
        tokio::task::spawn_blocking(move || encode(&item, compression)).await.ok()
    }

    pub(super) fn lost(&self, loss: Loss, count: usize) {
        if count > 0 {
            self.observer.lost(loss, count);
        }
    }
}

/// The longest life of an entry in Redis, in milliseconds: 68 years, what a lifetime may be at most.
const LONGEST_KEEP: u64 = (1 << 31) * 1000;
