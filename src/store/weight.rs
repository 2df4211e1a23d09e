//! What an allocation really takes.

/// Reference counts in front of what an `Arc` holds.
pub(super) const ARC: usize = 2 * size_of::<usize>();

/// What a shared [`bytes::Bytes`] allocates beside its content: three words, rounded.
pub(super) const SHARED: usize = 32;

/// Bytes taken by an allocation of `size`: mimalloc keeps blocks in steps of 16 bytes up to 64, and from there in four
/// steps to each doubling, so that at most a fifth of a block is unused.
pub(super) const fn allocated(size: usize) -> usize {
    match size {
        0 => 0,
        1..=64 => size.next_multiple_of(16),
        _ => size.next_multiple_of(1 << ((size - 1).ilog2() - 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_to_blocks() {
        for (size, block) in [
            (0, 0),
            (1, 16),
            (16, 16),
            (17, 32),
            (64, 64),
            (65, 80),
            (80, 80),
            (128, 128),
            (129, 160),
            (1024, 1024),
            (1025, 1280),
            (1 << 20, 1 << 20),
            ((1 << 20) + 1, 5 << 18),
        ] {
            assert_eq!(allocated(size), block, "{size}");
        }
    }
}
