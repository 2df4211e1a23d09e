//! Methods, fields, statuses, and what routes go by.

use crate::config::fault::{Wrong, plain, quoted};
use crate::config::read::Scalar;
use crate::route::{HostPattern, PathPattern, PatternError};
use ::http::{HeaderName, Method};

/// Methods that a slip of the pen is likely to have meant.
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

impl Scalar for Method {
    const WHAT: &'static str = "a method such as `GET`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let upper = text.to_ascii_uppercase();
        let meant = METHODS.iter().find(|known| strsim::osa_distance(known, &upper) <= 1);
        let wrong = |remedy| Wrong::new(format!("{} is no method", quoted(text)), remedy);
        match (Self::from_bytes(text.as_bytes()), meant) {
            // Methods are told apart by case (RFC 9110, 9.1), so `get` would match no request.
            (Ok(method), None) if upper == text => Ok(method),
            (Ok(method), Some(meant)) if *meant == text => Ok(method),
            (_, Some(meant)) => Err(wrong(format!("write `{meant}`"))),
            (Ok(_), None) => Err(wrong(format!("write {} in capitals", quoted(&upper)))),
            (Err(_), None) => Err(wrong(format!("write {}", Self::WHAT))),
        }
    }
}

impl Scalar for HeaderName {
    const WHAT: &'static str = "the name of a header such as `Accept-Language`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        Self::from_bytes(text.as_bytes()).map_err(|_| {
            let remedy = match text.trim_end_matches(':').trim().replace([' ', '_'], "-") {
                name if Self::from_bytes(name.as_bytes()).is_ok() => format!("write {}", quoted(&name)),
                _ => format!("write {}", Self::WHAT),
            };
            Wrong::new(format!("{} is not the name of a header", quoted(text)), remedy)
        })
    }
}

/// The status of replies that have a lifetime of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct Status(pub(in crate::config) u16);

impl Scalar for Status {
    const WHAT: &'static str = "a status from 200 to 599";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong =
            |problem: &str, remedy: &str| Err(Wrong::new(format!("{} {problem}", quoted(text)), remedy));
        match text.parse::<u16>() {
            Ok(206 | 304) => {
                wrong("is never stored by itself", "give the lifetime of the whole reply by `ttl`")
            }
            Ok(100..=199) => wrong("is not the end of an exchange and never stored", "remove it"),
            Ok(status @ 200..=599) if text.len() == 3 => Ok(Self(status)),
            _ if text.len() == 3 && text.ends_with("xx") => {
                wrong("is a class of statuses", "write every status out, such as `404` and `410`")
            }
            _ => wrong("is not a status", "write one from 200 to 599, such as `404`"),
        }
    }
}

/// The name of a route: a label of metrics and logs, and what `larder purge` calls it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::config) struct RouteName(pub(in crate::config) String);

impl RouteName {
    /// A label is repeated in every series of every metric.
    const MAX: usize = 64;
}

impl Scalar for RouteName {
    const WHAT: &'static str = "a name of letters, digits, `-`, `_` and `.`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.len() > Self::MAX {
            let problem = format!("{} is longer than {} characters", quoted(text), Self::MAX);
            return Err(Wrong::new(problem, "write a shorter name"));
        }
        if !text.is_empty() && text.chars().all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        let words: Vec<_> = text.split(|c| !is_part(c)).filter(|word| !word.is_empty()).collect();
        let remedy = match words.join("-") {
            name if name.is_empty() => format!("write {}", Self::WHAT),
            name => format!("write {}", quoted(&name)),
        };
        Err(Wrong::new(format!("{} is not {}", quoted(text), Self::WHAT), remedy))
    }
}

impl Scalar for HostPattern {
    const WHAT: &'static str = "a host such as `shop.example.com` or `*.example.com`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Some((_, rest)) = text.split_once("://") {
            let remedy = format!("write {}", quoted(rest.trim_end_matches('/')));
            return Err(Wrong::new(format!("{} is a URL, not a host", quoted(text)), remedy));
        }
        Self::parse(text).map_err(|error| bad_pattern(&error, <Self as Scalar>::WHAT))
    }
}

impl Scalar for PathPattern {
    const WHAT: &'static str = "a path such as `/api/products/{id}` or `/static/**`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if let Some((_, rest)) = text.split_once("://") {
            let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
            let remedy = format!("write {}, and the host under `host`", quoted(path));
            return Err(Wrong::new(format!("{} is a URL, not a path", quoted(text)), remedy));
        }
        Self::parse(text).map_err(|error| bad_pattern(&error, <Self as Scalar>::WHAT))
    }
}

/// The words of the pattern's own parser; where they say only what is wrong, an example of what is right.
fn bad_pattern(error: &PatternError, what: &str) -> Wrong {
    let words = plain(&error.to_string());
    match words.split_once("; ") {
        Some((problem, remedy)) => Wrong::new(problem, remedy),
        None => Wrong::new(words, format!("write {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses<T: Scalar>(text: &str, remedy: &str) {
        let wrong = T::parse(text).err().expect(text);
        assert_eq!(wrong.remedy, remedy, "{text}");
    }

    #[test]
    fn methods() {
        for text in ["GET", "POST", "PURGE", "M-SEARCH", "PROPFIND"] {
            assert_eq!(Method::parse(text).expect(text).as_str(), text);
        }
        refuses::<Method>("get", "write `GET`");
        refuses::<Method>("GTE", "write `GET`");
        refuses::<Method>("DELET", "write `DELETE`");
        refuses::<Method>("purge", "write `PURGE` in capitals");
        refuses::<Method>("GET,HEAD", "write a method such as `GET`");
        refuses::<Method>("", "write a method such as `GET`");
    }

    #[test]
    fn statuses() {
        assert_eq!(Status::parse("404"), Ok(Status(404)));
        refuses::<Status>("4xx", "write every status out, such as `404` and `410`");
        refuses::<Status>("99", "write one from 200 to 599, such as `404`");
        refuses::<Status>("600", "write one from 200 to 599, such as `404`");
        refuses::<Status>("0404", "write one from 200 to 599, such as `404`");
        refuses::<Status>("103", "remove it");
        refuses::<Status>("206", "give the lifetime of the whole reply by `ttl`");
    }

    #[test]
    fn names() {
        assert_eq!(RouteName::parse("product-list.v1"), Ok(RouteName("product-list.v1".into())));
        refuses::<RouteName>("Product page", "write `Product-page`");
        refuses::<RouteName>("/api/v1", "write `api-v1`");
        refuses::<RouteName>("", "write a name of letters, digits, `-`, `_` and `.`");
        refuses::<RouteName>(&"x".repeat(65), "write a shorter name");
        refuses::<HeaderName>("Accept Language", "write `Accept-Language`");
        refuses::<HeaderName>("X-Country:", "write `X-Country`");
    }
}
