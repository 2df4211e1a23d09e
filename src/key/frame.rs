//! Framing: parts in a row that can only be read back in one way.
//!
//! A part is its length, seven bits a byte with the lowest first (LEB128), and its bytes. The length of a part that may be absent
//! is one more than it is, and zero says that it is absent, which is not the same as empty. Every element thus says by itself
//! where it ends, so two sequences of elements with equal bytes are equal.

/// Appends a part that is always there.
pub(super) fn part(bytes: &mut Vec<u8>, part: &[u8]) {
    length(bytes, part.len());
    bytes.extend_from_slice(part);
}

/// Appends a part that may be absent.
pub(super) fn optional(bytes: &mut Vec<u8>, part: Option<&[u8]>) {
    match part {
        None => bytes.push(0),
        Some(part) => {
            length(bytes, part.len() + 1);
            bytes.extend_from_slice(part);
        }
    }
}

/// Appends a number.
pub(super) fn length(bytes: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}

/// Reads frames back, for the tests that show that a key can be read in one way only.
#[cfg(test)]
pub(super) mod read {
    /// Takes a number.
    pub(in super::super) fn length(bytes: &mut &[u8]) -> usize {
        let mut length = 0;
        for shift in (0..).step_by(7) {
            let byte = take(bytes, 1)[0];
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        length
    }

    /// Takes a part that is always there.
    pub(in super::super) fn part(bytes: &mut &[u8]) -> Vec<u8> {
        let length = length(bytes);
        take(bytes, length)
    }

    /// Takes a part that may be absent.
    pub(in super::super) fn optional(bytes: &mut &[u8]) -> Option<Vec<u8>> {
        let length = length(bytes).checked_sub(1)?;
        Some(take(bytes, length))
    }

    /// Takes so many bytes.
    pub(in super::super) fn take(bytes: &mut &[u8], count: usize) -> Vec<u8> {
        let (taken, rest) = bytes.split_at(count);
        *bytes = rest;
        taken.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_short() {
        for (length, expected) in [
            (0, &[0][..]),
            (1, &[1]),
            (127, &[127]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (1 << 14, &[0x80, 0x80, 1]),
        ] {
            let mut bytes = Vec::new();
            super::length(&mut bytes, length);
            assert_eq!(bytes, expected, "{length}");
            assert_eq!(read::length(&mut &bytes[..]), length);
        }
    }

    proptest! {
        #[test]
        fn what_is_framed_is_read_back(parts in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..200)), 0..6)) {
            let mut bytes = Vec::new();
            for part in &parts {
                super::optional(&mut bytes, part.as_deref());
            }
            let rest = &mut &bytes[..];
            for part in parts {
                prop_assert_eq!(read::optional(rest), part);
            }
            prop_assert!(rest.is_empty());
        }
    }
}
