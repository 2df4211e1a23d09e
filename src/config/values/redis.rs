//! Where Redis is, and who Larder is to it.

use super::net::host_and_port;
use crate::config::Secret;
use crate::config::fault::{Wrong, quoted};
use crate::config::read::{Scalar, nearest};
use crate::redis::{RedisServers, ServerAddress};

/// What a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct RedisUrl {
    pub(in crate::config) servers: RedisServers,
    pub(in crate::config) tls: bool,
    pub(in crate::config) database: u32,
    pub(in crate::config) username: Option<String>,
    pub(in crate::config) password: Option<Secret>,
}

/// What a scheme stands for.
#[derive(Clone, Copy)]
enum Form {
    Single,
    Cluster,
    Sentinel,
}

/// The schemes, whether each uses TLS, and what it leads to.
const SCHEMES: &[(&str, bool, Form)] = &[
    ("redis", false, Form::Single),
    ("rediss", true, Form::Single),
    ("redis-cluster", false, Form::Cluster),
    ("rediss-cluster", true, Form::Cluster),
    ("redis-sentinel", false, Form::Sentinel),
    ("rediss-sentinel", true, Form::Sentinel),
    ("valkey", false, Form::Single),
    ("valkeys", true, Form::Single),
    ("valkey-cluster", false, Form::Cluster),
    ("valkeys-cluster", true, Form::Cluster),
    ("valkey-sentinel", false, Form::Sentinel),
    ("valkeys-sentinel", true, Form::Sentinel),
];

/// Where Redis listens, and where its sentinels do.
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Servers in one URL. They only have to lead to the others; each that is gone costs a second on the way.
const MAX_SERVERS: usize = 32;

/// Databases that Redis can be set up to have.
const MAX_DATABASE: u32 = 1 << 20;

impl Scalar for RedisUrl {
    const WHAT: &'static str = "the URL of Redis such as `redis://127.0.0.1:6379`";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, Wrong> {
        let Some((scheme, rest)) = text.split_once("://") else {
            let shown = shown(text);
            let remedy = match shown == quoted(text) && host_and_port(text).is_some() {
                true => format!("write {}", quoted(&format!("redis://{text}"))),
                false => format!("write {}", Self::WHAT),
            };
            return Err(Wrong::new(format!("{shown} is not a URL"), remedy));
        };
        let (tls, form) = scheme_of(scheme)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if path.contains('@') {
            let problem = "has a `/`, `?` or `#` in front of the `@`";
            return Err(Wrong::new(problem, "write them as `%2F`, `%3F` and `%23` in a password"));
        }
        if path.contains(['?', '#']) {
            let problem = format!("{} has parameters", shown(text));
            return Err(Wrong::new(
                problem,
                "remove everything from the `?` on, and write keys beside `url`",
            ));
        }
        let (user, hosts) = authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u), h));
        let (username, password) = user.map_or(Ok((None, None)), user_of)?;
        let servers = hosts_of(hosts, text, form)?;
        let path = path.strip_prefix('/').unwrap_or(path);
        let (servers, database) = match form {
            Form::Single => (single(servers, text)?, path),
            Form::Cluster => (RedisServers::Cluster(servers), path),
            Form::Sentinel => {
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                let service = decoded(service).filter(|name| !name.trim().is_empty());
                let Some(service) = service else {
                    let problem = format!("{} names no service behind the sentinels", shown(text));
                    return Err(Wrong::new(
                        problem,
                        "write its name at the end: `redis-sentinel://a:26379,b:26379/mymaster`",
                    ));
                };
                (RedisServers::Sentinel { sentinels: servers, service }, database)
            }
        };
        let database = database_of(database, text, form)?;
        Ok(Self { servers, tls, database, username, password })
    }
}

fn scheme_of(scheme: &str) -> Result<(bool, Form), Wrong> {
    let lower = scheme.to_ascii_lowercase();
    if let Some((_, tls, form)) = SCHEMES.iter().find(|(name, ..)| *name == lower) {
        return Ok((*tls, *form));
    }
    let meant = match lower.replace('+', "-").as_str() {
        "unix" | "redis-unix" | "redis-socket" => None,
        other => nearest(other, SCHEMES.iter().map(|(name, ..)| *name)),
    };
    let remedy = match meant {
        Some(meant) => format!("did you mean `{meant}://`?"),
        None => "write `redis://`, `rediss://`, `redis-cluster://` or `redis-sentinel://`".to_owned(),
    };
    Err(Wrong::new(format!("{} is not a scheme of Redis", quoted(&format!("{scheme}://"))), remedy))
}

fn user_of(user: &str) -> Result<(Option<String>, Option<Secret>), Wrong> {
    let (name, password) = user.split_once(':').map_or((user, None), |(name, word)| (name, Some(word)));
    let part = |text: &str| {
        decoded(text).ok_or_else(|| {
            // Not quoted, for it may be the password.
            Wrong::new("has a `%` in the user or the password that stands for nothing", "write it as `%25`")
        })
    };
    let name = Some(part(name)?).filter(|name| !name.is_empty());
    let password = password.map(part).transpose()?.filter(|password| !password.is_empty());
    Ok((name, password.map(Secret::new)))
}

fn hosts_of(hosts: &str, text: &str, form: Form) -> Result<Vec<ServerAddress>, Wrong> {
    let usual = if matches!(form, Form::Sentinel) { SENTINEL_PORT } else { PORT };
    let mut servers = Vec::new();
    for part in hosts.split(',') {
        let Some((host, port)) = host_and_port(part.trim()) else {
            let problem = format!("{} has {} for a host", shown(text), quoted(part));
            return Err(Wrong::new(problem, format!("write {}", RedisUrl::WHAT)));
        };
        let port = port.unwrap_or(usual);
        if port == 0 {
            let problem = format!("{} has port 0", shown(text));
            return Err(Wrong::new(problem, "write the port it listens on"));
        }
        let server = ServerAddress { host: host.to_ascii_lowercase(), port };
        if servers.contains(&server) {
            let problem = format!("{} names {} twice", shown(text), quoted(part));
            return Err(Wrong::new(problem, "write every server once"));
        }
        servers.push(server);
    }
    if servers.len() > MAX_SERVERS {
        let problem = format!("{} names {} servers", shown(text), servers.len());
        return Err(Wrong::new(problem, format!("write at most {MAX_SERVERS}: they lead to the others")));
    }
    Ok(servers)
}

fn single(mut servers: Vec<ServerAddress>, text: &str) -> Result<RedisServers, Wrong> {
    match (servers.pop(), servers.is_empty()) {
        (Some(server), true) => Ok(RedisServers::Single(server)),
        _ => Err(Wrong::new(
            format!("{} names several servers", shown(text)),
            "write `redis-cluster://` for the nodes of a cluster, or `redis-sentinel://` for sentinels",
        )),
    }
}

fn database_of(path: &str, text: &str, form: Form) -> Result<u32, Wrong> {
    let digits = path.bytes().all(|b| b.is_ascii_digit());
    match path.parse::<u32>() {
        _ if path.is_empty() => Ok(0),
        Ok(0) => Ok(0),
        Ok(_) if matches!(form, Form::Cluster) => Err(Wrong::new(
            format!("{} names a database, and a cluster has one only", shown(text)),
            "remove it",
        )),
        Ok(number @ 1..=MAX_DATABASE) if digits => Ok(number),
        _ => Err(Wrong::new(
            format!("{} ends in {}, which is not the number of a database", shown(text), quoted(path)),
            "write it as in `redis://127.0.0.1:6379/0`",
        )),
    }
}

/// The URL in backticks, without the user and the password in it.
fn shown(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.find("://").map_or("", |end| &before[..end + 3]);
            quoted(&format!("{scheme}…@{after}"))
        }
        None => quoted(text),
    }
}

/// With `%40` and the like replaced by what they stand for (RFC 3986, 2.1).
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The password of somebody. No fault repeats it.
#[derive(Clone)]
pub(in crate::config) struct Password(pub(in crate::config) Secret);

impl Scalar for Password {
    const WHAT: &'static str = "a password";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() {
            return Err(Wrong::new("is empty", "write `${REDIS_PASSWORD}` and set that variable"));
        }
        Ok(Self(Secret::new(text)))
    }
}

/// What the keys of one Larder begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Namespace(pub(in crate::config) String);

impl Namespace {
    /// It is repeated in every key.
    const MAX: usize = 64;
}

impl Scalar for Namespace {
    const WHAT: &'static str = "a name of letters, digits, `-`, `_`, `.` and `:`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.len() > Self::MAX {
            let problem = format!("{} is longer than {} characters", quoted(text), Self::MAX);
            return Err(Wrong::new(problem, "write a shorter name"));
        }
        // Braces would decide in which slot of a cluster a key lies, and stars and the like mean something in patterns.
        let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        if text.is_empty() || !text.bytes().all(is_part) {
            return Err(Wrong::new(
                format!("{} is not {}", quoted(text), Self::WHAT),
                "write one such as `larder` or `shop:eu`",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
