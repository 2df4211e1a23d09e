//! `on_write`.

use super::Scope;
use super::routes::Names;
use crate::config::fault::quoted;
use crate::config::raw::{OnWrite, Selector};
use crate::config::read::{At, nearest};
use crate::config::values::{RouteName, UrlTarget};
use crate::invalidation::{self, Mode, Template, WriteRule};

/// The names of the captures of a path; `None` if the path is faulty.
pub(super) type Captures<'a> = Option<&'a [&'a str]>;

/// What a write purges; its own target at least, which need not be said.
pub(super) fn rule(
    scope: &Scope<'_>,
    written: Option<&OnWrite>,
    captures: Captures<'_>,
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
    captures: Captures<'_>,
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
    if names.has_route(&at.value.0) {
        return;
    }
    let meant = nearest(&at.value.0, names.routes()).filter(|_| !at.foreign);
    let remedy = meant
        .map_or_else(|| "write the `name` of a route".to_owned(), |name| format!("did you mean `{name}`?"));
    at.fault(scope.report, format!("no route is named {}", at.shown), remedy);
}

/// Reports every name in a template that is no capture of the route's path.
pub(super) fn check_names(scope: &Scope<'_>, at: &At<&Template>, captures: Captures<'_>) {
    let Some(captures) = captures else { return };
    for name in at.value.names().filter(|name| !captures.contains(name)) {
        if at.foreign {
            let problem = format!("{} names something that `path` does not capture", at.shown);
            at.fault(scope.report, problem, "change what it stands for");
            continue;
        }
        let remedy = match (nearest(name, captures.iter().copied()), captures) {
            (Some(meant), _) => format!("did you mean `{{{meant}}}`?"),
            (None, []) => {
                format!("write {} in the path, or a text without it here", quoted(&format!("{{{name}}}")))
            }
            (None, _) => {
                let all: Vec<_> = captures.iter().map(|name| format!("`{{{name}}}`")).collect();
                format!("the captures are {}", all.join(", "))
            }
        };
        let problem =
            format!("{} names {}, which `path` does not capture", at.shown, quoted(&format!("{{{name}}}")));
        at.fault(scope.report, problem, remedy);
    }
}
