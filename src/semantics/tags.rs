//! Tags that an origin gives its replies.

use http::HeaderMap;

/// The tags of a reply: `Surrogate-Key` (separated by spaces), `Cache-Tag` (by commas), `xkey` (by spaces or commas)
/// and `Cache-Groups` (a list of strings, RFC 9875, 2). Empty and unreadable members are left out.
pub fn tags_of_reply(headers: &HeaderMap) -> Vec<String> {
    let mut tags = Vec::new();
    for (name, separators) in
        [("surrogate-key", " "), ("cache-tag", ","), ("xkey", " ,"), ("cache-groups", ",")]
    {
        for line in headers.get_all(name).iter().filter_map(|line| line.to_str().ok()) {
            let members = line.split(|c| separators.contains(c)).map(|tag| tag.trim().trim_matches('"'));
            tags.extend(members.filter(|tag| !tag.is_empty()).map(str::to_owned));
        }
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn every_field_has_its_separator() {
        let cases: &[(&'static str, &'static str, &[&str])] = &[
            ("surrogate-key", "a b,c  d", &["a", "b,c", "d"]),
            ("cache-tag", "a, b c ,,d", &["a", "b c", "d"]),
            ("xkey", "a b, c", &["a", "b", "c"]),
            ("cache-groups", "\"a\", \"b:c\"", &["a", "b:c"]),
            ("etag", "\"a\"", &[]),
        ];
        for (name, value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            assert_eq!(tags_of_reply(&headers), *expected, "{name}: {value}");
        }
    }
}
