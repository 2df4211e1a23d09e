//! Byte ranges from a stored reply (RFC 9110, 14).

use super::Validators;
use super::decimal::push_decimal;
use http::HeaderMap;
use http::header::RANGE;

/// The most ranges one request is answered with. Each costs a part's head, so a request of a few hundred bytes that
/// asks for thousands of single bytes would draw many times the body (the attack of CVE-2011-3192). Viewers of
/// documents and video players ask for a handful.
const MOST_RANGES: usize = 16;

/// Bytes `start..end` of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

impl ByteRange {
    /// How many bytes these are.
    pub fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The value of `Content-Range` (RFC 9110, 14.4) in a body of `length` bytes. The range must not be empty.
    pub fn content_range(self, length: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        self.write_content_range(length, &mut out);
        out
    }

    pub(super) fn write_content_range(self, length: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"bytes ");
        push_decimal(out, self.start);
        out.push(b'-');
        push_decimal(out, self.end.saturating_sub(1));
        out.push(b'/');
        push_decimal(out, length);
    }
}

/// The value of `Content-Range` in a 416 (RFC 9110, 15.5.17).
pub fn unsatisfied_content_range(length: u64) -> Vec<u8> {
    let mut out = b"bytes */".to_vec();
    push_decimal(&mut out, length);
    out
}

/// How a request's `Range` is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangePlan {
    /// 200 with everything: no `Range`, one to be ignored, or `If-Range` that does not match.
    Full,
    /// 206 with one part.
    Single(ByteRange),
    /// 206 `multipart/byteranges`.
    Multiple(Vec<ByteRange>),
    /// 416.
    Unsatisfiable,
}

/// Decides by `Range` and `If-Range`. `length` is that of the whole body. For GET only: to other methods `Range` does not
/// apply (RFC 9110, 14.2), HEAD among them.
///
/// Everything is sent where the field is malformed, of another unit than bytes, or there several times; where it has
/// more than 16 ranges; and where they overlap, which no client needs and whose sum could exceed the body (14.2).
pub fn plan_range(request: &HeaderMap, validators: &Validators, length: u64) -> RangePlan {
    let mut lines = request.get_all(RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return RangePlan::Full };
    if !validators.if_range(request) {
        return RangePlan::Full;
    }
    let Some(mut ranges) = satisfiable(line.as_bytes(), length) else { return RangePlan::Full };
    match ranges.as_slice() {
        [] => RangePlan::Unsatisfiable,
        // The end of an empty body: satisfiable (14.1.2), but no `Content-Range` can express it.
        _ if length == 0 => RangePlan::Full,
        [_] => ranges.pop().map_or(RangePlan::Full, RangePlan::Single),
        ranges if overlap(ranges) => RangePlan::Full,
        _ => RangePlan::Multiple(ranges),
    }
}

/// The ranges that reach into the body, in the order asked for; `None` when the field is to be ignored.
fn satisfiable(line: &[u8], length: u64) -> Option<Vec<ByteRange>> {
    let equals = line.iter().position(|&byte| byte == b'=')?;
    if !line[..equals].eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut ranges = Vec::new();
    let mut specs = 0;
    for spec in
        line[equals + 1..].split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty())
    {
        specs += 1;
        if specs > MOST_RANGES {
            return None;
        }
        ranges.extend(parse_range(spec, length)?);
    }
    (specs > 0).then_some(ranges)
}

/// One `range-spec` (14.1.1): `None` when it is malformed, `Some(None)` when it does not reach into the body.
fn parse_range(spec: &[u8], length: u64) -> Option<Option<ByteRange>> {
    let dash = spec.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    if first.is_empty() {
        let suffix = parse_position(last)?;
        return Some((suffix > 0).then(|| ByteRange { start: length.saturating_sub(suffix), end: length }));
    }
    let start = parse_position(first)?;
    let last = if last.is_empty() { u64::MAX } else { parse_position(last)? };
    if last < start {
        return None;
    }
    Some((start < length).then(|| ByteRange { start, end: last.saturating_add(1).min(length) }))
}

/// Digits only. What exceeds 64 bits is beyond every body, and so is what it is cut to.
fn parse_position(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        digits
            .iter()
            .fold(0, |sum: u64, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))),
    )
}

fn overlap(ranges: &[ByteRange]) -> bool {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0].end > pair[1].start)
}

#[cfg(test)]
mod tests;
