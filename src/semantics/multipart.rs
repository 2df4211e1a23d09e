//! `multipart/byteranges` over a stored body (RFC 9110, 14.6).

use super::ByteRange;
use bytes::Bytes;

/// A `multipart/byteranges` body over a stored one: its type, its length, and its pieces without copying the body.
#[derive(Clone, Debug)]
pub struct MultipartPlan {
    /// The value of `Content-Type`.
    pub content_type: String,
    /// Bytes of all pieces.
    pub length: u64,
    /// What to send, in this order: heads of parts, which share one allocation, and slices of the body.
    pub pieces: Vec<Bytes>,
}

impl MultipartPlan {
    /// Lays out `ranges` of `body`. `content_type` is that of the stored reply; `boundary` is of the characters that
    /// RFC 2046, 5.1.1 allows without quotes, and must not occur in the body's text (64 random bits do).
    ///
    /// What of a range lies outside the body is left out.
    pub fn new(body: &Bytes, content_type: Option<&[u8]>, ranges: &[ByteRange], boundary: &str) -> Self {
        let slices: Vec<Bytes> = ranges.iter().map(|range| slice(body, *range)).collect();
        let mut text = Vec::with_capacity((ranges.len() + 1) * (96 + boundary.len()));
        let mut cuts = Vec::with_capacity(ranges.len());
        for range in ranges {
            push_part_head(&mut text, boundary, content_type, *range, body.len() as u64);
            cuts.push(text.len());
        }
        text.extend_from_slice(b"\r\n--");
        text.extend_from_slice(boundary.as_bytes());
        text.extend_from_slice(b"--\r\n");

        let text = Bytes::from(text);
        let mut pieces = Vec::with_capacity(2 * ranges.len() + 1);
        let mut from = 0;
        for (cut, slice) in cuts.into_iter().zip(slices) {
            pieces.push(text.slice(from..cut));
            pieces.push(slice);
            from = cut;
        }
        pieces.push(text.slice(from..));
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { content_type: format!("multipart/byteranges; boundary={boundary}"), length, pieces }
    }
}

fn push_part_head(
    text: &mut Vec<u8>,
    boundary: &str,
    content_type: Option<&[u8]>,
    range: ByteRange,
    length: u64,
) {
    text.extend_from_slice(b"\r\n--");
    text.extend_from_slice(boundary.as_bytes());
    if let Some(content_type) = content_type {
        text.extend_from_slice(b"\r\nContent-Type: ");
        text.extend_from_slice(content_type);
    }
    text.extend_from_slice(b"\r\nContent-Range: ");
    range.write_content_range(length, text);
    text.extend_from_slice(b"\r\n\r\n");
}

fn slice(body: &Bytes, range: ByteRange) -> Bytes {
    let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(body.len());
    let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
    body.slice(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"0123456789";

    fn written(plan: &MultipartPlan) -> String {
        String::from_utf8(plan.pieces.concat()).unwrap()
    }

    #[test]
    fn lays_out_parts() {
        let ranges = [ByteRange { start: 0, end: 2 }, ByteRange { start: 7, end: 10 }];
        let plan = MultipartPlan::new(&Bytes::from_static(BODY), Some(b"text/plain"), &ranges, "cut");
        assert_eq!(plan.content_type, "multipart/byteranges; boundary=cut");
        assert_eq!(
            written(&plan),
            "\r\n--cut\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
             \r\n--cut\r\nContent-Type: text/plain\r\nContent-Range: bytes 7-9/10\r\n\r\n789\
             \r\n--cut--\r\n"
        );
        assert_eq!(plan.length, written(&plan).len() as u64);
    }

    #[test]
    fn leaves_out_the_type_that_is_not_known() {
        let plan =
            MultipartPlan::new(&Bytes::from_static(BODY), None, &[ByteRange { start: 4, end: 5 }], "cut");
        assert_eq!(written(&plan), "\r\n--cut\r\nContent-Range: bytes 4-4/10\r\n\r\n4\r\n--cut--\r\n");
    }

    #[test]
    fn shares_the_body() {
        let body = Bytes::from(BODY.to_vec());
        let plan = MultipartPlan::new(&body, None, &[ByteRange { start: 3, end: 6 }], "cut");
        assert_eq!(plan.pieces[1].as_ptr(), body[3..].as_ptr());
    }

    #[test]
    fn stays_inside_the_body() {
        let ranges = [ByteRange { start: 8, end: u64::MAX }, ByteRange { start: u64::MAX, end: 0 }];
        let plan = MultipartPlan::new(&Bytes::from_static(BODY), None, &ranges, "cut");
        assert_eq!(plan.pieces[1], "89");
        assert_eq!(plan.pieces[3], "");
    }
}
