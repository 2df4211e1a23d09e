//! What CDNs are named and reached by.

use crate::cdn::providers::akamai::AkamaiNetwork;
use crate::cdn::{CallError, Rate, judge};
use crate::config::Secret;
use crate::config::fault::{Wrong, quoted};
use crate::config::read::{Scalar, one_of};
use crate::invalidation::{Template, TemplateError};
use bytes::Bytes;
use http::{HeaderName, StatusCode};
use std::time::Duration;

/// An ID or a name that becomes part of the path of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct Ident(pub(in crate::config) String);

impl Scalar for Ident {
    const WHAT: &'static str = "an ID or a name of letters, digits, `-`, `_` and `.`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        // A path of dots would lead elsewhere.
        if text.is_empty() || !text.bytes().all(good) || text.bytes().all(|b| b == b'.') {
            return Err(Wrong::new(
                format!("{} is not {}", quoted(text), Self::WHAT),
                format!("write {}", Self::WHAT),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What proves who Larder is. No fault repeats it.
#[derive(Clone)]
pub(in crate::config) struct Key(pub(in crate::config) Secret);

impl Scalar for Key {
    const WHAT: &'static str = "a key of visible ASCII characters";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() {
            return Err(Wrong::new(
                "is empty",
                "write `${NAME}` and set that variable, or `${file:/run/secrets/…}`",
            ));
        }
        // Anything else could not be sent in a header.
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Wrong::new(
                "holds characters that a header cannot carry",
                "use visible ASCII characters without spaces",
            ));
        }
        Ok(Self(Secret::new(text)))
    }
}

/// Scheme and host, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct BaseUrl(pub(in crate::config) String);

impl Scalar for BaseUrl {
    const WHAT: &'static str = "scheme and host such as `https://shop.example.com`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |problem: String, remedy: String| Err(Wrong::new(problem, remedy));
        let Ok(url) = text.parse::<http::Uri>() else {
            return wrong(format!("{} is not a URL", quoted(text)), format!("write {}", Self::WHAT));
        };
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (url.scheme_str(), url.authority()) else {
            return wrong(
                format!("{} has no scheme and host", quoted(text)),
                format!("write {}", Self::WHAT),
            );
        };
        if authority.as_str().contains('@') {
            return wrong("has a user name in it".to_owned(), "remove everything up to the `@`".to_owned());
        }
        let base = format!("{scheme}://{}", authority.as_str().to_ascii_lowercase());
        match url.path_and_query().map_or("/", |path| path.as_str()) {
            "/" => Ok(Self(base)),
            _ => wrong(format!("{} has a path", quoted(text)), format!("write {}", quoted(&base))),
        }
    }
}

impl Scalar for Rate {
    const WHAT: &'static str = "a rate such as `5/s`, `300/m` or `1000/h`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = || Wrong::new(format!("{} is not a rate", quoted(text)), format!("write {}", Self::WHAT));
        let (calls, unit) = text.split_once('/').ok_or_else(wrong)?;
        let digits = !calls.is_empty() && calls.bytes().all(|b| b.is_ascii_digit());
        let calls = calls.parse().ok().filter(|calls| digits && *calls > 0).ok_or_else(wrong)?;
        let per = match unit {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            _ => return Err(wrong()),
        };
        Ok(Self { calls, per, burst: calls })
    }
}

impl Scalar for AkamaiNetwork {
    const WHAT: &'static str = "`production` or `staging`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        one_of(text, &[("production", Self::Production), ("staging", Self::Staging)])
    }
}

/// What stands between two tags.
#[derive(Clone, Copy)]
pub(in crate::config) struct Separator(pub(in crate::config) crate::cdn::Separator);

impl Scalar for Separator {
    const WHAT: &'static str = "`space` or `comma`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        use crate::cdn::Separator::{Comma, Space};
        let meant = match text {
            " " => "space",
            "," => "comma",
            other => other,
        };
        one_of(meant, &[("space", Space), ("comma", Comma)]).map(Self)
    }
}

/// The header that a distribution reads tags from. Elsewhere tags are switched on, which is no name for a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct TagField(pub(in crate::config) HeaderName);

impl Scalar for TagField {
    const WHAT: &'static str = "the header of its cache tag configuration, such as `tags: Cache-Tag`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong =
            |remedy: String| Wrong::new(format!("{} is not the name of a header", quoted(text)), remedy);
        match bool::parse(text) {
            Ok(true) => Err(wrong(format!("write {}", Self::WHAT))),
            Ok(false) => Err(wrong("leave it out".to_owned())),
            Err(_) => HeaderName::parse(text).map(Self),
        }
    }
}

/// A status by which an API says that there is nothing left to do, beside those of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) struct DoneAnswer(pub(in crate::config) StatusCode);

impl Scalar for DoneAnswer {
    const WHAT: &'static str = "a status such as `404`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let Some(status) =
            text.parse().ok().filter(|_| text.len() == 3).and_then(|code| StatusCode::from_u16(code).ok())
        else {
            let problem = format!("{} is not a status", quoted(text));
            return Err(Wrong::new(problem, format!("write {}", Self::WHAT)));
        };
        let mut reply = http::Response::new(Bytes::new());
        *reply.status_mut() = status;
        let problem = match judge(&reply) {
            None => "says that the call was done in any case",
            Some(CallError::Refused { .. }) if status.is_client_error() => return Ok(Self(status)),
            Some(CallError::Refused { .. }) => "leaves open what became of the call",
            Some(CallError::Later { .. }) => "asks for the call to be made again, and a purge would be lost",
        };
        Err(Wrong::new(format!("{} {problem}", quoted(text)), "remove it"))
    }
}

/// Where a request goes, with what it purges filled in.
#[derive(Clone, Debug)]
pub(in crate::config) struct UrlTemplate(pub(in crate::config) Template);

impl Scalar for UrlTemplate {
    const WHAT: &'static str = "a URL such as `http://varnish:6081{path}`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let absolute = ["http://", "https://", "{"].iter().any(|start| text.starts_with(start));
        if !absolute || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Wrong::new(
                format!("{} is not a URL", quoted(text)),
                format!("write {}", Self::WHAT),
            ));
        }
        template(text).map(Self)
    }
}

/// Text with what is purged filled in.
#[derive(Clone, Debug)]
pub(in crate::config) struct ValueTemplate(pub(in crate::config) Template, pub(in crate::config) String);

impl Scalar for ValueTemplate {
    const WHAT: &'static str = "a text such as `{\"urls\":[{{targets}}]}`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        template(text).map(|template| Self(template, text.to_owned()))
    }
}

/// The same for a field of a request, where tokens stand. No fault repeats it.
#[derive(Clone)]
pub(in crate::config) struct SecretTemplate(pub(in crate::config) Secret);

impl Scalar for SecretTemplate {
    const WHAT: &'static str = "the value of a header";
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, Wrong> {
        if http::HeaderValue::from_str(text).is_err() {
            return Err(Wrong::new(
                "holds characters that a header cannot carry",
                "use visible ASCII characters and spaces",
            ));
        }
        match Template::parse(text) {
            Ok(_) => Ok(Self(Secret::new(text))),
            Err(_) => Err(Wrong::new("has a brace that belongs to no name", BRACES)),
        }
    }
}

const BRACES: &str =
    "write `{url}`, `{host}`, `{path}`, `{tag}` or `{targets}`, and `{{` or `}}` for a brace itself";

fn template(text: &str) -> Result<Template, Wrong> {
    Template::parse(text).map_err(|error| match error {
        TemplateError::Unbalanced => {
            Wrong::new(format!("{} has a brace without its partner", quoted(text)), BRACES)
        }
        TemplateError::BadName(name) => {
            Wrong::new(format!("{} is not a name", quoted(&format!("{{{name}}}"))), BRACES)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refuses<T: Scalar>(text: &str, problem: &str, remedy: &str) {
        let wrong = T::parse(text).err().expect(text);
        assert_eq!((wrong.problem.as_str(), wrong.remedy.as_str()), (problem, remedy), "{text}");
    }

    #[test]
    fn rates() {
        #[track_caller]
        fn check(text: &str, calls: u32, seconds: u64) {
            let rate = Rate { calls, per: Duration::from_secs(seconds), burst: calls };
            assert_eq!(Rate::parse(text), Ok(rate));
        }
        check("5/s", 5, 1);
        check("300/m", 300, 60);
        check("1/h", 1, 3600);
        let remedy = "write a rate such as `5/s`, `300/m` or `1000/h`";
        for text in ["5", "0/s", "/s", "5/d", "-5/s", "+5/s", "5 / s", "99999999999/s"] {
            refuses::<Rate>(text, &format!("`{text}` is not a rate"), remedy);
        }
    }

    #[test]
    fn bases() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(BaseUrl::parse(text), Ok(BaseUrl(expected.to_owned())));
        }
        check("https://Shop.example.com/", "https://shop.example.com");
        check("http://127.0.0.1:5000", "http://127.0.0.1:5000");
        refuses::<BaseUrl>("https://a/b", "`https://a/b` has a path", "write `https://a`");
        let remedy = "write scheme and host such as `https://shop.example.com`";
        refuses::<BaseUrl>("shop.example.com", "`shop.example.com` has no scheme and host", remedy);
        refuses::<BaseUrl>("ftp://a", "`ftp://a` has no scheme and host", remedy);
        refuses::<BaseUrl>("https://a b", "`https://a b` is not a URL", remedy);
        refuses::<BaseUrl>("https://u:p@a", "has a user name in it", "remove everything up to the `@`");
    }

    #[test]
    fn ids_stay_within_their_segment() {
        for text in ["", "a/b", "..", ".", "a?b", "a b", "ü"] {
            assert!(Ident::parse(text).is_err(), "{text}");
        }
        assert_eq!(Ident::parse("E1-x_y.z"), Ok(Ident("E1-x_y.z".to_owned())));
    }

    #[test]
    fn headers_of_tags() {
        assert_eq!(TagField::parse("Cache-Tag"), Ok(TagField(HeaderName::from_static("cache-tag"))));
        let remedy = "write the header of its cache tag configuration, such as `tags: Cache-Tag`";
        refuses::<TagField>("true", "`true` is not the name of a header", remedy);
        refuses::<TagField>("false", "`false` is not the name of a header", "leave it out");
        refuses::<TagField>("Cache Tag", "`Cache Tag` is not the name of a header", "write `Cache-Tag`");
    }

    #[test]
    fn answers_that_count_as_done() {
        for status in [404, 405, 410, 412] {
            let expected = StatusCode::from_u16(status).map(DoneAnswer).expect("a status");
            assert_eq!(DoneAnswer::parse(&status.to_string()), Ok(expected));
        }
        for text in ["", "4xx", "0404", "+40", "99", "gone"] {
            refuses::<DoneAnswer>(text, &format!("`{text}` is not a status"), "write a status such as `404`");
        }
        let check = |status: &str, problem: &str| {
            refuses::<DoneAnswer>(status, &format!("`{status}` {problem}"), "remove it");
        };
        check("200", "says that the call was done in any case");
        check("302", "leaves open what became of the call");
        for status in ["401", "403", "407", "408", "425", "429", "500", "503"] {
            check(status, "asks for the call to be made again, and a purge would be lost");
        }
    }

    #[test]
    fn keys_are_not_repeated() {
        for wrong in [Key::parse("open sesame").err(), SecretTemplate::parse("sesame{").err()] {
            let wrong = wrong.expect("a fault");
            assert!(!wrong.problem.contains("sesame") && !wrong.remedy.contains("sesame"));
        }
    }
}
