//! Paths with a second reading.
//!
//! A path is accepted when it stands in the normal form of RFC 3986, 6.2.2, so that no other spelling of it is equivalent by
//! the letter, and holds nothing that origins are known to fold although the letter forbids it. That has two uses. A rule cannot
//! be dodged or borrowed: `/%61pi/sessions` does not fall past the rule for `/api/sessions` into one that caches everything else.
//! And what is stored has one name, so that a purge of that name reaches it.
//!
//! Left alone are escapes of `! $ & ' ( ) * + , : = @`. They are reserved, and RFC 3986, 2.2 holds `%3A` and `:` to be different;
//! clients send them all the time because `encodeURIComponent` does. A pattern with such a character in a literal is matched by
//! that spelling alone.

/// Why a path may mean something else to the origin than what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ambiguity {
    /// It does not begin with `/`: `*`, or nothing.
    NotAbsolute,
    /// A segment `.` or `..`: resolved by RFC 3986, 6.2.2.3.
    DotSegment,
    /// `//`: many origins merge slashes.
    EmptySegment,
    /// `;`: servlet containers cut the rest of the segment off, before they resolve `..`.
    Parameter,
    /// `\`: a slash to some.
    Backslash,
    /// A control character, raw or escaped: some cut the path there.
    Control,
    /// A character that no URI holds unescaped: equivalent to its escape for whoever encodes it again.
    Unescaped,
    /// A `%` without two hexadecimal digits.
    BrokenEscape,
    /// `%c3` for `%C3`: equal by RFC 3986, 6.2.2.1.
    LowerCaseEscape,
    /// `%61` for `a`: equal by RFC 3986, 6.2.2.2. Escaped dot segments are of this kind.
    NeedlessEscape,
    /// An escaped `/`, `\`, `;`, `?` or `#`: whoever decodes before splitting splits there.
    EscapedDelimiter,
    /// `%252E`: whoever decodes twice reads a `.`.
    DoubleEscape,
    /// An overlong form, `%C0%AE`: a `.` to a careless decoder, and never UTF-8 (RFC 3629, 3).
    Overlong,
}

impl Ambiguity {
    /// The word for it in logs and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAbsolute => "not-absolute",
            Self::DotSegment => "dot-segment",
            Self::EmptySegment => "empty-segment",
            Self::Parameter => "parameter",
            Self::Backslash => "backslash",
            Self::Control => "control-character",
            Self::Unescaped => "unescaped-character",
            Self::BrokenEscape => "broken-escape",
            Self::LowerCaseEscape => "lower-case-escape",
            Self::NeedlessEscape => "needless-escape",
            Self::EscapedDelimiter => "escaped-delimiter",
            Self::DoubleEscape => "double-escape",
            Self::Overlong => "overlong-encoding",
        }
    }
}

/// Whether the origin may read `path` as another one. Such a request is passed on as it came and neither stored nor answered
/// from what is stored.
pub fn is_ambiguous_path(path: &str) -> bool {
    ambiguity(path).is_some()
}

/// The first reason why the origin may read `path` (as sent, without query) as another one.
///
/// One pass over the bytes, no allocation.
pub fn ambiguity(path: &str) -> Option<Ambiguity> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Some(Ambiguity::NotAbsolute);
    }
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let found = match CLASSES[byte as usize] {
            Class::Plain => None,
            Class::Slash => after_slash(&bytes[at + 1..]),
            Class::Percent => escape(&bytes[at + 1..]),
            Class::Refused(why) => Some(why),
        };
        if found.is_some() {
            return found;
        }
        at += 1;
    }
    None
}

#[derive(Clone, Copy)]
enum Class {
    Plain,
    Slash,
    Percent,
    Refused(Ambiguity),
}

static CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < classes.len() {
        classes[byte] = class(byte as u8);
        byte += 1;
    }
    classes
};

/// `[`, `]`, `|` and `^` are no characters of a URI, but browsers send them as they are (WHATWG URL, path percent-encode set),
/// and no origin is known to read them as anything else.
const fn class(byte: u8) -> Class {
    match byte {
        b'/' => Class::Slash,
        b'%' => Class::Percent,
        b';' => Class::Refused(Ambiguity::Parameter),
        b'\\' => Class::Refused(Ambiguity::Backslash),
        0..=0x1f | 0x7f => Class::Refused(Ambiguity::Control),
        b' ' | b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'?' | b'#' | 0x80.. => {
            Class::Refused(Ambiguity::Unescaped)
        }
        _ => Class::Plain,
    }
}

fn after_slash(rest: &[u8]) -> Option<Ambiguity> {
    match rest {
        [b'/', ..] => Some(Ambiguity::EmptySegment),
        [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..] => Some(Ambiguity::DotSegment),
        _ => None,
    }
}

/// Judges the escape whose `%` stands before `rest`.
fn escape(rest: &[u8]) -> Option<Ambiguity> {
    let [high, low, after @ ..] = rest else {
        return Some(Ambiguity::BrokenEscape);
    };
    let Some(byte) = decode(*high, *low) else {
        return Some(Ambiguity::BrokenEscape);
    };
    if high.is_ascii_lowercase() || low.is_ascii_lowercase() {
        return Some(Ambiguity::LowerCaseEscape);
    }
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            Some(Ambiguity::NeedlessEscape)
        }
        b'/' | b'\\' | b';' | b'?' | b'#' => Some(Ambiguity::EscapedDelimiter),
        0..=0x1f | 0x7f => Some(Ambiguity::Control),
        b'%' if matches!(after, [a, b, ..] if decode(*a, *b).is_some()) => Some(Ambiguity::DoubleEscape),
        0xc0 | 0xc1 => Some(Ambiguity::Overlong),
        0xe0 if matches!(after, [b'%', b'8' | b'9', ..]) => Some(Ambiguity::Overlong),
        0xf0 if matches!(after, [b'%', b'8', ..]) => Some(Ambiguity::Overlong),
        _ => None,
    }
}

fn decode(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(high)? << 4 | digit(low)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::{Ambiguity, ambiguity, is_ambiguous_path};

    fn check(cases: &[(&str, Option<Ambiguity>)]) {
        for (path, expected) in cases {
            assert_eq!(ambiguity(path), *expected, "{path:?}");
            assert_eq!(is_ambiguous_path(path), expected.is_some(), "{path:?}");
        }
    }

    #[test]
    fn plain_paths_have_one_reading() {
        for path in [
            "/",
            "/api/v1/products/42",
            "/api/v1/products/",
            "/.well-known/acme",
            "/a/..b/c../...",
            "/a/.b",
            "/caf%C3%A9",
            "/%E0%A4%A8/%F0%9F%98%80",
            "/sku%3A12%2C3/@me/~joe/a:b!$&'()*+,=",
            "/two%20words",
            "/100%25",
            "/100%25%20off",
            "/chunks/[id]|x^y",
        ] {
            check(&[(path, None)]);
        }
    }

    #[test]
    fn everything_with_a_second_reading_is_named() {
        use Ambiguity::*;
        check(&[
            ("", Some(NotAbsolute)),
            ("*", Some(NotAbsolute)),
            ("api", Some(NotAbsolute)),
            ("/static/../api/v1/carts/1", Some(DotSegment)),
            ("/..", Some(DotSegment)),
            ("/.", Some(DotSegment)),
            ("/a/./b", Some(DotSegment)),
            ("/a/../", Some(DotSegment)),
            ("/api//v1", Some(EmptySegment)),
            ("//", Some(EmptySegment)),
            ("/a//", Some(EmptySegment)),
            ("/static/..;/api", Some(Parameter)),
            ("/session;a.css", Some(Parameter)),
            ("/a\\..\\b", Some(Backslash)),
            ("/a\0", Some(Control)),
            ("/a\x7f", Some(Control)),
            ("/a\tb", Some(Control)),
            ("/a%00.css", Some(Control)),
            ("/a%0A.css", Some(Control)),
            ("/a%7F", Some(Control)),
            ("/café", Some(Unescaped)),
            ("/a b", Some(Unescaped)),
            ("/a?b", Some(Unescaped)),
            ("/a#b", Some(Unescaped)),
            ("/a%", Some(BrokenEscape)),
            ("/a%2", Some(BrokenEscape)),
            ("/a%zz", Some(BrokenEscape)),
            ("/a%u002e", Some(BrokenEscape)),
            ("/a%+1", Some(BrokenEscape)),
            ("/caf%c3%A9", Some(LowerCaseEscape)),
            ("/a%2fb", Some(LowerCaseEscape)),
            ("/a/%2e%2e/b", Some(LowerCaseEscape)),
            ("/a/%2E%2E/b", Some(NeedlessEscape)),
            ("/a/.%2E/b", Some(NeedlessEscape)),
            ("/%61pi/v1/sessions", Some(NeedlessEscape)),
            ("/%7Ejoe", Some(NeedlessEscape)),
            ("/a%2Fb", Some(EscapedDelimiter)),
            ("/a%5Cb", Some(EscapedDelimiter)),
            ("/a%3Bb", Some(EscapedDelimiter)),
            ("/a%3Fb", Some(EscapedDelimiter)),
            ("/a%23b", Some(EscapedDelimiter)),
            ("/a/%252E%252E/b", Some(DoubleEscape)),
            ("/a%252fb", Some(DoubleEscape)),
            ("/%C0%AE%C0%AE/", Some(Overlong)),
            ("/%E0%80%AF", Some(Overlong)),
            ("/%F0%80%80%AF", Some(Overlong)),
        ]);
    }
}
