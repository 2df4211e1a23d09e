//! Names and jitter, all from one seed: so a simulated fleet does the same again.

use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64 (Steele, Lea and Flood 2014), begun with a seed that is random itself.
#[derive(Debug)]
pub(crate) struct Dice {
    state: AtomicU64,
    /// The half of the seed that the state does not hold.
    other: u64,
}

impl Dice {
    pub(crate) fn new(seed: u128) -> Self {
        Self { state: AtomicU64::new(seed as u64), other: (seed >> 64) as u64 }
    }

    /// A name that no other seed gives, and this one never again.
    pub(crate) fn name(&self) -> u128 {
        u128::from(self.next() ^ self.other) << 64 | u128::from(self.next())
    }

    /// Between 0 and 1.
    pub(crate) fn share(&self) -> f64 {
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
        let (one, other) = (Dice::new(7), Dice::new(7 | 1 << 64));
        let names: HashSet<u128> = (0..1000).flat_map(|_| [one.name(), other.name()]).collect();
        assert_eq!(names.len(), 2000);
        assert!((0..1000).map(|_| one.share()).all(|share| (0.0..1.0).contains(&share)));
    }
}
