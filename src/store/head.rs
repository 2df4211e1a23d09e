//! A reply's head, kept as the bytes that HTTP/1 writes.

use super::Told;
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

/// The longest name that the `http` crate takes.
const LONGEST_NAME: usize = (1 << 16) - 1;

/// Lines in a block from elsewhere. Servers and proxies stop between 100 and 256; `HeaderMap` holds six times this many
/// and panics beyond.
const MAX_LINES: usize = 4096;

/// A block that no [`Head`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a block of fields that may be stored")]
pub struct BadBlock;

/// Status and fields. The fields are one block of `name: value\r\n` lines, without those that change with every reply
/// (`Age`, `Content-Length`) and those of a connection (`Connection`, `Transfer-Encoding`, …).
///
/// The origin's `Date` and `Cache-Status` stay; Larder's own are added when the reply is sent. Names are in lower case,
/// lines of one name are in their order.
#[derive(Clone, Debug)]
pub struct Head {
    status: StatusCode,
    told: Told,
    /// Bytes of the allocation that the block and the body beside it are views into; 0: the block has one of its own. Here
    /// and not in the entry, because here is room for it.
    held: u32,
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
        Self { status, told: Told::default(), held: 0, block: shared(block) }
    }

    /// From a block that anybody may have written. `held`: bytes of the allocation that it and the body are both views
    /// into; 0: it has one of its own. The block is refused unless [`Head::new`] could have written it: a field of a
    /// connection, or a line end in a value, would let whoever wrote it put words into Larder's mouth.
    pub fn from_block(status: StatusCode, block: Bytes, held: usize) -> Result<Self, BadBlock> {
        let mut rest = &block[..];
        let mut lines = 0;
        while !rest.is_empty() {
            lines += 1;
            rest = line_end(rest).filter(|_| lines <= MAX_LINES).ok_or(BadBlock)?;
        }
        Ok(Self { status, told: Told::default(), held: saturated(held), block })
    }

    /// With fields in it that are Larder's own.
    #[must_use]
    pub fn telling(self, told: Told) -> Self {
        Self { told, ..self }
    }

    /// What of it is Larder's own.
    pub fn told(&self) -> Told {
        self.told
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The block of lines, as HTTP/1 writes them.
    pub fn block(&self) -> &Bytes {
        &self.block
    }

    /// Bytes of the allocation that the block and the body are both views into; 0: the block has one of its own.
    pub(super) fn held(&self) -> usize {
        self.held as usize
    }

    /// Replaces the block by an equal one, which shares an allocation of `held` bytes with the body.
    pub(super) fn set_block(&mut self, block: Bytes, held: usize) {
        debug_assert_eq!(self.block, block);
        self.held = saturated(held);
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

/// Nothing as large as 4 GiB is ever stored.
fn saturated(held: usize) -> u32 {
    u32::try_from(held).unwrap_or(u32::MAX)
}

/// What follows the first line of `block`, if that is a field that may be stored.
fn line_end(block: &[u8]) -> Option<&[u8]> {
    let colon = block.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&block[..colon], block[colon..].strip_prefix(b": ")?);
    let end = value.iter().position(|byte| !is_value(*byte))?;
    let left_out = || LEFT_OUT.iter().any(|field| field.as_str().as_bytes() == name);
    let is_field =
        (1..=LONGEST_NAME).contains(&colon) && name.iter().all(|byte| is_name(*byte)) && !left_out();
    value[end..].strip_prefix(b"\r\n").filter(|_| is_field)
}

/// Whether it stands in names (`tchar` of RFC 9110, 5.6.2) in lower case.
const fn is_name(byte: u8) -> bool {
    byte.is_ascii_lowercase()
        || byte.is_ascii_digit()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether it stands in values (RFC 9110, 5.5): all but controls, the tab excepted.
const fn is_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
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

    #[test]
    fn foreign_blocks_are_checked() {
        #[track_caller]
        fn check(block: impl Into<Vec<u8>>, good: bool) {
            let block = Bytes::from(block.into());
            let head = Head::from_block(StatusCode::OK, block.clone(), 0);
            assert_eq!(head.is_ok(), good, "{:?}", String::from_utf8_lossy(&block));
            if let Ok(head) = head {
                assert_eq!(Head::new(StatusCode::OK, &head.to_headers()).block(), &block);
            }
        }
        check("", true);
        check("a: b\r\n", true);
        check("a: b\r\na: c\r\n", true);
        check("x-empty: \r\n", true);
        check("a: b: c\td \r\n", true);
        check(b"a: \xff\r\n", true);
        for bad in
            ["a", "a:", "a: ", "a: b", "a: b\r", "a: b\n", "a:b\r\n", ": b\r\n", "\r\n", "a: b\r\n\r\n"]
        {
            check(bad, false);
        }
        for bad in [
            "A: b\r\n",
            "a b: c\r\n",
            "a\0: b\r\n",
            "\u{e4}: b\r\n",
            "a: b\0\r\n",
            "a: b\x7f\r\n",
            "a: b\rc\r\n",
        ] {
            check(bad, false);
        }
        for left_out in LEFT_OUT {
            check(format!("a: b\r\n{left_out}: 1\r\n"), false);
        }
        check(format!("{}: b\r\n", "a".repeat(LONGEST_NAME)), true);
        check(format!("{}: b\r\n", "a".repeat(LONGEST_NAME + 1)), false);
        check("a: b\r\n".repeat(MAX_LINES), true);
        check("a: b\r\n".repeat(MAX_LINES + 1), false);
    }

    #[test]
    fn bytes_of_names_and_values_are_those_of_the_http_crate() {
        for byte in 0..=u8::MAX {
            let name = HeaderName::from_bytes(&[byte]).is_ok_and(|name| name.as_str().as_bytes() == [byte]);
            assert_eq!(is_name(byte), name, "{byte:#x}");
            assert_eq!(is_value(byte), HeaderValue::from_bytes(&[byte]).is_ok(), "{byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn any_block_is_read_or_refused(block in "([a-c]{0,2}: ?[ab:]{0,3}(\r|\n|\r\n){0,2}){0,4}") {
            if let Ok(head) = Head::from_block(StatusCode::OK, Bytes::from(block.clone()), 0) {
                let again: Vec<u8> = head.fields().flat_map(|(name, value)| {
                    [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat()
                }).collect();
                prop_assert_eq!(again, block.into_bytes());
            }
        }

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
