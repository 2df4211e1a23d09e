//! The request that was written on the command line.

use crate::invalidation::Json;
use crate::key::{HostAliases, Scheme, canonical_authority};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// A request, as Larder would see it.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Its URL as written.
    pub(super) written: String,
    pub(super) method: Method,
    pub(super) scheme: Scheme,
    /// Canonical.
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    /// What stands in its body, if that was given.
    pub(super) body: Option<Json>,
}

impl Request {
    /// From what was written; an error says what is wrong with it.
    pub(super) fn parse(
        method: &str,
        url: &str,
        headers: &[String],
        data: Option<&str>,
        aliases: &HostAliases,
    ) -> Result<Self, String> {
        let bad_method =
            || format!("`{}` is no method; write it as in `larder explain GET URL`", method.escape_debug());
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).map_err(|_| bad_method())?;
        let (scheme, rest) = split_scheme(url).ok_or_else(|| {
            format!("`{}` is no whole URL; write it as in http://HOST/path", url.escape_debug())
        })?;
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            let shown = url.escape_debug();
            return Err(format!(
                "`{shown}` holds characters that clients percent-encode; write it as they send it"
            ));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (target, query) =
            rest.split_once('?').map_or((rest, None), |(target, query)| (target, Some(query)));
        let (host, path) = target.split_at(target.find('/').unwrap_or(target.len()));
        let authority = canonical_authority(host, scheme, aliases)
            .filter(|authority| !authority.is_empty())
            .ok_or_else(|| format!("`{url}` names no host; write it as in http://HOST/path"))?;
        Ok(Self {
            written: url.to_owned(),
            method,
            scheme,
            authority: authority.into_owned(),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            query: query.map(str::to_owned),
            headers: headers.iter().map(|line| field(line)).collect::<Result<_, _>>()?,
            body: data.map(json).transpose()?,
        })
    }

    /// Its URL with the name the service has here.
    pub(super) fn canonical(&self) -> String {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", self.canonical_without_query())
    }

    /// The same without the query.
    pub(super) fn canonical_without_query(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}{}", self.authority, self.path)
    }
}

fn split_scheme(url: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let known = [("http", Scheme::Http), ("https", Scheme::Https)];
    known.into_iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name)).map(|(_, scheme)| (scheme, rest))
}

fn json(data: &str) -> Result<Json, String> {
    let fault = || "the text of --data is not JSON, and nothing else is looked into".to_owned();
    Json::parse(data.as_bytes()).ok_or_else(fault)
}

fn field(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let fault = || format!("`{}` is no field; write it as in -H 'Name: value'", line.escape_debug());
    let (name, value) = line.split_once(':').ok_or_else(fault)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| fault())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| fault())?;
    if name == header::HOST {
        return Err("the host is that of the URL; leave out the field `Host`".into());
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, url: &str, headers: &[&str]) -> Result<Request, String> {
        let aliases = HostAliases::new([("catalog.svc".to_owned(), "shop.example".to_owned())]);
        let headers: Vec<_> = headers.iter().map(|line| (*line).to_owned()).collect();
        Request::parse(method, url, &headers, None, &aliases)
    }

    #[test]
    fn urls() {
        fn check(url: &str, canonical: &str) {
            assert_eq!(
                parse("get", url, &[]).map(|request| request.canonical()),
                Ok(canonical.into()),
                "{url}"
            );
        }
        check("http://shop.example", "http://shop.example/");
        check("http://shop.example?a=1", "http://shop.example/?a=1");
        check("HTTP://Shop.Example:80/A?#x", "http://shop.example/A?");
        check("https://catalog.svc/a#x?y", "https://shop.example/a");
    }

    #[test]
    fn faults() {
        fn check(method: &str, url: &str, headers: &[&str], want: &str) {
            let fault = parse(method, url, headers).expect_err(url);
            assert!(fault.contains(want), "{want:?} is not in {fault:?}");
        }
        check("G ET", "http://a/", &[], "is no method");
        check("GET", "/a", &[], "no whole URL");
        check("GET", "ftp://a/", &[], "no whole URL");
        check("GET", "http:///a", &[], "names no host");
        check("GET", "http://a/ü", &[], "percent-encode");
        check("GET", "http://a/", &["Cookie"], "is no field");
        check("GET", "http://a/", &["a b: c"], "is no field");
        check("GET", "http://a/", &["host: b"], "leave out");
    }
}
