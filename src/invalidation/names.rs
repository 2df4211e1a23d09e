//! Purges by name, for those who know no hashes: the CDNs in front.

use super::{Invalidation, Kind, Matcher, Mode};
use std::fmt;
use std::sync::Arc;

/// Purges by name, in the form in which logs, intents and queues carry them: a line of JSON each, such as
/// `["tag","hard","product:7"]` or `["path","soft","shop.example.com","/products/7"]`.
///
/// The ledger needs hashes alone; names travel beside them where somebody in front of Larder has to be told. Two of them
/// are joined by putting one behind the other.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Names(Option<Arc<[u8]>>);

/// Bytes that are no [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} names no purge")]
pub struct BadNames(pub usize);

impl Names {
    /// No purge at all.
    pub const NONE: Self = Self(None);

    /// Those of `batch`.
    pub fn of(batch: &[Invalidation]) -> Self {
        let mut text = Vec::new();
        for Invalidation { matcher, mode } in batch {
            let words = match matcher {
                Matcher::Path { authority, path } | Matcher::Prefix { authority, path } => {
                    vec![matcher.kind().as_str(), mode.as_str(), authority, path]
                }
                Matcher::Tag(name) | Matcher::Route(name) => {
                    vec![matcher.kind().as_str(), mode.as_str(), name]
                }
                Matcher::All => vec![matcher.kind().as_str(), mode.as_str()],
            };
            serde_json::to_writer(&mut text, &words).expect("strings can be written into memory");
            text.push(b'\n');
        }
        Self::from_bytes(&text)
    }

    /// Bytes as [`Names::as_bytes`] gave them. They are looked at when they are [read](Names::read).
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self((!bytes.is_empty()).then(|| bytes.into()))
    }

    /// These, and `other` behind them.
    pub fn join(self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (_, None) => self,
            (None, Some(_)) => other.clone(),
            (Some(first), Some(second)) => Self(Some([&**first, &**second].concat().into())),
        }
    }

    /// All of `several`, one behind the other.
    pub fn concat<'a>(several: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut named = several.into_iter().filter(|names| !names.is_empty());
        let Some(first) = named.next() else { return Self::NONE };
        let Some(second) = named.next() else { return first.clone() };
        let mut text = [first.as_bytes(), second.as_bytes()].concat();
        named.for_each(|names| text.extend_from_slice(names.as_bytes()));
        Self::from_bytes(&text)
    }

    /// What names everything, hard.
    pub fn everything() -> Self {
        Self::of(&[Invalidation::hard(Matcher::All)])
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Their text.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    /// What they name. Whoever cannot read them no longer knows what was to be purged.
    pub fn read(&self) -> Result<Vec<Invalidation>, BadNames> {
        let lines = self.as_bytes().split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.enumerate().map(|(index, line)| one(line).ok_or(BadNames(index + 1))).collect()
    }
}

fn one(line: &[u8]) -> Option<Invalidation> {
    let words: Vec<Box<str>> = serde_json::from_slice(line).ok()?;
    let mut words = words.into_iter();
    let kind = words.next().and_then(|word| Kind::EACH.into_iter().find(|kind| kind.as_str() == &*word))?;
    let mode = words.next().and_then(|word| Mode::EACH.into_iter().find(|mode| mode.as_str() == &*word))?;
    let matcher = match kind {
        Kind::Path => Matcher::Path { authority: words.next()?, path: words.next()? },
        Kind::Prefix => Matcher::Prefix { authority: words.next()?, path: words.next()? },
        Kind::Tag => Matcher::Tag(words.next()?),
        Kind::Route => Matcher::Route(words.next()?),
        Kind::All => Matcher::All,
    };
    words.next().is_none().then_some(Invalidation { matcher, mode })
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Names({})", String::from_utf8_lossy(self.as_bytes()).trim_end().replace('\n', ", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each() -> Vec<Invalidation> {
        let matchers = [
            Matcher::path("shop", "/a b\n\"ü"),
            Matcher::prefix("shop:81", "/"),
            Matcher::Tag("line\nbreak".into()),
            Matcher::Route("product".into()),
            Matcher::All,
        ];
        let both = |matcher: Matcher| [Invalidation::hard(matcher.clone()), Invalidation::soft(matcher)];
        matchers.into_iter().flat_map(both).collect()
    }

    #[test]
    fn names_come_back_and_can_be_joined() {
        let batch = each();
        assert_eq!(Names::of(&batch).read(), Ok(batch.clone()));
        let (first, second) = batch.split_at(3);
        let joined = Names::of(first).join(&Names::of(second));
        assert_eq!(joined, Names::of(&batch));
        assert_eq!(joined.clone().join(&Names::NONE), joined);
        assert_eq!(Names::NONE.join(&joined), joined);
        let each: Vec<_> = batch.iter().map(|one| Names::of(std::slice::from_ref(one))).collect();
        assert_eq!(Names::concat(&each), joined);
        assert_eq!(Names::concat([&Names::NONE, &joined, &Names::NONE]), joined);
        assert!(Names::concat([&Names::NONE]).is_empty());
        assert_eq!(Names::from_bytes(joined.as_bytes()), joined);
        assert!(Names::of(&[]).is_empty());
        assert_eq!(Names::NONE.read(), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        #[track_caller]
        fn check(text: &str, line: usize) {
            assert_eq!(Names::from_bytes(text.as_bytes()).read(), Err(BadNames(line)), "{text}");
        }
        check("x", 1);
        check("[]", 1);
        check(r#"["tag"]"#, 1);
        check(r#"["tag","hard"]"#, 1);
        check(r#"["tag","firm","x"]"#, 1);
        check(r#"["tog","hard","x"]"#, 1);
        check(r#"["all","hard","x"]"#, 1);
        check(r#"["path","hard","h"]"#, 1);
        check("[\"all\",\"hard\"]\n[\"all\",", 2);
    }
}
