//! The head of an HTTP/1 request, checked on its bytes before anything acts on it.
//!
//! Pingora is lenient where that invites two readers of one request to disagree: it takes a bare LF for the end of a
//! line, drops `Content-Length` beside `Transfer-Encoding` before any callback sees it, and accepts HTTP/1.1 without a
//! `Host`. Such requests are refused here, so nothing behind has to guess.

use crate::proxy::problem::Problem;
use bytes::{BufMut, BytesMut};
use std::ops::Range;

/// The most bytes of a head. As much as HTTP/2 clients are allowed; browsers and common servers stay below 16 KiB.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// The most lines of a head. Pingora parses 256 fields at most and answers more with a bare 400.
const MAX_LINES: usize = 256;

/// How the body of a request is delimited (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Framing {
    /// By its length; zero where there is none.
    Length(u64),
    /// By its last chunk.
    Chunked,
}

/// What the bytes received so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// More is needed.
    Partial,
    /// A whole head.
    Complete(Head),
    /// One that is refused; the connection is closed, since where the next request starts cannot be known.
    Refused(Problem),
}

/// A whole head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Where it stands in the bytes: behind empty lines, up to and with the one that ends it.
    pub(super) range: Range<usize>,
    /// How its body is delimited.
    pub(super) framing: Framing,
    /// The parts of a target in absolute form, which is rewritten before it is handed on.
    absolute: Option<Absolute>,
}

/// `http://authority/path`: where the parts stand.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Absolute {
    target: Range<usize>,
    authority: Range<usize>,
}

/// Reads a head line by line and remembers where it stopped, so that one that trickles in is not read over and over.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    line: usize,
    searched: usize,
    lines: usize,
    start: Option<RequestLine>,
    host: bool,
    length: Option<u64>,
    chunked: bool,
}

#[derive(Clone, Debug)]
struct RequestLine {
    begin: usize,
    minor: u8,
    absolute: Option<Absolute>,
}

impl Scanner {
    /// Continues with `bytes`, which begin with those of the last call.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Scan {
        loop {
            let Some(offset) = bytes[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = bytes.len();
                return if bytes.len() >= MAX_HEAD {
                    Scan::Refused(Problem::HeadTooLarge)
                } else {
                    Scan::Partial
                };
            };
            let line = self.line..self.searched + offset;
            self.line = line.end + 1;
            self.searched = self.line;
            if self.line > MAX_HEAD {
                return Scan::Refused(Problem::HeadTooLarge);
            }
            match self.take_line(bytes, line) {
                Ok(None) => {}
                Ok(Some(head)) => return Scan::Complete(head),
                Err(problem) => return Scan::Refused(problem),
            }
        }
    }

    /// Takes the line at `range`, which excludes its LF. `Some` when it ends the head.
    fn take_line(&mut self, bytes: &[u8], range: Range<usize>) -> Result<Option<Head>, Problem> {
        let Some(line) = bytes[range.clone()].strip_suffix(b"\r") else {
            return Err(Problem::Malformed("A line of the head does not end in CR LF."));
        };
        if line.contains(&b'\r') || line.contains(&0) {
            return Err(Problem::Malformed("The head holds a stray control character."));
        }
        self.lines += 1;
        if self.lines > MAX_LINES {
            return Err(Problem::HeadTooLarge);
        }
        match (&self.start, line.is_empty()) {
            // RFC 9112, 2.2: empty lines before the request line are ignored.
            (None, true) => Ok(None),
            (None, false) => {
                self.start = Some(RequestLine::parse(line, range.start)?);
                Ok(None)
            }
            (Some(_), false) => self.take_field(line).map(|()| None),
            (Some(start), true) => self.complete(start.clone(), range.end + 1).map(Some),
        }
    }

    fn take_field(&mut self, line: &[u8]) -> Result<(), Problem> {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err(Problem::Malformed("A header line has no colon."));
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // Also refuses obsolete folding and space before the colon (RFC 9112, 5.1 and 5.2): both begin with what is no token.
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err(Problem::Malformed("The name of a header is malformed."));
        }
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.take_host(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.take_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.take_coding(value),
            _ => Ok(()),
        }
    }

    fn take_host(&mut self, value: &[u8]) -> Result<(), Problem> {
        if std::mem::replace(&mut self.host, true) {
            return Err(Problem::Malformed("There is more than one Host header."));
        }
        if !value.iter().all(|byte| is_authority(*byte)) {
            return Err(Problem::Malformed("The Host header is malformed."));
        }
        Ok(())
    }

    /// RFC 9112, 6.3 allows equal lengths to be taken as one; two of them have no honest use, so they are refused.
    fn take_length(&mut self, value: &[u8]) -> Result<(), Problem> {
        if self.length.is_some() {
            return Err(Problem::Malformed("There is more than one Content-Length header."));
        }
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        self.length = Some(length.ok_or(Problem::Malformed("The Content-Length header is malformed."))?);
        Ok(())
    }

    fn take_coding(&mut self, value: &[u8]) -> Result<(), Problem> {
        if std::mem::replace(&mut self.chunked, true) || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Problem::TransferCoding);
        }
        Ok(())
    }

    fn complete(&self, start: RequestLine, end: usize) -> Result<Head, Problem> {
        // RFC 9112, 3.2.
        if !self.host && start.minor == 1 {
            return Err(Problem::Malformed("The Host header is missing."));
        }
        // RFC 9112, 6.1: a sign of smuggling, whichever of the two a reader believes.
        if self.chunked && self.length.is_some() {
            return Err(Problem::Malformed("There are both Content-Length and Transfer-Encoding."));
        }
        // RFC 9112, 6.1: HTTP/1.0 knows no transfer codings.
        if self.chunked && start.minor == 0 {
            return Err(Problem::Malformed("HTTP/1.0 has no Transfer-Encoding."));
        }
        let framing = if self.chunked { Framing::Chunked } else { Framing::Length(self.length.unwrap_or(0)) };
        Ok(Head { range: start.begin..end, framing, absolute: start.absolute })
    }
}

impl RequestLine {
    /// Reads `method SP target SP version` (RFC 9112, 3). `begin` is where `line` stands.
    fn parse(line: &[u8], begin: usize) -> Result<Self, Problem> {
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Problem::Malformed("The request line is malformed."));
        };
        let minor = match version {
            b"HTTP/1.1" => 1,
            b"HTTP/1.0" => 0,
            _ if version.starts_with(b"HTTP/") => return Err(Problem::Version),
            _ => return Err(Problem::Malformed("The request line is malformed.")),
        };
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
            return Err(Problem::Malformed("The method is malformed."));
        }
        if method == b"CONNECT" {
            return Err(Problem::Method);
        }
        if target.is_empty() || target.iter().any(|byte| byte.is_ascii_control()) {
            return Err(Problem::Malformed("The target of the request is malformed."));
        }
        let target_at = begin + method.len() + 1;
        let absolute = match target {
            [b'/', ..] => None,
            b"*" if method == b"OPTIONS" => None,
            _ => Some(Absolute::parse(target, target_at)?),
        };
        Ok(Self { begin, minor, absolute })
    }
}

impl Absolute {
    fn parse(target: &[u8], at: usize) -> Result<Self, Problem> {
        const MALFORMED: Problem = Problem::Malformed("The target of the request is malformed.");
        let scheme = [&b"http://"[..], b"https://"]
            .into_iter()
            .find(|scheme| target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
            .ok_or(MALFORMED)?;
        let rest = &target[scheme.len()..];
        let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        if length == 0 || !rest[..length].iter().all(|byte| is_authority(*byte)) {
            return Err(MALFORMED);
        }
        let authority = at + scheme.len()..at + scheme.len() + length;
        Ok(Self { target: at..at + target.len(), authority })
    }
}

impl Head {
    /// The head as it is handed on, taken off the front of `bytes`. What follows it stays there.
    ///
    /// A target in absolute form becomes one in origin form, and its authority the `Host`, whatever that said: RFC 9112,
    /// 3.2.2 has servers ignore the field then.
    pub(super) fn split_off(self, bytes: &mut BytesMut) -> BytesMut {
        let rewritten = self.absolute.as_ref().map(|absolute| absolute.to_origin_form(bytes, &self.range));
        // A head that is all there is needs no second handle on the memory, which would make it shared and counted.
        let mut head = if bytes.len() == self.range.end {
            std::mem::take(bytes)
        } else {
            bytes.split_to(self.range.end)
        };
        if self.range.start > 0 {
            head = head.split_off(self.range.start);
        }
        rewritten.unwrap_or(head)
    }
}

impl Absolute {
    fn to_origin_form(&self, bytes: &[u8], head: &Range<usize>) -> BytesMut {
        let method = &bytes[head.start..self.target.start];
        let path = &bytes[self.authority.end..self.target.end];
        let mut lines = bytes[self.target.end..head.end].split_inclusive(|byte| *byte == b'\n');
        let mut rewritten = BytesMut::with_capacity(head.len() + 16);
        rewritten.put_slice(method);
        match path.first() {
            Some(b'/') => {}
            // RFC 9112, 3.2.4: `OPTIONS http://example.com` asks about the server as a whole.
            None if method == b"OPTIONS " => rewritten.put_u8(b'*'),
            _ => rewritten.put_u8(b'/'),
        }
        rewritten.put_slice(path);
        rewritten.put_slice(lines.next().unwrap_or_default());
        rewritten.put_slice(b"Host: ");
        rewritten.put_slice(&bytes[self.authority.clone()]);
        rewritten.put_slice(b"\r\n");
        lines
            .filter(|line| !line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"host:")))
            .for_each(|line| rewritten.put_slice(line));
        rewritten
    }
}

/// `tchar` of RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What may stand in a host and port (RFC 3986, 3.2.2 and 3.2.3). No `@`: a user is never part of a `Host` (RFC 9110, 4.2.4).
fn is_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]%".contains(&byte)
}

#[cfg(test)]
mod tests;
