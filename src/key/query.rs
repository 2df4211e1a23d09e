//! Which parts of the query belong to the key.
//!
//! A query is parameters between `&`, and the name of each ends at its first `=`. Nothing is decoded: names are compared and
//! kept as they were sent. What the origin makes of a name may be more than that, and wherever the two could part, the parameter
//! stays in the key:
//!
//! - A parameter with a `;` in it is never left out. Some origins split there as well, so `utm_source=x;page=2` may be a second
//!   page to one of them (parameter cloaking, CVE-2021-23336).
//! - `only` leaves out a parameter that certainly is none of those listed: its name is *plain*, and its stem is not theirs in
//!   whatever case. `p%61ge` may be `page` to the origin, and `PAGE` as well.
//! - `sort` orders parameters by their stems without regard to case and leaves those with equal stems in the order sent, since
//!   `a=1&a=2` need not mean `a=2&a=1`, nor `a[]=1&A[]=2` the other way round. If one of the names is not plain, no one can
//!   tell which others it equals, and the query keeps its order.
//!
//! A name is plain if it consists of letters, digits, `_`, `-` and `~`, its stem, and perhaps of subscripts after that (`filter[color]`,
//! also as `filter%5Bcolor%5D`), which all readers take as parts of the stem's value.

use super::frame;
use super::scratch::{Scratch, Span};
use std::cmp::Ordering;

/// A parameter name, or all that begin with one: `utm_*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// This name.
    Exact(String),
    /// Names that begin so.
    StartsWith(String),
}

/// The query's part in the key.
///
/// No query differs from an empty one (`/a` and `/a?`), unless the rule has left all parameters out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryRule {
    /// Parameters left out.
    pub ignore: Vec<NamePattern>,
    /// When not empty, the only parameters that count; with their subscripts, and less those in `ignore`.
    pub only: Vec<NamePattern>,
    /// Whether their order does not matter (equal names keep theirs).
    pub sort: bool,
}

impl NamePattern {
    /// Whether `name`, as sent, is one of these.
    fn names(&self, name: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => name == exact.as_bytes(),
            Self::StartsWith(prefix) => name.starts_with(prefix.as_bytes()),
        }
    }

    /// Whether some reader may take the parameter with this stem for one of these.
    fn may_name(&self, stem: &[u8]) -> bool {
        match self {
            Self::StartsWith(prefix) if stem_length(prefix.as_bytes()) == prefix.len() => {
                stem.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
            }
            // A prefix that goes beyond the stem names subscripts of that stem.
            Self::Exact(name) | Self::StartsWith(name) => {
                stem.eq_ignore_ascii_case(&name.as_bytes()[..stem_length(name.as_bytes())])
            }
        }
    }
}

impl QueryRule {
    /// Whether every query is its own part of the key.
    pub(super) fn is_verbatim(&self) -> bool {
        let Self { ignore, only, sort } = self;
        ignore.is_empty() && only.is_empty() && !sort
    }

    /// Whether the parameter `name` is left out of keys, however it is sent: by its plain name at least.
    pub fn leaves_out(&self, name: &str) -> bool {
        !self.keeps(&Parameter::read(name.as_bytes()))
    }

    /// The query's part in the key: `None` for no query, and for one of which nothing is left.
    pub(super) fn normalise<'s>(&self, query: Option<&'s str>, scratch: &'s mut Scratch) -> Option<&'s [u8]> {
        let query = query?;
        if self.is_verbatim() {
            return Some(query.as_bytes());
        }
        let Scratch { text, spans } = scratch;
        spans.clear();
        let (mut start, mut changed, mut sortable) = (0, false, self.sort);
        for parameter in query.as_bytes().split(|byte| *byte == b'&') {
            let read = Parameter::read(parameter);
            if self.keeps(&read) {
                sortable &= read.stem.is_some() && !read.split;
                let stem = start + read.stem.map_or(0, <[u8]>::len);
                spans.push(Span { start, stem, end: start + parameter.len() });
            } else {
                changed = true;
            }
            start += parameter.len() + 1;
        }
        if spans.is_empty() {
            return None;
        }
        let query = query.as_bytes();
        if sortable && !spans.is_sorted_by(|a, b| order(query, a, b).is_le()) {
            // Not stable by itself, but no two spans are equal, and a stable sort would allocate.
            spans.sort_unstable_by(|a, b| order(query, a, b));
            changed = true;
        }
        if !changed {
            return Some(query);
        }
        text.clear();
        for (place, span) in spans.iter().enumerate() {
            if place > 0 {
                text.push(b'&');
            }
            text.extend_from_slice(&query[span.start..span.end]);
        }
        Some(text)
    }

    /// Appends the rule, in frames.
    pub(super) fn describe(&self, bytes: &mut Vec<u8>) {
        let Self { ignore, only, sort } = self;
        for names in [ignore, only] {
            frame::length(bytes, names.len());
            for name in names {
                let (kind, text) = match name {
                    NamePattern::Exact(text) => (0, text),
                    NamePattern::StartsWith(text) => (1, text),
                };
                bytes.push(kind);
                frame::part(bytes, text.as_bytes());
            }
        }
        bytes.push(u8::from(*sort));
    }

    fn keeps(&self, parameter: &Parameter<'_>) -> bool {
        if parameter.split {
            return true;
        }
        if self.ignore.iter().any(|pattern| pattern.names(parameter.name)) {
            return false;
        }
        match parameter.stem {
            Some(stem) if !self.only.is_empty() => self.only.iter().any(|pattern| pattern.may_name(stem)),
            _ => true,
        }
    }
}

/// What of a parameter decides on its place in the key.
struct Parameter<'q> {
    name: &'q [u8],
    /// The stem of a plain name.
    stem: Option<&'q [u8]>,
    /// Whether some readers see several parameters in it.
    split: bool,
}

impl<'q> Parameter<'q> {
    fn read(parameter: &'q [u8]) -> Self {
        let end = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
        let name = &parameter[..end];
        Self { name, stem: plain_stem(name), split: parameter.contains(&b';') }
    }
}

fn order(query: &[u8], a: &Span, b: &Span) -> Ordering {
    let stem = |span: &Span| query[span.start..span.stem].iter().map(u8::to_ascii_lowercase);
    stem(a).cmp(stem(b)).then(a.start.cmp(&b.start))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'~')
}

fn stem_length(name: &[u8]) -> usize {
    name.iter().position(|byte| !is_plain(*byte)).unwrap_or(name.len())
}

/// The stem of a name that is plain.
fn plain_stem(name: &[u8]) -> Option<&[u8]> {
    let (stem, mut rest) = name.split_at(stem_length(name));
    if stem.is_empty() && !rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let inner = strip(rest, b"[", b"%5B")?;
        rest = strip(&inner[stem_length(inner)..], b"]", b"%5D")?;
    }
    Some(stem)
}

fn strip<'n>(name: &'n [u8], raw: &[u8; 1], escaped: &[u8; 3]) -> Option<&'n [u8]> {
    if let Some(rest) = name.strip_prefix(raw) {
        return Some(rest);
    }
    let (start, rest) = name.split_at_checked(escaped.len())?;
    start.eq_ignore_ascii_case(escaped).then_some(rest)
}

#[cfg(test)]
mod tests;
