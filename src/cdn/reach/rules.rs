//! What the rules say of a tag: which requests are answered with replies that bear it.

use super::RouteReach;
use crate::invalidation::{Template, Variable};
use crate::route::{Filled, PathPattern};

/// What a route answers with replies that a template gives this tag; `None`: it gives it to none.
pub(super) fn answers(route: &RouteReach, template: &Template<Variable>, tag: &str) -> Option<Vec<Filled>> {
    let path = route.path.as_ref();
    // A segment is never empty. What the path does not capture (a query, a field, the region) may have been anything.
    let possible = |variable: &Variable, value: &str| {
        let name = captured(variable)
            .filter(|name| path.is_some_and(|path| path.names().any(|known| known == *name)));
        !value.is_empty() || name.is_none_or(|name| path.is_some_and(|path| path.is_rest(name)))
    };
    let Ok(readings) = template.unrender(tag, possible) else {
        return Some(vec![fill(path, &[])]);
    };
    let mut filled: Vec<Filled> = Vec::new();
    for reading in readings {
        let one = fill(path, &reading);
        if !filled.contains(&one) {
            filled.push(one);
        }
    }
    (!filled.is_empty()).then_some(filled)
}

/// The paths of a pattern, as far as a reading tells them.
pub(super) fn fill(path: Option<&PathPattern>, reading: &[(&Variable, &str)]) -> Filled {
    let value = |name: &str| {
        let found = reading.iter().find(|(variable, _)| captured(variable) == Some(name));
        // Bytes that were no text are lost.
        found.map(|(_, value)| *value).filter(|value| !value.contains('\u{fffd}'))
    };
    path.map_or(Filled::Below(String::new()), |path| path.fill(value))
}

/// The capture that a variable may stand for.
fn captured(variable: &Variable) -> Option<&str> {
    match variable {
        Variable::Capture(name) => Some(name),
        Variable::Region => Some("region"),
        _ => None,
    }
}
