//! `on_write`.

use super::Scope;
use super::names::{Captures, Names};
use crate::config::raw::{ByWrite, OnWrite, Purge, Selector, When};
use crate::config::read::{At, Field, List};
use crate::config::units::Size;
use crate::config::values::{RouteName, UrlTarget};
use crate::invalidation::{self, MAX_BODY, Mode, PurgeRule, Template, Variable, WriteRule};
use crate::key::RegionRule;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// What `max_body` may be: every write under way may hold two such bodies.
const LENGTHS: RangeInclusive<u64> = 1..=1 << 20;

/// What a route's templates may name, and what they are checked against.
pub(super) struct Known<'f> {
    pub(super) captures: &'f Captures<'f>,
    pub(super) names: &'f Names<'f>,
    pub(super) region: &'f Field<Arc<RegionRule>>,
}

/// What a write purges; its own target at least, which need not be said.
pub(super) fn rule(scope: &Scope<'_>, written: Option<&OnWrite>, known: &Known<'_>) -> WriteRule {
    let Some(OnWrite { purge, soft, on_unknown, max_body }) = written else {
        return WriteRule::default();
    };
    let mode = if soft.or_default(false) { Mode::Soft } else { Mode::Hard };
    let items = purge.value().into_iter().flat_map(|list| &list.items);
    let rule = WriteRule {
        purge: items.map(|item| purge_rule(scope, item, mode, known)).collect(),
        mode,
        on_unknown: on_unknown.set().map(|at| stand_in(scope, at, known)),
        max_body: longest_body(scope, max_body),
    };
    let is_whole = purge.value().is_none_or(List::is_whole);
    if let Some(at) = max_body.set().filter(|at| is_whole && LENGTHS.contains(&at.value.0))
        && !rule.reads_request_body()
        && !rule.reads_reply_body()
    {
        let remedy = "remove it, or name a value there: `{body./category/id}`";
        at.fault(scope.report, "no purge looks into a body", remedy);
    }
    rule
}

fn longest_body(scope: &Scope<'_>, written: &Field<Size>) -> usize {
    let Some(at) = written.set() else { return MAX_BODY };
    if !LENGTHS.contains(&at.value.0) {
        at.fault(
            scope.report,
            format!("{} is not from 1B to 1MiB", at.shown),
            "write `64KiB`, or another size in that range",
        );
    }
    usize::try_from(at.value.0).unwrap_or(MAX_BODY)
}

fn purge_rule(scope: &Scope<'_>, item: &At<Purge>, mode: Mode, known: &Known<'_>) -> PurgeRule {
    let Purge { selector, soft, when, on_unknown } = &item.value;
    let (written, selector) = (selector, resolve(scope, selector, known));
    if selector == invalidation::Selector::SelfUrl {
        check_bare(scope, soft, "soft");
        check_bare(scope, when, "when");
        check_bare(scope, on_unknown, "on_unknown");
    } else if let Some(at) = on_unknown.set() {
        let is_known = |variable| matches!(variable, &Variable::Capture(_) | &Variable::Region);
        if selector.variables().all(is_known) {
            at.fault(scope.report, "is never used: all that the purge names is known", "remove it");
        }
    } else if on_unknown.is_absent()
        && let Some(variable) = selector.may_reach_all_for()
    {
        check_withheld(scope, written, variable);
    }
    PurgeRule {
        selector,
        mode: match soft.value() {
            Some(true) => Mode::Soft,
            Some(false) => Mode::Hard,
            None => mode,
        },
        when: when.set().map_or(invalidation::When::ALWAYS, |at| condition(scope, at)),
        on_unknown: on_unknown.set().map(|at| stand_in(scope, at, known)),
    }
}

/// Reports a purge that whoever leaves out a value turns into one of everything.
fn check_withheld(scope: &Scope<'_>, written: &Selector<ByWrite>, variable: &Variable) {
    let at = match written {
        Selector::Tag(at) => at.with(()),
        Selector::Prefix(at) => at.with(()),
        Selector::Url(at) => at.with(()),
        Selector::Route(_) | Selector::All => return,
    };
    let name = if at.foreign { "a value".to_owned() } else { format!("`{{{variable}}}`") };
    at.fault(
        scope.report,
        format!("{} names {name}, which a write may lack, and everything would be purged then", at.shown),
        "say what goes in its place, such as `on_unknown: { prefix: /api/categories }`, or `on_unknown: all`",
    );
}

/// Reports what is said of the target of a write, which dies whatever is said.
fn check_bare<T>(scope: &Scope<'_>, field: &Field<T>, key: &str) {
    if let Some(at) = field.set() {
        at.fault(
            scope.report,
            "the target of a write dies in any case (RFC 9111, 4.4)",
            format!("remove `{key}`"),
        );
    }
}

fn condition(scope: &Scope<'_>, at: &At<When>) -> invalidation::When {
    let When { status, header } = &at.value;
    let empty = |written: Option<usize>| written == Some(0);
    if (status.is_absent() && header.is_absent())
        || empty(status.value().map(|list| list.written))
        || empty(header.value().map(|list| list.written))
    {
        at.fault(
            scope.report,
            "names no condition",
            "write one such as `{ status: [201] }` or `{ header: [X-Moved] }`, or remove it",
        );
    }
    invalidation::When {
        statuses: status.value().into_iter().flat_map(List::values).map(|status| status.0).collect(),
        fields: header
            .value()
            .into_iter()
            .flat_map(List::values)
            .map(|field| (field.0.clone(), field.1.clone()))
            .collect(),
    }
}

/// What is purged in place of something that is not known: it has to be known itself.
fn stand_in(scope: &Scope<'_>, at: &At<Selector<ByWrite>>, known: &Known<'_>) -> invalidation::Selector {
    let selector = resolve(scope, &at.value, known);
    if selector.variables().any(Variable::needs_reply) {
        at.fault(
            scope.report,
            "names a value that is not known without a reply either",
            "write what the request tells, such as `{ prefix: /api/categories }`, or `all`",
        );
    } else if selector.may_reach_all_for().is_some() {
        at.fault(
            scope.report,
            "names a value that a write may lack as well",
            "write what every request tells, such as `{ prefix: /api/categories }`, or `all`",
        );
    }
    selector
}

fn resolve(scope: &Scope<'_>, selector: &Selector<ByWrite>, known: &Known<'_>) -> invalidation::Selector {
    match selector {
        Selector::All => invalidation::Selector::All,
        Selector::Tag(at) => {
            check_variables(scope, &at.with(&at.value.0), known);
            invalidation::Selector::Tag(at.value.0.clone())
        }
        Selector::Prefix(at) => {
            check_variables(scope, &at.with(&at.value.0), known);
            invalidation::Selector::Prefix(at.value.0.clone())
        }
        Selector::Url(at) => match &at.value {
            UrlTarget::Itself => invalidation::Selector::SelfUrl,
            UrlTarget::Other(template) => {
                check_variables(scope, &at.with(template), known);
                invalidation::Selector::Url(template.clone())
            }
        },
        Selector::Route(at) => {
            check_route(scope, at, known.names);
            invalidation::Selector::Route(at.value.0.as_str().into())
        }
    }
}

/// Reports a name that no route has.
pub(super) fn check_route(scope: &Scope<'_>, at: &At<RouteName>, names: &Names<'_>) {
    if names.lacks_route(&at.value) {
        let remedy = match names.nearest_route(at) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write the `name` of a route".to_owned(),
        };
        at.fault(scope.report, format!("no route is named {}", at.shown), remedy);
    }
}

/// Reports what a template names that is not there.
fn check_variables(scope: &Scope<'_>, at: &At<&Template<Variable>>, known: &Known<'_>) {
    check_names(scope, at, known.captures);
    let regional = at.value.variables().any(|variable| *variable == Variable::Region);
    if regional && known.region.is_absent() && known.captures.lack("region") {
        at.fault(
            scope.report,
            format!("{} names the region, which is not set up", at.shown),
            "write `region: { header: CloudFront-Viewer-Country }` at the top of the file",
        );
    }
}

/// Reports every name in a template that is no capture of the route's path.
pub(super) fn check_names(scope: &Scope<'_>, at: &At<&Template<Variable>>, captures: &Captures<'_>) {
    let names = at.value.variables().filter_map(|variable| match variable {
        Variable::Capture(name) => Some(&**name),
        _ => None,
    });
    for name in names.filter(|name| captures.lack(name)) {
        if at.foreign {
            let problem = format!("{} names something that `path` does not capture", at.shown);
            at.fault(scope.report, problem, "change what it stands for");
        } else {
            let problem = format!("{} names `{{{name}}}`, which `path` does not capture", at.shown);
            at.fault(scope.report, problem, captures.remedy(name));
        }
    }
}
