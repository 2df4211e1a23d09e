use super::super::testing::{BORN, headers, secs};
use super::*;
use proptest::prelude::*;

const GMT: &str = "Sun, 06 Nov 1994 08:49:37 GMT"; // BORN
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

/// `modified`: how long before the reply, which is dated [`BORN`].
fn validators(etag: Option<&str>, modified: Option<u64>) -> Validators {
    Validators {
        etag: etag.map(|tag| tag.as_bytes().into()),
        last_modified: modified.map(|seconds| BORN.minus(secs(seconds))),
        date: BORN,
    }
}

#[test]
fn validators_of_a_reply() {
    fn check(clause: &str, fields: &[(&str, &str)], expected: &Validators) {
        assert_eq!(Validators::of_reply(&headers(fields), BORN), *expected, "{clause}: {fields:?}");
    }
    check("none", &[], &validators(None, None));
    check("8.8.3", &[("etag", "\"a\"")], &validators(Some("\"a\""), None));
    check("8.8.3 weak", &[("etag", "W/\"a\"")], &validators(Some("W/\"a\""), None));
    check("8.8.3 no tag", &[("etag", "a")], &validators(None, None));
    check("8.8.3 several", &[("etag", "\"a\""), ("etag", "\"b\"")], &validators(None, None));
    check("8.8.2", &[("last-modified", BEFORE)], &validators(None, Some(1)));
    check("8.8.2 no date", &[("last-modified", "0")], &validators(None, None));
    check("8.8.2 several", &[("last-modified", GMT), ("last-modified", GMT)], &validators(None, None));
    check("6.6.1", &[("date", AFTER)], &Validators { date: BORN.plus(secs(1)), ..Validators::default() });
    check("6.6.1 no date", &[("date", "x")], &validators(None, None));
}

#[test]
fn strength() {
    for (clause, etag, modified, any, strong) in [
        ("none", None, None, false, false),
        ("8.8.1 strong tag", Some("\"a\""), None, true, true),
        ("8.8.1 weak tag", Some("W/\"a\""), None, true, false),
        ("8.8.2.2 a minute before", None, Some(60), true, true),
        ("8.8.2.2 less", None, Some(59), true, false),
        ("13.2.2 the tag alone decides", Some("W/\"a\""), Some(1000), true, false),
        ("13.2.2 the tag alone decides", Some("\"a\""), Some(0), true, true),
    ] {
        let validators = validators(etag, modified);
        assert_eq!((validators.any(), validators.strong()), (any, strong), "{clause}");
    }
    let future = Validators { last_modified: Some(BORN.plus(secs(1000))), ..validators(None, None) };
    assert!(!future.strong(), "8.8.2.2 modified after the reply");
}

#[test]
fn requests_made_conditional() {
    fn check(clause: &str, validators: &Validators, expected: &[(&str, &str)]) {
        let mut request = headers(&[
            ("host", "a"),
            ("if-none-match", "\"client\""),
            ("if-none-match", "\"client 2\""),
            ("if-modified-since", BEFORE),
            ("if-match", "\"client\""),
            ("if-unmodified-since", BEFORE),
            ("if-range", "\"client\""),
            ("range", "bytes=0-1"),
        ]);
        validators.make_conditional(&mut request);
        assert_eq!(request, headers(&[expected, &[("host", "a")]].concat()), "{clause}");
    }
    check("4.3.1 nothing", &validators(None, None), &[]);
    check("4.3.1 tag", &validators(Some("W/\"a\""), None), &[("if-none-match", "W/\"a\"")]);
    check("4.3.1 date", &validators(None, Some(0)), &[("if-modified-since", GMT)]);
    check(
        "4.3.1 both",
        &validators(Some("\"a\""), Some(1)),
        &[("if-none-match", "\"a\""), ("if-modified-since", BEFORE)],
    );
}

#[test]
fn what_a_304_confirms() {
    fn check(clause: &str, stored: &Validators, fields: &[(&str, &str)], expected: bool) {
        assert_eq!(stored.confirmed_by(&headers(fields)), expected, "{clause}: {fields:?}");
    }
    let strong = validators(Some("\"a\""), Some(0));
    let weak = validators(Some("W/\"a\""), Some(0));
    let dated = validators(None, Some(0));
    check("4.3.4 same strong tag", &strong, &[("etag", "\"a\"")], true);
    check("4.3.4 other strong tag", &strong, &[("etag", "\"b\"")], false);
    check("4.3.4 strong for weak", &weak, &[("etag", "\"a\"")], false);
    check("4.3.4 weak for strong", &strong, &[("etag", "W/\"a\"")], true);
    check("4.3.4 same weak tag", &weak, &[("etag", "W/\"a\"")], true);
    check("4.3.4 other weak tag", &weak, &[("etag", "W/\"b\"")], false);
    check("4.3.4 the tag before the date", &strong, &[("etag", "\"a\""), ("last-modified", AFTER)], true);
    check("4.3.4 a strong tag out of nothing", &dated, &[("etag", "\"a\"")], false);
    check("4.3.4 a weak tag out of nothing", &dated, &[("etag", "W/\"a\"")], true);
    check("4.3.4 same date", &dated, &[("last-modified", GMT)], true);
    check("4.3.4 other date", &dated, &[("last-modified", AFTER)], false);
    check("4.3.4 other date, tag omitted", &strong, &[("last-modified", AFTER)], false);
    check("4.3.4 no validator", &strong, &[], true);
}

#[test]
fn preconditions_of_clients() {
    use Precondition::{AskOrigin, NotModified, Proceed};
    fn check(clause: &str, stored: &Validators, fields: &[(&str, &str)], expected: Precondition) {
        for method in [Method::GET, Method::HEAD] {
            assert_eq!(stored.precondition(&method, &headers(fields)), expected, "{clause}: {fields:?}");
        }
    }
    let (inm, ims) = ("if-none-match", "if-modified-since");
    let strong = validators(Some("\"a\""), Some(0));
    let weak = validators(Some("W/\"a\""), Some(0));
    let untagged = validators(None, Some(0));
    let bare = validators(None, None);
    check("none", &strong, &[], Proceed);
    check("13.1.2", &strong, &[(inm, "\"a\"")], NotModified);
    check("13.1.2 another", &strong, &[(inm, "\"b\"")], Proceed);
    check("13.1.2 weak comparison", &strong, &[(inm, "W/\"a\"")], NotModified);
    check("13.1.2 weak comparison", &weak, &[(inm, "\"a\"")], NotModified);
    check("13.1.2 list", &strong, &[(inm, "\"b\", \"a\"")], NotModified);
    check("13.1.2 lines", &strong, &[(inm, "\"b\""), (inm, "\"a\"")], NotModified);
    check("13.1.2 *", &bare, &[(inm, "*")], NotModified);
    check("13.1.2 * and blanks", &bare, &[(inm, "\t* ")], NotModified);
    check("13.1.2 * in a list", &strong, &[(inm, "\"b\", *")], Proceed);
    check("13.1.2 * among lines", &bare, &[(inm, "\"b\""), (inm, "*")], Proceed);
    check("13.1.2 no tag stored", &untagged, &[(inm, "\"a\"")], Proceed);
    check("13.1.2 malformed", &strong, &[(inm, "a")], Proceed);
    check("13.1.3", &strong, &[(ims, GMT)], NotModified);
    check("13.1.3 later", &strong, &[(ims, AFTER)], NotModified);
    check("13.1.3 earlier", &strong, &[(ims, BEFORE)], Proceed);
    check("13.1.3 no date", &strong, &[(ims, "x")], Proceed);
    check("13.1.3 several", &strong, &[(ims, GMT), (ims, GMT)], Proceed);
    check("13.1.3 behind If-None-Match", &strong, &[(inm, "\"b\""), (ims, AFTER)], Proceed);
    check("13.1.3 behind If-None-Match", &strong, &[(inm, "\"a\""), (ims, BEFORE)], NotModified);
    check("9111 4.3.2 by Date", &bare, &[(ims, GMT)], NotModified);
    check("9111 4.3.2 by Date", &bare, &[(ims, BEFORE)], Proceed);
    check("9111 4.3.2 If-Match", &strong, &[("if-match", "\"a\"")], AskOrigin);
    check("9111 4.3.2 If-Unmodified-Since", &strong, &[("if-unmodified-since", GMT)], AskOrigin);
    check("13.2.2 If-Match first", &strong, &[("if-match", "\"b\""), (inm, "\"a\"")], AskOrigin);

    let received = Validators { date: BORN.plus(Duration::from_millis(900)), ..bare };
    check("9111 4.3.2 by reception, in seconds", &received, &[(ims, GMT)], NotModified);
    for fields in [[(inm, "\"a\"")], [(inm, "*")], [(ims, GMT)]] {
        assert_eq!(strong.precondition(&Method::OPTIONS, &headers(&fields)), Proceed, "13.2.1 other methods");
    }
}

#[test]
fn if_range() {
    fn check(clause: &str, stored: &Validators, lines: &[&str], expected: bool) {
        let lines: Vec<_> = lines.iter().map(|line| ("if-range", *line)).collect();
        assert_eq!(stored.if_range(&headers(&lines)), expected, "{clause}: {lines:?}");
    }
    let strong = validators(Some("\"a\""), None);
    let weak = validators(Some("W/\"a\""), Some(1000));
    let old = Validators { date: BORN.plus(secs(60)), ..validators(None, Some(0)) };
    let young = Validators { date: BORN.plus(secs(59)), ..validators(None, Some(0)) };
    check("absent", &validators(None, None), &[], true);
    check("13.1.5 tag", &strong, &["\"a\""], true);
    check("13.1.5 another tag", &strong, &["\"b\""], false);
    check("13.1.5 strong comparison", &strong, &["W/\"a\""], false);
    check("13.1.5 strong comparison", &weak, &["W/\"a\""], false);
    check("13.1.5 strong comparison", &weak, &["\"a\""], false);
    check("13.1.5 no list", &strong, &["\"a\", \"b\""], false);
    check("13.1.5 twice", &strong, &["\"a\"", "\"a\""], false);
    check("13.1.5 date", &old, &[GMT], true);
    check("13.1.5 a later date is not the same", &old, &[AFTER], false);
    check("8.8.2.2 a weak date", &young, &[GMT], false);
    check("13.1.5 a date, but none stored", &strong, &[GMT], false);
    check("13.1.5 a tag, but none stored", &old, &["\"a\""], false);
    check("13.1.5 neither", &strong, &["a"], false);
}

proptest! {
    #[test]
    fn never_panics(value in "[ -~\u{80}-\u{ff}]{0,40}", other in "[ -~]{0,40}") {
        let value = value.trim();
        let request = headers(&[
            ("if-none-match", value),
            ("if-modified-since", other.trim()),
            ("if-range", value),
            ("etag", value),
            ("last-modified", other.trim()),
        ]);
        let stored = Validators::of_reply(&request, BORN);
        let _ = stored.precondition(&Method::GET, &request);
        let _ = (stored.if_range(&request), stored.confirmed_by(&request), stored.strong());
        stored.make_conditional(&mut HeaderMap::new());
    }

    #[test]
    fn what_larder_asks_it_would_answer_with_304(tag in "(W/)?\"[!#-~]{0,20}\"", modified in 0..2000_u64) {
        let stored = validators(Some(&tag), Some(modified));
        let mut request = HeaderMap::new();
        stored.make_conditional(&mut request);
        prop_assert_eq!(stored.precondition(&Method::GET, &request), Precondition::NotModified);
        request.remove(IF_NONE_MATCH);
        prop_assert_eq!(stored.precondition(&Method::GET, &request), Precondition::NotModified);
    }
}
