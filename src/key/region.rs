//! The region a client is in, for `vary: [region]`.

use http::{HeaderMap, HeaderName};
use std::collections::HashMap;

/// The longest value that is looked at: what geolocation services send is a country (`DE`), a subdivision (`US-CA`), a
/// continent or a city. Longer ones are junk, and junk must not make keys.
const MAX_VALUE: usize = 64;

/// A header that names the client's country or region, and what its values mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionRule {
    /// The header to read.
    pub header: HeaderName,
    /// Value of the header (upper case) → region. Empty: the value itself is the region.
    pub map: HashMap<String, String>,
    /// The region of everybody else.
    pub default: String,
}

impl RegionRule {
    /// The region of a request.
    ///
    /// The value is trimmed and, for the map, taken in upper case. The default stands for a header that is missing, that comes
    /// in several lines (a client's own beside that of the CDN) and for a value that the map does not know, or, without a
    /// map, that is not 1 to 64 letters, digits, `-` and `_`. Such a value is a region as it was sent: with an empty map,
    /// whoever can set the header can make a key of every value, so it must be one that a proxy in front overwrites.
    ///
    /// Allocates nothing.
    pub fn of<'a>(&'a self, headers: &'a HeaderMap) -> &'a str {
        self.known(headers).unwrap_or(&self.default)
    }

    fn known<'a>(&'a self, headers: &'a HeaderMap) -> Option<&'a str> {
        let mut lines = headers.get_all(&self.header).iter();
        let (line, None) = (lines.next()?, lines.next()) else {
            return None;
        };
        let value = line.as_bytes().trim_ascii();
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if value.is_empty() || value.len() > MAX_VALUE {
            return None;
        }
        if self.map.is_empty() {
            return std::str::from_utf8(value).ok().filter(|text| text.as_bytes().iter().all(is_plain));
        }
        let mut upper = [0; MAX_VALUE];
        let upper = &mut upper[..value.len()];
        upper.copy_from_slice(value);
        upper.make_ascii_uppercase();
        self.map.get(std::str::from_utf8(upper).ok()?).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::RegionRule;
    use http::{HeaderMap, HeaderName, HeaderValue};
    use std::collections::HashMap;

    const COUNTRY: HeaderName = HeaderName::from_static("cloudfront-viewer-country");

    fn check(map: &[(&str, &str)], cases: &[(&[&str], &str)]) {
        let map: HashMap<_, _> =
            map.iter().map(|(value, region)| ((*value).into(), (*region).into())).collect();
        let rule = RegionRule { header: COUNTRY, map, default: "rest".to_owned() };
        for (lines, expected) in cases {
            let headers: HeaderMap = lines
                .iter()
                .map(|line| (COUNTRY, HeaderValue::from_bytes(line.as_bytes()).unwrap()))
                .collect();
            assert_eq!(rule.of(&headers), *expected, "{lines:?}");
        }
    }

    #[test]
    fn values_are_looked_up_in_upper_case() {
        check(
            &[("DE", "eu"), ("FR", "eu"), ("US", "us"), ("NEW YORK", "ny")],
            &[
                (&["DE"], "eu"),
                (&[" de\t"], "eu"),
                (&["fR"], "eu"),
                (&["New York"], "ny"),
                (&["JP"], "rest"),
                (&[""], "rest"),
                (&[], "rest"),
                (&["US", "DE"], "rest"),
                (&["dé"], "rest"),
                (&["x".repeat(65).as_str()], "rest"),
            ],
        );
    }

    #[test]
    fn without_a_map_only_harmless_values_are_regions() {
        let (longest, longer) = ("x".repeat(64), "x".repeat(65));
        check(
            &[],
            &[
                (&["DE"], "DE"),
                (&["de"], "de"),
                (&[" us-CA_1 "], "us-CA_1"),
                (&[&longest], &longest),
                (&[&longer], "rest"),
                (&["New York"], "rest"),
                (&["a,b"], "rest"),
                (&["é"], "rest"),
                (&[""], "rest"),
                (&["DE", "DE"], "rest"),
            ],
        );
    }
}
