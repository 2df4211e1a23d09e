//! The token that lets an operator in.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::fmt;

/// A bearer token (RFC 6750), kept as its hash: neither a debug print nor a core dump gives it away.
#[derive(Clone)]
pub(super) struct Token(blake3::Hash);

/// What a request's credentials are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// The token.
    Valid,
    /// None.
    Missing,
    /// Something else.
    Wrong,
}

impl Token {
    /// From its text.
    pub(super) fn new(text: &str) -> Self {
        Self(blake3::hash(text.as_bytes()))
    }

    /// Looks at `Authorization`.
    pub(super) fn check(&self, headers: &HeaderMap) -> Credentials {
        let mut lines = headers.get_all(AUTHORIZATION).iter();
        match (lines.next(), lines.next()) {
            (None, _) => Credentials::Missing,
            (Some(line), None) if self.matches(line.as_bytes()) => Credentials::Valid,
            _ => Credentials::Wrong,
        }
    }

    fn matches(&self, credentials: &[u8]) -> bool {
        const SCHEME: &[u8] = b"bearer ";
        let Some((scheme, token)) = credentials.split_at_checked(SCHEME.len()) else { return false };
        // Hashes are compared in constant time, and say nothing of the length of what they are of.
        scheme.eq_ignore_ascii_case(SCHEME) && blake3::hash(token.trim_ascii()) == self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials() {
        fn check(lines: &[&str], want: Credentials) {
            let headers = lines.iter().map(|line| (AUTHORIZATION, line.parse().unwrap())).collect();
            assert_eq!(Token::new("s3cret").check(&headers), want, "{lines:?}");
        }
        check(&[], Credentials::Missing);
        check(&["Bearer s3cret"], Credentials::Valid);
        check(&["bEARER   s3cret "], Credentials::Valid);
        check(&["Bearer s3cret", "Bearer s3cret"], Credentials::Wrong);
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3crets",
            "Bearer S3cret",
            "s3cret",
            "Basic s3cret",
        ] {
            check(&[wrong], Credentials::Wrong);
        }
    }

    #[test]
    fn it_is_never_shown() {
        assert_eq!(format!("{:?}", Token::new("s3cret")), "Token(…)");
    }
}
