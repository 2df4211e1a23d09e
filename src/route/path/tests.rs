use super::{Ambiguity, PathPattern, PatternError};
use crate::route::Filled;

/// A path and, if it matches, its captures.
type Case<'a> = (&'a str, Option<&'a [(&'a str, &'a str)]>);

fn check(pattern: &str, cases: &[Case<'_>]) {
    let pattern = PathPattern::parse(pattern).unwrap();
    for (path, expected) in cases {
        let captures = pattern.captures(path);
        let found = captures.as_ref().map(|captures| captures.iter().collect::<Vec<_>>());
        assert_eq!(found.as_deref(), *expected, "{pattern} {path}");
    }
}

#[test]
fn literals_match_themselves() {
    check("/", &[("/", Some(&[])), ("", None), ("*", None), ("/a", None), ("//", None)]);
    check(
        "/api/v1",
        &[
            ("/api/v1", Some(&[])),
            ("/api/v1/", None),
            ("/api", None),
            ("/API/v1", None),
            ("/api//v1", None),
            ("/%61pi/v1", None),
            ("api/v1", None),
        ],
    );
    check("/api/", &[("/api/", Some(&[])), ("/api", None), ("/api/x", None)]);
}

#[test]
fn a_wildcard_takes_one_segment() {
    check(
        "/products/{id}",
        &[
            ("/products/42", Some(&[("id", "42")])),
            ("/products/a%2Fb", Some(&[("id", "a%2Fb")])),
            ("/products/é", Some(&[("id", "é")])),
            ("/products/", None),
            ("/products", None),
            ("/products/42/", None),
            ("/products/42/x", None),
        ],
    );
    check("/{a}/*/{b}", &[("/1/2/3", Some(&[("a", "1"), ("b", "3")])), ("/1//3", None)]);
}

#[test]
fn a_wildcard_may_have_text_beside_it() {
    check(
        "/feeds/v-{id}.json",
        &[
            ("/feeds/v-7.json", Some(&[("id", "7")])),
            ("/feeds/v-.json", None),
            ("/feeds/v-7.xml", None),
            ("/feeds/7.json", None),
            ("/feeds/v-.json.json", Some(&[("id", ".json")])),
        ],
    );
    check("/a-{x}-a", &[("/a-a", None), ("/a--a", None), ("/a-b-a", Some(&[("x", "b")]))]);
    check("/*.css", &[("/a.css", Some(&[])), ("/.css", None), ("/a.css/b", None)]);
}

#[test]
fn the_rest_begins_at_the_parent() {
    check(
        "/files/{path...}",
        &[
            ("/files", Some(&[("path", "")])),
            ("/files/", Some(&[("path", "")])),
            ("/files/a", Some(&[("path", "a")])),
            ("/files/a//b/", Some(&[("path", "a//b/")])),
            ("/filesystem", None),
        ],
    );
    check(
        "/{a}/**",
        &[("/x", Some(&[("a", "x")])), ("/x/y", Some(&[("a", "x")])), ("/", None), ("//y", None)],
    );
    check("/**", &[("/", Some(&[])), ("/a/b", Some(&[])), ("", None), ("*", None)]);
}

#[test]
fn captures_are_found_by_name() {
    let pattern = PathPattern::parse("/{a}/x-{b}/{c...}").unwrap();
    assert_eq!(pattern.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    let captures = pattern.captures("/1/x-2/3/4").unwrap();
    for (name, value) in [("a", Some("1")), ("b", Some("2")), ("c", Some("3/4")), ("d", None), ("", None)] {
        assert_eq!(captures.get(name), value, "{name}");
    }
    assert_eq!(pattern.to_string(), pattern.as_str());
}

#[test]
fn what_is_no_pattern_is_refused() {
    use PatternError as E;
    let owned = str::to_owned;
    for (text, expected) in [
        ("", E::NotAbsolute(owned(""))),
        ("api/v1", E::NotAbsolute(owned("api/v1"))),
        ("**", E::NotAbsolute(owned("**"))),
        ("/a?b=1", E::Query(owned("/a?b=1"))),
        ("/a#b", E::Query(owned("/a#b"))),
        ("/**/a", E::RestNotLast(owned("**"))),
        ("/{x...}/a", E::RestNotLast(owned("{x...}"))),
        ("/a/**/", E::RestNotLast(owned("**"))),
        ("/a**", E::RestNotLast(owned("a**"))),
        ("/{x...}.css", E::RestNotLast(owned("{x...}.css"))),
        ("/***", E::SeveralWildcards(owned("***"))),
        ("/{a}{b}", E::SeveralWildcards(owned("{a}{b}"))),
        ("/{a}-*", E::SeveralWildcards(owned("{a}-*"))),
        ("/{a", E::UnbalancedBrace(owned("{a"))),
        ("/a}", E::UnbalancedBrace(owned("a}"))),
        ("/{a{b}", E::UnbalancedBrace(owned("{a{b}"))),
        ("/{}", E::BadName(owned(""))),
        ("/{...}", E::BadName(owned("..."))),
        ("/{1a}", E::BadName(owned("1a"))),
        ("/{a-b}", E::BadName(owned("a-b"))),
        ("/{a:int}", E::BadName(owned("a:int"))),
        ("/{id}/{id}", E::DuplicateName(owned("id"))),
        ("/{id}/{id...}", E::DuplicateName(owned("id"))),
    ] {
        assert_eq!(PathPattern::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn literals_that_no_cacheable_path_has_are_refused() {
    for (text, reason, advice) in [
        ("/a//b", Ambiguity::EmptySegment, "leave it out"),
        ("/a/../b", Ambiguity::DotSegment, "leave it out"),
        ("/a;v=1/*", Ambiguity::Parameter, "leave it out"),
        ("/a%2Fb", Ambiguity::EscapedDelimiter, "leave it out"),
        ("/%61", Ambiguity::NeedlessEscape, "write the character itself"),
        ("/caf%c3%a9", Ambiguity::LowerCaseEscape, "write the digits of `%` in upper case"),
        ("/100%", Ambiguity::BrokenEscape, "write `%25` for a percent sign"),
        ("/%{x}", Ambiguity::BrokenEscape, "write `%25` for a percent sign"),
        ("/café au lait/{x}", Ambiguity::Unescaped, "write `/caf%C3%A9%20au%20lait/{x}`"),
    ] {
        let expected =
            PatternError::Ambiguous { pattern: text.to_owned(), why: reason, advice: advice.to_owned() };
        assert_eq!(PathPattern::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn size_is_bounded() {
    let segments = |count| "/a".repeat(count);
    assert!(PathPattern::parse(&segments(32)).is_ok());
    assert!(PathPattern::parse(&(segments(31) + "/**")).is_ok());
    for text in [segments(33), segments(32) + "/**"] {
        assert!(matches!(PathPattern::parse(&text), Err(PatternError::TooManySegments { count: 33, .. })));
    }
    let captures = |count| (0..count).map(|number| format!("/{{c{number}}}")).collect::<String>();
    assert!(PathPattern::parse(&captures(8)).is_ok());
    assert!(PathPattern::parse(&(captures(8) + "/*/**")).is_ok());
    for text in [captures(9), captures(8) + "/{rest...}"] {
        assert!(matches!(PathPattern::parse(&text), Err(PatternError::TooManyCaptures { count: 9, .. })));
    }
}

#[test]
fn messages_say_what_to_write() {
    for (text, message) in [
        ("api", "`api` does not begin with `/`; write `/api`"),
        ("/a//b", "`/a//b` never matches a path that may be cached (empty-segment); leave it out"),
        (
            "/{a-b}",
            "`{a-b}` is not a capture; write a name of letters, digits and `_` that begins with a letter, like `{product_id}`",
        ),
    ] {
        assert_eq!(PathPattern::parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn patterns_are_filled_with_what_is_known() {
    #[track_caller]
    fn check(pattern: &str, id: Option<&str>, expected: Result<&[&str], &str>) {
        let pattern = PathPattern::parse(pattern).unwrap();
        let expected = match expected {
            Ok(paths) => Filled::Paths(paths.iter().map(ToString::to_string).collect()),
            Err(below) => Filled::Below(below.into()),
        };
        let filled = pattern.fill(|name| id.filter(|_| name == "id"));
        assert_eq!(filled, expected, "{pattern} {id:?}");
        if let (Filled::Paths(paths), Some(_)) = (&filled, id) {
            assert!(paths.iter().all(|path| pattern.captures(path).is_some()), "{paths:?}");
        }
    }
    check("/", None, Ok(&["/"]));
    check("/a/", None, Ok(&["/a/"]));
    check("/a/{id}", Some("7"), Ok(&["/a/7"]));
    check("/a/{id}/b", Some("x/y %ü"), Ok(&["/a/x%2Fy%20%25%C3%BC/b"]));
    check("/a/{id}.json", Some("7"), Ok(&["/a/7.json"]));
    check("/a/{id}/b", None, Err("/a"));
    check("/a/{id}/b", Some(""), Err("/a"));
    check("/a/x-*/{id}", Some("7"), Err("/a"));
    check("/a/{id}/{other}", Some("7"), Err("/a/7"));
    check("/{id}", None, Err(""));
    check("/a/{id...}", Some("b/c d"), Ok(&["/a/b/c%20d"]));
    check("/a/{id...}", Some(""), Ok(&["/a/", "/a"]));
    check("/a/**", Some("7"), Err("/a"));
    check("/**", None, Err(""));
}
