//! What cache rules and `on_write` name: inputs of the key, parameters, tags and targets of purges.

use crate::config::fault::{Wrong, quoted};
use crate::config::read::{Scalar, nearest};
use crate::invalidation::{BadPointer, BadVariable, Template, TemplateError, Variable};
use crate::key::{NamePattern, VaryInput};
use ::http::{HeaderName, header};

impl Scalar for VaryInput {
    const WHAT: &'static str = "`region`, `header:Name` or `cookie:name`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text == "region" {
            return Ok(Self::Region);
        }
        match text.split_once(':').map(|(kind, name)| (kind, name.trim())) {
            Some(("header", name)) => vary_header(name),
            Some(("cookie", name)) if is_cookie_name(name) => Ok(Self::Cookie(name.to_owned())),
            Some(("cookie", name)) => Err(Wrong::new(
                format!("{} is not the name of a cookie", quoted(name)),
                "write a name such as `cookie:currency`",
            )),
            _ => {
                let problem = format!("{} is not {}", quoted(text), Self::WHAT);
                let remedy = match HeaderName::from_bytes(text.as_bytes()) {
                    Ok(_) => {
                        format!("write {}, or `cookie:…` for a cookie", quoted(&format!("header:{text}")))
                    }
                    Err(_) => format!("write {}", Self::WHAT),
                };
                Err(Wrong::new(problem, remedy))
            }
        }
    }
}

fn vary_header(name: &str) -> Result<VaryInput, Wrong> {
    let header = <HeaderName as Scalar>::parse(name)?;
    match header {
        header::COOKIE => Err(Wrong::new(
            "`Cookie` as a whole differs from client to client",
            "name the cookies that matter: `cookie:currency`",
        )),
        header::HOST => {
            Err(Wrong::new("`Host` is part of every key already", "remove it (`host_aliases` unites names)"))
        }
        _ => Ok(VaryInput::Header(header)),
    }
}

/// A token (RFC 6265, 4.1.1).
fn is_cookie_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&b))
}

impl Scalar for NamePattern {
    const WHAT: &'static str = "the name of a parameter such as `page` or `utm_*`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let (name, starts) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        if text.is_empty() || name.contains(['*', '&', '=', '?', '#']) || name.contains(char::is_whitespace) {
            return Err(Wrong::new(
                format!("{} is not the name of a parameter", quoted(text)),
                "write a name such as `page`, with `*` only at its end",
            ));
        }
        Ok(if starts { Self::StartsWith(name.to_owned()) } else { Self::Exact(name.to_owned()) })
    }
}

/// A tag, perhaps with captures.
#[derive(Clone, Debug)]
pub(in crate::config) struct TagTemplate(pub(in crate::config) Template<Variable>);

impl Scalar for TagTemplate {
    const WHAT: &'static str = "a tag such as `catalog` or `product:{id}`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        check_tag(text, Self::WHAT)?;
        template(text).map(Self)
    }
}

/// Whether it may be one tag.
pub(super) fn check_tag(text: &str, what: &str) -> Result<(), Wrong> {
    // Surrogate-Key is split at spaces and Cache-Tag at commas, so no origin could name such a tag.
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',') {
        let remedy = match text.split([' ', ',']).filter(|part| !part.is_empty()).collect::<Vec<_>>() {
            parts if parts.len() > 1 => {
                format!("write {} for several", quoted(&format!("[{}]", parts.join(", "))))
            }
            _ => format!("write {what}"),
        };
        return Err(Wrong::new(format!("{} is not one tag", quoted(text)), remedy));
    }
    Ok(())
}

/// What `url:` names in a purge.
#[derive(Clone, Debug)]
pub(in crate::config) enum UrlTarget {
    /// The target of the write.
    Itself,
    Other(Template<Variable>),
}

impl Scalar for UrlTarget {
    const WHAT: &'static str = "`self`, a path such as `/api/products/{id}` or a URL";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text == "self" {
            return Ok(Self::Itself);
        }
        check_url(text, Self::WHAT)?;
        template(text).map(Self::Other)
    }
}

/// Whether it may name one URL.
pub(super) fn check_url(text: &str, what: &str) -> Result<(), Wrong> {
    if let Some(below) = text.strip_suffix('*') {
        let below = below.trim_end_matches(['*', '/']);
        return Err(Wrong::new(
            format!("{} names more than one URL", quoted(text)),
            format!("write {}", quoted(&format!("prefix: {below}"))),
        ));
    }
    check_location(text, what)
}

/// What `prefix:` names in a purge.
#[derive(Clone, Debug)]
pub(in crate::config) struct PrefixTemplate(pub(in crate::config) Template<Variable>);

impl Scalar for PrefixTemplate {
    const WHAT: &'static str = "a path such as `/api/categories`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        check_prefix(text, Self::WHAT)?;
        template(text).map(Self)
    }
}

/// Whether it may name what is below a URL.
pub(super) fn check_prefix(text: &str, what: &str) -> Result<(), Wrong> {
    if let Some(below) = text.strip_suffix('*') {
        let below = below.trim_end_matches(['*', '/']);
        return Err(Wrong::new(
            format!("{} has a `*`, but a prefix reaches everything below it already", quoted(text)),
            format!("write {}", quoted(if below.is_empty() { "/" } else { below })),
        ));
    }
    check_location(text, what)
}

/// A path on the authority of the write, or a URL.
fn check_location(text: &str, what: &str) -> Result<(), Wrong> {
    let absolute = text.starts_with("http://") || text.starts_with("https://");
    if !absolute && !text.starts_with('/') {
        let problem = format!("{} is neither a path nor a URL", quoted(text));
        let remedy = match text.contains("://") || text.contains(char::is_whitespace) || text.is_empty() {
            true => format!("write {what}"),
            false => format!("write {}", quoted(&format!("/{text}"))),
        };
        return Err(Wrong::new(problem, remedy));
    }
    if let Some(end) = text.find(['?', '#']) {
        return Err(Wrong::new(
            format!("{} has a query or a fragment, but every query under a path is purged", quoted(text)),
            format!("write {}", quoted(&text[..end])),
        ));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Wrong::new(format!("{} has spaces in it", quoted(text)), "write `%20` for a space"));
    }
    Ok(())
}

fn template(text: &str) -> Result<Template<Variable>, Wrong> {
    const REMEDY: &str = "write `{name}` for a capture of the path, and `{{` or `}}` for a brace itself";
    let template = Template::parse(text).map_err(|error| match error {
        TemplateError::Unbalanced => {
            Wrong::new(format!("{} has a brace without its partner", quoted(text)), REMEDY)
        }
        TemplateError::BadName(name) => not_a_name(&name, "is not a capture", REMEDY),
    })?;
    template.resolve().map_err(variable)
}

/// What is wrong with a name that is more than that of a capture.
fn variable(error: BadVariable) -> Wrong {
    let (BadVariable::Source(name)
    | BadVariable::Parameter(name)
    | BadVariable::Field(name)
    | BadVariable::Pointer { name, .. }) = &error;
    let meant = respelled(name).map(|meant| format!("write {}", quoted(&format!("{{{meant}}}"))));
    match error {
        BadVariable::Source(name) => match name.split_once('.') {
            Some(("request", field)) => {
                let of_field = || format!("write {} for a field", quoted(&format!("{{header.{field}}}")));
                not_a_name(&name, "names nothing of a request", &meant.unwrap_or_else(of_field))
            }
            Some((source, _)) => {
                let known = ["query", "header", "reply", "body"];
                let remedy = match nearest(source, known) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "values come from `query.`, `header.`, `reply.`, `body.`, `request.body.` and `reply.body.`".into(),
                };
                not_a_name(&name, "says of no known place where its value stands", &remedy)
            }
            None => {
                let remedy = meant.unwrap_or_else(|| {
                    "write the way to a value in JSON, such as `{body./category/id}`".into()
                });
                not_a_name(&name, "does not say in which body", &remedy)
            }
        },
        BadVariable::Parameter(name) => {
            not_a_name(&name, "names no parameter", "write one, such as `{query.page}`")
        }
        BadVariable::Field(name) => {
            let remedy = meant.unwrap_or_else(|| "write one, such as `{reply.X-Category}`".into());
            not_a_name(&name, "names no field of a header", &remedy)
        }
        BadVariable::Pointer { name, error } => {
            let remedy = match (error, meant) {
                (BadPointer::Tilde, _) => "write `~0` for a `~` in a name, and `~1` for a `/`".into(),
                (BadPointer::NoSlash, Some(meant)) => meant,
                (BadPointer::NoSlash, None) => {
                    "write the way to a value in JSON, such as `{body./category/id}`".into()
                }
            };
            not_a_name(&name, "is no pointer into JSON", &remedy)
        }
    }
}

/// The name that `name` is but for its points and slashes, with those where they belong.
fn respelled(name: &str) -> Option<String> {
    let behind = |source: &str| name.strip_prefix(source)?.strip_prefix(['.', '/']);
    let pointer = |way: &str| {
        let way = way.trim_start_matches(['.', '/']);
        if way.contains('/') { way.to_owned() } else { way.replace('.', "/") }
    };
    let bodies = [
        ("request.body", "request.body"),
        ("request/body", "request.body"),
        ("reply.body", "reply.body"),
        ("reply/body", "reply.body"),
        ("body", "body"),
    ];
    let in_body =
        || bodies.iter().find_map(|(written, meant)| Some(format!("{meant}./{}", pointer(behind(written)?))));
    let in_head = || {
        ["query", "header", "reply"].iter().find_map(|source| Some(format!("{source}.{}", behind(source)?)))
    };
    // What begins with a slash, or has one before any point, can only be a pointer.
    let bare = || name.split('.').next()?.contains('/').then(|| format!("body./{}", pointer(name)));
    let meant = in_body().or_else(in_head).or_else(bare)?;
    (!meant.ends_with('/') && meant != name && Variable::parse(&meant).is_ok()).then_some(meant)
}

fn not_a_name(name: &str, problem: &str, remedy: &str) -> Wrong {
    Wrong::new(format!("{} {problem}", quoted(&format!("{{{name}}}"))), remedy)
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
    fn inputs_of_the_key() {
        assert_eq!(VaryInput::parse("region"), Ok(VaryInput::Region));
        let language = HeaderName::from_static("accept-language");
        assert_eq!(VaryInput::parse("header:Accept-Language"), Ok(VaryInput::Header(language)));
        assert_eq!(VaryInput::parse("cookie:currency"), Ok(VaryInput::Cookie("currency".into())));
        refuses::<VaryInput>(
            "Accept-Language",
            "`Accept-Language` is not `region`, `header:Name` or `cookie:name`",
            "write `header:Accept-Language`, or `cookie:…` for a cookie",
        );
        refuses::<VaryInput>(
            "header:Cookie",
            "`Cookie` as a whole differs from client to client",
            "name the cookies that matter: `cookie:currency`",
        );
        refuses::<VaryInput>(
            "header:host",
            "`Host` is part of every key already",
            "remove it (`host_aliases` unites names)",
        );
        refuses::<VaryInput>(
            "cookie:a=b",
            "`a=b` is not the name of a cookie",
            "write a name such as `cookie:currency`",
        );
        refuses::<VaryInput>("header:X Y", "`X Y` is not the name of a header", "write `X-Y`");
    }

    #[test]
    fn parameters() {
        assert_eq!(NamePattern::parse("utm_*"), Ok(NamePattern::StartsWith("utm_".into())));
        assert_eq!(NamePattern::parse("*"), Ok(NamePattern::StartsWith(String::new())));
        assert_eq!(NamePattern::parse("page"), Ok(NamePattern::Exact("page".into())));
        for text in ["", "*_id", "a=b", "a&b", "a b", "a**"] {
            refuses::<NamePattern>(
                text,
                &format!("`{text}` is not the name of a parameter"),
                "write a name such as `page`, with `*` only at its end",
            );
        }
    }

    #[test]
    fn targets_of_purges() {
        refuses::<TagTemplate>("a b", "`a b` is not one tag", "write `[a, b]` for several");
        refuses::<TagTemplate>("", "`` is not one tag", "write a tag such as `catalog` or `product:{id}`");
        refuses::<UrlTarget>("/api/*", "`/api/*` names more than one URL", "write `prefix: /api`");
        refuses::<UrlTarget>(
            "/api?page=1",
            "`/api?page=1` has a query or a fragment, but every query under a path is purged",
            "write `/api`",
        );
        refuses::<UrlTarget>("api/v1", "`api/v1` is neither a path nor a URL", "write `/api/v1`");
        refuses::<PrefixTemplate>(
            "/api/**",
            "`/api/**` has a `*`, but a prefix reaches everything below it already",
            "write `/api`",
        );
        refuses::<PrefixTemplate>(
            "ftp://a",
            "`ftp://a` is neither a path nor a URL",
            "write a path such as `/api/categories`",
        );
        assert!(matches!(UrlTarget::parse("self"), Ok(UrlTarget::Itself)));
    }

    #[test]
    fn names_in_templates() {
        let refuses = refuses::<TagTemplate>;
        refuses(
            "a:{b",
            "`a:{b` has a brace without its partner",
            "write `{name}` for a capture of the path, and `{{` or `}}` for a brace itself",
        );
        refuses(
            "{ü}",
            "`{ü}` is not a capture",
            "write `{name}` for a capture of the path, and `{{` or `}}` for a brace itself",
        );
        refuses(
            "{qeury.page}",
            "`{qeury.page}` says of no known place where its value stands",
            "did you mean `query`?",
        );
        refuses(
            "{cookie.currency}",
            "`{cookie.currency}` says of no known place where its value stands",
            "values come from `query.`, `header.`, `reply.`, `body.`, `request.body.` and `reply.body.`",
        );
        refuses(
            "{request.X-Name}",
            "`{request.X-Name}` names nothing of a request",
            "write `{header.X-Name}` for a field",
        );
        refuses("{/id}", "`{/id}` does not say in which body", "write `{body./id}`");
        refuses(
            "{body/category_id}",
            "`{body/category_id}` does not say in which body",
            "write `{body./category_id}`",
        );
        refuses("{category/id}", "`{category/id}` does not say in which body", "write `{body./category/id}`");
        refuses("{header/X-Id}", "`{header/X-Id}` does not say in which body", "write `{header.X-Id}`");
        refuses(
            "{request/body/id}",
            "`{request/body/id}` does not say in which body",
            "write `{request.body./id}`",
        );
        refuses(
            "{request.body/id}",
            "`{request.body/id}` names nothing of a request",
            "write `{request.body./id}`",
        );
        refuses(
            "{reply.body/id}",
            "`{reply.body/id}` names no field of a header",
            "write `{reply.body./id}`",
        );
        refuses("{body}/{body.a.b}", "`{body.a.b}` is no pointer into JSON", "write `{body./a/b}`");
        refuses(
            "{body./~}",
            "`{body./~}` is no pointer into JSON",
            "write `~0` for a `~` in a name, and `~1` for a `/`",
        );
        refuses(
            "{/}",
            "`{/}` does not say in which body",
            "write the way to a value in JSON, such as `{body./category/id}`",
        );
        refuses("{query.}", "`{query.}` names no parameter", "write one, such as `{query.page}`");
        refuses(
            "{reply.}",
            "`{reply.}` names no field of a header",
            "write one, such as `{reply.X-Category}`",
        );
        refuses("{body.id}", "`{body.id}` is no pointer into JSON", "write `{body./id}`");
        refuses(
            "{reply.body./a~b}",
            "`{reply.body./a~b}` is no pointer into JSON",
            "write `~0` for a `~` in a name, and `~1` for a `/`",
        );
    }
}
