//! Fewer purges in place of many, where there is no room for all of them.

use super::path::{MAX_PREFIX_SEGMENTS, normal_path};
use super::{Invalidation, Matcher, Mode};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

/// How many purges of one folder give way to a purge of the folder, in the order in which it is tried: as long as there are
/// folders of many, those of few stay as they are.
const LEAST: [usize; 3] = [256, 16, 2];

/// How much there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes in all.
    pub bytes: usize,
    /// Bytes that each purge takes beside its text.
    pub each: usize,
}

impl Room {
    fn holds(self, purges: &[Invalidation]) -> bool {
        self.taken(purges) <= self.bytes
    }

    fn taken(self, purges: &[Invalidation]) -> usize {
        purges.iter().map(|purge| self.of(purge)).sum()
    }

    fn of(self, purge: &Invalidation) -> usize {
        purge.matcher.text_len() + self.each
    }
}

/// Makes of `purges` others that reach all that they reach and have `room`; a purge of everything always has. The same purges
/// make the same others, in whatever process.
///
/// First each stays once, and goes where another reaches all that it does. Then paths and prefixes of one folder become the
/// prefix of the folder, those of the fullest folders first. What is left too heavy then, tags above all, is everything: what
/// bears a tag may stand anywhere, and under which routes a path is stored only the rules of its day know.
///
/// A path becomes a prefix only of a folder that was written in its normal form. CDNs know URLs as they were written, and a prefix
/// they are told has one spelling.
pub fn fold(purges: impl IntoIterator<Item = Invalidation>, room: Room) -> Vec<Invalidation> {
    let mut kept = uncovered(once(purges));
    for least in LEAST {
        if room.holds(&kept) {
            return kept;
        }
        kept = uncovered(gather(&kept, least, room));
    }
    if room.holds(&kept) { kept } else { everything(&kept) }
}

/// Each once, in the order of the first.
fn once(purges: impl IntoIterator<Item = Invalidation>) -> Vec<Invalidation> {
    let mut seen = HashSet::new();
    purges.into_iter().filter(|purge| seen.insert(purge.clone())).collect()
}

/// Without what another of them reaches as well.
fn uncovered(purges: Vec<Invalidation>) -> Vec<Invalidation> {
    let known: HashSet<_> =
        purges.iter().map(|Invalidation { matcher, mode }| (at(matcher), *mode)).collect();
    let is_covered = |Invalidation { matcher, mode }: &Invalidation| {
        let stronger = |at| *mode == Mode::Soft && known.contains(&(at, Mode::Hard));
        let reached = |at| known.contains(&(at, *mode)) || stronger(at);
        let above = folder(matcher).into_iter().flat_map(|(authority, path)| {
            std::iter::successors(Some(path), |path| parent(path)).map(move |path| At::Below(authority, path))
        });
        // Nothing covers itself.
        stronger(at(matcher)) || above.chain((*matcher != Matcher::All).then_some(At::All)).any(reached)
    };
    let covered: Vec<_> = purges.iter().map(is_covered).collect();
    drop(known);
    purges.into_iter().zip(covered).filter(|(_, covered)| !covered).map(|(purge, _)| purge).collect()
}

/// What a matcher names, to look it up by what it is made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum At<'a> {
    Path(&'a str, &'a str),
    Below(&'a str, &'a str),
    Tag(&'a str),
    Route(&'a str),
    All,
}

fn at(matcher: &Matcher) -> At<'_> {
    match matcher {
        Matcher::Path { authority, path } => At::Path(authority, path),
        Matcher::Prefix { authority, path } => At::Below(authority, path),
        Matcher::Tag(name) => At::Tag(name),
        Matcher::Route(name) => At::Route(name),
        Matcher::All => At::All,
    }
}

/// With the prefix of a folder in place of what lies below it, where that is `least` purges or more, until all have room. Deep
/// folders come first: they reach least.
fn gather(purges: &[Invalidation], least: usize, room: Room) -> Vec<Invalidation> {
    let mut bytes = room.taken(purges);
    let mut done = Vec::new();
    let mut folders = BTreeMap::<_, Vec<Cow<'_, Invalidation>>>::new();
    for purge in purges {
        let is_soft = purge.mode == Mode::Soft;
        match folder(&purge.matcher) {
            Some((authority, path)) => {
                folders.entry((path.len(), authority, path, is_soft)).or_default().push(Cow::Borrowed(purge));
            }
            None => done.push(Cow::Borrowed(purge)),
        }
    }
    // A folder is shorter than what lies in it, so nothing is put into one that was passed.
    while let Some(((_, authority, path, is_soft), mut members)) = folders.pop_last() {
        if bytes <= room.bytes {
            done.extend(members);
            continue;
        }
        if members.len() >= least {
            bytes -= members.iter().map(|purge| room.of(purge)).sum::<usize>();
            let mode = if is_soft { Mode::Soft } else { Mode::Hard };
            let wider = Invalidation { matcher: Matcher::prefix(authority, path), mode };
            bytes += room.of(&wider);
            members = vec![Cow::Owned(wider)];
        }
        match parent(path) {
            Some(above) => {
                folders.entry((above.len(), authority, above, is_soft)).or_default().append(&mut members);
            }
            None => done.append(&mut members),
        }
    }
    done.into_iter().map(Cow::into_owned).collect()
}

/// Authority and path of the next folder above a path or a prefix that reaches all of it, for CDNs too: one with whose text both what
/// was written and its normal form begin. No deeper than prefixes count.
fn folder(matcher: &Matcher) -> Option<(&str, &str)> {
    let (Matcher::Path { authority, path } | Matcher::Prefix { authority, path }) = matcher else {
        return None;
    };
    let normal = normal_path(path, |_, _| {});
    if normal == b"/" {
        return None;
    }
    let common = normal.iter().zip(path.as_bytes()).take_while(|(one, other)| one == other).count();
    let slashes = normal[..common].iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let end = slashes.take(MAX_PREFIX_SEGMENTS + 1).last().unwrap_or(0);
    // The slash is one of what was written, too, so this cuts no letter in two.
    Some((authority, path.get(..end).filter(|folder| !folder.is_empty()).unwrap_or("/")))
}

/// The folder that a folder lies in; `None`: it is the root.
fn parent(folder: &str) -> Option<&str> {
    match folder.rfind('/')? {
        0 => (folder != "/").then_some("/"),
        end => Some(&folder[..end]),
    }
}

fn everything(purges: &[Invalidation]) -> Vec<Invalidation> {
    let is_soft = purges.iter().all(|purge| purge.mode == Mode::Soft);
    vec![Invalidation { matcher: Matcher::All, mode: if is_soft { Mode::Soft } else { Mode::Hard } }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::Kind;
    use proptest::prelude::*;

    /// `soft:` before, a tag as `#name`, a route as `@name`, everything as `*`, a prefix with a `*` behind it.
    fn one(text: &str) -> Invalidation {
        let (mode, text) = match text.strip_prefix("soft:") {
            Some(text) => (Mode::Soft, text),
            None => (Mode::Hard, text),
        };
        let matcher = match (text.strip_prefix('#'), text.strip_prefix('@')) {
            _ if text == "*" => Matcher::All,
            (Some(tag), _) => Matcher::Tag(tag.into()),
            (_, Some(route)) => Matcher::Route(route.into()),
            _ => {
                let (authority, path) = text.split_at(text.find('/').unwrap());
                match path.strip_suffix('*') {
                    Some(path) => Matcher::prefix(authority, path),
                    None => Matcher::path(authority, path),
                }
            }
        };
        Invalidation { matcher, mode }
    }

    fn each(texts: &[&str]) -> Vec<Invalidation> {
        texts.iter().map(|text| one(text)).collect()
    }

    fn numbered(count: usize, text: &str) -> Vec<Invalidation> {
        (0..count).map(|number| one(&text.replace('N', &number.to_string()))).collect()
    }

    /// Folds into room for as many purges of usual length.
    #[track_caller]
    fn check(purges: &[Invalidation], room: usize, expected: &[&str]) {
        let folded = fold(purges.iter().cloned(), Room { bytes: room * 100, each: 80 });
        let (folded, expected): (HashSet<_>, HashSet<_>) =
            (folded.into_iter().collect(), each(expected).into_iter().collect());
        assert_eq!(folded, expected);
    }

    #[test]
    fn what_is_the_same_waits_once_whatever_the_room() {
        check(&[], 9, &[]);
        check(&each(&["h/a", "h/b", "h/a", "#t", "#t"]), 9, &["h/a", "h/b", "#t"]);
        check(&each(&["h/a", "h/A", "g/a", "h/%61", "h/a/"]), 9, &["h/a", "h/A", "g/a", "h/%61", "h/a/"]);
        check(&each(&["soft:h/a", "h/a", "soft:h/b", "soft:#t", "#t"]), 9, &["h/a", "soft:h/b", "#t"]);
        check(
            &each(&["h/a/b*", "h/a/b/c", "soft:h/a/b/c/d*", "h/a", "h/a/bc"]),
            9,
            &["h/a/b*", "h/a", "h/a/bc"],
        );
        check(&each(&["soft:h/a*", "h/a/b", "soft:h/a/b/c"]), 9, &["soft:h/a*", "h/a/b"]);
        check(&each(&["*", "h/a", "#t", "soft:*", "@r"]), 9, &["*"]);
        check(&each(&["soft:*", "h/a", "soft:#t"]), 9, &["soft:*", "h/a"]);
    }

    #[test]
    fn folders_of_many_give_way_and_others_stay() {
        let carts = numbered(300, "h/api/carts/N");
        let few = each(&["h/api/products/1", "h/api/products/2", "#t", "@r"]);
        check(
            &[&carts[..], &few].concat(),
            9,
            &["h/api/carts*", "h/api/products/1", "h/api/products/2", "#t", "@r"],
        );
        check(&[&carts[..], &numbered(20, "h/b/N")].concat(), 9, &["h/api/carts*", "h/b*"]);
        check(&[&carts[..], &few].concat(), 4, &["h/api/carts*", "h/api/products*", "#t", "@r"]);
        check(&[&carts[..], &few].concat(), 3, &["h/api*", "#t", "@r"]);
        check(&numbered(300, "h/a/N/b/c"), 9, &["h/a*"]);
        check(&numbered(300, "h/N"), 9, &["h/*"]);
        let soft: Vec<_> = numbered(300, "soft:h/a/N");
        check(&[&soft[..], &carts].concat(), 9, &["soft:h/a*", "h/api/carts*"]);
    }

    #[test]
    fn everything_is_the_last_resort() {
        check(&numbered(300, "#tN"), 9, &["*"]);
        check(&numbered(300, "soft:#tN"), 9, &["soft:*"]);
        check(&[&numbered(300, "soft:#tN")[..], &each(&["h/a"])].concat(), 9, &["*"]);
        check(&numbered(300, "hN/a"), 9, &["*"]);
        check(
            &[&numbered(300, "h/a/N")[..], &numbered(9, "#tN")].concat(),
            12,
            &["h/a*", "#t0", "#t1", "#t2", "#t3", "#t4", "#t5", "#t6", "#t7", "#t8"],
        );
    }

    #[test]
    fn folders_are_those_that_every_spelling_lies_in() {
        #[track_caller]
        fn check(path: &str, expected: Option<&str>) {
            let folder = folder(&one(path).matcher).map(|(authority, path)| format!("{authority}{path}"));
            assert_eq!(folder.as_deref(), expected, "{path}");
        }
        check("h/", None);
        check("h/*", None);
        check("h//.", None);
        check("h/a", Some("h/"));
        check("h/a/b", Some("h/a"));
        check("h/a/b*", Some("h/a"));
        check("h/a/b/", Some("h/a"));
        check("h/a/%37?q", Some("h/a"));
        check("h/%61/b/7", Some("h/"));
        check("h/a/%62/7", Some("h/a"));
        check("h/a//b", Some("h/a"));
        check("h/a/b/..", Some("h/"));
        check("h/a/b/../c", Some("h/a"));
        check("h/a;x/b", Some("h/"));
        check("h/a/x%2F..%2F..%2Fb", Some("h/"));
        check("h/ü/ä/ö", Some("h/ü/ä"));
        check("h/ü/%C3%A4/ö", Some("h/ü"));
        check(
            "h/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
            Some("h/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"),
        );
        check(
            "h/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19*",
            Some("h/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"),
        );
        check("#t", None);
        check("*", None);
    }

    /// Whether `by` reaches all that `purge` does; told by hashes, as ledgers do.
    fn reaches(by: &Invalidation, purge: &Invalidation) -> bool {
        let stronger = by.mode == Mode::Hard || purge.mode == Mode::Soft;
        let lies_below = |path: &str| {
            let Matcher::Prefix { authority, .. } = &by.matcher else { return false };
            let mut found = false;
            let last = normal_path(path, |folder, _| {
                let folder = std::str::from_utf8(folder).unwrap_or_default();
                found |= Matcher::prefix(authority, folder).hash() == by.matcher.hash();
            });
            found || Matcher::prefix(authority, "/").hash() == by.matcher.hash() || last.is_empty()
        };
        let same_host = |authority: &str| match &by.matcher {
            Matcher::Prefix { authority: other, .. } => **other == *authority,
            _ => false,
        };
        stronger
            && (by.matcher == Matcher::All
                || by.matcher == purge.matcher
                || match &purge.matcher {
                    Matcher::Path { authority, path } | Matcher::Prefix { authority, path } => {
                        same_host(authority) && lies_below(path)
                    }
                    _ => false,
                })
    }

    proptest! {
        #[test]
        fn nothing_is_lost(
            texts in prop::collection::vec(
                "(soft:)?(#[ab]|@[ab]|\\*|[gh](/(a|b|%61|\\.\\.|\\.|b;c|ü|)){1,4}\\*?)", 1..60),
            room in 1_usize..40,
        ) {
            let purges: Vec<_> = texts.iter().map(|text| one(text)).collect();
            let room = Room { bytes: room * 128, each: 100 };
            let folded = fold(purges.clone(), room);
            let is_everything = folded.len() == 1 && folded[0].matcher == Matcher::All;
            prop_assert!(room.holds(&folded) || is_everything);
            for purge in &purges {
                prop_assert!(folded.iter().any(|by| reaches(by, purge)), "{:?} in {:?}", purge, folded);
            }
            prop_assert_eq!(fold(folded.clone(), room), folded.clone());
            let has_all = purges.iter().any(|purge| purge.matcher.kind() == Kind::All);
            prop_assert!(has_all || !room.holds(&once(purges.clone())) || !folded.iter().any(|purge| {
                !purges.contains(purge)
            }), "what has room stays as it is");
        }
    }
}
