//! Lifetimes that the origin gives or suggests, and the age at arrival (RFC 9111, 4.2).

use super::directives::{LONGEST, parse_seconds};
use super::{CacheControl, Exchange, parse_http_date};
use crate::time::Timestamp;
use http::HeaderMap;
use http::header::{AGE, DATE, EXPIRES, LAST_MODIFIED};
use std::time::Duration;

/// What has not changed for ten days is not likely to change within one (RFC 9111, 4.2.2 suggests a tenth).
const HEURISTIC_SHARE: u32 = 10;

/// A page that is made anew for every request says that it was modified just now, and a tenth of nothing would have
/// the origin asked for each of them. A few seconds take the load of a burst, are what readers accept as current, and
/// what follows them is a revalidation, which such a reply has the validator for.
const SHORTEST_HEURISTIC: Duration = Duration::from_secs(5);

/// Beyond a day RFC 9111 (4.2.2) and its predecessors have always warned of guessing.
const LONGEST_HEURISTIC: Duration = Duration::from_secs(86_400);

/// The lifetime an origin states: `s-maxage`, `max-age`, `Expires` less `Date`, in this order (RFC 9111, 4.2.1).
pub(super) fn explicit(control: &CacheControl, exchange: &Exchange<'_>) -> Option<Duration> {
    control.s_maxage.or(control.max_age).or_else(|| until_expires(exchange))
}

/// The lifetime that `Last-Modified` suggests; `None` without one, or when it lies after `Date` (RFC 9110, 8.8.2.1).
pub(super) fn heuristic(exchange: &Exchange<'_>) -> Option<Duration> {
    let date = date(exchange.headers).unwrap_or(exchange.received_at);
    let modified = parse_http_date(exchange.headers.get(LAST_MODIFIED)?.as_bytes())?;
    let unchanged = (modified <= date).then(|| date.since(modified))?;
    Some((unchanged / HEURISTIC_SHARE).clamp(SHORTEST_HEURISTIC, LONGEST_HEURISTIC))
}

/// How old a reply was when it arrived: `corrected_initial_age` of RFC 9111, 4.2.3.
pub(super) fn initial_age(exchange: &Exchange<'_>) -> Duration {
    // Both clocks are compared in whole seconds, since `Date` has no others: a reply of this second has no age.
    let received = Timestamp::from_secs(exchange.received_at.as_secs());
    let apparent_age = date(exchange.headers).map_or(Duration::ZERO, |date| received.since(date));
    let response_delay = exchange.received_at.since(exchange.requested_at);
    apparent_age.max(stated_age(exchange.headers) + response_delay)
}

/// `Date`, where it is one.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    parse_http_date(headers.get(DATE)?.as_bytes())
}

/// Several `Expires` count as the earliest, and one that is no date as the past (RFC 9111, 4.2.1 and 5.3).
fn until_expires(exchange: &Exchange<'_>) -> Option<Duration> {
    let date = date(exchange.headers).unwrap_or(exchange.received_at);
    let lines = exchange.headers.get_all(EXPIRES).into_iter();
    lines
        .map(|line| {
            parse_http_date(line.as_bytes()).map_or(Duration::ZERO, |end| end.since(date)).min(LONGEST)
        })
        .min()
}

/// The first value of `Age`; what is no number counts as none (RFC 9111, 5.1).
fn stated_age(headers: &HeaderMap) -> Duration {
    let first = headers.get(AGE).and_then(|line| line.as_bytes().split(|&byte| byte == b',').next());
    first.and_then(|value| parse_seconds(value.trim_ascii())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{BORN, headers, secs};
    use super::super::{Credentials, http_date};
    use super::*;
    use http::StatusCode;

    /// `+N` and `-N` in a value stand for the date so many seconds from the moment of arrival.
    fn with_dates(fields: &[(&str, &str)]) -> HeaderMap {
        let dated: Vec<(&str, String)> = fields
            .iter()
            .map(|(name, value)| match (value.parse::<i64>(), value.starts_with(['+', '-'])) {
                (Ok(offset), true) => {
                    let span = secs(offset.unsigned_abs());
                    (*name, http_date(if offset < 0 { BORN.minus(span) } else { BORN.plus(span) }))
                }
                _ => (*name, (*value).to_owned()),
            })
            .collect();
        headers(&dated.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
    }

    fn exchange(headers: &HeaderMap, delay: u64) -> Exchange<'_> {
        Exchange {
            credentials: Credentials::default(),
            status: StatusCode::OK,
            headers,
            requested_at: BORN.minus(secs(delay)),
            received_at: BORN,
        }
    }

    #[test]
    fn explicit_lifetimes() {
        fn check(clause: &str, fields: &[(&str, &str)], expected: Option<u64>) {
            let headers = with_dates(fields);
            let control = CacheControl::of_reply(&headers);
            assert_eq!(
                explicit(&control, &exchange(&headers, 0)),
                expected.map(secs),
                "{clause}: {fields:?}"
            );
        }
        let cc = "cache-control";
        check("4.2.1 nothing", &[], None);
        check("4.2.1 s-maxage first", &[(cc, "max-age=9, s-maxage=5"), ("expires", "+7")], Some(5));
        check("4.2.1 s-maxage even if zero", &[(cc, "max-age=9, s-maxage=0")], Some(0));
        check("4.2.1 then max-age", &[(cc, "max-age=9"), ("expires", "+7")], Some(9));
        check("5.3 max-age of zero over Expires", &[(cc, "max-age=0"), ("expires", "+7")], Some(0));
        check("4.2.1 then Expires", &[("expires", "+7"), ("date", "+0")], Some(7));
        check("4.2.1 Expires from Date", &[("expires", "+7"), ("date", "-3")], Some(10));
        check("4.2.1 Date is fast", &[("expires", "+7"), ("date", "+20")], Some(0));
        check("4.2.1 no Date", &[("expires", "+7")], Some(7));
        check("4.2.1 Date is none", &[("expires", "+7"), ("date", "foo")], Some(7));
        check("5.3 Expires in the past", &[("expires", "-7")], Some(0));
        check("5.3 Expires is no date", &[("expires", "0")], Some(0));
        check("5.3 Expires of minus one", &[("expires", "-1"), ("date", "+0")], Some(0));
        check("5.3 Expires is empty", &[("expires", "")], Some(0));
        check("4.2.1 two Expires", &[("expires", "+9"), ("expires", "+7")], Some(7));
        check("4.2.1 two Expires, one no date", &[("expires", "+9"), ("expires", "x")], Some(0));
        check("1.2.2 far away", &[("expires", "Fri, 31 Dec 9999 23:59:59 GMT")], Some(1 << 31));
        check("5.4 Pragma means nothing", &[("pragma", "no-cache"), ("expires", "+7")], Some(7));
    }

    #[test]
    fn heuristic_lifetimes() {
        fn check(clause: &str, fields: &[(&str, &str)], expected: Option<u64>) {
            let headers = with_dates(fields);
            assert_eq!(heuristic(&exchange(&headers, 0)), expected.map(secs), "{clause}: {fields:?}");
        }
        let lm = "last-modified";
        check("4.2.2 nothing to go by", &[], None);
        check("4.2.2 a tenth", &[(lm, "-1000"), ("date", "+0")], Some(100));
        check("4.2.2 a tenth until Date", &[(lm, "-1000"), ("date", "-500")], Some(50));
        check("4.2.2 no Date", &[(lm, "-1000")], Some(100));
        check("at least", &[(lm, "-49")], Some(5));
        check("made just now", &[(lm, "+0"), ("date", "+0")], Some(5));
        check("at most", &[(lm, "-8640010")], Some(86_400));
        check("9110 8.8.2.1 modified after Date", &[(lm, "+1"), ("date", "+0")], None);
        check("9110 8.8.2 no date", &[(lm, "yesterday")], None);
    }

    #[test]
    fn initial_ages() {
        fn check(clause: &str, fields: &[(&str, &str)], delay: u64, expected: u64) {
            let headers = with_dates(fields);
            assert_eq!(initial_age(&exchange(&headers, delay)), secs(expected), "{clause}: {fields:?}");
        }
        check("4.2.3 nothing", &[], 0, 0);
        check("4.2.3 response_delay", &[], 2, 2);
        check("4.2.3 age_value + response_delay", &[("age", "10")], 2, 12);
        check("4.2.3 apparent_age", &[("date", "-15"), ("age", "10")], 2, 15);
        check("4.2.3 the larger", &[("date", "-11"), ("age", "10")], 2, 12);
        check("4.2.3 Date is fast", &[("date", "+100"), ("age", "3")], 0, 3);
        check("4.2.3 Date is none", &[("date", "foo")], 0, 0);
        check("5.1 the first of a list", &[("age", "10, 99")], 0, 10);
        check("5.1 blanks in a list", &[("age", " 10 , 99")], 0, 10);
        check("5.1 the first line", &[("age", "10"), ("age", "99")], 0, 10);
        check("5.1 garbage", &[("age", "abc")], 0, 0);
        check("5.1 negative", &[("age", "-7")], 0, 0);
        check("5.1 a fraction", &[("age", "7.0")], 0, 0);
        check("1.2.2 overflow", &[("age", "99999999999")], 0, 1 << 31);
    }

    #[test]
    fn a_reply_of_this_second_has_no_age() {
        let headers = with_dates(&[("date", "+0")]);
        let received_at = BORN.plus(Duration::from_millis(999));
        let exchange = Exchange { requested_at: received_at, received_at, ..exchange(&headers, 0) };
        assert_eq!(initial_age(&exchange), Duration::ZERO);
    }
}
