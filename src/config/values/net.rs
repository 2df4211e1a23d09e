//! Addresses, networks and the names of hosts.

use crate::config::fault::{Wrong, quoted};
use crate::config::read::Scalar;
use crate::origin::ServerAddress;
use crate::route::HostPattern;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

impl Scalar for SocketAddr {
    const WHAT: &'static str = "an address such as `0.0.0.0:8080`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Ok(address) = text.parse() {
            return Ok(address);
        }
        let (host, port) = text.rsplit_once(':').unwrap_or(match text.parse::<u16>() {
            Ok(_) => ("", text),
            Err(_) => (text, "8080"),
        });
        let host = match host {
            "" | "*" => "0.0.0.0",
            "localhost" => "127.0.0.1",
            other => other,
        };
        let remedy = match format!("{host}:{port}").parse::<Self>() {
            Ok(address) => format!("write `{address}`"),
            Err(_) => "write an IP address and a port, such as `0.0.0.0:8080` or `[::]:8080`".into(),
        };
        Err(Wrong::new(format!("{} is not an address to listen on", quoted(text)), remedy))
    }
}

impl Scalar for IpNet {
    const WHAT: &'static str = "a network such as `10.0.0.0/8`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let Ok(network) = text.parse::<Self>() else {
            let problem = format!("{} is not a network", quoted(text));
            return Err(Wrong::new(
                problem,
                "write one in CIDR notation, such as `10.0.0.0/8` or `fd00::/8`",
            ));
        };
        if network.addr() != network.network() {
            let alone = Self::from(network.addr());
            return Err(Wrong::new(
                format!("{} has bits set behind its prefix", quoted(text)),
                format!("write `{}` for the network, or `{alone}` for the one address", network.trunc()),
            ));
        }
        Ok(network)
    }
}

/// A host, perhaps with a port, in the form in which hosts are compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::config) struct Authority(pub(in crate::config) String);

impl Scalar for Authority {
    const WHAT: &'static str = "a host such as `shop.example.com`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.contains('*') {
            return Err(Wrong::new(
                format!("{} is not the name of one host", quoted(text)),
                "write every name out",
            ));
        }
        // A host pattern without a wildcard is a name that requests can bear.
        let pattern = <HostPattern as Scalar>::parse(text)?;
        Ok(Self(pattern.to_string()))
    }
}

impl Scalar for ServerAddress {
    const WHAT: &'static str = "the URL of a server such as `http://127.0.0.1:3000`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.contains('@') {
            // Not quoted: it holds a password, most likely.
            return Err(Wrong::new(
                "has a user name in it, which Larder would not send",
                "remove everything up to the `@`",
            ));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(without_scheme(text));
        };
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => {
                let problem = format!("{} has a scheme other than http and https", quoted(text));
                let remedy = "write `http://` or `https://` (HTTP/2 is chosen by `protocol`)";
                return Err(Wrong::new(problem, remedy));
            }
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let Some((host, port)) = host_and_port(authority) else {
            let problem = format!("{} has no proper host", quoted(text));
            return Err(Wrong::new(problem, format!("write {}", Self::WHAT)));
        };
        if !matches!(path, "" | "/") {
            let url = quoted(&format!("{scheme}://{authority}"));
            return Err(Wrong::new(
                format!("{} has a path, but the path of a request is never changed", quoted(text)),
                format!("write {url}"),
            ));
        }
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        if port == 0 {
            return Err(Wrong::new(format!("{} has port 0", quoted(text)), "write the port it listens on"));
        }
        Ok(Self { tls, host: host.to_ascii_lowercase(), port })
    }
}

fn without_scheme(text: &str) -> Wrong {
    let remedy = match host_and_port(text) {
        Some(_) => format!("write {}", quoted(&format!("http://{text}"))),
        None => format!("write {}", ServerAddress::WHAT),
    };
    Wrong::new(format!("{} is not a URL", quoted(text)), remedy)
}

/// A host, of an IPv6 address without its brackets, and the port behind it.
pub(super) fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, rest)
        }
        None => {
            let (host, rest) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if host.is_empty() || !host.bytes().all(is_part) {
                return None;
            }
            (host, rest)
        }
    };
    if rest.is_empty() {
        return Some((host, None));
    }
    // `parse` alone would take a sign.
    let digits = rest.strip_prefix(':').filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    Some((host, Some(digits.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers() {
        for (text, tls, host, port) in [
            ("http://127.0.0.1:3000", false, "127.0.0.1", 3000),
            ("http://Shop.svc", false, "shop.svc", 80),
            ("HTTPS://shop.svc/", true, "shop.svc", 443),
            ("https://[::1]:8443", true, "::1", 8443),
        ] {
            assert_eq!(
                ServerAddress::parse(text),
                Ok(ServerAddress { tls, host: host.into(), port }),
                "{text}"
            );
        }
    }

    #[track_caller]
    fn refuses<T: Scalar + std::fmt::Debug>(text: &str, problem: &str, remedy: &str) {
        let wrong = T::parse(text).expect_err(text);
        assert_eq!((wrong.problem.as_str(), wrong.remedy.as_str()), (problem, remedy), "{text}");
    }

    #[test]
    fn faults_of_servers() {
        type S = ServerAddress;
        refuses::<S>("127.0.0.1:3000", "`127.0.0.1:3000` is not a URL", "write `http://127.0.0.1:3000`");
        refuses::<S>(
            "http://a/api",
            "`http://a/api` has a path, but the path of a request is never changed",
            "write `http://a`",
        );
        refuses::<S>(
            "h2c://a",
            "`h2c://a` has a scheme other than http and https",
            "write `http://` or `https://` (HTTP/2 is chosen by `protocol`)",
        );
        refuses::<S>(
            "http://joe:secret@a",
            "has a user name in it, which Larder would not send",
            "remove everything up to the `@`",
        );
        let example = "write the URL of a server such as `http://127.0.0.1:3000`";
        for text in ["http://", "http://:80", "http://a b", "http://a:99999", "http://a:", "http://[::1"] {
            refuses::<S>(text, &format!("`{text}` has no proper host"), example);
        }
        refuses::<S>("http://a:0", "`http://a:0` has port 0", "write the port it listens on");
        refuses::<S>("", "`` is not a URL", example);
    }

    #[test]
    fn faults_of_addresses() {
        type A = SocketAddr;
        for (text, remedy) in [
            (":8080", "write `0.0.0.0:8080`"),
            ("8080", "write `0.0.0.0:8080`"),
            ("*:80", "write `0.0.0.0:80`"),
            ("localhost:9090", "write `127.0.0.1:9090`"),
            ("10.0.0.1", "write `10.0.0.1:8080`"),
            ("shop:80", "write an IP address and a port, such as `0.0.0.0:8080` or `[::]:8080`"),
            ("0.0.0.0:70000", "write an IP address and a port, such as `0.0.0.0:8080` or `[::]:8080`"),
        ] {
            refuses::<A>(text, &format!("`{text}` is not an address to listen on"), remedy);
        }
    }

    #[test]
    fn networks() {
        assert_eq!(IpNet::parse("10.0.0.0/8").map(|n| n.to_string()), Ok("10.0.0.0/8".into()));
        assert_eq!(IpNet::parse("10.1.2.3").map(|n| n.to_string()), Ok("10.1.2.3/32".into()));
        assert_eq!(IpNet::parse("::1").map(|n| n.to_string()), Ok("::1/128".into()));
        refuses::<IpNet>(
            "10.1.2.3/8",
            "`10.1.2.3/8` has bits set behind its prefix",
            "write `10.0.0.0/8` for the network, or `10.1.2.3/32` for the one address",
        );
        let remedy = "write one in CIDR notation, such as `10.0.0.0/8` or `fd00::/8`";
        refuses::<IpNet>("10.0.0.0/33", "`10.0.0.0/33` is not a network", remedy);
        refuses::<IpNet>("10.*", "`10.*` is not a network", remedy);
    }

    #[test]
    fn authorities() {
        for (text, name) in
            [("Shop.Example.com.", "shop.example.com"), ("a:81", "a:81"), ("[0::1]:81", "[::1]:81")]
        {
            assert_eq!(Authority::parse(text), Ok(Authority(name.into())));
        }
        refuses::<Authority>("http://a.b/", "`http://a.b/` is a URL, not a host", "write `a.b`");
        refuses::<Authority>("*.a.b", "`*.a.b` is not the name of one host", "write every name out");
        refuses::<Authority>(
            "a b",
            "`a b` is not a host",
            "write `shop.example.com`, `*.example.com` or `shop.example.com:8080`",
        );
    }
}
