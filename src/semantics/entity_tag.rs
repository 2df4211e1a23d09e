//! Entity tags and how they compare (RFC 9110, 8.8.3).

/// Whether this is `"x"` or `W/"x"`. The `W` is upper case.
pub(crate) fn is_entity_tag(text: &[u8]) -> bool {
    matches!(split_tag(text), Some((tag, b"")) if tag.len() == text.len())
}

/// Whether both are strong and equal (8.8.3.2).
pub(super) fn matches_strongly(a: &[u8], b: &[u8]) -> bool {
    is_strong(a) && a == b
}

/// Whether it is not marked as weak.
pub(super) fn is_strong(tag: &[u8]) -> bool {
    !tag.starts_with(b"W/")
}

/// Whether one line of a list like `If-None-Match` has a member that is weakly equal (8.8.3.2). Reading ends where the
/// line is no list of tags.
pub(super) fn list_matches_weakly(line: &[u8], tag: &[u8]) -> bool {
    let mut rest = line;
    loop {
        while let [b' ' | b'\t' | b',', tail @ ..] = rest {
            rest = tail;
        }
        let Some((member, tail)) = split_tag(rest) else { return false };
        if opaque(member) == opaque(tag) {
            return true;
        }
        rest = tail;
    }
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The tag at the start of `text`, and what follows it.
fn split_tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = opaque(text).strip_prefix(b"\"")?;
    let length = inner.iter().position(|byte| !matches!(byte, 0x21 | 0x23..=0x7e | 0x80..))?;
    (inner[length] == b'"').then(|| text.split_at(text.len() - inner.len() + length + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_tags() {
        for tag in ["\"\"", "\"a\"", "W/\"a\"", "\"a,b\"", "\"a\\\"", "\"ü\""] {
            assert!(is_entity_tag(tag.as_bytes()), "8.8.3: {tag}");
        }
        for text in
            ["", "a", "\"", "\"a", "a\"", "w/\"a\"", "W/a", "W\"a\"", "W\\\"a\"", "\"a\"b", "\"a b\"", "*"]
        {
            assert!(!is_entity_tag(text.as_bytes()), "8.8.3: {text}");
        }
    }

    #[test]
    fn compares_as_the_table_says() {
        // RFC 9110, 8.8.3.2, table 3.
        for (a, b, strong, weak) in [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ] {
            assert_eq!(matches_strongly(a.as_bytes(), b.as_bytes()), strong, "{a} {b}");
            assert_eq!(matches_strongly(b.as_bytes(), a.as_bytes()), strong, "{b} {a}");
            assert_eq!(list_matches_weakly(a.as_bytes(), b.as_bytes()), weak, "{a} {b}");
            assert_eq!(list_matches_weakly(b.as_bytes(), a.as_bytes()), weak, "{b} {a}");
        }
    }

    #[test]
    fn finds_members() {
        fn check(line: &str, tag: &str, expected: bool) {
            assert_eq!(list_matches_weakly(line.as_bytes(), tag.as_bytes()), expected, "{tag} in {line}");
        }
        check("\"a\", \"b\" ,\"c\"", "\"a\"", true);
        check("\"a\", \"b\" ,\"c\"", "\"b\"", true);
        check("\"a\", \"b\" ,W/\"c\"", "\"c\"", true);
        check(",, \"a\",,", "\"a\"", true);
        check("\"a, b\"", "\"a\"", false);
        check("\"a,b\", \"c\"", "\"c\"", true);
        check("x, \"a\"", "\"a\"", false);
        check("", "\"a\"", false);
        check("\"a", "\"a\"", false);
    }
}
