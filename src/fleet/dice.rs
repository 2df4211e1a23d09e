//! Names and jitter of one node, all from its own name: so a simulated fleet does the same again.

use super::NodeId;
use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64 (Steele, Lea and Flood 2014), begun with a name that is random itself.
#[derive(Debug)]
pub(super) struct Dice {
    state: AtomicU64,
    /// The half of the name that the state does not hold.
    other: u64,
}

impl Dice {
    pub(super) fn new(NodeId(node): NodeId) -> Self {
        Self { state: AtomicU64::new(node as u64), other: (node >> 64) as u64 }
    }

    /// A name that no other node gives, and this one never again.
    pub(super) fn name(&self) -> u128 {
        u128::from(self.next() ^ self.other) << 64 | u128::from(self.next())
    }

    /// Between 0 and 1.
    pub(super) fn share(&self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_do_not_repeat_and_shares_lie_within_one() {
        let (one, other) = (Dice::new(NodeId(7)), Dice::new(NodeId(7 | 1 << 64)));
        let names: HashSet<u128> = (0..1000).flat_map(|_| [one.name(), other.name()]).collect();
        assert_eq!(names.len(), 2000);
        assert!((0..1000).map(|_| one.share()).all(|share| (0.0..1.0).contains(&share)));
    }
}
