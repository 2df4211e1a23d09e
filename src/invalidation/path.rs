//! One form for all spellings of a path.
//!
//! Two spellings that any origin might take for one resource must meet in one form, or a purge of one would leave the
//! other alive. That they meet although an origin tells them apart is harmless: then a purge reaches too much.

use super::values::segment_text;
use std::borrow::Cow;
use std::fmt::Write;

/// Segments that count in a prefix. Real APIs nest a few levels; the bound keeps what an entry answers to small.
pub(super) const MAX_PREFIX_SEGMENTS: usize = 16;

/// The form that paths are compared in: percent-decoded until nothing is left to decode, cut at `?` and `#`,
/// backslashes taken for slashes, parameters (`;v=1`) cut from every segment, slashes collapsed and none at the end,
/// dot segments resolved. Case is kept. Always begins with a slash.
///
/// `visit` is shown every folder on the way, the path itself last: with `/a/../b` it sees `/a` and `/b`, since an
/// origin that does not resolve dots has that resource below `/a`.
pub(super) fn normal_path(raw: &str, mut visit: impl FnMut(&[u8], usize)) -> Vec<u8> {
    let decoded = decode_fully(raw.as_bytes());
    let end = decoded.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(decoded.len());
    let mut path = Vec::with_capacity(end + 1);
    let mut depth = 0;
    for segment in decoded[..end].split(|b| matches!(b, b'/' | b'\\')) {
        let name = segment.split(|b| *b == b';').next().unwrap_or_default();
        match name {
            b"" | b"." => {}
            b".." => {
                let parent = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
                path.truncate(parent);
                depth = usize::saturating_sub(depth, 1);
            }
            _ => {
                path.push(b'/');
                path.extend_from_slice(name);
                depth += 1;
                visit(&path, depth);
            }
        }
    }
    if path.is_empty() {
        path.push(b'/');
    }
    path
}

/// The form that all spellings of a path share: decoded, without parameters, empty and dot segments. No URL: its bytes have to be
/// escaped to be part of one.
pub fn normal_form(raw: &str) -> Vec<u8> {
    normal_path(raw, |_, _| {})
}

/// The [normal form](normal_form) of a path as a URL spells it: the one name for everything at or below it.
pub fn plain_path(raw: &str) -> String {
    let mut path = String::with_capacity(raw.len());
    normal_form(raw).iter().for_each(|byte| push_escaped(&mut path, *byte));
    path
}

/// Adds a byte of a path, escaped unless RFC 3986, 3.3, lets it stand.
pub fn push_escaped(path: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
        path.push(char::from(byte));
    } else {
        // Writing to a string cannot fail.
        _ = write!(path, "%{byte:02X}");
    }
}

/// The first [`MAX_PREFIX_SEGMENTS`] segments of a path in its normal form.
pub(super) fn widest_prefix(normal: &[u8]) -> &[u8] {
    let slashes = normal.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    match slashes.map(|(at, _)| at).nth(MAX_PREFIX_SEGMENTS) {
        Some(end) => &normal[..end],
        None => normal,
    }
}

/// Replaces `%XX` until none is left, so that `%2537` and `%37` meet in `7`.
///
/// Each replacement looks at what the ones before it left behind. Escapes cannot overlap, so the order makes no
/// difference to the outcome, and the work is linear: every replacement removes two bytes.
fn decode_fully(raw: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(raw.len());
    for &byte in raw {
        out.push(byte);
        while let [.., b'%', high, low] = out[..] {
            let Some(decoded) = hex_pair(high, low) else { break };
            out.truncate(out.len() - 3);
            out.push(decoded);
        }
    }
    out
}

/// Whether some reader of a path may take a part of it for the way up to another folder.
pub fn climbs(raw: &str) -> bool {
    has_segment(raw, |name| name == b"..")
}

/// Whether some reader of a path may take a part of it for no name: for this folder, or the way up to another.
pub(super) fn has_dots(raw: &str) -> bool {
    has_segment(raw, |name| matches!(name, b"." | b".."))
}

/// Whether one of its segments, decoded and without parameters, is such a name.
fn has_segment(raw: &str, is_meant: impl Fn(&[u8]) -> bool) -> bool {
    let decoded = decode_fully(raw.as_bytes());
    let mut segments = decoded.split(|b| matches!(b, b'/' | b'\\'));
    segments.any(|segment| segment.split(|b| *b == b';').next().is_some_and(&is_meant))
}

/// A value as it is written into a path: percent-encoded, so that it ends no segment (RFC 3986, 3.3).
///
/// Paths are compared decoded, so an encoded slash or dot still means what it means. `None` for a value that would be no
/// segment there, or one of another folder: one with a `.` or `..` between its slashes, or with nothing but them. What several
/// values make together may [climb](climbs) all the same.
pub fn as_segment(value: &str) -> Option<String> {
    let decoded = decode_fully(value.as_bytes());
    let end = decoded.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(decoded.len());
    let segments = decoded[..end].split(|b| matches!(b, b'/' | b'\\'));
    let mut names = 0;
    for segment in segments {
        match segment.split(|b| *b == b';').next().unwrap_or_default() {
            b"." | b".." => return None,
            b"" => {}
            _ => names += 1,
        }
    }
    if names == 0 {
        return None;
    }
    segment_text(value.into()).map(Cow::into_owned)
}

/// The byte that two hexadecimal digits stand for.
pub(super) fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Resolves dot segments as RFC 3986, 5.2.4 does: before anything is decoded or collapsed, so that an empty segment
/// is one that `..` takes away. `None` when there are none to resolve.
///
/// For most paths this is a step of [`normal_path`] only done earlier; for `/a//../b` and `/a/x%2Fy/../b` the two part
/// ways, origins are divided too, and whoever must reach too much rather than too little takes both.
pub(super) fn resolve_dots(raw: &str) -> Option<String> {
    let path = raw.split(['?', '#']).next().unwrap_or_default();
    if !path.split('/').any(|segment| dots(segment) > 0) {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    for (at, segment) in segments.iter().enumerate() {
        let last = at + 1 == segments.len();
        match dots(segment) {
            0 => kept.push(segment),
            count => {
                if count == 2 {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
        }
    }
    Some(format!("/{}", kept.join("/")))
}

/// 1 for `.`, 2 for `..`, however they are encoded; 0 for any other segment.
fn dots(segment: &str) -> usize {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    match plain.as_str() {
        "." => 1,
        ".." => 2,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(raw: &str) -> String {
        String::from_utf8(normal_path(raw, |_, _| {})).unwrap()
    }

    #[test]
    fn spellings_of_one_path_meet() {
        #[track_caller]
        fn check(raw: &str, expected: &str) {
            assert_eq!(normal(raw), expected, "{raw:?}");
        }
        check("/products/7", "/products/7");
        check("/products/%37", "/products/7");
        check("/products/%2537", "/products/7");
        check("/products/%25%33%37", "/products/7");
        check("//products///7", "/products/7");
        check("/products/./7;v=1", "/products/7");
        check("/products;lang=de/7;v=1;w=2", "/products/7");
        check("/products/7/", "/products/7");
        check("/products/7?x=1", "/products/7");
        check("/products/7%3Fx=1", "/products/7");
        check("/products/7#top", "/products/7");
        check("/x/../products/7", "/products/7");
        check("/x/%2e%2E/products/7", "/products/7");
        check("/x/..;/products/7", "/products/7");
        check("/products%2F7", "/products/7");
        check("/products\\7", "/products/7");
        check("/products/%C3%BC", "/products/ü");
        check("/Products/7", "/Products/7");
        check("/100%/%zz/%4", "/100%/%zz/%4");
        check("/../../a", "/a");
        for root in ["", "/", "//", "/.", "/..", "/a/..", "/;x", "?q"] {
            check(root, "/");
        }
    }

    #[test]
    fn every_folder_on_the_way_is_seen() {
        #[track_caller]
        fn check(raw: &str, expected: &[(&str, usize)]) {
            let mut seen = Vec::new();
            normal_path(raw, |path, depth| seen.push((String::from_utf8(path.to_vec()).unwrap(), depth)));
            let expected: Vec<_> =
                expected.iter().map(|(path, depth)| ((*path).to_owned(), *depth)).collect();
            assert_eq!(seen, expected, "{raw:?}");
        }
        check("/", &[]);
        check("/a/b", &[("/a", 1), ("/a/b", 2)]);
        check("/a/../b", &[("/a", 1), ("/b", 1)]);
        check("/../a", &[("/a", 1)]);
    }

    #[test]
    fn ways_up() {
        for raw in [
            "..",
            "/..",
            "/a/../b",
            "/a/%2e%2E/b",
            "/a/%252e./b",
            "/a%2f..",
            "/a\\..",
            "/a/..;v=1",
            "/a?/../b",
        ] {
            assert!(climbs(raw), "{raw}");
        }
        for raw in ["", "/", "/a/b", "/a/...", "/a/.", "/a/..b", "/a/b..", "/a/;.."] {
            assert!(!climbs(raw), "{raw}");
        }
    }

    #[test]
    fn deep_prefixes_widen() {
        let deep = "/s".repeat(MAX_PREFIX_SEGMENTS + 3);
        assert_eq!(widest_prefix(deep.as_bytes()), "/s".repeat(MAX_PREFIX_SEGMENTS).as_bytes());
        for short in ["/", "/a/b", &"/s".repeat(MAX_PREFIX_SEGMENTS)] {
            assert_eq!(widest_prefix(short.as_bytes()), short.as_bytes());
        }
    }

    #[test]
    fn values_become_segments_or_nothing() {
        #[track_caller]
        fn check(value: &str, expected: Option<&str>) {
            assert_eq!(as_segment(value).as_deref(), expected, "{value:?}");
        }
        check("7", Some("7"));
        check("a b/c", Some("a%20b%2Fc"));
        check("..a", Some("..a"));
        check("ü?x", Some("%C3%BC%3Fx"));
        check("%2e%2e", None);
        for nothing in
            ["", "/", "\\", ".", "..", "a/..", "./a", "%2F", "%25%32%65", "?a", "#", ";v=1", "..;v=1"]
        {
            check(nothing, None);
        }
    }

    proptest! {
        #[test]
        fn a_value_stays_below_its_folder(value in "[/a-c.;%?#\\\\ü0-9]{0,12}") {
            if let Some(segment) = as_segment(&value) {
                let path = normal_path(&format!("/folder/{segment}"), |_, _| {});
                prop_assert!(path.starts_with(b"/folder/"), "{}", String::from_utf8_lossy(&path));
            }
        }
    }

    #[test]
    fn dots_resolve_before_slashes_collapse() {
        #[track_caller]
        fn check(raw: &str, expected: Option<&str>) {
            assert_eq!(resolve_dots(raw).as_deref(), expected, "{raw:?}");
        }
        check("/a/b", None);
        check("/a/...", None);
        check("/a/b?x=/../y", None);
        check("/a/b/c/./../../g", Some("/a/g"));
        check("/a//../b", Some("/a/b"));
        check("/a/x%2Fy/../b", Some("/a/b"));
        check("/a/%2E./b", Some("/b"));
        check("/a/..", Some("/"));
        check("/a/b/.", Some("/a/b/"));
        check("/../../a", Some("/a"));
    }

    proptest! {
        #[test]
        fn a_normal_path_is_its_own_form(raw in "[/a-c.;%?\\\\ü0-9#]{0,40}") {
            let once = normal_path(&raw, |_, _| {});
            prop_assume!(std::str::from_utf8(&once).is_ok());
            let once = String::from_utf8(once).unwrap();
            prop_assert_eq!(&normal(&once), &once);
            prop_assert!(once.starts_with('/') && !once.contains("//"));
            prop_assert!(once == "/" || !once.ends_with('/'));
        }

        #[test]
        fn encoding_any_byte_changes_nothing(raw in "(/[a-z.;=?]{0,4}){0,6}", mask in any::<u64>()) {
            let encoded: String = raw.bytes().enumerate().map(|(at, byte)| {
                if mask >> (at % 64) & 1 == 1 { format!("%{byte:02x}") } else { char::from(byte).to_string() }
            }).collect();
            prop_assert_eq!(normal(&encoded), normal(&raw));
        }

        #[test]
        fn the_path_lies_below_every_prefix_seen_without_dots(raw in "(/[a-z;]{0,3}){0,8}") {
            let mut seen = Vec::new();
            let path = normal_path(&raw, |prefix, _| seen.push(prefix.to_vec()));
            for prefix in seen {
                prop_assert!(path.starts_with(&prefix));
            }
        }
    }
}
