//! The body of a reply: nothing, stored bytes, or a flight that is still arriving.

use super::flight::Reader;
use super::sink::SendError;
use bytes::Bytes;
use std::collections::VecDeque;

/// Where the bytes come from.
#[derive(Debug)]
pub(super) enum Body {
    /// None are sent.
    Empty,
    /// One piece.
    Whole(Bytes),
    /// Several, none of them empty.
    Pieces(VecDeque<Bytes>),
    /// As they arrive.
    Arriving(Arriving),
}

impl Body {
    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, SendError> {
        match self {
            Self::Empty => Ok(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
            }
            Self::Pieces(pieces) => Ok(pieces.pop_front()),
            Self::Arriving(arriving) => arriving.next().await,
        }
    }
}

/// The part of an arriving body that a client asked for.
#[derive(Debug)]
pub(super) struct Arriving {
    reader: Reader,
    /// Bytes still to be skipped.
    skip: u64,
    /// Bytes still wanted.
    want: u64,
}

impl Arriving {
    /// All of it.
    pub(super) fn whole(reader: Reader) -> Self {
        Self { reader, skip: 0, want: u64::MAX }
    }

    /// The bytes `start..end`.
    pub(super) fn part(reader: Reader, start: u64, end: u64) -> Self {
        Self { reader, skip: start, want: end.saturating_sub(start) }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, SendError> {
        while self.want > 0 {
            let Some(mut piece) = self.reader.next().await? else { return Ok(None) };
            let skipped = self.skip.min(piece.len() as u64);
            self.skip -= skipped;
            let _ = piece.split_to(skipped as usize);
            piece.truncate(self.want.min(piece.len() as u64) as usize);
            self.want -= piece.len() as u64;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }
}
