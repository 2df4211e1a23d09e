//! Bytes that many readers share.

use bytes::Bytes;

/// One allocation of exactly the pieces' bytes.
///
/// Pieces as they come from a connection are views into larger buffers; kept as they are, an entry would hold those
/// and its weight would be a guess.
pub fn gather(pieces: &[Bytes]) -> Bytes {
    let mut whole = Vec::with_capacity(pieces.iter().map(Bytes::len).sum());
    for piece in pieces {
        whole.extend_from_slice(piece);
    }
    shared(whole)
}

/// `whole` ready to be shared. The counter of its readers is allocated now, and not by the first hit.
pub(super) fn shared(whole: Vec<u8>) -> Bytes {
    let bytes = Bytes::from(whole.into_boxed_slice());
    drop(bytes.clone());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_one() {
        #[track_caller]
        fn check(pieces: &[&'static str]) {
            let pieces: Vec<_> = pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect();
            assert_eq!(gather(&pieces), pieces.concat());
        }
        check(&[]);
        check(&[""]);
        check(&["whole"]);
        check(&["in ", "", "pieces"]);
    }

    #[test]
    fn a_view_does_not_keep_its_buffer() {
        let buffer = Bytes::from(vec![7; 1 << 20]);
        let gathered = gather(&[buffer.slice(10..20)]);
        assert!(buffer.is_unique());
        assert_eq!(gathered, [7; 10][..]);
    }
}
