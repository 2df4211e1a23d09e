//! Fields that speak of one connection only (RFC 9110, 7.6.1; RFC 9111, 3.1).

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    COOKIE, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE, VARY,
};
use http::{HeaderMap, HeaderName};

/// Removed from every message. RFC 9110, 7.6.1 names most; the proxy's own three follow RFC 9111, 3.1; trailers are not
/// kept, so announcing them would promise what never comes.
static SINGLE_CONNECTION: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
];

/// What `Connection` cannot remove. No sender may list a field that is meant for all recipients (RFC 9110, 7.6.1); one
/// that does could have a personal reply stored as if it were everybody's, or a body read as what it is not.
static END_TO_END: [HeaderName; 10] = [
    HOST,
    AUTHORIZATION,
    COOKIE,
    CACHE_CONTROL,
    VARY,
    SET_COOKIE,
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_ENCODING,
    CONTENT_RANGE,
];

/// Removes the fields that speak of one connection only, and those that `Connection` lists.
///
/// For a request see [`hides_fields`] first.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let listed: Vec<HeaderName> = listed(headers).filter(|name| !END_TO_END.contains(name)).collect();
    for name in listed.iter().chain(&SINGLE_CONNECTION) {
        headers.remove(name);
    }
}

/// Whether `Connection` takes fields out of a request that the origin would otherwise see.
///
/// No honest client does that, and the cache cannot serve one that does: a key made of a listed field would be filled
/// with the origin's answer to its absence, for everybody who sends it. Such a request has to go through by itself.
pub fn hides_fields(headers: &HeaderMap) -> bool {
    listed(headers).any(|name| {
        headers.contains_key(&name) && !SINGLE_CONNECTION.contains(&name) && !END_TO_END.contains(&name)
    })
}

/// The names that `Connection` lists, as far as they can be read.
fn listed(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    headers
        .get_all(CONNECTION)
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .filter_map(|option| HeaderName::from_bytes(option.trim_ascii()).ok())
}

/// Whether a message that travels further never has this field.
#[cfg(test)]
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    SINGLE_CONNECTION.contains(name)
}

#[cfg(test)]
mod tests {
    use super::super::testing::headers;
    use super::*;

    #[test]
    fn removes_what_is_of_one_connection() {
        fn check(clause: &str, fields: &[(&str, &str)], left: &[&str]) {
            let mut headers = headers(fields);
            remove_hop_by_hop(&mut headers);
            let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, left, "{clause}: {fields:?}");
        }
        check("nothing to do", &[("etag", "\"a\""), ("x-a", "1")], &["etag", "x-a"]);
        for name in &SINGLE_CONNECTION {
            check("7.6.1, 9111 3.1", &[(name.as_str(), "close"), ("x-a", "1")], &["x-a"]);
        }
        check("7.6.1 listed", &[("connection", "close, X-A ,x-b"), ("x-a", "1"), ("x-c", "1")], &["x-c"]);
        check(
            "7.6.1 two lines",
            &[("connection", "x-a"), ("connection", "x-b"), ("x-b", "1"), ("x-a", "1")],
            &[],
        );
        check("7.6.1 all lines of a name", &[("connection", "x-a"), ("x-a", "1"), ("x-a", "2")], &[]);
        check("7.6.1 not a name", &[("connection", "a b, , \"x\""), ("x-a", "1")], &["x-a"]);
        for name in &END_TO_END {
            check(
                "7.6.1 meant for all",
                &[("connection", name.as_str()), (name.as_str(), "1")],
                &[name.as_str()],
            );
        }
    }

    #[test]
    fn tells_requests_that_hide_fields() {
        fn check(fields: &[(&str, &str)], expected: bool) {
            assert_eq!(hides_fields(&headers(fields)), expected, "7.6.1: {fields:?}");
        }
        let language = ("accept-language", "de");
        check(&[language], false);
        check(&[("connection", "keep-alive"), ("keep-alive", "timeout=5"), language], false);
        check(&[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), language], false);
        check(&[("connection", "close, Accept-Language"), language], true);
        check(&[("connection", "close"), ("connection", "accept-language"), language], true);
        check(&[("connection", "accept-language")], false);
        check(&[("connection", "cookie, authorization"), ("cookie", "a=b"), ("authorization", "x")], false);
    }
}
