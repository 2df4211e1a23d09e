//! Dates as HTTP writes them (RFC 9110, 5.6.7).

use crate::time::Timestamp;

/// The last second of the year 9999, beyond which the four digits of a date do not reach.
const LAST: Timestamp = Timestamp::from_secs(253_402_300_799);

/// Length of `Wednesday, 09-Nov-94 08:49:37 GMT`, the longest date that can be valid.
const LONGEST: usize = 33;

/// Formats a date as `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// Fractions of a second are cut off; what lies after the year 9999 is written as its last second.
pub fn http_date(time: Timestamp) -> String {
    httpdate::fmt_http_date(time.min(LAST).as_system_time())
}

/// Reads all three forms of RFC 9110, 5.6.7; `None` for anything else, and for dates before 1970.
///
/// Letters count without case and other zones than `GMT` are faults (RFC 9111, 4.2). The two digits of an obsolete
/// RFC 850 year are taken as 1970 to 2069: where that is wrong the date lies in the past, which only makes a reply stale.
pub fn parse_http_date(value: &[u8]) -> Option<Timestamp> {
    let mut buffer = [0; LONGEST];
    let text = buffer.get_mut(..value.len())?;
    let mut in_word = false;
    for (to, &from) in text.iter_mut().zip(value) {
        *to = if in_word { from.to_ascii_lowercase() } else { from.to_ascii_uppercase() };
        in_word = from.is_ascii_alphabetic();
    }
    if let Some(zone) = text.last_chunk_mut::<3>().filter(|zone| *zone == b"Gmt") {
        *zone = *b"GMT";
    }
    let date = httpdate::parse_http_date(std::str::from_utf8(text).ok()?).ok()?;
    Some(Timestamp::from_system_time(date))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOV_1994: u64 = 784_111_777;

    #[test]
    fn reads_dates() {
        fn check(clause: &str, text: &str, secs: Option<u64>) {
            assert_eq!(parse_http_date(text.as_bytes()), secs.map(Timestamp::from_secs), "{clause}: {text}");
        }
        check("9110 5.6.7 IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", Some(NOV_1994));
        check("9110 5.6.7 RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT", Some(NOV_1994));
        check(
            "9110 5.6.7 RFC 850, longest name",
            "Wednesday, 09-Nov-94 08:49:37 GMT",
            Some(NOV_1994 + 3 * 86_400),
        );
        check("9110 5.6.7 asctime", "Sun Nov  6 08:49:37 1994", Some(NOV_1994));
        check("9111 4.2 case of the weekday", "SUN, 06 Nov 1994 08:49:37 GMT", Some(NOV_1994));
        check("9111 4.2 case of the month", "sun, 06 nOV 1994 08:49:37 GMT", Some(NOV_1994));
        check("9111 4.2 case of the zone", "Sun, 06 Nov 1994 08:49:37 gmt", Some(NOV_1994));
        check("9111 4.2 another zone", "Sun, 06 Nov 1994 08:49:37 UTC", None);
        check("9111 4.2 an offset", "Sun, 06 Nov 1994 08:49:37 +0000", None);
        check("9111 5.3 zero", "0", None);
        check("9111 5.3 minus one", "-1", None);
        check("5.6.7 no comma", "Sun 06 Nov 1994 08:49:37 GMT", None);
        check("5.6.7 two blanks", "Sun, 06  Nov  1994 08:49:37 GMT", None);
        check("5.6.7 dashes with four digits", "Sun, 06-Nov-1994 08:49:37 GMT", None);
        check("5.6.7 periods", "Sun, 06 Nov 1994 08.49.37 GMT", None);
        check("5.6.7 one digit of the hour", "Sun, 06 Nov 1994 8:49:37 GMT", None);
        check("5.6.7 no such day", "Sun, 31 Feb 1994 08:49:37 GMT", None);
        check("empty", "", None);
        check("endless", &"S".repeat(5000), None);
    }

    #[test]
    fn writes_dates() {
        assert_eq!(http_date(Timestamp::from_millis(NOV_1994 * 1000 + 999)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(Timestamp::ZERO), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(Timestamp::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(secs in 0..=LAST.as_secs()) {
            let time = Timestamp::from_secs(secs);
            prop_assert_eq!(parse_http_date(http_date(time).as_bytes()), Some(time));
        }

        #[test]
        fn never_panics(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse_http_date(&value);
        }
    }
}
