//! A hasher for short text.
//!
//! What stands in the maps comes from the configuration and clients only look it up, so nobody who sends requests can fill a
//! bucket, and the keyed hash of the standard library would buy nothing for the several times longer it takes.

use std::hash::{BuildHasherDefault, Hasher};

/// A map from text to `T`.
pub(super) type TextMap<T> = std::collections::HashMap<Box<str>, T, BuildHasherDefault<TextHasher>>;

/// An odd number whose bits look random: the golden ratio, 2^64/φ.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Folds eight bytes at a time into the state by a multiplication of which both halves are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TextHasher(u64);

impl TextHasher {
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ MULTIPLIER) * u128::from(MULTIPLIER.rotate_left(23));
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }
}

impl Hasher for TextHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.fold(u64::from_le_bytes(*word));
        }
        // Fewer than eight bytes, so the topmost one is free for the length: "a" and "a\0" differ.
        self.fold(tail(rest) | (bytes.len() as u64) << 56);
    }

    /// The end mark of a `str`. One of these ends every key and keys are not concatenated, so it carries nothing.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Up to seven bytes as a number. By two reads that may overlap, because a loop over them ends where no processor foresees it.
fn tail(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>(), bytes) {
        (Some(first), Some(last), _) => {
            let shift = (bytes.len() - 4) * 8;
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << shift
        }
        (_, _, [a, .., z]) => u64::from(*a) | u64::from(bytes[bytes.len() / 2]) << 8 | u64::from(*z) << 16,
        (_, _, [a]) => u64::from(*a),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::TextHasher;
    use std::collections::HashSet;
    use std::hash::{Hash, Hasher};

    fn hash(text: &str) -> u64 {
        let mut hasher = TextHasher::default();
        text.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn spreads_names_that_differ_little() {
        let names: Vec<String> = (0..100_000).map(|number| format!("resource-{number}")).collect();
        let hashes: HashSet<u64> = names.iter().map(|name| hash(name)).collect();
        assert_eq!(hashes.len(), names.len());
        // The map takes the bucket from the low bits and a tag from the top seven.
        let buckets: HashSet<u64> = hashes.iter().map(|hash| hash & 0xffff).collect();
        assert!(buckets.len() > 48_000, "{} of 65,536 buckets used; chance would use 51,000", buckets.len());
        assert_eq!(hashes.iter().map(|hash| hash >> 57).collect::<HashSet<_>>().len(), 128);
    }

    #[test]
    fn every_byte_counts() {
        for length in 1..20 {
            let zeros = vec![0; length];
            for place in 0..length {
                let mut other = zeros.clone();
                other[place] = 1;
                let [zeros, other] = [&zeros, &other].map(|bytes| std::str::from_utf8(bytes).unwrap());
                assert_ne!(hash(zeros), hash(other), "byte {place} of {length}");
            }
        }
    }

    #[test]
    fn tells_lengths_apart() {
        let texts: HashSet<u64> = (0..40).map(|length| hash(&"\0".repeat(length))).collect();
        assert_eq!(texts.len(), 40);
    }
}
