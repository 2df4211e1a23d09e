//! Whether the head of a reply can be relied on. Pure.

use super::{FetchError, Framing};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

/// The most that a head may hold. Eight times what common servers allow for requests; every byte of it is kept with a
/// stored reply.
const LARGEST: usize = 64 * 1024;
/// The most fields; what Pingora's HTTP/1 parser has room for, made good for HTTP/2 as well.
const MOST_FIELDS: usize = 256;

/// Checks the fields of a final head and tells how its body ends. `Content-Length` is left as a single, plain number.
pub(super) fn check(
    method: &Method,
    version: Version,
    status: StatusCode,
    headers: &mut HeaderMap,
) -> Result<Framing, FetchError> {
    bounded(headers)?;
    let length = length(headers)?;
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let marked = marked(version, headers)?;
    // RFC 9112, 6.3: what follows the head of these is no body, whatever they announce.
    if *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Framing::Empty);
    }
    Ok(match (length, marked) {
        (_, true) if version < Version::HTTP_2 => Framing::Marked,
        (Some(length), _) => Framing::Length(length),
        (None, true) => Framing::Marked,
        (None, false) => Framing::UntilClose,
    })
}

fn bounded(headers: &HeaderMap) -> Result<(), FetchError> {
    let size: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum();
    if size > LARGEST || headers.len() > MOST_FIELDS {
        return Err(malformed(&format!("a head of {} fields and {size} bytes is too large", headers.len())));
    }
    Ok(())
}

/// The length announced. The same one several times over is one (RFC 9110, 8.6); different ones are none.
fn length(headers: &HeaderMap) -> Result<Option<u64>, FetchError> {
    let mut length = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for part in value.as_bytes().split(|&byte| byte == b',') {
            let part =
                number(part.trim_ascii()).ok_or_else(|| malformed("a Content-Length is not a number"))?;
            if *length.get_or_insert(part) != part {
                return Err(malformed("it has two lengths"));
            }
        }
    }
    Ok(length)
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// Whether the protocol marks the end of the body. No coding but `chunked` was asked for (there is no `TE`), so none
/// can be undone, and passing it on as it is would garble the reply.
fn marked(version: Version, headers: &HeaderMap) -> Result<bool, FetchError> {
    if version >= Version::HTTP_2 {
        return Ok(true);
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(first) = codings.next() else { return Ok(false) };
    if version < Version::HTTP_11 {
        // RFC 9112, 6.1: such framing is faulty.
        return Err(malformed("it has a transfer coding, which HTTP/1.0 does not know"));
    }
    if codings.next().is_some() || !first.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Err(malformed("it has a transfer coding other than chunked"));
    }
    Ok(true)
}

pub(super) fn malformed(what: &str) -> FetchError {
    FetchError::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn framing_follows_the_rfc() {
        let check = |version, fields: &[(&'static str, &str)], expected: Result<Framing, &str>| {
            let found = super::check(&Method::GET, version, StatusCode::OK, &mut headers(fields));
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{fields:?}"),
                (Err(FetchError::Malformed(what)), Err(expected)) => {
                    assert!(what.contains(expected), "{what}");
                }
                (found, expected) => panic!("{fields:?}: {found:?}, not {expected:?}"),
            }
        };
        let (h10, h11, h2) = (Version::HTTP_10, Version::HTTP_11, Version::HTTP_2);
        let (length, coding) = ("content-length", "transfer-encoding");
        check(h11, &[], Ok(Framing::UntilClose));
        check(h10, &[], Ok(Framing::UntilClose));
        check(h2, &[], Ok(Framing::Marked));
        check(h11, &[(length, "5")], Ok(Framing::Length(5)));
        check(h10, &[(length, "0")], Ok(Framing::Length(0)));
        check(h2, &[(length, "5")], Ok(Framing::Length(5)));
        check(h11, &[(length, "5"), (length, "5, 5")], Ok(Framing::Length(5)));
        check(h11, &[(length, "5"), (length, "6")], Err("two lengths"));
        check(h11, &[(length, "5, 6")], Err("two lengths"));
        for bad in ["", "+5", "-5", "5x", "0x5", "5,", "99999999999999999999"] {
            check(h11, &[(length, bad)], Err("not a number"));
            check(h2, &[(length, bad)], Err("not a number"));
        }
        check(h11, &[(coding, "chunked")], Ok(Framing::Marked));
        check(h11, &[(coding, "Chunked")], Ok(Framing::Marked));
        check(h11, &[(coding, "chunked"), (length, "5")], Ok(Framing::Marked));
        check(h10, &[(coding, "chunked")], Err("HTTP/1.0"));
        for bad in ["gzip", "gzip, chunked", "identity", "chunked, chunked", ""] {
            check(h11, &[(coding, bad)], Err("other than chunked"));
        }
        check(h11, &[(coding, "chunked"), (coding, "chunked")], Err("other than chunked"));
    }

    #[test]
    fn some_replies_have_no_body() {
        let check = |method, status: u16, expected| {
            let status = StatusCode::from_u16(status).unwrap();
            let mut headers = headers(&[("content-length", "5, 5")]);
            assert_eq!(super::check(&method, Version::HTTP_11, status, &mut headers), Ok(expected));
            assert_eq!(headers.get_all("content-length").iter().collect::<Vec<_>>(), ["5"]);
        };
        check(Method::HEAD, 200, Framing::Empty);
        check(Method::GET, 204, Framing::Empty);
        check(Method::GET, 304, Framing::Empty);
        check(Method::GET, 200, Framing::Length(5));
    }

    #[test]
    fn a_head_is_bounded() {
        let check = |count: usize, size: usize, fits: bool| {
            let mut headers = HeaderMap::new();
            for index in 0..count {
                let name = HeaderName::from_bytes(format!("x-{index}").as_bytes()).unwrap();
                headers.append(name, HeaderValue::from_bytes(&vec![b'a'; size]).unwrap());
            }
            let found = super::check(&Method::GET, Version::HTTP_2, StatusCode::OK, &mut headers);
            assert_eq!(found.is_ok(), fits, "{count} of {size}");
        };
        check(256, 8, true);
        check(257, 8, false);
        check(1, 65_000, true);
        check(1, 65_600, false);
    }
}
