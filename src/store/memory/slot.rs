//! What moka keeps: keys, values, and how it hashes and expires them.

use crate::key::KeyHash;
use crate::store::Entry;
use crate::store::weight::{ARC, allocated};
use http::HeaderName;
use moka::Expiry;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where a key is kept: half of its hash. That two keys share it costs at most a miss, since full keys are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address(u64, u64);

impl Address {
    pub(super) fn of(hash: &KeyHash) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = *hash.as_bytes();
        Self(u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p]))
    }
}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// Takes an [`Address`] for its own hash, which it is: BLAKE3 needs no second one.
#[derive(Clone, Copy, Default)]
pub(super) struct PrefixHasher;

impl BuildHasher for PrefixHasher {
    type Hasher = Prefix;

    fn build_hasher(&self) -> Prefix {
        Prefix(0)
    }
}

/// The hasher of [`PrefixHasher`].
pub(super) struct Prefix(u64);

impl Hasher for Prefix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, value: u64) {
        self.0 ^= value;
    }

    /// moka hashes other things than addresses too, types among them, when it makes others wait for a value.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// What stands under an address.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) what: What,
    pub(super) weight: u32,
    /// Its place on the roll.
    pub(super) place: Option<u32>,
    pub(super) keep: Duration,
}

#[derive(Clone)]
pub(super) enum What {
    Entry(Arc<Entry>),
    Marker(Arc<Marker>),
}

impl Held {
    /// Whether it is this very entry.
    pub(super) fn is(&self, entry: &Arc<Entry>) -> bool {
        matches!(&self.what, What::Entry(there) if Arc::ptr_eq(there, entry))
    }
}

/// Says that the origin varies at a key.
pub(super) struct Marker {
    pub(super) key: Box<[u8]>,
    /// Sorted, without repetition.
    pub(super) names: Arc<[HeaderName]>,
}

impl Marker {
    /// A marker with `names` and those already known. `None` without any.
    pub(super) fn adding(key: &[u8], names: &[HeaderName], known: Option<&Arc<Self>>) -> Option<Self> {
        let known_names = known.iter().flat_map(|known| known.names.iter());
        let mut all: Vec<_> = known_names.chain(names).cloned().collect();
        all.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        all.dedup();
        (!all.is_empty()).then(|| Self { key: key.into(), names: all.into() })
    }

    /// Bytes it holds; names that HTTP does not register are on the heap.
    pub(super) fn weight(&self) -> u32 {
        let names = allocated(ARC + size_of_val(&*self.names));
        let texts: usize = self.names.iter().map(|name| allocated(name.as_str().len())).sum();
        let own = allocated(ARC + size_of::<Self>()) + allocated(self.key.len());
        u32::try_from(own + names + texts + super::SHARE).unwrap_or(u32::MAX)
    }
}

/// Frees memory when it is over. By moka's own clock: whether a reply is fresh is decided by whoever reads it.
pub(super) struct KeepTime;

impl Expiry<Address, Held> for KeepTime {
    fn expire_after_create(&self, _: &Address, held: &Held, _: Instant) -> Option<Duration> {
        Some(held.keep)
    }

    fn expire_after_update(
        &self,
        _: &Address,
        held: &Held,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(held.keep)
    }
}
