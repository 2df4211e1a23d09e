use super::*;
use crate::cdn::{Alphabet, HostUse, Many, Rate};
use proptest::prelude::*;
use std::time::Duration;

const FIELD: HeaderName = HeaderName::from_static("x-tags");
const FEW: Many = Many { targets: 30, bytes: usize::MAX, overhead: 0, longest: usize::MAX };

fn header(
    separator: Separator,
    tags: usize,
    bytes: usize,
    longest: usize,
    without: &'static str,
) -> TagHeader {
    let alphabet = Alphabet { without, ignores_case: false };
    TagHeader { name: FIELD, separator, tags, bytes, longest, alphabet }
}

/// A CDN whose API takes everything, …
fn able(header: TagHeader) -> Limits {
    Limits {
        url: Some(FEW),
        prefix: Some(FEW),
        tag: Some(FEW),
        all: true,
        soft: false,
        queries: true,
        hosts: HostUse::Needed,
        rate: Rate { calls: 1, per: Duration::from_secs(1), burst: 1 },
        header: Some(header),
        source: "",
    }
}

/// … and one whose API takes nothing but tags.
fn unable(header: TagHeader) -> Limits {
    Limits { url: None, prefix: None, all: false, queries: false, ..able(header) }
}

fn written(cdns: &[Limits], tags: &[&str], path: &str, before: Option<&HeaderMap>) -> Vec<String> {
    let fields = TagFields::new(cdns).unwrap();
    let mut headers = HeaderMap::from_iter([(FIELD, "of the origin".parse().unwrap())]);
    let bearings = Bearings::of_target("h", path, "r");
    fields.write(&mut headers, tags, &bearings, before);
    let value = headers.get(FIELD).map_or("", |value| value.to_str().unwrap());
    let separator = match cdns[0].header.as_ref().unwrap().separator {
        Separator::Space => ' ',
        Separator::Comma => ',',
    };
    value.split(separator).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn named(matcher: &Matcher) -> String {
    format!("larder-{:016x}", matcher.hash().as_u64())
}

#[test]
fn tags_are_themselves_or_their_hash() {
    #[track_caller]
    fn check(header: &TagHeader, tag: &str, itself: bool) {
        let word = words_of_matcher(&Matcher::Tag(tag.into()), &able(header.clone())).unwrap();
        let wanted = if itself { tag.to_owned() } else { named(&Matcher::Tag(tag.into())) };
        assert_eq!(&*word, wanted, "{tag:?}");
        assert!(written(&[able(header.clone())], &[tag], "/", None).contains(&wanted), "{tag:?}");
    }
    let fastly = header(Separator::Space, 100, 16_384, 1024, "");
    let akamai = header(Separator::Comma, 128, 10_000, 128, " ()<>@,;:\\\"/[]?={}*");
    check(&fastly, "product:7", true);
    check(&akamai, "product:7", false);
    check(&akamai, "product-7", true);
    check(&akamai, "Product-7", true);
    check(&fastly, "a,b", true);
    check(&akamai, "a,b", false);
    check(&fastly, "a b", false);
    check(&header(Separator::Comma, 9, 999, 99, ""), "a b", false);
    check(&fastly, "a\tb", false);
    check(&fastly, "größe", false);
    check(&fastly, "", false);
    check(&fastly, &"t".repeat(1024), true);
    check(&fastly, &"t".repeat(1025), false);
    check(&akamai, &"t".repeat(128), true);
    check(&akamai, &"t".repeat(129), false);
}

#[test]
fn what_an_api_cannot_say_goes_by_word() {
    let header = header(Separator::Space, 100, 10_000, 100, "");
    #[track_caller]
    fn check(limits: &Limits, matcher: &Matcher, by_word: bool) {
        let wanted = by_word.then(|| named(matcher));
        assert_eq!(words_of_matcher(matcher, limits).as_deref(), wanted.as_deref(), "{matcher:?}");
        let words = written(std::slice::from_ref(limits), &[], "/a/b", None);
        assert_eq!(words.contains(&named(matcher)), by_word, "{matcher:?} {words:?}");
    }
    let each = [
        Matcher::path("h", "/a/b"),
        Matcher::prefix("h", "/"),
        Matcher::prefix("h", "/a"),
        Matcher::prefix("h", "/a/b"),
        Matcher::All,
    ];
    for matcher in &each {
        check(&able(header.clone()), matcher, false);
        check(&unable(header.clone()), matcher, true);
    }
    for limits in [able(header.clone()), unable(header.clone())] {
        check(&limits, &Matcher::Route("r".into()), true);
    }
    let exact = Limits { queries: false, ..able(header.clone()) };
    check(&exact, &each[0], true);
    check(&exact, &each[1], false);
    let tagless = Limits { tag: None, header: None, ..unable(header) };
    assert_eq!(words_of_matcher(&Matcher::Route("r".into()), &tagless), None);
    assert!(TagFields::new([&tagless]).unwrap().names().is_empty());
}

#[test]
fn what_does_not_fit_is_one_word() {
    let tags = ["a", "b", "c", "d"];
    let route = named(&Matcher::Route("r".into()));
    #[track_caller]
    fn check(header: TagHeader, tags: &[&str], wanted: &[&str]) {
        assert_eq!(written(&[able(header)], tags, "/", None), wanted);
    }
    let whole = ["a", "b", "c", "d", &route];
    let length = whole.join(" ").len();
    check(header(Separator::Space, 5, length, 100, ""), &tags, &whole);
    check(header(Separator::Comma, 5, length, 100, ""), &tags, &whole);
    check(header(Separator::Space, 4, length, 100, ""), &tags, &["a", "b", "c", OVERFLOW]);
    check(header(Separator::Space, 1, length, 100, ""), &tags, &[OVERFLOW]);
    check(header(Separator::Space, 5, length - 1, 100, ""), &tags, &["a", "b", "c", "d", OVERFLOW]);
    check(header(Separator::Space, 5, 20, 100, ""), &tags, &["a", "b", OVERFLOW]);
    check(header(Separator::Space, 5, OVERFLOW.len(), 100, ""), &tags, &[OVERFLOW]);
    let wide = header(Separator::Space, usize::MAX, usize::MAX, 100, "");
    let repeated = |times| written(&[able(wide.clone())], &vec!["a"; times], "/", None);
    assert_eq!(repeated(MAX_NAMED_TAGS), ["a", &route]);
    assert_eq!(repeated(MAX_NAMED_TAGS + 1), [OVERFLOW, "a", &route]);
    // No word of a hash is as short as this CDN wants it.
    check(header(Separator::Space, 5, 100, 22, ""), &["a", "ü"], &["a", OVERFLOW]);
}

#[test]
fn paths_through_too_many_folders_answer_to_every_prefix() {
    let climbing = (0..40).map(|n| format!("/{n}/..")).collect::<String>();
    let header = header(Separator::Space, 100, 10_000, 100, "");
    assert!(written(&[unable(header.clone())], &[], &climbing, None).contains(&OVERFLOW.to_owned()));
    assert!(!written(&[able(header)], &[], &climbing, None).contains(&OVERFLOW.to_owned()));
}

#[test]
fn one_field_serves_two_readers() {
    let wide = able(header(Separator::Comma, 100, 10_000, 1024, ""));
    let narrow = unable(header(Separator::Comma, 50, 5_000, 100, ":"));
    let words = written(&[wide.clone(), narrow.clone()], &["a", "b:1"], "/", None);
    let hashed = named(&Matcher::Tag("b:1".into()));
    let wanted = ["a", OVERFLOW, &hashed, &named(&Matcher::Route("r".into()))];
    assert_eq!(words[..4], wanted.map(str::to_owned));
    assert!(words.contains(&named(&Matcher::All)));
    let spaced = able(header(Separator::Space, 100, 10_000, 1024, ""));
    assert_eq!(TagFields::new([&wide, &spaced]).unwrap_err(), SeparatorClash(FIELD));
    // Two of one kind are as good as one.
    assert_eq!(
        written(&[wide.clone(), wide.clone()], &["a"], "/", None),
        written(&[wide], &["a"], "/", None)
    );
}

#[test]
fn what_a_stored_reply_said_stays() {
    let cdn = able(header(Separator::Comma, 100, 10_000, 100, ""));
    let route = named(&Matcher::Route("r".into()));
    let stored = |value: &str| HeaderMap::from_iter([(FIELD, value.parse().unwrap())]);
    #[track_caller]
    fn check(cdn: &Limits, before: &HeaderMap, wanted: &[&str]) {
        assert_eq!(written(std::slice::from_ref(cdn), &["b"], "/", Some(before)), wanted);
    }
    check(&cdn, &stored("a,b"), &["b", &route, "a"]);
    check(&cdn, &stored("a, ,c"), &["b", &route, "a", "c"]);
    check(&cdn, &stored("not one,a"), &["b", &route, OVERFLOW, "a"]);
    check(&cdn, &stored("ü"), &["b", &route, OVERFLOW]);
    check(&cdn, &HeaderMap::new(), &["b", &route, OVERFLOW]);
}

fn some_header() -> impl Strategy<Value = TagHeader> {
    let without = prop::sample::select(vec!["", ":", "ab/"]);
    (1..8usize, 15..120usize, 1..40usize, without)
        .prop_map(|(tags, bytes, longest, without)| header(Separator::Comma, tags, bytes, longest, without))
}

fn some_cdn() -> impl Strategy<Value = Limits> {
    (some_header(), any::<[bool; 4]>()).prop_map(|(header, [url, prefix, all, queries])| Limits {
        url: url.then_some(FEW),
        prefix: prefix.then_some(FEW),
        all,
        queries,
        ..able(header)
    })
}

proptest! {
    /// Whatever is purged that reaches a reply: the API can say it, or the purge names a word that the reply bears.
    #[test]
    fn every_purge_reaches(
        cdns in prop::collection::vec(some_cdn(), 1..3),
        tags in prop::collection::vec("[a-c:, ü]{0,6}", 0..6),
        before in prop::option::of(prop::collection::vec("[a-c:]{1,6}", 1..4)),
        path in "(/[a-c.]{1,2}){0,5}",
    ) {
        let stored = before.as_ref().map(|words| HeaderMap::from_iter([(FIELD, words.join(",").parse().unwrap())]));
        let tags: Vec<_> = tags.iter().map(String::as_str).collect();
        let words = written(&cdns, &tags, &path, stored.as_ref());
        let bears = |word: &str| words.iter().any(|borne| borne == word || borne == OVERFLOW);

        let folders = path.match_indices('/').map(|(at, _)| &path[..at]).chain([&*path]);
        let matchers = tags.iter().map(|tag| Matcher::Tag((*tag).into()))
            .chain(folders.map(|folder| Matcher::prefix("h", folder)).filter(|_| !path.contains("..")))
            .chain([Matcher::path("h", &path), Matcher::Route("r".into()), Matcher::All]);
        for matcher in matchers {
            for limits in &cdns {
                if let Some(word) = words_of_matcher(&matcher, limits) {
                    prop_assert!(bears(&word), "{matcher:?} {word} {words:?}");
                }
            }
        }
        for word in before.iter().flatten() {
            prop_assert!(bears(word), "{word} {words:?}");
        }
        for header in cdns.iter().filter_map(|limits| limits.header.as_ref()) {
            prop_assert!(words.len() <= header.tags && words.join(",").len() <= header.bytes);
            prop_assert!(words.iter().all(|word| word == OVERFLOW || takes(header, word)));
        }
    }
}

#[test]
fn readers_with_other_wants_have_other_numbers() {
    let readers = |cdns: &[Limits]| TagFields::new(cdns).unwrap().readers();
    let comma = || header(Separator::Comma, 100, 16_384, 1024, "");
    let one = readers(&[able(comma())]);
    assert_eq!(one, readers(&[able(comma())]));
    let others = [
        able(header(Separator::Space, 100, 16_384, 1024, "")),
        able(header(Separator::Comma, 50, 16_384, 1024, "")),
        able(header(Separator::Comma, 100, 16_000, 1024, "")),
        able(header(Separator::Comma, 100, 16_384, 256, "")),
        able(header(Separator::Comma, 100, 16_384, 1024, ":")),
        able(TagHeader { name: HeaderName::from_static("x-other"), ..comma() }),
        unable(comma()),
    ];
    for other in others {
        assert_ne!(one, readers(std::slice::from_ref(&other)), "{other:?}");
    }
    let (first, second) = (able(comma()), unable(comma()));
    assert_eq!(readers(&[first.clone(), second.clone()]), readers(&[second, first]));
}
