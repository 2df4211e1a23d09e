//! A reply's head, kept as the bytes that HTTP/1 writes.

use super::bytes::shared;
use bytes::Bytes;
use http::header::{AGE, CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// Fields that belong to one message or one connection: whoever sends the reply writes his own (RFC 9111, 3.1).
const LEFT_OUT: [HeaderName; 9] = [
    AGE,
    CONTENT_LENGTH,
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Status and fields. The fields are one block of `name: value\r\n` lines, without those that change with every reply
/// (`Age`, `Content-Length`) and those of a connection (`Connection`, `Transfer-Encoding`, …).
///
/// The origin's `Date` and `Cache-Status` stay; Larder's own are added when the reply is sent. Names are in lower case,
/// lines of one name are in their order.
#[derive(Clone, Debug)]
pub struct Head {
    status: StatusCode,
    block: Bytes,
}

impl Head {
    /// Encodes `headers`.
    pub fn new(status: StatusCode, headers: &HeaderMap) -> Self {
        let kept = || headers.iter().filter(|(name, _)| !LEFT_OUT.contains(name));
        let line = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
        let mut block = Vec::with_capacity(kept().map(line).sum());
        for (name, value) in kept() {
            block.extend_from_slice(name.as_str().as_bytes());
            block.extend_from_slice(b": ");
            block.extend_from_slice(value.as_bytes());
            block.extend_from_slice(b"\r\n");
        }
        Self { status, block: shared(block) }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The block of lines, as HTTP/1 writes them.
    pub fn block(&self) -> &Bytes {
        &self.block
    }

    /// Replaces the block by an equal one.
    pub(super) fn set_block(&mut self, block: Bytes) {
        debug_assert_eq!(self.block, block);
        self.block = block;
    }

    /// The fields in order; values share the block's memory, and so cost no allocation. Names do not, if they are among
    /// those that HTTP registers.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> + '_ {
        self.lines().map(|(name, value)| {
            let name = HeaderName::from_bytes(name).expect("the block was written from names");
            let value = HeaderValue::from_maybe_shared(self.block.slice_ref(value))
                .expect("the block was written from values");
            (name, value)
        })
    }

    /// Decoded again.
    pub fn to_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.lines().count());
        for (name, value) in self.fields() {
            headers.append(name, value);
        }
        headers
    }

    /// The first value of a field.
    pub fn get(&self, name: &HeaderName) -> Option<&[u8]> {
        self.lines().find(|(written, _)| *written == name.as_str().as_bytes()).map(|(_, value)| value)
    }

    /// Name and value of each line. A name has no colon and a value no line end, so the first of each is the one written
    /// in between.
    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &self.block[..];
        std::iter::from_fn(move || {
            let colon = rest.iter().position(|b| *b == b':')?;
            let (name, value) = (&rest[..colon], &rest[colon + 2..]);
            let end = value.iter().position(|b| *b == b'\r')?;
            rest = &value[end + 2..];
            Some((name, &value[..end]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut map = HeaderMap::new();
        fields.iter().map(field).for_each(|(name, value)| {
            map.append(name, value);
        });
        map
    }

    #[test]
    fn the_block_is_what_http1_writes() {
        #[track_caller]
        fn check(fields: &[(&'static str, &'static str)], block: &str) {
            let head = Head::new(StatusCode::OK, &headers(fields));
            assert_eq!(head.block(), block.as_bytes());
        }
        check(&[], "");
        check(&[("etag", "\"x\"")], "etag: \"x\"\r\n");
        check(&[("x-empty", "")], "x-empty: \r\n");
        check(
            &[("link", "<a>"), ("content-type", "a/b"), ("link", "<b>")],
            "link: <a>\r\nlink: <b>\r\ncontent-type: a/b\r\n",
        );
        check(&[("cache-status", "origin; hit"), ("date", "x")], "cache-status: origin; hit\r\ndate: x\r\n");
        for left_out in LEFT_OUT {
            let name: &'static str = left_out.as_str().to_owned().leak();
            check(&[(name, "1"), ("x-a", "b")], "x-a: b\r\n");
        }
    }

    #[test]
    fn fields_are_found() {
        let fields = headers(&[("vary", "a"), ("x-own", "1: 2"), ("vary", "b"), ("x-empty", "")]);
        let head = Head::new(StatusCode::NOT_FOUND, &fields);
        #[track_caller]
        fn check(head: &Head, name: &'static str, expected: Option<&str>) {
            assert_eq!(head.get(&HeaderName::from_static(name)), expected.map(str::as_bytes));
        }
        assert_eq!(head.status(), StatusCode::NOT_FOUND);
        check(&head, "vary", Some("a"));
        check(&head, "x-own", Some("1: 2"));
        check(&head, "x-empty", Some(""));
        check(&head, "x-ow", None);
        check(&head, "own", None);
        assert_eq!(head.to_headers(), fields);
    }

    #[test]
    fn values_share_the_block() {
        let head = Head::new(StatusCode::OK, &headers(&[("etag", "\"0123456789\"")]));
        let (_, value) = head.fields().next().unwrap();
        assert!(head.block().as_ptr_range().contains(&value.as_bytes().as_ptr()));
    }

    proptest! {
        #[test]
        fn fields_come_back_in_their_order(
            fields in prop::collection::vec(("[a-c]{1,2}(-[a-z0-9]{1,9})?", "[ -~\u{80}-\u{ff}\t]{0,30}"), 0..20)
        ) {
            let mut map = HeaderMap::new();
            for (name, value) in &fields {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                prop_assume!(!LEFT_OUT.contains(&name));
                map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            let head = Head::new(StatusCode::OK, &map);
            prop_assert_eq!(head.to_headers(), map.clone());
            let written: Vec<_> = map.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            prop_assert_eq!(head.fields().collect::<Vec<_>>(), written);
        }
    }
}
