//! Host patterns.

use super::PatternError;
use std::fmt;
use std::net::Ipv6Addr;

/// The longest name of the domain system, with its dots (RFC 1035, 2.3.4).
const MAX_HOST: usize = 253;

/// `shop.example.com` or `*.example.com`; compared without case, and without a port unless the pattern names one.
///
/// `*.` stands for one or more labels, as in a DNS zone: `*.example.com` matches `a.example.com` and `a.b.example.com`, not
/// `example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// Canonical, with the port if there is one, without `*.`.
    name: Box<str>,
    below: bool,
}

impl HostPattern {
    /// Parses a host pattern: a name, an IPv4 address or an IPv6 address in brackets, with or without a port.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text == "*" {
            return Err(PatternError::EveryHost);
        }
        let bad = || PatternError::BadHost(text.to_owned());
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let (host, port) = match split_port(name) {
            Some((host, port)) => (host, Some(parse_port(port).ok_or_else(bad)?)),
            None => (name, None),
        };
        let host = canonical_host(host).filter(|host| !(below && host.starts_with('['))).ok_or_else(bad)?;
        match port {
            Some(port @ (80 | 443)) => Err(PatternError::DefaultPort { host, port }),
            Some(port) => Ok(Self { name: format!("{host}:{port}").into(), below }),
            None => Ok(Self { name: host.into(), below }),
        }
    }

    /// Whether `authority` (canonical) matches.
    pub fn matches(&self, authority: &str) -> bool {
        let matches = |text: &str| {
            if self.below {
                text.strip_suffix(&*self.name).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
            } else {
                text == &*self.name
            }
        };
        matches(authority) || split_port(authority).is_some_and(|(host, _)| matches(host))
    }

    /// The only host that matches, but for ports; `None` where it is any below a name.
    pub fn literal(&self) -> Option<&str> {
        (!self.below).then_some(&*self.name)
    }

    /// The name to match, or to match something below.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is the hosts below the name that match.
    pub(super) fn is_below(&self) -> bool {
        self.below
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}

/// Host and port of an authority that has a port.
pub(super) fn split_port(authority: &str) -> Option<(&str, &str)> {
    // The last colon of `[::1]` is not one before a port.
    authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'))
}

fn parse_port(port: &str) -> Option<u16> {
    // `parse` alone would take a sign.
    port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())?
}

fn canonical_host(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (name.len() <= MAX_HOST && name.split('.').all(is_label)).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{HostPattern, PatternError};

    #[test]
    fn hosts_match_with_and_without_port() {
        for (pattern, authority, expected) in [
            ("shop.example.com", "shop.example.com", true),
            ("shop.example.com", "shop.example.com:8080", true),
            ("Shop.Example.COM.", "shop.example.com", true),
            ("shop.example.com", "xshop.example.com", false),
            ("shop.example.com", "shop.example.com.evil.net", false),
            ("shop.example.com:8080", "shop.example.com:8080", true),
            ("shop.example.com:08080", "shop.example.com:8080", true),
            ("shop.example.com:8080", "shop.example.com", false),
            ("shop.example.com:8080", "shop.example.com:8081", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com:81", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "badexample.com", false),
            ("*.example.com:81", "a.example.com:81", true),
            ("*.example.com:81", "a.example.com", false),
            ("[0:0::1]", "[::1]", true),
            ("[::1]", "[::1]:81", true),
            ("[::1]:81", "[::1]", false),
            ("127.0.0.1", "127.0.0.1:3000", true),
        ] {
            let pattern = HostPattern::parse(pattern).unwrap();
            assert_eq!(pattern.matches(authority), expected, "{pattern} {authority}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "a b",
            "user@a",
            "a/b",
            "a:",
            "a:x",
            "a:+81",
            "a:99999",
            "*.",
            "*a.com",
            "a.*.com",
            "*.*.com",
            "[::1",
            "[x]",
            "*.[::1]",
            "::1",
            "ex%61mple.com",
            "käse.de",
            "a:1:2",
        ] {
            assert_eq!(HostPattern::parse(text), Err(PatternError::BadHost(text.to_owned())), "{text}");
        }
        assert_eq!(HostPattern::parse("*"), Err(PatternError::EveryHost));
        assert_eq!(
            HostPattern::parse("A.com:443"),
            Err(PatternError::DefaultPort { host: "a.com".to_owned(), port: 443 })
        );
        let long = "a.".repeat(127) + "com";
        assert_eq!(HostPattern::parse(&long), Err(PatternError::BadHost(long.clone())));
    }

    #[test]
    fn is_shown_in_canonical_form() {
        for (text, shown) in [("*.Example.com.", "*.example.com"), ("[0::1]:81", "[::1]:81"), ("A", "a")] {
            assert_eq!(HostPattern::parse(text).unwrap().to_string(), shown);
        }
    }
}
