//! Paths as URLs spell them.

use crate::invalidation::{plain_path, push_escaped};

/// The URLs' spellings of the path of a purge, the one it was written in first: a purge means every spelling of a path, and a
/// CDN may know it by the normal one.
pub(super) fn spellings(raw: &str) -> Vec<String> {
    let written = as_written(raw);
    let normal = plain_path(raw);
    if normal == written { vec![normal] } else { vec![written, normal] }
}

/// The folder that a path lies in; `None`: it is the root.
pub(super) fn folder(path: &str) -> Option<&str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    match path.rfind('/')? {
        0 => Some("/"),
        end => Some(&path[..end]),
    }
}

/// Whether `path` is `folder`, or lies below it.
pub(super) fn lies_below(path: &str, folder: &str) -> bool {
    folder == "/" || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Without query, what a URL does not take escaped, what is escaped already left alone.
fn as_written(raw: &str) -> String {
    let end = raw.find(['?', '#']).unwrap_or(raw.len());
    let bytes = &raw.as_bytes()[..end];
    let mut path = String::with_capacity(end + 1);
    if !bytes.starts_with(b"/") {
        path.push('/');
    }
    for (at, byte) in bytes.iter().enumerate() {
        match bytes[at..] {
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => path.push('%'),
            _ => push_escaped(&mut path, *byte),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_spelled_as_written_and_in_their_normal_form() {
        #[track_caller]
        fn check(raw: &str, expected: &[&str]) {
            assert_eq!(spellings(raw), expected, "{raw:?}");
        }
        check("/a/b", &["/a/b"]);
        check("/", &["/"]);
        check("", &["/"]);
        check("/a/%37", &["/a/%37", "/a/7"]);
        check("/a/b/", &["/a/b/", "/a/b"]);
        check("/a b/ü?q=1", &["/a%20b/%C3%BC"]);
        check("/a%20b", &["/a%20b"]);
        check("/50%/x", &["/50%25/x"]);
        check("/a%2Fb", &["/a%2Fb", "/a/b"]);
        check("/a/../b;v=1", &["/a/../b;v=1", "/b"]);
    }

    #[test]
    fn folders() {
        #[track_caller]
        fn check(path: &str, expected: Option<&str>) {
            assert_eq!(folder(path), expected, "{path}");
            assert!(expected.is_none_or(|folder| lies_below(path, folder)));
        }
        check("/", None);
        check("/a", Some("/"));
        check("/a/", Some("/"));
        check("/a/b", Some("/a"));
        check("/a/b/c", Some("/a/b"));
        assert!(lies_below("/a", "/a") && lies_below("/a/", "/a"));
        assert!(!lies_below("/ab", "/a") && !lies_below("/", "/a"));
    }
}
