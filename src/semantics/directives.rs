//! The list that `Cache-Control` is: `token [ "=" ( token / quoted-string ) ]`, separated by commas (RFC 9111, 5.2).

use std::time::Duration;

/// What a number of seconds beyond it counts as (RFC 9111, 1.2.2): 2^31, 68 years.
pub(super) const LONGEST: Duration = Duration::from_secs(1 << 31);

/// One member of a list that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member<'a> {
    /// A directive.
    Directive(Directive<'a>),
    /// Something the grammar does not allow, up to the next comma outside quotes.
    Malformed(&'a [u8]),
}

/// A directive as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directive<'a> {
    name: &'a [u8],
    /// Without the quotes, but with the escapes, of a quoted string.
    argument: Option<&'a [u8]>,
}

impl Directive<'_> {
    /// Whether this is its name, without case.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether it stands without an argument.
    pub(super) fn bare(&self) -> bool {
        self.argument.is_none()
    }

    /// Its argument as seconds, in the quoted form too (RFC 9111, 5.2); `None` when there is none, or one that is no
    /// row of digits.
    pub(super) fn seconds(&self) -> Option<Duration> {
        parse_seconds(self.argument?)
    }
}

/// Reads `delta-seconds` (RFC 9111, 1.2.2): digits only, at most [`LONGEST`].
pub(super) fn parse_seconds(digits: &[u8]) -> Option<Duration> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = digits
        .iter()
        .fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(Duration::from_secs(seconds).min(LONGEST))
}

/// The members of one line.
pub(super) fn members(line: &[u8]) -> impl Iterator<Item = Member<'_>> {
    split_list(line).map(|member| parse_member(member).map_or(Member::Malformed(member), Member::Directive))
}

/// What stands between commas that are not in a quoted string, without blanks around it and unless it is empty
/// (RFC 9110, 5.6.1.2).
pub(super) fn split_list(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let (member, tail) = split_member(rest?);
        rest = tail;
        Some(member.trim_ascii())
    })
    .filter(|member| !member.is_empty())
}

/// Cuts at the first comma outside quotes. An open quote takes all that is left.
fn split_member(list: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut quoted = false;
    let mut escaped = false;
    for (at, &byte) in list.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return (&list[..at], Some(&list[at + 1..])),
            _ => {}
        }
    }
    (list, None)
}

fn parse_member(member: &[u8]) -> Option<Directive<'_>> {
    let Some(equals) = member.iter().position(|&byte| byte == b'=') else {
        return is_token(member).then_some(Directive { name: member, argument: None });
    };
    let (name, argument) = (&member[..equals], &member[equals + 1..]);
    if !is_token(name) {
        return None;
    }
    let argument = if is_token(argument) { argument } else { unquote(argument)? };
    Some(Directive { name, argument: Some(argument) })
}

/// What stands between the quotes of a quoted string.
fn unquote(text: &[u8]) -> Option<&[u8]> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut escaped = false;
    for &byte in inner {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return None,
            _ => {}
        }
    }
    (!escaped).then_some(inner)
}

/// RFC 9110, 5.6.2.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Vec<String> {
        members(line.as_bytes())
            .map(|member| match member {
                Member::Malformed(text) => format!("?{}", String::from_utf8_lossy(text)),
                Member::Directive(Directive { name, argument: None }) => {
                    String::from_utf8_lossy(name).into_owned()
                }
                Member::Directive(Directive { name, argument: Some(argument) }) => {
                    format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(argument))
                }
            })
            .collect()
    }

    #[test]
    fn splits_lists() {
        fn check(clause: &str, line: &str, expected: &[&str]) {
            assert_eq!(shown(line), expected, "{clause}: {line}");
        }
        check("5.2", "max-age=60", &["max-age=60"]);
        check("9110 5.6.1 blanks", " a ,\tb= ,c ", &["a", "?b=", "c"]);
        check("9110 5.6.1.2 empty members", ",, a,,b,", &["a", "b"]);
        check("5.2 quoted argument", "max-age=\"60\", x", &["max-age=60", "x"]);
        check("9110 5.6.4 comma in quotes", "x=\"a, no-store\", y", &["x=a, no-store", "y"]);
        check("9110 5.6.4 escaped quote", r#"x="a\", b", y"#, &[r#"x=a\", b"#, "y"]);
        check("9110 5.6.4 empty string", "x=\"\"", &["x="]);
        check("9110 5.6.4 open quote", "a, x=\"b, c", &["a", "?x=\"b, c"]);
        check("9110 5.6.4 quote left open by an escape", r#"x="b\", c"#, &[r#"?x="b\", c"#]);
        check("two strings", r#"x="a""b", y"#, &[r#"?x="a""b""#, "y"]);
        check("blank before =", "max-age =60", &["?max-age =60"]);
        check("blank after =", "max-age= 60", &["?max-age= 60"]);
        check("semicolon", "private; max-age=60", &["?private; max-age=60"]);
        check("no comma", "no-cache no-store", &["?no-cache no-store"]);
        check("no name", "=5", &["?=5"]);
        check("nothing", "", &[]);
    }

    #[test]
    fn reads_seconds() {
        fn check(clause: &str, digits: &str, seconds: Option<u64>) {
            assert_eq!(
                parse_seconds(digits.as_bytes()),
                seconds.map(Duration::from_secs),
                "{clause}: {digits}"
            );
        }
        check("1.2.2", "60", Some(60));
        check("1.2.2 leading zeros", "0060", Some(60));
        check("1.2.2 zero", "0", Some(0));
        check("1.2.2 the largest", "2147483648", Some(1 << 31));
        check("1.2.2 overflow", "2147483649", Some(1 << 31));
        check("1.2.2 overflow of 64 bits", "99999999999999999999999", Some(1 << 31));
        for text in ["", "-1", "+1", "1.0", "a1", "1a", "'1'", "1 ", "0x10"] {
            check("1.2.2 no digits", text, None);
        }
    }
}
