//! Where a chunked body ends (RFC 9112, 7.1).

/// Follows a chunked body as it arrives, so that what comes after it is kept for the next request.
///
/// It only finds the end: Pingora decodes the same bytes and refuses what is malformed. Where this is unsure, all that
/// follows counts as the body, Pingora reads past the end or fails, and the connection is not used again.
#[derive(Debug)]
pub(in crate::proxy) struct Chunks(State);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the digits of a chunk's size.
    Size { value: u64, digits: u8 },
    /// Behind them, in extensions.
    Extension { value: u64 },
    /// The CR of that line was read.
    SizeEnd { value: u64 },
    /// In a chunk, with so much to come.
    Data(u64),
    /// Behind a chunk.
    DataCr,
    /// Likewise, after CR.
    DataLf,
    /// At the start of a trailer line.
    Trailer,
    /// Within one.
    TrailerLine,
    /// The CR of one was read.
    TrailerEnd,
    /// The CR of the empty line was read.
    LastLf,
    /// The body is over.
    Done,
    /// The bytes make no sense.
    Broken,
}

/// More than 15 hexadecimal digits could overflow 64 bits, and no chunk is that large.
const MOST_DIGITS: u8 = 15;

impl Chunks {
    /// At the start of a body.
    pub(in crate::proxy) fn new() -> Self {
        Self(State::Size { value: 0, digits: 0 })
    }

    /// Whether the body is over.
    pub(in crate::proxy) fn is_done(&self) -> bool {
        self.0 == State::Done
    }

    /// How many of `bytes`, from their start, belong to the body. They count as handed on.
    pub(in crate::proxy) fn take(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.0 != State::Done {
            match self.0 {
                State::Broken => return bytes.len(),
                State::Data(left) => {
                    let taken = left.min((bytes.len() - at) as u64);
                    // It fits, as it is no more than the length of a slice.
                    at += taken as usize;
                    self.0 = if taken == left { State::DataCr } else { State::Data(left - taken) };
                }
                state => {
                    self.0 = state.after(bytes[at]);
                    at += 1;
                }
            }
        }
        at
    }
}

impl State {
    /// The state after a byte that is not part of a chunk's data.
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size { digits: 1.., value }, b'\r') => Self::SizeEnd { value },
            (Self::Size { digits: 1.., value }, b';' | b' ' | b'\t') => Self::Extension { value },
            (Self::Size { value, digits }, _) if digits < MOST_DIGITS => {
                match char::from(byte).to_digit(16) {
                    Some(digit) => Self::Size { value: value << 4 | u64::from(digit), digits: digits + 1 },
                    None => Self::Broken,
                }
            }
            (Self::Extension { value }, b'\r') => Self::SizeEnd { value },
            (Self::Extension { value }, other) if other != b'\n' => Self::Extension { value },
            (Self::SizeEnd { value: 0 }, b'\n') => Self::Trailer,
            (Self::SizeEnd { value }, b'\n') => Self::Data(value),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::Size { value: 0, digits: 0 },
            (Self::Trailer, b'\r') => Self::LastLf,
            (Self::TrailerLine, b'\r') => Self::TrailerEnd,
            (Self::TrailerEnd, b'\n') => Self::Trailer,
            (Self::Trailer | Self::TrailerLine, other) if other != b'\n' => Self::TrailerLine,
            (Self::LastLf, b'\n') => Self::Done,
            _ => Self::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of every length and checks where the body ends: `None`, not within them.
    #[track_caller]
    fn check(bytes: &str, end: Option<usize>) {
        for piece in 1..=bytes.len() {
            let mut chunks = Chunks::new();
            let mut taken = 0;
            for part in bytes.as_bytes().chunks(piece) {
                taken += chunks.take(part);
            }
            assert_eq!(chunks.is_done(), end.is_some(), "{bytes:?} in pieces of {piece}");
            assert_eq!(taken, end.unwrap_or(bytes.len()), "{bytes:?} in pieces of {piece}");
        }
    }

    #[test]
    fn finds_the_end() {
        check("0\r\n\r\nGET / HTTP/1.1\r\n", Some(5));
        check("5\r\nhello\r\n0\r\n\r\nGET", Some(15));
        check("a;name=value\r\n0123456789\r\n0\r\n\r\n", Some(31));
        check("1F \r\n0123456789012345678901234567890\r\n000\r\n\r\nX", Some(45));
        check("0\r\nChecksum: 1\r\nOther: 2\r\n\r\nX", Some(28));
    }

    #[test]
    fn data_that_looks_like_an_end_is_data() {
        check("7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\nX", Some(17));
    }

    #[test]
    fn not_over_yet() {
        check("5\r\nhel", None);
        check("5\r\nhello\r\n", None);
        check("0\r\n", None);
        check("0\r\nTrailer: x\r\n", None);
    }

    #[test]
    fn nonsense_never_ends() {
        check("\r\n0\r\n\r\nGET", None);
        check("5\nhello\r\n0\r\n\r\nGET", None);
        check("5\r\nhelloX\r\n0\r\n\r\nGET", None);
        check("1234567890abcdef0\r\nx\r\n0\r\n\r\nGET", None);
        check("-1\r\nx\r\n0\r\n\r\nGET", None);
        check("5;x\nhello\r\n0\r\n\r\n", None);
        check("0\r\nTrailer: x\n\r\nGET", None);
        check("0\r\n\nGET", None);
    }
}
