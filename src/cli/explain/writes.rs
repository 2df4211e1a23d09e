//! What a write purges, each with the rule that says so; and what in place of what only a reply tells.

use super::page::Page;
use super::request::Request;
use crate::engine::{Route, Rules};
use crate::invalidation::{
    BodySeen, Invalidation, Located, Mode, PurgeRule, ReplySeen, Selector, Template, Values, Variable, When,
    WriteRule, WriteSeen, plan_write,
};
use crate::key::canonical_authority;
use crate::route::Captures;
use http::{HeaderMap, StatusCode};
use std::borrow::Cow;

/// Writes the purges, one a line.
pub(super) fn write(
    page: &mut Page,
    rules: &Rules,
    route: &Route,
    request: &Request,
    captures: Option<&Captures<'_>>,
) {
    let silent = HeaderMap::new();
    let scene = Scene {
        rules,
        silent: &silent,
        rule: &route.on_write,
        request,
        values: Values {
            captures: &|name| captures.and_then(|captures| captures.get(name)),
            query: request.query.as_deref(),
            region: route.region.as_ref().map(|region| region.of(&request.headers)),
            request: &request.headers,
            reply: None,
            request_body: request.body.as_ref(),
            reply_body: None,
        },
    };
    let (purges, doubts) = scene.lines();
    let all = purges.iter().chain(&doubts);
    let width = all.map(|line| line.what.chars().count()).max().unwrap_or_default();
    write_lines(page, "purges", &purges, width);
    page.line("", "and what Location and Content-Location of the reply name on the same host");
    write_lines(page, "in doubt", &doubts, width);
    page.line(
        "when",
        "the origin has answered, unless with 4xx; also when it fails or the outcome is unknown",
    );
}

fn write_lines(page: &mut Page, label: &str, lines: &[Line], width: usize) {
    for Line { what, why } in lines {
        page.line(label, &format!("{what:width$}  {why}"));
    }
}

/// What is purged, and why.
struct Line {
    what: String,
    why: String,
}

/// A write, and what is known of it without a reply.
struct Scene<'a> {
    rules: &'a Rules,
    rule: &'a WriteRule,
    request: &'a Request,
    /// The fields of a reply that tells nothing.
    silent: &'a HeaderMap,
    values: Values<'a>,
}

impl<'a> Scene<'a> {
    /// What is purged when the reply tells everything, and what is purged in place of what it does not tell.
    fn lines(&self) -> (Vec<Line>, Vec<Line>) {
        let target = self.plan(&WriteRule::default());
        let why = "the target of a write (RFC 9111, 4.4)";
        let line = |purge: &Invalidation| Line { what: purge.to_string(), why: why.to_owned() };
        let (mut purges, mut doubts) = (target.iter().map(line).collect::<Vec<_>>(), Vec::new());
        if self.rule.on_unknown.is_some() {
            let alone = WriteRule { purge: Vec::new(), ..self.rule.clone() };
            let why = "in place of Location and Content-Location: on_unknown of on_write";
            doubts.extend(self.besides(&target, &alone, why));
        }
        for purge in &self.rule.purge {
            let alone = WriteRule { purge: vec![purge.clone()], ..WriteRule::default() };
            match self.unknown(&purge.selector) {
                None => {
                    let told: Vec<_> =
                        self.told(purge).into_iter().filter(|it| !target.contains(it)).collect();
                    let what: Vec<_> = told.iter().map(ToString::to_string).collect();
                    let why = format!(
                        "besides {}, since the reply might have said something else: {}",
                        what.join(" and "),
                        by(purge)
                    );
                    let known: Vec<_> = target.iter().chain(&told).cloned().collect();
                    doubts.extend(self.besides(&known, &alone, &why));
                    purges.extend(what.into_iter().map(|what| Line { what, why: self.reason(purge) }));
                }
                Some(Unknown::Lacking(variable)) => {
                    let why = format!("{}, since the request has no {{{variable}}}", self.reason(purge));
                    purges.extend(self.besides(&target, &alone, &why));
                }
                Some(Unknown::Told(what)) => {
                    let why = format!("in place of {what}, where that is not told: {}", by(purge));
                    doubts.extend(self.besides(&target, &alone, &why));
                    let what = if purge.mode == Mode::Soft { format!("{what} (soft)") } else { what };
                    purges.push(Line { what, why: self.reason(purge) });
                }
            }
        }
        (purges, doubts)
    }

    /// What `rule` purges besides `target` where nothing is known of a reply.
    fn besides<'s>(
        &'s self,
        target: &[Invalidation],
        rule: &WriteRule,
        why: &'s str,
    ) -> impl Iterator<Item = Line> + use<'s> {
        let purges = self.plan(rule).into_iter();
        let own: Vec<_> = purges.filter(|purge| !target.contains(purge)).collect();
        own.into_iter().map(move |purge| Line { what: purge.to_string(), why: why.to_owned() })
    }

    /// What `purge` reaches when the write was done, and its reply tells nothing.
    fn told(&self, purge: &PurgeRule) -> Vec<Invalidation> {
        let alone = PurgeRule { when: When::ALWAYS, ..purge.clone() };
        let rule = WriteRule { purge: vec![alone], ..WriteRule::default() };
        let body = BodySeen::Whole(None);
        self.seen(&rule, Some(ReplySeen { status: StatusCode::OK, headers: self.silent, body }))
    }

    fn plan(&self, rule: &WriteRule) -> Vec<Invalidation> {
        self.seen(rule, None)
    }

    fn seen(&self, rule: &WriteRule, reply: Option<ReplySeen<'a>>) -> Vec<Invalidation> {
        let Request { authority, path, .. } = self.request;
        let write = WriteSeen { authority, path, values: self.values, reply };
        let canonical = |authority: &str| {
            let name = canonical_authority(authority, self.request.scheme, self.rules.aliases());
            name.map_or_else(|| authority.to_owned(), Cow::into_owned)
        };
        plan_write(rule, &write, canonical).purges
    }

    /// What of a selector is not known without a reply; `None` when all is.
    fn unknown(&self, selector: &Selector) -> Option<Unknown> {
        let (kind, template, is_known) = match selector {
            Selector::Url(template) => ("url", template, is_whole(&self.values.location(template))),
            Selector::Prefix(template) => ("prefix", template, is_whole(&self.values.location(template))),
            Selector::Tag(template) => ("tag", template, self.values.tag(template).is_some()),
            Selector::SelfUrl | Selector::Route(_) | Selector::All => return None,
        };
        if is_known {
            return None;
        }
        let is_to_come = |variable: &Variable| {
            variable.needs_reply() || (variable.reads_request_body() && self.request.body.is_none())
        };
        let lacking = template.variables().find(|variable| {
            !is_to_come(variable) && self.values.text(variable).is_none_or(|text| text.is_empty())
        });
        Some(match lacking {
            Some(variable) => Unknown::Lacking(variable.to_string()),
            None => Unknown::Told(format!("{kind} {}", self.sketch(kind, template))),
        })
    }

    /// A template with what is known filled in.
    fn sketch(&self, kind: &str, template: &Template<Variable>) -> String {
        let text = template.fill(|variable| {
            let known = self.values.text(variable);
            Some(known.unwrap_or_else(|| Cow::Owned(format!("{{{variable}}}"))))
        });
        let text = text.unwrap_or_else(|| template.to_string());
        let on_target = kind != "tag" && text.starts_with('/');
        if on_target { format!("{}{text}", self.request.authority) } else { text }
    }

    /// The rule, and on what of a reply it depends.
    fn reason(&self, purge: &PurgeRule) -> String {
        let mut text = format!("on_write {}", purge.selector);
        let When { statuses, fields } = &purge.when;
        if !statuses.is_empty() {
            let statuses: Vec<_> = statuses.iter().map(ToString::to_string).collect();
            text.push_str(&format!(", when the status is {}", statuses.join(" or ")));
        }
        for (name, value) in fields {
            let value = value.as_ref().map(|value| format!(": {value}")).unwrap_or_default();
            text.push_str(&format!(", when the reply has {name}{value}"));
        }
        let reads = |read: fn(&Variable) -> bool| purge.selector.variables().any(read);
        let is_overruled = reads(|variable| matches!(variable, Variable::Body(_)));
        if is_overruled && self.request.body.is_some() {
            text.push_str(", unless the reply says something else");
        } else if is_overruled {
            text.push_str(", as the body of the reply says, or else that of the request");
        } else if reads(Variable::needs_reply) {
            text.push_str(", as the reply says");
        } else if reads(Variable::reads_request_body) && self.request.body.is_none() {
            text.push_str(", as the body of the request says (see --data)");
        }
        text
    }
}

/// Why a selector is not known.
enum Unknown {
    /// The request has no such value.
    Lacking(String),
    /// A reply or a body is to tell: what is known of the purge.
    Told(String),
}

/// Whether a value is missing that whoever asks again could give. A path with dots is all there is.
fn is_whole(location: &Located) -> bool {
    !matches!(location, Located::Before(_))
}

/// Where it stands what is purged in doubt.
fn by(purge: &PurgeRule) -> &'static str {
    if purge.on_unknown.is_some() { "its on_unknown" } else { "it has no on_unknown" }
}
