//! URLs as people and replies write them: absolute, or relative to the target of a write.

use super::path::resolve_dots;

/// Why a text names nothing that could be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// It does not begin with `http://` or `https://`.
    #[error("`{0}` is not an absolute URL: write http://host/path")]
    NotAbsolute(String),
    /// Another scheme than those Larder serves.
    #[error("`{0}` is not an http or https URL")]
    Scheme(String),
    /// Nothing stands where the host belongs.
    #[error("`{0}` names no host: write http://host/path")]
    NoHost(String),
    /// Control characters, which no URL has.
    #[error("`{}` contains control characters", .0.escape_debug())]
    Control(String),
}

/// Where a URL points: canonical authority, and the path as written but for its dot segments, which are resolved as
/// every client does before it asks (RFC 3986, 5.2). Query and fragment are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) authority: String,
    pub(super) path: String,
}

/// Reads an absolute URL.
pub(super) fn absolute(text: &str, canonical: impl Fn(&str) -> String) -> Result<Place, BadUrl> {
    let text = clean(text)?;
    match split_scheme(text) {
        Some((scheme, rest)) => place(text, scheme, rest, canonical),
        None => Err(BadUrl::NotAbsolute(text.to_owned())),
    }
}

/// Reads a reference as RFC 3986, 5.2 does, `base` being where it was found.
pub(super) fn reference(
    text: &str,
    base: &Place,
    canonical: impl Fn(&str) -> String,
) -> Result<Place, BadUrl> {
    let text = clean(text)?;
    if let Some((scheme, rest)) = split_scheme(text) {
        return place(text, scheme, rest, canonical);
    }
    if let Some(rest) = text.strip_prefix("//") {
        return place(text, "", rest, canonical);
    }
    let path = cut(text, &['?', '#']);
    let path = match path {
        "" => base.path.clone(),
        absolute if absolute.starts_with('/') => absolute.to_owned(),
        relative => {
            let folder = base.path.rfind('/').map_or("/", |end| &base.path[..=end]);
            format!("{folder}{relative}")
        }
    };
    Ok(Place { authority: base.authority.clone(), path: resolve_dots(&path).unwrap_or(path) })
}

/// Without white space around it, and without control characters.
fn clean(text: &str) -> Result<&str, BadUrl> {
    let text = text.trim();
    if text.chars().any(char::is_control) { Err(BadUrl::Control(text.to_owned())) } else { Ok(text) }
}

/// Scheme and what follows its colon. A colon behind a slash, or first of all, begins no scheme (RFC 3986, 3.1).
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut bytes = scheme.bytes();
    let begins = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
    let goes_on = bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    (begins && goes_on).then_some((scheme, rest))
}

/// What stands behind the scheme: `//user@host:port/path?query#fragment`, or the same without its two slashes when
/// the scheme is the base's own.
fn place(text: &str, scheme: &str, rest: &str, canonical: impl Fn(&str) -> String) -> Result<Place, BadUrl> {
    let (default_port, rest) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (":80", rest.strip_prefix("//")),
        "https" => (":443", rest.strip_prefix("//")),
        "" => ("", Some(rest)),
        _ => return Err(BadUrl::Scheme(text.to_owned())),
    };
    let rest = rest.ok_or_else(|| BadUrl::NoHost(text.to_owned()))?;
    let written = cut(rest, &['/', '\\', '?', '#']);
    let path = cut(&rest[written.len()..], &['?', '#']);
    let host = written.rsplit('@').next().unwrap_or_default();
    let host = host.strip_suffix(default_port).unwrap_or(host);
    if host.is_empty() || host.starts_with(':') {
        return Err(BadUrl::NoHost(text.to_owned()));
    }
    let path = if path.is_empty() { "/" } else { path };
    let path = resolve_dots(path).unwrap_or_else(|| path.to_owned());
    Ok(Place { authority: canonical(host), path })
}

/// The text up to the first of `ends`.
fn cut<'t>(text: &'t str, ends: &[char]) -> &'t str {
    text.split(ends).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lower(authority: &str) -> String {
        authority.to_ascii_lowercase()
    }

    #[test]
    fn absolute_urls() {
        #[track_caller]
        fn check(text: &str, authority: &str, path: &str) {
            let expected = Place { authority: authority.to_owned(), path: path.to_owned() };
            assert_eq!(absolute(text, lower), Ok(expected), "{text:?}");
        }
        check("http://shop/products/7", "shop", "/products/7");
        check("HTTPS://Shop.Example:443/a", "shop.example", "/a");
        check("http://shop:80", "shop", "/");
        check("https://shop:80/a", "shop:80", "/a");
        check("http://u:p@shop/a?b#c", "shop", "/a");
        check("http://shop?x=http://other/", "shop", "/");
        check("http://[::1]:8080/a", "[::1]:8080", "/a");
        check(" http://shop/a b ", "shop", "/a b");
        check("http://shop/a/../b", "shop", "/b");
    }

    #[test]
    fn what_is_no_absolute_url_says_why() {
        #[track_caller]
        fn check(text: &str, expected: fn(String) -> BadUrl) {
            assert_eq!(absolute(text, lower), Err(expected(text.to_owned())), "{text:?}");
        }
        check("", BadUrl::NotAbsolute);
        check("/products/7", BadUrl::NotAbsolute);
        check("//shop/products/7", BadUrl::NotAbsolute);
        check("shop/products/7", BadUrl::NotAbsolute);
        check("ftp://shop/a", BadUrl::Scheme);
        check("shop:8080/a", BadUrl::Scheme);
        check("http:/products/7", BadUrl::NoHost);
        check("http:///products/7", BadUrl::NoHost);
        check("http://:80/a", BadUrl::NoHost);
        check("http://user@/a", BadUrl::NoHost);
        check("http://shop/a\u{0}b", BadUrl::Control);
        check("http://shop/a\nb", BadUrl::Control);
    }

    #[test]
    fn references_resolve_against_their_base() {
        #[track_caller]
        fn check(text: &str, authority: &str, path: &str) {
            let base = Place { authority: "shop".to_owned(), path: "/products/7".to_owned() };
            let expected = Place { authority: authority.to_owned(), path: path.to_owned() };
            assert_eq!(reference(text, &base, lower), Ok(expected), "{text:?}");
        }
        check("/a?b", "shop", "/a");
        check("8", "shop", "/products/8");
        check("./8#x", "shop", "/products/8");
        check("../a", "shop", "/a");
        check("..", "shop", "/");
        check("/a//../b", "shop", "/a/b");
        check("7/reviews:new", "shop", "/products/7/reviews:new");
        check("?page=2", "shop", "/products/7");
        check("#top", "shop", "/products/7");
        check("", "shop", "/products/7");
        check("//Other/a", "other", "/a");
        check("https://other/a", "other", "/a");
    }
}
