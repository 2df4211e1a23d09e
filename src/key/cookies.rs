//! Cookies of a request (RFC 6265, 4.2): all lines split at `;`, names end at the first `=`.

use super::scratch::Scratch;
use http::HeaderMap;
use http::header::COOKIE;

/// One cookie, without the whitespace around its name and its value. Quotes belong to the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cookie<'h> {
    pub(super) name: &'h [u8],
    pub(super) value: &'h [u8],
}

/// All cookies in the order sent. One without `=` is a name with an empty value, since that is what it is to most of those who
/// look a name up.
pub(super) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = Cookie<'_>> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty()).map(|pair| {
        let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let value = pair.get(end + 1..).unwrap_or_default();
        Cookie { name: pair[..end].trim_ascii(), value: value.trim_ascii() }
    })
}

/// The value of a cookie; absent differs from empty.
///
/// Names may repeat, and origins differ in which one they take, so all values count, in their order. A `;` between them cannot
/// be part of any.
pub(super) fn value<'s>(name: &str, headers: &'s HeaderMap, scratch: &'s mut Scratch) -> Option<&'s [u8]> {
    let mut values =
        cookies(headers).filter(|cookie| cookie.name == name.as_bytes()).map(|cookie| cookie.value);
    let first = values.next()?;
    let Some(second) = values.next() else {
        return Some(first);
    };
    let text = &mut scratch.text;
    text.clear();
    text.extend_from_slice(first);
    for value in [second].into_iter().chain(values) {
        text.push(b';');
        text.extend_from_slice(value);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::{COOKIE, HeaderMap, Scratch, cookies, value};
    use http::HeaderValue;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap())).collect()
    }

    #[test]
    fn cookies_are_pairs_between_semicolons() {
        for (lines, expected) in [
            (&[][..], &[][..]),
            (&["a=1; b=2"], &[("a", "1"), ("b", "2")]),
            (&["a=1", "b=2;c=3"], &[("a", "1"), ("b", "2"), ("c", "3")]),
            (&[" a = 1 ;;\t; b=2;"], &[("a", "1"), ("b", "2")]),
            (&["a=b=c; d==; =e; f; ="], &[("a", "b=c"), ("d", "="), ("", "e"), ("f", ""), ("", "")]),
            (&["a=\"x y\""], &[("a", "\"x y\"")]),
            (&["a=ä"], &[("a", "ä")]),
        ] {
            let found: Vec<_> = cookies(&headers(lines))
                .map(|cookie| (cookie.name.to_vec(), cookie.value.to_vec()))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect();
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    #[test]
    fn every_value_of_a_name_counts() {
        let mut scratch = Scratch::default();
        for (lines, expected) in [
            (&[][..], None),
            (&["currencyx=1; Currency=2"], None),
            (&["currency="], Some("")),
            (&["currency"], Some("")),
            (&["a=1; currency=EUR"], Some("EUR")),
            (&["currency=EUR", "currency=USD; currency=EUR"], Some("EUR;USD;EUR")),
            (&["currency=; currency="], Some(";")),
        ] {
            let headers = headers(lines);
            let found = value("currency", &headers, &mut scratch);
            assert_eq!(found, expected.map(str::as_bytes), "{lines:?}");
        }
    }
}
