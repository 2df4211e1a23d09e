//! Which resource a request is for, and whether it is let in. Decided by its head alone.

use super::problem::{Kind, Problem};
use super::token::{Credentials, Token};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, Method};
use std::net::IpAddr;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// `/healthz`
    Health,
    /// `/readyz`
    Readiness,
    /// `/metrics`
    Metrics,
    /// `/stats`
    Stats,
    /// `/purge`
    Purge,
    /// `/cdn/retry`
    CdnRetry,
    /// `/events`
    Event,
    /// `/reload`
    Reload,
}

impl Resource {
    const ALL: [Self; 8] = [
        Self::Health,
        Self::Readiness,
        Self::Metrics,
        Self::Stats,
        Self::Purge,
        Self::CdnRetry,
        Self::Event,
        Self::Reload,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Health => "/healthz",
            Self::Readiness => "/readyz",
            Self::Metrics => "/metrics",
            Self::Stats => "/stats",
            Self::Purge => "/purge",
            Self::CdnRetry => "/cdn/retry",
            Self::Event => "/events",
            Self::Reload => "/reload",
        }
    }

    /// Whether everybody may ask. Probes of an orchestrator bring no token, and come with the pod's address as `Host`.
    fn open(self) -> bool {
        matches!(self, Self::Health | Self::Readiness)
    }

    /// Whether it changes something.
    fn writes(self) -> bool {
        matches!(self, Self::Purge | Self::CdnRetry | Self::Event | Self::Reload)
    }

    fn allow(self) -> &'static str {
        if self.writes() { "POST" } else { "GET, HEAD" }
    }
}

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a> {
    /// Its method.
    pub(super) method: &'a Method,
    /// Its path, without the query.
    pub(super) path: &'a str,
    /// Its fields.
    pub(super) headers: &'a HeaderMap,
}

/// The resource a request is let in to.
///
/// Without a token the listener is on the loopback interface, where web pages are the strangers: a page can send requests
/// there, and after rebinding its own name to 127.0.0.1 read the replies too. So `Host` must then be an address or `localhost`,
/// whatever changes something refuses requests that a page sent, and a body must be of a type that no form can send.
pub(super) fn admit(head: &Head<'_>, token: Option<&Token>) -> Result<Resource, Problem> {
    let resource = Resource::ALL.into_iter().find(|resource| resource.path() == head.path);
    if !resource.is_some_and(Resource::open) {
        match token.map(|token| token.check(head.headers)) {
            None => check_host(head.headers)?,
            Some(Credentials::Valid) => {}
            Some(Credentials::Missing) => {
                return Err(Problem::new(Kind::Unauthorized, "send `Authorization: Bearer <admin.token>`"));
            }
            Some(Credentials::Wrong) => {
                return Err(Problem::new(Kind::Unauthorized, "the token is not the one of `admin.token`"));
            }
        }
    }
    let Some(resource) = resource else { return Err(not_found()) };
    let allowed = resource.allow().split(", ").any(|method| method == head.method.as_str());
    if !allowed {
        let detail = format!("{} takes {}", resource.path(), resource.allow());
        return Err(Problem {
            allow: Some(resource.allow()),
            ..Problem::new(Kind::MethodNotAllowed, detail)
        });
    }
    if resource.writes() && head.headers.contains_key(ORIGIN) {
        return Err(Problem::new(
            Kind::CrossOrigin,
            "the request has an `Origin` field, so a browser sent it",
        ));
    }
    Ok(resource)
}

/// Whether a body is announced as plain JSON. `required`: there has to be one.
pub(super) fn check_content(headers: &HeaderMap, required: bool) -> Result<(), Problem> {
    let refuse = |detail: &str| Err(Problem::new(Kind::UnsupportedMediaType, detail));
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return refuse("send the body without `Content-Encoding`");
    }
    match headers.get(CONTENT_TYPE) {
        None if !required => Ok(()),
        Some(value) if is_json(value.as_bytes()) => Ok(()),
        _ => refuse("send `Content-Type: application/json`"),
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

fn check_host(headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_local_name(host) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::UnknownHost,
        "without `admin.token` this listener answers only to an IP address or `localhost` in `Host`",
    ))
}

/// Whether `host` (with or without a port) names this machine without asking DNS.
fn is_local_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok() || bare.eq_ignore_ascii_case("localhost")
}

fn not_found() -> Problem {
    let paths: Vec<_> = Resource::ALL.iter().map(|resource| resource.path()).collect();
    Problem::new(Kind::NotFound, format!("this listener serves {}", paths.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;
    use http::header::AUTHORIZATION;

    fn headers(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn check(
        method: &Method,
        path: &str,
        fields: &[(HeaderName, &str)],
        token: Option<&str>,
        want: Result<Resource, Kind>,
    ) {
        let headers = headers(fields);
        let head = Head { method, path, headers: &headers };
        let got = admit(&head, token.map(Token::new).as_ref()).map_err(|problem| problem.kind);
        assert_eq!(got, want, "{method} {path} {fields:?} {token:?}");
    }

    const LOCAL: (HeaderName, &str) = (HOST, "127.0.0.1:9090");

    #[test]
    fn resources_by_path_and_method() {
        let get = |path, want| check(&Method::GET, path, &[LOCAL], None, want);
        get("/healthz", Ok(Resource::Health));
        get("/readyz", Ok(Resource::Readiness));
        get("/metrics", Ok(Resource::Metrics));
        get("/stats", Ok(Resource::Stats));
        get("/purge", Err(Kind::MethodNotAllowed));
        get("/", Err(Kind::NotFound));
        get("/stats/", Err(Kind::NotFound));
        check(&Method::HEAD, "/metrics", &[LOCAL], None, Ok(Resource::Metrics));
        check(&Method::POST, "/metrics", &[LOCAL], None, Err(Kind::MethodNotAllowed));
        check(&Method::POST, "/purge", &[LOCAL], None, Ok(Resource::Purge));
        check(&Method::POST, "/events", &[LOCAL], None, Ok(Resource::Event));
        check(&Method::GET, "/events", &[LOCAL], None, Err(Kind::MethodNotAllowed));
        check(&Method::POST, "/reload", &[LOCAL], None, Ok(Resource::Reload));
        check(&Method::PUT, "/reload", &[LOCAL], None, Err(Kind::MethodNotAllowed));
    }

    #[test]
    fn a_token_is_wanted_for_all_but_the_probes() {
        let token = Some("t");
        let good = (AUTHORIZATION, "Bearer t");
        let bad = (AUTHORIZATION, "Bearer x");
        check(&Method::GET, "/healthz", &[], token, Ok(Resource::Health));
        check(&Method::GET, "/readyz", std::slice::from_ref(&bad), token, Ok(Resource::Readiness));
        for path in ["/metrics", "/stats", "/purge", "/events", "/reload", "/nothing"] {
            check(&Method::GET, path, &[LOCAL], token, Err(Kind::Unauthorized));
            check(&Method::POST, path, &[LOCAL, bad.clone()], token, Err(Kind::Unauthorized));
        }
        check(&Method::GET, "/metrics", std::slice::from_ref(&good), token, Ok(Resource::Metrics));
        check(&Method::POST, "/purge", &[good.clone(), (HOST, "larder.svc")], token, Ok(Resource::Purge));
        check(&Method::GET, "/nothing", &[good], token, Err(Kind::NotFound));
    }

    #[test]
    fn names_that_need_no_dns() {
        for host in ["127.0.0.1", "127.0.0.1:9090", "[::1]:9090", "[::1]", "localhost", "LOCALHOST:1"] {
            check(&Method::GET, "/stats", &[(HOST, host)], None, Ok(Resource::Stats));
        }
        for host in [
            "evil.example",
            "evil.example:9090",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            ":9090",
        ] {
            check(&Method::GET, "/stats", &[(HOST, host)], None, Err(Kind::UnknownHost));
        }
        check(&Method::GET, "/stats", &[], None, Err(Kind::UnknownHost));
        check(&Method::GET, "/readyz", &[(HOST, "10-0-0-1.pod")], None, Ok(Resource::Readiness));
    }

    #[test]
    fn pages_change_nothing() {
        let origin = (ORIGIN, "http://localhost:3000");
        check(&Method::POST, "/purge", &[LOCAL, origin.clone()], None, Err(Kind::CrossOrigin));
        check(&Method::POST, "/reload", &[LOCAL, (ORIGIN, "null")], None, Err(Kind::CrossOrigin));
        check(&Method::GET, "/stats", &[LOCAL, origin], None, Ok(Resource::Stats));
    }

    #[test]
    fn bodies_are_json() {
        fn check(fields: &[(HeaderName, &str)], required: bool, want: bool) {
            assert_eq!(check_content(&headers(fields), required).is_ok(), want, "{fields:?} {required}");
        }
        check(&[(CONTENT_TYPE, "application/json")], true, true);
        check(&[(CONTENT_TYPE, "Application/JSON ; charset=utf-8")], true, true);
        check(&[(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "identity")], true, true);
        check(&[], true, false);
        check(&[], false, true);
        check(&[(CONTENT_TYPE, "text/plain")], false, false);
        check(&[(CONTENT_TYPE, "application/x-www-form-urlencoded")], true, false);
        check(&[(CONTENT_TYPE, "application/jsonp")], true, false);
        check(&[(CONTENT_TYPE, "application/json"), (CONTENT_ENCODING, "gzip")], true, false);
    }
}
