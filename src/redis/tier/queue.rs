//! What is to be written, until it is.

use crate::key::KeyHash;
use crate::store::{RemoteEntry, RemoteItem};
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Bytes that wait at most. What a Redis that hiccups for a second has missed of 30,000 replies of 1 KiB a second; small
/// beside the memory tier.
pub(super) const MAX_BYTES: usize = 32 << 20;

/// Writes sent together: enough that the way to Redis and back costs each of them little.
pub(super) const BATCH: usize = 64;

/// Bytes sent together, unless one item is larger: reads that come behind them on the connection wait a millisecond at
/// most, at a gigabit a second two.
pub(super) const BATCH_BYTES: usize = 256 << 10;

/// Releases that wait at most, each of a few dozen bytes. Leases that are not released end by themselves.
const MAX_RELEASES: usize = 16 << 10;

/// What a queued write takes beside what it holds: its places in the maps, and the item itself.
const OWN: usize = 512;

/// A write of one key.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all writes are puts")]
pub(super) enum Write {
    /// An item, to stand there until `until`.
    Put { item: RemoteItem, until: Timestamp },
    /// What stands there is to stay until then.
    Touch { until: Timestamp },
}

/// The end of a lease, told when all that was put for its key before, and for those that it brought, stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) hash: KeyHash,
    pub(super) token: u128,
    pub(super) brought: Vec<KeyHash>,
}

/// What is to be sent next: first the writes, and when they are answered the releases.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) writes: Vec<(KeyHash, Write)>,
    pub(super) releases: Vec<Release>,
}

/// Writes in the order in which their keys came, one a key, and releases.
#[derive(Debug, Default)]
pub(super) struct Queue {
    writes: HashMap<KeyHash, Queued>,
    order: BTreeMap<u64, KeyHash>,
    releases: VecDeque<Release>,
    next: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Queued {
    place: u64,
    size: usize,
    write: Write,
}

impl Queue {
    /// Adds an item; one that waits under its key goes, and this one has its place. Returns how many writes had to go
    /// because there are too many bytes, the oldest first.
    pub(super) fn put(&mut self, hash: KeyHash, item: RemoteItem, until: Timestamp) -> usize {
        self.push(hash, Write::Put { item, until })
    }

    /// Lets what stands under a key stay until `until`, be it there already or only queued. Returns as [`Queue::put`].
    pub(super) fn touch(&mut self, hash: KeyHash, until: Timestamp) -> usize {
        if let Some(Queued { write: Write::Put { until: there, .. }, .. }) = self.writes.get_mut(&hash) {
            *there = until;
            return 0;
        }
        self.push(hash, Write::Touch { until })
    }

    /// Ends a lease. What waits under its key goes out with the next batch.
    pub(super) fn release(&mut self, release: Release) {
        if self.releases.len() < MAX_RELEASES {
            self.releases.push_back(release);
        }
    }

    /// Takes what is to be sent next.
    pub(super) fn take(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut bytes = 0;
        while batch.releases.len() < BATCH
            && let Some(release) = self.releases.pop_front()
        {
            for hash in [&release.hash].into_iter().chain(&release.brought) {
                if let Some(Queued { size, write, .. }) = self.remove(hash) {
                    bytes += size;
                    batch.writes.push((*hash, write));
                }
            }
            batch.releases.push(release);
        }
        while batch.writes.len() < BATCH
            && let Some(hash) = self.order.first_key_value().map(|(_, hash)| *hash)
        {
            let size = self.writes.get(&hash).map_or(0, |queued| queued.size);
            if !batch.writes.is_empty() && bytes + size > BATCH_BYTES {
                break;
            }
            bytes += size;
            batch.writes.extend(self.remove(&hash).map(|queued| (hash, queued.write)));
        }
        batch
    }

    /// Whether there is as much as is sent together, or somebody waits for it.
    pub(super) fn is_ripe(&self) -> bool {
        self.writes.len() >= BATCH || self.bytes >= BATCH_BYTES || !self.releases.is_empty()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.releases.is_empty()
    }

    /// Writes that wait.
    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    fn push(&mut self, hash: KeyHash, write: Write) -> usize {
        let size = size_of(&write);
        let place = match self.remove(&hash) {
            Some(replaced) => replaced.place,
            None => {
                self.next += 1;
                self.next
            }
        };
        self.order.insert(place, hash);
        self.bytes += size;
        self.writes.insert(hash, Queued { place, size, write });
        let mut gone = 0;
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.order.first_key_value().map(|(_, hash)| *hash)
        {
            self.remove(&oldest);
            gone += 1;
        }
        gone
    }

    fn remove(&mut self, hash: &KeyHash) -> Option<Queued> {
        let queued = self.writes.remove(hash)?;
        self.order.remove(&queued.place);
        self.bytes -= queued.size;
        Some(queued)
    }
}

/// Bytes that a write keeps in memory.
fn size_of(write: &Write) -> usize {
    match write {
        Write::Touch { .. } => OWN,
        Write::Put { item, .. } => OWN + size_of_item(item),
    }
}

/// Bytes on the heap of an item, and about those that it takes in Redis when it is not compressed.
pub(super) fn size_of_item(item: &RemoteItem) -> usize {
    match item {
        RemoteItem::Variants { key, names } => {
            key.len() + names.iter().map(|name| name.as_str().len()).sum::<usize>()
        }
        RemoteItem::Entry(RemoteEntry { key, head, body, validators, bearings, .. }) => {
            let etag = validators.etag.as_ref().map_or(0, |etag| etag.len());
            key.len() + head.block().len() + body.len() + etag + bearings.heap_size()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;
    use http::header::ACCEPT;

    const LATER: Timestamp = Timestamp::from_secs(60);

    fn hash(n: usize) -> KeyHash {
        KeyHash::of(&n.to_le_bytes())
    }

    /// An item that takes about `size` bytes and can be told from others of another size.
    fn item(size: usize) -> RemoteItem {
        let names: Vec<HeaderName> = vec![ACCEPT];
        RemoteItem::Variants { key: vec![0; size].into(), names: names.into() }
    }

    /// Keys and sizes of what the next batch writes; a touch has the size 0.
    fn taken(queue: &mut Queue) -> Vec<(KeyHash, usize)> {
        let size = |write: &Write| match write {
            Write::Put { item, .. } => item.key().len(),
            Write::Touch { .. } => 0,
        };
        queue.take().writes.iter().map(|(hash, write)| (*hash, size(write))).collect()
    }

    #[test]
    fn writes_leave_in_their_order_and_together() {
        let mut queue = Queue::default();
        for n in 0..BATCH + 2 {
            assert_eq!(queue.put(hash(n), item(1), LATER), 0);
            assert_eq!(queue.is_ripe(), n + 1 >= BATCH);
        }
        let first: Vec<_> = (0..BATCH).map(|n| (hash(n), 1)).collect();
        assert_eq!(taken(&mut queue), first);
        assert_eq!(taken(&mut queue), [(hash(BATCH), 1), (hash(BATCH + 1), 1)]);
        assert!(queue.is_empty() && queue.take().writes.is_empty());
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn large_writes_leave_alone() {
        let mut queue = Queue::default();
        queue.put(hash(1), item(BATCH_BYTES * 2), LATER);
        assert!(queue.is_ripe());
        queue.put(hash(2), item(BATCH_BYTES / 2), LATER);
        queue.put(hash(3), item(1), LATER);
        assert_eq!(taken(&mut queue), [(hash(1), BATCH_BYTES * 2)]);
        assert_eq!(taken(&mut queue), [(hash(2), BATCH_BYTES / 2), (hash(3), 1)]);
    }

    #[test]
    fn the_last_of_a_key_leaves_in_the_place_of_the_first() {
        let mut queue = Queue::default();
        queue.put(hash(1), item(1), LATER);
        queue.put(hash(2), item(2), LATER);
        queue.put(hash(1), item(3), LATER);
        assert_eq!(queue.len(), 2);
        assert_eq!(taken(&mut queue), [(hash(1), 3), (hash(2), 2)]);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn touches_join_what_waits() {
        let mut queue = Queue::default();
        queue.touch(hash(1), Timestamp::from_secs(1));
        queue.touch(hash(1), Timestamp::from_secs(2));
        queue.put(hash(2), item(1), Timestamp::from_secs(1));
        queue.touch(hash(2), Timestamp::from_secs(3));
        let until = |write: &Write| match write {
            Write::Put { until, .. } | Write::Touch { until } => until.as_secs(),
        };
        let batch = queue.take();
        let untils: Vec<_> = batch.writes.iter().map(|(_, write)| until(write)).collect();
        assert_eq!(untils, [2, 3]);
        assert!(matches!(batch.writes[1].1, Write::Put { .. }));
        queue.touch(hash(3), LATER);
        queue.put(hash(3), item(5), LATER);
        assert_eq!(taken(&mut queue), [(hash(3), 5)]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_bytes() {
        let mut queue = Queue::default();
        let quarter = MAX_BYTES / 4 - OWN - ACCEPT.as_str().len();
        for n in 0..4 {
            assert_eq!(queue.put(hash(n), item(quarter), LATER), 0);
        }
        assert_eq!(queue.put(hash(4), item(1), LATER), 1);
        assert_eq!(queue.put(hash(5), item(quarter * 2), LATER), 2);
        assert_eq!(queue.put(hash(6), item(MAX_BYTES), LATER), 4, "it went itself, with all the others");
        assert!(queue.is_empty());
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn a_release_takes_along_what_was_put_for_its_key() {
        let mut queue = Queue::default();
        for n in 0..BATCH * 2 {
            queue.put(hash(n), item(1), LATER);
        }
        let own = Release { hash: hash(BATCH + 5), token: 7, brought: vec![hash(BATCH + 6)] };
        let bare = Release { hash: hash(1000), token: 8, brought: Vec::new() };
        queue.release(own.clone());
        queue.release(bare.clone());
        assert!(queue.is_ripe());
        let batch = queue.take();
        assert_eq!([batch.writes[0].0, batch.writes[1].0], [own.hash, own.brought[0]]);
        assert_eq!(batch.writes.len(), BATCH);
        assert_eq!(batch.releases, [own.clone(), bare]);
        assert_eq!(queue.len(), BATCH);
        assert!(queue.take().writes.iter().all(|(written, _)| *written != own.hash));
        assert!(queue.is_empty());
    }

    #[test]
    fn releases_are_bounded() {
        let mut queue = Queue::default();
        for n in 0..MAX_RELEASES + 1 {
            queue.release(Release { hash: hash(n), token: 0, brought: Vec::new() });
        }
        let batches = std::iter::from_fn(|| Some(queue.take().releases.len()).filter(|len| *len > 0));
        assert_eq!(batches.sum::<usize>(), MAX_RELEASES);
        assert!(queue.is_empty());
    }
}
