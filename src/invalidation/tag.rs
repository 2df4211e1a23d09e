//! Tags of any length, by a name of bounded length.

use super::template::MAX_TEXT;
use std::borrow::Cow;

/// Bytes of a long tag that its short form begins with, so that a person sees in a log which it is.
const SHOWN: usize = 128;

/// A tag as it is hashed and told to others: itself, or if it is longer than [`MAX_TEXT`] its beginning and 128 bits of its
/// BLAKE3.
///
/// Replies and purges take their tags through here, so they meet however long a tag is, while a client that puts
/// kilobytes in for a name fills neither logs nor queues with them. The short form of a short form is itself.
pub fn tag_name(tag: &str) -> Cow<'_, str> {
    if tag.len() <= MAX_TEXT {
        return Cow::Borrowed(tag);
    }
    let hash = blake3::hash(tag.as_bytes()).to_hex();
    Cow::Owned(format!("{}~{}", &tag[..tag.floor_char_boundary(SHOWN)], &hash[..32]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::Matcher;

    #[test]
    fn only_long_tags_have_another_name() {
        for tag in [String::new(), "product:7".to_owned(), "x".repeat(MAX_TEXT)] {
            assert_eq!(tag_name(&tag), tag);
        }
        let long = |last: &str| "ü".repeat(MAX_TEXT) + last;
        let name = tag_name(&long("a")).into_owned();
        assert!(name.starts_with(&"ü".repeat(SHOWN / 2)), "{name}");
        assert_eq!(name.len(), SHOWN + 1 + 32);
        assert_eq!(tag_name(&name), name);
        assert_ne!(tag_name(&long("b")), name);
        assert_eq!(Matcher::Tag(long("a").into()).hash(), Matcher::Tag(name.into()).hash());
    }
}
