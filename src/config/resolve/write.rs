//! `on_write`.

use super::Scope;
use super::names::{Captures, Names};
use crate::config::raw::{OnWrite, Selector};
use crate::config::read::At;
use crate::config::values::{RouteName, UrlTarget};
use crate::invalidation::{self, Mode, Template, Variable, WriteRule};

/// What a write purges; its own target at least, which need not be said.
pub(super) fn rule(
    scope: &Scope<'_>,
    written: Option<&OnWrite>,
    captures: &Captures<'_>,
    names: &Names<'_>,
) -> WriteRule {
    let Some(OnWrite { purge, soft }) = written else {
        return WriteRule { purge: Vec::new(), mode: Mode::Hard };
    };
    let selectors = purge.value().into_iter().flat_map(|list| &list.items);
    let purge = selectors.map(|selector| resolve(scope, &selector.value, captures, names)).collect();
    WriteRule { purge, mode: if soft.or_default(false) { Mode::Soft } else { Mode::Hard } }
}

fn resolve(
    scope: &Scope<'_>,
    selector: &Selector,
    captures: &Captures<'_>,
    names: &Names<'_>,
) -> invalidation::Selector {
    match selector {
        Selector::All => invalidation::Selector::All,
        Selector::Tag(at) => {
            check_names(scope, &at.with(&at.value.0), captures);
            invalidation::Selector::Tag(at.value.0.clone())
        }
        Selector::Prefix(at) => {
            check_names(scope, &at.with(&at.value.0), captures);
            invalidation::Selector::Prefix(at.value.0.clone())
        }
        Selector::Url(at) => match &at.value {
            UrlTarget::Itself => invalidation::Selector::SelfUrl,
            UrlTarget::Other(template) => {
                check_names(scope, &at.with(template), captures);
                invalidation::Selector::Url(template.clone())
            }
        },
        Selector::Route(at) => {
            check_route(scope, at, names);
            invalidation::Selector::Route(at.value.0.as_str().into())
        }
    }
}

fn check_route(scope: &Scope<'_>, at: &At<RouteName>, names: &Names<'_>) {
    if names.lacks_route(&at.value) {
        let remedy = match names.nearest_route(at) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write the `name` of a route".to_owned(),
        };
        at.fault(scope.report, format!("no route is named {}", at.shown), remedy);
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
