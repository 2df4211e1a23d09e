use super::super::http_date;
use super::super::testing::{BORN, headers, secs};
use super::*;
use LifetimeSource::{Heuristic, Origin, Rule};

mod properties;

const CC: &str = "cache-control";
const ANONYMOUS: Credentials = Credentials { authorization: false, cookies: false };
const COOKIES: Credentials = Credentials { authorization: false, cookies: true };
const AUTHORIZED: Credentials = Credentials { authorization: true, cookies: false };

/// One row of a table: what is asked, under which rule, and what the origin answers.
struct Row<'a> {
    rule: FreshnessRule,
    credentials: Credentials,
    status: u16,
    fields: &'a [(&'a str, &'a str)],
}

impl Row<'_> {
    fn assess(&self) -> Result<Freshness, NotStorable> {
        assess(
            &self.rule,
            &Exchange {
                credentials: self.credentials,
                status: StatusCode::from_u16(self.status).unwrap(),
                headers: &headers(self.fields),
                requested_at: BORN,
                received_at: BORN,
            },
        )
    }
}

fn ok<'a>(fields: &'a [(&'a str, &'a str)]) -> Row<'a> {
    Row { rule: FreshnessRule::default(), credentials: ANONYMOUS, status: 200, fields }
}

fn ttl(seconds: u64) -> FreshnessRule {
    FreshnessRule { ttl: Some(secs(seconds)), ..FreshnessRule::default() }
}

fn overriding(seconds: u64) -> FreshnessRule {
    FreshnessRule { override_origin: true, ..ttl(seconds) }
}

fn statuses(lifetimes: &[(u16, u64)]) -> FreshnessRule {
    let statuses = lifetimes.iter().map(|(status, seconds)| (*status, secs(*seconds))).collect();
    FreshnessRule { statuses, ..FreshnessRule::default() }
}

/// Lifetime in seconds and who gave it, or why there is none.
#[track_caller]
fn check(clause: &str, row: &Row<'_>, expected: Result<(u64, LifetimeSource), NotStorable>) {
    let result = row.assess().map(|freshness| (freshness.lifetime, freshness.source));
    let expected = expected.map(|(seconds, source)| (secs(seconds), source));
    assert_eq!(result, expected, "{clause}: {} {:?}", row.status, row.fields);
}

#[test]
fn who_gives_the_lifetime() {
    let date = http_date(BORN);
    let modified = http_date(BORN.minus(secs(1000)));
    let expires = http_date(BORN.plus(secs(70)));
    let (date, modified, expires) =
        (("date", date.as_str()), ("last-modified", modified.as_str()), ("expires", expires.as_str()));
    let both = FreshnessRule { ttl: Some(secs(30)), ..statuses(&[(200, 20)]) };

    check("4.2.1 s-maxage", &ok(&[(CC, "max-age=60, s-maxage=50"), expires]), Ok((50, Origin)));
    check("4.2.1 max-age", &ok(&[(CC, "max-age=60"), expires]), Ok((60, Origin)));
    check("4.2.1 Expires", &ok(&[expires, date]), Ok((70, Origin)));
    check("origin before rule", &Row { rule: both.clone(), ..ok(&[(CC, "max-age=60")]) }, Ok((60, Origin)));
    check("Expires before rule", &Row { rule: both.clone(), ..ok(&[expires]) }, Ok((70, Origin)));
    check("statuses before ttl", &Row { rule: both.clone(), ..ok(&[]) }, Ok((20, Rule)));
    check("ttl for the others", &Row { rule: both.clone(), status: 301, ..ok(&[]) }, Ok((30, Rule)));
    check("no ttl for errors", &Row { rule: both, status: 404, ..ok(&[]) }, Err(NotStorable::NoLifetime));
    check("ttl before a heuristic", &Row { rule: ttl(30), ..ok(&[modified, date]) }, Ok((30, Rule)));
    check("4.2.2 heuristic", &ok(&[modified, date]), Ok((100, Heuristic)));
    check("4.2.2 nothing to go by", &ok(&[date]), Err(NotStorable::NoLifetime));
    check("public is no lifetime", &ok(&[(CC, "public"), date]), Err(NotStorable::NoLifetime));
    check("public with a heuristic", &ok(&[(CC, "public"), modified, date]), Ok((100, Heuristic)));
    check("5.4 Pragma means nothing", &ok(&[(CC, "max-age=60"), ("pragma", "no-cache")]), Ok((60, Origin)));
}

#[test]
fn what_forbids_storing() {
    check("5.2.2.5", &ok(&[(CC, "no-store, max-age=60")]), Err(NotStorable::NoStore));
    check("5.2.2.5 under ttl", &Row { rule: ttl(30), ..ok(&[(CC, "no-store")]) }, Err(NotStorable::NoStore));
    check("5.2.2.7", &ok(&[(CC, "private, max-age=60")]), Err(NotStorable::Private));
    check("5.2.2.7 beats public", &ok(&[(CC, "public, private, max-age=60")]), Err(NotStorable::Private));
    check("5.2.2.7 with fields", &ok(&[(CC, "private=\"x\", max-age=60")]), Err(NotStorable::Private));
    check("9110 12.5.5", &ok(&[(CC, "max-age=60"), ("vary", "*")]), Err(NotStorable::VaryAll));
    check("9110 12.5.5 unreadable", &ok(&[(CC, "max-age=60"), ("vary", "a b")]), Err(NotStorable::VaryAll));
    check("9110 12.5.5 a name", &ok(&[(CC, "max-age=60"), ("vary", "accept")]), Ok((60, Origin)));
    check("outside the grammar", &ok(&[(CC, "public; max-age=60")]), Err(NotStorable::NoStore));
}

#[test]
fn statuses_that_may_be_stored() {
    use NotStorable::{NoLifetime, Partial, Status};
    for status in [200, 203, 204, 300, 301, 308] {
        check("9110 15.1 by ttl", &Row { rule: ttl(30), status, ..ok(&[]) }, Ok((30, Rule)));
    }
    for (status, reason) in [
        (201, NoLifetime),
        (202, NoLifetime),
        (205, NoLifetime),
        (299, NoLifetime),
        (302, NoLifetime),
        (303, NoLifetime),
        (404, NoLifetime),
        (410, NoLifetime),
        (307, NoLifetime),
        (400, NoLifetime),
        (401, Status),
        (403, Status),
        (408, Status),
        (429, Status),
        (500, Status),
        (501, Status),
        (503, Status),
        (599, Status),
    ] {
        let none = Row { rule: ttl(30), status, ..ok(&[]) };
        check("9110 15.1 not by ttl", &none, Err(reason));
        check("9111 3 by the origin", &Row { fields: &[(CC, "max-age=60")], ..none }, Ok((60, Origin)));
        check("by statuses", &Row { rule: statuses(&[(status, 20)]), status, ..ok(&[]) }, Ok((20, Rule)));
    }
    for (status, reason) in [
        (100, Status),
        (103, Status),
        (206, Partial),
        (304, Status),
        (407, Status),
        (412, Status),
        (416, Status),
        (417, Status),
        (600, Status),
        (999, Status),
    ] {
        let row = Row { rule: statuses(&[(status, 20)]), status, ..ok(&[(CC, "public, max-age=60")]) };
        check("never", &row, Err(reason));
    }
    let modified = &[("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT")];
    check("4.2.2 not for 302", &Row { status: 302, ..ok(modified) }, Err(NoLifetime));
    check("4.2.2 not for 501", &Row { status: 501, ..ok(modified) }, Err(Status));
}

#[test]
fn a_failing_status_hides_what_its_page_says() {
    check("503 no-store", &Row { status: 503, ..ok(&[(CC, "no-store")]) }, Err(NotStorable::Status));
    check("401 private", &Row { status: 401, ..ok(&[(CC, "private")]) }, Err(NotStorable::Status));
    check("404 no-store", &Row { status: 404, ..ok(&[(CC, "no-store")]) }, Err(NotStorable::NoStore));
}

#[test]
fn must_understand() {
    let fields = &[(CC, "must-understand, no-store, max-age=60")];
    check("5.2.2.3 voids no-store", &ok(fields), Ok((60, Origin)));
    check("5.2.2.3 unknown status", &Row { status: 299, ..ok(fields) }, Err(NotStorable::Status));
    check(
        "5.2.2.3 even without",
        &Row { status: 299, ..ok(&[(CC, "must-understand, max-age=60")]) },
        Err(NotStorable::Status),
    );
    check(
        "5.2.2.3 under override",
        &Row {
            rule: FreshnessRule { override_origin: true, ..statuses(&[(299, 9)]) },
            status: 299,
            ..ok(fields)
        },
        Err(NotStorable::Status),
    );
    check("3 unknown status is final", &Row { status: 299, ..ok(&[(CC, "max-age=60")]) }, Ok((60, Origin)));
}

#[test]
fn what_is_kept_to_be_revalidated() {
    let tag = ("etag", "\"a\"");
    check("5.2.2.4 with a validator", &ok(&[(CC, "no-cache"), tag]), Ok((0, Heuristic)));
    check("5.2.2.4 with a lifetime", &ok(&[(CC, "no-cache, max-age=60"), tag]), Ok((60, Heuristic)));
    check("5.2.2.4 public", &ok(&[(CC, "no-cache, public, max-age=60"), tag]), Ok((60, Origin)));
    check("5.2.2.4 no validator", &ok(&[(CC, "no-cache, max-age=60")]), Err(NotStorable::NoLifetime));
    check(
        "5.2.2.4 for 302",
        &Row { status: 302, ..ok(&[(CC, "no-cache"), tag]) },
        Err(NotStorable::NoLifetime),
    );
    check("max-age=0", &ok(&[(CC, "max-age=0"), tag]), Ok((0, Heuristic)));
    check("max-age=0, public", &ok(&[(CC, "max-age=0, public"), tag]), Ok((0, Origin)));
    check("s-maxage=0", &ok(&[(CC, "s-maxage=0"), tag]), Ok((0, Origin)));
    check("max-age=0, no validator", &ok(&[(CC, "max-age=0")]), Err(NotStorable::NoLifetime));
    check("Expires: 0", &ok(&[("expires", "0"), tag]), Ok((0, Heuristic)));
    check("Expires: 0, no validator", &ok(&[("expires", "0")]), Err(NotStorable::NoLifetime));
    check("stale on arrival", &ok(&[(CC, "max-age=60"), ("age", "60")]), Err(NotStorable::NoLifetime));
    check("stale on arrival, tag", &ok(&[(CC, "max-age=60"), ("age", "60"), tag]), Ok((60, Origin)));
    check("5861 4 stale windows", &ok(&[(CC, "max-age=0, stale-if-error=60")]), Ok((0, Heuristic)));
    check(
        "not under must-revalidate",
        &ok(&[(CC, "max-age=0, stale-if-error=60, must-revalidate")]),
        Err(NotStorable::NoLifetime),
    );
    check("a tag that is none", &ok(&[(CC, "max-age=0"), ("etag", "a")]), Err(NotStorable::NoLifetime));
    check("ttl of zero", &Row { rule: ttl(0), ..ok(&[]) }, Err(NotStorable::NoLifetime));
}

#[test]
fn credentials_are_none_only_without_both() {
    assert!(ANONYMOUS.none());
    assert!(!COOKIES.none() && !AUTHORIZED.none());
}

#[test]
fn cookies_in_the_request() {
    let ignore = FreshnessRule { cookies: Cookies::Ignore, ..ttl(30) };
    const MODIFIED: &[(&str, &str)] = &[("last-modified", "Sun, 06 Nov 1994 08:00:00 GMT")];
    let cookies =
        |fields: &'static [(&'static str, &'static str)]| Row { credentials: COOKIES, ..ok(fields) };
    check("the origin says so", &cookies(&[(CC, "max-age=60")]), Ok((60, Origin)));
    check("only ttl", &Row { rule: ttl(30), ..cookies(&[]) }, Err(NotStorable::Cookie));
    check("only statuses", &Row { rule: statuses(&[(200, 30)]), ..cookies(&[]) }, Err(NotStorable::Cookie));
    check("only a heuristic", &cookies(MODIFIED), Err(NotStorable::Cookie));
    check("cookies: ignore", &Row { rule: ignore, ..cookies(&[]) }, Ok((30, Rule)));
    check(
        "override",
        &Row { rule: overriding(30), ..cookies(&[(CC, "public, max-age=60")]) },
        Err(NotStorable::Cookie),
    );
    check("no-cache", &cookies(&[(CC, "no-cache"), ("etag", "\"a\"")]), Err(NotStorable::Cookie));
    check("max-age=0", &cookies(&[(CC, "max-age=0"), ("etag", "\"a\"")]), Err(NotStorable::Cookie));
    check("max-age=0, public", &cookies(&[(CC, "max-age=0, public"), ("etag", "\"a\"")]), Ok((0, Origin)));
}

#[test]
fn authorization_in_the_request() {
    let authorized =
        |fields: &'static [(&'static str, &'static str)]| Row { credentials: AUTHORIZED, ..ok(fields) };
    let no = Err(NotStorable::Authorization);
    check("3.5 max-age", &authorized(&[(CC, "max-age=60")]), no);
    check("3.5 public", &authorized(&[(CC, "public, max-age=60")]), Ok((60, Origin)));
    check("3.5 s-maxage", &authorized(&[(CC, "s-maxage=60")]), Ok((60, Origin)));
    check("3.5 must-revalidate", &authorized(&[(CC, "must-revalidate, max-age=60")]), Ok((60, Origin)));
    check("3.5 proxy-revalidate", &authorized(&[(CC, "proxy-revalidate, max-age=60")]), no);
    check("3.5 ttl", &Row { rule: ttl(30), ..authorized(&[]) }, no);
    check("3.5 override", &Row { rule: overriding(30), ..authorized(&[(CC, "max-age=60")]) }, no);
    check(
        "3.5 override, public",
        &Row { rule: overriding(30), ..authorized(&[(CC, "public")]) },
        Ok((30, Rule)),
    );
    check("3.5 must-revalidate alone", &Row { rule: ttl(30), ..authorized(&[(CC, "must-revalidate")]) }, no);
    check(
        "3.5 must-revalidate, max-age=0",
        &authorized(&[(CC, "must-revalidate, max-age=0"), ("etag", "\"a\"")]),
        no,
    );
    let ignore = FreshnessRule { cookies: Cookies::Ignore, ..ttl(30) };
    check("3.5 cookies: ignore", &Row { rule: ignore, ..authorized(&[]) }, no);
}

#[test]
fn what_is_not_stored_for_credentials_is_not_given_to_them() {
    let fields: [&[(&str, &str)]; 6] = [
        &[],
        &[(CC, "max-age=60")],
        &[(CC, "public, max-age=60")],
        &[(CC, "s-maxage=60")],
        &[(CC, "no-cache"), ("etag", "\"a\"")],
        &[(CC, "must-revalidate, max-age=60")],
    ];
    for cookies in [Cookies::Bypass, Cookies::Ignore] {
        for override_origin in [false, true] {
            let rule = FreshnessRule { cookies, override_origin, ..ttl(30) };
            for fields in fields {
                let anonymous = Row { rule: rule.clone(), ..ok(fields) }.assess().unwrap();
                assert!(may_share(&anonymous, &rule, ANONYMOUS));
                for credentials in [COOKIES, AUTHORIZED, Credentials { authorization: true, cookies: true }] {
                    let stored = Row { rule: rule.clone(), credentials, ..ok(fields) }.assess().is_ok();
                    assert_eq!(
                        may_share(&anonymous, &rule, credentials),
                        stored,
                        "{rule:?} {fields:?} {credentials:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn cookies_in_the_reply() {
    fn check(rule: SetCookie, cc: &str, overrides: bool, expected: Result<Option<Departure>, NotStorable>) {
        let rule = FreshnessRule { set_cookie: rule, override_origin: overrides, ..ttl(30) };
        let fields = &[(CC, cc), ("set-cookie", "a=b")];
        let result = Row { rule: rule.clone(), ..ok(fields) }.assess().map(|freshness| freshness.departure);
        assert_eq!(result, expected, "{rule:?} {cc}");
    }
    let no = Err(NotStorable::SetCookie);
    check(SetCookie::Bypass, "max-age=60", false, no);
    check(SetCookie::Bypass, "public, max-age=60", false, no);
    check(SetCookie::Bypass, "max-age=60", true, no);
    check(SetCookie::Strip, "max-age=60", false, Ok(Some(Departure::SetCookieStripped)));
    check(SetCookie::Strip, "max-age=60", true, Ok(Some(Departure::Override)));
    check(SetCookie::Strip, "max-age=30", true, Ok(Some(Departure::SetCookieStripped)));
    check(SetCookie::Store, "max-age=60", false, Ok(Some(Departure::SetCookieStored)));
    check(SetCookie::Store, "max-age=60", true, Ok(Some(Departure::SetCookieStored)));
    check(SetCookie::Strip, "private", true, Err(NotStorable::Private));
    let without = Row { rule: FreshnessRule { set_cookie: SetCookie::Strip, ..ttl(30) }, ..ok(&[]) };
    assert_eq!(without.assess().unwrap().departure, None);
}

#[test]
fn override_replaces_time_and_nothing_else() {
    fn check(cc: &str, expected: Result<Option<Departure>, NotStorable>) {
        let fields = &[(CC, cc), ("expires", "0"), ("pragma", "no-cache")];
        let result = Row { rule: overriding(30), ..ok(fields) }.assess();
        if let Ok(freshness) = &result {
            assert_eq!(freshness.lifetime, secs(30), "{cc}");
            assert_eq!(freshness.source, Rule, "{cc}");
            assert!(!freshness.no_cache && !freshness.must_revalidate, "{cc}");
        }
        assert_eq!(result.map(|freshness| freshness.departure), expected, "{cc}");
    }
    let overridden = Ok(Some(Departure::Override));
    for cc in [
        "max-age=60",
        "s-maxage=60",
        "no-store",
        "no-cache",
        "must-revalidate, max-age=30",
        "max-age=30, no-cache",
    ] {
        check(cc, overridden);
    }
    check("public; max-age=60", overridden);
    check("max-age=30", Ok(None));
    check("private, max-age=60", Err(NotStorable::Private));
    check("private; max-age=60", Err(NotStorable::Private));

    let vary = Row { rule: overriding(30), ..ok(&[("vary", "*")]) };
    assert_eq!(vary.assess().err(), Some(NotStorable::VaryAll));
    let silent = Row { rule: overriding(30), ..ok(&[]) };
    assert_eq!(silent.assess().unwrap().departure, None, "the origin said nothing");
    let redirect = Row { rule: overriding(30), status: 302, ..ok(&[(CC, "max-age=60")]) };
    let freshness = redirect.assess().unwrap();
    assert_eq!((freshness.lifetime, freshness.source), (secs(60), Origin), "ttl is not for 302");
    assert_eq!(freshness.departure, None);
    let of_status = FreshnessRule { override_origin: true, ..statuses(&[(302, 20)]) };
    let freshness = Row { rule: of_status, status: 302, ..ok(&[(CC, "max-age=60")]) }.assess().unwrap();
    assert_eq!((freshness.lifetime, freshness.departure), (secs(20), Some(Departure::Override)));
}

#[test]
fn stale_windows() {
    fn check(clause: &str, cc: &str, overrides: bool, expected: (u64, u64)) {
        let rule = FreshnessRule {
            stale_while_revalidate: Some(secs(5)),
            stale_if_error: Some(secs(7)),
            override_origin: overrides,
            ..ttl(30)
        };
        let freshness = Row { rule, ..ok(&[(CC, cc), ("etag", "\"a\"")]) }.assess().unwrap();
        let windows = (freshness.stale_while_revalidate, freshness.stale_if_error);
        assert_eq!(windows, (secs(expected.0), secs(expected.1)), "{clause}: {cc}");
    }
    check("the rule's", "max-age=60", false, (5, 7));
    check("5861 3 the origin's", "max-age=60, stale-while-revalidate=9", false, (9, 7));
    check("5861 4 the origin's", "max-age=60, stale-if-error=9", false, (5, 9));
    check(
        "the origin's, even if zero",
        "max-age=60, stale-while-revalidate=0, stale-if-error=0",
        false,
        (0, 0),
    );
    check("5.2.2.2", "max-age=60, must-revalidate, stale-if-error=9", false, (0, 0));
    check("5.2.2.8", "max-age=60, proxy-revalidate, stale-if-error=9", false, (0, 0));
    check("5.2.2.10", "s-maxage=60, stale-while-revalidate=9", false, (0, 0));
    check("5.2.2.4", "no-cache, stale-while-revalidate=9", false, (0, 0));
    check("override: the rule's first", "stale-while-revalidate=9, s-maxage=60", true, (5, 7));
    let bare = FreshnessRule { override_origin: true, ..ttl(30) };
    let fields = &[(CC, "stale-while-revalidate=9, stale-if-error=8, no-cache")];
    let freshness = Row { rule: bare, ..ok(fields) }.assess().unwrap();
    let windows = (freshness.stale_while_revalidate, freshness.stale_if_error);
    assert_eq!(windows, (secs(9), secs(8)), "override: then the origin's");
}

#[test]
fn born_and_the_marks_of_directives() {
    let freshness = ok(&[(CC, "max-age=60"), ("age", "10")]).assess().unwrap();
    assert_eq!(freshness.born, BORN.minus(secs(10)), "4.2.3");
    for (cc, must_revalidate, no_cache, authorized) in [
        ("max-age=60", false, false, false),
        ("max-age=60, must-revalidate", true, false, true),
        ("max-age=60, proxy-revalidate", true, false, false),
        ("s-maxage=60", true, false, true),
        ("max-age=60, public", false, false, true),
        ("max-age=60, no-cache", false, true, false),
    ] {
        let freshness = ok(&[(CC, cc), ("etag", "\"a\"")]).assess().unwrap();
        let marks = (freshness.must_revalidate, freshness.no_cache, freshness.authorized);
        assert_eq!(marks, (must_revalidate, no_cache, authorized), "{cc}");
    }
}

#[test]
fn reasons_and_how_long_they_last() {
    for (reason, word, lasting) in [
        (NotStorable::NoStore, "no_store", true),
        (NotStorable::Private, "private", true),
        (NotStorable::Authorization, "authorization", false),
        (NotStorable::Cookie, "cookie", false),
        (NotStorable::SetCookie, "set_cookie", true),
        (NotStorable::VaryAll, "vary_all", true),
        (NotStorable::NoLifetime, "no_lifetime", true),
        (NotStorable::Status, "status", false),
        (NotStorable::Partial, "partial", true),
        (NotStorable::TooLarge, "too_large", true),
        (NotStorable::Unframed, "unframed", true),
        (NotStorable::TooManyTags, "too_many_tags", true),
    ] {
        assert_eq!((reason.as_str(), reason.lasting()), (word, lasting));
        let tied = matches!(reason, NotStorable::Authorization | NotStorable::Cookie);
        assert_eq!(reason.tied_to_credentials(), tied, "{word}");
    }
    assert_eq!([Origin, Rule, Heuristic].map(LifetimeSource::as_str), ["origin", "rule", "heuristic"]);
    let departures = [Departure::Override, Departure::SetCookieStripped, Departure::SetCookieStored];
    let words = ["override", "set_cookie_stripped", "set_cookie_stored"];
    assert_eq!(departures.map(Departure::as_str), words);
}
