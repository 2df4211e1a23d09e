//! Requests by template.

use super::super::MakeError;
use super::super::request::{built, encoded, folder, has_dots, in_path};
use super::HttpCall;
use crate::cdn::{CallError, CallId, Location, Many, Target, TargetKind};
use crate::invalidation::Template;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use std::collections::HashSet;

/// Bytes of names in the head of one request: servers take 8 KiB for a line of it, and encoding may make three bytes of one.
const HEAD: usize = 2_500;

/// Bytes of names in the body of one request.
const BODY: usize = 64 << 10;

/// Bytes of one name where it stands in a body.
const LONGEST: usize = 8_000;

/// What was written in the configuration is taken for a secret from this length on. `Bearer` is shorter.
const MIN_SECRET: usize = 8;

/// One kind of request, checked.
pub(super) struct Form {
    method: Method,
    /// The address up to the `?`, and what is behind it: the two want their values differently.
    address: Template,
    query: Option<Template>,
    headers: Vec<(HeaderName, Template)>,
    body: Option<(Template, Writing)>,
    item: Template,
    join: String,
    many: Many,
    done: Vec<StatusCode>,
    secrets: Vec<String>,
}

/// How a value is written where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// Before the `?` of an address: paths, hosts and URLs as they are.
    Address,
    /// Percent-encoded: queries, and bodies of forms.
    Encoded,
    /// In a field.
    Field,
    /// In a string of JSON.
    Json,
    /// In any other body.
    Plain,
}

impl Writing {
    /// Of a body, by what it says it is, or by how it begins.
    fn of_body(content_type: Option<&str>, text: &str) -> Self {
        match content_type.map(str::to_ascii_lowercase) {
            Some(kind) if kind.contains("json") => Self::Json,
            Some(kind) if kind.contains("x-www-form-urlencoded") => Self::Encoded,
            None if text.starts_with("{{") || text.starts_with('[') => Self::Json,
            Some(_) | None => Self::Plain,
        }
    }

    fn content_type(self) -> &'static str {
        if self == Self::Json { "application/json" } else { "text/plain; charset=utf-8" }
    }

    fn write(self, name: &str, value: &str) -> String {
        match self {
            Self::Address if matches!(name, "url" | "path") => in_path(value),
            Self::Address if matches!(name, "host" | "scheme") => {
                value.chars().filter(|c| c.is_ascii_alphanumeric() || "-._~[]:".contains(*c)).collect()
            }
            Self::Address | Self::Encoded => encoded(value),
            Self::Field => value.chars().filter(|c| !c.is_control()).collect(),
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Plain => value.to_owned(),
        }
    }
}

impl Form {
    pub(super) fn new(call: &HttpCall, kind: TargetKind) -> Result<Self, MakeError> {
        let HttpCall { method, url, headers, body, item, join, batch, done } = call;
        let (address, query) = divided(url)?;
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| field(name, value.expose())).collect::<Result<_, _>>()?;
        let content_type =
            headers.iter().find(|(name, _)| name == CONTENT_TYPE).map(|(_, value)| value.to_string());
        let body = body
            .as_ref()
            .filter(|body| !body.to_string().is_empty())
            .map(|body| (body.clone(), Writing::of_body(content_type.as_deref(), &body.to_string())));
        let natural = match (kind, &body) {
            (TargetKind::Tag, Some((_, Writing::Json))) => "\"{tag}\"",
            (TargetKind::Tag, _) => "{tag}",
            (_, Some((_, Writing::Json))) => "\"{url}\"",
            _ => "{url}",
        };
        let item = match item {
            Some(item) => item.clone(),
            None => Template::parse(natural).expect("it is one"),
        };
        let fields = call.headers.iter().filter(|(name, _)| ![CONTENT_TYPE, ACCEPT, HOST].contains(name));
        let literal = [query.as_ref(), body.as_ref().map(|(body, _)| body)].into_iter().flatten();
        let secrets: HashSet<String> = fields
            .flat_map(|(_, value)| words(value.expose()))
            .chain(literal.flat_map(Template::texts).flat_map(pieces))
            .collect();
        let mut secrets: Vec<_> = secrets.into_iter().collect();
        // A longer one first: it may hold another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let mut form = Self {
            method: method.clone(),
            address,
            query,
            headers,
            body,
            item,
            join: join.clone(),
            many: Many { targets: (*batch).max(1), bytes: HEAD, overhead: 0, longest: HEAD },
            done: done.clone(),
            secrets,
        };
        form.check(kind)?;
        form.many = form.measured();
        Ok(form)
    }

    /// How much goes into a call.
    pub(super) fn many(&self) -> Many {
        self.many
    }

    /// Targets of one request at most.
    pub(super) fn batch(&self) -> usize {
        self.many.targets
    }

    /// Whether a status says that the call was done though it is none of success.
    pub(super) fn is_done(&self, status: StatusCode) -> bool {
        self.done.contains(&status)
    }

    /// What replies must not repeat.
    pub(super) fn secrets(&self) -> Vec<&str> {
        self.secrets.iter().map(String::as_str).collect()
    }

    /// The request that purges `targets`.
    pub(super) fn request(&self, id: CallId, targets: &[Target]) -> Result<Request<Bytes>, CallError> {
        let refused = |reason: &str| CallError::Refused { reason: reason.to_owned() };
        let write = |template: &Template, writing| {
            self.write(template, writing, id, targets)
                .ok_or_else(|| refused("a name in the template has no value here"))
        };
        if self.leads_away(targets) {
            return Err(refused("a path with dot segments cannot stand in the address of a request"));
        }
        let mut address = write(&self.address, Writing::Address)?;
        if let Some(query) = &self.query {
            address.push('?');
            address.push_str(&write(query, Writing::Encoded)?);
        }
        let mut request = Request::builder().method(self.method.clone()).uri(address);
        for (name, value) in &self.headers {
            let mut value = HeaderValue::from_bytes(write(value, Writing::Field)?.as_bytes())
                .map_err(|_| refused("a field cannot carry what it would have to"))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let Some((body, writing)) = &self.body else { return built(request.body(Bytes::new())) };
        if !self.headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
            request = request.header(CONTENT_TYPE, writing.content_type());
        }
        built(request.body(Bytes::from(write(body, *writing)?)))
    }

    /// Whether requests say on which host something is.
    pub(super) fn names_host(&self) -> bool {
        let has = |template: &Template| template.names().any(|name| matches!(base(name), "url" | "host"));
        let lists = || self.templates().any(|template| template.names().any(|name| name == "targets"));
        self.templates().any(has) || has(&self.item) && lists()
    }

    /// All that a request is made of, but for what stands in `{targets}`.
    fn templates(&self) -> impl Iterator<Item = &Template> {
        let headers = self.headers.iter().map(|(_, value)| value);
        let body = self.body.as_ref().map(|(body, _)| body);
        [Some(&self.address), self.query.as_ref(), body].into_iter().flatten().chain(headers)
    }

    /// Whether the address would become another one on its way.
    fn leads_away(&self, targets: &[Target]) -> bool {
        let names = |template: &Template| template.names().any(|name| matches!(base(name), "url" | "path"));
        let lists = self.address.names().any(|name| name == "targets") && names(&self.item);
        (lists || names(&self.address))
            && targets.iter().any(|target| match target {
                Target::Url(place) | Target::Prefix(place) => has_dots(&place.path),
                Target::Tag(_) | Target::All => false,
            })
    }

    fn write(&self, template: &Template, writing: Writing, id: CallId, targets: &[Target]) -> Option<String> {
        template.render(|name| match name {
            "id" => Some(id.to_string()),
            "targets" => {
                let items =
                    targets.iter().map(|target| self.item.render(|name| written(target, name, writing)));
                Some(items.collect::<Option<Vec<_>>>()?.join(&self.join))
            }
            name => written(targets.first()?, name, writing),
        })
    }

    /// That every name has a value, and that what comes of it is a request.
    fn check(&self, kind: TargetKind) -> Result<(), MakeError> {
        let fault = |text: &str| Err(MakeError::Template(format!("{}: {text}", kind.as_str())));
        let lists = self.templates().any(|template| template.names().any(|name| name == "targets"));
        if lists && kind == TargetKind::All {
            return fault("everything has no `{targets}`");
        }
        if self.many.targets > 1 {
            if !lists {
                return fault("a batch of several needs `{targets}`");
            }
            if self.templates().any(|template| template.names().any(|name| !matches!(name, "id" | "targets")))
            {
                return fault("a batch of several has no single target: write it in `item`");
            }
        }
        let place = Location { base: "https://shop.example.com".into(), path: "/a".into() };
        let sample = match kind {
            TargetKind::Url => Target::Url(place),
            TargetKind::Prefix => Target::Prefix(place),
            TargetKind::Tag => Target::Tag("a".into()),
            TargetKind::All => Target::All,
        };
        match self.request(CallId(1), &[sample]) {
            Ok(request) if is_address(request.uri()) => Ok(()),
            Ok(_) => fault("it goes nowhere: an address begins with http:// or https:// and a host"),
            Err(error) => fault(&error.to_string()),
        }
    }

    fn measured(&self) -> Many {
        let lists = |template: &Template| template.names().any(|name| name != "id");
        let in_head = lists(&self.address)
            || self.query.as_ref().is_some_and(lists)
            || self.headers.iter().any(|(_, value)| lists(value));
        let empty = self.item.render(|_| Some("")).unwrap_or_default();
        let overhead = empty.len() + self.join.len();
        let (bytes, longest) = if in_head { (HEAD, HEAD) } else { (BODY, LONGEST) };
        Many { targets: self.many.targets, bytes: bytes + overhead, overhead, longest }
    }
}

/// The address before its `?`, and what is behind it.
fn divided(url: &Template) -> Result<(Template, Option<Template>), MakeError> {
    let text = url.to_string();
    // Without its own words: keys stand in addresses.
    let parse = |text: &str| {
        Template::parse(text).map_err(|_| MakeError::Template("the address has unbalanced braces".into()))
    };
    Ok(match text.split_once('?') {
        Some((address, query)) => (parse(address)?, Some(parse(query)?)),
        None => (parse(&text)?, None),
    })
}

/// A field, whose text is told to nobody.
fn field(name: &HeaderName, value: &str) -> Result<(HeaderName, Template), MakeError> {
    match Template::parse(value) {
        Ok(template) => Ok((name.clone(), template)),
        Err(_) => Err(MakeError::Template(format!("the braces of the field `{name}` are unbalanced"))),
    }
}

/// What may be a token in the text of a field, such as both parts of `Bearer TOKEN`.
fn words(text: &str) -> impl Iterator<Item = String> {
    let whole = std::iter::once(text);
    whole.chain(text.split_whitespace()).filter(|word| word.len() >= MIN_SECRET).map(str::to_owned)
}

/// What may be a key in what a template says of its own in a query or body: its words as they stand, and as they are once
/// decoded, each by itself since nobody knows which an API repeats.
fn pieces(text: &str) -> Vec<String> {
    let divides = |c: char| c.is_whitespace() || c.is_control() || "\"'\\&=?,;:{}[]()<>".contains(c);
    let written = std::iter::once(text.trim()).chain(text.split(divides)).chain(text.split(['"', '&', '=']));
    let written = written.filter(|piece| piece.len() >= MIN_SECRET);
    written.flat_map(|piece| [Some(piece.to_owned()), decoded(piece)]).flatten().collect()
}

/// A value of a query without its percent-encoding; `None`: it has none.
fn decoded(piece: &str) -> Option<String> {
    let value = encoded(piece).replace("%25", "%");
    let address =
        reqwest::Url::parse(&format!("http://api/?{value}")).ok().filter(|_| piece.contains('%'))?;
    address.query_pairs().next().map(|(value, _)| value.into_owned())
}

fn is_address(uri: &Uri) -> bool {
    matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
}

/// A name without what says how it is written.
fn base(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn written(target: &Target, name: &str, writing: Writing) -> Option<String> {
    match name.split_once('.') {
        None => Some(writing.write(name, &value(target, name)?)),
        // It is no path or URL any more, only a text.
        Some((name, "regex")) => Some(writing.write("", &literal(&value(target, name)?))),
        Some(_) => None,
    }
}

fn value(target: &Target, name: &str) -> Option<String> {
    let (place, path) = match target {
        Target::Url(place) => (place, &*place.path),
        Target::Prefix(place) => (place, folder(&place.path)),
        Target::Tag(tag) => return (name == "tag").then(|| tag.to_string()),
        Target::All => return None,
    };
    match name {
        "url" => Some(format!("{}{path}", place.base)),
        "scheme" => place.base.split_once("://").map(|(scheme, _)| scheme.to_owned()),
        "host" => Some(place.host().to_owned()),
        "path" => Some(path.to_owned()),
        _ => None,
    }
}

/// A regular expression that matches `text` alone. In those of Perl and POSIX a backslash before ASCII punctuation makes it
/// stand for itself; before letters and digits it would mean something. A slash means nothing anywhere.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() && !"/_-~%&=,;:@!'\"<>#".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests;
