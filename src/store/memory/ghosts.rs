//! Who left the young queue not long ago.

/// A table of marks, one slot to an address: whoever comes to the same slot later takes it over. So it forgets about as
/// much as it learns, without keeping an order, at four bytes a ghost.
#[derive(Default)]
pub(super) struct Ghosts {
    marks: Box<[u32]>,
}

impl Ghosts {
    /// Remembers `address`. There are slots for twice `entries`, the number of entries in memory.
    pub(super) fn add(&mut self, address: u64, entries: usize) {
        if self.marks.len() < entries {
            // Whom it forgets by that has to prove itself like everybody else.
            self.marks = vec![0; (2 * entries).next_power_of_two()].into();
        }
        if let Some(slot) = self.slot(address) {
            *slot = mark(address);
        }
    }

    /// Whether `address` is remembered; it is not any longer after that.
    pub(super) fn take(&mut self, address: u64) -> bool {
        match self.slot(address) {
            Some(slot) if *slot == mark(address) => {
                *slot = 0;
                true
            }
            _ => false,
        }
    }

    fn slot(&mut self, address: u64) -> Option<&mut u32> {
        let mask = self.marks.len().wrapping_sub(1);
        self.marks.get_mut(address as usize & mask)
    }
}

/// The upper half of the address; the lower one tells the slot. 0 marks a free slot.
fn mark(address: u64) -> u32 {
    ((address >> 32) as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn a_ghost_is_seen_once() {
        let mut ghosts = Ghosts::default();
        assert!(!ghosts.take(address(1)));
        ghosts.add(address(1), 10);
        assert!(!ghosts.take(address(2)));
        assert!(ghosts.take(address(1)));
        assert!(!ghosts.take(address(1)));
    }

    #[test]
    fn the_latest_are_known_and_the_rest_is_forgotten() {
        let mut ghosts = Ghosts::default();
        (0..10_000).for_each(|n| ghosts.add(address(n), 100));
        assert!(ghosts.marks.len() <= 256);
        let mut known = |range: std::ops::Range<u64>| range.filter(|n| ghosts.take(address(*n))).count();
        assert!(known(9_900..10_000) > 70);
        assert!(known(0..9_000) < 10);
    }
}
