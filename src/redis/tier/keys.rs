//! How things are called in Redis.

use crate::key::KeyHash;

/// Names of what the tier keeps, all of them within its namespace. Entries have no hash tag, so that a cluster spreads them.
/// The number is that of the form: another one leaves what stands there alone until it is over.
#[derive(Debug)]
pub(super) struct Keys {
    entries: Vec<u8>,
    leases: Vec<u8>,
    channel: Vec<u8>,
}

impl Keys {
    pub(super) fn new(namespace: &str) -> Self {
        let within = |rest: &str| format!("{namespace}:{rest}").into_bytes();
        Self { entries: within("e1:"), leases: within("l1:"), channel: within("vacated") }
    }

    /// Where the entry of a key stands.
    pub(super) fn entry(&self, hash: &KeyHash) -> Vec<u8> {
        named(&self.entries, hash)
    }

    /// Where the lease of a key stands.
    pub(super) fn lease(&self, hash: &KeyHash) -> Vec<u8> {
        named(&self.leases, hash)
    }

    /// Where the end of leases is told: the payload is the hash, all of its bytes.
    pub(super) fn channel(&self) -> &[u8] {
        &self.channel
    }
}

/// In hexadecimal, so that whoever looks for one entry can type its name.
fn named(prefix: &[u8], hash: &KeyHash) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut name = Vec::with_capacity(prefix.len() + 64);
    name.extend_from_slice(prefix);
    for byte in hash.as_bytes() {
        name.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_within_the_namespace() {
        let keys = Keys::new("shop");
        let hash = KeyHash::of(b"");
        let hex = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(keys.entry(&hash), format!("shop:e1:{hex}").into_bytes());
        assert_eq!(keys.lease(&hash), format!("shop:l1:{hex}").into_bytes());
        assert_eq!(keys.channel(), b"shop:vacated");
    }
}
