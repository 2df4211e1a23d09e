//! What a 304 changes in a stored reply (RFC 9111, 3.2 and 4.3.4).

use super::remove_hop_by_hop;
use http::header::{AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, SET_COOKIE};
use http::{HeaderMap, HeaderName};

/// What a 304 does not change.
///
/// `Content-Length` by RFC 9111, 3.2. `Content-Encoding` and `Content-Range`, which it leaves open, because they say
/// how to read the bytes that are stored. `Set-Cookie` because a revalidation is one user's request, and what it brings
/// would go to all others.
static KEPT: [HeaderName; 4] = [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE, SET_COOKIE];

/// The stored fields, each replaced by the fresh ones of the same name, all lines at once, but for those that describe
/// the body's form, and for cookies.
///
/// `Age` and `Date` are never taken from the stored reply: they belong to the message, and an old one would make
/// the reply old at once. The result has no hop-by-hop fields.
pub fn merge_not_modified(stored: &HeaderMap, fresh: &HeaderMap) -> HeaderMap {
    let mut fresh = fresh.clone();
    remove_hop_by_hop(&mut fresh);
    for name in &KEPT {
        fresh.remove(name);
    }
    let mut merged = stored.clone();
    remove_hop_by_hop(&mut merged);
    for name in fresh.keys().chain(&[AGE, DATE]) {
        merged.remove(name);
    }
    for (name, value) in &fresh {
        merged.append(name, value.clone());
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::super::fields::is_hop_by_hop;
    use super::super::testing::headers;
    use super::*;
    use proptest::prelude::*;

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    #[test]
    fn merges() {
        fn check(clause: &str, stored: &[(&str, &str)], fresh: &[(&str, &str)], expected: &[&str]) {
            assert_eq!(shown(&merge_not_modified(&headers(stored), &headers(fresh))), expected, "{clause}");
        }
        check("3.2 kept", &[("x-a", "1")], &[], &["x-a: 1"]);
        check("3.2 added", &[], &[("x-a", "1")], &["x-a: 1"]);
        check("3.2 replaced", &[("x-a", "1")], &[("x-a", "2")], &["x-a: 2"]);
        check("3.2 all lines at once", &[("x-a", "1"), ("x-a", "2")], &[("x-a", "3")], &["x-a: 3"]);
        check("3.2 by all lines", &[("x-a", "1")], &[("x-a", "2"), ("x-a", "3")], &["x-a: 2", "x-a: 3"]);
        for name in
            ["cache-control", "expires", "etag", "last-modified", "vary", "content-type", "content-foo"]
        {
            let line = format!("{name}: 2");
            check("3.2 updated", &[(name, "1")], &[(name, "2")], &[&line]);
        }
        for name in ["content-length", "content-encoding", "content-range", "set-cookie"] {
            let line = format!("{name}: 1");
            check("3.2 not updated", &[(name, "1")], &[(name, "2")], &[&line]);
            check("3.2 not added", &[], &[(name, "2")], &[]);
        }
        check(
            "3.1 hop-by-hop",
            &[("te", "1")],
            &[("keep-alive", "2"), ("connection", "x-a"), ("x-a", "1")],
            &[],
        );
        check(
            "3.1 listed in the 304 only",
            &[("x-a", "1")],
            &[("connection", "x-a"), ("x-a", "2")],
            &["x-a: 1"],
        );
        check("4.2.3 Age of the new message", &[("age", "9")], &[("age", "1")], &["age: 1"]);
        check("4.2.3 no Age", &[("age", "9")], &[], &[]);
        check("4.2.3 no Date", &[("date", "9")], &[], &[]);
    }

    fn some_headers() -> impl Strategy<Value = HeaderMap> {
        let name = prop_oneof![
            Just("connection"),
            Just("keep-alive"),
            Just("te"),
            Just("transfer-encoding"),
            Just("upgrade"),
            Just("proxy-authenticate"),
            Just("x-a"),
            Just("x-b"),
            Just("content-length"),
            Just("date"),
        ];
        let value = prop_oneof![Just("x-a"), Just("x-b, close"), Just("1")];
        proptest::collection::vec((name, value), 0..8).prop_map(|fields| headers(&fields))
    }

    proptest! {
        #[test]
        fn never_hop_by_hop(stored in some_headers(), fresh in some_headers()) {
            let merged = merge_not_modified(&stored, &fresh);
            prop_assert!(!merged.keys().any(is_hop_by_hop));
        }

        #[test]
        fn merging_again_changes_nothing(stored in some_headers(), fresh in some_headers()) {
            let once = merge_not_modified(&stored, &fresh);
            prop_assert_eq!(shown(&merge_not_modified(&once, &fresh)), shown(&once));
        }
    }
}
