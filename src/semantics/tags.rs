//! Tags that an origin gives its replies.

use super::directives::split_list;
use http::HeaderMap;

/// Fields that hold tags as they are, with what stands between two of them.
const SEPARATED: [(&str, &[u8]); 5] = [
    ("surrogate-key", b" \t"),
    ("cache-tag", b","),
    ("xkey", b" \t,"),
    ("edge-cache-tag", b","),
    ("cdn-tag", b","),
];

/// The tags of a reply: `Surrogate-Key` (separated by spaces), `Cache-Tag` (by commas), `xkey` (by spaces or commas)
/// and `Cache-Groups` (a list of strings, RFC 9875, 2); also `Edge-Cache-Tag` and `CDN-Tag` (by commas), by which an origin
/// tells Akamai and Bunny. Empty and unreadable members are left out.
///
/// They are made one by one as they are asked for, so that an origin that names a hundred thousand of them costs no more than
/// whoever asks wants to know.
///
/// Tags are UTF-8, as in the purges that name them; other bytes become replacement characters, so that the tags
/// beside them still count.
pub fn tags_of_reply(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let separated = SEPARATED.into_iter().flat_map(|(name, separators)| {
        let lines = headers.get_all(name).iter();
        let members = lines.flat_map(|line| line.as_bytes().split(|byte| separators.contains(byte)));
        members.map(<[u8]>::trim_ascii).filter(|tag| !tag.is_empty()).map(text)
    });
    let groups = headers.get_all("cache-groups").iter();
    separated.chain(groups.flat_map(|line| split_list(line.as_bytes()).filter_map(group)))
}

/// The fields that tags stand in. They are for caches on the way and go no further than Larder. Those of one CDN alone pass:
/// where Larder is not told that this CDN is in front, it is the origin that speaks to it.
pub const TAG_FIELDS: [&str; 4] = [SEPARATED[0].0, SEPARATED[1].0, SEPARATED[2].0, "cache-groups"];

/// Removes the fields that tags stand in.
pub fn remove_tags(headers: &mut HeaderMap) {
    for name in TAG_FIELDS {
        headers.remove(name);
    }
}

/// One member of `Cache-Groups`: a string with its escapes resolved, without parameters (RFC 9651, 3.3.3 and 3.1.2).
/// Tokens are taken too, since a tag that is missed is a purge that does not reach.
fn group(member: &[u8]) -> Option<String> {
    let Some(quoted) = member.strip_prefix(b"\"") else {
        let token = member.split(|&byte| byte == b';').next()?.trim_ascii();
        return (!token.is_empty()).then(|| text(token));
    };
    let mut value = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    loop {
        match *bytes.next()? {
            b'"' => break,
            b'\\' => value.push(*bytes.next()?),
            byte => value.push(byte),
        }
    }
    (!value.is_empty()).then(|| text(&value))
}

fn text(tag: &[u8]) -> String {
    String::from_utf8_lossy(tag).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::headers;
    use super::*;

    #[test]
    fn every_field_has_its_separator() {
        fn check(name: &str, lines: &[&str], expected: &[&str]) {
            let fields: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
            let tags: Vec<_> = tags_of_reply(&headers(&fields)).collect();
            assert_eq!(tags, expected, "{name}: {lines:?}");
        }
        check("surrogate-key", &["a b,c  d\te"], &["a", "b,c", "d", "e"]);
        check("surrogate-key", &["a", "b"], &["a", "b"]);
        check("surrogate-key", &["\"a\""], &["\"a\""]);
        check("cache-tag", &["a, b c ,,d"], &["a", "b c", "d"]);
        check("xkey", &["a b, c"], &["a", "b", "c"]);
        check("cache-tag", &["größe"], &["größe"]);
        check("edge-cache-tag", &["a, b c"], &["a", "b c"]);
        check("cdn-tag", &["a,b"], &["a", "b"]);
        check("etag", &["\"a\""], &[]);
        check("cache-groups", &["\"a\", \"b:c\""], &["a", "b:c"]);
        check("cache-groups", &["\"a, b\";x=\"y, z\", \"c\""], &["a, b", "c"]);
        check("cache-groups", &[r#""say \"a\"", "b\\c""#], &["say \"a\"", "b\\c"]);
        check("cache-groups", &["a ;x=1, \"\", ,b"], &["a", "b"]);
        check("cache-groups", &["\"a\", \"b"], &["a"]);
    }

    #[test]
    fn bytes_that_are_no_text_do_not_hide_other_tags() {
        let mut headers = HeaderMap::new();
        headers.insert("cache-tag", http::HeaderValue::from_bytes(b"a, \xff, b").unwrap());
        assert_eq!(tags_of_reply(&headers).collect::<Vec<_>>(), ["a", "\u{fffd}", "b"]);
    }
}
