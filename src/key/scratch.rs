//! Room to put values into their normal form, used again and again.

/// What a buffer keeps between requests. Keys are some hundred bytes; one request with a query of a mebibyte, the most that is
/// accepted, should not hold on to that much for ever.
pub(super) const KEPT: usize = 16 * 1024;

/// A buffer for text and one for the places of its parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    pub(super) text: Vec<u8>,
    pub(super) spans: Vec<Span>,
}

/// Where a part of some text begins and ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: usize,
    /// Where the stem of the parameter that begins here ends; of no use elsewhere.
    pub(super) stem: usize,
    pub(super) end: usize,
}

impl Scratch {
    /// Gives back what an unusual request has made it grow by.
    pub(super) fn trim(&mut self) {
        trim(&mut self.text);
        trim(&mut self.spans);
    }
}

/// Empties a buffer that has grown beyond what is kept.
pub(super) fn trim<T>(buffer: &mut Vec<T>) {
    if buffer.capacity() * size_of::<T>() > KEPT {
        buffer.clear();
        buffer.shrink_to(KEPT / size_of::<T>());
    }
}
