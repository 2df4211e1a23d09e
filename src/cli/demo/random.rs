//! Numbers that look random and are the same on every run.

/// The mixing step of SplitMix64.
pub(super) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A sequence of them.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    /// The sequence of this number.
    pub(super) fn new(seed: u64) -> Self {
        Self { state: mix(seed) }
    }

    /// Below `sides`, each equally likely.
    pub(super) fn below(&mut self, sides: u64) -> u64 {
        self.state = self.state.wrapping_add(1);
        mix(self.state) % sides
    }

    /// Below `sides`, small numbers far likelier: what is popular is what is asked for.
    pub(super) fn popular_below(&mut self, sides: u64) -> u64 {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        (share.powi(3) * sides as f64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_popular_half_is_asked_for_most() {
        let mut dice = Dice::new(7);
        let throws: Vec<_> = (0..10_000).map(|_| dice.popular_below(100)).collect();
        assert!(throws.iter().all(|throw| *throw < 100));
        let popular = throws.iter().filter(|throw| **throw < 50).count();
        assert!((7_500..8_500).contains(&popular), "{popular}");
    }
}
