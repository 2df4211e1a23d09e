//! The hash of a key.

use std::fmt;
use std::hash::{Hash, Hasher};

/// BLAKE3 of a key.
///
/// Uniform already, so a map need not hash it again: [`KeyHash::prefix`] is all that its `Hash` feeds to a hasher. It is not
/// keyed; a map with buckets that clients must not be able to fill on purpose needs a hasher with a seed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a key's bytes.
    pub fn of(key: &[u8]) -> Self {
        Self(*blake3::hash(key).as_bytes())
    }

    /// From all of its bytes, as [`KeyHash::as_bytes`] gave them.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// All of it.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight bytes, as a number.
    pub fn prefix(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.prefix());
    }
}

/// The first eight bytes in hexadecimal: enough to tell keys apart in a log.
impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::KeyHash;
    use std::hash::{BuildHasher, RandomState};

    #[test]
    fn is_shown_by_its_prefix() {
        let hash = KeyHash::of(b"");
        assert_eq!(format!("{hash:?}"), "af1349b9f5f9a1a6");
        assert_eq!(hash.prefix(), 0xaf13_49b9_f5f9_a1a6);
        assert_eq!(hash.as_bytes()[..2], [0xaf, 0x13]);
    }

    #[test]
    fn feeds_its_prefix_to_a_hasher() {
        let state = RandomState::new();
        let hash = KeyHash::of(b"key");
        assert_eq!(state.hash_one(hash), state.hash_one(hash.prefix()));
    }
}
