//! The matchers a stored reply answers to.

use super::matcher::{hash_path, hash_prefix, hash_route, hash_tag};
use super::path::{MAX_PREFIX_SEGMENTS, normal_path, resolve_dots};
use super::{Kind, MatcherHash};
use std::sync::atomic::AtomicU64;

/// Tags that a reply may bear. CDNs stop between 16 and 1,000; each costs an entry 8 bytes.
const MAX_TAGS: usize = 256;

/// Tags that are looked at, repetitions and all. An origin that names one more of them hardly means it, and each is hashed.
pub const MAX_NAMED_TAGS: usize = 1024;

/// Prefixes that count one by one: every depth, and as many again for a path that climbs through other folders.
const MAX_PREFIXES: usize = 2 * (MAX_PREFIX_SEGMENTS + 1);

/// Readings of a path: as it is written, and with its dot segments resolved.
const MAX_READINGS: usize = 2;

/// The hashes of all matchers that reach one reply: its path, every prefix of it, its route and its tags.
///
/// Nothing is lost to a bound: a reply with more than 256 tags is refused, and one whose path climbs through more than
/// 34 folders is reached by the purge of any prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearings {
    /// In one allocation and in this order: paths, prefixes, the route, tags.
    hashes: Box<[u64]>,
    paths: u8,
    prefixes: u8,
    any_prefix: bool,
}

/// A reply bears more tags than are kept, or names more than [`MAX_NAMED_TAGS`]. It must not be stored: a purge of one left out
/// would miss it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_TAGS} tags")]
pub struct TooManyTags;

/// How the hashes of a [`Bearings`] are divided; what follows them are one route and the tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BearingsLayout {
    /// Paths among the hashes, first.
    pub paths: u8,
    /// Prefixes behind them.
    pub prefixes: u8,
    /// Instead of prefixes: any of them reaches it.
    pub any_prefix: bool,
}

/// Hashes that are no reply's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these hashes are no reply's: a kind is missing or there are too many of one")]
pub struct BadBearings;

/// The matchers of one kind that reach an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section<'a> {
    pub(super) kind: Kind,
    pub(super) hashes: &'a [u64],
    /// Any matcher of the kind reaches it.
    pub(super) any: bool,
}

impl Bearings {
    /// Bearings of a reply to `authority` (canonical) and `path` (as the client sent it, without query), stored under
    /// `route`. Tags may be of any length, since only their hashes are kept.
    pub fn new<'a>(
        authority: &str,
        path: &str,
        route: &str,
        tags: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, TooManyTags> {
        let tags = tag_hashes(tags)?;
        let (paths, mut prefixes) = readings(authority, path);
        let any_prefix = prefixes.len() > MAX_PREFIXES;
        if any_prefix {
            prefixes.clear();
        }
        let counts = (paths.len() as u8, prefixes.len() as u8);
        let hashes = paths.into_iter().chain(prefixes).chain([hash_route(route)]).chain(tags);
        let hashes = hashes.map(|hash| hash.0).collect::<Vec<_>>().into_boxed_slice();
        Ok(Self { hashes, paths: counts.0, prefixes: counts.1, any_prefix })
    }

    /// Those that the request alone tells: no tags.
    pub fn of_target(authority: &str, path: &str, route: &str) -> Self {
        Self::new(authority, path, route, []).expect("no tags are not too many")
    }

    /// These, and the tags of `other` besides.
    pub fn with_tags_of(self, other: &Self) -> Result<Self, TooManyTags> {
        let [.., own] = self.sections();
        let [.., more] = other.sections();
        let more: Vec<u64> = more.hashes.iter().copied().filter(|hash| !own.hashes.contains(hash)).collect();
        if own.hashes.len() + more.len() > MAX_TAGS {
            return Err(TooManyTags);
        }
        let hashes = self.hashes.iter().copied().chain(more).collect();
        Ok(Self { hashes, ..self })
    }

    /// Puts together what [`Bearings::layout`] and [`Bearings::hashes`] gave. Every reply has a path, a prefix (or answers
    /// to any) and a route; without one of them a purge would miss it, so less is refused, and so is more than the bounds.
    pub fn from_hashes(layout: BearingsLayout, hashes: Box<[u64]>) -> Result<Self, BadBearings> {
        let BearingsLayout { paths, prefixes, any_prefix } = layout;
        let (least, most) = if any_prefix { (0, 0) } else { (1, MAX_PREFIXES) };
        let fits = (1..=MAX_READINGS).contains(&usize::from(paths))
            && (least..=most).contains(&usize::from(prefixes))
            && hashes
                .len()
                .checked_sub(usize::from(paths) + usize::from(prefixes) + 1)
                .is_some_and(|tags| tags <= MAX_TAGS);
        if fits { Ok(Self { hashes, paths, prefixes, any_prefix }) } else { Err(BadBearings) }
    }

    /// How [`Bearings::hashes`] are divided.
    pub fn layout(&self) -> BearingsLayout {
        BearingsLayout { paths: self.paths, prefixes: self.prefixes, any_prefix: self.any_prefix }
    }

    /// The hashes of all matchers: paths, prefixes, the route, tags.
    pub fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// The hashes of the matchers of one kind; none of [`Kind::All`], which reaches every reply alike.
    pub fn of_kind(&self, kind: Kind) -> &[u64] {
        self.sections().into_iter().find(|section| section.kind == kind).map_or(&[], |section| section.hashes)
    }

    /// Heap bytes held.
    pub fn heap_size(&self) -> usize {
        size_of_val(&*self.hashes)
    }

    /// Its matchers, by kind.
    pub(super) fn sections(&self) -> [Section<'_>; 4] {
        let (paths, rest) = self.hashes.split_at(usize::from(self.paths));
        let (prefixes, rest) = rest.split_at(usize::from(self.prefixes));
        let (route, tags) = rest.split_at(1);
        [
            Section { kind: Kind::Path, hashes: paths, any: false },
            Section { kind: Kind::Prefix, hashes: prefixes, any: self.any_prefix },
            Section { kind: Kind::Route, hashes: route, any: false },
            Section { kind: Kind::Tag, hashes: tags, any: false },
        ]
    }
}

/// The paths and prefixes of a path in every reading of it: one, unless dot segments leave it open what they take away.
fn readings(authority: &str, path: &str) -> (Vec<MatcherHash>, Vec<MatcherHash>) {
    let mut paths = Vec::with_capacity(2);
    let mut prefixes = vec![hash_prefix(authority, b"/")];
    for reading in [Some(path), resolve_dots(path).as_deref()].into_iter().flatten() {
        let normal = normal_path(reading, |folder, depth| {
            if depth <= MAX_PREFIX_SEGMENTS && prefixes.len() <= MAX_PREFIXES {
                let hash = hash_prefix(authority, folder);
                if !prefixes.contains(&hash) {
                    prefixes.push(hash);
                }
            }
        });
        let hash = hash_path(authority, &normal);
        if !paths.contains(&hash) {
            paths.push(hash);
        }
    }
    (paths, prefixes)
}

/// The tags without repetition.
fn tag_hashes<'a>(tags: impl IntoIterator<Item = &'a str>) -> Result<Vec<MatcherHash>, TooManyTags> {
    let mut hashes = Vec::new();
    for (before, tag) in tags.into_iter().enumerate() {
        if before == MAX_NAMED_TAGS {
            return Err(TooManyTags);
        }
        let hash = hash_tag(tag);
        if let Err(at) = hashes.binary_search(&hash) {
            if hashes.len() == MAX_TAGS {
                return Err(TooManyTags);
            }
            hashes.insert(at, hash);
        }
    }
    Ok(hashes)
}

/// Up to which position an entry is known to be untouched; kept beside the entry so that most checks are one load.
#[derive(Debug, Default)]
pub struct Checked(pub(super) AtomicU64);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::Matcher;

    /// Whether `matcher` is among the bearings of `path` on host `h`, under route `r` with tags `s` and `t`.
    fn reaches(matcher: &Matcher, path: &str) -> bool {
        let bearings = Bearings::new("h", path, "r", ["t", "s", "t"]).unwrap();
        let section = bearings.sections().into_iter().find(|section| section.kind == matcher.kind());
        section.is_some_and(|section| section.hashes.contains(&matcher.hash().0))
    }

    #[test]
    fn a_reply_answers_to_its_path_prefixes_route_and_tags() {
        #[track_caller]
        fn check(matcher: &Matcher, path: &str, expected: bool) {
            assert_eq!(reaches(matcher, path), expected, "{matcher:?} {path:?}");
        }
        check(&Matcher::path("h", "/products/7"), "/products/7", true);
        check(&Matcher::path("h", "/products/7"), "/products/%37;v=1/", true);
        check(&Matcher::path("h", "/products"), "/products/7", false);
        check(&Matcher::path("g", "/products/7"), "/products/7", false);
        check(&Matcher::prefix("h", "/"), "/products/7", true);
        check(&Matcher::prefix("h", "/"), "/", true);
        check(&Matcher::prefix("h", "/products"), "/products/7", true);
        check(&Matcher::prefix("h", "/products/"), "/products", true);
        check(&Matcher::prefix("h", "/products/7"), "/products/7", true);
        check(&Matcher::prefix("h", "/prod"), "/products/7", false);
        check(&Matcher::prefix("h", "/products/7/reviews"), "/products/7", false);
        check(&Matcher::prefix("g", "/"), "/products/7", false);
        check(&Matcher::Route("r".into()), "/", true);
        check(&Matcher::Route("t".into()), "/", false);
        check(&Matcher::Tag("s".into()), "/", true);
        check(&Matcher::Tag("t".into()), "/", true);
        check(&Matcher::Tag("r".into()), "/", false);
    }

    #[test]
    fn tags_are_added_once_and_within_the_bound() {
        let of = |tags: &[&str]| Bearings::new("h", "/p", "r", tags.iter().copied()).unwrap();
        let tags = |bearings: &Bearings| bearings.sections()[3].hashes.len();
        let both = of(&["a", "b"]).with_tags_of(&of(&["b", "c"])).unwrap();
        assert_eq!(tags(&both), 3);
        for tag in ["a", "b", "c"] {
            assert!(both.sections()[3].hashes.contains(&Matcher::Tag(tag.into()).hash().0), "{tag}");
        }
        let many: Vec<String> = (0..MAX_TAGS).map(|n| n.to_string()).collect();
        let many = Bearings::new("h", "/p", "r", many.iter().map(String::as_str)).unwrap();
        assert!(many.clone().with_tags_of(&many).is_ok());
        assert_eq!(of(&["x"]).with_tags_of(&many), Err(TooManyTags));
    }

    #[test]
    fn every_reading_of_dots_is_reached() {
        for path in ["/a//../b", "/a/x%2Fy/../b"] {
            for purged in [path, "/a/b"] {
                assert!(reaches(&Matcher::path("h", purged), path), "{purged:?} {path:?}");
            }
        }
        assert!(reaches(&Matcher::prefix("h", "/a"), "/a/../b"));
        assert!(reaches(&Matcher::prefix("h", "/b"), "/a/../b"));
    }

    #[test]
    fn deep_paths_answer_to_widened_prefixes() {
        let deep = "/s".repeat(40);
        assert!(reaches(&Matcher::prefix("h", &"/s".repeat(16)), &deep));
        assert!(reaches(&Matcher::prefix("h", &"/s".repeat(30)), &deep));
        assert!(reaches(&Matcher::path("h", &deep), &deep));
        assert!(!Bearings::of_target("h", &deep, "r").any_prefix);
    }

    #[test]
    fn tags_are_bounded() {
        #[track_caller]
        fn check(tags: usize, expected: Result<usize, TooManyTags>) {
            let tags: Vec<String> = (0..tags).map(|n| (n % 300).to_string()).collect();
            let bearings = Bearings::new("h", "/", "r", tags.iter().map(String::as_str));
            assert_eq!(bearings.map(|bearings| bearings.sections()[3].hashes.len()), expected);
        }
        check(0, Ok(0));
        check(256, Ok(256));
        check(257, Err(TooManyTags));
        check(600, Err(TooManyTags));
        let long = "t".repeat(1 << 16);
        assert!(Bearings::new("h", "/", "r", [long.as_str(); MAX_NAMED_TAGS]).is_ok());
        assert_eq!(Bearings::new("h", "/", "r", [long.as_str(); MAX_NAMED_TAGS + 1]), Err(TooManyTags));
        // Nobody is asked for more than are looked at.
        let mut asked = 0;
        let endless = std::iter::repeat("t").inspect(|_| asked += 1);
        assert_eq!(Bearings::new("h", "/", "r", endless), Err(TooManyTags));
        assert_eq!(asked, MAX_NAMED_TAGS + 1);
    }

    #[test]
    fn a_path_through_too_many_folders_answers_to_every_prefix() {
        let climbing = |folders: usize| (0..folders).map(|n| format!("/{n}/..")).collect::<String>();
        for (folders, any) in [(33, false), (34, true), (5000, true)] {
            let bearings = Bearings::of_target("h", &climbing(folders), "r");
            let [paths, prefixes, ..] = bearings.sections();
            assert_eq!((prefixes.any, prefixes.hashes.is_empty()), (any, any), "{folders}");
            assert_eq!(paths.hashes, [Matcher::path("h", "/").hash().0]);
        }
    }

    #[test]
    fn hashes_make_the_same_bearings_again() {
        let climbing = "/a/..".repeat(40) + "/x";
        let folders = (0..40).map(|n| format!("/{n}/..")).collect::<String>();
        for path in ["/", "/a/b/c", "/a//../b", &climbing, &folders] {
            for tags in [&[][..], &["a"], &["b", "a"]] {
                let bearings = Bearings::new("h", path, "r", tags.iter().copied()).unwrap();
                let again = Bearings::from_hashes(bearings.layout(), bearings.hashes().into());
                assert_eq!(again, Ok(bearings), "{path}");
            }
        }
    }

    #[test]
    fn hashes_of_no_reply_are_refused() {
        #[track_caller]
        fn check(paths: u8, prefixes: u8, any_prefix: bool, hashes: usize, fits: bool) {
            let layout = BearingsLayout { paths, prefixes, any_prefix };
            assert_eq!(Bearings::from_hashes(layout, vec![7; hashes].into()).is_ok(), fits);
        }
        check(1, 1, false, 3, true);
        check(1, 1, false, 2, false);
        check(1, 1, false, 0, false);
        check(0, 1, false, 3, false);
        check(3, 1, false, 5, false);
        check(1, 0, false, 3, false);
        check(1, 0, true, 2, true);
        check(1, 1, true, 3, false);
        check(1, 34, false, 36, true);
        check(1, 35, false, 37, false);
        check(2, 1, false, 4 + 256, true);
        check(2, 1, false, 4 + 257, false);
    }

    #[test]
    fn the_heap_holds_one_slice() {
        let bearings = Bearings::new("h", "/products/7", "r", ["t"]).unwrap();
        assert_eq!(bearings.heap_size(), 8 * (1 + 3 + 1 + 1));
    }
}
