//! One name for each service.

use super::Scheme;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Write};
use std::net::Ipv6Addr;

/// The longest name of the domain system, with its dots (RFC 1035, 2.3.4).
const MAX_HOST: usize = 253;

/// Other names of a service: alias → canonical name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAliases {
    names: HashMap<Box<str>, Box<str>>,
}

impl HostAliases {
    /// From pairs of alias and canonical name, each with or without a port.
    ///
    /// Both are brought into canonical form; ports 80 and 443 are left out of it. A name that [`canonical_authority`] refuses
    /// equals none that a request can have, so its pair is left out: check names before, if somebody is to hear of it.
    /// Aliases are resolved once: a canonical name is not looked up again.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let is_default = |port| matches!(port, 80 | 443);
        let pairs = pairs.into_iter().filter_map(|(alias, name)| {
            let alias = canonical(&alias, is_default)?;
            let name = canonical(&name, is_default)?;
            Some((alias.into(), name.into()))
        });
        Self { names: pairs.collect() }
    }

    /// The canonical names of the services that have others, each once, in no order.
    pub fn canonical_names(&self) -> impl Iterator<Item = &str> {
        let names: std::collections::BTreeSet<_> = self.names.values().map(|name| &**name).collect();
        names.into_iter()
    }

    /// The one name of the service that a canonical authority names: of aliases another, else itself.
    pub fn canonical<'a>(&'a self, authority: &'a str) -> &'a str {
        self.resolve(authority).unwrap_or(authority)
    }

    /// The other names of a service, in order.
    pub fn others(&self, name: &str) -> Vec<&str> {
        let aliases = self.names.iter().filter(|(_, canonical)| ***canonical == *name);
        let mut others: Vec<_> = aliases.map(|(alias, _)| &**alias).collect();
        others.sort_unstable();
        others
    }

    /// The service that a canonical authority is another name of. An alias without a port is one on every port.
    fn resolve(&self, authority: &str) -> Option<&str> {
        if self.names.is_empty() {
            return None;
        }
        let without_port = || {
            let (host, _) = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'))?;
            self.names.get(host)
        };
        self.names.get(authority).or_else(without_port).map(|name| &**name)
    }
}

/// The canonical form of an authority: lower case, without the default port of `scheme`, without a trailing dot, an IPv6 address
/// as RFC 5952 writes it, aliases resolved (RFC 9110, 4.2.3; RFC 3986, 6.2.2.1 and 6.2.3).
///
/// `None` when it is no authority of an HTTP request: empty, with user information (RFC 9110, 4.2.4), with a port above 65535, or
/// with a host that is neither an IPv6 address in brackets nor up to 253 letters, digits, `-`, `_` and single dots. RFC 3986 has
/// more characters for registered names, and escapes; no name that resolves has them, and what readers differ in makes keys
/// differ from what the origin sees. Allocates only when it has to change something other than cutting off the end.
pub fn canonical_authority<'a>(
    authority: &'a str,
    scheme: Scheme,
    aliases: &'a HostAliases,
) -> Option<Cow<'a, str>> {
    let canonical = canonical(authority, |port| port == scheme.default_port())?;
    Some(aliases.resolve(&canonical).map_or(canonical, Cow::Borrowed))
}

fn canonical(authority: &str, is_default: impl Fn(u16) -> bool) -> Option<Cow<'_, str>> {
    let (host, port) = split(authority)?;
    let host = if host.starts_with('[') { canonical_address(host)? } else { canonical_name(host)? };
    // `example.com:` is `example.com` (RFC 3986, 6.2.3).
    let number = if port.is_empty() { None } else { Some(parse_port(port)?) };
    let Some(number) = number.filter(|number| !is_default(*number)) else {
        return Some(host);
    };
    match host {
        Cow::Borrowed(host) if host.len() + 1 + port.len() == authority.len() && is_short(port) => {
            Some(Cow::Borrowed(authority))
        }
        host => Some(Cow::Owned(format!("{host}:{number}"))),
    }
}

/// Host, and what follows the colon after it.
fn split(authority: &str) -> Option<(&str, &str)> {
    if !authority.starts_with('[') {
        return Some(authority.split_once(':').unwrap_or((authority, "")));
    }
    let (host, rest) = authority.split_at(authority.find(']')? + 1);
    if rest.is_empty() { Some((host, "")) } else { Some((host, rest.strip_prefix(':')?)) }
}

fn canonical_name(host: &str) -> Option<Cow<'_, str>> {
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.is_empty() || name.len() > MAX_HOST {
        return None;
    }
    let (mut before, mut upper) = (b'.', false);
    for byte in name.bytes() {
        match byte {
            b'.' if before == b'.' => return None,
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {}
            b'A'..=b'Z' => upper = true,
            _ => return None,
        }
        before = byte;
    }
    let ends_in_label = before != b'.';
    ends_in_label.then(|| if upper { Cow::Owned(name.to_ascii_lowercase()) } else { Cow::Borrowed(name) })
}

fn canonical_address(host: &str) -> Option<Cow<'_, str>> {
    let inner = host.strip_prefix('[')?.strip_suffix(']')?;
    let address: Ipv6Addr = inner.parse().ok()?;
    let mut rest = Unwritten(inner);
    let unchanged = write!(rest, "{address}").is_ok() && rest.0.is_empty();
    Some(if unchanged { Cow::Borrowed(host) } else { Cow::Owned(format!("[{address}]")) })
}

fn parse_port(port: &str) -> Option<u16> {
    // `parse` alone would take a sign.
    port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())?
}

/// Whether a port has no leading zero.
fn is_short(port: &str) -> bool {
    port.len() == 1 || !port.starts_with('0')
}

/// What is still to be written of an expected text. Writing anything else fails, so that a value can be compared with a text
/// without being turned into one.
struct Unwritten<'t>(&'t str);

impl fmt::Write for Unwritten<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{HostAliases, Scheme, canonical_authority};
    use std::borrow::Cow;

    fn check(aliases: &[(&str, &str)], scheme: Scheme, cases: &[(&str, Option<&str>)]) {
        let aliases = HostAliases::new(aliases.iter().map(|(alias, name)| ((*alias).into(), (*name).into())));
        for (authority, expected) in cases {
            let found = canonical_authority(authority, scheme, &aliases);
            assert_eq!(found.as_deref(), *expected, "{authority}");
            // What is canonical stays as it is, without a copy.
            if let Some(found) = found {
                let again = canonical_authority(&found, scheme, &aliases);
                assert!(matches!(again, Some(Cow::Borrowed(text)) if text == found), "{authority}");
            }
        }
    }

    #[test]
    fn there_is_one_spelling() {
        check(
            &[],
            Scheme::Http,
            &[
                ("shop.example.com", Some("shop.example.com")),
                ("Shop.EXAMPLE.com", Some("shop.example.com")),
                ("shop.example.com.", Some("shop.example.com")),
                ("shop.example.com:80", Some("shop.example.com")),
                ("shop.example.com.:0080", Some("shop.example.com")),
                ("shop.example.com:", Some("shop.example.com")),
                ("shop.example.com:443", Some("shop.example.com:443")),
                ("shop.example.com:8080", Some("shop.example.com:8080")),
                ("shop.example.com:08080", Some("shop.example.com:8080")),
                ("shop.example.com.:8080", Some("shop.example.com:8080")),
                ("a:0", Some("a:0")),
                ("a:00", Some("a:0")),
                ("my_app-1", Some("my_app-1")),
                ("127.0.0.1:3000", Some("127.0.0.1:3000")),
                ("[::1]", Some("[::1]")),
                ("[::1]:80", Some("[::1]")),
                ("[::1]:81", Some("[::1]:81")),
                ("[0:0:0::1]:081", Some("[::1]:81")),
                ("[2001:DB8::1]", Some("[2001:db8::1]")),
                ("[::ffff:1.2.3.4]", Some("[::ffff:1.2.3.4]")),
            ],
        );
        check(
            &[],
            Scheme::Https,
            &[("a:443", Some("a")), ("a:80", Some("a:80")), ("[::1]:443", Some("[::1]"))],
        );
    }

    #[test]
    fn what_is_no_authority_is_refused() {
        let long = "a.".repeat(126) + "bc";
        for authority in [
            "",
            ".",
            "..",
            ":80",
            ".a",
            "a..b",
            "a..",
            "user@a",
            "user:secret@a",
            "a b",
            " a",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a%41",
            "é",
            "a:x",
            "a:+80",
            "a:-1",
            "a:65536",
            "a:1:2",
            "a:80:",
            "::1",
            "[::1",
            "::1]",
            "[]",
            "[a]",
            "[::1%eth0]",
            "[1.2.3.4]",
            "[v1.x]",
            "[::1]a",
            "[::1]81",
            "a,b",
            "a\0",
            "a\r\nb",
            "*",
            "*.a",
            &long,
        ] {
            check(&[], Scheme::Http, &[(authority, None)]);
        }
        check(&[], Scheme::Http, &[(&long[1..], None), (&long[2..], Some(&long[2..]))]);
    }

    #[test]
    fn aliases_stand_for_one_name() {
        let aliases = [
            ("Catalog.svc.", "Shop.example.com:443"),
            ("internal:8081", "shop.example.com"),
            ("other:80", "other.example.com:8080"),
            ("chained", "catalog.svc"),
            ("[0::1]", "shop.example.com"),
            ("not a host", "shop.example.com"),
            ("lost", "not a host"),
        ];
        check(
            &aliases,
            Scheme::Http,
            &[
                ("catalog.svc", Some("shop.example.com")),
                ("CATALOG.SVC.:80", Some("shop.example.com")),
                ("catalog.svc:3000", Some("shop.example.com")),
                ("internal:8081", Some("shop.example.com")),
                ("internal", Some("internal")),
                ("internal:8082", Some("internal:8082")),
                ("other", Some("other.example.com:8080")),
                ("other:80", Some("other.example.com:8080")),
                ("[::1]:9", Some("shop.example.com")),
                ("shop.example.com", Some("shop.example.com")),
                ("shop.example.com:8080", Some("shop.example.com:8080")),
                ("lost", Some("lost")),
                ("user@catalog.svc", None),
            ],
        );
        let of_two =
            HostAliases::new(aliases[..3].iter().map(|(alias, name)| ((*alias).into(), (*name).into())));
        assert_eq!(of_two.others("shop.example.com"), ["catalog.svc", "internal:8081"]);
        assert_eq!(of_two.others("catalog.svc"), [""; 0]);
        assert_eq!(of_two.canonical("catalog.svc:3000"), "shop.example.com");
        assert_eq!(of_two.canonical("another"), "another");
        let aliases = HostAliases::new([("chained".to_owned(), "catalog.svc".to_owned())]);
        assert_eq!(canonical_authority("chained", Scheme::Http, &aliases).as_deref(), Some("catalog.svc"));
    }
}
