//! `Vary` of a reply (RFC 9110, 12.5.5).

use http::header::VARY;
use http::{HeaderMap, HeaderName, HeaderValue};

/// More names than any origin needs (real ones name up to a dozen). Each is looked up in every request for the key,
/// so a longer list is taken for a fault, or an attempt.
const MOST_NAMES: usize = 32;

/// What a reply's `Vary` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vary {
    /// Nothing.
    None,
    /// Request fields: lower case, sorted, without repetition.
    Fields(Vec<HeaderName>),
    /// `*`, or a list that cannot be read: no other request may be given the reply.
    All,
}

/// Reads all `Vary` lines. Anything but a list of at most 32 field names counts as `*`.
pub fn parse_vary(headers: &HeaderMap) -> Vary {
    let mut names = Vec::new();
    for line in headers.get_all(VARY) {
        for member in line.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            match member {
                b"" => {}
                b"*" => return Vary::All,
                // A repeated name costs a place here: the bound also limits what is kept while reading.
                _ if names.len() == MOST_NAMES => return Vary::All,
                _ => match HeaderName::from_bytes(member) {
                    Ok(name) => names.push(name),
                    Err(_) => return Vary::All,
                },
            }
        }
    }
    if names.is_empty() {
        return Vary::None;
    }
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    Vary::Fields(names)
}

/// Adds to `Vary` those of `names` that it does not name. `*` names all.
pub fn add_vary(headers: &mut HeaderMap, names: impl IntoIterator<Item = HeaderName>) {
    let mut added: Vec<HeaderName> = Vec::new();
    for name in names {
        let lines = headers.get_all(VARY).iter();
        let mut members =
            lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii));
        let is_named =
            |member: &[u8]| member == b"*" || member.eq_ignore_ascii_case(name.as_str().as_bytes());
        if !members.any(is_named) && !added.contains(&name) {
            added.push(name);
        }
    }
    if !added.is_empty() {
        let line = added.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(", ");
        headers.append(VARY, HeaderValue::try_from(line).expect("names make a value"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::headers;
    use super::*;
    use proptest::prelude::*;

    fn fields(names: &[&str]) -> Vary {
        Vary::Fields(names.iter().map(|name| name.parse().unwrap()).collect())
    }

    #[test]
    fn adds_to_vary() {
        #[track_caller]
        fn check(before: &[&str], names: &[&str], after: &[&str]) {
            let lines =
                |lines: &[&str]| headers(&lines.iter().map(|line| ("vary", *line)).collect::<Vec<_>>());
            let mut reply = lines(before);
            for _ in 0..2 {
                add_vary(&mut reply, names.iter().map(|name| name.parse().unwrap()));
                assert_eq!(reply, lines(after), "{before:?} {names:?}");
            }
        }
        check(&[], &[], &[]);
        check(&[], &["cookie", "x-shop", "cookie"], &["cookie, x-shop"]);
        check(
            &["Accept", "a , X-SHOP"],
            &["x-shop", "accept", "cookie"],
            &["Accept", "a , X-SHOP", "cookie"],
        );
        check(&["accept, *"], &["cookie"], &["accept, *"]);
    }

    #[test]
    fn reads_vary() {
        fn check(clause: &str, lines: &[&str], expected: &Vary) {
            let lines: Vec<_> = lines.iter().map(|line| ("vary", *line)).collect();
            assert_eq!(parse_vary(&headers(&lines)), *expected, "{clause}: {lines:?}");
        }
        check("absent", &[], &Vary::None);
        check("empty", &["", " , "], &Vary::None);
        check("12.5.5 one", &["Accept-Language"], &fields(&["accept-language"]));
        check("12.5.5 sorted", &["b, a"], &fields(&["a", "b"]));
        check("12.5.5 lines", &["b", "a"], &fields(&["a", "b"]));
        check("5.1 without case, once", &["Foo, fOO", "foo"], &fields(&["foo"]));
        check("12.5.5 *", &["*"], &Vary::All);
        check("12.5.5 *, *", &["*, *"], &Vary::All);
        check("12.5.5 behind an empty line", &["", "*"], &Vary::All);
        check("12.5.5 first", &["*, foo"], &Vary::All);
        check("12.5.5 last", &["foo, *"], &Vary::All);
        check("12.5.5 in another line", &["foo", "bar, *"], &Vary::All);
        check("5.6.2 not a token", &["foo bar"], &Vary::All);
        check("5.6.2 quoted", &["\"foo\""], &Vary::All);
        check("5.6.2 beyond ASCII", &["föö"], &Vary::All);
        let names: Vec<String> = (10..10 + MOST_NAMES).map(|n| format!("x-{n}")).collect();
        let most: Vec<&str> = names.iter().map(String::as_str).collect();
        check("as many as allowed", &[&most.join(",")], &fields(&most));
        check("one more", &[&most.join(","), "y"], &Vary::All);
    }

    proptest! {
        #[test]
        fn names_are_sorted_and_unique(line in "[ -~]{0,60}") {
            if let Vary::Fields(names) = parse_vary(&headers(&[("vary", line.trim())])) {
                prop_assert!(!names.is_empty() && names.len() <= MOST_NAMES);
                prop_assert!(names.windows(2).all(|pair| pair[0].as_str() < pair[1].as_str()));
            }
        }
    }
}
