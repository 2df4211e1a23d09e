//! `cdn[].http`.

use crate::cdn::providers::http::{HttpCall, HttpSettings};
use crate::cdn::{Alphabet, Rate, Separator, TagHeader};
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::resolve::Scope;
use crate::config::values::SecretTemplate;
use crate::invalidation::Template;
use crate::secret::Secret;
use http::{HeaderName, Method};
use std::time::Duration;

/// The rate where none is set: what a server of one's own takes without noticing.
const RATE: Rate = Rate { calls: 50, per: Duration::from_secs(1), burst: 50 };

/// Defaults of `tag_header`: what most servers take in one field.
const TAGS: usize = 256;
const BYTES: usize = 8000;
const LONGEST: usize = 1024;

/// The most targets in one call.
const MAX_BATCH: usize = 10_000;

/// Names that stand for a URL or prefix, and for a tag.
const OF_URL: &[&str] = &["url", "scheme", "host", "path"];
const OF_TAG: &[&str] = &["tag"];

/// Any API, by template.
pub(super) fn make(scope: &Scope<'_>, at: &At<raw::HttpApi>) -> Option<HttpSettings> {
    let raw::HttpApi { url, prefix, tag, all, tag_header, queries } = &at.value;
    if [url, prefix, tag, all].iter().all(|call| call.is_absent()) {
        at.fault(scope.report, "purges nothing", "add `url`, `prefix`, `tag` or `all`, such as `url: { method: PURGE, url: \"http://varnish:6081{path}\" }`");
        return None;
    }
    if tag_header.is_absent()
        && let Some(at) = tag.set()
    {
        at.fault(
            scope.report,
            "replies do not tell it their tags",
            "add `tag_header: { name: xkey }` beside it",
        );
    }
    if tag.is_absent()
        && let Some(at) = tag_header.set()
    {
        at.fault(scope.report, "there is no `tag` that tells how tags are purged", "add it, or remove this");
    }
    if queries.is_absent()
        && let Some(at) = url.set()
    {
        let remedy = "add `queries: true` beside it if one request reaches a URL with every query, else `queries: false`";
        at.fault(scope.report, "does not say what becomes of queries", remedy);
    }
    Some(HttpSettings {
        url: url.set().and_then(|at| call(scope, at, OF_URL)),
        prefix: prefix.set().and_then(|at| call(scope, at, OF_URL)),
        tag: tag.set().and_then(|at| call(scope, at, OF_TAG)),
        all: all.set().and_then(|at| call(scope, at, &[])),
        tag_header: tag_header.set().and_then(|at| header(scope, at)),
        queries: queries.or_default(false),
        rate: RATE,
    })
}

fn call(scope: &Scope<'_>, at: &At<raw::HttpCall>, known: &[&str]) -> Option<HttpCall> {
    let raw::HttpCall { method, url, headers, body, item, join, batch, done } = &at.value;
    let url =
        scope.required(url, at, "url", "write where the request goes, such as `http://varnish:6081{path}`");
    let batch = scope.within(batch, 1, 1, MAX_BATCH);
    for (at, template) in
        [url.map(|at| (at.with(()), &at.value.0)), body.set().map(|at| (at.with(()), &at.value.0))]
            .into_iter()
            .flatten()
    {
        check_names(scope, &at, template, known, &["id", "targets"]);
    }
    if let Some(at) = item.set() {
        check_names(scope, &at.with(()), &at.value.0, known, &[]);
    }
    let headers = headers.value().map_or(&[][..], |map| &map.entries);
    let fields: Vec<_> = headers.iter().filter_map(|(name, value)| field(scope, name, value)).collect();
    let of_fields = headers.iter().filter_map(|(_, value)| {
        let at = value.set()?;
        Some((at.with(()), Template::parse(at.value.0.expose()).ok()?))
    });
    let of_fields: Vec<_> = of_fields.collect();
    for (at, template) in &of_fields {
        check_names(scope, at, template, known, &["id", "targets"]);
    }
    let lists = |template: &Template| template.names().any(|name| name == "targets");
    if batch > 1
        && !url.is_some_and(|at| lists(&at.value.0))
        && !body.value().is_some_and(|body| lists(&body.0))
        && !of_fields.iter().any(|(_, template)| lists(template))
    {
        at.fault(
            scope.report,
            "has a `batch`, but names only one target",
            "write `{targets}` in `body`, or remove `batch`",
        );
    }
    Some(HttpCall {
        method: method.value().cloned().unwrap_or(Method::POST),
        url: url?.value.0.clone(),
        headers: fields,
        body: body.value().map(|body| body.0.clone()),
        item: item.value().map(|item| item.0.clone()),
        join: join.value().map_or_else(|| ",".to_owned(), |join| join.1.clone()),
        batch,
        done: done.value().map_or_else(Vec::new, |list| list.values().map(|status| status.0).collect()),
    })
}

fn check_names(scope: &Scope<'_>, at: &At<()>, template: &Template, known: &[&str], more: &[&str]) {
    for name in template.names() {
        // What follows a point says how a value is written.
        let base = name.split('.').next().unwrap_or(name);
        if !known.contains(&base) && !more.contains(&base) {
            let names: Vec<_> = known.iter().chain(more).map(|name| format!("`{{{name}}}`")).collect();
            at.fault(
                scope.report,
                format!("`{{{name}}}` is not known here"),
                format!("the names are {}", names.join(", ")),
            );
        }
    }
}

fn field(
    scope: &Scope<'_>,
    name: &At<String>,
    value: &Field<SecretTemplate>,
) -> Option<(HeaderName, Secret)> {
    let Ok(header) = HeaderName::from_bytes(name.value.as_bytes()) else {
        name.fault(
            scope.report,
            format!("{} is not the name of a header", name.shown),
            "write a name such as `Authorization`",
        );
        return None;
    };
    value.value().map(|value| (header, value.0.clone()))
}

fn header(scope: &Scope<'_>, at: &At<raw::TagHeader>) -> Option<TagHeader> {
    let raw::TagHeader { name, separator, tags, bytes, longest } = &at.value;
    let name = scope.required(name, at, "name", "write the name of the header, such as `xkey`");
    Some(TagHeader {
        name: name?.value.clone(),
        separator: separator.value().map_or(Separator::Space, |separator| separator.0),
        tags: scope.within(tags, TAGS, 1, 100_000),
        bytes: scope.within(bytes, BYTES, 64, 1 << 20),
        longest: scope.within(longest, LONGEST, 32, 1 << 16),
        alphabet: Alphabet { without: "", ignores_case: false },
    })
}
