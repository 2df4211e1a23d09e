//! Values of request fields, in the form in which keys hold them.
//!
//! RFC 9111, 4.1 lets a cache normalise what it compares where that is known to be the same: whitespace where the field's syntax
//! allows it, several lines of one field, and what else the field's specification says. Case is kept but for content codings.

use super::scratch::{Scratch, Span};
use http::{HeaderMap, HeaderName};

/// How the values of a field may be normalised.
enum Syntax {
    /// A list: lines are joined by `, `, and whitespace around commas outside quoted strings is of no account.
    List,
    /// Content codings: a list, without case (RFC 9110, 8.4.1), whose order says nothing.
    Codings,
    /// Cookies: lines, which HTTP/2 makes of one (RFC 9113, 8.2.3), are joined by `; `.
    Cookies,
    /// Text in which a comma is a character like any other: lines are joined, nothing else.
    Opaque,
}

impl Syntax {
    fn of(name: &HeaderName) -> Self {
        match name.as_str() {
            "accept-encoding" => Self::Codings,
            "cookie" => Self::Cookies,
            "authorization"
            | "date"
            | "from"
            | "if-modified-since"
            | "if-range"
            | "if-unmodified-since"
            | "proxy-authorization"
            | "referer"
            | "user-agent" => Self::Opaque,
            _ => Self::List,
        }
    }
}

/// The value of a request field; absent differs from empty.
pub(super) fn value<'s>(
    name: &HeaderName,
    headers: &'s HeaderMap,
    scratch: &'s mut Scratch,
) -> Option<&'s [u8]> {
    let mut lines = headers.get_all(name).iter().map(|line| line.as_bytes().trim_ascii());
    let first = lines.next()?;
    let second = lines.next();
    let syntax = Syntax::of(name);
    let is_simple = match syntax {
        Syntax::Codings => false,
        Syntax::List => !first.contains(&b','),
        Syntax::Cookies | Syntax::Opaque => true,
    };
    if is_simple && second.is_none() {
        return Some(first);
    }
    scratch.text.clear();
    let lines = [first].into_iter().chain(second).chain(lines);
    match syntax {
        Syntax::Codings => codings(lines, scratch),
        Syntax::List => {
            join(lines, b", ", &mut scratch.text, list_line);
            Some(&scratch.text)
        }
        Syntax::Cookies => {
            join(lines, b"; ", &mut scratch.text, Vec::extend_from_slice);
            Some(&scratch.text)
        }
        Syntax::Opaque => {
            join(lines, b", ", &mut scratch.text, Vec::extend_from_slice);
            Some(&scratch.text)
        }
    }
}

fn join<'l>(
    lines: impl Iterator<Item = &'l [u8]>,
    between: &[u8],
    text: &mut Vec<u8>,
    append: impl Fn(&mut Vec<u8>, &[u8]),
) {
    for (place, line) in lines.enumerate() {
        if place > 0 {
            text.extend_from_slice(between);
        }
        append(text, line);
    }
}

/// Appends a line of a list with `, ` between its members, as far as they are not inside a quoted string (RFC 9110, 5.6.4), where
/// whitespace counts.
fn list_line(text: &mut Vec<u8>, line: &[u8]) {
    let (mut quoted, mut escaped) = (false, false);
    let mut member = text.len();
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b' ' | b'\t' if !quoted && text.len() == member => continue,
            b',' if !quoted => {
                trim_end(text, member);
                text.extend_from_slice(b", ");
                member = text.len();
                continue;
            }
            _ => {}
        }
        text.push(*byte);
    }
}

/// Members in lower case, sorted, each once, without whitespace.
///
/// That is sound because the order of the members says nothing: preference is in their weights alone (RFC 9110, 12.5.3). Two lists
/// with the same members accept the same codings with the same weights, so a reply chosen for one is acceptable to the other,
/// even where an origin lets the order break a tie. Empty members are of no account (RFC 9110, 5.6.1.2); an empty list is not, since it
/// allows no coding, whereas an absent one allows any.
fn codings<'s>(lines: impl Iterator<Item = &'s [u8]>, scratch: &'s mut Scratch) -> Option<&'s [u8]> {
    let Scratch { text, spans } = scratch;
    spans.clear();
    for member in lines.flat_map(|line| line.split(|byte| *byte == b',')) {
        let start = text.len();
        for (place, parameter) in member.split(|byte| *byte == b';').enumerate() {
            if place > 0 {
                text.push(b';');
            }
            text.extend(parameter.trim_ascii().iter().map(u8::to_ascii_lowercase));
        }
        if text.len() > start {
            spans.push(Span { start, stem: start, end: text.len() });
        }
    }
    spans.sort_unstable_by(|a, b| text[a.start..a.end].cmp(&text[b.start..b.end]));
    spans.dedup_by(|a, b| text[a.start..a.end] == text[b.start..b.end]);
    let sorted = text.len();
    for (place, span) in spans.iter().enumerate() {
        if place > 0 {
            text.extend_from_slice(b", ");
        }
        text.extend_from_within(span.start..span.end);
    }
    Some(&text[sorted..])
}

fn trim_end(text: &mut Vec<u8>, floor: usize) {
    let blank = text[floor..].iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.truncate(text.len() - blank);
}

#[cfg(test)]
mod tests {
    use super::{Scratch, value};
    use http::{HeaderMap, HeaderName, HeaderValue};

    fn check(name: &'static str, cases: &[(&[&str], Option<&str>)]) {
        let name = HeaderName::from_static(name);
        let mut scratch = Scratch::default();
        for (lines, expected) in cases {
            let headers: HeaderMap = lines
                .iter()
                .map(|line| (name.clone(), HeaderValue::from_bytes(line.as_bytes()).unwrap()))
                .collect();
            let found = value(&name, &headers, &mut scratch).map(String::from_utf8_lossy);
            assert_eq!(found.as_deref(), *expected, "{name}: {lines:?}");
        }
    }

    #[test]
    fn lists_have_one_form() {
        check(
            "accept-language",
            &[
                (&[], None),
                (&[""], Some("")),
                (&["de"], Some("de")),
                (&["  de\t"], Some("de")),
                (&["de , en;q=0.5,\tfr"], Some("de, en;q=0.5, fr")),
                (&["de", "en ;q=0.5 "], Some("de, en ;q=0.5")),
                (&["de,en", "fr"], Some("de, en, fr")),
                (&["DE"], Some("DE")),
                (&["en, de"], Some("en, de")),
                (&["de,,en"], Some("de, , en")),
                (&["de,"], Some("de, ")),
                (&["", ""], Some(", ")),
            ],
        );
    }

    #[test]
    fn whitespace_in_quoted_strings_counts() {
        check(
            "prefer",
            &[
                (&[r#"a="x , y" ,b"#], Some(r#"a="x , y", b"#)),
                (&[r#"a="x\" , y" , b"#], Some(r#"a="x\" , y", b"#)),
                (&[r#"a="x\\" , b"#], Some(r#"a="x\\", b"#)),
                (&[r#"a\" , b"#], Some(r#"a\" , b"#)),
                (&[r#"a , " b"#], Some(r#"a, " b"#)),
            ],
        );
    }

    #[test]
    fn codings_have_neither_order_nor_case() {
        check(
            "accept-encoding",
            &[
                (&[], None),
                (&[""], Some("")),
                (&[" , "], Some("")),
                (&["gzip, deflate, br"], Some("br, deflate, gzip")),
                (&["br,GZIP , deflate"], Some("br, deflate, gzip")),
                (&["br", "gzip,deflate", "gzip"], Some("br, deflate, gzip")),
                (&["gzip ; Q=0.5,br"], Some("br, gzip;q=0.5")),
                (&["gzip;q=1, gzip"], Some("gzip, gzip;q=1")),
                (&["g zip"], Some("g zip")),
            ],
        );
    }

    #[test]
    fn where_a_comma_is_text_it_is_left_alone() {
        let agent = "Mozilla/5.0 (KHTML,like Gecko) , x";
        check("user-agent", &[(&[agent], Some(agent)), (&[agent, "y"], Some(&(agent.to_owned() + ", y")))]);
        check(
            "cookie",
            &[(&["a=1, 2;b=3"], Some("a=1, 2;b=3")), (&["a=1 ,2", "b=3"], Some("a=1 ,2; b=3")), (&[], None)],
        );
    }
}
